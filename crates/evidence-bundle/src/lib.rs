//! What an auditor hands on, and what proves it.
//!
//! ```text
//! files ──> bundle::Writer ──> Sealed ──> folder ──> archive.tar
//!              (hashes)       (signed,       │            │
//!                              anchored)     └── verify ──┘ ──> Report
//! ```
//! The core is pure: it takes the time and the keys as values and reads no network. [`bundle`], [`archive`], [`keys`],
//! [`store`] and [`mod@verify`] touch files; nothing here ever overwrites one. [`mod@seal`] encrypts what only cleared readers may
//! see, and draws the keys of each file itself. [`mod@verify`] trusts nothing that it reads but the public key that it is given.

pub mod anchor;
pub mod archive;
pub mod bundle;
pub mod chain;
mod durable;
pub mod hash;
pub mod keys;
pub mod manifest;
pub mod merkle;
pub mod names;
#[cfg(test)]
mod samples;
pub mod seal;
pub mod store;
pub mod table;
pub mod verify;

pub use anchor::{Anchor, Statement};
pub use bundle::{BundleError, Sealed, Writer};
pub use hash::Sha256;
pub use keys::{KeyError, KeyId, PublicKey, SigningKey};
pub use manifest::{About, FileEntry, Manifest};
pub use verify::{Anchorage, NoBundle, Options, Problem, Report, look_at, verify};
