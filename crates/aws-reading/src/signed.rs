//! A small client of AWS's APIs beside the SDK's: one signed request out, one bounded answer in.
//!
//! Owns the signature, the trusted authorities and the bounds. It never asks twice and follows nothing: what an answer means is
//! its callers' matter. An SDK client of one more service would cost more memory than all of this.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use reqwest::header::{HeaderMap, HeaderValue};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The time for a connection with its TLS.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// S3's name in signatures; its paths are signed as they are sent.
const S3: &str = "s3";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SignedError {
    /// The file of authorities cannot be read.
    #[error("read {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// The file of authorities holds none.
    #[error("use {}", .0.display())]
    Authorities(PathBuf, #[source] reqwest::Error),
    /// There can be no client.
    #[error("prepare TLS")]
    Client(#[source] reqwest::Error),
    /// The request's address is none.
    #[error("understand the endpoint's URL")]
    Url,
    /// The request cannot be signed.
    #[error("sign the request")]
    Sign(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request was not answered.
    #[error("get an answer")]
    Send(#[source] reqwest::Error),
    /// The answer does not end.
    #[error("read an answer longer than {0} bytes")]
    TooLong(usize),
}

impl SignedError {
    /// Whether the way to the service is what failed, so that later may work.
    pub fn is_on_the_way(&self) -> bool {
        matches!(self, Self::Send(_))
    }
}

/// How long is waited for an answer, and how much of it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The time for one request with its answer.
    pub answer_within: Duration,
    /// The longest silence of a service that is answering.
    pub silence: Duration,
    /// The longest answer that is read, bytes.
    pub answer_max: usize,
}

impl Default for Limits {
    /// Limits of small questions that somebody waits for: 10 s and 1 MiB.
    fn default() -> Self {
        Self { answer_within: Duration::from_secs(10), silence: Duration::from_secs(10), answer_max: 1 << 20 }
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// The service's name in signatures.
    pub service: &'static str,
    /// The region in signatures.
    pub region: String,
    /// The method.
    pub method: &'static str,
    /// The address.
    pub url: String,
    /// Headers, all of them signed; `host` and the signature's own are added.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What came back, whatever it says.
#[derive(Debug, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An answer whose body has not been read.
#[derive(Debug)]
pub struct Incoming {
    response: reqwest::Response,
}

impl Incoming {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next piece of the body; none at its end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`SignedError::Send`] when the answer breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, SignedError> {
        let chunk = self.response.chunk().await.map_err(|error| SignedError::Send(error.without_url()))?;
        Ok(chunk.map(Vec::from))
    }

    /// Reads the rest.
    ///
    /// # Errors
    /// [`SignedError::TooLong`] beyond `max` bytes, and as [`Incoming::chunk`].
    pub async fn read(mut self, max: usize) -> Result<Reply, SignedError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > max {
                return Err(SignedError::TooLong(max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status: self.status(), headers: std::mem::take(self.response.headers_mut()), body })
    }
}

/// Asks; cheap to clone.
#[derive(Debug, Clone)]
pub struct SignedClient {
    http: reqwest::Client,
    limits: Limits,
}

impl SignedClient {
    /// A client with [`Limits::default`] that trusts what the SDK's clients trust.
    ///
    /// # Errors
    /// When the file of authorities cannot be used.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, SignedError> {
        Self::with_limits(ca_file, Limits::default())
    }

    /// The same with limits of its own.
    ///
    /// # Errors
    /// When the file of authorities cannot be used.
    pub fn with_limits(ca_file: Option<&Path>, limits: Limits) -> Result<Self, SignedError> {
        let builder = reqwest::Client::builder().connect_timeout(CONNECT_WITHIN).read_timeout(limits.silence);
        let mut builder = builder.redirect(reqwest::redirect::Policy::none());
        if let Some(path) = ca_file {
            let pem = std::fs::read(path).map_err(|error| SignedError::Read(path.to_owned(), error))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| SignedError::Authorities(path.to_owned(), error))?;
            builder = builder.tls_certs_only(certificates);
        }
        Ok(Self { http: builder.build().map_err(SignedError::Client)?, limits })
    }

    /// Signs and sends a request, and reads the answer.
    ///
    /// # Errors
    /// Why there is no answer; a refusal is a [`Reply`]. Dropping the future leaves open whether the request arrived.
    pub async fn send(&self, credentials: &Credentials, request: SignedRequest) -> Result<Reply, SignedError> {
        self.open(credentials, request, self.limits.answer_within).await?.read(self.limits.answer_max).await
    }

    /// Signs and sends a request, and reads the answer's head; all of the answer must be there `within` a time.
    ///
    /// # Errors
    /// As [`SignedClient::send`].
    pub async fn open(
        &self,
        credentials: &Credentials,
        request: SignedRequest,
        within: Duration,
    ) -> Result<Incoming, SignedError> {
        let added = signature(credentials, &request)?;
        let method = reqwest::Method::from_bytes(request.method.as_bytes()).map_err(|_| SignedError::Url)?;
        let mut sending = self.http.request(method, &request.url).timeout(within).body(request.body);
        for (name, value) in request.headers.iter().map(|(name, value)| (*name, value)) {
            sending = sending.header(name, value);
        }
        for (name, value) in &added {
            let mut value = HeaderValue::from_str(value).map_err(|error| SignedError::Sign(error.into()))?;
            value.set_sensitive(true);
            sending = sending.header(name, value);
        }
        let response = sending.send().await.map_err(|error| SignedError::Send(error.without_url()))?;
        Ok(Incoming { response })
    }
}

/// The file of authorities to trust instead of the system's: the flag's, else the AWS CLI's variable.
pub fn ca_file(given: Option<&Path>) -> Option<PathBuf> {
    let bundle = || std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()).map(PathBuf::from);
    given.map(Path::to_owned).or_else(bundle)
}

/// A text as URLs and forms hold it: all but the unreserved characters as escapes (RFC 3986).
pub fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// The headers that sign a request.
fn signature(credentials: &Credentials, request: &SignedRequest) -> Result<Vec<(String, String)>, SignedError> {
    let authority = reqwest::Url::parse(&request.url).map_err(|_| SignedError::Url)?.authority().to_owned();
    let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let headers = std::iter::once(("host", authority.as_str())).chain(headers);
    let sign_all = || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&request.region)
            .name(request.service)
            .time(SystemTime::now())
            .settings(settings(request.service))
            .build()?
            .into();
        let signable = SignableRequest::new(request.method, &request.url, headers, SignableBody::Bytes(&request.body))?;
        // The signer logs the session token at TRACE.
        Ok(tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || sign(signable, &params))?)
    };
    let (instructions, _signature) = sign_all().map_err(SignedError::Sign)?.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == S3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    settings
}
