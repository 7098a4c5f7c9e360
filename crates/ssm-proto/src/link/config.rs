//! The link's settings, with the reason for each number.

use std::time::Duration;

/// Whether the SSM session must, may or must not be encrypted with a KMS data key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncryptionPolicy {
    /// A session without a key ends before any input is sent or output is shown.
    Required,
    /// A session that asks for a key ends.
    Forbidden,
    /// Both go.
    #[default]
    Allowed,
}

/// Settings of a [`Link`](crate::Link).
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Four numbers joined by dots: agents compare them, other forms fail there.
    pub client_version: String,
    /// The SSM session's id.
    pub session_id: String,
    /// Input messages on their way at most. A small window keeps Ctrl-C quick: the agent confirms
    /// only what its terminal took.
    pub input_window: usize,
    /// Input bytes on their way at most.
    pub input_window_bytes: usize,
    /// Where the window may open to, in bytes, while confirmations come quickly. Equal to `input_window_bytes` for a fixed
    /// window.
    pub input_window_ceiling: usize,
    /// Bytes that [`Link::send_input`](crate::Link::send_input) keeps before they have a number.
    pub queue_limit: usize,
    /// Whether encryption must be there.
    pub encryption: EncryptionPolicy,
    /// Unconfirmed for so long: [`Event::Stalled`](crate::Event::Stalled).
    pub stall_after: Duration,
    /// Nothing confirmed and no new output for so long, connected: [`LinkEnd::GaveUp`](crate::LinkEnd::GaveUp). The official
    /// client waits as long.
    pub give_up_after: Duration,
    /// From the handshake request to our response; the agent waits no longer.
    pub response_within: Duration,
    /// From our response to the agent's next word: its own KMS call stands between.
    pub agent_within: Duration,
    /// Frames in a row that are no messages: [`LinkEnd::BadFrames`](crate::LinkEnd::BadFrames).
    pub bad_frame_limit: u32,
    /// Wrong digests without any progress between: [`LinkEnd::BadDigests`](crate::LinkEnd::BadDigests). A repetition comes ten
    /// times a second, so this is some seconds of nothing but damage.
    pub bad_digest_limit: u32,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            client_version: "1.2.896.0".to_owned(),
            session_id: String::new(),
            input_window: 16,
            input_window_bytes: 8 * 1024,
            input_window_ceiling: 64 * 1024,
            queue_limit: 256 * 1024,
            encryption: EncryptionPolicy::Allowed,
            stall_after: Duration::from_secs(5),
            give_up_after: Duration::from_mins(5),
            response_within: Duration::from_secs(15),
            agent_within: Duration::from_mins(1),
            bad_frame_limit: 16,
            bad_digest_limit: 64,
        }
    }
}
