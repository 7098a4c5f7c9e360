//! Boundary's sessions: the list, refreshed, and one GET for each that has changed.
//!
//! Owns the race with Boundary's forgetting: a terminated session is deleted an hour after its end, so a session is read when it is
//! first seen, at each change, and again after its end; a list older than that has lost some, and the window says so.
//! Source: boundary `internal/session/jobs.go` (deletion), list tokens in `internal/listtoken`.

use super::haul::{Haul, Ledger};
use super::place::{CollectError, not_read};
use crate::settings::BoundarySource;
use audit_facts::normalise::boundary_sessions::{self, BoundarySessionVersion};
use audit_facts::{Body, BoundaryStatus, Grade, Lack, Source};
use boundary_api::{Client, ErrorKind, ListOptions, ListToken};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The longest pause between two lists after which nothing can have been forgotten: an hour less ten minutes.
const SAFE: SignedDuration = SignedDuration::from_mins(50);
/// What Boundary surely still shows: a minute less than it keeps an ended session.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(59);
/// Sessions whose users prove that others' are seen.
const USERS: usize = 2;
/// The cursor's name.
const CURSOR: &str = "sessions";

/// Where the list is, and what was read of each session that has not ended.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    /// The token of the last complete list.
    token: Option<String>,
    /// When that was.
    listed: Option<Timestamp>,
    /// Sessions by id: the version at which each was last read; ended ones with the time.
    read: BTreeMap<String, (u32, Option<Timestamp>)>,
    /// Since when lists have been empty.
    #[serde(default)]
    blind_from: Option<Timestamp>,
    /// Users whose sessions were read, as many as it takes.
    users: BTreeSet<String>,
}

/// Reads one controller.
pub(crate) async fn read(
    source: &BoundarySource,
    client: &Client,
    ledger: &mut Ledger<'_>,
    now: Timestamp,
) -> Result<(), CollectError> {
    let stored = ledger.cursor(Source::BoundaryApi, &source.name, CURSOR)?;
    let mut cursor: Cursor = stored.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
    let mut haul = Haul::new(Source::BoundaryApi, &source.name, now);
    match list(source, client, ledger, &mut haul, &mut cursor).await {
        Ok(()) => {}
        Err(error) => {
            return not_read(ledger, Haul::new(Source::BoundaryApi, &source.name, now), &source.scope_id, cursor.listed, error);
        }
    }
    windows(source, &mut haul, &mut cursor);
    cursor.listed = Some(now);
    // Boundary shows an ended session for an hour; after two nothing refers to it.
    cursor.read.retain(|_, (_, ended)| ended.is_none_or(|ended| ended > now - SignedDuration::from_hours(2)));
    haul.cursor(CURSOR, json!(cursor));
    ledger.commit(haul)?;
    Ok(())
}

/// Lists what has changed, anew when the token is no longer good, and reads each session that has.
async fn list(
    source: &BoundarySource,
    client: &Client,
    ledger: &Ledger<'_>,
    haul: &mut Haul,
    cursor: &mut Cursor,
) -> Result<(), CollectError> {
    let token = cursor.token.clone();
    let changed = match pages(source, client, ledger, haul, cursor, token).await {
        Err(CollectError::Boundary(error)) if error.api().map(|api| api.kind) == Some(ErrorKind::InvalidListToken) => {
            tracing::info!(event = "relist", place = %source.name, "Boundary takes the list token no longer; the list is read anew");
            // Boundary drops tokens when rights change too: whose sessions are seen must show anew.
            cursor.users.clear();
            pages(source, client, ledger, haul, cursor, None).await?
        }
        other => other?,
    };
    cursor.token = changed.token;
    for session in changed.sessions {
        one(source, client, ledger, haul, cursor, &session).await?;
    }
    Ok(())
}

/// A list to its end.
struct Changed {
    sessions: Vec<BoundarySessionVersion>,
    token: Option<String>,
}

async fn pages(
    source: &BoundarySource,
    client: &Client,
    ledger: &Ledger<'_>,
    haul: &mut Haul,
    cursor: &mut Cursor,
    token: Option<String>,
) -> Result<Changed, CollectError> {
    let options = ListOptions::in_scope(&source.scope_id).recursive().include_terminated();
    let since = token.clone();
    let options = match &token {
        Some(token) => options.since(ListToken::new(token.clone())),
        None => options,
    };
    let sessions = client.sessions();
    let mut pages = sessions.list(options);
    let mut changed = Changed { sessions: Vec::new(), token };
    let mut number = 0;
    while let Some(page) = pages.next_verbatim().await? {
        number += 1;
        // A refresh repeats what changed within the last half minute: what is known already is no evidence of anything new.
        let mut read = boundary_sessions::list(&haul.reading(&page.body), &page.body);
        read.next.sessions.retain(|session| cursor.wants(session));
        let wanted: BTreeSet<String> = read.next.sessions.iter().map(|session| session.id.clone()).collect();
        read.facts.retain(|fact| match &fact.body {
            Body::BoundaryRemoval(removal) => cursor.note_removal(&removal.session_id, removal.at),
            Body::BoundarySession(seen) => wanted.contains(&seen.id),
            _ => true,
        });
        if !read.facts.is_empty() || !read.unreadable.is_empty() {
            let of = json!({"scope_id": source.scope_id, "refresh": since.is_some(), "page": number});
            haul.keep(ledger, &page.body, json!({"call": "GET /v1/sessions", "list": of}))?;
        }
        changed.sessions.extend(haul.take(read).sessions);
        changed.token = page.list_token.map(|token| token.as_str().to_owned()).or(changed.token);
    }
    Ok(changed)
}

impl Cursor {
    /// Whether a session is to be read: it is new, has changed, or has ended since it was read.
    fn wants(&self, session: &BoundarySessionVersion) -> bool {
        let is_over = session.status == BoundaryStatus::Terminated;
        self.read.get(&session.id).is_none_or(|(version, ended)| *version != session.version || (ended.is_none() && is_over))
    }

    /// Whether a deletion tells something: of a session that was read after its end it does not, nor does it twice.
    fn note_removal(&mut self, id: &str, at: Timestamp) -> bool {
        let known = self.read.insert(id.to_owned(), (0, Some(at)));
        known.is_none_or(|(_, ended)| ended.is_none())
    }
}

/// Reads one session; one that is gone meanwhile is left to the next list.
async fn one(
    source: &BoundarySource,
    client: &Client,
    ledger: &Ledger<'_>,
    haul: &mut Haul,
    cursor: &mut Cursor,
    session: &BoundarySessionVersion,
) -> Result<(), CollectError> {
    let body = match client.sessions().read_verbatim(&session.id).await {
        Ok(body) => body,
        Err(error) if matches!(error.api().map(|api| api.kind), Some(ErrorKind::NotFound | ErrorKind::PermissionDenied)) => {
            tracing::warn!(event = "session_unread", place = %source.name, session = %session.id, "a listed session cannot be read: its bytes stay unknown");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let reading = haul.keep(ledger, &body, json!({"call": format!("GET /v1/sessions/{}", session.id)}))?;
    let normalised = boundary_sessions::one(&reading, &body);
    for fact in &normalised.facts {
        if let Body::BoundarySession(read) = &fact.body {
            let ended = (read.status == BoundaryStatus::Terminated).then(|| haul.at());
            cursor.read.insert(read.id.clone(), (read.version, ended));
            if let Some(user) = read.user_id.as_ref().filter(|_| cursor.users.len() < USERS) {
                cursor.users.insert(user.clone());
            }
        }
    }
    haul.take(normalised);
    Ok(())
}

/// What the list covers: from the last one, or from as far back as nothing can have been forgotten.
fn windows(source: &BoundarySource, haul: &mut Haul, cursor: &mut Cursor) {
    let now = haul.at();
    let safe = now - SAFE;
    // A list filtered by rights looks like a whole one. An empty one is no evidence, and only sessions of several people show that
    // it is not one's own alone.
    let grade = match cursor.users.len() {
        0 => {
            let text = "the list of sessions has been empty so far: whether the account may see any is not known".to_owned();
            let from = cursor.listed.unwrap_or(safe);
            cursor.blind_from.get_or_insert(from);
            haul.not_covered(&source.scope_id, from, now, Lack::CannotRead { text });
            return;
        }
        users if users >= USERS => Grade::Proved,
        _ => Grade::BestEffort,
    };
    match cursor.listed {
        Some(listed) if listed < safe => {
            haul.not_covered(&source.scope_id, listed, safe, Lack::Missed);
            haul.covered(&source.scope_id, safe, now, grade);
        }
        // The first session that is seen shows what the empty lists before it were worth, as far back as Boundary remembers.
        Some(listed) => {
            let shown = cursor.blind_from.take().map(|from| from.max(now - REMEMBERED));
            haul.covered(&source.scope_id, shown.map_or(listed, |from| from.min(listed)), now, grade);
        }
        None => haul.covered(&source.scope_id, safe, now, grade),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(listed_minutes_ago: i64, users: usize) -> Vec<(Grade, Option<Lack>)> {
        let source: BoundarySource = serde_json::from_value(json!({"name": "b"})).unwrap();
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let users = (0..users).map(|n| format!("u_{n}")).collect();
        let listed = Some(now - SignedDuration::from_mins(listed_minutes_ago));
        let mut cursor = Cursor { listed, users, ..Cursor::default() };
        let mut haul = Haul::new(Source::BoundaryApi, "b", now);
        windows(&source, &mut haul, &mut cursor);
        haul.coverage().iter().map(|window| (window.grade, window.lack.clone())).collect()
    }

    #[test]
    fn a_pause_longer_than_boundary_remembers_is_a_missed_window() {
        assert_eq!(told(5, 2), [(Grade::Proved, None)]);
        assert_eq!(told(5, 1), [(Grade::BestEffort, None)]);
        assert_eq!(told(90, 2), [(Grade::None, Some(Lack::Missed)), (Grade::Proved, None)]);
        assert!(matches!(told(5, 0)[..], [(Grade::None, Some(Lack::CannotRead { .. }))]));
    }

    #[test]
    fn a_deletion_tells_something_once_and_only_before_the_end_was_read() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let mut cursor = Cursor::default();
        cursor.read.insert("s_live000000".to_owned(), (3, None));
        cursor.read.insert("s_over000000".to_owned(), (4, Some(now)));
        let mut tells = |id: &str| cursor.note_removal(id, now);
        assert_eq!([tells("s_live000000"), tells("s_over000000"), tells("s_unseen0000")], [true, false, true]);
        assert_eq!([tells("s_live000000"), tells("s_unseen0000")], [false, false]);
    }
}
