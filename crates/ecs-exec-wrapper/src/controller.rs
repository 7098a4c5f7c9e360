//! What the Boundary controller tells us, when a token of the user is at hand.
//!
//! Owns every question to it: a session of our own (`connect`), which session carries us (under a plain `-exec`), the target's
//! marker, and why a session ended. Never a condition for a session that Boundary's CLI has opened: without an answer the
//! record says `unknown`.

use crate::boundary::{BoundarySession, IdSource};
use crate::ending::{Ending, Reason};
use crate::environment::BoundaryEnvironment;
use crate::parent::parent_ports;
use boundary_api::{Client, Error, Item, ListOptions, Meaning, Session, SessionAuthorization, SessionStatus, Settings, Target};
use cli_kit::{chain_text, printable};
use investigation::{BoundarySessionId, Marker, MarkerError};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use uuid::Uuid;

/// The time for everything that is only good to know.
const ASIDE_WITHIN: Duration = Duration::from_secs(4);

/// How long the controller may take to learn of a connection that the worker has just made.
const CONNECTION_SHOWS_AFTER: Duration = Duration::from_millis(250);
const LOOKS: u32 = 4;

/// Own live sessions that are read one by one at most.
const SESSIONS_READ: usize = 20;

/// How long the CLI may take to print its token.
const CLI_WITHIN: Duration = Duration::from_secs(10);

/// The controller, with a token.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    client: Client,
    /// Stands in the controller's audit events of everything we ask.
    pub(crate) correlation_id: Uuid,
}

/// Why a session ended, in the controller's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// Somebody canceled it.
    Canceled,
    /// Its time was over.
    Expired,
    /// Another reason, or none that is known.
    Other,
}

impl Controller {
    /// The controller, when the environment holds a token.
    ///
    /// # Errors
    /// The ending, when a variable cannot be used.
    pub(crate) fn from_environment(environment: &BoundaryEnvironment) -> Result<Option<Self>, Ending> {
        environment.token.as_ref().map(Self::with_token).transpose()
    }

    /// The controller for a session of our own: with the environment's token, else with the one that the CLI keeps.
    ///
    /// # Errors
    /// The ending that says how to log in.
    pub(crate) async fn for_connect(environment: Option<&Self>) -> Result<Self, Ending> {
        match environment {
            Some(controller) => Ok(controller.clone()),
            None => Self::with_token(&token_of_cli().await?),
        }
    }

    fn with_token(token: &SecretString) -> Result<Self, Ending> {
        let text = token.expose_secret().to_owned();
        let variable = |name: &str| if name == "BOUNDARY_TOKEN" { Some(text.clone()) } else { std::env::var(name).ok() };
        let unusable = |error| Ending::failed(Reason::Configuration, format!("failed to {}", chain_text(&error)));
        let settings = Settings::from_variables(variable).map_err(unusable)?;
        let correlation_id = Uuid::new_v4();
        let client = Client::connect(&settings).map_err(unusable)?.with_correlation_id(correlation_id);
        Ok(Self { client, correlation_id })
    }

    /// Authorises a session of a target, named by id or alias.
    ///
    /// # Errors
    /// The ending that says what to do.
    pub(crate) async fn authorise(&self, target: &str) -> Result<SessionAuthorization, Ending> {
        self.client.targets().authorize_session(target).await.map_err(|error| not_authorised(target, &error))
    }

    /// Reads a target, named by id or alias.
    ///
    /// # Errors
    /// The controller's refusal.
    pub(crate) async fn target(&self, target: &str) -> Result<Target, Error> {
        Ok(self.client.targets().read(target).await?.known)
    }

    /// The target's marker; none when it has none or may not be read, which is told to the log.
    pub(crate) async fn marker(&self, target_id: &str) -> Option<Marker> {
        let read: Item<Target> = aside("target not read", self.client.targets().read(target_id)).await?;
        match Marker::parse(&read.description) {
            Ok(marker) => Some(marker),
            Err(MarkerError::Absent) => None,
            Err(error) => {
                tracing::warn!(%error, target_id, "the target's marker is not used");
                None
            }
        }
    }

    /// Finds the session that carries us: the only one of ours with a live connection from a port of our parent.
    pub(crate) async fn discover(&self) -> Option<BoundarySession> {
        let ports = parent_ports();
        if ports.is_empty() {
            return None;
        }
        for _ in 0..LOOKS {
            tokio::time::sleep(CONNECTION_SHOWS_AFTER).await;
            match aside("sessions not listed", self.sessions_from(&ports)).await?.as_slice() {
                [] => {}
                [session] => return session_of(session),
                several => {
                    tracing::warn!(count = several.len(), "more than one Boundary session fits; none is taken");
                    return None;
                }
            }
        }
        None
    }

    async fn sessions_from(&self, ports: &[u16]) -> Result<Vec<Item<Session>>, Error> {
        let listed = self.client.sessions().list_all(ListOptions::in_scope("global").recursive()).await?;
        let mut live: Vec<_> = listed.items.into_iter().filter(|session| !session.status.is_ending()).collect();
        live.sort_by_key(|session| std::cmp::Reverse(session.created_time));
        let mut ours = Vec::new();
        for session in live.iter().take(SESSIONS_READ) {
            let read = self.client.sessions().read(&session.id).await?;
            let is_live = |connection: &&boundary_api::Connection| connection.closed_reason.is_empty();
            if read.connections.iter().filter(is_live).any(|connection| ports.contains(&connection.client_tcp_port)) {
                ours.push(read);
            }
        }
        Ok(ours)
    }

    /// Why a session ended; none while it lives or when the controller does not tell.
    pub(crate) async fn end_of(&self, session_id: &BoundarySessionId) -> Option<SessionEnd> {
        let session = aside("session not read", self.client.sessions().read(session_id.as_str())).await?;
        match (session.status, session.termination_reason.as_str()) {
            (SessionStatus::Canceling, _) | (SessionStatus::Terminated, "canceled") => Some(SessionEnd::Canceled),
            (SessionStatus::Terminated, "timed out") => Some(SessionEnd::Expired),
            (SessionStatus::Terminated, _) => Some(SessionEnd::Other),
            _ => None,
        }
    }
}

impl BoundarySession {
    /// How a run ends that Boundary has ended. Only the controller's own word makes it a cancel.
    pub(crate) async fn ended_as_told(&self, controller: Option<&Controller>, what: &str) -> Ending {
        let ending = self.ended(what);
        let (Some(controller), Some(id), Reason::BoundaryClosed) = (controller, &self.id, ending.reason) else { return ending };
        match controller.end_of(id).await {
            Some(SessionEnd::Canceled) => {
                Ending::failed(Reason::BoundaryCanceled, format!("the Boundary session {id} was canceled ({what})"))
            }
            Some(SessionEnd::Expired) => {
                Ending::failed(Reason::BoundaryExpired, format!("the Boundary session {id} has expired ({what})"))
            }
            Some(SessionEnd::Other) | None => ending,
        }
    }
}

/// Something that is good to know, within bounds; a failure goes to the log.
async fn aside<T>(failed: &'static str, question: impl Future<Output = Result<T, Error>>) -> Option<T> {
    match tokio::time::timeout(ASIDE_WITHIN, question).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            tracing::info!(error = %chain_text(&error), "{failed}");
            None
        }
        Err(_) => {
            tracing::info!("{failed}: no answer in time");
            None
        }
    }
}

fn session_of(session: &Session) -> Option<BoundarySession> {
    Some(BoundarySession {
        id: Some(BoundarySessionId::parse(&session.id).ok()?),
        id_source: IdSource::Discovered,
        target_id: Some(printable(&session.target_id, 64)).filter(|id| !id.is_empty()),
        user_id: Some(printable(&session.user_id, 64)).filter(|id| !id.is_empty()),
        expires_at: session.expiration_time,
        endpoint: Some(printable(&session.endpoint, 255)).filter(|endpoint| !endpoint.is_empty()),
        workers: Vec::new(),
    })
}

fn not_authorised(target: &str, error: &Error) -> Ending {
    let target = printable(target, 64);
    let text = chain_text(error);
    match error.meaning() {
        Meaning::Unauthenticated => Ending::failed(Reason::BoundaryAuth, format!("Boundary does not accept the token: {text}")),
        Meaning::Denied => {
            Ending::failed(Reason::BoundaryDenied, format!("Boundary does not permit a session of {target}: {text}"))
        }
        Meaning::NotFound => {
            Ending::failed(Reason::BoundaryDenied, format!("Boundary knows no target or alias {target} that you may see: {text}"))
        }
        Meaning::Unreachable | Meaning::Unavailable => {
            Ending::failed(Reason::BoundaryUnreachable, format!("Boundary cannot be asked for a session: {text}"))
        }
        Meaning::Refused | Meaning::Broken => {
            Ending::failed(Reason::BoundaryDenied, format!("Boundary opens no session of {target}: {text}"))
        }
    }
}

/// Asks Boundary's CLI for the token that it keeps in the system's keyring.
async fn token_of_cli() -> Result<SecretString, Ending> {
    let no_token = |why: &str| {
        Ending::failed(Reason::BoundaryAuth, format!("there is no Boundary token: BOUNDARY_TOKEN is not set, and {why}"))
    };
    let asked = tokio::process::Command::new("boundary")
        .args(["config", "get-token"])
        .env("BOUNDARY_SKIP_CACHE_DAEMON", "1")
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(CLI_WITHIN, asked).await {
        Ok(Ok(output)) => output,
        Ok(Err(_)) => return Err(no_token("there is no `boundary` on PATH to ask for it")),
        Err(_) => return Err(no_token("`boundary config get-token` does not answer")),
    };
    let token = zeroize::Zeroizing::new(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    if output.status.success() && token.starts_with("at_") {
        Ok(SecretString::from(token.as_str()))
    } else {
        Err(no_token("`boundary config get-token` has none"))
    }
}
