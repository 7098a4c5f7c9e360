//! Tokens whose form is known.
//!
//! Owns the table. A new service is a new row.

use super::words::{Index, LastRun, alphanumeric, begins_word, run, token, url_safe};
use super::{Grade, Kind, Span};
use std::sync::LazyLock;

/// How a token looks: it begins so, and so many characters of a set follow.
struct Form {
    begins: &'static str,
    belongs: fn(u8) -> bool,
    least: usize,
    kind: Kind,
}

const fn form(begins: &'static str, belongs: fn(u8) -> bool, least: usize, kind: Kind) -> Form {
    Form { begins, belongs, least, kind }
}

/// Sources: the services' own documentation of their token prefixes; Boundary: `at_` + 10, then `_s1` or later and base58.
const FORMS: &[Form] = &[
    form("AKIA", upper, 16, Kind::AwsAccessKey),
    form("ASIA", upper, 16, Kind::AwsAccessKey),
    form("ABIA", upper, 16, Kind::AwsAccessKey),
    form("ACCA", upper, 16, Kind::AwsAccessKey),
    form("IQoJb3JpZ2lu", token, 60, Kind::AwsSessionToken),
    form("FwoGZXIvYXdz", token, 60, Kind::AwsSessionToken),
    form("FQoGZXIvYXdz", token, 60, Kind::AwsSessionToken),
    form("sha256~", url_safe, 20, Kind::OpenShiftToken),
    form("ghp_", alphanumeric, 30, Kind::GitHubToken),
    form("gho_", alphanumeric, 30, Kind::GitHubToken),
    form("ghu_", alphanumeric, 30, Kind::GitHubToken),
    form("ghs_", token, 30, Kind::GitHubToken),
    form("ghr_", alphanumeric, 30, Kind::GitHubToken),
    form("github_pat_", url_safe, 22, Kind::GitHubToken),
    form("glpat-", url_safe, 20, Kind::GitLabToken),
    form("gldt-", url_safe, 20, Kind::GitLabToken),
    form("glrt-", url_safe, 20, Kind::GitLabToken),
    form("glcbt-", url_safe, 20, Kind::GitLabToken),
    form("xoxb-", url_safe, 10, Kind::SlackToken),
    form("xoxp-", url_safe, 10, Kind::SlackToken),
    form("xoxa-", url_safe, 10, Kind::SlackToken),
    form("xoxe-", url_safe, 10, Kind::SlackToken),
    form("xoxo-", url_safe, 10, Kind::SlackToken),
    form("xoxr-", url_safe, 10, Kind::SlackToken),
    form("xoxs-", url_safe, 10, Kind::SlackToken),
    form("xapp-", url_safe, 10, Kind::SlackToken),
    form("hooks.slack.com/services/", token, 20, Kind::SlackToken),
    form("hvs.", url_safe, 20, Kind::VaultToken),
    form("hvb.", url_safe, 20, Kind::VaultToken),
    form("hvr.", url_safe, 20, Kind::VaultToken),
    form("AIza", url_safe, 35, Kind::ServiceToken),
    form("ya29.", url_safe, 20, Kind::ServiceToken),
    form("npm_", alphanumeric, 36, Kind::ServiceToken),
    form("pypi-", url_safe, 50, Kind::ServiceToken),
    form("dckr_pat_", url_safe, 20, Kind::ServiceToken),
    form("dop_v1_", alphanumeric, 40, Kind::ServiceToken),
    form("sk_live_", alphanumeric, 16, Kind::ServiceToken),
    form("rk_live_", alphanumeric, 16, Kind::ServiceToken),
    form("SG.", token, 40, Kind::ServiceToken),
    form("AGE-SECRET-KEY-1", alphanumeric, 50, Kind::PrivateKey),
];

pub(super) fn find(line: &str, spans: &mut Vec<Span>) {
    static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(FORMS.iter().map(|form| form.begins)));
    let mut runs = vec![LastRun::default(); FORMS.len()];
    for (start, place) in INDEX.candidates(line) {
        let form = &FORMS[place];
        if !line[start..].starts_with(form.begins) || !begins_word(line, start) {
            continue;
        }
        let word = runs[place].run(line, start + form.begins.len(), form.belongs);
        if word.len() >= form.least && fits(line, start, word.end, form.kind) {
            spans.push(Span { range: start..word.end, kind: form.kind, grade: Grade::Certain });
        }
    }
    boundary_tokens(line, spans);
    web_tokens(line, spans);
    url_passwords(line, spans);
}

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// An access key id has twenty characters and ends its word.
fn fits(line: &str, start: usize, end: usize, kind: Kind) -> bool {
    kind != Kind::AwsAccessKey || (end - start == 20 && !line[end..].starts_with(|ch: char| ch.is_ascii_alphanumeric()))
}

/// The id alone (`at_1234567890`) is no secret; the token goes on after a second underscore.
fn boundary_tokens(line: &str, spans: &mut Vec<Span>) {
    for (start, _) in line.match_indices("at_") {
        let id = run(line, start + 3, alphanumeric);
        let follows = line[id.end..].starts_with('_');
        let rest = run(line, (id.end + 1).min(line.len()).max(id.end), url_safe_or_end(follows));
        if id.len() == 10 && follows && rest.len() >= 10 && begins_word(line, start) {
            spans.push(Span { range: start..rest.end, kind: Kind::BoundaryToken, grade: Grade::Certain });
        }
    }
}

fn url_safe_or_end(follows: bool) -> fn(u8) -> bool {
    if follows { alphanumeric } else { |_| false }
}

/// `eyJ` is base64 for `{"`.
fn web_tokens(line: &str, spans: &mut Vec<Span>) {
    let mut seen = 0;
    for (start, _) in line.match_indices("eyJ") {
        if start < seen || !begins_word(line, start) {
            continue;
        }
        let head = run(line, start, url_safe);
        seen = head.end;
        if !line[head.end..].starts_with('.') || head.len() < 10 {
            continue;
        }
        let body = run(line, head.end + 1, url_safe);
        let mut end = body.end;
        // A signature; an encrypted token has three more parts.
        while line[end..].starts_with('.') && run(line, end + 1, url_safe).len() > 1 {
            end = run(line, end + 1, url_safe).end;
        }
        seen = end;
        if body.len() >= 4 || end > body.end {
            spans.push(Span { range: start..end, kind: Kind::Jwt, grade: Grade::Certain });
        }
    }
}

/// `scheme://user:PASSWORD@host`.
fn url_passwords(line: &str, spans: &mut Vec<Span>) {
    for (at, colon) in line.match_indices("://") {
        let start = at + colon.len();
        let authority = run(line, start, |byte| byte > b' ' && !b"/?#\"'<>".contains(&byte));
        let Some((user_info, _)) = line[authority].rsplit_once('@') else { continue };
        let Some((user, password)) = user_info.split_once(':') else { continue };
        let password_at = start + user.len() + 1;
        if !password.is_empty() && !super::named::is_reference(password) {
            spans.push(Span { range: password_at..password_at + password.len(), kind: Kind::UrlPassword, grade: Grade::Certain });
        }
    }
}
