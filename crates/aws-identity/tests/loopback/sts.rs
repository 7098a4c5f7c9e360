//! A stand-in for STS: it gives credentials that say by their key id whose they are, and refuses what a test wants refused.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use crate::Probe;
use crate::server::{Server, answer};

/// A call, decoded.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) parameters: BTreeMap<String, String>,
    /// The access key that signed it, if any did.
    pub(crate) key_id: Option<String>,
}

impl Call {
    pub(crate) fn parse(request: &str) -> Self {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let pair = |pair: &str| pair.split_once('=').map(|(key, value)| (decoded(key), decoded(value)));
        let key_id = head.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next()).map(str::to_owned);
        Self { parameters: body.split('&').filter_map(pair).collect(), key_id }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    pub(crate) fn action(&self) -> &str {
        self.get("Action").unwrap()
    }

    /// The ARN of whoever signed.
    fn caller(&self) -> String {
        match self.key_id.as_deref().and_then(|key| key.strip_prefix("ASIA.")?.split_once('.')) {
            Some((account, role)) => format!("arn:aws:sts::{account}:assumed-role/{role}/session"),
            None => "arn:aws:iam::111122223333:user/bob".to_owned(),
        }
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, tail @ ..]) => {
                let hex = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
                rest = tail;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// What STS shall do with a call.
pub(crate) enum Verdict {
    /// Gives credentials for an hour.
    Grant,
    /// Gives credentials that are about to expire.
    GrantBriefly,
    /// Gives credentials of a session that already had a source identity.
    GrantInheriting(&'static str),
    /// Refuses with a code and a message.
    Refuse(&'static str, String),
}

/// Refuses as AWS does when a policy does not permit `action`.
pub(crate) fn denied(call: &Call, action: &str) -> Verdict {
    let role_arn = call.get("RoleArn").unwrap_or_default();
    let message = format!("User: {} is not authorized to perform: {action} on resource: {role_arn}", call.caller());
    Verdict::Refuse("AccessDenied", message)
}

/// Starts STS with a mind of its own about everything but `GetCallerIdentity`.
pub(crate) async fn sts(judge: impl Fn(&Call) -> Verdict + Send + Sync + 'static) -> Server {
    Server::reasoning(move |request| {
        let call = Call::parse(request);
        match call.action() {
            "GetCallerIdentity" => identity(&call),
            _ => match judge(&call) {
                Verdict::Grant => credentials(&call, Duration::from_hours(1), call.get("SourceIdentity")),
                Verdict::GrantBriefly => credentials(&call, Duration::from_secs(30), call.get("SourceIdentity")),
                Verdict::GrantInheriting(identity) => credentials(&call, Duration::from_hours(1), Some(identity)),
                Verdict::Refuse(code, message) => refusal(code, &message),
            },
        }
    })
    .await
}

/// The calls that have arrived, without `GetCallerIdentity`.
pub(crate) fn calls(server: &mut Server) -> Vec<Call> {
    let calls = server.arrived().into_iter().map(|request| Call::parse(&request));
    calls.filter(|call| call.action() != "GetCallerIdentity").collect()
}

/// Points a probe at a server.
pub(crate) fn at(probe: Probe, server: &Server) -> Probe {
    let url = format!("http://127.0.0.1:{}", server.port);
    probe.set("AWS_ENDPOINT_URL_STS", url).set("AWS_REGION", "us-west-2").set("AWS_MAX_ATTEMPTS", "1")
}

fn identity(call: &Call) -> String {
    let arn = call.caller();
    let account = arn.split(':').nth(4).unwrap();
    let result = format!("<Arn>{arn}</Arn><UserId>AIDA1</UserId><Account>{account}</Account>");
    wrapped("GetCallerIdentity", &result)
}

fn credentials(call: &Call, life: Duration, source_identity: Option<&str>) -> String {
    let role_arn = call.get("RoleArn").unwrap();
    let (account, role) = (role_arn.split(':').nth(4).unwrap(), role_arn.rsplit('/').next().unwrap());
    let expiration = DateTime::from(SystemTime::now() + life).fmt(Format::DateTime).unwrap();
    let source_identity =
        source_identity.map(|identity| format!("<SourceIdentity>{identity}</SourceIdentity>")).unwrap_or_default();
    let session = call.get("RoleSessionName").unwrap();
    let result = format!(
        "<Credentials><AccessKeyId>ASIA.{account}.{role}</AccessKeyId><SecretAccessKey>SECRETKEY</SecretAccessKey>\
         <SessionToken>SESSIONTOKEN</SessionToken><Expiration>{expiration}</Expiration></Credentials><AssumedRoleUser>\
         <AssumedRoleId>AROA1:{session}</AssumedRoleId><Arn>arn:aws:sts::{account}:assumed-role/{role}/{session}</Arn>\
         </AssumedRoleUser>{source_identity}"
    );
    wrapped(call.action(), &result)
}

fn wrapped(action: &str, result: &str) -> String {
    let body = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{result}</{action}Result>\
         </{action}Response>"
    );
    answer("200 OK", &body)
}

fn refusal(code: &str, message: &str) -> String {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>req-7</RequestId></ErrorResponse>"
    );
    answer(if code == "AccessDenied" { "403 Forbidden" } else { "400 Bad Request" }, &body)
}
