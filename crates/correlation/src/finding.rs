//! What the judge can find: one flat list of codes, and the shape of a finding.
//!
//! Owns the codes with their severities, meanings, guards and advice; `docs/findings.md` is made from here.

use audit_facts::{Grade, Source};
use audit_record::sha256_hex;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To know.
    Info,
    /// To mend some day.
    Low,
    /// To mend.
    Medium,
    /// To look at today.
    High,
    /// To look at now.
    Critical,
}

impl Severity {
    /// All, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// How far a finding is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Seen, and what would explain it may still come.
    Open,
    /// The time for an explanation is over, but what was read does not prove that there is none.
    Provisional,
    /// It stands.
    Confirmed,
    /// Later facts have explained it.
    Resolved,
}

impl State {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Provisional => "provisional",
            Self::Confirmed => "confirmed",
            Self::Resolved => "resolved",
        }
    }
}

/// What a code means to its reader.
#[derive(Debug, Clone, Copy)]
pub struct Meaning {
    /// What it says, as one sentence.
    pub says: &'static str,
    /// What keeps it from being raised; empty where nothing does.
    pub guard: &'static str,
    /// What to do.
    pub advice: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $severity:ident, $says:literal, $guard:literal, $advice:literal;)*) => {
        /// A kind of finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code {
            $(#[doc = $says] #[serde(rename = $word)] $name,)*
        }

        impl Code {
            /// All codes, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable word.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// What it means.
            pub fn meaning(self) -> Meaning {
                match self { $(Self::$name => Meaning { says: $says, guard: $guard, advice: $advice },)* }
            }
        }
    };
}

codes! {
    BypassExec = "BYPASS_EXEC", Critical,
        "A shell was opened in a managed task by ExecuteCommand, and none of the Boundary sessions that were read belongs to it.",
        "Boundary's sessions of that time were not read (then the account is `unknown`), the principal is on the break-glass list, or a strong assignment explains it.",
        "Look at the coverage first: best effort may have missed the session. Then ask the principal; close the way with IAM (`aws:SourceVpce`, tag conditions).";
    BypassStartSession = "BYPASS_STARTSESSION", Critical,
        "A session was started in a task's container by StartSession, past ECS Exec: no log of ECS Exec will show what was done in it.",
        "ECS itself made the call, or the principal is on the break-glass list.",
        "Ask the principal; deny ssm:StartSession on ecs:*:*:task/*.";
    LinkForged = "LINK_FORGED", Critical,
        "What was planted cannot be true by what was read: none of the Boundary sessions that were read has the id, the one that has it did not live then, or none of AWS's sources knows the shell.",
        "Nothing of that time was read where the id or the shell would be.",
        "Look at the coverage first: unless it is proved, ask Boundary for the id. Then treat the shell as a bypass by whoever wrote it.";
    TargetTaskMismatch = "TARGET_TASK_MISMATCH", Critical,
        "A planted id names a Boundary session of another task's target.",
        "The target's task is not known from target-sync's records.",
        "Treat the shell as a bypass; the id's owner was authorised for another task.";
    LogTampered = "LOG_TAMPERED", Critical,
        "The log is not what the client saw, although it is closed and its text is exact.",
        "The log holds replacement characters before that place, the client was cut, or there is no digest.",
        "Compare the wrapper's recording with the log from the named offset on.";
    LinkContested = "LINK_CONTESTED", High,
        "More is claimed for a Boundary session than passed through it, or claims disagree.",
        "The session's bytes and connections were not read after its end.",
        "Take none of the claims for granted; compare client addresses and wrapper records.";
    SessionOutlivesBoundary = "SESSION_OUTLIVES_BOUNDARY", High,
        "The shell went on after its Boundary session had ended: the cut did not reach it.",
        "The end is within the tolerance, or the link is only inferred.",
        "Look at what ran after the end; permit ssm:TerminateSession to the wrapper's role.";
    IdentityMismatch = "IDENTITY_MISMATCH", High,
        "The Boundary user, the AWS principal and the task's owner are not the same person.",
        "One of the names is not known, or the principal is on the list of shared principals.",
        "Ask who used whose rights.";
    SessionNoLog = "SESSION_NO_LOG", High,
        "A shell has ended, and there is no log of it.",
        "Logging is off for the cluster, the log cannot be read, or its upload may still be under way.",
        "Look for `script` in the image, the task role's rights and the time the task was stopped.";
    LogNoCloudTrail = "LOG_NO_CLOUDTRAIL", High,
        "A log exists for a session that neither CloudTrail nor SSM knows.",
        "CloudTrail was not read for that time.",
        "Find out who may write to the log group; the log may be planted.";
    LogRewritten = "LOG_REWRITTEN", High,
        "Events were added to a log long after it was complete, or it has changed between two readings.",
        "The upload may still have been under way.",
        "Compare both readings, which are kept as evidence.";
    LogOversize = "LOG_OVERSIZE", High,
        "The log is longer than what passed through Boundary.",
        "The end was a cut, a worker died, or the session was not read after its end.",
        "The log holds more than the user was shown: find out who may write to the log group.";
    LogTruncated = "LOG_TRUNCATED", Medium,
        "The log ends before the session did.",
        "The upload may still be under way, or the session is not over.",
        "Was the task stopped before the upload ended (0.8 MB/s)?";
    LogEmpty = "LOG_EMPTY", Medium,
        "The log is there but shows nothing, although something was shown.",
        "Nothing was shown, as far as anybody knows.",
        "Look for a full disk or a broken `script` in the image.";
    LogDuplicate = "LOG_DUPLICATE", Medium,
        "Two logs of one session disagree, or one output stands under two names.",
        "They are the same text in two configured places.",
        "Find out which is the agent's; the other was written by somebody else.";
    LogLate = "LOG_LATE", Low,
        "The log came much later than the session's end.",
        "Its size explains the time.",
        "Nothing, if it stays rare.";
    BoundaryHarvestGap = "BOUNDARY_HARVEST_GAP", High,
        "Boundary's sessions were not read in time, and Boundary forgets after an hour.",
        "Audit events of that time are complete.",
        "Run the collector at least every 15 minutes.";
    CloudTrailGap = "CLOUDTRAIL_GAP", High,
        "CloudTrail's files are incomplete, or it lacks an event that another source proves.",
        "Delivery may still be under way.",
        "Look at the trail's bucket, its digests and who changed the trail.";
    CannotRead = "CANNOT_READ", High,
        "A source refused to be read: what it would say is unknown, not absent.",
        "",
        "Give the collector the missing permission.";
    RecordChainBroken = "RECORD_CHAIN_BROKEN", High,
        "A journal of the wrapper or of target-sync was changed, or lines were removed or put in.",
        "A line that a crash left unfinished is not a break.",
        "Compare with the copies in the log group or bucket.";
    ForeignBroadGrant = "FOREIGN_BROAD_GRANT", High,
        "A role that is not target-sync's lets its principals open sessions on managed targets.",
        "The role is on the allow-list.",
        "Narrow or remove the role.";
    BreakGlassUsed = "BREAK_GLASS_USED", Medium,
        "A shell was opened past Boundary by a principal on the break-glass list: the list makes that milder, it does not silence it.",
        "",
        "Check that the emergency is on record.";
    TaskUntagged = "TASK_UNTAGGED", Medium,
        "A shell was opened in a task that says neither whose it is nor what for.",
        "Tags were seen at any time of its life.",
        "Start tasks only through the launcher that tags them.";
    SessionNoArtifact = "SESSION_NO_ARTIFACT", Medium,
        "A task that was entered has stopped, and nothing of it was saved.",
        "The bucket was not listed after the stop.",
        "Look at the task's last log lines for `S3 sync failed`.";
    ArtifactTampered = "ARTIFACT_TAMPERED", High,
        "A saved file got a later version or a delete marker after its task's sync.",
        "The version was made while the task's sync could run.",
        "Read the first version, which Object Lock keeps.";
    ArtifactPartial = "ARTIFACT_PARTIAL", Low,
        "A task's files were saved without its shell history.",
        "No shell ended normally.",
        "Was the sync cut by the stop time-out?";
    ArtifactRetentionWeak = "ARTIFACT_RETENTION_WEAK", Medium,
        "A saved file may be deleted earlier than the policy says.",
        "Its retention was not read.",
        "Set the bucket's default retention.";
    ArtifactNoSession = "ARTIFACT_NO_SESSION", Info,
        "A task saved files although nobody entered it.",
        "CloudTrail was not read for the task's life.",
        "Nothing: homes are shared within an investigation.";
    SessionUnused = "SESSION_UNUSED", Info,
        "A Boundary session was authorised and no shell was opened through it.",
        "It has not ended.",
        "Nothing.";
    SessionExecDenied = "SESSION_EXEC_DENIED", Info,
        "AWS refused to open a shell.",
        "",
        "Nothing, unless it repeats: then compare the user's tags with the task's.";
    SessionOverlap = "SESSION_OVERLAP", Info,
        "Two shells were open in one task at the same time.",
        "They belong to one Boundary session.",
        "Nothing: files and processes of both are mixed.";
    MultiSessionTask = "MULTI_SESSION_TASK", Info,
        "Several people entered one task.",
        "Their names are not known.",
        "Nothing: files of that task are not one person's.";
    LoggingDisabled = "LOGGING_DISABLED", High,
        "A cluster does not log ECS Exec.",
        "",
        "Set executeCommandConfiguration.logging to OVERRIDE with a log group.";
    PostureUnloggedStart = "POSTURE_UNLOGGED_START", High,
        "A role or user that opens shells may also start sessions past ECS Exec and its log: IAM's simulator says so, or it was done.",
        "The simulator says that it may not, later than it was done. Rights that hang on conditions are not seen.",
        "Take ssm:StartSession on ecs:*:*:task/* away: ECS Exec does not need it, ECS starts its sessions itself.";
    NoTrail = "NO_TRAIL", High,
        "No trail keeps CloudTrail's events, or its files carry no digests.",
        "",
        "Make a trail with log file validation.";
    ObjectLockMissing = "OBJECT_LOCK_MISSING", Medium,
        "A bucket of evidence has no Object Lock, or a weaker one than the policy says.",
        "",
        "Turn on Object Lock in COMPLIANCE mode with a default retention.";
    LogRetentionShort = "LOG_RETENTION_SHORT", Medium,
        "A log group keeps its events for a shorter time than the policy says.",
        "It keeps them for ever.",
        "Raise the group's retention.";
    EncryptionOff = "ENCRYPTION_OFF", Low,
        "Evidence is not encrypted with a key of yours.",
        "",
        "Give the log group or bucket a KMS key.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a finding is about. With the code it is the finding's identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "subject", content = "id", rename_all = "snake_case")]
pub enum Subject {
    /// An SSM session.
    SsmSession(String),
    /// A Boundary session.
    BoundarySession(String),
    /// A task.
    Task(String),
    /// An event of CloudTrail or Boundary.
    Event(String),
    /// An object of S3, a log stream, a journal with its line.
    Object(String),
    /// A source's window, by place and beginning.
    Window(String),
    /// A setting's owner.
    Setting(String),
}

impl Subject {
    /// The text that names it among all subjects.
    pub fn text(&self) -> String {
        match self {
            Self::SsmSession(id) => format!("ssm:{id}"),
            Self::BoundarySession(id) => format!("bs:{id}"),
            Self::Task(id) => format!("task:{id}"),
            Self::Event(id) => format!("event:{id}"),
            Self::Object(id) => format!("object:{id}"),
            Self::Window(id) => format!("window:{id}"),
            Self::Setting(id) => format!("setting:{id}"),
        }
    }
}

/// What a statement of absence rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Basis {
    /// The source that does not have it.
    pub source: Source,
    /// From, UTC.
    pub from: Timestamp,
    /// To, UTC.
    pub to: Timestamp,
    /// How sure it is that all was read.
    pub grade: Grade,
}

/// One finding, as of one judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable: the same code about the same subject is the same finding.
    pub id: String,
    /// What.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// How far settled.
    pub state: State,
    /// About what.
    pub subject: Subject,
    /// In words; remote text in it is already harmless.
    pub text: String,
    /// When what it tells happened, UTC.
    pub at: Option<Timestamp>,
    /// The Boundary session, when there is one.
    pub boundary_session_id: Option<String>,
    /// The SSM session, when there is one.
    pub ssm_session_id: Option<String>,
    /// The task, when it is known.
    pub task_arn: Option<String>,
    /// The Boundary user, when he is known.
    pub user_id: Option<String>,
    /// The AWS principal, when it is known.
    pub principal_arn: Option<String>,
    /// The assurance of the account it stands in: `attested`, `corroborated`, `asserted`, `inferred`, `none` or `unknown`.
    pub assurance: String,
    /// Witnesses that agree.
    pub agree: u32,
    /// Witnesses that could say something.
    pub applicable: u32,
    /// Ids of the facts it rests on.
    pub evidence: Vec<String>,
    /// What absence rests on; empty where nothing is said to be absent.
    pub coverage: Vec<Basis>,
}

impl Finding {
    /// The identity of a code about a subject: the first 32 digits of its SHA-256.
    pub fn id_of(code: Code, subject: &Subject) -> String {
        sha256_hex(format!("{}|{}", code.word(), subject.text()).as_bytes())[..32].to_owned()
    }
}

/// The page that describes all codes, in Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Findings\n\nMade from the list in `crates/correlation/src/finding.rs`; do not edit.\n\nA finding is `open` while an explanation may still come, `provisional` when the time is over but what was read does not prove that there is none, `confirmed` when it stands, `resolved` when later facts explained it. Absence is never said without the coverage it rests on: with proved coverage a finding can be confirmed, with best effort it stays provisional, with none it is not raised, and `CANNOT_READ`, `BOUNDARY_HARVEST_GAP` or `CLOUDTRAIL_GAP` say why.\n",
    );
    for severity in Severity::ALL {
        page.push_str(&format!("\n## {}\n", severity.word()));
        for code in Code::ALL.iter().filter(|code| code.severity() == severity) {
            let meaning = code.meaning();
            page.push_str(&format!("\n### {}\n\n{}\n\n", code.word(), meaning.says));
            if !meaning.guard.is_empty() {
                page.push_str(&format!("- Not raised: {}\n", meaning.guard));
            }
            page.push_str(&format!("- What to do: {}\n", meaning.advice));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn words_are_flat_and_name_one_code_each() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')));
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
        }
    }

    #[test]
    fn what_was_not_read_is_not_said_to_be_absent() {
        for code in [Code::BypassExec, Code::LinkForged] {
            let says = code.meaning().says;
            assert!(says.contains("that were read") && code.meaning().advice.contains("coverage"), "{code}: {says}");
        }
        assert!(!page().contains("Not raised: \n") && !page().contains("None."));
    }

    #[test]
    fn the_page_in_the_documents_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/findings.md");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), page(), "run with UPDATE_GOLDEN=1 to write it");
    }

    #[test]
    fn an_id_is_of_code_and_subject() {
        let subject = Subject::SsmSession("a".to_owned());
        let id = Finding::id_of(Code::BypassExec, &subject);
        assert_eq!(id, Finding::id_of(Code::BypassExec, &subject));
        assert_ne!(id, Finding::id_of(Code::SessionNoLog, &subject));
        assert_ne!(id, Finding::id_of(Code::BypassExec, &Subject::BoundarySession("a".to_owned())));
    }
}
