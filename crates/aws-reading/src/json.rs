//! Questions to JSON services, and what of an answer must be looked at to go on: its entries are counted, its token is read.
//!
//! Pure. What the entries say is their readers' matter; the answer itself stays as it is.

use crate::asking::Asking;
use crate::page::Page;
use crate::pages::{After, Listing, Token};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

const NO_OBJECT: &str = "the answer is no JSON object";
const NO_MEMBER: &str = "the answer lacks what was asked for";

/// One question with one answer.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonCall {
    call: &'static str,
    parameters: Value,
    resource: Option<String>,
    /// The member that an answer must have.
    member: Option<&'static str>,
}

impl JsonCall {
    /// Any question; `call` is of the form `logs:DescribeLogGroups`.
    pub fn new(call: &'static str, parameters: Value) -> Self {
        Self { call, parameters, resource: None, member: None }
    }

    /// The same, with a member that an answer must have.
    pub(crate) fn with(self, member: &'static str) -> Self {
        Self { member: Some(member), ..self }
    }

    /// The same, with what it is about.
    pub(crate) fn on(self, resource: impl Into<String>) -> Self {
        Self { resource: Some(resource.into()), ..self }
    }

    pub(crate) fn asking(&self) -> Asking {
        Asking::json(self.call, self.parameters.clone(), self.resource.as_deref())
    }

    pub(crate) fn check(&self, page: &Page) -> Result<(), &'static str> {
        let shape = Shape::read(&page.body, self.member.unwrap_or_default(), "")?;
        if self.member.is_none() || shape.has_member { Ok(()) } else { Err(NO_MEMBER) }
    }
}

/// What ends a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndsWith {
    /// An answer without a token.
    NoToken,
    /// The token that was sent, once more (GetLogEvents, API reference).
    SameToken,
}

/// A question whose answer has pages.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonList {
    pub(crate) question: JsonCall,
    /// The name of the token in questions.
    pub(crate) token_in: &'static str,
    /// The name of the token in answers.
    pub(crate) token_out: &'static str,
    pub(crate) ends_with: EndsWith,
}

impl JsonList {
    /// A list whose token has one name in questions and answers.
    pub(crate) fn new(question: JsonCall, token: &'static str) -> Self {
        Self { question, token_in: token, token_out: token, ends_with: EndsWith::NoToken }
    }
}

impl Listing for JsonList {
    /// How many entries the page has.
    type Rows = usize;

    fn asking(&self, token: Option<&Token>) -> Asking {
        let mut asking = self.question.asking();
        if let (Some(token), Some(parameters)) = (token, asking.parameters.as_object_mut()) {
            parameters.insert(self.token_in.to_owned(), Value::from(token.at.clone()));
            asking.has_token = true;
        }
        asking
    }

    fn read(&self, page: &Page, sent: Option<&Token>) -> Result<(usize, After), &'static str> {
        let shape = Shape::read(&page.body, self.question.member.unwrap_or_default(), self.token_out)?;
        let entries = shape.entries.ok_or(NO_MEMBER)?;
        let token = shape.token.filter(|token| !token.is_empty()).map(Token::new);
        let after = match (self.ends_with, token) {
            (EndsWith::NoToken, None) => After::End(None),
            (EndsWith::SameToken, None) => return Err("the answer lacks its token"),
            (EndsWith::SameToken, Some(token)) if sent == Some(&token) => After::End(Some(token)),
            (_, Some(token)) => After::Next(token),
        };
        Ok((entries, after))
    }
}

/// What is seen of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    has_member: bool,
    /// The length of the member, if it is a list.
    entries: Option<usize>,
    token: Option<String>,
}

impl Shape {
    /// Reads all of an object, and keeps nothing but this of it.
    fn read(body: &[u8], member: &str, token: &str) -> Result<Self, &'static str> {
        let mut reader = serde_json::Deserializer::from_slice(body);
        let shape = reader.deserialize_map(ShapeVisitor { member, token }).map_err(|_| NO_OBJECT)?;
        reader.end().map_err(|_| NO_OBJECT)?;
        Ok(shape)
    }
}

struct ShapeVisitor<'a> {
    member: &'a str,
    token: &'a str,
}

/// A list's length, whatever its entries are; anything else has none.
struct Length(Option<usize>);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LengthVisitor).map(Self)
    }
}

struct LengthVisitor;

impl<'de> Visitor<'de> for LengthVisitor {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<usize>, A::Error> {
        let mut length = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            length += 1;
        }
        Ok(Some(length))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<usize>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<usize>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<usize>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<usize>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<usize>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<usize>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<usize>, E> {
        Ok(None)
    }
}

impl<'de> Visitor<'de> for ShapeVisitor<'_> {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut shape = Shape::default();
        let mut seen = (false, false);
        while let Some(key) = map.next_key::<String>()? {
            if key == self.member && !std::mem::replace(&mut seen.0, true) {
                shape.has_member = true;
                shape.entries = map.next_value::<Length>()?.0;
            } else if key == self.token && !std::mem::replace(&mut seen.1, true) {
                shape.token = map.next_value()?;
            } else if key == self.member || key == self.token {
                // Readers would differ in which one holds.
                return Err(A::Error::custom("a member is there twice"));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(body: &str) -> Result<(Option<usize>, Option<String>), &'static str> {
        Shape::read(body.as_bytes(), "events", "nextToken").map(|shape| (shape.entries, shape.token))
    }

    #[test]
    fn entries_are_counted_and_the_token_is_read() {
        let body = r#"{"x":[{"events":[]}],"events":[{"message":"a"},2,[3]],"nextToken":"t\u0041"}"#;
        assert_eq!(shape(body), Ok((Some(3), Some("tA".to_owned()))));
        assert_eq!(shape(r#"{"events":[],"nextToken":null}"#), Ok((Some(0), None)));
    }

    #[test]
    fn what_is_no_list_has_no_length() {
        for body in [
            "{}",
            r#"{"events":null}"#,
            r#"{"events":"abc"}"#,
            r#"{"events":{}}"#,
            r#"{"events":7}"#,
            r#"{"events":-1.5}"#,
            r#"{"events":-1}"#,
            r#"{"events":true}"#,
        ] {
            assert_eq!(shape(body), Ok((None, None)), "{body}");
        }
    }

    #[test]
    fn what_is_no_object_is_no_answer() {
        let twice = r#"{"events":[],"events":[1]}"#;
        for body in ["", "[]", "null", "<html/>", r#"{"events":[}"#, "{} {}", r#"{"nextToken":3}"#, twice] {
            assert_eq!(shape(body), Err(NO_OBJECT), "{body}");
        }
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(shape(&deep), Ok((None, None)), "depth costs no stack");
    }
}
