//! The controller as a checker of invariants sees it: all documents as the administrator would read them, and who may have a
//! session with what. It changes nothing.

use serde_json::{Map, Value, json};

use crate::boundary::Boundary;
use crate::boundary::documents::View;
use crate::boundary::kind::Kind;
use crate::boundary::requests;
use crate::boundary::rights::Caller;
use crate::boundary::state::State;

/// What a snapshot holds beside the sessions, under these names of collections.
const KINDS: [Kind; 8] =
    [Kind::Scope, Kind::User, Kind::Group, Kind::ManagedGroup, Kind::Role, Kind::Target, Kind::Alias, Kind::Worker];

impl Boundary {
    /// Returns all objects: for each collection, such as `targets`, the documents as an administrator reads them, the newest first.
    ///
    /// # Panics
    /// When the administrator was deleted.
    pub fn snapshot(&self) -> Value {
        self.know_worker();
        let mut state = self.state();
        let admin = caller_of(&state, "u_lab0000003").expect("the administrator is there");
        let rights = state.rights(&admin);
        let view = View { store: &state.store, rights: &rights, caller: &admin, in_a_list: false };
        let mut all = Map::new();
        for kind in KINDS {
            let documents = state.store.newest(kind, u64::MAX).filter_map(|object| view.object(object, "read"));
            all.insert(kind.plural().to_owned(), documents.collect());
        }
        let sessions = state.sessions.newest(u64::MAX).filter_map(|session| view.session(session, "read"));
        all.insert("sessions".to_owned(), sessions.collect());
        json!(all)
    }

    /// Says whether authorize-session of a target (its id or an alias) would be permitted to a user now: by his grants, the target's
    /// address, and a live worker that its egress filter takes. Nothing is made.
    pub fn may_authorize(&self, user_id: &str, target: &str) -> bool {
        let mut state = self.state();
        let Some(caller) = caller_of(&state, user_id) else { return false };
        let aliased = state.store.alias(target).map(|alias| alias.text("destination_id").to_owned());
        requests::authorizable(&mut state, &caller, aliased.as_deref().unwrap_or(target)).is_ok()
    }
}

fn caller_of(state: &State, user_id: &str) -> Option<Caller> {
    let user = state.store.one(Kind::User, user_id)?;
    let account_id = user.texts("account_ids").next().unwrap_or_default().to_owned();
    Some(Caller { user_id: user_id.to_owned(), account_id, auth_token_id: String::new() })
}
