//! The wish to stop: SIGTERM or SIGINT.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for the signals that ask a daemon to stop.
#[derive(Debug)]
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Begins to listen; from here on the signals end nothing by themselves.
    ///
    /// # Errors
    /// When the signals cannot be had.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits until somebody asks. Cancel safe.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
