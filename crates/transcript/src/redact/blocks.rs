//! Keys and certificates that span lines.
//!
//! Owns where a block ends: at its last line, or at the first that no such block has, so that nobody hides a session behind a
//! line that begins a key.

use std::ops::Range;

/// Where a line stands.
pub(super) enum Place {
    /// In no block.
    Outside,
    /// In a private key; these bytes of the line belong to it.
    PrivateKey(Range<usize>),
    /// In a certificate or a public key, which may be seen.
    PublicKey,
}

/// The block under way, if there is one.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocks {
    private: Option<bool>,
}

impl Blocks {
    pub(super) fn line(&mut self, line: &str) -> Place {
        if let Some(begin) = line.find("-----BEGIN ") {
            let name = line[begin + 11..].split("-----").next().unwrap_or_default();
            let private = name.contains("PRIVATE KEY");
            let ends = line[begin..].contains("-----END ");
            self.private = (!ends && (private || name.contains("CERTIFICATE") || name.contains("PUBLIC KEY"))).then_some(private);
            // What follows on the line, such as a key with `\n` in a JSON text, is its body.
            return if private { Place::PrivateKey(begin..line.len()) } else { Place::Outside };
        }
        let Some(private) = self.private else { return Place::Outside };
        if let Some(end) = line.find("-----END ") {
            self.private = None;
            let end = line[end + 9..].find("-----").map_or(line.len(), |dashes| end + 9 + dashes + 5);
            return if private { Place::PrivateKey(0..end) } else { Place::PublicKey };
        }
        if !is_body(line) {
            self.private = None;
            return Place::Outside;
        }
        let trimmed = line.trim();
        match (private, line.find(trimmed)) {
            (true, Some(start)) if !trimmed.is_empty() => Place::PrivateKey(start..start + trimmed.len()),
            _ => Place::PublicKey,
        }
    }
}

/// Base64, or one of the few headers of a key.
fn is_body(line: &str) -> bool {
    let line = line.trim().trim_start_matches(['>', '|', '+', '-']).trim();
    let header = ["Proc-Type: ", "DEK-Info: ", "Version: ", "Comment: "].iter().any(|name| line.starts_with(name));
    header || line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}
