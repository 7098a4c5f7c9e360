//! The streaming reader of a log.
//!
//! Owns what is held: the beginning of a line that may be a frame, at most 4 KiB, or one JSON event, at most 1 MiB. Everything
//! else goes through to the caller and into the digest at once.

use super::Form;
use super::framing::{self, Header, MAX_FRAME, TRAILER, Trailer};
use super::json::{self, JsonSummary};
use audit_record::{Checkpoint, OutputDigest};

/// Larger than any event that CloudWatch takes (256 KiB), and what one JSON line may cost.
const MAX_JSON: usize = 1024 * 1024;

/// Bytes of the body's beginning that a summary keeps.
const OPENING: usize = 2 * 1024;

const REPLACEMENT: &[u8; 3] = b"\xef\xbf\xbd";

/// Says what a log holds, without its body.
#[derive(Clone, PartialEq)]
pub struct LogSummary {
    /// The log's form.
    pub form: Form,
    /// The first line, when it is `script`'s: a claim, and times of the session's end.
    pub header: Option<Header>,
    /// The last line, when it looks like `script`'s: a claim.
    pub trailer: Trailer,
    /// What JSON events say.
    pub json: Option<JsonSummary>,
    /// SHA-256 of the body's canonical form, hexadecimal; see [`OutputDigest`].
    pub sha256: String,
    /// Bytes of the canonical form.
    pub canonical_bytes: u64,
    /// Where that digest stood on the way.
    pub checkpoints: Vec<Checkpoint>,
    /// Bytes of the body, line ends included.
    pub body_bytes: u64,
    /// Where the first U+FFFD of the body stands, in canonical bytes: from there on, the log may not hold what was shown.
    pub replaced_at: Option<u64>,
    /// The digest that the body would have if its last line were no trailer but a user's text; only with a trailer.
    pub with_trailer: Option<Checkpoint>,
    /// The digest at the offset that the reader was told to watch, if the body reaches it.
    pub watched: Option<Checkpoint>,
    /// The body's first 2 KiB, raw: hostile, so render them before showing them.
    pub opening: Vec<u8>,
}

impl std::fmt::Debug for LogSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("LogSummary");
        shown.field("form", &self.form).field("header", &self.header).field("trailer", &self.trailer).field("json", &self.json);
        shown.field("sha256", &self.sha256).field("canonical_bytes", &self.canonical_bytes);
        shown.field("body_bytes", &self.body_bytes).field("replaced_at", &self.replaced_at).finish_non_exhaustive()
    }
}

/// Takes a log in pieces of any size and hands out its body.
#[derive(Clone)]
pub struct ExecLogReader {
    form: Form,
    place: Place,
    line: Vec<u8>,
    last_frame: Vec<u8>,
    header: Option<Header>,
    json: JsonSummary,
    body: Body,
    events: bool,
}

/// Where in a line the reader stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the log's first line, whose bytes are held.
    First,
    /// In a line whose bytes so far are held.
    Held,
    /// In a line that can be no frame.
    Through,
}

impl std::fmt::Debug for ExecLogReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecLogReader").field("form", &self.form).field("body_bytes", &self.body.bytes).finish_non_exhaustive()
    }
}

impl Default for ExecLogReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ExecLogReader {
    /// Makes a reader at the start of a log.
    pub fn new() -> Self {
        Self {
            form: Form::Unknown,
            place: Place::First,
            line: Vec::new(),
            last_frame: Vec::new(),
            header: None,
            json: JsonSummary::default(),
            body: Body::default(),
            events: false,
        }
    }

    /// Makes a reader that also keeps the digest at `offset` canonical bytes, such as a record's end.
    pub fn watching(offset: u64) -> Self {
        let mut reader = Self::new();
        reader.body.watch = Some(offset);
        reader
    }

    /// Takes the next bytes of an object.
    pub fn push(&mut self, bytes: &[u8], body: &mut dyn FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let mut rest = piece;
            while !rest.is_empty() {
                let taken = self.piece(rest, body);
                rest = &rest[taken..];
            }
        }
    }

    /// Takes the next event of a stream: the agent cut the log at line ends and dropped each event's last one.
    pub fn push_event(&mut self, event: &[u8], body: &mut dyn FnMut(&[u8])) {
        if std::mem::replace(&mut self.events, true) {
            self.push(b"\n", body);
        }
        self.push(event, body);
    }

    /// Ends the log.
    pub fn finish(mut self, body: &mut dyn FnMut(&[u8])) -> LogSummary {
        if !self.line.is_empty() {
            self.end_line(body);
        }
        let before = self.body.clone();
        let trailer = framing::trailer(trim(&self.last_frame));
        let with_trailer = trailer.is_some().then(|| {
            let mut whole = before.clone();
            whole.add(&self.last_frame, &mut |_| {});
            Checkpoint { offset: whole.digest.canonical_bytes(), sha256: whole.digest.sha256() }
        });
        let Body { digest, bytes, replaced_at, watched, opening, .. } = before;
        LogSummary {
            form: self.form,
            header: self.header,
            trailer: trailer.unwrap_or(Trailer::Absent),
            json: (self.form == Form::Json).then_some(self.json),
            sha256: digest.sha256(),
            canonical_bytes: digest.canonical_bytes(),
            checkpoints: digest.checkpoints().to_vec(),
            body_bytes: bytes,
            replaced_at,
            with_trailer,
            watched,
            opening,
        }
    }

    /// Takes a part of one line and says how much of it.
    fn piece(&mut self, piece: &[u8], body: &mut dyn FnMut(&[u8])) -> usize {
        if self.place == Place::Through {
            self.body.add(piece, body);
            if piece.ends_with(b"\n") {
                self.place = Place::Held;
            }
            return piece.len();
        }
        // One byte more than fits decides that a line is too long.
        let taken = piece.len().min(self.limit() + 1 - self.line.len());
        self.line.extend_from_slice(&piece[..taken]);
        if self.line.ends_with(b"\n") {
            self.end_line(body);
        } else if self.line.len() > self.limit() || !self.may_be_frame() {
            self.settle_form();
            self.release(body);
            self.place = Place::Through;
        }
        taken
    }

    fn limit(&self) -> usize {
        let json = self.form == Form::Json || (self.place == Place::First && self.line.first() == Some(&b'{'));
        if json { MAX_JSON } else { MAX_FRAME }
    }

    fn may_be_frame(&self) -> bool {
        let begins = |prefix: &[u8]| self.line.iter().zip(prefix).all(|(a, b)| a == b);
        match (self.form, self.place) {
            (Form::Json, _) => true,
            (_, Place::First) => begins(b"{\"") || begins(b"Script "),
            _ => begins(TRAILER) || self.line.iter().all(|b| matches!(b, b'\r' | b'\n')),
        }
    }

    fn settle_form(&mut self) {
        if self.form == Form::Unknown {
            self.form = Form::Raw;
        }
    }

    /// The held line is whole.
    fn end_line(&mut self, body: &mut dyn FnMut(&[u8])) {
        let first = self.place == Place::First;
        self.place = Place::Held;
        let event = if first || self.form == Form::Json { json::event(trim(&self.line)) } else { None };
        if let Some(event) = event {
            self.form = Form::Json;
            self.json.add(&event);
            self.line.clear();
            for text in &event.session_data {
                self.body.add(text.as_bytes(), body);
                self.body.add(b"\n", body);
            }
            return;
        }
        self.settle_form();
        if first && let Some(header) = framing::header(trim(&self.line)) {
            self.header = Some(header);
            self.line.clear();
        } else if self.form == Form::Raw && framing::trailer(trim(&self.line)).is_some() {
            self.release_frame(body);
            self.last_frame = std::mem::take(&mut self.line);
        } else if !self.last_frame.is_empty() && trim(&self.line).is_empty() && self.last_frame.len() < MAX_FRAME {
            self.last_frame.append(&mut self.line);
        } else {
            self.json.other_lines += u64::from(self.form == Form::Json && !trim(&self.line).is_empty());
            self.release(body);
        }
    }

    /// What was held is body.
    fn release(&mut self, body: &mut dyn FnMut(&[u8])) {
        self.release_frame(body);
        self.body.add(&self.line, body);
        self.line.clear();
    }

    /// A line that looked like a trailer was not the last.
    fn release_frame(&mut self, body: &mut dyn FnMut(&[u8])) {
        self.body.add(&self.last_frame, body);
        self.last_frame.clear();
    }
}

/// What is known of the body so far.
#[derive(Clone, Default)]
struct Body {
    digest: OutputDigest,
    bytes: u64,
    replacement_seen: usize,
    replaced_at: Option<u64>,
    watch: Option<u64>,
    watched: Option<Checkpoint>,
    opening: Vec<u8>,
}

impl Body {
    fn add(&mut self, bytes: &[u8], body: &mut dyn FnMut(&[u8])) {
        if bytes.is_empty() {
            return;
        }
        self.find_replacement(bytes);
        self.bytes += bytes.len() as u64;
        let room = (OPENING - self.opening.len()).min(bytes.len());
        self.opening.extend_from_slice(&bytes[..room]);
        let (before, after) = bytes.split_at(self.to_watch(bytes));
        self.digest.update(before);
        self.keep_watched();
        self.digest.update(after);
        body(bytes);
    }

    /// How many of the bytes lie before the watched offset.
    fn to_watch(&self, bytes: &[u8]) -> usize {
        let Some(watch) = self.watch else { return 0 };
        let left = watch.saturating_sub(self.digest.canonical_bytes());
        if left > bytes.len() as u64 {
            return bytes.len();
        }
        let mut left = left;
        let counted = |byte: &u8| {
            let done = left == 0;
            left -= u64::from(!done && !is_line_end(*byte));
            done
        };
        bytes.iter().position(counted).unwrap_or(bytes.len())
    }

    fn keep_watched(&mut self) {
        if self.watch == Some(self.digest.canonical_bytes()) {
            self.watch = None;
            self.watched = Some(Checkpoint { offset: self.digest.canonical_bytes(), sha256: self.digest.sha256() });
        }
    }

    fn find_replacement(&mut self, bytes: &[u8]) {
        if self.replaced_at.is_some() || (self.replacement_seen == 0 && !bytes.contains(&REPLACEMENT[0])) {
            return;
        }
        for (index, &byte) in bytes.iter().enumerate() {
            let continues = byte == REPLACEMENT[self.replacement_seen];
            self.replacement_seen = if continues { self.replacement_seen + 1 } else { usize::from(byte == REPLACEMENT[0]) };
            if self.replacement_seen == REPLACEMENT.len() {
                let before = bytes[..=index].iter().filter(|byte| !is_line_end(**byte)).count() as u64;
                self.replaced_at = Some(self.digest.canonical_bytes() + before - REPLACEMENT.len() as u64);
                return;
            }
        }
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn trim(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !is_line_end(*byte)).map_or(0, |last| last + 1);
    &line[..end]
}
