//! Holds the trust roots and the TLS client configuration. Owns what is trusted; connects nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A CA file could not be read.
    #[error("read the CA file {}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A CA file holds no usable PEM certificate.
    #[error("find a PEM certificate in the CA file {}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The system's trust store is empty or unreadable.
    #[error("find a trusted certificate on this system: install ca-certificates, set SSL_CERT_FILE or give a CA file")]
    NoNativeRoots,
    /// The roots could not be used.
    #[error("set up the verification of certificates")]
    Verifier(#[source] VerifierBuilderError),
    /// The cryptography provider refused.
    #[error("set up TLS")]
    Provider(#[source] rustls::Error),
}

/// How the stream below the WebSocket is protected.
#[derive(Debug, Clone)]
pub enum TlsSettings {
    /// TLS with certificate verification.
    Verified(Arc<ClientConfig>),
    /// No TLS; accepted for loopback hosts only.
    PlainLoopback,
}

impl From<Arc<ClientConfig>> for TlsSettings {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self::Verified(config)
    }
}

/// Builds the client configuration, to be made once and shared: it remembers TLS sessions.
///
/// CA files replace the system's roots, as `AWS_CA_BUNDLE` and `--ca-bundle` do for the AWS CLI
/// (botocore passes the file as the only trust store). Without any, `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` are honoured. The environment's `AWS_CA_BUNDLE` is the caller's to pass.
///
/// # Errors
/// Names the file that could not be used.
pub fn tls_client_config(ca_files: &[PathBuf]) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = if ca_files.is_empty() { native_roots()? } else { Arc::new(roots_from_files(ca_files)?) };
    let inner = WebPkiServerVerifier::builder_with_provider(roots, provider()).build().map_err(TlsError::Verifier)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(NameToo { inner }))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Tells whether no trusted CA issued a certificate; a CA that was made anew under its old name
/// shows as a wrong signature.
pub(crate) fn is_untrusted_issuer(reason: &CertificateError) -> bool {
    matches!(reason, CertificateError::UnknownIssuer | CertificateError::BadSignature)
}

/// Verifies as rustls does; where it only says that the issuer is unknown, also looks at the name.
///
/// A route that ends at a foreign server with a private CA is then told from a missing CA file.
/// It accepts nothing that rustls refuses.
#[derive(Debug)]
struct NameToo {
    inner: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for NameToo {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if matches!(&verdict, Err(rustls::Error::InvalidCertificate(reason)) if is_untrusted_issuer(reason)) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Pays the start-up costs of TLS; for a spare thread at program start.
///
/// The first random draw of a process takes 20 ms (aws-lc gathers CPU jitter, measured), loading
/// the system's roots some more; both are kept for [`tls_client_config`].
pub fn warm_up() {
    let mut byte = [0u8; 1];
    if provider().secure_random.fill(&mut byte).is_err() {
        tracing::debug!("the random number generator failed to warm up");
    }
    if native_roots().is_err() {
        tracing::debug!("the system has no trusted certificates");
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())))
}

fn native_roots() -> Result<Arc<RootCertStore>, TlsError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let loaded = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, ignored) = roots.add_parsable_certificates(loaded.certs);
        tracing::debug!(added, ignored, unreadable = loaded.errors.len(), "loaded the system's trusted certificates");
        Arc::new(roots)
    });
    if roots.is_empty() { Err(TlsError::NoNativeRoots) } else { Ok(Arc::clone(roots)) }
}

fn roots_from_files(ca_files: &[PathBuf]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for path in ca_files {
        add_file(&mut roots, path)?;
    }
    Ok(roots)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let read = |source| TlsError::ReadFile { path: path.to_owned(), source };
    let pem = std::fs::read(path).map_err(read)?;
    let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(TlsError::NoCertificate { path: path.to_owned() }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ca_files_that_cannot_be_used_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.pem");
        let error = tls_client_config(std::slice::from_ref(&missing)).unwrap_err();
        assert!(matches!(&error, TlsError::ReadFile { path, .. } if *path == missing));
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let error = tls_client_config(std::slice::from_ref(&empty)).unwrap_err();
        assert!(matches!(&error, TlsError::NoCertificate { path } if *path == empty));
    }

    #[test]
    fn ca_files_replace_the_roots() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let authority = rcgen::generate_simple_self_signed(vec!["ca.example".into()]).unwrap();
        std::fs::write(&path, authority.cert.pem()).unwrap();
        assert_eq!(roots_from_files(&[path]).unwrap().len(), 1);
    }
}
