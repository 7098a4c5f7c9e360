//! The header of a sealed file: its key, wrapped for each recipient, and what proves the header whole.

use super::{FileKey, Recipient, SealError, derive};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The line that the file begins with.
pub(super) const VERSION: &str = "age-encryption.org/v1\n";

/// What the line of an X25519 recipient begins with.
pub(super) const STANZA: &str = "-> X25519 ";

/// What the header's last line begins with; the MAC covers all up to here.
pub(super) const END: &str = "---";

/// Which key is derived: the one that wraps, and the MAC's.
pub(super) const WRAP_INFO: &str = "age-encryption.org/v1/X25519";
pub(super) const MAC_INFO: &str = "header";

/// The header's text, to its last line feed.
pub(super) fn text(file_key: &FileKey, wraps: &[(Recipient, PrivateKey)]) -> Result<String, SealError> {
    let mut text = VERSION.to_owned();
    for (recipient, ephemeral) in wraps {
        text += &stanza(file_key, recipient, ephemeral).map_err(|_| SealError::Wrap(*recipient))?;
    }
    text += END;
    let key = derive(file_key.as_ref(), &[], MAC_INFO).map_err(|_| SealError::Derive)?;
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), text.as_bytes());
    text += &format!(" {}\n", STANDARD_NO_PAD.encode(mac));
    Ok(text)
}

/// One recipient's two lines. The body has 32 bytes, 43 letters, and so never reaches the 64 where lines are broken.
fn stanza(file_key: &FileKey, recipient: &Recipient, ephemeral: &PrivateKey) -> Result<String, Unspecified> {
    let share = ephemeral.compute_public_key()?;
    let salt = [share.as_ref(), recipient.bytes()].concat();
    let peer = UnparsedPublicKey::new(&X25519, recipient.bytes());
    let key = agree(ephemeral, peer, Unspecified, |secret| derive(secret, &salt, WRAP_INFO))?;
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key.as_ref())?);
    let mut body = file_key.clone();
    // The wrapping key is this stanza's alone, so that the form takes the nonce of zeros.
    let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), body.as_mut())?;
    let body = [body.as_slice(), tag.as_ref()].concat();
    Ok(format!("{STANZA}{}\n{}\n", STANDARD_NO_PAD.encode(share), STANDARD_NO_PAD.encode(body)))
}
