//! Asks: signs, sends, waits and asks again until an exchange has its answer.
//!
//! Owns the client, the credentials of each request, the pauses, the pace and the buckets' regions. Decides nothing.

use crate::asking::Asking;
use crate::attempts::Schedule;
use crate::dice::Dice;
use crate::endpoints::Endpoints;
use crate::error::ReadError;
use crate::exchange::{Exchange, Next};
use crate::json::{JsonCall, JsonList};
use crate::pace::{Paces, Rate, documented_rates};
use crate::page::{Page, texts};
use crate::pages::{Listing, Pages, Token};
use crate::signed::{Incoming, Limits, Reply, SignedClient, SignedError};
use aws_identity::{Aws, Caller};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time for an object's bytes.
const OBJECT_WITHIN: Duration = Duration::from_hours(6);

/// How a reader asks.
#[derive(Debug, Clone)]
pub struct ReaderOptions {
    /// PEM certificates that replace the system's roots.
    pub ca_file: Option<PathBuf>,
    /// The bounds of one answer; an object's bytes have their own.
    pub limits: Limits,
    /// How often what passes is asked again.
    pub schedule: Schedule,
    /// The pace by call; see [`documented_rates`].
    pub rates: BTreeMap<&'static str, Rate>,
    /// Chance for pauses.
    pub dice: Dice,
    /// Where the services are, if not where the identity's configuration says.
    pub endpoints: Option<Endpoints>,
    /// Who is named in denials that name nobody; mostly the caller's ARN.
    pub principal: Option<String>,
}

impl Default for ReaderOptions {
    /// A minute and 32 MiB for an answer: pages of CloudWatch Logs have 1 MB of text, which JSON may make six times as long.
    fn default() -> Self {
        Self {
            ca_file: None,
            limits: Limits { answer_within: Duration::from_mins(1), silence: Duration::from_mins(1), answer_max: 32 << 20 },
            schedule: Schedule::default(),
            rates: documented_rates(),
            dice: Dice::default(),
            endpoints: None,
            principal: None,
        }
    }
}

/// Reads AWS with one identity in one region; cheap to clone, and clones share pace and connections.
#[derive(Debug, Clone)]
pub struct Reader {
    client: SignedClient,
    aws: Aws,
    region: String,
    endpoints: Endpoints,
    options: Arc<ReaderOptions>,
    paces: Arc<Mutex<Paces>>,
    bucket_regions: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Reader {
    /// Gets ready in the identity's region; no connection yet.
    ///
    /// # Errors
    /// When the file of authorities cannot be used.
    pub fn new(aws: &Aws, options: ReaderOptions) -> Result<Self, SignedError> {
        Ok(Self {
            client: SignedClient::with_limits(options.ca_file.as_deref(), options.limits)?,
            aws: aws.clone(),
            region: aws.region().to_owned(),
            endpoints: options.endpoints.clone().unwrap_or_else(|| Endpoints::of(aws.config())),
            paces: Arc::new(Mutex::new(Paces::new(options.rates.clone()))),
            options: Arc::new(options),
            bucket_regions: Arc::default(),
        })
    }

    /// The same in another region, with a pace of its own. A text that is no region leads nowhere.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        let paces = Arc::new(Mutex::new(held(&self.paces).rested()));
        Self { region: region.to_owned(), paces, ..self.clone() }
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Asks STS who we are.
    ///
    /// # Errors
    /// Why AWS did not say it.
    pub async fn caller(&self) -> Result<Caller, ReadError> {
        self.aws.caller().await.map_err(|refusal| ReadError::of_refusal(refusal, false))
    }

    /// Asks a JSON service any question; `call` is of the form `logs:DescribeLogGroups`.
    ///
    /// # Errors
    /// Why there is no answer; an answer that is no JSON object is none.
    pub async fn json(&self, call: &'static str, parameters: Value) -> Result<Page, ReadError> {
        self.ask(&JsonCall::new(call, parameters)).await
    }

    /// Asks a JSON service a question of this crate.
    ///
    /// # Errors
    /// Why there is no answer; one without what was asked for is none.
    pub async fn ask(&self, question: &JsonCall) -> Result<Page, ReadError> {
        let asking = question.asking();
        let page = self.page(&asking).await?;
        question.check(&page).map_err(|why| ReadError::unexpected(asking.call, why))?;
        Ok(page)
    }

    /// Lists from the beginning.
    pub fn list(&self, list: JsonList) -> Pages<'_, JsonList> {
        self.pages(list, None)
    }

    /// Lists from a token on that an earlier list gave.
    pub fn list_from(&self, list: JsonList, token: Token) -> Pages<'_, JsonList> {
        self.pages(list, Some(token))
    }

    pub(crate) fn pages<L: Listing>(&self, listing: L, token: Option<Token>) -> Pages<'_, L> {
        Pages::new(self, listing, token)
    }

    /// Asks until there is an answer, and reads it.
    pub(crate) async fn page(&self, asking: &Asking) -> Result<Page, ReadError> {
        let mut exchange = self.exchange(asking);
        loop {
            let next = match self.open(asking, &exchange, self.options.limits.answer_within).await? {
                Ok(incoming) => self.read(asking, incoming, &mut exchange).await,
                Err(error) => exchange.handle_silence(asking.call, error, self.options.dice.roll()),
            };
            match next {
                Next::Send(pause) => tokio::time::sleep(pause).await,
                Next::Fail(error) => return Err(error),
                Next::Take(reply) => return Ok(self.taken(asking, &exchange, reply)),
            }
        }
    }

    /// Asks until an answer begins that is one to take; its body is not read.
    pub(crate) async fn begin(&self, asking: &Asking, exchange: &mut Exchange<'_>) -> Result<Incoming, ReadError> {
        loop {
            let next = match self.open(asking, exchange, OBJECT_WITHIN).await? {
                Ok(incoming) if asking.takes(incoming.status()) => {
                    self.remember_region(asking, exchange);
                    return Ok(incoming);
                }
                Ok(incoming) => self.read(asking, incoming, exchange).await,
                Err(error) => exchange.handle_silence(asking.call, error, self.options.dice.roll()),
            };
            match next {
                Next::Send(pause) => tokio::time::sleep(pause).await,
                Next::Fail(error) => return Err(error),
                Next::Take(_) => return Err(ReadError::unexpected(asking.call, "the answer's status is an odd one")),
            }
        }
    }

    /// The way of a question, begun where its bucket is known to be.
    pub(crate) fn exchange(&self, asking: &Asking) -> Exchange<'_> {
        let known = asking.bucket().and_then(|bucket| held(&self.bucket_regions).get(bucket).cloned());
        let region = known.as_deref().unwrap_or(&self.region);
        Exchange::new(region, self.options.principal.as_deref(), self.options.schedule)
    }

    pub(crate) fn roll(&self) -> f64 {
        self.options.dice.roll()
    }

    /// Sends once, at the call's pace.
    async fn open(
        &self,
        asking: &Asking,
        exchange: &Exchange<'_>,
        within: Duration,
    ) -> Result<Result<Incoming, SignedError>, ReadError> {
        let request = asking.request(&self.endpoints, exchange.region())?;
        let pause = held(&self.paces).reserve(asking.call, Instant::now());
        tokio::time::sleep(pause).await;
        let credentials = self.aws.credentials().await?;
        Ok(self.client.open(&credentials, request, within).await)
    }

    async fn read(&self, asking: &Asking, incoming: Incoming, exchange: &mut Exchange<'_>) -> Next {
        match incoming.read(self.options.limits.answer_max).await {
            Ok(reply) => exchange.handle_reply(asking, reply, self.options.dice.roll()),
            Err(error) => exchange.handle_silence(asking.call, error, self.options.dice.roll()),
        }
    }

    fn taken(&self, asking: &Asking, exchange: &Exchange<'_>, reply: Reply) -> Page {
        self.remember_region(asking, exchange);
        Page {
            body: reply.body,
            request: asking.question(exchange.region()),
            at: Timestamp::now(),
            status: reply.status,
            headers: texts(&reply.headers),
        }
    }

    fn remember_region(&self, asking: &Asking, exchange: &Exchange<'_>) {
        if let Some(bucket) = asking.bucket() {
            held(&self.bucket_regions).insert(bucket.to_owned(), exchange.region().to_owned());
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
