//! The hand of a test on the stand-in: two signals and a Unix socket with one command a line.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// A command of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Cut the live connections.
    Cut,
    /// Close listener and connections.
    Close,
    /// Let the session's time be over.
    Expire,
}

/// Where commands come from.
pub(crate) struct Control {
    cut: Signal,
    close: Signal,
    lines: mpsc::UnboundedReceiver<Command>,
    _keep_open: mpsc::UnboundedSender<Command>,
}

impl Control {
    pub(crate) fn open(path: Option<&str>) -> std::io::Result<Self> {
        let (sender, lines) = mpsc::unbounded_channel();
        if let Some(path) = path {
            tokio::spawn(listen(UnixListener::bind(path)?, sender.clone()));
        }
        let (cut, close) = (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
        Ok(Self { cut, close, lines, _keep_open: sender })
    }

    /// Waits for the next command.
    pub(crate) async fn next(&mut self) -> Command {
        tokio::select! {
            _ = self.cut.recv() => Command::Cut,
            _ = self.close.recv() => Command::Close,
            Some(command) = self.lines.recv() => command,
        }
    }
}

async fn listen(listener: UnixListener, sender: mpsc::UnboundedSender<Command>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(read_commands(stream, sender.clone()));
    }
}

async fn read_commands(stream: UnixStream, sender: mpsc::UnboundedSender<Command>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let command = match line.trim() {
            "cut" => Command::Cut,
            "close" => Command::Close,
            "expire" => Command::Expire,
            _ => {
                let _ = write.write_all(b"unknown command\n").await;
                continue;
            }
        };
        let _ = sender.send(command);
        let _ = write.write_all(b"ok\n").await;
    }
}
