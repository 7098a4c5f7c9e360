//! The ownership marker: the first line of the description of a Boundary target, role or alias that target-sync keeps.
//!
//! Owns its grammar. A marker is a claim of whoever may write descriptions, not a proof: no command, user or grant is taken
//! from one, and what it says of a task is checked against ECS.
//!
//! ```text
//! ecs-exec-target/1 owner=sync-a task=arn:aws:ecs:… container=rosa-boundary state=live max=28800 for=0123456789abcdef
//! ```

use crate::arn::TaskArn;
use jiff::Timestamp;

/// The longest marker in bytes; a description holds 1023 characters.
pub const MARKER_MAX: usize = 700;

const WORD: &str = "ecs-exec-target/";
const VERSION: &str = "1";

/// What a marker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Who keeps the object: the id of one target-sync.
    pub owner: String,
    /// The task that the target is bound to for its life.
    pub task_arn: TaskArn,
    /// The container, when the target is bound to one.
    pub container: Option<String>,
    /// Where in its life it is.
    pub state: MarkerState,
    /// The longest `session_max_seconds` that the object ever had, as far as its keeper saw it.
    pub max_seconds: Option<u32>,
    /// A digest of the task's owner as first seen, so that a changed tag is noticed. Nobody is granted anything by it.
    pub owner_digest: Option<String>,
}

/// Where in its life an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkerState {
    /// In use.
    Live,
    /// Its task was not found since then.
    Missing(Timestamp),
    /// Out of use since then, until it may be deleted.
    Quarantined(Timestamp),
}

/// Why a description holds no marker that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    /// The first line is no marker.
    #[error("the description does not begin with a marker")]
    Absent,
    /// The marker is of another version.
    #[error("the marker is of the version {0}, which this program does not know")]
    Version(String),
    /// A part is missing or has no meaning.
    #[error("the marker's {0} is missing or has no meaning")]
    Part(&'static str),
    /// It is longer than any that is written, or not ASCII.
    #[error("the marker is longer than {MARKER_MAX} bytes or not plain ASCII")]
    Form,
}

impl Marker {
    /// Reads the marker in the first line of a description.
    ///
    /// # Errors
    /// [`MarkerError`]. The texts quote nothing but a version.
    pub fn parse(description: &str) -> Result<Self, MarkerError> {
        let line = description.lines().next().unwrap_or_default();
        let rest = line.strip_prefix(WORD).ok_or(MarkerError::Absent)?;
        if line.len() > MARKER_MAX || !line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(MarkerError::Form);
        }
        let (version, parts) = rest.split_once(' ').unwrap_or((rest, ""));
        if version != VERSION {
            return Err(MarkerError::Version(version.chars().take(16).collect()));
        }
        let part = |name| parts.split(' ').find_map(|part| part.split_once('=').filter(|(key, _)| *key == name));
        let value = |name| part(name).map(|(_, value)| value).filter(|value| !value.is_empty());
        let needed = |name| value(name).ok_or(MarkerError::Part(name));
        let word =
            |name: &'static str, text: &str| if is_word(text) { Ok(text.to_owned()) } else { Err(MarkerError::Part(name)) };
        Ok(Self {
            owner: word("owner", needed("owner")?)?,
            task_arn: TaskArn::parse(needed("task")?).map_err(|_| MarkerError::Part("task"))?,
            container: value("container").map(|name| word("container", name)).transpose()?,
            state: MarkerState::parse(needed("state")?).ok_or(MarkerError::Part("state"))?,
            max_seconds: value("max").map(|text| text.parse().map_err(|_| MarkerError::Part("max"))).transpose()?,
            owner_digest: value("for").map(|text| word("for", text)).transpose()?,
        })
    }
}

impl std::fmt::Display for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{WORD}{VERSION} owner={} task={}", self.owner, self.task_arn)?;
        if let Some(container) = &self.container {
            write!(f, " container={container}")?;
        }
        write!(f, " state={}", self.state)?;
        if let Some(seconds) = self.max_seconds {
            write!(f, " max={seconds}")?;
        }
        if let Some(digest) = &self.owner_digest {
            write!(f, " for={digest}")?;
        }
        Ok(())
    }
}

impl MarkerState {
    fn parse(text: &str) -> Option<Self> {
        let at = |time: &str| time.parse().ok();
        match text.split_once('@') {
            None if text == "live" => Some(Self::Live),
            Some(("missing", time)) => at(time).map(Self::Missing),
            Some(("quarantined", time)) => at(time).map(Self::Quarantined),
            _ => None,
        }
    }
}

impl std::fmt::Display for MarkerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::Missing(since) => write!(f, "missing@{since:.0}"),
            Self::Quarantined(at) => write!(f, "quarantined@{at:.0}"),
        }
    }
}

/// Names of containers and owners: letters, digits, `-`, `_`, `.`.
fn is_word(text: &str) -> bool {
    text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "arn:aws:ecs:us-east-2:123456789012:task/rosa-boundary-dev/0123456789abcdef0123456789abcdef";

    fn marker(state: MarkerState) -> Marker {
        Marker {
            owner: "sync-a".to_owned(),
            task_arn: TaskArn::parse(TASK).unwrap(),
            container: Some("rosa-boundary".to_owned()),
            state,
            max_seconds: Some(28_800),
            owner_digest: Some("0123456789abcdef".to_owned()),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        for state in [MarkerState::Live, MarkerState::Missing(at), MarkerState::Quarantined(at)] {
            let description = format!("{}\nFor people: investigation 7.", marker(state));
            assert_eq!(Marker::parse(&description), Ok(marker(state)), "{description}");
        }
        let bare = Marker { container: None, max_seconds: None, owner_digest: None, ..marker(MarkerState::Live) };
        assert_eq!(Marker::parse(&bare.to_string()), Ok(bare));
    }

    #[test]
    fn parts_of_later_writers_are_passed_over() {
        assert!(Marker::parse(&format!("{} colour=blue", marker(MarkerState::Live))).is_ok());
    }

    #[test]
    fn what_is_no_marker_says_why() {
        let line = marker(MarkerState::Live).to_string();
        let cases = [
            ("", MarkerError::Absent),
            ("a target\necs-exec-target/1 owner=a", MarkerError::Absent),
            ("ecs-exec-target/9 owner=a", MarkerError::Version("9".to_owned())),
            ("ecs-exec-target/1", MarkerError::Part("owner")),
            ("ecs-exec-target/1 owner=a task=x state=live", MarkerError::Part("task")),
            (&line.replace("state=live", "state=dead"), MarkerError::Part("state")),
            (&line.replace("max=28800", "max=long"), MarkerError::Part("max")),
            (&line.replace("rosa-boundary state", "a;b state"), MarkerError::Part("container")),
            (&format!("{line} x={}", "x".repeat(MARKER_MAX)), MarkerError::Form),
            (&format!("{line} x=\u{1b}[2J"), MarkerError::Form),
        ];
        for (description, error) in cases {
            assert_eq!(Marker::parse(description), Err(error), "{description}");
        }
    }
}
