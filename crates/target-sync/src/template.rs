//! Names and aliases out of a task's own key, by templates of the operator.
//!
//! Owns what the two forms permit, and that two keys never meet in one text: where sanitising, lower-casing, cutting or a
//! separator inside a value loses anything, eight hexadecimal digits of the whole key's digest are appended. Never looks at
//! other tasks, so that a name does not change with its neighbours.

use audit_record::sha256_hex;
use std::collections::BTreeMap;

/// The longest name of a Boundary object, in characters. Source: Boundary's migration 1/02_domains.
const NAME_MAX: usize = 127;
/// Room for the mark that tells a task's own name from the investigation's: ` ~` and a task id of 32.
const TASK_ROOM: usize = 36;
/// The longest label of an alias, and the longest alias. Source: Boundary's migrations 85/02 and 85/03.
const LABEL_MAX: usize = 63;
const ALIAS_MAX: usize = 253;
/// Digits of the digest that keep apart what would look the same.
const DIGEST: usize = 8;

/// Fields of a template.
pub const KEY_FIELDS: &[&str] = &["cluster_id", "investigation_id", "source", "account", "region", "ecs_cluster"];

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace is left open or closes nothing.
    #[error("a brace has no partner")]
    Brace,
    /// A field is not known, or has no place here.
    #[error("`{{{0}}}` is no field; there are {fields}", fields = KEY_FIELDS.join(", "))]
    Field(String),
    /// Two investigations would have one text.
    #[error("`{{cluster_id}}` and `{{investigation_id}}` must both be in it: neither alone names an investigation")]
    Ambiguous,
    /// Tasks of several sources would have one text.
    #[error("with several sources `{{source}}` must be in it: two of them may have the same investigation")]
    Sources,
    /// An alias's own text has characters that aliases do not have.
    #[error("an alias has labels of a to z, 0 to 9 and `-`, parted by dots, and its last label is not a number")]
    Alias,
}

/// A text with fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(String),
}

/// The values of the fields, by name.
pub type Values<'a> = BTreeMap<&'a str, &'a str>;

impl Template {
    /// Reads a template; `{{` has no meaning.
    ///
    /// # Errors
    /// [`TemplateError::Brace`] or [`TemplateError::Field`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (field, behind) = after.split_once('}').ok_or(TemplateError::Brace)?;
            if before.contains('}') {
                return Err(TemplateError::Brace);
            }
            if !KEY_FIELDS.contains(&field) {
                return Err(TemplateError::Field(field.chars().take(40).collect()));
            }
            parts.extend([Part::Text(before.to_owned()), Part::Field(field.to_owned())]);
            rest = behind;
        }
        if rest.contains('}') {
            return Err(TemplateError::Brace);
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { parts })
    }

    /// Checks that it tells investigations apart.
    ///
    /// # Errors
    /// [`TemplateError::Ambiguous`], or [`TemplateError::Sources`] when there are several and it does not name them.
    pub fn check_distinct(&self, several_sources: bool) -> Result<(), TemplateError> {
        let has = |name: &str| self.parts.iter().any(|part| matches!(part, Part::Field(field) if field == name));
        if !has("cluster_id") || !has("investigation_id") {
            return Err(TemplateError::Ambiguous);
        }
        if several_sources && !has("source") { Err(TemplateError::Sources) } else { Ok(()) }
    }

    /// Checks the text between the fields of an alias's template.
    ///
    /// # Errors
    /// [`TemplateError::Alias`].
    pub fn check_alias(&self) -> Result<(), TemplateError> {
        let fits = |part: &Part| match part {
            Part::Text(text) => text.bytes().all(|byte| is_alias_byte(byte) || byte == b'.'),
            Part::Field(_) => true,
        };
        let probe: String = self.parts.iter().map(|part| if let Part::Text(text) = part { text } else { "x" }).collect();
        let labels_fit = probe.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
        let numeric_end = probe.rsplit('.').next().is_some_and(is_number);
        if self.parts.iter().all(fits) && labels_fit && !numeric_end { Ok(()) } else { Err(TemplateError::Alias) }
    }

    /// The name of a target: printable characters, with room left for [`with_task`].
    pub fn name(&self, values: &Values<'_>) -> String {
        let printable = |c: char| if c.is_control() || c.is_whitespace() || !c.is_ascii() { '_' } else { c };
        let (text, mut exact) = self.filled(values, &|value| value.chars().map(printable).collect());
        let trimmed: String = text.trim().chars().take(NAME_MAX - TASK_ROOM).collect();
        exact &= trimmed == text;
        if exact {
            return trimmed;
        }
        let room = NAME_MAX - TASK_ROOM - DIGEST - 1;
        let cut: String = trimmed.chars().take(room).collect();
        format!("{cut}-{}", digest(values))
    }

    /// A text for people of so many characters at most; it need not tell investigations apart.
    pub fn text(&self, values: &Values<'_>, most: usize) -> String {
        let printable = |c: char| if c.is_control() { '_' } else { c };
        let (text, _) = self.filled(values, &|value| value.chars().map(printable).collect());
        text.trim().chars().take(most).collect::<String>().trim_end().to_owned()
    }

    /// The alias: labels of lower-case letters, digits and hyphens.
    pub fn alias(&self, values: &Values<'_>) -> String {
        let (text, exact) = self.filled(values, &label_text);
        let mut labels: Vec<String> = text.split('.').map(|label| label.trim_matches('-').to_owned()).collect();
        let numeric_end = labels.last().is_some_and(|label| is_number(label));
        let fits = labels.iter().all(|label| (1..=LABEL_MAX).contains(&label.len())) && text.len() <= ALIAS_MAX;
        if exact && fits && !numeric_end && labels.join(".") == text {
            return text;
        }
        let room = (ALIAS_MAX / labels.len().max(1)).min(LABEL_MAX).saturating_sub(DIGEST + 2).max(1);
        for label in &mut labels {
            label.truncate(room);
            *label = label.trim_end_matches('-').to_owned();
            if label.is_empty() {
                "x".clone_into(label);
            }
        }
        let marked = if numeric_end { labels.last_mut() } else { labels.first_mut() };
        if let Some(label) = marked {
            *label = format!("{label}-{}", digest(values));
        }
        labels.join(".")
    }

    /// Fills the fields in, and says whether every value came through whole and no separator stands inside a value.
    fn filled(&self, values: &Values<'_>, form: &dyn Fn(&str) -> String) -> (String, bool) {
        let mut exact = true;
        let mut text = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Field(field) => {
                    let value = values.get(field.as_str()).copied().unwrap_or_default();
                    let formed = form(value);
                    exact &= formed == value && !value.is_empty() && !self.is_torn_by(at, value);
                    text.push_str(&formed);
                }
            }
        }
        (text, exact)
    }

    /// Whether a value holds a separator beside it that parts it from another field, or nothing parts the two.
    fn is_torn_by(&self, at: usize, value: &str) -> bool {
        let is_inner = |index: usize| index > 0 && index + 1 < self.parts.len();
        [at.wrapping_sub(1), at + 1].into_iter().filter(|index| is_inner(*index)).any(|index| match &self.parts[index] {
            Part::Text(separator) => separator.is_empty() || value.contains(separator.as_str()),
            Part::Field(_) => true,
        })
    }
}

/// The name of one task's target where the investigation's name belongs to another task.
pub fn with_task(name: &str, task_id: &str) -> String {
    let id: String = task_id.chars().take(TASK_ROOM - 2).collect();
    format!("{name} ~{id}")
}

/// The alias of one task where the investigation's alias belongs to another.
pub fn alias_with_task(alias: &str, task_arn: &str) -> String {
    let (first, rest) = alias.split_once('.').map_or((alias, None), |(first, rest)| (first, Some(rest)));
    let suffix = sha256_hex(task_arn.as_bytes());
    let kept = first.get(..LABEL_MAX - DIGEST - 1).unwrap_or(first).trim_end_matches('-');
    let label = format!("{kept}-{}", &suffix[..DIGEST]);
    rest.map_or_else(|| label.clone(), |rest| format!("{label}.{rest}"))
}

/// Digits that stand for the whole key.
fn digest(values: &Values<'_>) -> String {
    let key: Vec<String> = KEY_FIELDS.iter().map(|field| format!("{}\0", values.get(field).unwrap_or(&""))).collect();
    sha256_hex(key.concat().as_bytes())[..DIGEST].to_owned()
}

fn label_text(value: &str) -> String {
    value.chars().map(|c| c.to_ascii_lowercase()).map(|c| if is_alias_char(c) { c } else { '-' }).collect()
}

fn is_alias_char(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_alias_byte)
}

fn is_alias_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

fn is_number(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn values<'a>(cluster_id: &'a str, investigation_id: &'a str) -> Values<'a> {
        [("cluster_id", cluster_id), ("investigation_id", investigation_id), ("source", "main")].into_iter().collect()
    }

    fn alias(text: &str, cluster_id: &str, investigation_id: &str) -> String {
        Template::parse(text).unwrap().alias(&values(cluster_id, investigation_id))
    }

    #[test]
    fn a_plain_key_is_used_as_it_is() {
        let template = Template::parse("{cluster_id}/{investigation_id}").unwrap();
        assert_eq!(template.name(&values("prod-01", "INV-7")), "prod-01/INV-7");
        assert_eq!(alias("{investigation_id}.{cluster_id}", "prod-01", "inv-7"), "inv-7.prod-01");
    }

    #[test]
    fn what_loses_something_carries_a_digest() {
        let lower = alias("{investigation_id}.{cluster_id}", "prod-01", "INV-7");
        assert!(lower.starts_with("inv-7-") && lower.ends_with(".prod-01") && lower.len() == "inv-7-12345678.prod-01".len());
        assert_ne!(lower, alias("{investigation_id}.{cluster_id}", "prod-01", "Inv-7"));
        let numeric = alias("{investigation_id}.{cluster_id}", "123", "inv-7");
        assert!(numeric.starts_with("inv-7.123-"), "{numeric}");
        let template = Template::parse("{cluster_id}-{investigation_id}").unwrap();
        assert_ne!(template.name(&values("a-b", "c")), template.name(&values("a", "b-c")));
        assert_eq!(template.name(&values("a", "b")), "a-b");
    }

    #[test]
    fn bad_templates_say_what_is_wrong() {
        assert_eq!(Template::parse("{cluster_id"), Err(TemplateError::Brace));
        assert_eq!(Template::parse("cluster_id}"), Err(TemplateError::Brace));
        assert_eq!(Template::parse("{username}"), Err(TemplateError::Field("username".to_owned())));
        let only = Template::parse("inv-{investigation_id}").unwrap();
        assert_eq!(only.check_distinct(false), Err(TemplateError::Ambiguous));
        let both = Template::parse("{investigation_id}.{cluster_id}").unwrap();
        assert_eq!(both.check_distinct(true), Err(TemplateError::Sources));
        for bad in ["Inv-{investigation_id}", "a..{cluster_id}", ".{cluster_id}", "{cluster_id}.42", "-{cluster_id}", "a b"] {
            assert_eq!(Template::parse(bad).unwrap().check_alias(), Err(TemplateError::Alias), "{bad}");
        }
    }

    #[test]
    fn the_names_of_single_tasks_stay_within_bounds() {
        let long = "x".repeat(300);
        let template = Template::parse("{cluster_id}/{investigation_id}").unwrap();
        let name = with_task(&template.name(&values(&long, "i")), &"0".repeat(32));
        assert!(name.len() <= NAME_MAX, "{}", name.len());
        let alias = alias_with_task(&alias("{investigation_id}.{cluster_id}", &long, &long), "arn:aws:ecs:x");
        assert!(alias.split('.').all(|label| label.len() <= LABEL_MAX) && alias.len() <= ALIAS_MAX, "{alias}");
    }

    proptest! {
        #[test]
        fn any_value_makes_a_name_and_an_alias_that_boundary_takes(cluster in "\\PC{0,90}", inv in "\\PC{0,300}") {
            let values = values(&cluster, &inv);
            let alias = Template::parse("{investigation_id}.{cluster_id}").unwrap().alias(&values);
            prop_assert!(alias.len() <= ALIAS_MAX);
            prop_assert!(!alias.rsplit('.').next().is_some_and(is_number));
            for label in alias.split('.') {
                prop_assert!((1..=LABEL_MAX).contains(&label.len()), "{}", alias);
                prop_assert!(label.bytes().all(is_alias_byte) && !label.starts_with('-') && !label.ends_with('-'), "{}", alias);
            }
            let name = Template::parse("{cluster_id}/{investigation_id}").unwrap().name(&values);
            prop_assert!(!name.is_empty() && name.trim() == name && name.chars().count() <= NAME_MAX - TASK_ROOM);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
        }

        #[test]
        fn two_keys_never_share_a_text(keys in prop::collection::btree_set(("[aA_.-]{1,3}", "[aA_.-]{1,3}"), 1..40)) {
            for text in ["{cluster_id}-{investigation_id}", "{investigation_id}.{cluster_id}", "{cluster_id}{investigation_id}"] {
                let template = Template::parse(text).unwrap();
                let names: BTreeSet<String> = keys.iter().map(|(c, i)| template.name(&values(c, i))).collect();
                let aliases: BTreeSet<String> = keys.iter().map(|(c, i)| template.alias(&values(c, i))).collect();
                prop_assert_eq!(names.len(), keys.len());
                prop_assert_eq!(aliases.len(), keys.len());
            }
        }
    }
}
