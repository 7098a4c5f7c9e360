//! Calls over the shared connector: endpoints, trust, proxies, refusals.

use crate::Probe;
use crate::server::{Server, answer};

const IDENTITY: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/bob</Arn><UserId>AIDA1</UserId>\
    <Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

const DENIED: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
    <Code>AccessDenied</Code><Message>User: arn:aws:iam::111122223333:user/bob is not authorized to perform: \
    sts:GetCallerIdentity with an explicit deny</Message></Error><RequestId>req-7</RequestId></ErrorResponse>";

fn calling() -> Probe {
    Probe::with_keys().set("PROBE_CALL", "1").set("AWS_MAX_ATTEMPTS", "1")
}

async fn outcome(probe: Probe) -> String {
    probe.run().await.pop().unwrap()
}

#[tokio::test]
async fn a_signed_call_reaches_the_endpoint_of_the_environment() {
    let mut server = Server::plain(answer("200 OK", IDENTITY)).await;
    let probe = calling().set("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", server.port));
    assert_eq!(outcome(probe).await, "caller=111122223333 arn:aws:iam::111122223333:user/bob AIDA1");
    let request = server.request().await;
    assert!(request.contains("Action=GetCallerIdentity"), "{request}");
    let scope = "AWS4-HMAC-SHA256 Credential=AKIDENV/";
    assert!(request.contains(scope) && request.contains("/us-east-2/sts/aws4_request"), "{request}");
}

#[tokio::test]
async fn a_denial_is_explained() {
    let server = Server::plain(answer("403 Forbidden", DENIED)).await;
    let probe = calling().set("AWS_ENDPOINT_URL_STS", format!("http://127.0.0.1:{}", server.port));
    let said = outcome(probe).await;
    let expected = "refused Denied Some(403): call sts:GetCallerIdentity as arn:aws:iam::111122223333:user/bob: \
        the permission sts:GetCallerIdentity is missing: AccessDenied: ";
    assert!(said.starts_with(expected) && said.ends_with("(request id req-7)"), "{said}");
}

#[tokio::test]
async fn a_ca_bundle_replaces_the_trusted_roots() {
    let (server, ca_file, _folder) = Server::tls(answer("200 OK", IDENTITY)).await;
    let url = format!("https://127.0.0.1:{}", server.port);
    let trusting = calling().set("AWS_ENDPOINT_URL", &url).set("AWS_CA_BUNDLE", &ca_file);
    assert!(outcome(trusting).await.starts_with("caller=111122223333 "));
    let by_flag = calling().set("AWS_ENDPOINT_URL", &url).set("AWS_CA_BUNDLE", "/nonexistent").set("PROBE_CA", &ca_file);
    assert!(outcome(by_flag).await.starts_with("caller=111122223333 "));
    let system = calling().set("AWS_ENDPOINT_URL", &url).set("SSL_CERT_FILE", &ca_file);
    assert!(outcome(system).await.starts_with("caller=111122223333 "));
    // With a bundle, what the system trusts counts no more.
    let (_other, other_file, _other_folder) = Server::tls(String::new()).await;
    let replaced = calling().set("AWS_ENDPOINT_URL", &url).set("SSL_CERT_FILE", &ca_file).set("AWS_CA_BUNDLE", &other_file);
    let said = outcome(replaced).await;
    assert!(said.starts_with("refused Network None: call sts:GetCallerIdentity: "), "{said}");
    assert!(said.to_lowercase().contains("certificate"), "{said}");
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_used_and_its_refusal_is_told() {
    let mut proxy = Server::plain(answer("407 Proxy Authentication Required", "")).await;
    let probe = calling().set("HTTPS_PROXY", format!("http://bob:hunter2@127.0.0.1:{}", proxy.port));
    let said = outcome(probe).await;
    assert!(said.starts_with("refused Network None: "), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let request = proxy.request().await;
    assert!(request.starts_with("CONNECT sts.us-east-2.amazonaws.com:443 HTTP/1.1\r\n"), "{request}");
}

#[tokio::test]
async fn an_endpoint_that_refuses_is_a_network_failure() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = outcome(calling().set("AWS_ENDPOINT_URL", format!("http://{closed}"))).await;
    assert!(said.starts_with("refused Network None: call sts:GetCallerIdentity: "), "{said}");
    assert!(said.to_lowercase().contains("connection refused"), "{said}");
}

#[tokio::test]
async fn a_call_without_credentials_is_told_from_a_network_failure() {
    let probe = Probe::new().set("AWS_REGION", "us-east-2").set("PROBE_CALL", "1");
    let said = outcome(probe).await;
    assert!(said.starts_with("refused Credentials None: "), "{said}");
}
