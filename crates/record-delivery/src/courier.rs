//! Carries items: sends what [`crate::delivery`] asks for until it says that it is done.
//!
//! Owns the client, the credentials of each request and the pauses. Decides nothing.

use crate::delivery::{Delivery, Failure, Next};
use crate::item::Item;
use crate::place::{Home, Place};
use aws_identity::{Aws, RefusalKind};
use aws_reading::{Endpoints, SignedClient, SignedError};
use cli_kit::chain_text;
use std::path::Path;

/// Carries items for one principal.
#[derive(Debug)]
pub struct Courier {
    client: SignedClient,
    aws: Aws,
    home: Home,
    principal: Option<String>,
    endpoints: Endpoints,
}

impl Courier {
    /// Gets ready; no connection yet. A principal is named in denials that name none.
    ///
    /// # Errors
    /// When the file of authorities cannot be used.
    pub fn new(aws: &Aws, home: &Home, principal: Option<&str>, ca_file: Option<&Path>) -> Result<Self, SignedError> {
        Ok(Self {
            client: SignedClient::new(ca_file)?,
            aws: aws.clone(),
            home: home.clone(),
            principal: principal.map(str::to_owned),
            endpoints: Endpoints::of(aws.config()),
        })
    }

    /// Brings an item to a place that is [`Place::seen_from`] home; what passes is tried again.
    ///
    /// Dropping the future leaves open whether it arrived.
    ///
    /// # Errors
    /// Why it is not there.
    pub async fn deliver(&self, place: &Place, item: &Item) -> Result<(), Failure> {
        self.carry(Delivery::new(place, item, &self.home)).await
    }

    /// As [`Courier::deliver`], but nothing is tried again.
    ///
    /// # Errors
    /// Why it is not there.
    pub async fn deliver_once(&self, place: &Place, item: &Item) -> Result<(), Failure> {
        self.carry(Delivery::new(place, item, &self.home).once()).await
    }

    async fn carry(&self, mut delivery: Delivery<'_>) -> Result<(), Failure> {
        loop {
            let credentials = self.aws.credentials().await;
            let credentials = credentials.map_err(|error| Failure::NotSent(format!("failed to {}", chain_text(&error))))?;
            let next = match self.client.send(&credentials, delivery.request(&self.endpoints)).await {
                Ok(reply) => delivery.handle_reply(&reply),
                Err(error) => delivery.handle_silence(&error),
            };
            match next {
                Next::Send(pause) => tokio::time::sleep(pause).await,
                Next::Done(result) => return result.map_err(|failure| self.named(failure)),
            }
        }
    }

    /// A denial names who was denied, also where the service does not.
    fn named(&self, mut failure: Failure) -> Failure {
        if let Failure::Refused(refusal) = &mut failure
            && refusal.kind == RefusalKind::Denied
        {
            refusal.principal = refusal.principal.take().or_else(|| self.principal.clone());
        }
        failure
    }
}
