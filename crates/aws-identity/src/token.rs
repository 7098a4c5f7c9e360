//! Reads what a web identity token says about itself, to be laid beside a role's trust policy. Owns the decoding of its
//! claims; verifies no signature, and keeps nothing of the token itself.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::date_time::{DateTime, Format};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cli_kit::printable;
use serde::Deserialize;
use serde_json::Value;

/// The longest claim that is kept, in characters.
const MAX_CLAIM_CHARS: usize = 300;

/// The claims of a web identity token that a trust policy can name; sanitised, not verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenClaims {
    /// The issuer, `iss`.
    pub issuer: Option<String>,
    /// The subject, `sub`.
    pub subject: Option<String>,
    /// The audiences, `aud`.
    pub audiences: Vec<String>,
    /// When the token was issued, `iat`.
    pub issued_at: Option<SystemTime>,
    /// When the token expires, `exp`.
    pub expires_at: Option<SystemTime>,
    /// The session tags that the issuer passes, `https://aws.amazon.com/tags`, `principal_tags`.
    pub principal_tags: BTreeMap<String, String>,
}

/// Why a text is no web identity token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A JWT has three parts between dots.
    #[error("find the three parts of a JWT in the web identity token")]
    Parts,
    /// The middle part is not base64url of a JSON object.
    #[error("decode the claims of the web identity token")]
    Claims,
}

#[derive(Deserialize)]
struct RawClaims {
    iss: Option<Value>,
    sub: Option<Value>,
    aud: Option<Value>,
    iat: Option<Value>,
    exp: Option<Value>,
    #[serde(rename = "https://aws.amazon.com/tags")]
    tags: Option<Value>,
}

impl TokenClaims {
    /// Decodes the claims of a JWT; its signature is not looked at.
    ///
    /// # Errors
    /// [`TokenError`] when the text is no JWT; it never holds a part of the text.
    pub fn decode(token: &str) -> Result<Self, TokenError> {
        let mut parts = token.trim().split('.');
        let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(TokenError::Parts);
        };
        let json = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).map_err(|_| TokenError::Claims)?;
        let raw: RawClaims = serde_json::from_slice(&json).map_err(|_| TokenError::Claims)?;
        Ok(Self {
            issuer: raw.iss.as_ref().and_then(text),
            subject: raw.sub.as_ref().and_then(text),
            audiences: raw.aud.as_ref().map(texts).unwrap_or_default(),
            issued_at: raw.iat.as_ref().and_then(time),
            expires_at: raw.exp.as_ref().and_then(time),
            principal_tags: raw.tags.as_ref().map(principal_tags).unwrap_or_default(),
        })
    }

    /// Tells whether the token has expired.
    pub fn has_expired(&self, now: SystemTime) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= now)
    }

    /// Writes the claims on one line, in the words of the token.
    pub fn summary(&self, now: SystemTime) -> String {
        let or_absent = |claim: Option<&String>| claim.cloned().unwrap_or_else(|| "absent".to_owned());
        let time = |claim: Option<SystemTime>| claim.map_or_else(|| "absent".to_owned(), show_time);
        let audiences = if self.audiences.is_empty() { "absent".to_owned() } else { self.audiences.join(", ") };
        let expired = if self.has_expired(now) { " (expired)" } else { "" };
        format!(
            "iss {}, sub {}, aud {audiences}, iat {}, exp {}{expired}",
            or_absent(self.issuer.as_ref()),
            or_absent(self.subject.as_ref()),
            time(self.issued_at),
            time(self.expires_at)
        )
    }
}

/// Writes a time in UTC, to the second.
pub(crate) fn show_time(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let shown = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_secs(seconds).fmt(Format::DateTime).ok());
    shown.unwrap_or_else(|| format!("{seconds} s after 1970"))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(|text| printable(text, MAX_CLAIM_CHARS))
}

/// Reads one text or a list of them: `aud` and principal tags come in both shapes.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(text).collect(),
        value => text(value).into_iter().collect(),
    }
}

fn time(value: &Value) -> Option<SystemTime> {
    let seconds = value
        .as_u64()
        .or_else(|| value.as_f64().map(|seconds| Duration::try_from_secs_f64(seconds).map_or(0, |d| d.as_secs())))?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn principal_tags(value: &Value) -> BTreeMap<String, String> {
    let Some(tags) = value.get("principal_tags").and_then(Value::as_object) else { return BTreeMap::new() };
    let first = |(key, value): (&String, &Value)| Some((printable(key, 128), texts(value).into_iter().next()?));
    tags.iter().filter_map(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn token(claims: &str) -> String {
        format!("eyJhbGciOiJSUzI1NiJ9.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims))
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    const SERVICE_ACCOUNT: &str = r#"{"aud":["sts.amazonaws.com"],"exp":1685030736,"iat":1684944336,
        "iss":"https://oidc.eks.us-west-2.amazonaws.com/id/6377","kubernetes.io":{"namespace":"domino-compute"},
        "nbf":1684944336,"sub":"system:serviceaccount:domino-compute:run-646d"}"#;

    #[test]
    fn the_claims_that_a_trust_policy_names_are_shown() {
        let claims = TokenClaims::decode(&token(SERVICE_ACCOUNT)).unwrap();
        assert_eq!(
            claims.summary(at(1_685_000_000)),
            "iss https://oidc.eks.us-west-2.amazonaws.com/id/6377, sub system:serviceaccount:domino-compute:run-646d, \
             aud sts.amazonaws.com, iat 2023-05-24T16:05:36Z, exp 2023-05-25T16:05:36Z"
        );
        assert!(claims.summary(at(1_685_030_736)).ends_with(" (expired)"));
    }

    #[test]
    fn audience_and_tags_come_as_text_or_list() {
        let json = r#"{"aud":"rosa","https://aws.amazon.com/tags":{"principal_tags":{"username":["alice"],"uuid":"u-1"},
            "transitive_tag_keys":["username"]}}"#;
        let claims = TokenClaims::decode(&token(json)).unwrap();
        assert_eq!(claims.audiences, ["rosa"]);
        assert_eq!(claims.principal_tags["username"], "alice");
        assert_eq!(claims.principal_tags["uuid"], "u-1");
    }

    #[test]
    fn claims_cannot_move_the_cursor() {
        let claims = TokenClaims::decode(&token("{\"iss\":\"a\\u001b[2J\",\"sub\":7,\"exp\":-1,\"iat\":1e400}")).err();
        assert_eq!(claims, Some(TokenError::Claims));
        let claims = TokenClaims::decode(&token("{\"iss\":\"a\\u001b[2J\",\"sub\":7,\"exp\":-1,\"aud\":{}}")).unwrap();
        assert!(!claims.summary(at(0)).contains('\u{1b}'));
        assert_eq!((claims.subject, claims.audiences), (None, Vec::new()));
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_shown() {
        for (text, expected) in [
            ("", TokenError::Parts),
            ("secret.only", TokenError::Parts),
            ("a.b.c.d", TokenError::Parts),
            ("a.***.c", TokenError::Claims),
            ("a.c2VjcmV0.c", TokenError::Claims),
        ] {
            assert_eq!(TokenClaims::decode(text), Err(expected), "{text}");
            assert!(!expected.to_string().contains("secret"));
        }
    }
}
