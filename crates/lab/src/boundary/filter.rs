//! Filters of go-bexpr over JSON pointers: `"/item/field" == "text"`, `!=`, `in`, `not in`, `contains`, `not contains`, `matches`,
//! `not matches`, `is empty`, `is not empty`, joined by `and`, `or`, `not` and parentheses. A path that is not there is
//! unlike everything, and empty.
//!
//! Source: github.com/hashicorp/go-bexpr, its grammar as documented.

use regex_lite::Regex;
use serde_json::Value;

/// A filter that was understood.
#[derive(Debug, Default)]
pub(crate) enum Filter {
    /// Takes everything.
    #[default]
    All,
    Test(Test),
    Not(Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
}

/// One comparison.
#[derive(Debug)]
pub(crate) struct Test {
    path: String,
    how: How,
    negated: bool,
}

#[derive(Debug)]
enum How {
    Equals(String),
    Contains(String),
    /// None takes nothing: an expression that cannot be compiled is not refused (measured).
    Matches(Option<Regex>),
    Empty,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Word(String),
    Sign(&'static str),
}

/// How deep parentheses may go.
const DEPTH: u32 = 64;

impl Filter {
    /// Reads a filter; none if it is no such expression.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { tokens: tokens(text)?, next: 0, depth: 0 };
        let filter = reader.either()?;
        (reader.next == reader.tokens.len()).then_some(filter)
    }

    /// Says whether a document is taken.
    pub(crate) fn takes(&self, document: &Value) -> bool {
        match self {
            Self::All => true,
            Self::Test(test) => test.holds(document),
            Self::Not(inner) => !inner.takes(document),
            Self::And(left, right) => left.takes(document) && right.takes(document),
            Self::Or(left, right) => left.takes(document) || right.takes(document),
        }
    }

    /// Says whether an item of a list is shown: it stands under `/item`.
    pub(crate) fn shows(&self, item: &Value) -> bool {
        matches!(self, Self::All) || self.takes(&serde_json::json!({ "item": item }))
    }
}

impl Test {
    fn holds(&self, document: &Value) -> bool {
        let Some(value) = document.pointer(&self.path) else { return self.negated != matches!(self.how, How::Empty) };
        let outcome = match &self.how {
            How::Equals(wanted) => text(value).is_some_and(|text| text == *wanted),
            How::Contains(wanted) => contains(value, wanted),
            How::Matches(regex) => regex.as_ref().is_some_and(|regex| text(value).is_some_and(|text| regex.is_match(&text))),
            How::Empty => is_empty(value),
        };
        outcome != self.negated
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn contains(value: &Value, wanted: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| text(item).is_some_and(|text| text == wanted)),
        Value::Object(fields) => fields.contains_key(wanted),
        Value::String(text) => text.contains(wanted),
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

struct Reader {
    tokens: Vec<Token>,
    next: usize,
    depth: u32,
}

impl Reader {
    fn either(&mut self) -> Option<Filter> {
        let mut left = self.both()?;
        while self.takes_word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.both()?));
        }
        Some(left)
    }

    fn both(&mut self) -> Option<Filter> {
        let mut left = self.one()?;
        while self.takes_word("and") {
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Some(left)
    }

    fn one(&mut self) -> Option<Filter> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        let one = if self.takes_word("not") {
            Filter::Not(Box::new(self.one()?))
        } else if self.takes(&Token::Sign("(")) {
            let inner = self.either()?;
            self.takes(&Token::Sign(")")).then_some(inner)?
        } else {
            Filter::Test(self.test()?)
        };
        self.depth -= 1;
        Some(one)
    }

    fn test(&mut self) -> Option<Test> {
        let bare = matches!(self.tokens.get(self.next), Some(Token::Word(_)));
        let first = self.text()?;
        if bare && first.contains('/') {
            return None;
        }
        // A bare name is a selector, and names nothing in an item.
        let path = |text: String| if bare { Some(format!("/{text}")) } else { pointer(text) };
        for (sign, negated) in [("==", false), ("!=", true)] {
            if self.takes(&Token::Sign(sign)) {
                return Some(Test { path: path(first)?, how: How::Equals(self.text()?), negated });
            }
        }
        if self.takes_word("is") {
            let negated = self.takes_word("not");
            return self.takes_word("empty").then_some(Test { path: path(first)?, how: How::Empty, negated });
        }
        let negated = self.takes_word("not");
        if self.takes_word("in") {
            return Some(Test { path: pointer(self.text()?)?, how: How::Contains(first), negated });
        }
        let path = path(first)?;
        if self.takes_word("contains") {
            Some(Test { path, how: How::Contains(self.text()?), negated })
        } else if self.takes_word("matches") {
            Some(Test { path, how: How::Matches(Regex::new(&self.text()?).ok()), negated })
        } else {
            None
        }
    }

    /// A value: quoted, or a bare number or word.
    fn text(&mut self) -> Option<String> {
        let text = match self.tokens.get(self.next)? {
            Token::Text(text) | Token::Word(text) => text.clone(),
            Token::Sign(_) => return None,
        };
        self.next += 1;
        Some(text)
    }

    fn takes(&mut self, token: &Token) -> bool {
        let here = self.tokens.get(self.next) == Some(token);
        self.next += usize::from(here);
        here
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let here = matches!(self.tokens.get(self.next), Some(Token::Word(known)) if known == word);
        self.next += usize::from(here);
        here
    }
}

fn pointer(text: String) -> Option<String> {
    text.starts_with('/').then_some(text)
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let sign = ["==", "!=", "(", ")"].into_iter().find(|sign| rest.starts_with(sign));
        let (token, after) = if let Some(sign) = sign {
            (Token::Sign(sign), &rest[sign.len()..])
        } else if matches!(first, '"' | '`') {
            let (inner, after) = rest[1..].split_once(first)?;
            (Token::Text(inner.to_owned()), after)
        } else {
            let bare = |c: char| !(c.is_ascii_alphanumeric() || "_-./+".contains(c));
            let end = rest.find(bare).unwrap_or(rest.len());
            (Token::Word(rest.get(..end).filter(|word| !word.is_empty())?.to_owned()), &rest[end..])
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shows(text: &str) -> bool {
        let item = json!({ "target_id": "ttcp_1", "status": "active", "scope": { "id": "p_1" }, "ids": ["a", "b"], "port": 22 });
        Filter::parse(text).unwrap().shows(&item)
    }

    #[test]
    fn items_are_chosen_by_their_fields() {
        for text in [
            r#""/item/target_id"=="ttcp_1""#,
            r#""/item/target_id" == "ttcp_1" and "/item/scope/id" == "p_1""#,
            r#""/item/status" != "pending""#,
            r#""/item/invented" != "x" and "/item/invented" is empty"#,
            r#""/item/target_id" contains "cp_""#,
            r#""/item/target_id" matches "^ttcp_[0-9]+$""#,
            r#""b" in "/item/ids" and "c" not in "/item/ids""#,
            r#"not "/item/status" == "pending" and ("/item/port" == 22 or "/item/invented" == "x")"#,
            r#""/item/ids" is not empty"#,
            r#""/item/invented" == "x" or "/item/status" == "active" and "/item/port" == "22""#,
        ] {
            assert!(shows(text), "{text}");
        }
        for text in [
            r#""/item/target_id" == "ttcp_1" and "/item/status" == "pending""#,
            r#""/item/invented" == "ttcp_1""#,
            r#""/item/invented" is not empty"#,
            r#""/item/target_id" matches "(""#,
            r#""/item/target_id" not matches "ttcp""#,
            r#"not ("/item/status" == "active")"#,
        ] {
            assert!(!shows(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let deep = format!("{}\"/a\"==\"b\"{}", "(".repeat(200), ")".repeat(200));
        for text in [
            "",
            r#""/item/a""#,
            r#""/item/a"=="b" or"#,
            r#""/item/nam"#,
            r#""a"=="b""#,
            "x",
            r#"("/a"=="b""#,
            "/item/name == x",
            "=",
            &deep,
        ] {
            assert!(Filter::parse(text).is_none(), "{text}");
        }
    }
}
