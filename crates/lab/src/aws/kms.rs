//! KMS with one key: GenerateDataKey and Decrypt, the encryption context enforced as authenticated data.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::aws::{ApiError, Call};
use crate::random;
use crate::tasks::{ACCOUNT, REGION};

const ALIAS: &str = "alias/rosa-boundary-dev-exec-session";
const NONCE: usize = 12;

/// The key of a world.
pub(crate) struct Keys {
    key_id: String,
    master: LessSafeKey,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let unbound = UnboundKey::new(&AES_256_GCM, &random::bytes::<32>()).expect("32 bytes are a key of AES-256");
        Self { key_id: uuid::Uuid::new_v4().to_string(), master: LessSafeKey::new(unbound) }
    }

    /// Returns the key's ARN.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{}", self.key_id)
    }

    fn knows(&self, key_id: &str) -> bool {
        let arn_of_alias = format!("arn:aws:kms:{REGION}:{ACCOUNT}:{ALIAS}");
        [self.key_id.clone(), self.arn(), ALIAS.to_owned(), arn_of_alias].iter().any(|known| known == key_id)
    }

    fn seal(&self, plaintext: &[u8], context: &Value) -> Option<Vec<u8>> {
        let nonce = random::bytes::<NONCE>();
        let mut sealed = plaintext.to_vec();
        let aad = Aad::from(canonical(context));
        self.master.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// Opens a ciphertext under its context; none if either is not what it was made with.
    pub(crate) fn open(&self, blob: &[u8], context: &Value) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = blob.split_at_checked(NONCE)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = self.master.open_in_place(nonce, Aad::from(canonical(context)), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

/// Makes a data key.
pub(crate) fn generate_data_key(call: &Call<'_>) -> Result<Value, ApiError> {
    let keys = &call.shared.keys;
    let key_id = call.text("KeyId").unwrap_or_default();
    if !keys.knows(key_id) {
        return Err(ApiError::new(400, "NotFoundException", &format!("Key '{key_id}' does not exist")));
    }
    call.authorise("kms:GenerateDataKey", &keys.arn(), &context_keys(call.body))?;
    let length = match (call.body["NumberOfBytes"].as_u64(), call.text("KeySpec")) {
        (Some(length @ 1..=1024), None) => usize::try_from(length).unwrap_or(1024),
        (None, Some("AES_256")) => 32,
        _ => return Err(ApiError::new(400, "ValidationException", "Please specify either number of bytes or key spec.")),
    };
    let mut plaintext = Zeroizing::new(random::bytes::<1024>());
    let plaintext = &mut plaintext[..length];
    let blob = keys.seal(plaintext, &call.body["EncryptionContext"]);
    let blob = blob.ok_or_else(|| ApiError::new(500, "KMSInternalException", ""))?;
    Ok(json!({"KeyId": keys.arn(), "Plaintext": STANDARD.encode(&*plaintext), "CiphertextBlob": STANDARD.encode(blob)}))
}

/// Opens a ciphertext.
pub(crate) fn decrypt(call: &Call<'_>) -> Result<Value, ApiError> {
    let keys = &call.shared.keys;
    call.authorise("kms:Decrypt", &keys.arn(), &context_keys(call.body))?;
    let invalid = || ApiError::new(400, "InvalidCiphertextException", "");
    let blob = STANDARD.decode(call.text("CiphertextBlob").unwrap_or_default()).map_err(|_| invalid())?;
    let plaintext = keys.open(&blob, &call.body["EncryptionContext"]).ok_or_else(invalid)?;
    Ok(json!({"KeyId": keys.arn(), "Plaintext": STANDARD.encode(&*plaintext), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}))
}

/// Key order carries no meaning in a context; serde_json's maps are sorted.
fn canonical(context: &Value) -> Vec<u8> {
    match context {
        Value::Object(members) if !members.is_empty() => context.to_string().into_bytes(),
        _ => Vec::new(),
    }
}

fn context_keys(body: &Value) -> std::collections::BTreeMap<String, String> {
    let members = body["EncryptionContext"].as_object().into_iter().flatten();
    members.map(|(key, value)| (format!("kms:EncryptionContext:{key}"), value.as_str().unwrap_or_default().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ciphertext_opens_only_under_its_context() {
        let keys = Keys::new();
        let context = json!({"aws:ssm:SessionId": "s", "aws:ssm:TargetId": "t"});
        let blob = keys.seal(b"data key", &context).unwrap();
        assert_eq!(keys.open(&blob, &context).unwrap().as_slice(), b"data key");
        assert!(keys.open(&blob, &json!({"aws:ssm:SessionId": "s", "aws:ssm:TargetId": "u"})).is_none());
        assert!(keys.open(&blob, &Value::Null).is_none());
        assert!(keys.open(&blob[..8], &context).is_none());
    }
}
