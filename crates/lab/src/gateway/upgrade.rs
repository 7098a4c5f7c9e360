//! The check of a WebSocket upgrade: the path's session, the way it came, the signature and the right to open.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};

use crate::aws::{ApiError, authenticate};
use crate::gateway::session::Session;
use crate::gateway::{Peer, refuse};
use crate::iam;
use crate::shared::Shared;
use crate::tasks::{ACCOUNT, REGION};

const ACTION: &str = "ssmmessages:OpenDataChannel";
const PATH: &str = "/v1/data-channel/";

/// One upgrade and what came out of its check.
pub(crate) struct Upgrade<'a> {
    shared: &'a Arc<Shared>,
    peer: &'a Peer,
    pub(crate) session_id: String,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) signed: bool,
    pub(crate) headers: Vec<(String, String)>,
    /// Whether it was refused, which the journal then tells.
    pub(crate) is_refused: bool,
}

impl<'a> Upgrade<'a> {
    pub(crate) fn new(shared: &'a Arc<Shared>, peer: &'a Peer) -> Self {
        let (session_id, headers) = (String::new(), Vec::new());
        Self { shared, peer, session_id, session: None, signed: false, headers, is_refused: false }
    }

    fn check(&mut self, request: &Request) -> Result<(), ApiError> {
        self.headers = visible_headers(request);
        request.uri().path().strip_prefix(PATH).unwrap_or_default().clone_into(&mut self.session_id);
        let session = self.shared.sessions.find(&self.session_id);
        let session = session.ok_or_else(|| ApiError::new(404, "SessionNotFound", "no such data channel"))?;
        if self.shared.faults.takes_upgrade_refusal() {
            return Err(ApiError::new(403, "AccessDeniedException", "the lab was asked to answer so"));
        }
        if self.shared.options.only_via_worker && !self.peer.via_worker {
            let text = format!(
                "not authorized to perform: {ACTION}: the request did not come through the allowed endpoint (aws:SourceVpce)"
            );
            return Err(ApiError::new(403, "AccessDeniedException", &text));
        }
        self.check_signature(request)?;
        self.session = Some(session);
        Ok(())
    }

    fn check_signature(&mut self, request: &Request) -> Result<(), ApiError> {
        if !request.headers().contains_key("authorization") {
            let text = "Missing Authentication Token";
            let refused = ApiError::new(403, "MissingAuthenticationTokenException", text);
            return if self.shared.faults.unsigned_accepted() { Ok(()) } else { Err(refused) };
        }
        let (parts, ()) = request.clone().into_parts();
        let forbidden = |error: ApiError| ApiError::new(403, &error.code, &error.message);
        let principal = authenticate(self.shared, &parts, &Bytes::new(), ACTION).map_err(forbidden)?;
        let resource = format!("arn:aws:ssm:{REGION}:{ACCOUNT}:session/{}", self.session_id);
        let question = iam::Request { action: ACTION, resource: &resource, context: &BTreeMap::new() };
        principal.authorise(&question).map_err(|denied| forbidden(ApiError::denied(&denied)))?;
        self.signed = true;
        Ok(())
    }
}

impl Callback for &mut Upgrade<'_> {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        match self.check(request) {
            Ok(()) => Ok(response),
            Err(error) => {
                // Before the answer: who was answered may look.
                self.is_refused = true;
                refuse(self.shared, self.peer, &self.session_id, &error.to_string());
                Err(refusal(&error))
            }
        }
    }
}

fn refusal(error: &ApiError) -> ErrorResponse {
    let body = json!({"__type": error.code, "message": error.message}).to_string();
    let mut response = ErrorResponse::new(Some(body));
    *response.status_mut() = error.status();
    debug_assert_ne!(error.status(), StatusCode::SWITCHING_PROTOCOLS);
    response
}

fn visible_headers(request: &Request) -> Vec<(String, String)> {
    let secret = |name: &str| matches!(name, "authorization" | "x-amz-security-token");
    let headers = request.headers().iter().map(|(name, value)| {
        let shown = if secret(name.as_str()) { "<redacted>".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        (name.as_str().to_owned(), shown.into_owned())
    });
    headers.collect()
}
