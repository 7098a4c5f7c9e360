//! The program against a whole world: what is done to the evidence, and what it then says.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod bundles;
mod playing;
mod rounds;
mod said;
mod seat;
mod words;
