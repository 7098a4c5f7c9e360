//! Ways to the controller: TLS with its own certificate authority and name, and a Unix socket.

use crate::fake::Fake;
use crate::settings_of;
use boundary_api::{Client, ListOptions, Meaning, Settings};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const NAME: &str = "boundary.example";

/// Returns a server's TLS for [`NAME`], and writes the certificate of its authority.
fn acceptor(ca_file: &Path) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(ca_file, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn asks(settings: &Settings) -> Result<(), boundary_api::Error> {
    let client = Client::connect(settings).unwrap();
    client.scopes().list_all(ListOptions::in_scope("global")).await.map(drop)
}

#[tokio::test]
async fn a_certificate_is_checked_against_the_configured_authority_and_name() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let fake = Fake::start_tls(acceptor(&ca_file)).await;
    let addr = format!("https://127.0.0.1:{}", fake.port);
    let plain = Settings { addr, max_retries: 0, ..settings_of(&fake) };
    let named = Settings { tls_server_name: Some(NAME.to_owned()), ..plain.clone() };
    let trusted = Settings { ca_cert: Some(ca_file), ..named.clone() };
    let in_a_folder = Settings { ca_path: Some(folder.path().to_owned()), ..named.clone() };
    for good in [&trusted, &in_a_folder, &Settings { tls_insecure: true, ..plain.clone() }] {
        asks(good).await.unwrap();
    }
    assert_eq!(fake.seen().len(), 3);
    let other_name = Settings { tls_server_name: Some("other.example".to_owned()), ..trusted.clone() };
    let no_name = Settings { tls_server_name: None, ..trusted.clone() };
    for bad in [&plain, &named, &other_name, &no_name] {
        let error = asks(bad).await.unwrap_err();
        assert_eq!(error.meaning(), Meaning::Unreachable, "{error}");
    }
    assert_eq!(fake.seen().len(), 0, "no token for a server that is not the controller");
}

#[tokio::test]
async fn a_unix_socket_is_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.sock");
    let fake = Fake::start_unix(&path);
    let addr = format!("unix://{}", path.display());
    asks(&Settings { addr, ..settings_of(&fake) }).await.unwrap();
    assert_eq!(fake.seen().len(), 1);
}
