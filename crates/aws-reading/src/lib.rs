//! Reads AWS by signed requests and keeps its answers byte for byte, as evidence wants them.
//!
//! Owns the signature, the endpoints, the pace, the retries and the pages of lists. It understands of an answer only what it
//! needs to go on: what the entries say is its callers' matter. It changes nothing in AWS but by [`Reader::put_if_absent`].
//!
//! ```text
//! JsonCall, JsonList, s3 ─► Asking ─ Exchange ─► SignedRequest ─► AWS
//!                            Page ◄─ Exchange ◄─ Reply ◄───────────┘
//! ```

pub mod cloudtrail;
pub mod ecs;
pub mod iam;
pub mod logs;
pub mod s3;
pub mod ssm;

mod asking;
mod attempts;
mod dice;
mod endpoints;
mod error;
mod exchange;
mod fault;
mod json;
mod pace;
mod page;
mod pages;
mod reader;
mod service;
mod signed;
mod xml;

pub use asking::Asking;
pub use attempts::{Attempts, Passing, Schedule};
pub use dice::Dice;
pub use endpoints::Endpoints;
pub use error::ReadError;
pub use fault::Fault;
pub use json::{JsonCall, JsonList};
pub use pace::{Paces, Rate, documented_rates};
pub use page::{Page, Question};
pub use pages::{After, Listed, Listing, Pages, Token};
pub use reader::{Reader, ReaderOptions};
pub use service::Service;
pub use signed::{Incoming, Limits, Reply, SignedClient, SignedError, SignedRequest, ca_file, escaped};
pub use xml::Node;
