//! The key pair of a Region, with which CloudTrail signs digest files.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::random;

/// An RSA key pair.
pub(crate) struct DigestKey(RsaKeyPair);

impl std::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DigestKey").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

impl DigestKey {
    pub(crate) fn generate() -> Self {
        Self(RsaKeyPair::generate(KeySize::Rsa2048).expect("the system has a random generator"))
    }

    /// The public key as ListPublicKeys gives it: DER of PKCS #1 in base 64.
    pub(crate) fn public(&self) -> String {
        STANDARD.encode(self.0.public_key().as_ref())
    }

    /// MD5 of the public key's DER.
    pub(crate) fn fingerprint(&self) -> String {
        format!("{:x}", md5::compute(self.0.public_key().as_ref()))
    }

    /// Signs with PKCS #1 v1.5 and SHA-256; returns hexadecimal digits.
    pub(crate) fn sign(&self, text: &str) -> String {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).expect("the buffer fits the key");
        random::hex(&signature)
    }
}
