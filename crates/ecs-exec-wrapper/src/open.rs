//! Stage three: ExecuteCommand, then the data channel on the connection that was proved before.
//!
//! The record's start line is durable before ExecuteCommand leaves. Whatever fails after it, the session is ended at AWS.

use crate::attention::Attention;
use crate::authorise::Way;
use crate::ecs::{ExecSession, ExecuteError, Services};
use crate::ending::{Ending, Reason};
use crate::resolve::{Cloud, Resolved, refused};
use crate::say::Say;
use aws_identity::explain_abac;
use cli_kit::{chain_text, printable};
use secrecy::ExposeSecret;
use ssm_channel::{Channel, Prepared, Signing, StreamUrl, UpgradeError};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

/// The first pause before ExecuteCommand is tried again after a definite "not yet"; doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(4);

/// How long we wait for the answer of an ExecuteCommand that the user does not want any more, to be able to end its session.
const ABANDONED_WAIT: Duration = Duration::from_secs(5);

/// Why there is no open data channel; a session may exist all the same.
#[derive(Debug)]
pub(crate) struct NotOpened {
    /// How the run ends.
    pub(crate) ending: Ending,
    /// The session that must be ended.
    pub(crate) session_id: Option<String>,
}

impl From<Ending> for NotOpened {
    fn from(ending: Ending) -> Self {
        Self { ending, session_id: None }
    }
}

/// An ExecuteCommand that is to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'a> {
    /// AWS.
    pub(crate) services: &'a Services,
    /// The task.
    pub(crate) resolved: &'a Resolved,
    /// The command line.
    pub(crate) command_line: &'a str,
    /// Until when a definite "not yet" is tried again.
    pub(crate) until: Instant,
    /// The tag by which policies match callers and tasks.
    pub(crate) abac_tag: &'a str,
    /// The caller's session tags, where they are known.
    pub(crate) caller_tags: Option<&'a BTreeMap<String, String>>,
}

/// Sends ExecuteCommand; a definite "not connected yet" is tried again until `until`.
///
/// # Errors
/// See [`NotOpened`].
pub(crate) async fn execute(order: Order<'_>, attention: &mut Attention, say: Say) -> Result<ExecSession, NotOpened> {
    let abandoned = Cell::new(false);
    let mut sending = pin!(execute_until(order, &abandoned, say));
    match attention.during(&mut sending).await {
        Ok(result) => Ok(result?),
        Err(ending) => {
            abandoned.set(true);
            let session_id = match tokio::time::timeout(ABANDONED_WAIT, sending).await {
                Ok(Ok(session)) => Some(session.session_id),
                _ => None,
            };
            Err(NotOpened { ending, session_id })
        }
    }
}

async fn execute_until(order: Order<'_>, abandoned: &Cell<bool>, say: Say) -> Result<ExecSession, Ending> {
    let Order { services, resolved, command_line, until, .. } = order;
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match services.execute(&resolved.ecs_cluster, &resolved.task_arn, &resolved.container, command_line).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        let (ExecuteError::NotConnected(refusal) | ExecuteError::Throttled(refusal)) = &error else {
            return Err(execute_ending(&error, order));
        };
        if abandoned.get() || Instant::now() + pause > until {
            return Err(execute_ending(&error, order));
        }
        if pause == FIRST_PAUSE {
            say.status(&format!("waiting: {}", printable(&refusal.message, 200)));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
        if abandoned.get() {
            return Err(execute_ending(&error, order));
        }
    }
}

fn execute_ending(error: &ExecuteError, order: Order<'_>) -> Ending {
    match error {
        ExecuteError::NotConnected(refusal) => Ending::failed(Reason::TargetNotConnected, refusal.to_string()),
        ExecuteError::Throttled(refusal) | ExecuteError::NotSent(refusal) => Ending::failed(Reason::Aws, refusal.to_string()),
        ExecuteError::Refused(refusal) => {
            let mut ending = refused(refusal);
            if let Some(why) = explain_abac(refusal, order.abac_tag, order.caller_tags, &order.resolved.tags) {
                ending.sentence = format!("{}\n  {why}", ending.sentence);
            }
            ending
        }
        ExecuteError::Unknown(refusal) => {
            Ending::failed(Reason::ExecuteCommandUnknown, format!("it is not known whether a session was opened: {refusal}"))
        }
    }
}

/// Upgrades the proved connection to the session's data channel.
///
/// # Errors
/// The ending; the caller ends the session.
pub(crate) async fn upgrade(
    cloud: &Cloud,
    way: &Way,
    prepared: Option<Prepared>,
    session: &ExecSession,
    say: Say,
) -> Result<Channel, Ending> {
    let url = StreamUrl::parse(session.stream_url.expose_secret(), &way.policy).map_err(|error| {
        Ending::failed(
            Reason::Handshake,
            format!("failed to {}; if the host is right, permit it with --allow-stream-host", chain_text(&error)),
        )
    })?;
    let usable = prepared.filter(|prepared| prepared.covers(url.host()) && !prepared.is_closed() && url.is_secure());
    let waited = usable.is_some();
    let connection = match usable {
        Some(prepared) => prepared,
        None => way.dial(url.host(), url.port(), url.is_secure()).await?,
    };
    let credentials = cloud.aws.credentials().await.map_err(|error| crate::resolve::identity_ending(&error))?;
    let signing = || Signing { credentials: credentials.clone(), region: cloud.aws.region().to_owned(), time: SystemTime::now() };
    match connection.upgrade(&url, Some(&signing())).await {
        Ok(channel) => Ok(channel),
        // The far end may close a connection that only waited; it has not seen the token yet, so one new dial is safe.
        Err(error) if waited && is_closed_unheard(&error) => {
            let again = way.dial(url.host(), url.port(), url.is_secure()).await?;
            again.upgrade(&url, Some(&signing())).await.map_err(|error| upgrade_ending(&error))
        }
        Err(error) if matches!(error.status(), Some(401 | 403)) => {
            let unsigned = way.dial(url.host(), url.port(), url.is_secure()).await?;
            let channel = unsigned.upgrade(&url, None).await.map_err(|_| upgrade_ending(&error))?;
            say.important(
                "AWS refused the signed data channel but takes it unsigned: add ssmmessages:OpenDataChannel to your policy",
            );
            Ok(channel)
        }
        Err(error) => Err(upgrade_ending(&error)),
    }
}

fn is_closed_unheard(error: &UpgradeError) -> bool {
    matches!(error, UpgradeError::Closed { received: 0 } | UpgradeError::Io(_))
}

fn upgrade_ending(error: &UpgradeError) -> Ending {
    let hint = if matches!(error.status(), Some(401 | 403)) {
        "; the caller needs ssmmessages:OpenDataChannel on arn:aws:ssm:*:*:session/ecs-execute-command-*"
    } else {
        ""
    };
    Ending::failed(Reason::Handshake, format!("failed to {}{hint}", chain_text(error)))
}
