//! TLS between a client and a worker: both sides own the session's one certificate and accept nothing else.
//!
//! Owns the two configurations and the comparison. Host names and public authorities play no part: the certificate came with
//! the authorization, so it is compared byte for byte, and the handshake's signature proves the key. Its dates are not looked
//! at, since the worker ends the session on time by its own clock. Source: Boundary `api/proxy/tls.go` and
//! `internal/daemon/worker/worker.go`, which also demand the session id as the certificate's name.

use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use zeroize::Zeroizing;

use crate::authorization::Authorization;

/// The one protocol that both sides speak.
const HTTP: &[u8] = b"http/1.1";

/// What stands before the 32 bytes of an ed25519 seed in PKCS #8, RFC 8410 section 7.
const ED25519_PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

const SEED_BYTES: usize = 32;
const PRIVATE_KEY_BYTES: usize = 64;

/// Why an authorization cannot be used for TLS.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The token held no certificate.
    #[error("find the session's certificate in the authorization")]
    NoCertificate,
    /// The key does not have the 64 bytes of an ed25519 key pair.
    #[error("find the session's ed25519 key in the authorization")]
    NoPrivateKey,
    /// Key and certificate do not belong together, or the certificate is not this session's.
    #[error("use the session's certificate and key")]
    Unusable(#[source] rustls::Error),
}

/// Builds the client's side: TLS 1.3, the session's certificate, and a worker that proves the same one.
///
/// # Errors
/// The authorization holds no usable key pair.
pub(crate) fn client_tls(authorization: &Authorization) -> Result<Arc<ClientConfig>, CredentialError> {
    let key = Arc::new(SingleCertAndKey::from(session_key(authorization)?));
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(CredentialError::Unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned::new(authorization)?))
        .with_client_cert_resolver(key);
    config.alpn_protocols = vec![HTTP.to_vec(), authorization.session_id().as_bytes().to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Builds the worker's side of one session: TLS 1.3, the session's certificate, and a client that proves the same one.
///
/// # Errors
/// The authorization holds no usable key pair.
pub fn worker_tls(authorization: &Authorization) -> Result<Arc<ServerConfig>, CredentialError> {
    let key = Arc::new(SingleCertAndKey::from(session_key(authorization)?));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(CredentialError::Unusable)?
        .with_client_cert_verifier(Arc::new(Pinned::new(authorization)?))
        .with_cert_resolver(key);
    config.alpn_protocols = vec![HTTP.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Tells a worker which session a client asks for: by the server name, or else among the protocols.
pub fn requested_session(hello: &ClientHello<'_>) -> Option<String> {
    let is_session = |text: &&str| text.starts_with("s_");
    let protocols = hello.alpn().into_iter().flatten().filter_map(|protocol| std::str::from_utf8(protocol).ok());
    hello.server_name().into_iter().chain(protocols).find(is_session).map(str::to_owned)
}

/// Wraps the 64 bytes of an ed25519 key pair, seed first, as PKCS #8.
///
/// # Errors
/// The key has another length.
pub fn ed25519_pkcs8(private_key: &[u8]) -> Result<Zeroizing<Vec<u8>>, CredentialError> {
    let seed = private_key.get(..SEED_BYTES).filter(|_| private_key.len() == PRIVATE_KEY_BYTES);
    let seed = seed.ok_or(CredentialError::NoPrivateKey)?;
    Ok(Zeroizing::new([ED25519_PKCS8_HEAD.as_slice(), seed].concat()))
}

fn session_key(authorization: &Authorization) -> Result<CertifiedKey, CredentialError> {
    let certificate = session_certificate(authorization)?;
    let pkcs8 = ed25519_pkcs8(authorization.private_key())?;
    let key = aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_slice())).map_err(CredentialError::Unusable)?;
    let pair = CertifiedKey::new(vec![certificate], key);
    pair.keys_match().map_err(CredentialError::Unusable)?;
    Ok(pair)
}

fn session_certificate(authorization: &Authorization) -> Result<CertificateDer<'static>, CredentialError> {
    match authorization.certificate() {
        [] => Err(CredentialError::NoCertificate),
        der => Ok(CertificateDer::from(der.to_vec())),
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())))
}

/// Accepts one certificate, and only with a signature of its key.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    /// Pins the session's certificate, whose name must be the session's id.
    fn new(authorization: &Authorization) -> Result<Self, CredentialError> {
        let certificate = session_certificate(authorization)?;
        check_name(&certificate, authorization.session_id()).map_err(CredentialError::Unusable)?;
        Ok(Self { certificate, provider: provider() })
    }

    fn compare(&self, shown: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        if shown.as_ref() == self.certificate.as_ref() {
            return Ok(());
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.compare(certificate)?;
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }
}

fn check_name(certificate: &CertificateDer<'_>, session_id: &str) -> Result<(), rustls::Error> {
    let invalid = |_| rustls::Error::InvalidCertificate(CertificateError::NotValidForName);
    verify_server_name(&ParsedCertificate::try_from(certificate)?, &ServerName::try_from(session_id).map_err(invalid)?)
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.compare(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(not_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.compare(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(not_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

fn not_tls13() -> rustls::Error {
    rustls::Error::General("TLS 1.2 is not spoken".into())
}
