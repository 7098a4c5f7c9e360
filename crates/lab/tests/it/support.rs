//! Plain HTTP with the lab's own signer, for the contract tests.
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use lab::{SigningKeys, World, sign_request};
use serde_json::Value;

/// Generous: only a hang reaches it.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(20);

/// An answer: status and body.
pub(crate) type Answer = (u16, Value);

/// Calls a JSON action as a principal.
pub(crate) fn call_as(world: &World, keys: &SigningKeys, action: &str, body: &Value) -> std::io::Result<Answer> {
    let (service, name) = action.split_once(':').expect("an action has a service");
    let target = match service {
        "ecs" => "AmazonEC2ContainerServiceV20141113",
        "ssm" => "AmazonSSM",
        "logs" => "Logs_20140328",
        "cloudtrail" => "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
        _ => "TrentService",
    };
    let headers = [
        ("content-type".to_owned(), "application/x-amz-json-1.1".to_owned()),
        ("host".to_owned(), world.api_addr().to_string()),
        ("x-amz-target".to_owned(), format!("{target}.{name}")),
    ];
    let (status, text) = send(world, ("POST", "/"), &headers, body.to_string().as_bytes(), Some((keys, service)))?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}

/// Calls a JSON action as the world's caller.
pub(crate) fn call(world: &World, action: &str, body: &Value) -> Answer {
    call_as(world, &world.caller_keys(), action, body).expect("the lab answers")
}

/// Calls STS with a form; signed if there are keys.
pub(crate) fn sts(world: &World, keys: Option<&SigningKeys>, form: &str) -> (u16, String) {
    let headers = [
        ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ("host".to_owned(), world.api_addr().to_string()),
    ];
    send(world, ("POST", "/"), &headers, form.as_bytes(), keys.map(|keys| (keys, "sts"))).expect("the lab answers")
}

/// Calls S3 with a method and a path; `more` headers are signed too.
pub(crate) fn s3(world: &World, line: (&str, &str), more: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let mut headers = vec![
        ("host".to_owned(), world.api_addr().to_string()),
        ("x-amz-content-sha256".to_owned(), hex(digest(&SHA256, body).as_ref())),
    ];
    headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    send(world, line, &headers, body, Some((&world.caller_keys(), "s3"))).expect("the lab answers")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn send(
    world: &World,
    (method, path): (&str, &str),
    headers: &[(String, String)],
    body: &[u8],
    signer: Option<(&SigningKeys, &str)>,
) -> std::io::Result<(u16, String)> {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut headers = headers.to_vec();
    if let Some((keys, service)) = signer {
        headers.extend(sign_request((method, path, ""), &headers.clone(), body, keys, ("us-east-2", service, &stamp)));
    }
    let mut head = format!("{method} {path} HTTP/1.1\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in &headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(world.api_addr())?;
    stream.set_read_timeout(Some(WATCHDOG))?;
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    status.map(|status| (status, body.to_owned())).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// Takes the text of an XML element.
pub(crate) fn element(xml: &str, name: &str) -> String {
    let after = xml.split_once(&format!("<{name}>")).map_or("", |(_, after)| after);
    after.split_once(&format!("</{name}>")).map_or("", |(inner, _)| inner).to_owned()
}
