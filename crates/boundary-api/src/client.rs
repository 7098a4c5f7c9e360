//! The one HTTP client: sends a call, reads its answer, waits for rate limits, repeats what may be repeated, and logs in again.
//!
//! Never follows a redirect: the token goes to the configured address only. Never logs a body or a token.

mod connector;

use crate::auth::Login;
use crate::bucket::TokenBucket;
use crate::error::{ApiError, Error};
use crate::retry::{Failure, pause};
use crate::settings::{Settings, SettingsError};
use crate::wire;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// A client of one controller. A clone shares connections, token and rate limit.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    correlation_id: Option<Uuid>,
}

struct Shared {
    http: reqwest::Client,
    base: String,
    max_retries: u32,
    started: Instant,
    bucket: Option<Mutex<TokenBucket>>,
    credential: tokio::sync::Mutex<Credential>,
    login: Option<Arc<dyn Login>>,
}

/// The token in use, and how many tokens came before it.
#[derive(Clone, Default)]
struct Credential {
    token: Option<SecretString>,
    generation: u64,
}

/// The longest answer that is read: a page of 1000 sessions is below 2 MB (measured 1.6 kB a session).
const ANSWER_LIMIT: usize = 32 << 20;

/// One request before it is sent.
pub(crate) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    act: String,
}

impl Call {
    /// A call of `path` below `/v1/`; `act` says what is wanted, for errors.
    pub(crate) fn new(method: Method, path: String, act: String) -> Self {
        Self { method, path, query: Vec::new(), body: None, act }
    }

    /// Adds query parameters.
    pub(crate) fn query(mut self, query: Vec<(&'static str, String)>) -> Self {
        self.query = query;
        self
    }

    /// Adds a JSON body.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let written = serde_json::to_vec(body).map_err(|source| Error::Request { act: self.act.clone(), source })?;
        self.body = Some(written);
        Ok(self)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.shared.base).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client that uses the settings' token. Opens no connection yet.
    ///
    /// # Errors
    /// A certificate or key that cannot be read or used.
    pub fn connect(settings: &Settings) -> Result<Self, SettingsError> {
        Self::new(settings, None)
    }

    /// Makes a client that logs in by itself: at the first call when the settings have no token, and again at each 401.
    ///
    /// # Errors
    /// As of [`Client::connect`].
    pub fn with_login(settings: &Settings, login: impl Login + 'static) -> Result<Self, SettingsError> {
        Self::new(settings, Some(Arc::new(login)))
    }

    fn new(settings: &Settings, login: Option<Arc<dyn Login>>) -> Result<Self, SettingsError> {
        let (http, base) = connector::build(settings)?;
        let shared = Shared {
            http,
            base,
            max_retries: settings.max_retries,
            started: Instant::now(),
            bucket: settings.rate_limit.map(|limit| Mutex::new(TokenBucket::new(limit))),
            credential: tokio::sync::Mutex::new(Credential { token: settings.token.clone(), generation: 0 }),
            login,
        };
        Ok(Self { shared: Arc::new(shared), correlation_id: None })
    }

    /// Returns a client whose requests carry this id as `X-Correlation-Id`; it stands in the controller's audit events.
    ///
    /// Source: Boundary `internal/daemon/controller/gateway.go`; anything but a UUID is answered 500 (measured).
    #[must_use]
    pub fn with_correlation_id(&self, correlation_id: Uuid) -> Self {
        Self { shared: Arc::clone(&self.shared), correlation_id: Some(correlation_id) }
    }

    /// Sends a call and reads the answer's JSON.
    pub(crate) async fn fetch<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let body = self.send(call).await?;
        wire::answer(&body).map_err(|wrong| Error::Answer { act: call.act.clone(), wrong })
    }

    /// Sends a call and reads the answer's JSON; the answer's bytes come with it.
    pub(crate) async fn fetch_verbatim<T: DeserializeOwned>(&self, call: &Call) -> Result<(T, Vec<u8>), Error> {
        let body = self.send(call).await?;
        let read = wire::answer(&body).map_err(|wrong| Error::Answer { act: call.act.clone(), wrong })?;
        Ok((read, body))
    }

    /// Sends a call whose answer has no body that matters.
    pub(crate) async fn command(&self, call: &Call) -> Result<(), Error> {
        self.send(call).await.map(drop)
    }

    /// Sends a call with the token; after a 401 once more with a new one, when there is a login.
    async fn send(&self, call: &Call) -> Result<Vec<u8>, Error> {
        let credential = self.credential().await?;
        let answer = self.send_with(call, credential.token.as_ref()).await;
        let refused = answer.as_ref().is_err_and(|error| error.api().is_some_and(|api| api.status == 401));
        match &self.shared.login {
            Some(login) if refused => {
                let renewed = self.renew(login.as_ref(), credential.generation).await?;
                self.send_with(call, renewed.token.as_ref()).await
            }
            _ => answer,
        }
    }

    async fn credential(&self) -> Result<Credential, Error> {
        let current = self.shared.credential.lock().await.clone();
        match &self.shared.login {
            Some(login) if current.token.is_none() => self.renew(login.as_ref(), current.generation).await,
            _ => Ok(current),
        }
    }

    /// Logs in unless another call has done so since `generation`; calls that come meanwhile wait for this one login.
    async fn renew(&self, login: &dyn Login, generation: u64) -> Result<Credential, Error> {
        let mut credential = self.shared.credential.lock().await;
        if credential.generation == generation {
            let token = login.log_in(self).await?;
            tracing::debug!("logged in to Boundary");
            *credential = Credential { token: Some(token), generation: generation + 1 };
        }
        Ok(credential.clone())
    }

    /// Sends a call with this token or none, and repeats what may be repeated. Never logs in.
    async fn send_with(&self, call: &Call, token: Option<&SecretString>) -> Result<Vec<u8>, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            self.wait_for_a_token_of_the_bucket().await;
            let (error, failure) = match self.try_once(call, token).await {
                Ok(body) => return Ok(body),
                Err(failed) => failed,
            };
            let Some(pause) = failure.and_then(|failure| pause(&call.method, failure, tries, self.shared.max_retries)) else {
                return Err(error);
            };
            tracing::debug!(act = %call.act, ?failure, ?pause, "a Boundary request is sent again");
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends a call without any token, as a login does.
    pub(crate) async fn fetch_anonymously<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let body = self.send_with(call, None).await?;
        wire::answer(&body).map_err(|wrong| Error::Answer { act: call.act.clone(), wrong })
    }

    async fn try_once(&self, call: &Call, token: Option<&SecretString>) -> Result<Vec<u8>, (Error, Option<Failure>)> {
        let unreachable = |source: reqwest::Error| {
            let failure = if source.is_connect() { Failure::NotConnected } else { Failure::Lost };
            (Error::Unreachable { act: call.act.clone(), source: source.without_url() }, Some(failure))
        };
        let response = self.request(call, token).send().await.map_err(unreachable)?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        tracing::debug!(act = %call.act, status = status.as_u16(), "Boundary answered");
        let body = match bounded(response).await {
            Ok(Some(body)) => body,
            Ok(None) => return Err((Error::AnswerTooLong { act: call.act.clone(), limit: ANSWER_LIMIT }, None)),
            Err(source) => return Err(unreachable(source)),
        };
        if status.is_success() && status != StatusCode::ACCEPTED {
            return Ok(body);
        }
        let error = ApiError::from_answer(&call.act, status.as_u16(), retry_after, &body);
        Err((Error::Api(Box::new(error)), Some(Failure::Answered { status: status.as_u16(), retry_after })))
    }

    fn request(&self, call: &Call, token: Option<&SecretString>) -> reqwest::RequestBuilder {
        let url = format!("{}/v1/{}", self.shared.base, call.path);
        let mut request = self.shared.http.request(call.method.clone(), url).query(&call.query);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(correlation_id) = self.correlation_id {
            request = request.header("X-Correlation-Id", correlation_id.to_string());
        }
        if let Some(body) = &call.body {
            request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        request
    }

    async fn wait_for_a_token_of_the_bucket(&self) {
        let Some(bucket) = &self.shared.bucket else { return };
        let now = self.shared.started.elapsed();
        let wait = bucket.lock().unwrap_or_else(PoisonError::into_inner).take(now);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

/// Reads `Retry-After` in seconds, as Boundary sends it; the form with a date is not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Reads a body up to the limit; nothing when it is longer.
async fn bounded(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
