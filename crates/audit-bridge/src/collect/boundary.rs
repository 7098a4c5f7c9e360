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
/// Sessions that are kept in one commit.
const AT_ONCE: usize = 200;
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
    /// Sessions that were listed and could not be read, with the time: a refresh does not list them again.
    #[serde(default)]
    unread: BTreeMap<String, Timestamp>,
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
    let token = cursor.token.clone();
    let of_one = match list(source, client, ledger, &mut haul, &mut cursor).await {
        Ok(of_one) => of_one,
        Err(error) if error.is_fatal() => return Err(error),
        Err(error) => {
            // What was read so far stays read: the next list, from the same place, goes on behind it.
            cursor.token = token;
            haul.cursor(CURSOR, json!(cursor));
            ledger.commit(haul)?;
            return not_read(ledger, Haul::new(Source::BoundaryApi, &source.name, now), &source.scope(), cursor.listed, error);
        }
    };
    windows(source, &mut haul, &mut cursor);
    cursor.listed = Some(now);
    // Boundary shows an ended session for an hour; after two nothing refers to it.
    let kept = now - SignedDuration::from_hours(2);
    cursor.read.retain(|_, (_, ended)| ended.is_none_or(|ended| ended > kept));
    cursor.unread.retain(|_, since| *since > kept);
    haul.cursor(CURSOR, json!(cursor));
    ledger.commit(haul)?;
    of_one.map_or(Ok(()), Err)
}

/// Lists what has changed, anew when the token is no longer good, and reads each session that has, with those that could not be
/// read before. Gives what went wrong with one session alone.
async fn list(
    source: &BoundarySource,
    client: &Client,
    ledger: &mut Ledger<'_>,
    haul: &mut Haul,
    cursor: &mut Cursor,
) -> Result<Option<CollectError>, CollectError> {
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
    let now = haul.at();
    for session in changed.sessions {
        cursor.unread.entry(session.id).or_insert(now);
    }
    let mut of_one = None;
    for (number, id) in cursor.unread.keys().cloned().collect::<Vec<_>>().into_iter().enumerate() {
        match one(source, client, ledger, haul, cursor, &id).await {
            Err(error) if is_of_one(&error) => of_one = of_one.or(Some(error)),
            read => read?,
        }
        if (number + 1).is_multiple_of(AT_ONCE) {
            // Kept with the token before: a round that is killed lists again, and reads only what it had not read.
            let mut part = std::mem::replace(haul, Haul::new(Source::BoundaryApi, &source.name, now));
            part.cursor(CURSOR, json!(cursor));
            ledger.commit(part)?;
        }
    }
    cursor.token = changed.token;
    Ok(of_one)
}

/// Whether an answer is about the session that was asked for alone, and not about the way to the controller or the account.
fn is_of_one(error: &CollectError) -> bool {
    let CollectError::Boundary(error) = error else { return false };
    match error.api() {
        Some(api) => matches!(api.kind, ErrorKind::Internal | ErrorKind::Unknown),
        None => matches!(error, boundary_api::Error::Answer { .. } | boundary_api::Error::AnswerTooLong { .. }),
    }
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
        read.facts.iter().for_each(|fact| cursor.note_user(&fact.body));
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
        self.unread.remove(id);
        known.is_none_or(|(_, ended)| ended.is_none())
    }

    /// Notes whose session is listed, if it was read before: a list that is read anew shows only so that others' are seen still.
    fn note_user(&mut self, listed: &Body) {
        if let Body::BoundarySession(session) = listed
            && self.read.contains_key(&session.id)
        {
            self.add_user(session.user_id.as_ref());
        }
    }

    fn add_user(&mut self, user: Option<&String>) {
        self.users.extend(user.filter(|_| self.users.len() < USERS).cloned());
    }
}

/// Reads one session; one that is gone meanwhile is left to the next list, and one that may not be read is asked for again.
async fn one(
    source: &BoundarySource,
    client: &Client,
    ledger: &Ledger<'_>,
    haul: &mut Haul,
    cursor: &mut Cursor,
    id: &str,
) -> Result<(), CollectError> {
    let body = match client.sessions().read_verbatim(id).await {
        Ok(body) => body,
        Err(error) => {
            let kind = error.api().map(|api| api.kind);
            tracing::warn!(event = "session_unread", place = %source.name, session = %id, "a listed session cannot be read: its bytes stay unknown");
            if kind == Some(ErrorKind::NotFound) {
                cursor.unread.remove(id);
            }
            let is_told = matches!(kind, Some(ErrorKind::NotFound | ErrorKind::PermissionDenied));
            return if is_told { Ok(()) } else { Err(error.into()) };
        }
    };
    cursor.unread.remove(id);
    let reading = haul.keep(ledger, &body, json!({"call": format!("GET /v1/sessions/{id}")}))?;
    let normalised = boundary_sessions::one(&reading, &body);
    for fact in &normalised.facts {
        if let Body::BoundarySession(read) = &fact.body {
            let ended = (read.status == BoundaryStatus::Terminated).then(|| haul.at());
            cursor.read.insert(read.id.clone(), (read.version, ended));
            cursor.add_user(read.user_id.as_ref());
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
            haul.not_covered(&source.scope(), from, now, Lack::CannotRead { text });
            return;
        }
        users if users >= USERS => Grade::Proved,
        _ => Grade::BestEffort,
    };
    match cursor.listed {
        Some(listed) if listed < safe => {
            haul.not_covered(&source.scope(), listed, safe, Lack::Missed);
            haul.covered(&source.scope(), safe, now, grade);
        }
        // The first session that is seen shows what the empty lists before it were worth, as far back as Boundary remembers.
        Some(listed) => {
            let shown = cursor.blind_from.take().map(|from| from.max(now - REMEMBERED));
            haul.covered(&source.scope(), shown.map_or(listed, |from| from.min(listed)), now, grade);
        }
        None => haul.covered(&source.scope(), safe, now, grade),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Asked, Desk, serve};
    use super::*;

    fn controller(addr: &str) -> Client {
        let token = Some(String::from("at_0123456789_token").into());
        Client::connect(&boundary_api::Settings { addr: addr.to_owned(), token, max_retries: 0, ..Default::default() }).unwrap()
    }

    fn listed(id: &str, user: &str) -> serde_json::Value {
        json!({"id": id, "version": 1, "status": "active", "user_id": user, "created_time": "2026-11-21T10:00:00Z"})
    }

    fn ids(facts: &[audit_facts::Fact]) -> BTreeSet<String> {
        let id = |fact: &audit_facts::Fact| match &fact.body {
            Body::BoundarySession(it) if it.connections.is_some() => Some(it.id.clone()),
            _ => None,
        };
        facts.iter().filter_map(id).collect()
    }

    /// Lists three sessions once, then nothing new; what is told of the second one is as the test has it.
    async fn with_an_odd_session(status: &'static std::sync::atomic::AtomicU16) -> Client {
        let addr = serve(move |asked: &Asked| {
            let status = status.load(std::sync::atomic::Ordering::Relaxed);
            let answer = match asked.line.split(' ').nth(1).unwrap_or_default() {
                path if path.contains("/sessions/s_2") && status != 200 => {
                    return (status, json!({"kind": "Odd", "message": "odd"}).to_string().into_bytes());
                }
                path if path.contains("/sessions/s_") => {
                    let id = path.rsplit('/').next().unwrap_or_default();
                    listed(id, &format!("u_{id}"))
                }
                path if path.contains("list_token") => json!({"response_type": "complete", "list_token": "lt_2"}),
                _ => {
                    let items = ["s_1000000000", "s_2000000000", "s_3000000000"].map(|id| listed(id, &format!("u_{id}")));
                    json!({"items": items, "response_type": "complete", "list_token": "lt_1"})
                }
            };
            (200, answer.to_string().into_bytes())
        });
        controller(&addr.await)
    }

    #[tokio::test]
    async fn one_session_that_cannot_be_read_keeps_no_other_from_being_kept_and_is_asked_for_again() {
        for code in [500, 403] {
            let status: &'static _ = Box::leak(Box::new(std::sync::atomic::AtomicU16::new(code)));
            let client = with_an_odd_session(status).await;
            let source: BoundarySource = serde_json::from_value(json!({"name": "b"})).unwrap();
            let (mut desk, now) = (Desk::new(), Timestamp::from_second(1_790_000_000).unwrap());
            let first = read(&source, &client, &mut desk.ledger(), now).await;
            assert_eq!(first.is_err(), code == 500, "{first:?}");
            let known = ["s_1000000000", "s_3000000000"].map(str::to_owned);
            assert_eq!(ids(&desk.facts("boundary_session")), BTreeSet::from(known), "{code}");
            status.store(200, std::sync::atomic::Ordering::Relaxed);
            read(&source, &client, &mut desk.ledger(), now + SignedDuration::from_mins(5)).await.unwrap();
            assert_eq!(ids(&desk.facts("boundary_session")).len(), 3, "{code}: nothing but a change lists it again");
        }
    }

    #[tokio::test]
    async fn a_list_that_breaks_off_keeps_what_was_read_and_covers_nothing() {
        let addr = serve(|asked: &Asked| match asked.line.split(' ').nth(1).unwrap_or_default() {
            path if path.contains("/sessions/s_2") => (503, Vec::new()),
            path if path.contains("/sessions/s_") => (200, listed("s_1000000000", "u_1").to_string().into_bytes()),
            _ => {
                let items = ["s_1000000000", "s_2000000000"].map(|id| listed(id, "u_1"));
                (200, json!({"items": items, "response_type": "complete", "list_token": "lt"}).to_string().into_bytes())
            }
        });
        let client = controller(&addr.await);
        let source: BoundarySource = serde_json::from_value(json!({"name": "b"})).unwrap();
        let (mut desk, now) = (Desk::new(), Timestamp::from_second(1_790_000_000).unwrap());
        read(&source, &client, &mut desk.ledger(), now).await.unwrap_err();
        assert_eq!(ids(&desk.facts("boundary_session")).len(), 1);
        assert!(desk.coverage(Source::BoundaryApi).is_empty());
    }

    #[tokio::test]
    async fn a_list_that_is_read_anew_shows_again_whose_sessions_are_seen() {
        let addr = serve(|asked: &Asked| match asked.line.split(' ').nth(1).unwrap_or_default() {
            path if path.contains("/sessions/s_") => {
                let id = path.rsplit('/').next().unwrap_or_default();
                (200, listed(id, &format!("u_{id}")).to_string().into_bytes())
            }
            path if path.contains("list_token") => {
                let text = json!({"kind": "invalid list token", "message": "the list token is too old", "status": 400});
                (400, text.to_string().into_bytes())
            }
            _ => {
                let items = ["s_1000000000", "s_2000000000"].map(|id| listed(id, &format!("u_{id}")));
                (200, json!({"items": items, "response_type": "complete", "list_token": "lt"}).to_string().into_bytes())
            }
        });
        let client = controller(&addr.await);
        let source: BoundarySource = serde_json::from_value(json!({"name": "b"})).unwrap();
        let (mut desk, now) = (Desk::new(), Timestamp::from_second(1_790_000_000).unwrap());
        for minutes in [0, 5] {
            read(&source, &client, &mut desk.ledger(), now + SignedDuration::from_mins(minutes)).await.unwrap();
        }
        let grades: Vec<Grade> = desk.coverage(Source::BoundaryApi).iter().map(|window| window.grade).collect();
        assert_eq!(grades, [Grade::Proved], "the list has others' sessions still");
    }

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
