//! The wrapper's records: a whole journal of its host, or one line that was delivered alone.
//!
//! Owns what of a record is kept. The chain shows that a journal was not changed in between; one line alone shows nothing.
//! Source: `audit_record::session`.

use super::journal::{Line, one, walk};
use super::{Normalised, Reading, Why};
use crate::fact::Body;
use crate::ids::{SsmSessionId, TaskId};
use crate::sync::{LinkEnd, LinkStart};
use audit_record::{SessionEnd, SessionLine, SessionStart};
use investigation::BoundarySessionId;

/// Whether a journal ends within a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalNext {
    /// The last line has no line feed: it is still being written, or was cut off.
    pub is_unfinished: bool,
}

/// Reads a whole journal, and tells where its chain does not hold; the name says which journal it is.
pub fn journal(reading: &Reading, name: &str, bytes: &[u8]) -> Normalised<JournalNext> {
    let mut read = Normalised::<JournalNext>::new();
    for (number, line) in walk::<SessionLine>(name, bytes) {
        match line {
            Line::Record(line) => read.add(reading, number, body(line).map(|body| [body])),
            Line::Unreadable(why) => read.refuse(number, why),
            Line::Break(broken) => read.add(reading, number, Ok([Body::ChainBreak(broken)])),
            Line::Unfinished => read.next.is_unfinished = true,
        }
    }
    read
}

/// Reads one line that was delivered alone.
pub fn record(reading: &Reading, line: &[u8]) -> Normalised {
    let mut read = Normalised::new();
    read.add(reading, 1, one(line).and_then(body).map(|body| [body]));
    read
}

fn body(line: SessionLine) -> Result<Body, Why> {
    Ok(match line {
        SessionLine::SessionStart(start) => Body::LinkStart(Box::new(link_start(*start)?)),
        SessionLine::SessionEnd(end) => Body::LinkEnd(Box::new(link_end(*end)?)),
    })
}

fn boundary_session(id: Option<String>) -> Result<Option<BoundarySessionId>, Why> {
    id.map(BoundarySessionId::try_from).transpose().map_err(|_| Why::Malformed("boundary_session_id"))
}

fn task(arn: &str) -> Result<TaskId, Why> {
    TaskId::of_reference(arn).map_err(|_| Why::Malformed("task_arn"))
}

fn link_start(start: SessionStart) -> Result<LinkStart, Why> {
    Ok(LinkStart {
        record_id: start.record_id,
        at: start.at,
        principal_arn: start.principal_arn,
        boundary_session_id: boundary_session(start.boundary_session_id)?,
        boundary_session_id_source: start.boundary_session_id_source,
        boundary_target_id: start.boundary_target_id,
        boundary_user_id: start.boundary_user_id,
        boundary_correlation_id: start.boundary_correlation_id,
        task_id: Some(task(&start.task_arn)?),
        task_arn: start.task_arn,
        container: start.container,
        route: start.route,
        local_user: start.local_user,
        host: start.host,
        reason: start.reason,
    })
}

fn link_end(end: SessionEnd) -> Result<LinkEnd, Why> {
    let session = end.ssm_session_id.map(SsmSessionId::try_from).transpose();
    let (transcript_file, transcript_sha256) = end.transcript.map(|it| (it.file, it.sha256)).unzip();
    Ok(LinkEnd {
        record_id: end.record_id,
        at: end.at,
        ssm_session_id: session.map_err(|_| Why::Malformed("ssm_session_id"))?,
        task_id: Some(task(&end.task_arn)?),
        boundary_session_id: boundary_session(end.boundary_session_id)?,
        exit_code: end.exit_code,
        exit_source: end.exit_source,
        ending: end.ending,
        remote_end: end.remote_end,
        bytes_out: end.bytes_out,
        bytes_in: end.bytes_in,
        resumes: end.resumes,
        output_sha256: end.output_sha256,
        output_canonical_bytes: end.output_canonical_bytes,
        output_checkpoints: end.output_checkpoints,
        transcript_sha256,
        transcript_file,
    })
}
