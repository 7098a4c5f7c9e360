//! Secrets that a name or a prompt beside them gives away.
//!
//! Owns the names, and which options of which programs take a password.

use super::words::{Index, LastRun, begins_word, run};
use super::{Grade, Kind, Span};
use std::ops::Range;
use std::sync::LazyLock;

/// Names whose value is a password. Lower case; `-`, `_` and letters before them belong to the name.
const PASSWORDS: &[&str] = &["password", "passwd", "passphrase", "passcode", "kennwort", "pwd", "pass", "identified by"];

/// Names whose value is another secret.
const SECRETS: &[&str] = &[
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "access-key",
    "accesskey",
    "private_key",
    "private-key",
    "encryption_key",
    "signing_key",
    "auth_key",
    "credential",
    "credentials",
    "signature",
    "session_key",
    "client_key",
    "otp",
    "\"auth\"",
    ":_auth",
];

/// The longest prompt after its first word, characters.
const PROMPT_MAX: usize = 81;

/// The longest name of an element, and the longest entry of `.netrc` before its password, bytes.
const ELEMENT_MAX: usize = 64;
const NETRC_MAX: usize = 512;

/// Words that stand where a secret would.
const REFERENCES: &[&str] =
    &["true", "false", "none", "null", "nil", "yes", "no", "required", "optional", "{", "[", "file", "string"];

/// Programs whose `-p` is a password, glued to it or in the next word.
const SHORT_OPTION: &[(&str, &str)] = &[
    ("mysql", "-p"),
    ("mysqldump", "-p"),
    ("mysqladmin", "-p"),
    ("mariadb", "-p"),
    ("sshpass", "-p"),
    ("login", "-p"),
    ("redis-cli", "-a"),
    ("ldapsearch", "-w"),
    ("ldapmodify", "-w"),
    ("mongo", "-p"),
    ("mongosh", "-p"),
    ("smbclient", "-P"),
];

pub(super) fn find(line: &str, spans: &mut Vec<Span>) {
    // Blanks at the end belong to no secret, and are many in a long line that the screen broke.
    let line = line.trim_end();
    let lower = line.to_ascii_lowercase();
    named_values(line, &lower, spans);
    authorizations(line, &lower, spans);
    prompts(line, &lower, spans);
    short_options(line, spans);
    curl_users(line, spans);
}

/// What was walked last, of names and of values, and where the line's first word ends.
struct Runs {
    names: LastRun,
    values: LastRun,
    first_word_end: usize,
}

impl Runs {
    fn of(line: &str) -> Self {
        let begin = line.len() - line.trim_start().len();
        let first_word_end = line[begin..].find(' ').map_or(line.len(), |blank| begin + blank);
        Self { names: LastRun::default(), values: LastRun::default(), first_word_end }
    }
}

fn named_values(line: &str, lower: &str, spans: &mut Vec<Span>) {
    static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(PASSWORDS.iter().chain(SECRETS).copied()));
    let (mut runs, mut covered) = (Runs::of(line), 0);
    for (start, place) in INDEX.candidates(lower) {
        if start < covered {
            continue;
        }
        let password = PASSWORDS.get(place);
        let name = password.unwrap_or_else(|| &SECRETS[place - PASSWORDS.len()]);
        if !lower[start..].starts_with(name) || !name_begins(lower, start, name) {
            continue;
        }
        let end = start + name.len();
        if let Some(range) = value_after(line, lower, start..end, password.is_some(), &mut runs) {
            covered = range.end;
            let kind = if password.is_some() { Kind::Password } else { Kind::NamedSecret };
            spans.push(Span { kind: exact(lower, start, end, kind), range, grade: Grade::Likely });
        }
    }
}

/// Short names count only as a word of the whole name: `compass=` names nothing.
fn name_begins(lower: &str, start: usize, name: &str) -> bool {
    let before = lower[..start].bytes().next_back();
    name.len() > 5 || !before.is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// AWS's own two names have their own kinds.
fn exact(lower: &str, start: usize, end: usize, kind: Kind) -> Kind {
    let begin =
        lower[..start].bytes().rposition(|byte| !(byte.is_ascii_alphanumeric() || b"_-".contains(&byte))).map_or(0, |at| at + 1);
    match lower[begin..end].replace(['_', '-'], "").as_str() {
        "awssecretaccesskey" | "secretaccesskey" => Kind::AwsSecretKey,
        "awssessiontoken" | "sessiontoken" | "xamzsecuritytoken" => Kind::AwsSessionToken,
        _ => kind,
    }
}

/// The value that a name gives away, if there is one.
fn value_after(line: &str, lower: &str, name: Range<usize>, is_password: bool, runs: &mut Runs) -> Option<Range<usize>> {
    let rest_of_name = runs.names.run(line, name.end, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    // `token_endpoint` and `password-file` name no secret; `TokenValue`, `tokens` and `PASSWORD_1` do.
    let tail = lower[rest_of_name.clone()].trim_start_matches(['_', '-']);
    if !matches!(tail, "s" | "value" | "data" | "key") && !tail.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is_first = name.start <= runs.first_word_end;
    let range = value(line, value_at(line, lower, &name, rest_of_name.end, is_password, is_first)?, &mut runs.values)?;
    let text = &line[range.clone()];
    let is_count = tail == "s" && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_folder = &lower[name.clone()] == "pwd" && text.starts_with('/');
    let is_verdict = line[name.start..range.start].starts_with("PASS:") && begins_word(line, name.start);
    (!is_count && !is_folder && !is_verdict).then_some(range)
}

/// Where the value of a name begins that ends here; `is_first` says that the name stands in the line's first word.
fn value_at(line: &str, lower: &str, name: &Range<usize>, end: usize, is_password: bool, is_first: bool) -> Option<usize> {
    let quote = quote(&line[end..]);
    let after_name = end + quote;
    let at = after_name + blanks(&line[after_name..]);
    let (after, apart) = (&line[at..], at > after_name);
    let sign = match after.as_bytes() {
        [b':', b'/', b'/', ..] | [b'=', b'=', ..] => return None,
        // `name: value`, `name := value`, `'name' => 'value'`.
        [b'=' | b':', b'=' | b'>', ..] => 2,
        [b'=' | b':', ..] => 1,
        // `define('NAME', 'value')`, `PASSWORD('value')`.
        [b',', rest @ ..] if quote > 0 && rest.trim_ascii_start().starts_with(b"'") => 1,
        [b'(', b'\'' | b'"', ..] if is_password => 1,
        // `<name>value</name>`.
        [b'>', ..] if is_element(line, name.start) => 1,
        // `PASSWORD 'value'`, `IDENTIFIED WITH some_password BY 'value'`.
        [b'\'', ..] if apart && is_password => 0,
        _ if apart && is_password && lower[at..].starts_with("by '") => 3,
        _ if apart
            && (is_option(line, name.start) || (is_first && is_in_table(line, name, at)) || is_in_netrc(lower, name.start)) =>
        {
            0
        }
        _ => return None,
    };
    Some(at + sign + blanks(&after[sign..]))
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches(' ').len()
}

/// How long the quote is that begins here, with the backslashes before it: in a JSON text within a JSON text it is `\"`.
fn quote(text: &str) -> usize {
    let bare = text.trim_start_matches('\\');
    if bare.starts_with(['"', '\'']) { text.len() - bare.len() + 1 } else { 0 }
}

fn is_option(line: &str, start: usize) -> bool {
    let word = line[..start].rfind(' ').map_or(0, |space| space + 1);
    line[word..].starts_with("--")
}

/// Whether `<` begins the name's word.
fn is_element(line: &str, start: usize) -> bool {
    let mut before = line[..start].bytes().rev().take(ELEMENT_MAX);
    before.find(|byte| !byte.is_ascii_alphanumeric() && !b"_-.:".contains(byte)) == Some(b'<')
}

/// Whether the line goes on after its first word with some blanks and one word, as a table of Vault's has it.
fn is_in_table(line: &str, name: &Range<usize>, at: usize) -> bool {
    name.len() > 4 && line[..at].ends_with("  ") && !line[at..].contains(' ')
}

/// `machine HOST login USER password VALUE`.
fn is_in_netrc(lower: &str, start: usize) -> bool {
    let before = &lower[lower.floor_char_boundary(start.saturating_sub(NETRC_MAX))..start];
    before.split_once("machine ").is_some_and(|(_, rest)| rest.contains(" login "))
}

/// A word, or what stands in quotes; none for a reference to a secret kept elsewhere.
fn value(line: &str, at: usize, values: &mut LastRun) -> Option<Range<usize>> {
    let range = match quote(&line[at..]) {
        0 => values.run(line, at, |byte| byte > b' ' && !b",;\"'&|<>()}]".contains(&byte)),
        quote => at + quote..quote_end(line, at, quote),
    };
    let text = &line[range.clone()];
    (!text.is_empty() && !is_reference(text)).then_some(range)
}

/// Where a text in quotes ends: at the first quote that has no more backslashes than the one that began it.
fn quote_end(line: &str, at: usize, length: usize) -> usize {
    let begin = at + length;
    let sign = &line[begin - 1..begin];
    for (end, _) in line[begin..].match_indices(sign).map(|(end, sign)| (begin + end, sign)) {
        let backslashes = line[begin..end].bytes().rev().take_while(|byte| *byte == b'\\').count();
        // A shell's single quotes know no escape; in double quotes two backslashes are one that escapes nothing.
        if backslashes < length || (length == 1 && (sign == "'" || backslashes % 2 == 0)) {
            return end - backslashes.min(length - 1);
        }
    }
    line.len()
}

/// A variable, a masked value, a word that only says whether there is one.
pub(super) fn is_reference(text: &str) -> bool {
    let text = text.trim_end_matches(['.', ',']);
    text.starts_with('$')
        || text.starts_with("arn:")
        || text.starts_with("[redacted")
        || text.bytes().all(|byte| b"*x.-<>".contains(&byte))
        || REFERENCES.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// `Bearer` and `Basic`.
fn authorizations(line: &str, lower: &str, spans: &mut Vec<Span>) {
    let header = lower.find("authorization");
    for (scheme, least) in [("bearer ", 8), ("basic ", 8)] {
        for (start, _) in lower.match_indices(scheme) {
            let word = run(line, start + scheme.len(), super::words::token);
            let sure = scheme == "bearer " || header.is_some_and(|at| at < start);
            if sure && word.len() >= least && begins_word(line, start) && looks_coded(&line[word.clone()]) {
                spans.push(Span { range: word, kind: Kind::Authorization, grade: Grade::Certain });
            }
        }
    }
}

/// A word of prose has no digit and no capital inside.
fn looks_coded(word: &str) -> bool {
    word.bytes().skip(1).any(|byte| !byte.is_ascii_lowercase())
}

/// Everything after `password:` and `passphrase for …:`, to the line's end, if it is one word; a prompt's echo.
fn prompts(line: &str, lower: &str, spans: &mut Vec<Span>) {
    if !line.contains(':') {
        return;
    }
    for name in ["password", "passphrase", "passcode", "pin"] {
        let mut covered = 0;
        for (start, _) in lower.match_indices(name) {
            let for_whom = &lower[start + name.len()..];
            let colon = for_whom.bytes().take(PROMPT_MAX).position(|byte| byte == b':').filter(|_| start >= covered);
            let Some(colon) = colon else { continue };
            let prompt = colon == 0 || for_whom.starts_with(" for ") || for_whom.starts_with(" (");
            let at = start + name.len() + colon + 1;
            let answer = line[at..].trim_start();
            if prompt && begins_word(line, start) && !answer.is_empty() && !answer.contains(' ') && !is_reference(answer) {
                let range = at + line[at..].find(answer).unwrap_or(0);
                covered = range + answer.len();
                spans.push(Span { range: range..covered, kind: Kind::Password, grade: Grade::Likely });
            }
        }
    }
}

fn short_options(line: &str, spans: &mut Vec<Span>) {
    if !line.contains(" -") {
        return;
    }
    for (program, option) in SHORT_OPTION {
        let Some(called) = line.match_indices(program).map(|(at, _)| at).find(|at| is_word(line, *at, program.len())) else {
            continue;
        };
        for (at, _) in line[called..].match_indices(option).map(|(at, found)| (at + called, found)) {
            let after = at + option.len();
            let begins = line[..at].ends_with(' ');
            let spaced = line[after..].starts_with(' ');
            // `mysql -p name` asks and opens the database `name`.
            if !begins || line[after..].starts_with('-') || (spaced && program.starts_with('m') && !program.starts_with("mongo"))
            {
                continue;
            }
            let from = after + line[after..].len() - line[after..].trim_start_matches([' ', '=']).len();
            if let Some(range) = value(line, from, &mut LastRun::default()).filter(|range| !line[range.clone()].starts_with('-'))
            {
                spans.push(Span { range, kind: Kind::Password, grade: Grade::Likely });
            }
        }
    }
}

fn is_word(line: &str, at: usize, length: usize) -> bool {
    let before = line[..at].bytes().next_back();
    let after = line[at + length..].bytes().next();
    before.is_none_or(|byte| b" /;|&(`".contains(&byte)) && after.is_none_or(|byte| byte == b' ')
}

/// `curl -u user:PASSWORD`.
fn curl_users(line: &str, spans: &mut Vec<Span>) {
    if !line.contains("curl") {
        return;
    }
    for option in [" -u ", " --user ", " -u", " --user="] {
        for (at, _) in line.match_indices(option) {
            let Some(word) = value(line, at + option.len(), &mut LastRun::default()) else { continue };
            if let Some((user, password)) =
                line[word.clone()].split_once(':').filter(|(_, password)| !password.is_empty() && !is_reference(password))
            {
                let start = word.start + user.len() + 1;
                spans.push(Span { range: start..start + password.len(), kind: Kind::Password, grade: Grade::Likely });
            }
        }
    }
}
