//! Each value with its origin, for `config show`.
//!
//! Owns the looking-up in the file as it was written: what it does not say is a default, also within a section that it has.

use super::{SettingsError, load};
use crate::args::Common;
use cli_kit::{FileLayers, printable};
use serde::Serialize;
use serde_json::Value;

/// Values with their origins, lists and sections taken apart.
pub(super) struct Shown {
    written: FileLayers<Value>,
    rows: Vec<[String; 3]>,
}

impl Shown {
    /// Begins, with the files as they were written.
    ///
    /// # Errors
    /// As of [`load`].
    pub(super) fn of(common: &Common) -> Result<Self, SettingsError> {
        Ok(Self { written: load(common)?, rows: Vec::new() })
    }

    /// The rows by key.
    pub(super) fn rows(mut self) -> Vec<[String; 3]> {
        self.rows.sort();
        self.rows
    }

    /// Takes a value; a flag's or the environment's is not looked for in the file.
    pub(super) fn row(&mut self, key: &str, value: &impl Serialize, is_flag: bool) {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        self.flatten(&path, &serde_json::to_value(value).unwrap_or_default(), is_flag);
    }

    fn flatten(&mut self, path: &[String], value: &Value, is_flag: bool) {
        let below = |name: &str| path.iter().cloned().chain([name.to_owned()]).collect::<Vec<String>>();
        match value {
            Value::Object(fields) => {
                for (name, value) in fields.iter().filter(|(name, _)| *name != "name") {
                    self.flatten(&below(name), value, is_flag);
                }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for (at, item) in items.iter().enumerate() {
                    self.flatten(&below(item["name"].as_str().unwrap_or(&at.to_string())), item, is_flag);
                }
            }
            leaf => {
                let address = std::env::var("BOUNDARY_ADDR").ok().filter(|text| !text.is_empty() && is_address(path));
                let (text, origin) = match address {
                    Some(address) => (address, "BOUNDARY_ADDR".to_owned()),
                    None => (text(leaf), self.origin(path, is_flag)),
                };
                self.rows.push([path.join("."), printable(&text, 200), origin]);
            }
        }
    }

    fn origin(&self, path: &[String], is_flag: bool) -> String {
        // A section counts as a whole: the first file that has it wins.
        let section = |file: &Value| path.first().and_then(|name| file.get(name)).cloned();
        match self.written.origin(section) {
            _ if is_flag => "flag or environment".to_owned(),
            Some((file, section)) if says(&section, &path[1..]) => file.display().to_string(),
            _ => "default".to_owned(),
        }
    }
}

fn is_address(path: &[String]) -> bool {
    path.len() == 3 && path[0] == "boundary" && path[2] == "addr"
}

/// Whether a section of the file says something of a value below it.
fn says(section: &Value, path: &[String]) -> bool {
    let Some((name, rest)) = path.split_first() else { return true };
    let found = match section {
        Value::Array(items) => items.iter().find(|item| item["name"] == name.as_str()),
        section => section.get(name),
    };
    found.is_some_and(|found| says(found, rest))
}

fn text(leaf: &Value) -> String {
    match leaf {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
