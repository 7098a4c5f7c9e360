//! Finding the script's marks in the remote byte stream.
//!
//! Owns the form of a mark and what may be shown. Never alters or delays a byte that cannot belong to a mark.
//!
//! A mark is `ESC ] 7337 ; ecs-exec ; NONCE ; BODY BEL` and the padding `ESC [ 0 m`: pure ASCII, nothing to see on
//! a terminal, and four bytes long after BEL because the agent may hold back the last three.

use crate::marks::{self, CommandMark};
use crate::nonce::Nonce;

const BEL: u8 = 0x07;
const ESC: u8 = 0x1b;
const PADDING: &[u8] = b"\x1b[0m";
/// More than the longest body: the text of a command, 2048 bytes as `%XX`.
const MAX_BODY: usize = 3 * 2048 + 256;

/// Tells what one stretch of the remote stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanItem<'a> {
    /// Bytes before READY, such as "sh: not found".
    Preface(&'a [u8]),
    /// The script runs: user input and the window size may be sent.
    Ready(Ready),
    /// The program's bytes, untouched.
    Output(&'a [u8]),
    /// The shell says something about its commands.
    Command(CommandMark),
    /// The program ended: confirm when all messages so far are received and acknowledged. No output follows.
    Exit(Exit),
    /// The script has read the confirmation and exits. The agent ends the session only when nobody holds the terminal
    /// open any more (measured, Linux 6.18: its read fails at the last close, not at the leader's exit), so a job
    /// that the user left behind delays `channel_closed`, but not this.
    Confirmed,
}

/// Says what the script found before it runs the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The script's version.
    pub version: u32,
    /// Tools that the mode needs and the container lacks; if any, a refusal follows.
    pub missing: Vec<String>,
}

/// Says how the program ended, by the container's own claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit code; 128 + n after signal n, 127 and 126 also if the program was not found or not executable.
    pub code: u8,
    /// Why the program was not run at all (the code is then 126).
    pub refusal: Option<Refusal>,
}

/// Says why the script did not run the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A tool listed in [`Ready::missing`] is needed.
    MissingTool,
    /// The container knows no such user.
    UnknownUser,
    /// None of runuser, su, setpriv, su-exec and gosu could become the user.
    NoUserTool,
}

/// Separates the marks of one nonce from everything else, over any split of the stream.
#[derive(Clone, Debug)]
pub struct Scanner {
    prefix: Vec<u8>,
    held: Vec<u8>,
    state: State,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// `held` may become a mark.
    Candidate,
    /// So many bytes of the padding after a mark are gone by.
    Padding(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Preface,
    Running,
    Ended,
    Confirmed,
}

impl Scanner {
    /// Makes a scanner that answers to this nonce only.
    pub fn new(nonce: &Nonce) -> Self {
        Self {
            prefix: format!("\x1b]7337;ecs-exec;{nonce};").into_bytes(),
            held: Vec::new(),
            state: State::Text,
            phase: Phase::Preface,
        }
    }

    /// Takes remote bytes and hands out what they are, in order.
    ///
    /// Bytes that may begin a mark are held until that is decided; after the exit mark all but marks is dropped.
    pub fn feed(&mut self, bytes: &[u8], out: &mut dyn FnMut(ScanItem<'_>)) {
        let mut rest = bytes;
        while self.phase != Phase::Confirmed
            && let Some(&byte) = rest.first()
        {
            let taken = match self.state {
                State::Text => self.text(rest, out),
                State::Candidate => self.candidate(byte, out),
                State::Padding(seen) => self.padding(seen, byte),
            };
            rest = &rest[taken..];
        }
    }

    /// Hands out what is held, at the end of the stream. A padding cut short is a mark's and is dropped.
    pub fn flush(&mut self, out: &mut dyn FnMut(ScanItem<'_>)) {
        self.give_up(out);
    }

    fn text(&mut self, rest: &[u8], out: &mut dyn FnMut(ScanItem<'_>)) -> usize {
        let end = rest.iter().position(|&byte| byte == ESC);
        self.emit(&rest[..end.unwrap_or(rest.len())], out);
        let Some(end) = end else {
            return rest.len();
        };
        self.held.push(ESC);
        self.state = State::Candidate;
        end + 1
    }

    fn candidate(&mut self, byte: u8, out: &mut dyn FnMut(ScanItem<'_>)) -> usize {
        let body_start = self.prefix.len();
        if byte == BEL && self.held.len() >= body_start {
            let mark = Mark::parse(&self.held[body_start..]);
            self.held.push(byte);
            self.decide(mark, out);
            return 1;
        }
        let fits = match self.prefix.get(self.held.len()) {
            Some(&expected) => byte == expected,
            None => (b' '..=b'~').contains(&byte) && self.held.len() - body_start < MAX_BODY,
        };
        if !fits {
            self.give_up(out);
            return 0;
        }
        self.held.push(byte);
        1
    }

    fn decide(&mut self, mark: Option<Mark>, out: &mut dyn FnMut(ScanItem<'_>)) {
        let Some(mark) = mark else {
            return self.give_up(out);
        };
        self.held.clear();
        self.state = State::Padding(0);
        match (mark, self.phase) {
            (Mark::Ready(ready), Phase::Preface) => {
                self.phase = Phase::Running;
                out(ScanItem::Ready(ready));
            }
            (Mark::Exit(exit), Phase::Preface | Phase::Running) => {
                self.phase = Phase::Ended;
                out(ScanItem::Exit(exit));
            }
            (Mark::Confirmed, Phase::Ended) => {
                self.phase = Phase::Confirmed;
                out(ScanItem::Confirmed);
            }
            (Mark::Command(mark), Phase::Running) => out(ScanItem::Command(mark)),
            // Out of turn: the script never prints such a mark, so it is a forgery and no one is to see it.
            (Mark::Ready(_) | Mark::Command(_) | Mark::Exit(_) | Mark::Confirmed, _) => {}
        }
    }

    fn padding(&mut self, seen: usize, byte: u8) -> usize {
        if byte != PADDING[seen] {
            self.held.extend_from_slice(&PADDING[..seen]);
            self.state = if seen == 0 { State::Text } else { State::Candidate };
            return 0;
        }
        self.state = if seen + 1 == PADDING.len() { State::Text } else { State::Padding(seen + 1) };
        1
    }

    fn give_up(&mut self, out: &mut dyn FnMut(ScanItem<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.state = State::Text;
        self.emit(&held, out);
    }

    fn emit(&self, bytes: &[u8], out: &mut dyn FnMut(ScanItem<'_>)) {
        if bytes.is_empty() {
            return;
        }
        match self.phase {
            Phase::Preface => out(ScanItem::Preface(bytes)),
            Phase::Running => out(ScanItem::Output(bytes)),
            Phase::Ended | Phase::Confirmed => {}
        }
    }
}

/// One mark's meaning.
enum Mark {
    Ready(Ready),
    Command(CommandMark),
    Exit(Exit),
    Confirmed,
}

impl Mark {
    fn parse(body: &[u8]) -> Option<Self> {
        let body = std::str::from_utf8(body).ok()?;
        let (kind, rest) = body.split_once(';')?;
        match kind {
            "ready" => Some(Self::Ready(parse_ready(rest)?)),
            "exit" => Some(Self::Exit(parse_exit(rest)?)),
            "confirmed" => rest.is_empty().then_some(Self::Confirmed),
            _ => marks::parse(kind, rest).map(Self::Command),
        }
    }
}

fn parse_ready(rest: &str) -> Option<Ready> {
    let (version, missing) = rest.split_once(';')?;
    let version = version.strip_prefix('v')?.parse().ok()?;
    let missing = missing.split(',').filter(|tool| !tool.is_empty()).map(str::to_owned).collect();
    Some(Ready { version, missing })
}

fn parse_exit(rest: &str) -> Option<Exit> {
    let (code, refusal) = match rest.split_once(';') {
        Some((code, refusal)) => (code, Some(parse_refusal(refusal)?)),
        None => (rest, None),
    };
    Some(Exit { code: code.parse().ok()?, refusal })
}

fn parse_refusal(word: &str) -> Option<Refusal> {
    match word {
        "missing-tool" => Some(Refusal::MissingTool),
        "unknown-user" => Some(Refusal::UnknownUser),
        "no-user-tool" => Some(Refusal::NoUserTool),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READY: &str = "ready;v1;";

    fn nonce() -> Nonce {
        Nonce::new([0xab; 16])
    }

    fn mark(body: &str) -> Vec<u8> {
        format!("\x1b]7337;ecs-exec;{};{body}\x07\x1b[0m", nonce()).into_bytes()
    }

    /// The same items with neighbouring bytes joined.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Seen {
        preface: Vec<u8>,
        ready: Option<Ready>,
        output: Vec<u8>,
        commands: Vec<CommandMark>,
        exit: Option<Exit>,
        confirmed: bool,
    }

    fn scan(chunks: &[&[u8]]) -> Seen {
        let mut seen = Seen::default();
        let mut scanner = Scanner::new(&nonce());
        let mut take = |item: ScanItem<'_>| match item {
            ScanItem::Preface(bytes) => seen.preface.extend_from_slice(bytes),
            ScanItem::Output(bytes) => seen.output.extend_from_slice(bytes),
            ScanItem::Command(mark) => seen.commands.push(mark),
            ScanItem::Ready(ready) => assert!(seen.ready.replace(ready).is_none()),
            ScanItem::Exit(exit) => assert!(seen.exit.replace(exit).is_none()),
            ScanItem::Confirmed => assert!(!std::mem::replace(&mut seen.confirmed, true)),
        };
        for chunk in chunks {
            scanner.feed(chunk, &mut take);
        }
        scanner.flush(&mut take);
        seen
    }

    fn stream(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn every_split_gives_the_same_items() {
        let bytes = stream(&[b"pre\x1b", &mark(READY), b"a\x1b[1mb\x1b]7337;x", &mark("exit;7"), b"tail"]);
        let whole = scan(&[&bytes]);
        assert_eq!(whole.preface, b"pre\x1b");
        assert_eq!(whole.ready, Some(Ready { version: 1, missing: vec![] }));
        assert_eq!(whole.output, b"a\x1b[1mb\x1b]7337;x");
        assert_eq!(whole.exit, Some(Exit { code: 7, refusal: None }));
        for cut in 0..=bytes.len() {
            assert_eq!(scan(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
        assert_eq!(scan(&bytes.chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn a_mark_counts_at_bel_without_its_padding() {
        let ready = mark(READY);
        let seen = scan(&[&ready[..ready.len() - 4]]);
        assert!(seen.ready.is_some());
        let seen = scan(&[&ready[..ready.len() - 2]]);
        assert_eq!(seen.output, b"", "a padding cut short is no output");
    }

    #[test]
    fn a_mark_may_follow_a_mark_without_padding() {
        let ready = mark(READY);
        let bytes = stream(&[&ready[..ready.len() - 4], &mark("exit;0")]);
        let seen = scan(&[&bytes]);
        assert_eq!((seen.output, seen.exit.map(|exit| exit.code)), (vec![], Some(0)));
    }

    #[test]
    fn look_alikes_pass_untouched() {
        let other = String::from_utf8(mark("exit;0")).expect("ascii").replace("abab", "abac");
        for lookalike in [
            other.into_bytes(),
            mark("exit;256"),
            mark("exit;-1"),
            mark("exit;"),
            mark("exit;1;because"),
            mark("ready"),
            mark("other;1"),
            mark(&"exit;1".repeat(2000)),
            mark("exit;\n1"),
            mark("exit;1")[..30].to_vec(),
        ] {
            let seen = scan(&[&mark(READY), &lookalike]);
            assert_eq!(seen.output, lookalike);
            assert_eq!(seen.exit, None);
        }
    }

    #[test]
    fn only_one_padding_is_swallowed() {
        let seen = scan(&[&mark(READY), b"\x1b[0mtext\x1b[0m"]);
        assert_eq!(seen.output, b"\x1b[0mtext\x1b[0m");
    }

    #[test]
    fn missing_tools_and_refusals_are_told() {
        let seen = scan(&[&mark("ready;v1;base64,dd"), &mark("exit;126;missing-tool")]);
        let missing = vec!["base64".to_owned(), "dd".to_owned()];
        assert_eq!(seen.ready, Some(Ready { version: 1, missing }));
        let exit = Exit { code: 126, refusal: Some(Refusal::MissingTool) };
        assert_eq!(seen.exit, Some(exit));
        for (word, refusal) in [("unknown-user", Refusal::UnknownUser), ("no-user-tool", Refusal::NoUserTool)] {
            let seen = scan(&[&mark(&format!("exit;126;{word}"))]);
            assert_eq!(seen.exit, Some(Exit { code: 126, refusal: Some(refusal) }));
        }
    }

    #[test]
    fn commands_are_told_in_their_place_and_never_shown() {
        let command = mark("command;2;ls");
        let bytes = stream(&[&mark(READY), b"$ ", &command, b"a\n", &mark("done;3")]);
        let whole = scan(&[&bytes]);
        let began = CommandMark::Began(marks::CommandText { bytes: Some(b"ls".to_vec()), cut: false });
        assert_eq!(whole.commands, [began, CommandMark::Ended(3)]);
        assert_eq!(whole.output, b"$ a\n");
        for cut in 0..=bytes.len() {
            assert_eq!(scan(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
        let forged = String::from_utf8(command.clone()).expect("ascii").replace("abab", "abac");
        let seen = scan(&[&command, &mark(READY), forged.as_bytes(), &mark("exit;0"), &command]);
        assert_eq!((seen.output.as_slice(), seen.commands.len()), (forged.as_bytes(), 0));
    }

    #[test]
    fn confirmed_counts_only_after_the_exit() {
        let confirmed = mark("confirmed;");
        let seen = scan(&[&mark(READY), &confirmed, b"a", &mark("exit;1"), b"b"]);
        assert_eq!((seen.output.as_slice(), seen.confirmed), (&b"a"[..], false));
        let seen = scan(&[&mark(READY), &mark("exit;1"), b"b\x1b[", &confirmed, &confirmed]);
        assert_eq!((seen.output.as_slice(), seen.confirmed), (&b""[..], true));
    }

    #[test]
    fn a_second_exit_does_not_change_the_first() {
        assert_eq!(scan(&[&mark("exit;1"), &mark("exit;0")]).exit.map(|exit| exit.code), Some(1));
    }

    #[test]
    fn a_second_ready_and_bytes_after_the_exit_vanish() {
        let seen = scan(&[&mark(READY), b"a", &mark(READY), b"b", &mark("exit;1"), b"c\x1b"]);
        assert_eq!(seen.output, b"ab");
    }

    proptest! {
        #[test]
        fn output_is_exact_over_any_split(
            pieces in proptest::collection::vec(
                prop_oneof!["[a\\x1b\\]7\\[0m;]{0,9}".prop_map(String::into_bytes), Just(mark("other;")), Just(mark(READY)[..40].to_vec())],
                0..6,
            ),
            size in 1_usize..60,
        ) {
            // The leading byte keeps a generated padding from joining READY's own.
            let text = [b"x".to_vec(), pieces.concat()].concat();
            let bytes = stream(&[&mark(READY), &text, &mark("exit;3")]);
            let seen = scan(&bytes.chunks(size).collect::<Vec<_>>());
            prop_assert_eq!(seen.output, text);
            prop_assert_eq!(seen.exit.map(|exit| exit.code), Some(3));
        }
    }
}
