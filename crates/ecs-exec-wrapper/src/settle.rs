//! Stage five: what the end means, and leaving nothing behind.
//!
//! Owns the precedence of reasons, the one TerminateSession, and the bound on how long settling takes.

use crate::attention::Attention;
use crate::authorise::Way;
use crate::conversation::Outcome;
use crate::ecs::Services;
use crate::ending::{Ending, ExitSource, Reason};
use crate::pump::{Loss, Pump, PumpEnd};
use crate::record::RemoteEnd;
use crate::resolve::Resolved;
use crate::settings::{Route, Settings};
use crate::signals::Taken;
use crate::task::stopped;
use aws_identity::RefusalKind;
use cli_kit::{chain_text, exit, printable};
use ssm_proto::LinkEnd;
use std::time::{Duration, Instant};

/// The most that settling takes after the session's end was asked for.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);

/// How long the remote side may take to close by itself after an interrupt and an end of input.
const LINGER: Duration = Duration::from_secs(3);

/// How long after a SIGTERM the connection may turn out to be cut: both come from one cause, in either order.
const CUT_NOTICED_WITHIN: Duration = Duration::from_millis(250);

/// How long after a cut Boundary's SIGTERM may take to say that the session is over.
const TERM_NOTICED_WITHIN: Duration = Duration::from_millis(500);

/// How long the way may take to show that it still stands.
const PROBE_WITHIN: Duration = Duration::from_secs(3);

/// How long ECS may take to say why a task has gone.
const TASK_LOOK_WITHIN: Duration = Duration::from_secs(2);

/// Everything that settling asks.
pub(crate) struct Settling<'a> {
    /// The settings.
    pub(crate) settings: &'a Settings,
    /// AWS.
    pub(crate) services: &'a Services,
    /// The data channel's way.
    pub(crate) way: &'a Way,
    /// The task.
    pub(crate) resolved: &'a Resolved,
    /// The session.
    pub(crate) session_id: &'a str,
}

impl Settling<'_> {
    /// Finds out what the end means and ends what is still open, within a bounded time.
    pub(crate) async fn settle(&self, pump: &mut Pump<'_>, end: PumpEnd, attention: &mut Attention) -> (Ending, RemoteEnd) {
        let ending = self.judge(pump, end, attention).await;
        if pump.conversation.is_over() && !matches!(ending.reason, Reason::Kms | Reason::Protocol) {
            return (ending, RemoteEnd::Confirmed);
        }
        let until = Instant::now() + SETTLE_WITHIN;
        pump.conversation.ask_to_end();
        let (remote_end, ()) = tokio::join!(self.terminate(until), pump.linger(attention, Instant::now() + LINGER));
        let closed = pump.conversation.is_over() && pump.is_connected();
        (ending, if closed { RemoteEnd::Confirmed } else { remote_end })
    }

    /// Asks AWS to end the session: once, and not for long.
    pub(crate) async fn terminate(&self, until: Instant) -> RemoteEnd {
        terminate(self.services, self.session_id, until).await
    }

    async fn judge(&self, pump: &mut Pump<'_>, end: PumpEnd, attention: &mut Attention) -> Ending {
        match end {
            PumpEnd::Over(outcome) => self.over(outcome, pump).await,
            PumpEnd::Lost(loss) => self.lost(&loss, attention).await,
            PumpEnd::Signal(number) => self.signal(number, pump, attention).await,
            PumpEnd::LostForGood(loss, ending) => match self.lost(&loss, attention).await {
                lost if lost.reason == Reason::NetworkLost => ending,
                other => other,
            },
            PumpEnd::NotResumed(ending) => self.or_task_stopped(ending).await,
            PumpEnd::Disconnect => Ending::failed(Reason::UserDisconnect, "ended with ~."),
            PumpEnd::Idle => {
                Ending::failed(Reason::IdleTimeout, "nothing was typed for the time that --idle-timeout or the policy allows")
            }
            PumpEnd::Canceled => Ending::canceled(),
            PumpEnd::StdoutClosed => Ending {
                reason: Reason::StdoutClosed,
                exit_code: exit::by_signal(13),
                exit_source: ExitSource::Wrapper,
                sentence: "nobody reads our standard output any more".to_owned(),
            },
        }
    }

    async fn over(&self, outcome: Outcome, pump: &Pump<'_>) -> Ending {
        match outcome {
            Outcome::Exited { code, not_run } => Ending { sentence: not_run.unwrap_or_default(), ..Ending::exited(code) },
            Outcome::ExitUnknown(why) => self.or_task_stopped(Ending::failed(Reason::ExitUnknown, why)).await,
            Outcome::Refused(reason, text) => self.or_task_stopped(Ending::failed(reason, text)).await,
            Outcome::Link(end) => link_ending(&end, pump.key_refusal()),
        }
    }

    /// A cut without a word: by Boundary, or on the way?
    pub(crate) async fn lost(&self, loss: &Loss, attention: &mut Attention) -> Ending {
        let what = loss_text(loss);
        if self.settings.route.is_boundary() {
            let told = self.settings.route != Route::Worker
                && tokio::time::timeout(TERM_NOTICED_WITHIN, next_term(attention)).await.is_ok();
            let stands = !told && tokio::time::timeout(PROBE_WITHIN, self.way.still_stands()).await.unwrap_or(false);
            if !stands {
                return self.boundary_ended(&what).await;
            }
        }
        self.or_task_stopped(Ending::failed(Reason::NetworkLost, what)).await
    }

    async fn boundary_ended(&self, what: &str) -> Ending {
        self.settings.boundary.ended_as_told(self.settings.controller.as_ref(), what).await
    }

    async fn signal(&self, number: u8, pump: &mut Pump<'_>, attention: &mut Attention) -> Ending {
        const TERM: u8 = 15;
        if number == TERM && matches!(self.settings.route, Route::Boundary(_)) {
            pump.linger(attention, Instant::now() + CUT_NOTICED_WITHIN).await;
            if !pump.is_connected() {
                return self.boundary_ended("Boundary's proxy has ended").await;
            }
        }
        Ending::signal(number, format!("ended by signal {number}"))
    }

    /// A task that stopped explains an end better than anything else.
    async fn or_task_stopped(&self, ending: Ending) -> Ending {
        if matches!(ending.reason, Reason::BoundaryClosed | Reason::BoundaryExpired | Reason::BoundaryCanceled) {
            return ending;
        }
        let task = [self.resolved.task_arn.to_string()];
        let look = self.services.describe(&self.resolved.ecs_cluster, &task);
        let Ok(Ok(tasks)) = tokio::time::timeout(TASK_LOOK_WITHIN, look).await else { return ending };
        match tasks.first().and_then(stopped) {
            Some(gone) => Ending::failed(gone.reason, format!("{}; {}", gone.sentence, ending.sentence)),
            None => ending,
        }
    }
}

/// Asks AWS to end a session: once, and not past `until`.
pub(crate) async fn terminate(services: &Services, session_id: &str, until: Instant) -> RemoteEnd {
    match tokio::time::timeout_at(until.into(), services.terminate(session_id)).await {
        Ok(Ok(())) => RemoteEnd::Requested,
        Ok(Err(refusal)) => {
            tracing::info!(%refusal, "session not terminated");
            if refusal.kind == RefusalKind::Denied { RemoteEnd::Denied } else { RemoteEnd::Unknown }
        }
        Err(_) => RemoteEnd::Unknown,
    }
}

async fn next_term(attention: &mut Attention) {
    while let Some(signal) = attention.signals.recv().await {
        if matches!(signal, Taken::End(15)) {
            return;
        }
    }
    std::future::pending::<()>().await;
}

fn link_ending(end: &LinkEnd, key_refusal: Option<&str>) -> Ending {
    let text = printable(&chain_text(end), 600);
    let reason = match end {
        LinkEnd::EncryptionRefused(_)
        | LinkEnd::DataKeyRefused { .. }
        | LinkEnd::DataKeyTimedOut { .. }
        | LinkEnd::DecryptFailed { .. } => Reason::Kms,
        LinkEnd::HandshakeTimedOut { .. } | LinkEnd::HandshakeMalformed { .. } | LinkEnd::HandshakeOutOfOrder { .. } => {
            Reason::Handshake
        }
        LinkEnd::GaveUp { .. } => Reason::NetworkLost,
        LinkEnd::ChannelClosed { .. } => Reason::ExitUnknown,
        LinkEnd::BadFrames { .. } | LinkEnd::BadDigests { .. } | LinkEnd::UnknownSessionType { .. } => Reason::Protocol,
    };
    let refusal = key_refusal.map(|refusal| format!(": {refusal}")).unwrap_or_default();
    Ending::failed(reason, if refusal.is_empty() { text } else { format!("no data key from KMS{refusal}") })
}

pub(crate) fn loss_text(loss: &Loss) -> String {
    match loss {
        Loss::Close(code, reason) if reason.is_empty() => format!("the gateway closed the data channel, code {code}"),
        Loss::Close(code, reason) => format!("the gateway closed the data channel: {}, code {code}", printable(reason, 120)),
        Loss::Eof => "the connection of the data channel was cut".to_owned(),
        Loss::Silent => "the data channel has been silent for too long".to_owned(),
        Loss::Failed(error) => format!("failed to {}", chain_text(error)),
    }
}
