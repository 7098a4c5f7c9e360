//! The role session name by which every AWS event of a session carries the Boundary session's id.
//!
//! Owns its one format, `<user>=<s_id>`, in both directions. A parsed name is a claim of whoever assumed the role.

use std::fmt;

use crate::ids::BoundarySessionId;

/// The shortest name, in characters. Source: the STS API, `AssumeRole`, `RoleSessionName`.
const MIN_CHARS: usize = 2;

/// The longest name, in characters. Source: as above.
const MAX_CHARS: usize = 64;

/// Between user and id. A user never holds it, so that the last one is the border.
const BORDER: char = '=';

/// What stands for a character that must not be there, and fills a name that is too short.
const FILLER: char = '_';

/// The user of a name when none was given.
const NOBODY: &str = "unknown";

/// Why a text is no role session name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionNameError {
    /// STS takes 2 to 64 characters.
    #[error("a role session name has 2 to 64 characters, not {0}")]
    Length(usize),
    /// STS takes letters, digits and `_+=,.@-`.
    #[error("`{0}` has characters that no role session name has (letters, digits and `_+=,.@-` only)")]
    Characters(String),
}

/// A role session name, `<user>=<s_id>`, or just `<user>` outside a known Boundary session: 2 to 64 of `[A-Za-z0-9_+=,.@-]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleSessionName {
    user: String,
    boundary_session_id: Option<BoundarySessionId>,
}

impl RoleSessionName {
    /// Builds the name. The id is never cut; the user gives way: foreign characters and `=` become `_`, the end is cut.
    pub fn new(user: &str, boundary_session_id: Option<&BoundarySessionId>) -> Self {
        let room = MAX_CHARS - boundary_session_id.map_or(0, |id| id.as_str().len() + 1);
        let mut user: String = user.trim().chars().map(sanitised).take(room).collect();
        if user.is_empty() {
            NOBODY.clone_into(&mut user);
        }
        while boundary_session_id.is_none() && user.len() < MIN_CHARS {
            user.push(FILLER);
        }
        Self { user, boundary_session_id: boundary_session_id.cloned() }
    }

    /// Reads any name that STS accepts; one that is not of our format is all user.
    ///
    /// # Errors
    /// [`SessionNameError`] when STS would never have taken the text.
    pub fn parse(text: &str) -> Result<Self, SessionNameError> {
        if !text.chars().all(is_allowed) {
            return Err(SessionNameError::Characters(text.chars().take(64).flat_map(char::escape_default).collect()));
        }
        if !(MIN_CHARS..=MAX_CHARS).contains(&text.len()) {
            return Err(SessionNameError::Length(text.len()));
        }
        let ours = text.rsplit_once(BORDER).filter(|(user, _)| !user.is_empty());
        let ours = ours.and_then(|(user, id)| Some((user, BoundarySessionId::parse(id).ok()?)));
        Ok(match ours {
            Some((user, id)) => Self { user: user.to_owned(), boundary_session_id: Some(id) },
            None => Self { user: text.to_owned(), boundary_session_id: None },
        })
    }

    /// The user's part, as it stands in the name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The Boundary session's id, when the name carries one.
    pub fn boundary_session_id(&self) -> Option<&BoundarySessionId> {
        self.boundary_session_id.as_ref()
    }
}

impl fmt::Display for RoleSessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user)?;
        match &self.boundary_session_id {
            Some(id) => write!(f, "{BORDER}{id}"),
            None => Ok(()),
        }
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-')
}

fn sanitised(c: char) -> char {
    if is_allowed(c) && c != BORDER { c } else { FILLER }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> BoundarySessionId {
        BoundarySessionId::parse(text).unwrap()
    }

    #[test]
    fn the_name_is_user_and_id() {
        let name = RoleSessionName::new("bob@example.com", Some(&id("s_1234567890")));
        assert_eq!(name.to_string(), "bob@example.com=s_1234567890");
        assert_eq!(RoleSessionName::new("bob", None).to_string(), "bob");
    }

    #[test]
    fn the_user_gives_way_and_the_id_never() {
        let long = id(&format!("s_{}", "x".repeat(32)));
        let name = RoleSessionName::new(&"u".repeat(200), Some(&long)).to_string();
        assert_eq!(name, format!("{}={long}", "u".repeat(29)));
        assert_eq!(RoleSessionName::new(&"u".repeat(200), None).to_string(), "u".repeat(64));
    }

    #[test]
    fn a_user_cannot_forge_an_id() {
        let name = RoleSessionName::new("bob=s_1234567890", None);
        assert_eq!(name.to_string(), "bob_s_1234567890");
        assert_eq!(RoleSessionName::parse(&name.to_string()).unwrap().boundary_session_id(), None);
    }

    #[test]
    fn short_and_empty_users_still_make_a_name() {
        assert_eq!(RoleSessionName::new("b", None).to_string(), "b_");
        assert_eq!(RoleSessionName::new(" ", None).to_string(), "unknown");
        assert_eq!(RoleSessionName::new("", Some(&id("s_1234567890"))).to_string(), "unknown=s_1234567890");
        assert_eq!(RoleSessionName::new("é ö", None).to_string(), "___");
    }

    #[test]
    fn a_name_of_another_maker_is_all_user() {
        for text in ["botocore-session-1685039715", "a=b", "=s_1234567890", "bob=s_1", "bob=s_1234567890="] {
            let name = RoleSessionName::parse(text).unwrap();
            assert_eq!((name.user(), name.boundary_session_id()), (text, None), "{text}");
        }
    }

    #[test]
    fn what_sts_never_takes_is_refused() {
        assert_eq!(RoleSessionName::parse("b"), Err(SessionNameError::Length(1)));
        assert_eq!(RoleSessionName::parse(&"b".repeat(65)), Err(SessionNameError::Length(65)));
        let text = RoleSessionName::parse("bob\u{1b}[2J").unwrap_err().to_string();
        assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}"), "{text}");
    }

    proptest! {
        #[test]
        fn every_built_name_is_one_that_sts_takes_and_reads_back(user in any::<String>(), tail in "[A-Za-z0-9]{8,32}", with in any::<bool>()) {
            let id = id(&format!("s_{tail}"));
            let name = RoleSessionName::new(&user, with.then_some(&id));
            let text = name.to_string();
            prop_assert!((2..=64).contains(&text.len()), "{}", text);
            prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)), "{}", text);
            let read = RoleSessionName::parse(&text).unwrap();
            prop_assert_eq!(read.boundary_session_id(), with.then_some(&id));
            prop_assert_eq!(read, name);
        }

        #[test]
        fn every_name_that_sts_takes_is_kept_to_the_letter(text in "[A-Za-z0-9_+=,.@-]{2,64}") {
            prop_assert_eq!(RoleSessionName::parse(&text).unwrap().to_string(), text);
        }
    }
}
