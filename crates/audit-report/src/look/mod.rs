//! Accounts, findings, windows and access for people at a terminal.
//!
//! Owns columns, marks and colours; a colour never says what no word says. Nothing is cut that a person needs to act: lines are
//! broken instead, and ids stand whole.

mod access;
mod coverage;
mod findings;
mod paper;
mod sessions;

pub use access::{access, access_between};
pub use coverage::coverage;
pub(crate) use findings::basis;
pub use findings::findings;
pub use paper::Paper;
pub use sessions::{session, sessions};

#[cfg(test)]
mod tests;
