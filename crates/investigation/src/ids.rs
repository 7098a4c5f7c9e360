//! Ids of other systems that we carry but never make.
//!
//! Owns their grammar only.

use serde::{Deserialize, Serialize};

/// Why a text is not such an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A Boundary session id has the form `s_` and ten letters or digits.
    #[error("`{0}` is not a Boundary session id (s_ and ten letters or digits)")]
    BoundarySession(String),
}

/// The id of a Boundary session, `s_` followed by letters and digits (ten, as Boundary makes them; 8 to 32 accepted).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BoundarySessionId(String);

impl BoundarySessionId {
    /// Checks a text.
    ///
    /// # Errors
    /// [`IdError::BoundarySession`] when the form is another.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let tail = text.strip_prefix("s_").unwrap_or_default();
        if (8..=32).contains(&tail.len()) && tail.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Ok(Self(text.to_owned()));
        }
        Err(IdError::BoundarySession(text.chars().take(64).flat_map(char::escape_default).collect()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BoundarySessionId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<BoundarySessionId> for String {
    fn from(id: BoundarySessionId) -> Self {
        id.0
    }
}

impl std::fmt::Display for BoundarySessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_boundarys_form_is_accepted() {
        assert_eq!(BoundarySessionId::parse("s_1234567890").unwrap().as_str(), "s_1234567890");
        for bad in ["", "s_", "s_12 4567890", "ttcp_1234567890", "s_1234567890; rm -rf /", "s_1234567890\n"] {
            assert!(BoundarySessionId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
