//! Those for whom a file is sealed.
//!
//! Owns the text form `age1…` and the file that lists recipients. No error here carries anything of the text that was read: it
//! may be a secret that somebody took for a recipient.

use super::bech32;
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use std::fmt;
use std::str::FromStr;

/// What a text has in it that must never be shown, in any case: age's secret keys, and those of its plugins.
const SECRETS: [&str; 2] = ["AGE-SECRET-KEY-", "AGE-PLUGIN-"];

/// Why a text is no recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// It opens files instead.
    #[error(
        "refused the age recipient: it is a secret key, and who has it opens what is sealed; give the `age1…` text that `age-keygen -y` prints for it, and replace the key if others could read it here"
    )]
    SecretKey,
    /// It is one of age's, but no X25519 key.
    #[error(
        "refused the age recipient: it is an SSH key, a plugin's or a post-quantum one, and only those that `age-keygen` makes without options are supported"
    )]
    OtherKind,
    /// It has not the letters or the length.
    #[error("failed to read the age recipient: `age1` and 58 letters or digits are wanted, in lower case, and nothing else")]
    Form,
    /// Its checksum does not fit.
    #[error("failed to read the age recipient: a letter of it is wrong, its checksum does not fit")]
    Checksum,
    /// It is written in a way that no key pair's public half is, so nobody could open the file.
    #[error("refused the age recipient: no key pair has it, so nobody could open what is sealed")]
    NoKeys,
    /// Everybody could open the file.
    #[error("refused the age recipient: it is a point of low order, and everybody could open what is sealed")]
    LowOrder,
}

/// Why a list gives no recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipientsError {
    /// A line is none.
    #[error("failed to read line {line} of the age recipients")]
    Line {
        /// The line's number, from 1.
        line: usize,
        /// The cause.
        #[source]
        source: RecipientError,
    },
    /// There are comments and empty lines alone.
    #[error("failed to read the age recipients: there is none")]
    Empty,
}

/// A public X25519 key that a file can be sealed for; its text form is `age1…` (62 characters), as `age-keygen` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recipient([u8; 32]);

impl Recipient {
    /// The key, little-endian as in RFC 7748.
    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether the key is below 2²⁵⁵ − 19 (RFC 7748, section 5). A key pair's always is, and the reader's program takes its own
    /// into the derivation: a file for another spelling of it could never be opened.
    fn is_canonical(&self) -> bool {
        let [first, middle @ .., last] = &self.0;
        *last < 0x7f || (*last == 0x7f && (*first < 0xed || middle.iter().any(|byte| *byte != 0xff)))
    }

    /// Whether an agreement with it is the same for every key, zero, which the library refuses (RFC 7748, section 6.1).
    fn has_low_order(&self) -> bool {
        // A private key counts as a multiple of eight, and low orders divide eight: any key shows it, and this one guards nothing.
        let probe = PrivateKey::from_private_key(&X25519, &[1; 32]);
        !probe.is_ok_and(|probe| agree(&probe, UnparsedPublicKey::new(&X25519, &self.0), (), |_| Ok(())).is_ok())
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::text(&self.0))
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        if SECRETS.iter().any(|secret| has(text, secret)) {
            return Err(RecipientError::SecretKey);
        }
        let recipient = bech32::read(text).map(Self).ok_or_else(|| wrong_form(text))?;
        match recipient {
            r if r.to_string() != text => Err(RecipientError::Checksum),
            r if !r.is_canonical() => Err(RecipientError::NoKeys),
            r if r.has_low_order() => Err(RecipientError::LowOrder),
            r => Ok(r),
        }
    }
}

/// Compares in place, without a copy of what may be a secret.
fn has(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// Plugins and newer kinds have a name, another `1` and longer data; in a text of the right length a second `1` is a mistaken `l`.
fn wrong_form(text: &str) -> RecipientError {
    let named = text.strip_prefix("age1").is_some_and(|rest| rest.contains('1')) && text.len() > bech32::LENGTH;
    if named || text.starts_with("ssh-") { RecipientError::OtherKind } else { RecipientError::Form }
}

/// Reads a list of recipients: one a line, as `age -R` takes it; lines that are empty or begin with `#` are skipped, and so is
/// white space around a line.
///
/// # Errors
/// [`RecipientsError`] with the number of the first line that is no recipient, or when there is none at all.
pub fn recipients_in(text: &str) -> Result<Vec<Recipient>, RecipientsError> {
    let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let read = |(text, line): (&str, _)| text.parse().map_err(|source| RecipientsError::Line { line, source });
    let recipients = lines.map(read).collect::<Result<Vec<_>, _>>()?;
    if recipients.is_empty() { Err(RecipientsError::Empty) } else { Ok(recipients) }
}
