//! One connection through a worker, as a stream of bytes.
//!
//! Owns the frames: each write becomes one binary message, and reads gather what is at hand. There is no half-close: a worker
//! ends both directions at once, so a shutdown ends the connection.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Sink, Stream};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::error::ProtocolError as FrameError;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::connect::WorkerStream;
use crate::error::Reason;
use crate::wire::HandshakeResult;

/// The longest message that is written, in bytes: what Boundary's own client writes, and no more than its library's default
/// limit for a message.
pub(crate) const MAX_WRITE_BYTES: usize = 32 * 1024;

/// What is known of a connection while it runs and afterwards.
#[derive(Debug, Default)]
pub struct Monitor {
    up: AtomicU64,
    down: AtomicU64,
    ending: OnceLock<Reason>,
}

impl Monitor {
    /// Counts the payload bytes that went to the worker, as its own `bytes_up` does.
    pub fn bytes_up(&self) -> u64 {
        self.up.load(Ordering::Relaxed)
    }

    /// Counts the payload bytes that came from the worker, as its own `bytes_down` does.
    pub fn bytes_down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    /// Tells how the worker ended the connection, if it said so; a cut by cancel or expiry comes without a word.
    pub fn ending(&self) -> Option<&Reason> {
        self.ending.get()
    }
}

/// The worker ended the connection with a complaint.
#[derive(Debug, thiserror::Error)]
#[error("the Boundary worker ended the connection ({0})")]
pub struct EndedByWorker(pub Reason);

/// A connection through a worker: bytes in, bytes out.
///
/// A read gives 0 bytes after the worker's orderly close; an error of kind `UnexpectedEof` after a cut without a word (cancel,
/// expiry, a lost network), and [`EndedByWorker`] after a close with a complaint. Dropping it closes at once.
#[derive(Debug)]
pub struct Connection {
    stream: WorkerStream,
    worker: String,
    expiration: Option<Timestamp>,
    connections_left: Option<u32>,
    unread: Bytes,
    held_back: Option<io::Result<()>>,
    ended: bool,
    monitor: Arc<Monitor>,
}

impl Connection {
    pub(crate) fn new(stream: WorkerStream, worker: &str, result: &HandshakeResult) -> Self {
        Self {
            stream,
            worker: worker.to_owned(),
            expiration: result.expiration,
            connections_left: u32::try_from(result.connections_left).ok(),
            unread: Bytes::new(),
            held_back: None,
            ended: false,
            monitor: Arc::default(),
        }
    }

    /// Tells when the session expires, as the worker said.
    pub fn expiration(&self) -> Option<Timestamp> {
        self.expiration
    }

    /// Counts the connections that the session may still open; none means any number.
    pub fn connections_left(&self) -> Option<u32> {
        self.connections_left
    }

    /// Names the worker, `host:port`.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// Tells our end of the TCP connection: without NAT, what the controller shows as the client's address.
    ///
    /// # Errors
    /// The system's refusal.
    pub fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.stream.get_ref().get_ref().0.get_ref().local_addr()
    }

    /// Gives the counters and the ending, which outlive the connection.
    pub fn monitor(&self) -> Arc<Monitor> {
        Arc::clone(&self.monitor)
    }

    /// Moves unread payload into the reader's buffer.
    fn deliver(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..count]);
        self.unread.advance(count);
    }

    /// Takes the next payload; `Ok(false)` is the orderly end.
    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(Message::Binary(payload))) => {
                    self.monitor.down.fetch_add(payload.len() as u64, Ordering::Relaxed);
                    self.unread = payload;
                    if !self.unread.is_empty() {
                        return Poll::Ready(Ok(true));
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    let reason = Reason::close(frame.as_ref());
                    // The answer is a courtesy: an error or a full socket leaves the end as it is.
                    let _ = Pin::new(&mut self.stream).poll_flush(cx);
                    return Poll::Ready(self.note_end(reason).map(|()| false));
                }
                Some(Ok(Message::Text(_) | Message::Frame(_))) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a message that is not binary")));
                }
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                None => return Poll::Ready(Ok(false)),
            }
        }
    }

    fn note_end(&self, reason: Reason) -> io::Result<()> {
        let ending = self.monitor.ending.get_or_init(|| reason);
        if ending.is_normal() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::ConnectionReset, EndedByWorker(ending.clone())))
    }

    fn queue(&mut self, payload: Bytes) -> io::Result<usize> {
        let count = payload.len();
        Pin::new(&mut self.stream).start_send(Message::Binary(payload)).map_err(into_io)?;
        self.monitor.up.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        this.deliver(buf);
        while buf.remaining() > 0 && !this.ended {
            match this.poll_payload(cx) {
                Poll::Ready(Ok(true)) => this.deliver(buf),
                Poll::Ready(end) => {
                    this.ended = true;
                    this.held_back = Some(end.map(|_| ()));
                }
                Poll::Pending if buf.filled().len() > before => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        if buf.filled().len() > before || !this.unread.is_empty() {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(this.held_back.take().unwrap_or(Ok(())))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    /// Gathers small pieces, as TLS writes them, into one message.
    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = bufs.iter().map(|piece| piece.len()).sum::<usize>().min(MAX_WRITE_BYTES);
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        ready!(Pin::new(&mut this.stream).poll_ready(cx)).map_err(into_io)?;
        let mut payload = BytesMut::with_capacity(length);
        for piece in bufs {
            let room = length - payload.len();
            payload.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Poll::Ready(this.queue(payload.freeze()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx).map_err(into_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.stream).poll_close(cx)) {
            Err(error) if !matches!(error, WsError::AlreadyClosed | WsError::ConnectionClosed) => {
                Poll::Ready(Err(into_io(error)))
            }
            _ => Poll::Ready(Ok(())),
        }
    }
}

fn into_io(error: WsError) -> io::Error {
    match error {
        WsError::Io(error) => error,
        WsError::Protocol(FrameError::ResetWithoutClosingHandshake) => io::ErrorKind::UnexpectedEof.into(),
        WsError::AlreadyClosed | WsError::ConnectionClosed | WsError::Protocol(FrameError::SendAfterClosing) => {
            io::ErrorKind::BrokenPipe.into()
        }
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
