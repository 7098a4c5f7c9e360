//! The reader against servers on loopback: scripted ones, the lab, and moto where it is installed.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking")]

mod environment;
mod lists;
mod moto;
mod objects;
mod server;
mod world;

use aws_credential_types::Credentials;
use aws_identity::{Settings, load};
use aws_reading::{Dice, Endpoints, Reader, ReaderOptions, Schedule, Service};
use std::time::Duration;

const REGION: &str = "us-east-2";

/// A reader whose services are all at one URL; it pauses hardly.
async fn reader(url: &str, credentials: Credentials) -> Reader {
    let settings = Settings { region: Some(REGION.to_owned()), credentials: Some(credentials), ..Settings::default() };
    let aws = load(&settings).await.unwrap();
    let endpoints = Endpoints {
        configured: Service::ALL.into_iter().map(|service| (service, url.to_owned())).collect(),
        ..Endpoints::default()
    };
    let brief = Duration::from_millis(1);
    let schedule = Schedule { attempts: 4, failed: brief, throttled: brief, longest: brief };
    let principal = Some("arn:aws:iam::123456789012:user/auditor".to_owned());
    let options =
        ReaderOptions { endpoints: Some(endpoints), schedule, dice: Dice::new(|| 1.0), principal, ..ReaderOptions::default() };
    Reader::new(&aws, options).unwrap()
}

fn keys() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", None, None, "test")
}
