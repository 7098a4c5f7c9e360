//! Ids of SSM sessions and ECS tasks as the sources write them.
//!
//! Owns their grammar only; whether such a thing exists is another question.

use investigation::TaskArn;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not such an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// An SSM session id is the caller's session name, a hyphen and letters or digits.
    #[error("`{0}` is not an SSM session id")]
    SsmSession(String),
    /// A task id is 32 hexadecimal digits, or of the older form with hyphens.
    #[error("`{0}` is not a task id")]
    Task(String),
}

/// The id of an SSM session, for example `ecs-execute-command-0123456789abcdef0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SsmSessionId(String);

impl SsmSessionId {
    /// Checks a text: `NAME-TAIL`, the name of the characters of a role session name, the tail of 8 to 64 letters or digits.
    /// Source: shapes seen in the field, reference on ECS Exec's log streams.
    ///
    /// # Errors
    /// [`IdError::SsmSession`] when the form is another.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
        let tail = text.rsplit_once('-').filter(|(name, _)| !name.is_empty()).map(|(_, tail)| tail).unwrap_or_default();
        let is_tail = (8..=64).contains(&tail.len()) && tail.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if text.len() <= 160 && is_tail && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(IdError::SsmSession(excerpt(text)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The session name of whoever started it, which comes before the tail; `ecs-execute-command` for ECS's own.
    pub fn starter(&self) -> &str {
        self.0.rsplit_once('-').map_or("", |(name, _)| name)
    }

    /// Whether ECS Exec started it, as far as its name shows.
    pub fn is_of_ecs_exec(&self) -> bool {
        self.starter() == "ecs-execute-command"
    }
}

/// The id of an ECS task: the last part of its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(String);

impl TaskId {
    /// Checks a text: 32 hexadecimal digits, or a UUID with hyphens.
    ///
    /// # Errors
    /// [`IdError::Task`] when the form is another.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let is_hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let is_uuid = text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(is_hex);
        if (text.len() == 32 && is_hex(text)) || is_uuid {
            return Ok(Self(text.to_owned()));
        }
        Err(IdError::Task(excerpt(text)))
    }

    /// The id in a task's ARN, or a bare id.
    ///
    /// # Errors
    /// [`IdError::Task`] when there is none.
    pub fn of_reference(text: &str) -> Result<Self, IdError> {
        if let Ok(arn) = TaskArn::parse(text) {
            return Self::parse(arn.task_id());
        }
        Self::parse(text)
    }

    /// The id in the target of an SSM session, `ecs:CLUSTER_TASK_RUNTIME`; the cluster's name may hold underscores.
    ///
    /// # Errors
    /// [`IdError::Task`] when it is no such target.
    pub fn of_ssm_target(target: &str) -> Result<Self, IdError> {
        let no_task = || IdError::Task(excerpt(target));
        let rest = target.strip_prefix("ecs:").ok_or_else(no_task)?;
        let (rest, _runtime) = rest.rsplit_once('_').ok_or_else(no_task)?;
        let (_cluster, task) = rest.rsplit_once('_').ok_or_else(no_task)?;
        Self::parse(task)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_like {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_like!(SsmSessionId);
text_like!(TaskId);

fn excerpt(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_of_every_starter_are_read() {
        let exec = SsmSessionId::parse("ecs-execute-command-s9y89par6quf78pcbnoko32g28").unwrap();
        assert!(exec.is_of_ecs_exec());
        let direct = SsmSessionId::parse("garland.kan.temp-0e34aaaabbbbccccd").unwrap();
        assert_eq!((direct.starter(), direct.is_of_ecs_exec()), ("garland.kan.temp", false));
        for bad in ["", "ecs-execute-command-", "-0123456789abcdef0", "a-0123/..", "a-01234567\n", "a b-0123456789abcdef0"] {
            assert!(SsmSessionId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_task_is_found_in_arn_id_and_target() {
        let id = "0123456789abcdef0123456789abcdef";
        let arn = format!("arn:aws:ecs:us-east-2:123456789012:task/my_cluster/{id}");
        assert_eq!(TaskId::of_reference(&arn).unwrap().as_str(), id);
        assert_eq!(TaskId::of_reference(id).unwrap().as_str(), id);
        assert_eq!(TaskId::of_ssm_target(&format!("ecs:my_cluster_{id}_{id}-2531612879")).unwrap().as_str(), id);
        for bad in ["i-0123456789abcdef0", "ecs:a_b", "ecs:", "mi-1"] {
            assert!(TaskId::of_ssm_target(bad).is_err(), "{bad:?}");
        }
    }
}
