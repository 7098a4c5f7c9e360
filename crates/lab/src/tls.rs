//! The lab's certificate authority and the servers' TLS. Keys live in memory, the CA certificate in a file for clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// Name of the gateway in AWS.
pub(crate) const GATEWAY_NAME: &str = "ssmmessages.us-east-2.amazonaws.com";
/// Names of the APIs in AWS, for clients that know no endpoint setting.
pub(crate) const API_NAMES: [&str; 4] =
    ["ecs.us-east-2.amazonaws.com", "kms.us-east-2.amazonaws.com", "ssm.us-east-2.amazonaws.com", "sts.us-east-2.amazonaws.com"];
/// Name in the certificate of the server that a misled worker leads to.
const OTHER_NAME: &str = "intranet.example.com";

/// Acceptors for the gateway and for a server of another name, and where the CA certificate lies.
#[derive(Clone)]
pub(crate) struct Authority {
    pub(crate) gateway: TlsAcceptor,
    pub(crate) api: TlsAcceptor,
    pub(crate) other: TlsAcceptor,
    pub(crate) ca_file: PathBuf,
}

impl Authority {
    pub(crate) fn create(folder: &Path) -> anyhow::Result<Self> {
        let issuer = issuer().context("failed to make the lab's certificate authority")?;
        let ca_file = folder.join("lab-ca.pem");
        std::fs::write(&ca_file, issuer.pem()).with_context(|| format!("failed to write {}", ca_file.display()))?;
        let gateway = acceptor(&issuer, &[GATEWAY_NAME])?;
        let (api, other) = (acceptor(&issuer, &API_NAMES)?, acceptor(&issuer, &[OTHER_NAME])?);
        Ok(Self { gateway, api, other, ca_file })
    }
}

fn issuer() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name.push(DnType::CommonName, "lab certificate authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn acceptor(issuer: &CertifiedIssuer<'static, KeyPair>, names: &[&str]) -> anyhow::Result<TlsAcceptor> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, names.concat().chars().take(64).collect::<String>());
    params.use_authority_key_identifier_extension = true;
    let leaf = params.signed_by(&key, issuer).with_context(|| format!("failed to sign a certificate for {names:?}"))?;
    let chain: Vec<CertificateDer<'static>> = vec![leaf.der().clone(), issuer.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
