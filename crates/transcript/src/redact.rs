//! Secrets in rendered text, replaced by `[redacted: KIND]`.
//!
//! Owns what counts as a secret. It works on rendered lines, so that a token which the terminal wrapped, or which was typed with
//! corrections, is one word here. An aid and no promise: a secret without a known form, without a telling name beside it and
//! without much randomness is not found, nor is the short end of one that a program itself broke over lines; the raw transcript
//! stays sealed for that reason. Never shows a secret in `Debug`.

mod blocks;
mod forms;
mod named;
mod random;
mod words;

use blocks::Blocks;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// Says what was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An access key id of AWS.
    AwsAccessKey,
    /// A secret access key of AWS.
    AwsSecretKey,
    /// A session token of AWS.
    AwsSessionToken,
    /// A JSON web token.
    Jwt,
    /// What followed `Bearer` or `Basic`.
    Authorization,
    /// A token of OpenShift.
    OpenShiftToken,
    /// A token of GitHub.
    GitHubToken,
    /// A token of GitLab.
    GitLabToken,
    /// A token or web hook of Slack.
    SlackToken,
    /// A token of Vault.
    VaultToken,
    /// A token of Boundary.
    BoundaryToken,
    /// A token of another service whose form is known.
    ServiceToken,
    /// A line of a private key.
    PrivateKey,
    /// The password of a URL.
    UrlPassword,
    /// A password, by the name or the prompt beside it.
    Password,
    /// Another secret, by the name beside it.
    NamedSecret,
    /// A word that looks random.
    HighEntropy,
}

/// Says how sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// It may be one: a long random word of small letters and digits, as ids are too.
    Possible,
    /// It looks random, or a name beside it says so.
    Likely,
    /// It has a known secret's form.
    Certain,
}

/// Says where one secret stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Bytes of the line as it was given.
    pub range: Range<usize>,
    /// What it is.
    pub kind: Kind,
    /// How sure that is.
    pub grade: Grade,
}

/// Holds a line without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// What may be shown.
    pub text: String,
    /// What was found, in order and apart from each other; also what was left in place because it is not sure enough.
    pub spans: Vec<Span>,
}

/// Takes a transcript's lines in order.
#[derive(Debug, Clone)]
pub struct Redactor {
    least: Grade,
    blocks: Blocks,
    counts: BTreeMap<Kind, u64>,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new(Grade::Likely)
    }
}

impl Redactor {
    /// Makes a redactor that takes out what is at least so sure.
    pub fn new(least: Grade) -> Self {
        Self { least, blocks: Blocks::default(), counts: BTreeMap::new() }
    }

    /// Takes the next line, without its line end.
    pub fn line(&mut self, line: &str) -> Redacted {
        let spans = match self.blocks.line(line) {
            blocks::Place::PrivateKey(range) => vec![Span { range, kind: Kind::PrivateKey, grade: Grade::Certain }],
            blocks::Place::PublicKey => Vec::new(),
            blocks::Place::Outside => find(line),
        };
        let taken = |span: &&Span| span.grade >= self.least;
        for span in spans.iter().filter(taken) {
            *self.counts.entry(span.kind).or_default() += 1;
        }
        let text = replace(line, spans.iter().filter(taken));
        Redacted { text, spans }
    }

    /// How many of each kind were taken out so far.
    pub fn counts(&self) -> &BTreeMap<Kind, u64> {
        &self.counts
    }
}

/// Finds the secrets of a line that stands alone; the spans are apart and in order.
pub fn find(line: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    forms::find(line, &mut spans);
    named::find(line, &mut spans);
    random::find(line, &mut spans);
    settle(spans)
}

/// Joins what overlaps: the surer finding names it, and everything that any of them covers goes.
fn settle(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| !span.range.is_empty());
    spans.sort_by_key(|span| (span.range.start, std::cmp::Reverse(span.range.end)));
    let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.range.start < last.range.end => {
                last.range.end = last.range.end.max(span.range.end);
                if span.grade > last.grade {
                    (last.kind, last.grade) = (span.kind, span.grade);
                }
            }
            _ => apart.push(span),
        }
    }
    apart
}

fn replace<'a>(line: &str, spans: impl Iterator<Item = &'a Span>) -> String {
    let mut text = String::with_capacity(line.len());
    let mut from = 0;
    for span in spans {
        text.push_str(&line[from..span.range.start]);
        text.push_str(&format!("[redacted: {}]", span.kind));
        from = span.range.end;
    }
    text.push_str(&line[from..]);
    text
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AwsAccessKey => "aws-access-key",
            Self::AwsSecretKey => "aws-secret-key",
            Self::AwsSessionToken => "aws-session-token",
            Self::Jwt => "jwt",
            Self::Authorization => "authorization",
            Self::OpenShiftToken => "openshift-token",
            Self::GitHubToken => "github-token",
            Self::GitLabToken => "gitlab-token",
            Self::SlackToken => "slack-token",
            Self::VaultToken => "vault-token",
            Self::BoundaryToken => "boundary-token",
            Self::ServiceToken => "service-token",
            Self::PrivateKey => "private-key",
            Self::UrlPassword => "url-password",
            Self::Password => "password",
            Self::NamedSecret => "secret",
            Self::HighEntropy => "random",
        })
    }
}
