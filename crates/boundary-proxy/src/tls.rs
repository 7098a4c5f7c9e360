//! The session's TLS: one certificate and key for both ends, made by the controller for this session alone.
//!
//! Owns what is trusted: the worker must show exactly the certificate that the token holds, and prove that it has its key.
//! The worker's name and the system's roots do not matter. TLS 1.3 only.

use crate::authorization::AuthorizationFields;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Why the token's certificate or key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The key is not Go's 64 bytes of ed25519.
    #[error("use the session's key of {0} bytes: 64 are expected")]
    Key(usize),
    /// The certificate and its key do not fit, or are no certificate and key.
    #[error("use the session's certificate")]
    Certificate(#[source] rustls::Error),
    /// The certificate cannot serve as the root that the client's is checked against.
    #[error("use the session's certificate as a root")]
    Root(#[source] rustls::server::VerifierBuilderError),
}

/// What stands before the seed of an ed25519 key in PKCS#8 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const SEED_LENGTH: usize = 32;
const KEY_LENGTH: usize = 64;

/// Makes the client's configuration for one session.
///
/// # Errors
/// [`TlsError`].
pub fn client_config(said: &AuthorizationFields) -> Result<Arc<ClientConfig>, TlsError> {
    let certificate = CertificateDer::from(said.certificate.clone());
    let pinned = Arc::new(Pinned { certificate: certificate.clone(), provider: provider() });
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Certificate)?
        .dangerous()
        .with_custom_certificate_verifier(pinned)
        .with_client_auth_cert(vec![certificate], key(said)?)
        .map_err(TlsError::Certificate)?;
    // The worker finds the session by the second name.
    config.alpn_protocols = alpn(said);
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Makes a worker's configuration for one session; for stand-ins of a worker.
///
/// # Errors
/// [`TlsError`].
pub fn worker_config(said: &AuthorizationFields) -> Result<Arc<ServerConfig>, TlsError> {
    let certificate = CertificateDer::from(said.certificate.clone());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).map_err(TlsError::Certificate)?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().map_err(TlsError::Root)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Certificate)?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate], key(said)?)
        .map_err(TlsError::Certificate)?;
    config.alpn_protocols = alpn(said);
    Ok(Arc::new(config))
}

fn alpn(said: &AuthorizationFields) -> Vec<Vec<u8>> {
    vec![b"http/1.1".to_vec(), said.session_id.as_bytes().to_vec()]
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn key(said: &AuthorizationFields) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = said.private_key.as_slice();
    if bytes.len() != KEY_LENGTH {
        return Err(TlsError::Key(bytes.len()));
    }
    let mut pkcs8 = Zeroizing::new(PKCS8_PREFIX.to_vec());
    pkcs8.extend_from_slice(&bytes[..SEED_LENGTH]);
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.to_vec())))
}

/// Accepts one certificate, byte for byte, from somebody who has its key.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
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
        if *end_entity == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
