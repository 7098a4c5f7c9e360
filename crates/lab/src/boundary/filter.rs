//! The filter of a list: `"/item/field" == "text"`, joined by `and`. Anything else of go-bexpr is refused, never ignored.

use serde_json::Value;

/// A filter that was understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter(Vec<(String, String)>);

impl Filter {
    /// Reads a filter; none if it holds anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut clauses = Vec::new();
        loop {
            let (path, after) = quoted(rest)?;
            let (wanted, after) = quoted(after.trim_start().strip_prefix("==")?)?;
            clauses.push((path.strip_prefix("/item")?.to_owned(), wanted.to_owned()));
            rest = after.trim_start();
            if rest.is_empty() {
                return Some(Self(clauses));
            }
            rest = rest.strip_prefix("and")?;
        }
    }

    /// Says whether an item is shown; a path that is not there is no match.
    pub(crate) fn shows(&self, item: &Value) -> bool {
        self.0.iter().all(|(path, wanted)| item.pointer(path).and_then(Value::as_str) == Some(wanted))
    }
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    text.trim_start().strip_prefix('"')?.split_once('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn items_are_chosen_by_their_fields() {
        let item = json!({ "target_id": "ttcp_1", "status": "active", "scope": { "id": "p_1" } });
        let shows = |text: &str| Filter::parse(text).unwrap().shows(&item);
        assert!(shows(r#""/item/target_id"=="ttcp_1""#));
        assert!(shows(r#""/item/target_id" == "ttcp_1" and "/item/scope/id" == "p_1""#));
        assert!(!shows(r#""/item/target_id" == "ttcp_1" and "/item/status" == "pending""#));
        assert!(!shows(r#""/item/invented" == "ttcp_1""#));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in ["", r#""/item/a" != "b""#, r#""/item/a""#, r#""/item/a"=="b" or "/item/a"=="c""#, r#""/a"=="b""#, "x"] {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
    }
}
