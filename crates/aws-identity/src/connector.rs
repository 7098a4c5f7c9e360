//! The HTTP connector that all AWS clients share. Owns its trust roots, proxy and connect timeout;
//! knows nothing of signing or services.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The time to connect: a lost SYN is repeated after 1 and 3 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Why there is no HTTP connector.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// The file could not be read.
    #[error("read the CA file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no usable PEM certificate.
    #[error("find a PEM certificate in the CA file {}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The HTTP client refused the certificates.
    #[error("use the CA file {}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// One connector for every client, whatever connect timeouts they ask for: connections, TLS
/// sessions and parsed roots are shared.
#[derive(Debug)]
struct OneConnector(SharedHttpConnector);

impl HttpClient for OneConnector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.0.clone()
    }
}

/// Builds the shared client; a CA file replaces the system's roots, as `AWS_CA_BUNDLE` does in
/// botocore. Proxies come from the environment, which a hand-built connector would ignore.
pub(crate) fn http_client(ca_file: Option<&Path>) -> Result<SharedHttpClient, CaFileError> {
    let tls = match ca_file {
        Some(path) => tls_context(path)?,
        None => TlsContext::default(),
    };
    let connector = Connector::builder()
        .connector_settings(HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build())
        .proxy_config(ProxyConfig::from_env())
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls)
        .build();
    Ok(SharedHttpClient::new(OneConnector(SharedHttpConnector::new(connector))))
}

fn tls_context(path: &Path) -> Result<TlsContext, CaFileError> {
    let read = |source| CaFileError::Read { path: path.to_owned(), source };
    let bundle = String::from_utf8_lossy(&std::fs::read(path).map_err(read)?).into_owned();
    let usable = usable_certificates(&bundle);
    if usable.is_empty() {
        return Err(CaFileError::NoCertificate { path: path.to_owned() });
    }
    let refused = |source| CaFileError::Refused { path: path.to_owned(), source: Box::new(source) };
    let store = TrustStore::empty().with_pem_certificate(usable.into_bytes());
    TlsContext::builder().with_trust_store(store).build().map_err(refused)
}

/// Keeps the certificates that parse: the connector panics at any other one.
fn usable_certificates(bundle: &str) -> String {
    let mut usable = String::new();
    for block in bundle.split(BEGIN).skip(1) {
        let Some((body, _)) = block.split_once(END) else { continue };
        let pem = format!("{BEGIN}{body}{END}\n");
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
        if certificate.is_ok_and(|certificate| RootCertStore::empty().add(certificate).is_ok()) {
            usable.push_str(&pem);
        }
    }
    usable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_that_parse_are_kept() {
        let good = rcgen::generate_simple_self_signed(vec!["ca.example".into()]).unwrap().cert.pem();
        let bundle = format!("# comment\n{BEGIN}\nAAAA\n{END}\n{good}\n{BEGIN}\nnot base64 !\n{END}\n{BEGIN}\nendless");
        let usable = usable_certificates(&bundle);
        assert_eq!(usable.matches(BEGIN).count(), 1);
        assert_eq!(CertificateDer::pem_slice_iter(usable.as_bytes()).flatten().count(), 1);
        assert_eq!(usable_certificates(""), "");
    }

    #[test]
    fn a_ca_file_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(matches!(http_client(Some(&path)), Err(CaFileError::Read { path: named, .. }) if named == path));
        std::fs::write(&path, "nothing").unwrap();
        assert!(matches!(http_client(Some(&path)), Err(CaFileError::NoCertificate { path: named }) if named == path));
    }
}
