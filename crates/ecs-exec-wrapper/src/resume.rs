//! After a lost connection: a new way into the same session, or the exact reason why there is none.
//!
//! ```text
//! loss ─ wait until Boundary's way may be tried ─ ResumeSession ─ one dial ─ upgrade ─► new channel
//! ```
//!
//! Through Boundary a failed dial ends everything: its CLI then closes the proxy and ends us. So the worker is looked at first
//! (its address is in the authorization token), or, without a token, some time is given to it; and there is one dial only.
//! ResumeSession over HTTPS proves the way to AWS, not the way through Boundary.

use crate::attention::Attention;
use crate::authorise::Way;
use crate::ecs::ExecSession;
use crate::ending::{Ending, Reason};
use crate::open::upgrade;
use crate::pump::{Loss, Pump, PumpEnd};
use crate::resolve::Cloud;
use crate::rights::Rights;
use crate::say::Say;
use crate::settings::{Route, Settings};
use crate::settle::loss_text;
use aws_identity::{Refusal, RefusalKind};
use secrecy::ExposeSecret;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Given to Boundary after any loss, when its workers' addresses are not known.
const PAUSE_ALWAYS: Duration = Duration::from_secs(2);

/// Given to it in addition, unless the gateway itself closed the connection: then the way was sound to the last.
const PAUSE_AFTER_A_CUT: Duration = Duration::from_secs(5);

/// The back-off between tries: doubled from the first to the last, each with full jitter on its second half.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(8);

/// A worker that is there answers within this.
const WORKER_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// A token older than this is asked for again before it is used.
const TOKEN_FRESH_FOR: Duration = Duration::from_secs(10);

/// How often the user is told that we still try.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Everything that resuming asks.
pub(crate) struct Resuming<'a> {
    /// The settings.
    pub(crate) settings: &'a Settings,
    /// AWS.
    pub(crate) cloud: &'a Cloud,
    /// The data channel's way.
    pub(crate) way: &'a Way,
    /// The session.
    pub(crate) session_id: &'a str,
    /// What this caller is known to be refused.
    pub(crate) rights: &'a Rights,
    /// The voice.
    pub(crate) say: Say,
}

/// What one try came to.
enum Try {
    Resumed(Box<ssm_channel::Channel>, Zeroizing<String>),
    /// Not this time.
    Again(String),
    /// Never.
    Over(Ending),
}

impl Resuming<'_> {
    /// Resumes after a loss: returns `None` when the pump has a new channel, else how the session ends.
    pub(crate) async fn resume(&self, pump: &mut Pump<'_>, loss: Loss, attention: &mut Attention) -> Option<PumpEnd> {
        if self.settings.reconnect_timeout.is_zero() {
            return Some(PumpEnd::Lost(loss));
        }
        let what = loss_text(&loss);
        pump.tell_text(&format!("{what}; resuming, ~. ends the session"));
        let until = Instant::now() + self.settings.reconnect_timeout;
        let mut first = Some((&loss, until));
        let mut pause = FIRST_PAUSE;
        let mut told = Instant::now();
        loop {
            let outcome = match pump.away(attention, self.once(&mut first)).await {
                Ok(outcome) => outcome,
                Err(end) => return Some(end),
            };
            let why = match outcome {
                Try::Resumed(channel, token) => {
                    self.rights.note_resume_permitted();
                    pump.reconnect(*channel, token);
                    pump.tell_text("resumed");
                    return None;
                }
                Try::Over(ending) if ending.reason == Reason::ResumeDenied => return Some(self.denied(loss, ending)),
                Try::Over(ending) => return Some(PumpEnd::NotResumed(ending)),
                Try::Again(why) => why,
            };
            let wait = jittered(pause);
            if Instant::now() + wait >= until {
                let tried = humantime::format_duration(self.settings.reconnect_timeout);
                return Some(PumpEnd::NotResumed(Ending::failed(
                    Reason::NetworkLost,
                    format!("{what}; not resumed within {tried}: {why}"),
                )));
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                pump.tell_text(&format!("still resuming: {why}"));
            }
            if let Err(end) = pump.away(attention, tokio::time::sleep(wait)).await {
                return Some(end);
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// The route's end is judged as without resuming; only if it was the network, the denial is what matters.
    fn denied(&self, loss: Loss, ending: Ending) -> PumpEnd {
        self.rights.note_resume_denied();
        match self.settings.route {
            Route::Boundary(_) | Route::Worker => PumpEnd::LostForGood(loss, ending),
            Route::Direct => PumpEnd::NotResumed(ending),
        }
    }

    /// Waits until a dial through Boundary has a chance.
    async fn boundary_may_be_tried(&self, loss: &Loss, until: Instant) {
        let Route::Boundary(_) = self.settings.route else { return };
        let workers = &self.settings.boundary.workers;
        if workers.is_empty() {
            let pause = if matches!(loss, Loss::Close(..)) { PAUSE_ALWAYS } else { PAUSE_ALWAYS + PAUSE_AFTER_A_CUT };
            tokio::time::sleep(pause.min(self.settings.reconnect_timeout)).await;
            return;
        }
        let mut pause = FIRST_PAUSE;
        while !any_answers(workers).await && Instant::now() + pause < until {
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// One try. The first one that AWS answers gives Boundary its time between AWS's word and the dial: a denial is known at once.
    async fn once(&self, first: &mut Option<(&Loss, Instant)>) -> Try {
        let mut asked = Instant::now();
        let mut session = match self.ask().await {
            Ok(session) => session,
            Err(end) => return end,
        };
        if let Some((loss, until)) = first.take() {
            self.boundary_may_be_tried(loss, until).await;
        }
        if asked.elapsed() > TOKEN_FRESH_FOR {
            asked = Instant::now();
            session = match self.ask().await {
                Ok(session) => session,
                Err(end) => return end,
            };
        }
        tracing::debug!(token_age = ?asked.elapsed(), "dialing to resume");
        self.dial(&session).await
    }

    async fn ask(&self) -> Result<ExecSession, Try> {
        match self.cloud.services.resume(self.session_id).await {
            Ok(Some(session)) => Ok(session),
            Ok(None) => {
                let sentence = "the connection was lost, and AWS has ended the session meanwhile";
                Err(Try::Over(Ending::failed(Reason::SessionTimedOut, sentence)))
            }
            Err(refusal) => Err(refused(&refusal)),
        }
    }

    async fn dial(&self, session: &ExecSession) -> Try {
        match upgrade(self.cloud, self.way, None, session, self.say).await {
            Ok(channel) => Try::Resumed(Box::new(channel), Zeroizing::new(session.token.expose_secret().to_owned())),
            Err(ending) => match self.settings.route {
                // Boundary's CLI has closed its proxy over this dial, or is about to.
                // A worker that refuses the session is asked no more; one that is away may come back.
                Route::Boundary(_) | Route::Worker if ending.reason == Reason::BoundaryClosed => {
                    let (boundary, controller) = (&self.settings.boundary, self.settings.controller.as_ref());
                    Try::Over(boundary.ended_as_told(controller, &ending.sentence).await)
                }
                Route::Boundary(_) => Try::Over(ending),
                Route::Direct | Route::Worker => Try::Again(ending.sentence),
            },
        }
    }
}

fn refused(refusal: &Refusal) -> Try {
    match refusal.kind {
        RefusalKind::Denied => {
            Try::Over(Ending::failed(Reason::ResumeDenied, format!("the connection was lost and may not be resumed: {refusal}")))
        }
        RefusalKind::NotFound => Try::Over(Ending::failed(
            Reason::SessionTimedOut,
            format!("the connection was lost, and AWS knows the session no more: {refusal}"),
        )),
        RefusalKind::Expired | RefusalKind::Credentials => {
            Try::Over(Ending::failed(Reason::Auth, format!("the connection was lost and cannot be resumed: {refusal}")))
        }
        _ => Try::Again(refusal.to_string()),
    }
}

async fn any_answers(workers: &[String]) -> bool {
    for worker in workers {
        let dialed = tokio::time::timeout(WORKER_ANSWERS_WITHIN, tokio::net::TcpStream::connect(worker.as_str())).await;
        if matches!(dialed, Ok(Ok(_))) {
            return true;
        }
    }
    false
}

/// Half of the pause for sure, the other half by chance, so that many wrappers do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the whole pause is waited.
    let share = if aws_lc_rs::rand::fill(&mut byte).is_ok() { u32::from(byte[0]) } else { 255 };
    pause / 2 + pause * share / 510
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_is_never_shorter_than_half_nor_longer_than_whole() {
        for _ in 0..1_000 {
            let wait = jittered(Duration::from_secs(8));
            assert!((Duration::from_secs(4)..=Duration::from_secs(8)).contains(&wait), "{wait:?}");
        }
    }
}
