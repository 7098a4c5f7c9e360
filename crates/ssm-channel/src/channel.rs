//! A WebSocket that carries messages both ways. Owns frames, batching and the way an end looks;
//! the messages' content is opaque to it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Sink, Stream};
use tokio::io::AsyncWrite;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};

use crate::wire::{Traffic, Wire};
use cli_kit::printable;

/// The largest message that is accepted, in bytes; the agent's are below 4 KiB (its payload limit
/// is 1024 bytes plus a header).
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// The read buffer in bytes: some sixty messages of the agent in one go.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// The bytes that are collected before a write happens without a flush.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// The bytes that may wait for a peer that does not read, beyond which queueing fails.
const MAX_WRITE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// The time to say goodbye; nobody waits longer for a courtesy.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The code that stands for a close frame without one (RFC 6455, section 7.1.5).
const NO_CODE: u16 = 1005;

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
    /// The answer to a ping.
    Pong,
    /// The peer closes the WebSocket; `Eof` follows.
    Close {
        /// The close code; 1005 when the frame has none.
        code: u16,
        /// The reason, sanitised.
        reason: String,
    },
    /// The byte stream ended; every later call says so again.
    Eof {
        /// Whether TLS ended as it should; a cut by Boundary ends without. Never on plain loopback.
        clean_tls: bool,
    },
}

/// Why the channel cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The connection failed.
    #[error("use the data channel's connection")]
    Io(#[source] io::Error),
    /// The peer announced a message above [`MAX_MESSAGE_BYTES`].
    #[error("read a message of {bytes} bytes")]
    TooBig {
        /// The announced size.
        bytes: usize,
    },
    /// The peer broke the rules of WebSocket.
    #[error("read a WebSocket frame")]
    Protocol(#[source] ProtocolError),
    /// A text message is not UTF-8.
    #[error("use a text message that is not UTF-8")]
    NotUtf8,
    /// Too much waits for a peer that does not read.
    #[error("queue more than {MAX_WRITE_BUFFER_BYTES} bytes for a peer that does not read")]
    Backlog,
    /// The WebSocket is closed.
    #[error("use a data channel that is closed")]
    Closed,
}

impl From<WsError> for ChannelError {
    fn from(error: WsError) -> Self {
        match error {
            WsError::Io(source) => Self::Io(source),
            WsError::Capacity(CapacityError::MessageTooLong { size, .. }) => Self::TooBig { bytes: size },
            WsError::Protocol(ProtocolError::SendAfterClosing) => Self::Closed,
            WsError::Protocol(source) => Self::Protocol(source),
            WsError::Utf8(_) => Self::NotUtf8,
            WsError::WriteBufferFull(_) => Self::Backlog,
            _ => Self::Closed,
        }
    }
}

/// A connected data channel.
#[derive(Debug)]
pub struct Channel {
    reader: Reader,
    writer: Writer,
    local: io::Result<SocketAddr>,
    peer: io::Result<SocketAddr>,
}

/// The receiving half.
#[derive(Debug)]
pub struct Reader {
    socket: Socket,
    tls: bool,
    ended: Option<bool>,
}

/// The sending half.
#[derive(Debug)]
pub struct Writer {
    socket: Socket,
}

/// Both halves' handle; locked within one poll only, never across an await.
#[derive(Debug, Clone)]
struct Socket {
    stream: Arc<Mutex<WebSocketStream<Wire>>>,
    traffic: Arc<Traffic>,
}

impl Socket {
    fn lock(&self) -> MutexGuard<'_, WebSocketStream<Wire>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    /// Starts on an upgraded stream; `rest` came together with the gateway's answer.
    pub(crate) async fn new(wire: Wire, rest: BytesMut) -> Self {
        let (local, peer, tls, traffic) = (wire.local_addr(), wire.peer_addr(), wire.is_tls(), wire.traffic());
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let stream = WebSocketStream::from_partially_read(wire, rest.to_vec(), Role::Client, Some(config)).await;
        let socket = Socket { stream: Arc::new(Mutex::new(stream)), traffic };
        let writer = Writer { socket: socket.clone() };
        Self { reader: Reader { socket, tls, ended: None }, writer, local, peer }
    }

    /// Names our end of the TCP connection.
    ///
    /// # Errors
    /// Passes on what the system said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        copy(&self.local)
    }

    /// Names the far end of the TCP connection: Boundary's listener, a proxy or the endpoint.
    ///
    /// # Errors
    /// Passes on what the system said.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        copy(&self.peer)
    }

    /// Shares the byte counters.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.reader.socket.traffic)
    }

    /// Splits into halves for one select loop or two tasks.
    pub fn split(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }

    /// Receives; see [`Reader::recv`].
    ///
    /// # Errors
    /// See [`Reader::recv`].
    pub async fn recv(&mut self) -> Result<Incoming, ChannelError> {
        self.reader.recv().await
    }

    /// Sends one text message; see [`Writer::send_text`].
    ///
    /// # Errors
    /// See [`Writer::send_text`].
    pub async fn send_text(&mut self, text: impl Into<Bytes>) -> Result<(), ChannelError> {
        self.writer.send_text(text).await
    }

    /// Sends one binary message; see [`Writer::send_binary`].
    ///
    /// # Errors
    /// See [`Writer::send_binary`].
    pub async fn send_binary(&mut self, message: impl Into<Bytes>) -> Result<(), ChannelError> {
        self.writer.send_binary(message).await
    }

    /// Sends a ping; see [`Writer::ping`].
    ///
    /// # Errors
    /// See [`Writer::ping`].
    pub async fn ping(&mut self) -> Result<(), ChannelError> {
        self.writer.ping().await
    }

    /// Says goodbye; see [`Writer::close`].
    ///
    /// # Errors
    /// See [`Writer::close`].
    pub async fn close(&mut self, code: u16) -> Result<(), ChannelError> {
        self.writer.close(code).await
    }
}

fn copy(address: &io::Result<SocketAddr>) -> io::Result<SocketAddr> {
    address.as_ref().copied().map_err(|error| io::Error::from(error.kind()))
}

impl Reader {
    /// Waits for the next message or end. The peer's pings are answered and not shown.
    ///
    /// Cancel safe: a dropped call loses nothing.
    ///
    /// # Errors
    /// Fails for good when the peer breaks the protocol or announces too much.
    pub async fn recv(&mut self) -> Result<Incoming, ChannelError> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Takes what has already arrived, without waiting: call after [`Reader::recv`] to drain a
    /// burst before the next flush.
    ///
    /// # Errors
    /// As [`Reader::recv`].
    pub fn try_recv(&mut self) -> Result<Option<Incoming>, ChannelError> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match self.poll_recv(&mut cx) {
            Poll::Ready(result) => result.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// Shares the byte counters.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.socket.traffic)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, ChannelError>> {
        if let Some(clean_tls) = self.ended {
            return Poll::Ready(Ok(Incoming::Eof { clean_tls }));
        }
        loop {
            let next = ready!(Pin::new(&mut *self.socket.lock()).poll_next(cx));
            match next {
                Some(Ok(message)) => {
                    if let Some(incoming) = incoming(message) {
                        return Poll::Ready(Ok(incoming));
                    }
                }
                Some(Err(error)) => return Poll::Ready(self.end(error)),
                None => return Poll::Ready(Ok(self.eof(self.tls))),
            }
        }
    }

    fn eof(&mut self, clean_tls: bool) -> Incoming {
        self.ended = Some(clean_tls);
        Incoming::Eof { clean_tls }
    }

    /// Tells an end of the stream from a failure.
    fn end(&mut self, error: WsError) -> Result<Incoming, ChannelError> {
        match error {
            WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ok(self.eof(self.tls)),
            WsError::Io(error) if is_cut(error.kind()) => Ok(self.eof(false)),
            error => {
                self.ended = Some(false);
                Err(error.into())
            }
        }
    }
}

/// Tells whether an I/O error is how a cut connection looks.
fn is_cut(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

fn incoming(message: Message) -> Option<Incoming> {
    match message {
        Message::Text(text) => Some(Incoming::Text(text.into())),
        Message::Binary(bytes) => Some(Incoming::Binary(bytes)),
        Message::Pong(_) => Some(Incoming::Pong),
        Message::Close(Some(frame)) => Some(Incoming::Close { code: frame.code.into(), reason: printable(&frame.reason, 125) }),
        Message::Close(None) => Some(Incoming::Close { code: NO_CODE, reason: String::new() }),
        Message::Ping(_) | Message::Frame(_) => None,
    }
}

impl Writer {
    /// Waits until the socket takes bytes again; queue without waiting only while the backlog is small.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// Fails when the connection does.
    pub async fn ready(&mut self) -> Result<(), ChannelError> {
        poll_fn(|cx| Pin::new(&mut *self.socket.lock()).poll_ready(cx)).await.map_err(Into::into)
    }

    /// Queues a binary message at once, without waiting and without a system call per message.
    ///
    /// Waits for [`Writer::flush`]; bounded by 4 MiB of unsent bytes.
    ///
    /// # Errors
    /// Fails when the connection does, when it is closed, or on a backlog.
    pub fn queue_binary(&mut self, message: impl Into<Bytes>) -> Result<(), ChannelError> {
        self.queue(Message::Binary(message.into()))
    }

    /// Queues a text message; see [`Writer::queue_binary`].
    ///
    /// # Errors
    /// As [`Writer::queue_binary`], and when the text is not UTF-8.
    pub fn queue_text(&mut self, text: impl Into<Bytes>) -> Result<(), ChannelError> {
        let text = Utf8Bytes::try_from(text.into()).map_err(|_| ChannelError::NotUtf8)?;
        self.queue(Message::Text(text))
    }

    /// Queues a ping; see [`Writer::queue_binary`].
    ///
    /// # Errors
    /// As [`Writer::queue_binary`].
    pub fn queue_ping(&mut self) -> Result<(), ChannelError> {
        self.queue(Message::Ping(Bytes::from_static(b"keepalive")))
    }

    /// Sends everything that is queued, pongs included.
    ///
    /// Cancel safe: call again to go on.
    ///
    /// # Errors
    /// Fails when the connection does.
    pub async fn flush(&mut self) -> Result<(), ChannelError> {
        poll_fn(|cx| Pin::new(&mut *self.socket.lock()).poll_flush(cx)).await.map_err(Into::into)
    }

    /// Sends one text message and flushes. Once it has waited for room, cancelling does not unsend it.
    ///
    /// # Errors
    /// As [`Writer::queue_text`] and [`Writer::flush`].
    pub async fn send_text(&mut self, text: impl Into<Bytes>) -> Result<(), ChannelError> {
        self.ready().await?;
        self.queue_text(text)?;
        self.flush().await
    }

    /// Sends one binary message and flushes; for many, queue them and flush once.
    ///
    /// # Errors
    /// As [`Writer::queue_binary`] and [`Writer::flush`].
    pub async fn send_binary(&mut self, message: impl Into<Bytes>) -> Result<(), ChannelError> {
        self.ready().await?;
        self.queue_binary(message)?;
        self.flush().await
    }

    /// Sends a ping and flushes.
    ///
    /// # Errors
    /// As [`Writer::queue_ping`] and [`Writer::flush`].
    pub async fn ping(&mut self) -> Result<(), ChannelError> {
        self.queue_ping()?;
        self.flush().await
    }

    /// Sends a close frame, ends TLS and the sending direction; takes two seconds at most.
    ///
    /// A peer that is gone already is not an error.
    ///
    /// # Errors
    /// Fails when the frame could not be sent to a peer that is still there.
    pub async fn close(&mut self, code: u16) -> Result<(), ChannelError> {
        let frame = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::default() };
        match self.queue(Message::Close(Some(frame))) {
            Ok(()) | Err(ChannelError::Closed) => {}
            Err(ChannelError::Io(error)) if is_cut(error.kind()) => return Ok(()),
            Err(error) => return Err(error),
        }
        let goodbye = poll_fn(|cx| {
            let mut stream = self.socket.lock();
            ready!(Pin::new(&mut *stream).poll_flush(cx)).map_err(ChannelError::from)?;
            Pin::new(stream.get_mut()).poll_shutdown(cx).map_err(ChannelError::Io)
        });
        match timeout(CLOSE_TIMEOUT, goodbye).await {
            Ok(Err(ChannelError::Io(error))) if is_cut(error.kind()) => Ok(()),
            Ok(Err(ChannelError::Closed)) | Err(_) => Ok(()),
            Ok(result) => result,
        }
    }

    fn queue(&mut self, message: Message) -> Result<(), ChannelError> {
        Pin::new(&mut *self.socket.lock()).start_send(message).map_err(Into::into)
    }
}
