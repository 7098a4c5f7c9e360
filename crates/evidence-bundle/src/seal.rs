//! Seals a file for those who may read it, in the form of the `age` program.
//!
//! ```text
//! recipients ──> header (the file's key, wrapped for each; MAC) ─┐
//! plaintext ───> chunks of 64 KiB, encrypted ────────────────────┴──> writer
//! ```
//! Owns the form age-encryption.org/v1 (<https://c2sp.org/age>) with X25519 recipients, as far as writing needs it: the reader
//! has `age -d -i KEY FILE`. Sealed means encrypted here, and says nothing about who sealed: the bundle's signature does. The
//! number of recipients and the length of the plaintext can be seen from outside; who the recipients are cannot. Chance is in
//! every file, so sealing twice gives different bytes. Keys and plaintext are cleared from this module's memory; what the library
//! keeps of a key while it uses it is the library's.

mod bech32;
mod header;
mod payload;
mod recipient;
#[cfg(test)]
mod tests;

pub use recipient::{Recipient, RecipientError, RecipientsError, recipients_in};

use aws_lc_rs::agreement::{PrivateKey, X25519};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand;
use payload::{CHUNK, Payload, TAG};
use std::io::{self, Write};
use zeroize::Zeroizing;

/// The most recipients of one file; each adds a key agreement and 98 bytes of header, which is made in memory. More readers
/// than this are no list of cleared persons but a mistake.
pub const RECIPIENTS_MAX: usize = 256;

/// The key that all else in a file comes from, 16 bytes by the form.
type FileKey = Zeroizing<[u8; 16]>;

/// Why a file cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Nobody could open it.
    #[error("refused to seal: there is no recipient, so nobody could open it")]
    NoRecipient,
    /// There are more recipients than [`RECIPIENTS_MAX`].
    #[error("refused to seal for {0} recipients: {RECIPIENTS_MAX} are the most")]
    TooManyRecipients(usize),
    /// The system gives no random number.
    #[error("failed to draw the keys of a sealed file")]
    Draw,
    /// The file's key cannot be wrapped for a recipient.
    #[error("failed to wrap the key of a sealed file for `{0}`")]
    Wrap(Recipient),
    /// The keys of header or payload cannot be derived.
    #[error("failed to derive the keys of a sealed file")]
    Derive,
    /// The header cannot be written.
    #[error("failed to write the header of a sealed file")]
    Header(#[source] io::Error),
    /// A chunk cannot be encrypted.
    #[error("failed to encrypt a chunk of a sealed file")]
    Encrypt,
    /// A chunk failed before, so what was written has a gap or an unknown end.
    #[error("refused to go on with a sealed file: a chunk of it failed before")]
    Broken,
}

/// Encrypts what is written to it, in constant memory: one chunk of 64 KiB, which is cleared after use.
///
/// Only [`Sealer::finish`] makes the file whole; one that was dropped before is refused by `age` at its end. After an error of
/// the writer beneath all further writing is refused, because nobody knows how much of the chunk arrived. It has no `Debug`.
#[must_use = "only a finished file can be opened to its end"]
pub struct Sealer<W: Write> {
    writer: W,
    /// None after a chunk failed.
    payload: Option<Payload>,
    /// What waits for encryption, up to a full chunk: only what follows tells whether that was the last.
    waiting: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealer<W> {
    /// Draws the file's keys and writes its header.
    ///
    /// # Errors
    /// [`SealError`] when there is no recipient or too many, or the keys cannot be drawn, or the header not be written.
    pub fn begin(writer: W, recipients: &[Recipient]) -> Result<Self, SealError> {
        match recipients.len() {
            0 => return Err(SealError::NoRecipient),
            count if count > RECIPIENTS_MAX => return Err(SealError::TooManyRecipients(count)),
            _ => {}
        }
        Self::begin_with(writer, Drawn::by_chance(recipients)?)
    }

    fn begin_with(mut writer: W, drawn: Drawn) -> Result<Self, SealError> {
        let Drawn { file_key, wraps, nonce } = drawn;
        let header = header::text(&file_key, &wraps)?;
        let payload = Payload::begin(&file_key, &nonce).map_err(|_| SealError::Derive)?;
        writer.write_all(header.as_bytes()).and_then(|()| writer.write_all(&nonce)).map_err(SealError::Header)?;
        // All at once, so that no growing buffer leaves copies behind.
        Ok(Self { writer, payload: Some(payload), waiting: Zeroizing::new(Vec::with_capacity(CHUNK + TAG)) })
    }

    /// Writes the last chunk, flushes the writer and gives it back.
    ///
    /// # Errors
    /// When the writer fails, or failed before; the file is not whole then.
    pub fn finish(mut self) -> io::Result<W> {
        self.put(true)?;
        self.writer.flush()?;
        Ok(self.writer)
    }

    fn put(&mut self, last: bool) -> io::Result<()> {
        let mut payload = self.payload.take().ok_or_else(broken)?;
        payload.encrypt(&mut self.waiting, last).map_err(|_| io::Error::other(SealError::Encrypt))?;
        self.writer.write_all(&self.waiting)?;
        self.waiting.clear();
        self.payload = Some(payload);
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.payload.is_none() {
            return Err(broken());
        }
        if self.waiting.len() == CHUNK && !bytes.is_empty() {
            self.put(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Flushes the writer beneath; a chunk that is not full stays, because the form allows a short one at the end alone.
    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn broken() -> io::Error {
    io::Error::other(SealError::Broken)
}

/// What chance gives one file; nothing of it is ever used for a second one.
struct Drawn {
    file_key: FileKey,
    /// Each recipient with the key that meets it.
    wraps: Vec<(Recipient, PrivateKey)>,
    /// What makes the payload's key.
    nonce: [u8; 16],
}

impl Drawn {
    fn by_chance(recipients: &[Recipient]) -> Result<Self, SealError> {
        let meet = |recipient: &Recipient| PrivateKey::generate(&X25519).map(|key| (*recipient, key));
        let wraps = recipients.iter().map(meet).collect::<Result<_, _>>().map_err(|_| SealError::Draw)?;
        let mut drawn = Self { file_key: Zeroizing::default(), wraps, nonce: [0; 16] };
        rand::fill(drawn.file_key.as_mut()).and_then(|()| rand::fill(&mut drawn.nonce)).map_err(|_| SealError::Draw)?;
        Ok(drawn)
    }
}

/// HKDF-SHA-256, whose output has always 32 bytes in this form.
fn derive(secret: &[u8], salt: &[u8], info: &str) -> Result<Zeroizing<[u8; 32]>, Unspecified> {
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, salt).extract(secret).expand(&[info.as_bytes()], HKDF_SHA256)?.fill(key.as_mut())?;
    Ok(key)
}
