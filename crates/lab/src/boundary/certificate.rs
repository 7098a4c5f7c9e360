//! The certificate of one session: self-signed, for the session's id, both its own authority and its leaf.
//! Source: boundary internal/session/session.go `newCert`.

use anyhow::Context as _;
use boundary_proxy::AuthorizationFields;
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use crate::random;

/// Fills in a new certificate and its key, in Go's form of 32 bytes of seed and 32 of public key.
pub(crate) fn certify(said: &mut AuthorizationFields) -> anyhow::Result<()> {
    let seed = Zeroizing::new(random::bytes::<32>());
    // The form holds the seed alone; what stands in for the public key is not looked at.
    let pkcs8 = boundary_proxy::ed25519_pkcs8(&[&seed[..], &[0; 32]].concat()).context("a key of 64 bytes")?;
    let key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()))?;
    let certificate = params(&said.session_id, said.expiration.unwrap_or_default())?.self_signed(&key)?;
    said.certificate = certificate.der().to_vec();
    said.private_key = Zeroizing::new([&seed[..], key.public_key_raw()].concat());
    Ok(())
}

fn params(session_id: &str, expires_at: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![session_id.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyAgreement,
        KeyUsagePurpose::KeyCertSign,
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let unix = |seconds: i64| std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds.max(0).cast_unsigned());
    params.not_before = unix(Timestamp::now().as_second() - 60).into();
    params.not_after = unix(expires_at.as_second()).into();
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use boundary_proxy::{Authorization, WorkerProxy};

    #[test]
    fn both_ends_take_the_certificate_and_its_key() {
        let expiration = Timestamp::from_second(Timestamp::now().as_second() + 600).ok();
        let mut said = AuthorizationFields {
            session_id: "s_1234567890".to_owned(),
            target_id: None,
            expiration,
            connection_limit: None,
            endpoint: None,
            workers: vec!["127.0.0.1:1".to_owned()],
            certificate: Vec::new(),
            private_key: Zeroizing::default(),
        };
        certify(&mut said).unwrap();
        assert_eq!(said.private_key.len(), 64);
        let authorization = Authorization::from_fields(said).unwrap();
        assert!(boundary_proxy::worker_tls(&authorization).is_ok());
        assert!(WorkerProxy::new(authorization).is_ok());
    }
}
