//! An open connection through a worker: bytes in binary WebSocket messages. Owns the framing and the counts; the bytes are
//! opaque to it.

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::handshake::HandshakeResult;

pub(crate) type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// The most that one message carries: a worker's buffer.
const MESSAGE_MAX: usize = 32 * 1024;

/// A connection's bytes as the worker counts them: what the messages carry.
#[derive(Debug, Default)]
pub struct Traffic {
    up: AtomicU64,
    down: AtomicU64,
}

impl Traffic {
    /// Bytes sent to the worker.
    pub fn up(&self) -> u64 {
        self.up.load(Ordering::Relaxed)
    }

    /// Bytes received from the worker.
    pub fn down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }
}

/// A byte stream through a worker. Its end is the end of both directions.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    unread: Bytes,
    traffic: Arc<Traffic>,
    result: HandshakeResult,
    worker: String,
}

impl Connection {
    pub(crate) fn new(socket: Socket, worker: String, result: HandshakeResult) -> Self {
        Self { socket, unread: Bytes::new(), traffic: Arc::default(), result, worker }
    }

    /// What the worker said of the session.
    pub fn result(&self) -> HandshakeResult {
        self.result
    }

    /// The worker's address, `host:port`.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// Shares the byte counts.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Our end of the TCP connection to the worker: what the controller shows as the client's address, without NAT.
    ///
    /// # Errors
    /// What the system said.
    pub fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.socket.get_ref().get_ref().0.local_addr()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.unread.is_empty() {
            match ready!(Pin::new(&mut this.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => {
                    this.traffic.down.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    this.unread = bytes;
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(end_of(error)),
            }
        }
        let count = this.unread.len().min(buf.remaining());
        buf.put_slice(&this.unread[..count]);
        this.unread.advance(count);
        Poll::Ready(Ok(()))
    }
}

/// A worker cuts a connection without a word: that is an end, like any other.
fn end_of(error: WsError) -> io::Result<()> {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed | WsError::Protocol(_) => Ok(()),
        WsError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        other => Err(io_error(other)),
    }
}

fn io_error(error: WsError) -> io::Error {
    match error {
        WsError::Io(error) => error,
        WsError::ConnectionClosed | WsError::AlreadyClosed => io::ErrorKind::BrokenPipe.into(),
        other => io::Error::other(other),
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.socket).poll_ready(cx)).map_err(io_error)?;
        let count = buf.len().min(MESSAGE_MAX);
        Pin::new(&mut this.socket).start_send(Message::Binary(Bytes::copy_from_slice(&buf[..count]))).map_err(io_error)?;
        this.traffic.up.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(io_error)
    }

    /// Says goodbye; nothing is read after it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.socket).poll_close(cx)) {
            Err(WsError::ConnectionClosed | WsError::AlreadyClosed) | Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(io_error(error))),
        }
    }
}
