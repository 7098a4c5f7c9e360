//! Lists: which scope is asked, whether the caller may ask, pages, refreshes with removed ids, list tokens.
//!
//! Source: boundary internal/listtoken and internal/pagination, as documented, and v0.21.2, measured.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::boundary::documents::View;
use crate::boundary::filter::Filter;
use crate::boundary::kind::Kind;
use crate::boundary::refusal::{self, Answer, invalid_list};
use crate::boundary::rights::{Caller, Rights, Subject};
use crate::boundary::state::State;
use crate::boundary::store::{GLOBAL, Store};

/// Most items of a page. Source: boundary globals/globals.go.
const PAGE: usize = 1000;
/// How far a refresh looks back. Source: boundary globals/globals.go.
const LOOK_BACK: SignedDuration = SignedDuration::from_secs(30);
/// How long a list token is good. Source: boundary internal/listtoken.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

type Query = BTreeMap<String, String>;

/// Where a list goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Items created before this place.
    Before(u64),
    /// What has changed since the moment, microseconds; of it what comes after the last one shown: its time and place.
    Since(i64, Option<(i64, u64)>),
}

/// A list token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token {
    digest: u64,
    created: i64,
    /// When the listing began, microseconds.
    began: i64,
    step: Step,
}

impl Token {
    fn write(self, kind: Kind) -> String {
        let step = match self.step {
            Step::Before(place) => format!("p.{place}"),
            Step::Since(since, None) => format!("r.{since}"),
            Step::Since(since, Some((time, place))) => format!("r.{since}.{time}.{place}"),
        };
        let Self { digest, created, began, .. } = self;
        URL_SAFE_NO_PAD.encode(format!("{}.{digest}.{created}.{began}.{step}", kind.plural()))
    }

    /// Reads a token: its collection and what it says.
    fn read(text: &str) -> Option<(String, Self)> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let parts: Vec<&str> = text.split('.').collect();
        let [plural, digest, created, began, step @ ..] = &parts[..] else { return None };
        let step = match step {
            ["p", place] => Step::Before(place.parse().ok()?),
            ["r", since] => Step::Since(since.parse().ok()?, None),
            ["r", since, time, place] => Step::Since(since.parse().ok()?, Some((time.parse().ok()?, place.parse().ok()?))),
            _ => return None,
        };
        let (digest, created) = (digest.parse().ok()?, created.parse().ok()?);
        Some(((*plural).to_owned(), Self { digest, created, began: began.parse().ok()?, step }))
    }
}

/// What a list asks for.
struct Asked {
    kind: Kind,
    parent: String,
    recursive: bool,
    filter: Filter,
    page: usize,
    with_terminated: bool,
    token: Option<Token>,
}

/// An item with its place in both orders.
struct Row {
    place: u64,
    updated: i64,
    shown: Value,
}

/// Answers a list.
pub(crate) fn list(state: &mut State, kind: Kind, caller: &Caller, query: &Query) -> Result<Value, Answer> {
    state.forget_sessions();
    let rights = state.rights(caller);
    let mut asked = read(state, kind, query)?;
    may_list(&state.store, &rights, caller, &asked)?;
    if let Some(text) = query.get("list_token").filter(|text| !text.is_empty()) {
        asked.token = Some(token(text, kind, &rights, state.now())?);
    }
    let view = View { store: &state.store, rights: &rights, caller, in_a_list: true };
    let listing = Listing { state, view, asked: &asked };
    Ok(match asked.token.map(|token| token.step) {
        Some(Step::Since(since, after)) => listing.refresh(since, after),
        _ if kind == Kind::Worker => listing.unpaged(),
        _ => listing.page(),
    })
}

fn read(state: &State, kind: Kind, query: &Query) -> Result<Asked, Answer> {
    let set = |name: &str| query.get(name).is_some_and(|value| value == "true");
    let recursive = set("recursive");
    let parent = query.get(kind.parent()).cloned().unwrap_or_default();
    let page = match query.get("page_size").map(|text| text.parse::<usize>()) {
        None | Some(Ok(0)) => PAGE,
        Some(Ok(size)) => size.min(PAGE),
        Some(Err(_)) => {
            return Err(refusal::internal(
                "rpc error: code = InvalidArgument desc = parsing field \"page_size\": strconv.ParseUint: invalid syntax",
            ));
        }
    };
    right_parent(kind, &parent, recursive)?;
    let filter = match query.get("filter").filter(|text| !text.is_empty()).map(|text| Filter::parse(text)) {
        Some(None) => return Err(invalid_list("filter", "This field could not be parsed.")),
        Some(Some(filter)) => filter,
        None => Filter::default(),
    };
    if state.store.find(&parent).is_none() {
        return Err(refusal::not_found());
    }
    Ok(Asked { kind, parent, recursive, filter, page, with_terminated: set("include_terminated"), token: None })
}

fn right_parent(kind: Kind, parent: &str, recursive: bool) -> Result<(), Answer> {
    let is = |prefixes: &[&str]| prefixes.iter().any(|prefix| parent.starts_with(prefix));
    let scoped = parent == GLOBAL || is(&["o_", "p_"]);
    match kind {
        Kind::Target | Kind::Session | Kind::CredentialStore if !(is(&["p_"]) || scoped && recursive) => {
            let what = "This field must be a valid project scope ID or the list operation must be recursive.";
            Err(invalid_list("scope_id", what))
        }
        Kind::Account if !is(&["ampw_", "amoidc_", "amldap_"]) => Err(bad_auth_method()),
        Kind::ManagedGroup if !is(&["amoidc_", "amldap_"]) => Err(bad_auth_method()),
        Kind::Credential if !is(&["csst_"]) => Err(invalid_list("credential_store_id", "Improperly formatted identifier.")),
        Kind::Account | Kind::ManagedGroup | Kind::Credential => Ok(()),
        Kind::User if is(&["p_"]) => Err(invalid_list("scope_id", "Must be 'global' or a valid org scope id when listing.")),
        Kind::Worker if parent != GLOBAL => Err(refusal::invalid("scope_id", "Must be 'global' when listing.")),
        Kind::Alias if is(&["o_", "p_"]) && !recursive => Err(refusal::forbidden()),
        _ if !scoped => Err(invalid_list("scope_id", "Improperly formatted field.")),
        _ => Ok(()),
    }
}

/// The message itself is garbled in the controller (measured).
fn bad_auth_method() -> Answer {
    let message = "Error in provided request.\", Details: {{name: \"auth_method_id\", desc: \"Invalid formatted identifier.";
    refusal::error(400, "InvalidArgument", message)
}

/// Whoever may list somewhere below is answered with what that shows; whoever may list nowhere is refused.
fn may_list(store: &Store, rights: &Rights, caller: &Caller, asked: &Asked) -> Result<(), Answer> {
    let chain = store
        .find(&asked.parent)
        .map(|holder| if holder.kind == Kind::Scope { store.chain(&asked.parent) } else { store.scopes_of(holder) });
    let chain = chain.unwrap_or_default();
    let subject = Subject { kind: asked.kind, id: "", parent: &asked.parent, chain: &chain, own: false };
    if rights.allow_collection(subject, "list") {
        return Ok(());
    }
    let below = |role_scope: &str, scopes: &std::collections::BTreeSet<String>| {
        let reaches = |scope: &str| store.chain(scope).contains(&asked.parent);
        scopes.iter().any(|word| match word.as_str() {
            "this" => reaches(role_scope),
            "children" | "descendants" => reaches(role_scope) || chain.iter().any(|scope| scope == role_scope),
            id => reaches(id),
        })
    };
    if asked.recursive && !caller.is_nobody() && rights.list_somewhere(asked.kind, below) {
        return Ok(());
    }
    Err(if caller.is_nobody() && !asked.recursive { refusal::unauthenticated() } else { refusal::forbidden() })
}

fn token(text: &str, kind: Kind, rights: &Rights, now: Timestamp) -> Result<Token, Answer> {
    let Some((plural, token)) = Token::read(text) else {
        let message = "handlers.ParseListToken: unknown, unknown: error #0: proto: cannot parse invalid wire-format data";
        return Err(refusal::internal(message));
    };
    if plural != kind.plural() {
        return Err(refusal::list_token("token resource type does not match the request's"));
    }
    let created = Timestamp::from_microsecond(token.created).unwrap_or(Timestamp::MIN);
    if now.duration_since(created) > TOKEN_LIFE {
        return Err(refusal::list_token("list token was created too long ago"));
    }
    if token.digest == rights.digest { Ok(token) } else { Err(refusal::old_list_token()) }
}

/// The controller picks a page of roles, and one more, by creation, sorts these by their last change, and goes on from the last
/// one that it shows: pages of changed roles repeat some and lose others (measured on v0.21.2; targets, aliases and users are whole).
fn mix(rows: &mut [Row]) {
    rows.sort_by_key(|row| std::cmp::Reverse((row.updated, row.place)));
}

struct Listing<'a> {
    state: &'a State,
    view: View<'a>,
    asked: &'a Asked,
}

impl Listing<'_> {
    /// Returns what the caller may see of the kind, the newest first, from before a place.
    fn rows(&self, before: u64) -> Box<dyn Iterator<Item = Row> + '_> {
        let shown = |row: Row| self.asked.filter.shows(&row.shown).then_some(row);
        if self.asked.kind == Kind::Session {
            let asked = |session: &&crate::boundary::model::Session| {
                self.asked.with_terminated || session.status() != crate::boundary::model::BoundaryStatus::Terminated
            };
            let sessions = self.state.sessions.newest(before).filter(asked).filter(|session| self.is_in_scope(&session.scope_id));
            let row = |session: &crate::boundary::model::Session| {
                let shown = self.view.session(session, "list")?;
                Some(Row { place: session.place, updated: session.updated.as_microsecond(), shown })
            };
            return Box::new(sessions.filter_map(row).filter_map(shown));
        }
        let objects = self.state.store.newest(self.asked.kind, before).filter(|object| self.is_in_scope(&object.parent));
        let row = |object: &crate::boundary::store::Object| {
            let shown = self.view.object(object, "list").filter(|_| self.may_list_in(object))?;
            Some(Row { place: object.place, updated: object.updated.as_microsecond(), shown })
        };
        Box::new(objects.filter_map(row).filter_map(shown))
    }

    fn is_in_scope(&self, parent: &str) -> bool {
        let asked = &self.asked.parent;
        parent == asked || self.asked.recursive && !parent.is_empty() && self.state.store.chain(parent).contains(asked)
    }

    fn may_list_in(&self, object: &crate::boundary::store::Object) -> bool {
        let chain = self.state.store.scopes_of(object);
        let subject = Subject { kind: object.kind, id: "", parent: &object.parent, chain: &chain, own: false };
        self.view.rights.allow_collection(subject, "list")
    }

    fn page(&self) -> Value {
        let now = self.state.now().as_microsecond();
        let former = self.asked.token;
        let before = former.map_or(u64::MAX, |token| match token.step {
            Step::Before(place) => place,
            Step::Since(..) => u64::MAX,
        });
        let mut rows: Vec<Row> = self.rows(before).take(self.asked.page + 1).collect();
        let more = rows.len() > self.asked.page;
        if self.asked.kind == Kind::Role {
            mix(&mut rows);
        }
        rows.truncate(self.asked.page);
        let (created, began) = former.map_or((now, now), |token| (token.created, token.began));
        let last = rows.last().map_or(0, |row| row.place);
        let step = if more { Step::Before(last) } else { Step::Since(began, None) };
        let token = Token { digest: self.view.rights.digest, created, began, step };
        let mut answer = self.answer(rows, more, token, "created_time");
        if former.is_none() && answer.get("items").is_none() {
            answer.remove("list_token");
            answer.remove("est_item_count");
        }
        Value::Object(answer)
    }

    fn refresh(&self, since: i64, after: Option<(i64, u64)>) -> Value {
        let now = self.state.now().as_microsecond();
        let from = since.saturating_sub(i64::try_from(LOOK_BACK.as_micros()).unwrap_or_default());
        let mut rows: Vec<Row> = self.rows(u64::MAX).filter(|row| row.updated >= from).collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.updated, row.place)));
        rows.retain(|row| after.is_none_or(|after| (row.updated, row.place) < after));
        let more = rows.len() > self.asked.page;
        rows.truncate(self.asked.page);
        let last = rows.last().map(|row| (row.updated, row.place));
        let began = if after.is_some() { self.asked.token.map_or(now, |token| token.began) } else { now };
        let step = if more { Step::Since(since, last) } else { Step::Since(began, None) };
        let created = self.asked.token.map_or(now, |token| token.created);
        let token = Token { digest: self.view.rights.digest, created, began, step };
        let mut answer = self.answer(rows, more, token, "updated_time");
        if after.is_none() {
            let from = Timestamp::from_microsecond(from).unwrap_or(Timestamp::MIN);
            let removed = self.state.store.removed_since(self.asked.kind, from);
            if !removed.is_empty() {
                answer.insert("removed_ids".to_owned(), json!(removed));
            }
        }
        Value::Object(answer)
    }

    fn answer(&self, rows: Vec<Row>, more: bool, token: Token, sort_by: &str) -> Map<String, Value> {
        let items: Vec<Value> = rows.into_iter().map(|row| row.shown).collect();
        let sessions = self.state.sessions.ids().len();
        let count = if self.asked.kind == Kind::Session { sessions } else { self.state.store.count(self.asked.kind) };
        let mut answer = Map::from_iter([
            ("response_type".to_owned(), json!(if more { "delta" } else { "complete" })),
            ("list_token".to_owned(), json!(token.write(self.asked.kind))),
            ("sort_by".to_owned(), json!(sort_by)),
            ("sort_dir".to_owned(), json!("desc")),
            ("est_item_count".to_owned(), json!(count)),
        ]);
        if !items.is_empty() {
            answer.insert("items".to_owned(), json!(items));
        }
        answer
    }

    fn unpaged(&self) -> Value {
        let items: Vec<Value> = self.rows(u64::MAX).map(|row| row.shown).collect();
        if items.is_empty() { json!({}) } else { json!({ "items": items }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_where_it_goes_on() {
        for step in [Step::Before(7), Step::Since(-3, None), Step::Since(9, Some((8, 2)))] {
            let token = Token { digest: u64::MAX, created: 5, began: 6, step };
            assert_eq!(Token::read(&token.write(Kind::Target)), Some(("targets".to_owned(), token)));
        }
        assert_eq!(Token::read("abc"), None);
    }
}
