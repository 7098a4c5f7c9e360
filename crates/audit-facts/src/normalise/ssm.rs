//! SSM's DescribeSessions: that a session was, and when it began and ended.
//!
//! Sessions on instances are no facts. Source: SSM API reference, `DescribeSessions`; times are seconds with a fraction.

use super::fields::{Fields, parse};
use super::{Normalised, Reading, Why};
use crate::fact::Body;
use crate::ids::{SsmSessionId, TaskId};
use crate::transcript::SsmSession;
use serde_json::Value;

/// Where DescribeSessions goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SsmSessionsNext {
    /// The token of the next page.
    pub next_token: Option<String>,
}

/// Reads a page of DescribeSessions.
pub fn sessions(reading: &Reading, page: &[u8]) -> Normalised<SsmSessionsNext> {
    match parse(page).and_then(|page| read_page(reading, Fields::of(&page)?)) {
        Ok(read) => read,
        Err(why) => Normalised::unreadable(why),
    }
}

fn read_page(reading: &Reading, page: Fields<'_>) -> Result<Normalised<SsmSessionsNext>, Why> {
    let mut read = Normalised::<SsmSessionsNext>::new();
    read.next.next_token = page.owned("NextToken")?;
    for (place, value) in page.page("Sessions")?.iter().enumerate() {
        read.add(reading, place + 1, session(value));
    }
    Ok(read)
}

fn session(value: &Value) -> Result<Option<Body>, Why> {
    let fields = Fields::of(value)?;
    let target = fields.required("Target")?;
    if !target.starts_with("ecs:") {
        return Ok(None);
    }
    let id = SsmSessionId::parse(fields.required("SessionId")?).map_err(|_| Why::Malformed("SessionId"))?;
    Ok(Some(Body::SsmSession(Box::new(SsmSession {
        ssm_session_id: id,
        target: target.to_owned(),
        task_id: TaskId::of_ssm_target(target).ok(),
        owner: fields.owned("Owner")?.unwrap_or_default(),
        document: fields.owned("DocumentName")?,
        status: fields.required("Status")?.to_owned(),
        started: fields.time("StartDate")?,
        ended: fields.time("EndDate")?,
    }))))
}
