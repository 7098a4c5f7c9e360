//! One question on its way to an answer: what is sent next, and what an answer means.
//!
//! Pure: answers in, requests and pauses out. It never sends, sleeps or rolls dice.
//!
//! ```text
//! request ─► answer ─► taken
//!               ├ throttled, failed, lost ─► pause ─► request
//!               ├ another region ─► request there, once
//!               └ refused
//! ```

use crate::asking::{Asking, Form, is_region};
use crate::attempts::{Attempts, Passing, Schedule};
use crate::error::ReadError;
use crate::fault::Fault;
use crate::signed::{Reply, SignedError};
use aws_identity::{Refusal, RefusalKind, explain_answer};
use std::time::Duration;

/// What to do next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Put the question, after a pause.
    Send(Duration),
    /// Keep the answer.
    Take(Reply),
    /// Give up.
    Fail(ReadError),
}

/// The way of one question; of an object's bytes, the way of all questions for the rest.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    principal: Option<&'a str>,
    region: String,
    redirected: bool,
    attempts: Attempts,
}

impl<'a> Exchange<'a> {
    /// Begins in a region. A principal is named in denials that name none.
    pub(crate) fn new(region: &str, principal: Option<&'a str>, schedule: Schedule) -> Self {
        Self { principal, region: region.to_owned(), redirected: false, attempts: Attempts::new(schedule) }
    }

    /// The region that is asked now.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Takes an answer; `share` is what [`Attempts::handle_failure`] says.
    pub(crate) fn handle_reply(&mut self, asking: &Asking, reply: Reply, share: f64) -> Next {
        if asking.takes(reply.status) {
            return Next::Take(reply);
        }
        if let Some(region) = self.elsewhere(asking, &reply) {
            (self.region, self.redirected) = (region, true);
            return Next::Send(Duration::ZERO);
        }
        let refusal = self.refusal(asking, &reply);
        let Some(passing) = passing(&refusal, reply.status) else {
            return Next::Fail(ReadError::of_refusal(refusal, asking.has_token));
        };
        let attempts = self.attempts.made();
        match self.attempts.handle_failure(passing, share, retry_after(&reply)) {
            Some(pause) => Next::Send(pause),
            None if passing == Passing::Throttled => Next::Fail(ReadError::Throttled { attempts, refusal: Box::new(refusal) }),
            None => Next::Fail(ReadError::Unavailable { attempts, refusal: Box::new(refusal) }),
        }
    }

    /// Takes that there was no answer, or that one broke off.
    pub(crate) fn handle_silence(&mut self, call: &'static str, source: SignedError, share: f64) -> Next {
        let attempts = self.attempts.made();
        if !source.is_on_the_way() {
            return Next::Fail(ReadError::Unreadable { call, source });
        }
        let pause = self.attempts.handle_failure(Passing::Failed, share, None);
        pause.map_or(Next::Fail(ReadError::Network { call, attempts, source }), Next::Send)
    }

    /// The region in which the bucket says it is, the first time.
    fn elsewhere(&self, asking: &Asking, reply: &Reply) -> Option<String> {
        let region = reply.header("x-amz-bucket-region")?;
        let may_be = matches!(asking.form, Form::S3(_)) && matches!(reply.status, 301 | 307 | 400) && !self.redirected;
        (may_be && is_region(region) && region != self.region).then(|| region.to_owned())
    }

    fn refusal(&self, asking: &Asking, reply: &Reply) -> Refusal {
        let fault = match asking.form {
            Form::Json => Fault::of_json(reply),
            Form::Query(_) => Fault::of_xml(reply),
            Form::S3(_) => s3_fault(reply),
        };
        let request_id = reply.header("x-amzn-requestid").or_else(|| reply.header("x-amz-request-id"));
        let mut refusal = explain_answer(asking.call, reply.status, &fault.code, &fault.message, request_id);
        // Proxies refuse without a code, and S3 knows an expired key by another name than the others.
        if matches!(fault.code.as_str(), "InvalidAccessKeyId" | "InvalidToken") {
            refusal.kind = RefusalKind::Credentials;
        }
        refusal.resource = refusal.resource.or_else(|| asking.resource_in(&self.region)).or_else(|| asking.named());
        if refusal.kind == RefusalKind::Denied {
            refusal.principal = refusal.principal.or_else(|| self.principal.map(str::to_owned));
            refusal.missing = refusal.missing.or_else(|| Some(asking.permission.to_owned()));
        }
        refusal
    }
}

/// What S3 said; to HEAD it says nothing but a status.
fn s3_fault(reply: &Reply) -> Fault {
    let fault = Fault::of_xml(reply);
    if !fault.code.is_empty() {
        let is_marker = fault.code == "MethodNotAllowed" && reply.header("x-amz-delete-marker") == Some("true");
        return if is_marker { delete_marker() } else { fault };
    }
    match reply.status {
        403 => Fault::new("AccessDenied", "S3 gives no reason"),
        404 | 405 if reply.header("x-amz-delete-marker") == Some("true") => delete_marker(),
        404 => Fault::new("NotFound", "there is no such thing"),
        _ => fault,
    }
}

fn delete_marker() -> Fault {
    Fault::new("NotFound", "the object is a delete marker")
}

/// Whether a refusal is likely to pass, and how.
fn passing(refusal: &Refusal, status: u16) -> Option<Passing> {
    let code = refusal.code.as_str();
    let throttles =
        code.contains("Throttl") || matches!(code, "BandwidthLimitExceeded" | "ProvisionedThroughputExceededException");
    if refusal.kind == RefusalKind::Throttled || status == 429 || throttles {
        return Some(Passing::Throttled);
    }
    let fails = matches!(
        code,
        "RequestTimeout"
            | "RequestTimeoutException"
            | "InternalError"
            | "InternalFailure"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "OperationAborted"
            | "OperationAbortedException"
            | "ConditionalRequestConflict"
    );
    // 501 and 505 are about the question itself.
    let server_failed = (500..600).contains(&status) && !matches!(status, 501 | 505);
    (fails || server_failed).then_some(Passing::Failed)
}

/// The pause that the service asks for, in whole seconds.
fn retry_after(reply: &Reply) -> Option<Duration> {
    reply.header("retry-after")?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
