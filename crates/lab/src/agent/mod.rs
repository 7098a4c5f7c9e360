//! stub
use crate::gateway::session::{Inbox, Session, ToAgent};
use crate::shared::Shared;
use std::sync::Arc;
pub(crate) async fn run(_shared: Arc<Shared>, session: Arc<Session>, mut inbox: Inbox) {
    while let Some(m) = inbox.recv().await {
        if let ToAgent::Close(_) = m {
            session.end("");
        }
    }
}
