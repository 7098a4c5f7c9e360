//! The SSM Session Manager data channel as a state machine.
//!
//! Owns: the binary message, its payloads, acknowledgement and retransmission, the handshake, the
//! encryption, and the two rules that keep a terminal honest: no byte of input is lost unseen, and
//! no output is shown twice or out of order.
//! Never does: open a socket, read a clock, draw random bytes by itself, spawn, log or print.
//! Time ([`Now`]) and randomness ([`Entropy`]) are arguments.
//!
//! ```text
//!  socket ── handle_connected/handle_binary/handle_text/handle_disconnected ─►┐
//!  clock  ── handle_timeout ─────────────────────────────────────────────────►│ Link │─► poll_transmit ─► socket
//!  user   ── send_input/interrupt/resize/release_input ──────────────────────►│      │─► poll_event    ─► terminal
//!                                                                              └──────┘─► poll_timeout  ─► clock
//! ```
//!
//! After every call: drain [`Link::poll_transmit`], then [`Link::poll_event`], then wait until
//! [`Link::poll_timeout`] at the latest.

pub mod cipher;
pub mod frame;
pub mod payload;

mod entropy;
mod input;
mod link;
mod now;
mod paste;
mod receiver;
mod rtt;
mod sender;
mod stall;
mod window;

#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "agent")]
pub mod probe;

pub use crate::{
    cipher::DataKey,
    entropy::{Entropy, SystemEntropy},
    input::Interrupted,
    link::{Counters, EncryptionMismatch, EncryptionPolicy, Event, GrantedKey, Link, LinkConfig, LinkEnd, Phase, Transmit},
    now::Now,
};
