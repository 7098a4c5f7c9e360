//! The remote script in every shell that this machine has, each on a real pseudo-terminal.
//!
//! Owns the matrix: cases here, shells in `shells`, the client's part in `client`. A missing shell or tool is
//! printed as "skipped: …" and never counts as a pass of its own.

mod client;
mod marks;
mod pipes;
mod shells;
mod terminal;
mod users;

/// Says something past the test runner's capture, so that it is seen.
fn say(text: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr(), "{text}"));
}
