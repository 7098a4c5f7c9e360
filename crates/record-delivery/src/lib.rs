//! Brings records to CloudWatch Logs and S3 at least once, and keeps what has not arrived.
//!
//! Owns places and their names, the two services' requests and answers, and the folder of what waits. What a
//! record says, when it is sent and how long that may take is its callers' matter.
//!
//! ```text
//! Item ─ Spool::keep ─► file ─ Courier ─► log stream, object ─► removed
//!                         └─ left by earlier runs ─ Sweep ──────►┘
//! ```

mod courier;
mod delivery;
mod item;
mod place;
mod request;
mod spool;
mod sweep;

pub use aws_reading::{Node, Reply, SignedClient, SignedError, SignedRequest, ca_file, escaped};
pub use courier::Courier;
pub use delivery::Failure;
pub use item::{Item, Stored, day_path};
pub use place::{Bucket, Home, LogGroup, Place, PlaceError};
pub use spool::{Kept, Look, Parcel, Reader, Spool};
pub use sweep::{Note, Sweep};
