//! Turns a proved connection into a WebSocket. Owns the upgrade request, its signature and the
//! reading of a refusal; the handshake is written here, not by the WebSocket library, so that no
//! log record can hold the request and a refusal's body can be read to its end.

use std::io;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::BytesMut;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::channel::Channel;
use crate::dial::seconds;
use crate::head::{Head, HeadError, read_head};
use crate::stream_url::StreamUrl;
use crate::wire::Wire;
use cli_kit::printable;

/// The time from the request to the answer: half a minute is what the service's own clients wait
/// at most (45 s in the reference plugin), and a user should not sit in front of silence so long.
pub const UPGRADE_TIMEOUT: Duration = Duration::from_secs(15);

/// The time for a refusal's body once its head is there; the status alone already tells most.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest body of a refusal that is kept, in bytes; AWS's are below 500.
const MAX_BODY_BYTES: usize = 4096;

/// Who we say we are.
const USER_AGENT: &str = concat!("ecs-exec-wrapper/", env!("CARGO_PKG_VERSION"));

/// The service name in the signature's scope.
///
/// Source: the `websocketchannel.go` of session-manager-plugin since 1.2.764.0.
const SERVICE: &str = "ssmmessages";

/// What the upgrade is signed with.
#[derive(Debug, Clone)]
pub struct Signing {
    /// The caller's credentials.
    pub credentials: Credentials,
    /// The session's region.
    pub region: String,
    /// The moment of signing.
    pub time: SystemTime,
}

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The stream URL and the connection disagree about TLS.
    #[error("use a stream URL whose scheme does not fit the connection")]
    Scheme,
    /// The connection's certificate does not cover the stream URL's host.
    #[error("use a connection to {proved} for {host}: its certificate does not cover that name")]
    HostNotCovered {
        /// The stream URL's host.
        host: String,
        /// The host that the connection has proved to be.
        proved: String,
    },
    /// The request could not be signed.
    #[error("sign the WebSocket upgrade")]
    Sign(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer within [`UPGRADE_TIMEOUT`].
    #[error("upgrade to a WebSocket within {}", seconds(UPGRADE_TIMEOUT))]
    TimedOut,
    /// The far end closed instead of answering.
    #[error("upgrade to a WebSocket: the far end closed after {received} bytes")]
    Closed {
        /// The bytes of the answer that came.
        received: usize,
    },
    /// The gateway refused.
    #[error("upgrade to a WebSocket: HTTP {status}{}", detail(body))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The answer's body, cut and sanitised; may be empty.
        body: String,
        /// AWS's id of the request.
        request_id: Option<String>,
    },
    /// The answer is no WebSocket handshake.
    #[error("upgrade to a WebSocket: the answer is no WebSocket handshake")]
    NotWebSocket,
    /// The connection failed.
    #[error("upgrade to a WebSocket")]
    Io(#[source] io::Error),
}

impl UpgradeError {
    /// Names the HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

fn detail(body: &str) -> String {
    if body.is_empty() { String::new() } else { format!(": {body}") }
}

impl From<HeadError> for UpgradeError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Closed { received } => Self::Closed { received },
            HeadError::TooLong | HeadError::Malformed => Self::NotWebSocket,
            HeadError::Io(source) => Self::from_io(source, 0),
        }
    }
}

impl UpgradeError {
    fn from_io(source: io::Error, received: usize) -> Self {
        match source.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Self::Closed { received }
            }
            _ => Self::Io(source),
        }
    }
}

/// Sends the upgrade request and checks the answer.
pub(crate) async fn upgrade(wire: Wire, url: &StreamUrl, signing: Option<&Signing>) -> Result<Channel, UpgradeError> {
    let key = generate_key();
    let request = request(url, &key, signing)?;
    match timeout(UPGRADE_TIMEOUT, exchange(wire, &request, &key)).await {
        Ok(Ok((wire, rest))) => Ok(Channel::new(wire, rest).await),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(UpgradeError::TimedOut),
    }
}

async fn exchange(mut wire: Wire, request: &SecretString, key: &str) -> Result<(Wire, BytesMut), UpgradeError> {
    let io_error = |source| UpgradeError::from_io(source, 0);
    wire.write_all(request.expose_secret().as_bytes()).await.map_err(io_error)?;
    wire.flush().await.map_err(io_error)?;
    let (head, rest) = read_head(&mut wire).await?;
    if head.status != 101 {
        return Err(refusal(&mut wire, &head, rest).await);
    }
    let accepted = head.has_token("Upgrade", "websocket")
        && head.has_token("Connection", "Upgrade")
        && head.header("Sec-WebSocket-Accept") == Some(derive_accept_key(key.as_bytes()).as_str())
        && head.header("Sec-WebSocket-Extensions").is_none()
        && head.header("Sec-WebSocket-Protocol").is_none();
    if accepted { Ok((wire, rest)) } else { Err(UpgradeError::NotWebSocket) }
}

/// Builds the whole request; it holds the stream URL's query and the session token.
fn request(url: &StreamUrl, key: &str, signing: Option<&Signing>) -> Result<SecretString, UpgradeError> {
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {USER_AGENT}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n",
        url.request_target(),
        url.authority(),
    );
    if let Some(signing) = signing.filter(|_| !url.is_presigned()) {
        for (name, value) in signature_headers(url, signing).map_err(UpgradeError::Sign)? {
            request.push_str(&format!("{name}: {}\r\n", value.expose_secret()));
        }
    }
    request.push_str("\r\n");
    Ok(request.into())
}

type SignError = Box<dyn std::error::Error + Send + Sync>;

/// Signs a GET of the URL with an empty payload; only `host` and the signature's own headers are
/// signed, so that nothing in between can break it.
fn signature_headers(url: &StreamUrl, signing: &Signing) -> Result<Vec<(String, SecretString)>, SignError> {
    let identity = signing.credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&signing.region)
        .name(SERVICE)
        .time(signing.time)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let authority = url.authority();
    let scheme = if url.is_secure() { "https" } else { "http" };
    let uri = format!("{scheme}://{authority}{}", url.request_target());
    let headers = [("host", authority.as_str())].into_iter();
    let signable = SignableRequest::new("GET", uri, headers, SignableBody::Bytes(&[]))?;
    // The signer logs the whole URL at TRACE.
    let signed = tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || sign(signable, &params))?;
    let (instructions, _signature) = signed.into_parts();
    let headers = instructions.headers();
    Ok(headers.map(|(name, value)| (name.to_owned(), value.to_owned().into())).collect())
}

async fn refusal(wire: &mut Wire, head: &Head, rest: BytesMut) -> UpgradeError {
    let mut body = rest;
    let length = head.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(MAX_BODY_BYTES);
    let wanted = length.min(MAX_BODY_BYTES);
    let read = async { while body.len() < wanted && matches!(wire.read_buf(&mut body).await, Ok(count) if count > 0) {} };
    if timeout(BODY_TIMEOUT, read).await.is_err() {
        tracing::debug!("the body of the refusal did not end");
    }
    let chunked = head.has_token("Transfer-Encoding", "chunked");
    let body = if chunked { unchunk(&body) } else { body.to_vec() };
    let text = String::from_utf8_lossy(&body[..body.len().min(wanted)]).into_owned();
    let request_id = ["x-amzn-RequestId", "x-amz-request-id"].iter().find_map(|name| head.header(name));
    UpgradeError::Refused {
        status: head.status,
        body: printable(&text, 1000),
        request_id: request_id.map(|id| printable(id, 100)),
    }
}

/// Joins the chunks that are whole or begun; a broken chunk ends the text.
fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|line| line.split(';').next());
        let Some(size) = size.and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok()) else { break };
        rest = &rest[end + 2..];
        let taken = size.min(rest.len());
        body.extend_from_slice(&rest[..taken]);
        rest = rest[taken..].strip_prefix(b"\r\n").unwrap_or_default();
        if size == 0 {
            break;
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::host::HostPolicy;

    const URL: &str = "wss://ssmmessages.us-east-2.amazonaws.com/v1/data-channel/ecs-execute-command-05907f33b122d680e";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn url(query: &str) -> StreamUrl {
        let policy = HostPolicy { region: "us-east-2".into(), ..HostPolicy::default() };
        StreamUrl::parse(&format!("{URL}?{query}"), &policy).unwrap()
    }

    fn signing(token: Option<&str>) -> Signing {
        Signing {
            credentials: Credentials::new("AKIDEXAMPLE", SECRET, token.map(str::to_owned), None, "test"),
            region: "us-east-2".into(),
            // 2024-02-03T04:05:06Z.
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_706_933_106),
        }
    }

    fn signed(query: &str, token: Option<&str>) -> BTreeMap<String, String> {
        let headers = signature_headers(&url(query), &signing(token)).unwrap();
        headers.into_iter().map(|(name, value)| (name, value.expose_secret().to_owned())).collect()
    }

    /// The signatures were computed with Python's hashlib and hmac from the text of the SigV4
    /// specification, not with an AWS library.
    #[test]
    fn the_signature_is_the_one_of_an_independent_computation() {
        let headers = signed("role=publish_subscribe", None);
        assert_eq!(headers["x-amz-date"], "20240203T040506Z");
        assert_eq!(
            headers["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20240203/us-east-2/ssmmessages/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5f798dc60fad48bcb0582b7f7005215358934c2c04d598bb535016df5e8a74ee"
        );
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn a_session_token_and_a_cell_number_are_signed_too() {
        let headers = signed("role=publish_subscribe&cell-number=AAEA+/w==", Some("session/token=="));
        assert_eq!(headers["x-amz-security-token"], "session/token==");
        let signature = headers["authorization"].rsplit('=').next().unwrap();
        // A plus in a query counts as a blank, as in the Go signer of the reference plugin.
        assert_eq!(signature, "5f50a220e3e45864ff52c786ddb62138501741f09d1ab6fde59e0ca7f4f2af92");
        assert!(headers["authorization"].contains("SignedHeaders=host;x-amz-date;x-amz-security-token"));
    }

    #[test]
    fn a_presigned_url_is_not_signed_again() {
        let key = generate_key();
        let presigned = request(&url("role=x&X-Amz-Signature=abc"), &key, Some(&signing(None))).unwrap();
        assert!(!presigned.expose_secret().to_lowercase().contains("authorization"));
        let plain = request(&url("role=x"), &key, Some(&signing(None))).unwrap();
        assert!(plain.expose_secret().to_lowercase().contains("\r\nauthorization: aws4-hmac-sha256 "));
        let unsigned = request(&url("role=x"), &key, None).unwrap();
        assert!(!unsigned.expose_secret().to_lowercase().contains("authorization"));
    }

    #[test]
    fn what_signs_shows_no_secret() {
        let shown = format!("{:?}", signing(Some("session/token==")));
        assert!(!shown.contains(SECRET) && !shown.contains("session/token"), "{shown}");
    }

    #[test]
    fn chunks_are_joined_as_far_as_they_go() {
        assert_eq!(unchunk(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"), b"abcde");
        assert_eq!(unchunk(b"a\r\nabc"), b"abc");
        assert_eq!(unchunk(b"zz\r\nabc"), b"");
        assert_eq!(unchunk(b""), b"");
    }
}
