//! The forms that Boundary's JSON uses everywhere: documents with more fields than we know, numbers as strings, absent zeros.
//!
//! Boundary leaves out every field that is zero or empty (`EmitUnpopulated` is off), so each known field has a default.
//! Unknown fields survive beside the known ones, in [`Item::raw`]: `serde(flatten)` would buffer every field without its type,
//! and a mistyped field name would hide in it for ever.

use secrecy::SecretString;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use std::ops::Deref;

/// A resource as the controller sent it: the known fields, and the whole document.
#[derive(Clone, PartialEq)]
pub struct Item<T> {
    /// The known fields; also reached through `Deref`.
    pub known: T,
    /// The whole document, with the fields that this client does not know.
    pub raw: Value,
}

impl<T> Deref for Item<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.known
    }
}

/// Shows the known fields only: the others may hold claims of a person.
impl<T: fmt::Debug> fmt::Debug for Item<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.known.fmt(f)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Value::deserialize(deserializer)?;
        Ok(Self { known: T::deserialize(&raw).map_err(D::Error::custom)?, raw })
    }
}

/// The scope that a resource lives in, as embedded in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ScopeInfo {
    /// The id, for example `p_1234567890`.
    pub id: String,
    /// `global`, `org` or `project`.
    #[serde(rename = "type")]
    pub scope_type: String,
    /// The name, when it has one.
    pub name: String,
    /// The scope above.
    pub parent_scope_id: String,
}

/// What an update does to a field: nothing, unset it, or set it. Boundary refuses an empty string: use [`Change::Clear`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// The field is not sent.
    #[default]
    Keep,
    /// The field is sent as null.
    Clear,
    /// The field is sent.
    Set(T),
}

impl<T> Change<T> {
    /// Whether the field stays as it is.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Clear => serializer.serialize_none(),
            Self::Set(value) => value.serialize(serializer),
        }
    }
}

/// Reads a count that Boundary writes as a string (64-bit protobuf numbers) or as a number.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(u64),
        Text(String),
    }
    match Form::deserialize(deserializer)? {
        Form::Number(number) => Ok(number),
        Form::Text(text) => text.parse().map_err(D::Error::custom),
    }
}

/// Reads an answer, or says what is wrong with it in words that hold nothing of the answer.
pub(crate) fn answer<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| wrong(&error))
}

/// Keeps of serde's message what names our own types and fields.
fn wrong(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let expected = if text.starts_with("invalid ") { text.rsplit_once(", expected ") } else { None };
    match expected {
        Some((_, expected)) => format!("a value is not {expected}"),
        None if text.starts_with("missing field `") => text,
        None if error.is_data() => "a value has no such form".to_owned(),
        None => "it is no JSON document".to_owned(),
    }
}

/// Reads a text that must not be shown.
pub(crate) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_fields_survive_and_are_not_shown() {
        let text = r#"{"id":"p_1","type":"project","invented":{"claim":"someone"}}"#;
        let item: Item<ScopeInfo> = serde_json::from_str(text).unwrap();
        assert_eq!((item.id.as_str(), item.name.as_str()), ("p_1", ""));
        assert_eq!(item.raw["invented"]["claim"], "someone");
        assert!(!format!("{item:?}").contains("someone"));
    }

    #[test]
    fn a_wrong_type_is_an_error_and_no_default() {
        assert!(serde_json::from_str::<Item<ScopeInfo>>(r#"{"id":7}"#).is_err());
    }

    #[test]
    fn a_change_is_absent_null_or_a_value() {
        #[derive(Serialize)]
        struct Patch {
            #[serde(skip_serializing_if = "Change::is_keep")]
            a: Change<u8>,
            #[serde(skip_serializing_if = "Change::is_keep")]
            b: Change<u8>,
            #[serde(skip_serializing_if = "Change::is_keep")]
            c: Change<u8>,
        }
        let sent = serde_json::to_value(Patch { a: Change::Keep, b: Change::Clear, c: Change::Set(0) }).unwrap();
        assert_eq!(sent, json!({"b": null, "c": 0}));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_answers_values() {
        #[derive(Debug, Deserialize)]
        struct Form {
            #[expect(dead_code, reason = "only its absence matters here")]
            needed: u32,
        }
        let wrong = |text: &str| answer::<Form>(text.as_bytes()).unwrap_err();
        assert_eq!(wrong(r#"{"needed":"hunter2, expected hunter2"}"#), "a value is not u32 at line 1 column 37");
        assert_eq!(wrong("{}"), "missing field `needed` at line 1 column 2");
        assert_eq!(wrong("<html>hunter2"), "it is no JSON document");
        assert_eq!(answer::<jiff::Timestamp>(br#""hunter2, expected hunter2""#).unwrap_err(), "a value has no such form");
    }

    #[test]
    fn counts_are_strings_or_numbers() {
        #[derive(Deserialize)]
        struct Bytes(#[serde(deserialize_with = "count")] u64);
        let read = |text| serde_json::from_str::<Bytes>(text).map(|bytes| bytes.0);
        assert_eq!(read(r#""18446744073709551615""#).unwrap(), u64::MAX);
        assert_eq!(read("12").unwrap(), 12);
        assert!(read(r#""12x""#).is_err());
        assert!(read("-1").is_err());
    }
}
