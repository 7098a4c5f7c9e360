//! One item on its way to one place: what is sent next, and what an answer means.
//!
//! Pure: replies in, requests and pauses out. It never sends, sleeps or looks at a clock.
//!
//! ```text
//! log group   first of its stream: CreateLogStream ─► PutLogEvents
//!             others: PutLogEvents (─ no such stream ─► CreateLogStream ─► again)
//! bucket      PutObject (─ another region ─► once more there)
//! ```

use crate::item::Item;
use crate::place::{Bucket, Home, LogGroup, Place, is_word};
use crate::request::{create_stream, put_events, put_object};
use aws_identity::{Refusal, RefusalKind, explain_answer};
use aws_reading::{Endpoints, Fault, Reply, SignedError, SignedRequest};
use cli_kit::chain_text;
use serde_json::Value;
use std::time::Duration;

/// The pause before the second attempt; doubled before each further one. The sum is three seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Attempts at one request before it counts as failed.
const ATTEMPTS: u32 = 5;

const CREATE: &str = "logs:CreateLogStream";
const PUT_EVENTS: &str = "logs:PutLogEvents";
const PUT_OBJECT: &str = "s3:PutObject";

/// Why an item did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// CloudWatch Logs takes nothing so old, or the group keeps nothing so long.
    #[error("{PUT_EVENTS}: the log group takes no line that old")]
    TooOld,
    /// A service refused, or could not be reached.
    #[error("failed to {0}")]
    Refused(Box<Refusal>),
    /// Nothing could be sent.
    #[error("{0}")]
    NotSent(String),
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send the next request, after a pause.
    Send(Duration),
    /// It is there, or will not be.
    Done(Result<(), Failure>),
}

/// The way of one item to one place.
#[derive(Debug)]
pub(crate) struct Delivery<'a> {
    place: &'a Place,
    item: &'a Item,
    home: &'a Home,
    /// The bucket's region, as far as it is known.
    bucket_region: String,
    step: Step,
    attempt: u32,
    attempts: u32,
    stream_made: bool,
    redirected: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    CreateStream,
    Put,
}

impl<'a> Delivery<'a> {
    /// Begins; the place is one that is [`Place::seen_from`] home.
    pub(crate) fn new(place: &'a Place, item: &'a Item, home: &'a Home) -> Self {
        // A first one's stream is never there; a later one's nearly always.
        let creates = item.begins_stream && matches!(place, Place::LogGroup(_));
        let step = if creates { Step::CreateStream } else { Step::Put };
        let bucket_region = home.region.clone();
        Self { place, item, home, bucket_region, step, attempt: 1, attempts: ATTEMPTS, stream_made: false, redirected: false }
    }

    /// The same, but what passes is not tried again: for what nobody waits for.
    pub(crate) fn once(self) -> Self {
        Self { attempts: 1, ..self }
    }

    /// The request to send now.
    pub(crate) fn request(&self, endpoints: &Endpoints) -> SignedRequest {
        match (self.place, self.step) {
            (Place::LogGroup(group), Step::CreateStream) => create_stream(endpoints, group, self.home_of(group), self.item),
            (Place::LogGroup(group), Step::Put) => put_events(endpoints, group, self.home_of(group), self.item),
            (Place::Bucket(bucket), _) => put_object(endpoints, bucket, &self.bucket_region, self.item),
        }
    }

    fn home_of(&self, group: &'a LogGroup) -> &'a Home {
        group.home.as_ref().unwrap_or(self.home)
    }

    /// Takes the answer of the request that was sent last.
    pub(crate) fn handle_reply(&mut self, reply: &Reply) -> Next {
        match (self.place, self.step) {
            (Place::LogGroup(_), Step::CreateStream) => self.stream_created(reply),
            (Place::LogGroup(_), Step::Put) => self.events_put(reply),
            (Place::Bucket(bucket), _) => self.object_put(reply, bucket),
        }
    }

    /// Takes that there was none.
    pub(crate) fn handle_silence(&mut self, error: &SignedError) -> Next {
        let refusal = Refusal::unanswered(self.call(), RefusalKind::Network, &format!("failed to {}", chain_text(error)));
        if error.is_on_the_way() { self.again(refusal) } else { refused(refusal) }
    }

    fn call(&self) -> &'static str {
        match (self.place, self.step) {
            (Place::LogGroup(_), Step::CreateStream) => CREATE,
            (Place::LogGroup(_), Step::Put) => PUT_EVENTS,
            (Place::Bucket(_), _) => PUT_OBJECT,
        }
    }

    fn stream_created(&mut self, reply: &Reply) -> Next {
        let fault = Fault::of_json(reply);
        if reply.status == 200 || fault.code == "ResourceAlreadyExistsException" {
            self.stream_made = true;
            return self.go_on(Step::Put);
        }
        self.refused_or_again(reply, &fault)
    }

    fn events_put(&mut self, reply: &Reply) -> Next {
        let fault = Fault::of_json(reply);
        match (reply.status, fault.code.as_str()) {
            (200, _) => self.accepted(reply),
            (_, "DataAlreadyAcceptedException") => Next::Done(Ok(())),
            (_, "ResourceNotFoundException") if !self.stream_made => self.go_on(Step::CreateStream),
            _ => self.refused_or_again(reply, &fault),
        }
    }

    /// A 200 may still say that the event was not taken.
    fn accepted(&mut self, reply: &Reply) -> Next {
        let Ok(Value::Object(answer)) = serde_json::from_slice(&reply.body) else {
            return self.again(self.explained(reply, &Fault::new("", "the answer is not what it should be")));
        };
        let rejected = answer.get("rejectedLogEventsInfo").and_then(Value::as_object);
        let says = |name: &str| rejected.is_some_and(|rejected| rejected.get(name).is_some_and(|at| !at.is_null()));
        if says("tooOldLogEventEndIndex") || says("expiredLogEventEndIndex") {
            return Next::Done(Err(Failure::TooOld));
        }
        if rejected.is_none_or(serde_json::Map::is_empty) {
            return Next::Done(Ok(()));
        }
        let why = if says("tooNewLogEventStartIndex") {
            "the line's time is more than two hours ahead of AWS's: set this machine's clock"
        } else {
            "the line was rejected"
        };
        refused(self.explained(reply, &Fault::new("rejectedLogEventsInfo", why)))
    }

    fn object_put(&mut self, reply: &Reply, bucket: &Bucket) -> Next {
        if reply.status == 200 && reply.header("etag").is_some() || reply.status == 412 {
            return Next::Done(Ok(()));
        }
        let elsewhere = reply.header("x-amz-bucket-region").filter(|region| is_word(region) && *region != self.bucket_region);
        if let (301 | 307 | 400, Some(region), false) = (reply.status, elsewhere, self.redirected) {
            region.clone_into(&mut self.bucket_region);
            self.redirected = true;
            return self.go_on(Step::Put);
        }
        let mut fault = Fault::of_xml(reply);
        if fault.code.is_empty() && reply.status == 200 {
            fault = Fault::new("", "the answer is not what it should be");
        }
        // Some refusals of S3 say no more than that.
        if fault.code == "AccessDenied" && !fault.message.contains("not authorized") {
            let key = bucket.key(self.item);
            let resource = format!("arn:{}:s3:::{}/{key}", self.home.partition, bucket.name);
            let refusal =
                Refusal { resource: Some(resource), missing: Some(PUT_OBJECT.to_owned()), ..self.explained(reply, &fault) };
            return refused(refusal);
        }
        self.refused_or_again(reply, &fault)
    }

    fn go_on(&mut self, step: Step) -> Next {
        (self.step, self.attempt) = (step, 1);
        Next::Send(Duration::ZERO)
    }

    fn refused_or_again(&mut self, reply: &Reply, fault: &Fault) -> Next {
        let refusal = self.explained(reply, fault);
        let conflict = matches!(
            fault.code.as_str(),
            "ConditionalRequestConflict" | "OperationAborted" | "OperationAbortedException" | "RequestTimeout"
        );
        let passing = reply.status >= 500 || reply.status == 429 || refusal.kind == RefusalKind::Throttled || conflict;
        if passing || reply.status == 200 { self.again(refusal) } else { refused(refusal) }
    }

    fn explained(&self, reply: &Reply, fault: &Fault) -> Refusal {
        let request_id = reply.header("x-amzn-requestid").or_else(|| reply.header("x-amz-request-id"));
        explain_answer(self.call(), reply.status, &fault.code, &fault.message, request_id)
    }

    fn again(&mut self, refusal: Refusal) -> Next {
        if self.attempt >= self.attempts {
            return refused(refusal);
        }
        let pause = FIRST_PAUSE * 2_u32.pow(self.attempt - 1);
        self.attempt += 1;
        Next::Send(pause)
    }
}

fn refused(refusal: Refusal) -> Next {
    Next::Done(Err(Failure::Refused(Box::new(refusal))))
}

#[cfg(test)]
mod tests;
