//! Reads fields of hostile JSON: absent and null are absent, another type is an error and never an absence.
//!
//! Owns the coercions that sources need: numbers in texts, times in texts, seconds or Go's pairs. It knows no source.

use super::Why;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The fields of one object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

/// The last part of a field's path, which is its name in the object.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Parses a page that is one JSON value.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Why> {
    serde_json::from_slice(bytes).map_err(|_| Why::NotJson)
}

impl<'a> Fields<'a> {
    pub(crate) fn of(value: &'a Value) -> Result<Self, Why> {
        value.as_object().map(Self).ok_or(Why::NotAnObject)
    }

    fn value(self, path: &'static str) -> Option<&'a Value> {
        self.0.get(last(path)).filter(|value| !value.is_null())
    }

    fn typed<T>(self, path: &'static str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, Why> {
        self.value(path).map(|value| read(value).ok_or(Why::WrongType(path))).transpose()
    }

    /// A text; an empty one is absent.
    pub(crate) fn text(self, path: &'static str) -> Result<Option<&'a str>, Why> {
        Ok(self.typed(path, Value::as_str)?.filter(|text| !text.is_empty()))
    }

    pub(crate) fn owned(self, path: &'static str) -> Result<Option<String>, Why> {
        Ok(self.text(path)?.map(str::to_owned))
    }

    pub(crate) fn required(self, path: &'static str) -> Result<&'a str, Why> {
        self.text(path)?.ok_or(Why::Missing(path))
    }

    pub(crate) fn truth(self, path: &'static str) -> Result<Option<bool>, Why> {
        self.typed(path, Value::as_bool)
    }

    pub(crate) fn object(self, path: &'static str) -> Result<Option<Fields<'a>>, Why> {
        self.typed(path, |value| value.as_object().map(Fields))
    }

    /// A list; an absent one is empty.
    pub(crate) fn list(self, path: &'static str) -> Result<&'a [Value], Why> {
        Ok(self.typed(path, Value::as_array)?.map_or(&[], Vec::as_slice))
    }

    /// The list that makes an answer the one that was asked for: AWS sends it empty, never not at all.
    pub(crate) fn page(self, path: &'static str) -> Result<&'a [Value], Why> {
        self.typed(path, Value::as_array)?.map(Vec::as_slice).ok_or(Why::Missing(path))
    }

    /// A count, as a number or as a text: protobuf's JSON writes 64 bits as text.
    pub(crate) fn count(self, path: &'static str) -> Result<Option<u64>, Why> {
        let Some(value) = self.value(path) else { return Ok(None) };
        match value {
            Value::Number(number) => number.as_u64().map(Some).ok_or(Why::Malformed(path)),
            Value::String(text) => text.parse().map(Some).map_err(|_| Why::Malformed(path)),
            _ => Err(Why::WrongType(path)),
        }
    }

    /// A count that fits the type.
    pub(crate) fn small<T: TryFrom<u64>>(self, path: &'static str) -> Result<Option<T>, Why> {
        self.count(path)?.map(|count| T::try_from(count).map_err(|_| Why::Malformed(path))).transpose()
    }

    /// A time: RFC 3339, seconds since 1970 with or without a fraction, or Go's `{seconds, nanos}`.
    pub(crate) fn time(self, path: &'static str) -> Result<Option<Timestamp>, Why> {
        let Some(value) = self.value(path) else { return Ok(None) };
        let read = match value {
            Value::String(text) if text.is_empty() => return Ok(None),
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => seconds(&number.to_string()),
            Value::Object(pair) => pair_of(Fields(pair), path)?,
            _ => return Err(Why::WrongType(path)),
        };
        read.map(Some).ok_or(Why::Malformed(path))
    }

    pub(crate) fn required_time(self, path: &'static str) -> Result<Timestamp, Why> {
        self.time(path)?.ok_or(Why::Missing(path))
    }

    /// All fields whose values are texts.
    pub(crate) fn all_texts(self, path: &'static str) -> Result<Vec<(&'a str, &'a str)>, Why> {
        let text = |(name, value): (&'a String, &'a Value)| Some((name.as_str(), value.as_str()?));
        self.0.iter().filter(|(_, value)| !value.is_null()).map(|pair| text(pair).ok_or(Why::WrongType(path))).collect()
    }
}

fn pair_of(pair: Fields<'_>, path: &'static str) -> Result<Option<Timestamp>, Why> {
    let whole = |name| pair.typed(name, Value::as_i64).map_err(|_| Why::WrongType(path));
    let (seconds, nanos) = (whole("seconds")?.unwrap_or(0), whole("nanos")?.unwrap_or(0));
    Ok(i32::try_from(nanos).ok().and_then(|nanos| Timestamp::new(seconds, nanos).ok()))
}

/// Seconds with a fraction, read as decimal digits: a double would give the same moment two spellings.
fn seconds(text: &str) -> Option<Timestamp> {
    let Some((whole, fraction)) = text.split_once('.') else {
        return text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    };
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanos: i32 = digits.parse().ok()?;
    let seconds: i64 = whole.parse().ok()?;
    Timestamp::new(seconds, if whole.starts_with('-') { -nanos } else { nanos }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn another_type_is_never_an_absence() {
        let value = json!({"text": 1, "none": null, "empty": "", "count": "7", "list": {}, "big": 1.5});
        let fields = Fields::of(&value).unwrap();
        assert_eq!(fields.text("a.text"), Err(Why::WrongType("a.text")));
        assert_eq!((fields.text("none"), fields.text("empty"), fields.text("absent")), (Ok(None), Ok(None), Ok(None)));
        assert_eq!(fields.count("count"), Ok(Some(7)));
        assert_eq!(fields.count("big"), Err(Why::Malformed("big")));
        assert_eq!(fields.list("list"), Err(Why::WrongType("list")));
    }

    #[test]
    fn a_time_is_the_same_in_every_form() {
        let value = json!({"a": "2026-11-21T12:30:28.379258Z", "b": 1_795_264_228.379_258, "c": {"seconds": 1_795_264_228, "nanos": 379_258_000}});
        let fields = Fields::of(&value).unwrap();
        assert_eq!(fields.time("a"), fields.time("b"));
        assert_eq!(fields.time("a"), fields.time("c"));
        assert!(fields.time("a").unwrap().is_some());
    }
}
