//! The fake's sub-actions: logins, sessions, and the lists inside roles, users and targets.

use super::store::{Store, not_found};
use super::{Answer, error};
use serde_json::{Value, json};

impl Store {
    pub(super) fn authenticate(&mut self, auth_method_id: &str, body: &Value) -> Answer {
        if self.find(auth_method_id).is_none() {
            return not_found();
        }
        let account = self.entries.iter().find(|entry| {
            entry.document["auth_method_id"] == auth_method_id && entry.document["attributes"] == body["attributes"]
        });
        let account_id = account.map(|entry| entry.document["id"].clone());
        let holds = |document: &Value| {
            document["account_ids"].as_array().is_some_and(|ids| ids.iter().any(|id| Some(id) == account_id.as_ref()))
        };
        let Some(user) = self.entries.iter().find(|entry| holds(&entry.document)) else {
            return error(401, "Unauthenticated", "Unable to authenticate.");
        };
        let user_id = user.document["id"].as_str().unwrap().to_owned();
        self.now += 1;
        let id = format!("at_{:010}", self.now);
        let token = format!("{id}_s1secret");
        self.users_by_token.insert(token.clone(), user_id.clone());
        let attributes = json!({ "id": id, "token": token, "user_id": user_id, "account_id": account_id,
            "auth_method_id": auth_method_id, "expiration_time": "2026-11-28T07:37:55Z" });
        (200, Some(json!({ "attributes": attributes, "command": "login", "type": "token" })))
    }

    pub(super) fn act(&mut self, user: &str, id: &str, action: &str, body: &Value) -> Answer {
        match action {
            "authorize-session" => self.authorize(user, id),
            "cancel" => self.cancel(id, body),
            _ => self.set_or_add(id, action, body),
        }
    }

    fn authorize(&mut self, user: &str, target_id: &str) -> Answer {
        let target = self.find(target_id).unwrap().document.clone();
        let port = target["attributes"]["default_port"].clone();
        let endpoint = format!("tcp://{}:{port}", target["address"].as_str().unwrap_or_default());
        let state = json!({ "status": "pending", "start_time": "2026-11-21T07:00:00Z" });
        let session = json!({ "target_id": target_id, "scope": target["scope"], "scope_id": target["scope_id"], "type": "tcp",
            "user_id": user, "auth_token_id": "at_1234567890", "endpoint": endpoint, "status": "pending", "states": [state],
            "expiration_time": "2026-11-21T15:00:00.5Z", "certificate": "MIIB" });
        let session = self.insert(user, "sessions", session);
        let mut answer = json!({ "session_id": session["id"], "target_id": target_id, "scope": target["scope"], "user_id": user,
            "type": "tcp", "authorization_token": "3mJrSECRET", "connection_limit": -1, "endpoint": endpoint, "endpoint_port": port,
            "created_time": session["created_time"], "expiration": "2026-11-21T15:00:00.5Z" });
        if let Some(source) = target["brokered_credential_source_ids"][0].as_str() {
            let object = self.find(source).unwrap().document["attributes"]["object"].clone();
            let secret = json!({ "raw": "e30=", "decoded": object });
            let source = json!({ "id": source, "type": "static", "credential_type": "json" });
            answer["credentials"] = json!([{ "credential_source": source, "secret": secret, "credential": object }]);
        }
        (200, Some(answer))
    }

    fn cancel(&mut self, id: &str, body: &Value) -> Answer {
        let session = self.find(id).unwrap().document.clone();
        if session["status"] == "terminated" {
            return (200, Some(session));
        }
        if session["version"] != body["version"] {
            return error(
                500,
                "Internal",
                "session.(Repository).updateState: updated session and 0 rows updated: search issue: error #1101",
            );
        }
        let states = json!([{ "status": "terminated" }, { "status": "canceling" }, { "status": "pending" }]);
        let fields = json!({ "status": "terminated", "termination_reason": "canceled", "states": states });
        (200, Some(self.change(id, &fields)))
    }

    fn set_or_add(&mut self, id: &str, action: &str, body: &Value) -> Answer {
        let document = self.find(id).unwrap().document.clone();
        if document["version"] != body["version"] {
            return error(
                500,
                "Internal",
                "Unable to change role: db.DoTx: updated role and 0 rows updated: search issue: error #1101.",
            );
        }
        let mut fields = body.as_object().unwrap().clone();
        fields.remove("version");
        if action.starts_with("add-") {
            for (name, values) in &mut fields {
                let mut all = document[name].as_array().cloned().unwrap_or_default();
                all.extend(values.as_array().unwrap().iter().cloned());
                *values = all.into();
            }
        }
        if id.starts_with("r_") {
            self.grants_generation += 1;
        }
        (200, Some(self.change(id, &fields.into())))
    }
}
