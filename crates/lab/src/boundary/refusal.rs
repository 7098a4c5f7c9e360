//! The controller's error answers, word for word where a program may look at them.
//! Source: boundary internal/daemon/controller/handlers/errors.go, and v0.21.2, measured.

use serde_json::{Value, json};

use crate::boundary::kind::Kind;

/// A status and a document; null is an empty body.
pub(crate) type Answer = (u16, Value);

pub(crate) fn error(status: u16, kind: &str, message: &str) -> Answer {
    (status, json!({ "kind": kind, "message": message }))
}

pub(crate) fn not_found() -> Answer {
    error(404, "NotFound", "Resource not found.")
}

pub(crate) fn forbidden() -> Answer {
    error(403, "PermissionDenied", "Forbidden.")
}

pub(crate) fn unauthenticated() -> Answer {
    error(401, "Unauthenticated", "Unauthenticated, or invalid token.")
}

/// A field of a request is wrong.
pub(crate) fn invalid(field: &str, description: &str) -> Answer {
    wrong("Error in provided request.", field, description)
}

/// A field of a sub-action is wrong.
pub(crate) fn invalid_in_action(field: &str, description: &str) -> Answer {
    wrong("Errors in provided fields.", field, description)
}

/// A parameter of a list is wrong.
pub(crate) fn invalid_list(field: &str, description: &str) -> Answer {
    wrong("Improperly formatted identifier.", field, description)
}

/// A field is wrong, with the message that stands above it.
pub(crate) fn wrong(message: &str, field: &str, description: &str) -> Answer {
    let details = json!({ "request_fields": [{ "name": field, "description": description }] });
    (400, json!({ "kind": "InvalidArgument", "message": message, "details": details }))
}

pub(crate) fn not_unique() -> Answer {
    let message = "Invalid request.  Request attempted to make second resource with the same field value that must be unique.";
    error(400, "InvalidArgument", message)
}

/// An update named another version.
pub(crate) fn stale(kind: Kind, id: &str) -> Answer {
    let lost = if kind == Kind::Target { "not found" } else { "doesn't exist" };
    error(404, "NotFound", &format!("{} {id:?} {lost} or incorrect version provided.", kind.noun()))
}

/// A sub-action named another version, or adds what is there.
pub(crate) fn no_rows(act: &str, function: &str, noun: &str) -> Answer {
    let message = format!(
        "Unable to {act}: iam.(Repository).{function}: db.DoTx: iam.(Repository).{function}: updated {noun} and 0 rows updated: \
         search issue: error #1101."
    );
    error(500, "Internal", &message)
}

pub(crate) fn internal(message: &str) -> Answer {
    error(500, "Internal", message)
}

/// The update names nothing that can be changed.
pub(crate) fn nothing_to_update() -> Answer {
    wrong("No valid fields included in the update mask.", "update_mask", "No valid paths provided in the update mask.")
}

/// A list token of former rights.
pub(crate) fn old_list_token() -> Answer {
    list_token("grants have changed since list token was issued")
}

/// A list token that is too old, or of another kind of list.
pub(crate) fn list_token(message: &str) -> Answer {
    (400, json!({ "kind": "invalid list token", "op": "listtoken.Validate", "message": message }))
}

pub(crate) fn no_worker() -> Answer {
    let message = "server.(Repository).SelectSessionWorkers: server.filterWorkers: No workers are available to handle this \
                   session, or all have been filtered.: state violation: error #133";
    internal(message)
}
