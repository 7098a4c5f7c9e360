//! What happened, before anybody wrote it down: visits of a task, with their Boundary session and their shells.
//!
//! Owns the plan's types and its ordinary values; a scene changes fields, then the plan is emitted and labelled.

use crate::time::Ms;
use audit_facts::{Source, SsmSessionId};
use audit_record::{Checkpoint, digest::CHECKPOINT_EVERY, sha256_hex};

/// A text of which only length and digests are ever needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text {
    /// Two texts of one seed are prefixes of each other, up to an edit.
    pub(crate) seed: u64,
    /// Canonical bytes.
    pub(crate) bytes: u64,
    /// From which canonical byte on the text is another one, and which.
    pub(crate) edit: Option<(u64, u64)>,
}

impl Text {
    /// SHA-256 of the first canonical bytes, as if there were such a text.
    fn digest(&self, offset: u64) -> String {
        let edit = self.edit.filter(|(from, _)| offset > *from);
        sha256_hex(format!("{}|{offset}|{edit:?}", self.seed).as_bytes())
    }

    /// SHA-256 of the whole.
    pub(crate) fn sha256(&self) -> String {
        self.digest(self.bytes)
    }

    /// The checkpoints that a digest leaves: at most 64, at doubling distances.
    pub(crate) fn checkpoints(&self) -> Vec<Checkpoint> {
        let mut distance = CHECKPOINT_EVERY;
        while self.bytes / distance > 64 {
            distance *= 2;
        }
        (1..=self.bytes / distance)
            .map(|number| Checkpoint { offset: number * distance, sha256: self.digest(number * distance) })
            .collect()
    }

    /// The text's first bytes.
    pub(crate) fn cut(self, bytes: u64) -> Self {
        Self { bytes: self.bytes.min(bytes), ..self }
    }

    /// The text with other bytes from a place on.
    pub(crate) fn edited(self, from: u64, by: u64) -> Self {
        Self { edit: Some((from, by)), ..self }
    }

    /// Bytes with line ends, about one in forty.
    pub(crate) fn raw(&self) -> u64 {
        self.bytes + self.bytes / 40 * 2
    }
}

/// Who called AWS.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The person behind it.
    pub(crate) person: usize,
    /// The role.
    pub(crate) role: &'static str,
    /// The role session name.
    pub(crate) session_name: String,
    /// Whether the name tells the person.
    pub(crate) is_named: bool,
    /// Whether several people share it on purpose.
    pub(crate) is_shared: bool,
    /// The caller's address.
    pub(crate) address: String,
}

/// How much of a Boundary session was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// While it lived and after its end.
    Final,
    /// While it lived only.
    Living,
    /// Never.
    Never,
}

/// A connection through Boundary.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    /// The client's address.
    pub(crate) address: String,
    /// Which part of the session's bytes it carried.
    pub(crate) share: f64,
    /// Why it was closed.
    pub(crate) closed_reason: &'static str,
}

/// A Boundary session.
#[derive(Debug, Clone)]
pub(crate) struct Tunnel {
    pub(crate) id: String,
    pub(crate) user: usize,
    /// Whether target-sync recorded the user's name.
    pub(crate) target_id: Option<String>,
    pub(crate) created: Ms,
    pub(crate) active_from: Option<Ms>,
    pub(crate) ended: Option<Ms>,
    pub(crate) reason: &'static str,
    pub(crate) wires: Vec<Wire>,
    /// Which part of the bytes the worker reported.
    pub(crate) reported: f64,
    pub(crate) read: Read,
    /// Whether a refreshed list told of its deletion.
    pub(crate) is_removed: bool,
}

/// The ids that the client put into its request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Planted {
    /// In the command.
    pub(crate) command: Option<String>,
}

/// A log.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) source: Source,
    /// Another name than the session's.
    pub(crate) name: Option<String>,
    pub(crate) text: Text,
    pub(crate) has_trailer: bool,
    pub(crate) is_script: bool,
    pub(crate) exact_until: Option<u64>,
    pub(crate) first_uploaded: Ms,
    pub(crate) last_uploaded: Ms,
    pub(crate) last_ingested: Ms,
}

/// The wrapper's end record.
#[derive(Debug, Clone)]
pub(crate) struct Goodbye {
    pub(crate) at: Ms,
    pub(crate) seen: Text,
    pub(crate) ending: &'static str,
    pub(crate) exit_code: u8,
    pub(crate) exit_source: &'static str,
    pub(crate) remote_end: &'static str,
}

/// The wrapper's records.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) boundary: Option<String>,
    pub(crate) started: Ms,
    pub(crate) end: Option<Goodbye>,
}

/// How a shell was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// ExecuteCommand.
    Exec,
    /// StartSession.
    Direct,
}

/// A shell.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    pub(crate) id: SsmSessionId,
    pub(crate) event_id: String,
    pub(crate) door: Door,
    pub(crate) by: Caller,
    /// When AWS was called.
    pub(crate) at: Ms,
    pub(crate) started: Ms,
    pub(crate) ended: Option<Ms>,
    pub(crate) planted: Planted,
    /// What was shown.
    pub(crate) text: Text,
    /// How much of it passed through Boundary.
    pub(crate) carried: Option<u64>,
    pub(crate) logs: Vec<Log>,
    /// When somebody looked for a log and found none.
    pub(crate) log_absent_at: Option<Ms>,
    pub(crate) client: Option<Client>,
    pub(crate) denied: Option<&'static str>,
    pub(crate) is_in_trail: bool,
    pub(crate) is_described: bool,
}

impl Shell {
    /// The one ordinary log.
    pub(crate) fn log(&mut self) -> &mut Log {
        &mut self.logs[0]
    }

    /// The wrapper's end record.
    pub(crate) fn goodbye(&mut self) -> Option<&mut Goodbye> {
        self.client.as_mut()?.end.as_mut()
    }

    /// Moves the wrapper's records, as another clock would.
    pub(crate) fn shift_records(&mut self, by: Ms) {
        if let Some(client) = &mut self.client {
            client.started += by;
        }
        if let Some(end) = self.goodbye() {
            end.at += by;
        }
    }

    /// Changes what was shown, in all that tells of it.
    pub(crate) fn show(&mut self, text: Text, upload_from: Ms) {
        self.text = text;
        let upload = i64::try_from(text.raw() / 800).unwrap_or_default();
        for log in &mut self.logs {
            log.text = text;
            log.first_uploaded = upload_from;
            log.last_uploaded = upload_from + upload;
            log.last_ingested = upload_from + upload + 1500;
        }
        if let Some(end) = self.goodbye() {
            end.seen = text;
        }
    }
}

/// A Boundary session with its shells, or a shell past Boundary.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) tunnel: Option<Tunnel>,
    pub(crate) shells: Vec<Shell>,
}

impl Tunnel {
    /// One more connection; every shell has its own.
    pub(crate) fn connect_again(&mut self) {
        let more = self.wires[0].clone();
        self.wires.push(more);
        let share = 1.0 / f64::from(u32::try_from(self.wires.len()).unwrap_or(1));
        self.wires.iter_mut().for_each(|wire| wire.share = share);
    }
}

impl Visit {
    /// Its only or first shell.
    pub(crate) fn shell(&mut self) -> &mut Shell {
        &mut self.shells[0]
    }

    /// The id of its first shell.
    pub(crate) fn ssm(&self) -> String {
        self.shells[0].id.as_str().to_owned()
    }

    /// The id of its Boundary session; empty without one.
    pub(crate) fn bs(&self) -> String {
        self.tunnel.as_ref().map_or_else(String::new, |tunnel| tunnel.id.clone())
    }

    /// When its last shell ended.
    pub(crate) fn ended(&self) -> Option<Ms> {
        self.shells.iter().map(|shell| shell.ended).max().flatten()
    }
}
