//! What a check is and what many of them add up to. Pure.

use aws_identity::{Refusal, RefusalKind};
use cli_kit::{exit, printable};
use serde::Serialize;

/// The longest text of one check, in characters: AWS's messages are longer than a screen.
const TEXT_MAX: usize = 500;

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// A shell opens all the same; look at it by day.
    Warning,
    /// No shell opens.
    Failed,
    /// It could not be found out. Never counted as ok.
    Unknown,
}

/// What a check is about, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Group {
    /// Who we are in AWS.
    Caller,
    /// The task and its container.
    Task,
    /// The ECS cluster's configuration for ECS Exec.
    Cluster,
    /// What policies say.
    Permissions,
    /// The data channel's way.
    Route,
    /// What the Boundary controller says.
    Boundary,
    /// This machine.
    Local,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// Its name, in kebab case; stable.
    pub(super) id: &'static str,
    /// What it is about.
    pub(super) group: Group,
    /// What it says.
    pub(super) verdict: Verdict,
    /// One sentence, safe to print.
    pub(super) what: String,
    /// What to do, as a sentence or a command; empty when all is well.
    pub(super) remedy: String,
}

impl Check {
    /// A check with any verdict; remote parts of the texts are made safe here.
    pub(super) fn new(group: Group, id: &'static str, verdict: Verdict, what: impl AsRef<str>, remedy: impl AsRef<str>) -> Self {
        Self { id, group, verdict, what: printable(what.as_ref(), TEXT_MAX), remedy: printable(remedy.as_ref(), TEXT_MAX) }
    }
}

impl Group {
    /// All is well.
    pub(super) fn ok(self, id: &'static str, what: impl AsRef<str>) -> Check {
        Check::new(self, id, Verdict::Ok, what, "")
    }

    /// Look at it by day.
    pub(super) fn warning(self, id: &'static str, what: impl AsRef<str>, remedy: impl AsRef<str>) -> Check {
        Check::new(self, id, Verdict::Warning, what, remedy)
    }

    /// No shell opens.
    pub(super) fn failed(self, id: &'static str, what: impl AsRef<str>, remedy: impl AsRef<str>) -> Check {
        Check::new(self, id, Verdict::Failed, what, remedy)
    }

    /// Not known; the sentence names the check, since the reason alone would not say what it is about.
    pub(super) fn unknown(self, id: &'static str, unread: &Unread) -> Check {
        Check::new(self, id, Verdict::Unknown, format!("{id} is not known: {}", unread.why), &unread.remedy)
    }

    /// The heading in the table.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Task => "task",
            Self::Cluster => "ECS cluster",
            Self::Permissions => "permissions",
            Self::Route => "route",
            Self::Boundary => "Boundary",
            Self::Local => "this machine",
        }
    }
}

/// Why a fact is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    /// The reason, as the end of "… is not known: …".
    pub(super) why: String,
    /// What would make it known.
    pub(super) remedy: String,
}

impl Unread {
    /// A reason and what would help.
    pub(super) fn new(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { why: why.into(), remedy: remedy.into() }
    }
}

impl From<&Refusal> for Unread {
    fn from(refusal: &Refusal) -> Self {
        let call = refusal.missing.as_deref().unwrap_or(refusal.call);
        match refusal.kind {
            RefusalKind::Denied => Self::new(
                format!("you may not call {}", refusal.call),
                format!("ask for the permission {call}, or ask somebody who has it"),
            ),
            _ => Self::new(format!("failed to {refusal}"), "see the checks of the caller"),
        }
    }
}

/// A fact, or why there is none.
pub(super) type Reading<T> = Result<T, Unread>;

/// How many checks said what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    /// As it should be.
    pub(super) ok: usize,
    /// To be looked at.
    pub(super) warning: usize,
    /// In the way of a shell.
    pub(super) failed: usize,
    /// Not known.
    pub(super) unknown: usize,
}

impl Summary {
    /// Counts.
    pub(super) fn of(checks: &[Check]) -> Self {
        let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
        Self {
            ok: count(Verdict::Ok),
            warning: count(Verdict::Warning),
            failed: count(Verdict::Failed),
            unknown: count(Verdict::Unknown),
        }
    }

    /// The exit code: only what failed is a failure; what is not known is not.
    pub(super) fn exit_code(self) -> u8 {
        if self.failed == 0 { exit::OK } else { exit::OWN_FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_counted_apart_and_is_no_failure() {
        let unread = Unread::new("why", "how");
        let checks = [Group::Task.ok("a", "x"), Group::Task.unknown("b", &unread), Group::Task.warning("c", "x", "y")];
        let summary = Summary::of(&checks);
        assert_eq!(summary, Summary { ok: 1, warning: 1, failed: 0, unknown: 1 });
        assert_eq!(summary.exit_code(), 0);
        assert_eq!(Summary::of(&[Group::Task.failed("d", "x", "y")]).exit_code(), 255);
    }

    #[test]
    fn remote_text_is_harmless_in_every_check() {
        let check = Group::Task.failed("a", "bad\u{1b}[2J", "worse\u{202e}");
        assert!(!check.what.contains('\u{1b}') && !check.remedy.contains('\u{202e}'), "{check:?}");
    }
}
