//! The byte stream below the WebSocket: plain or TLS over one TCP connection, metered. Owns the
//! buffering that makes small records cheap; knows nothing of HTTP or frames.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The socket's read buffer in bytes: rustls alone would ask the kernel for 4 KiB at a time.
const SOCKET_BUFFER_BYTES: usize = 64 * 1024;

/// Counts a connection's bytes as the network sees them, TLS included.
#[derive(Debug, Default)]
pub struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Traffic {
    /// Counts the bytes received so far; any change is a sign of life.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Counts the bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// A TCP stream that counts.
#[derive(Debug)]
pub(crate) struct Metered {
    stream: TcpStream,
    traffic: Arc<Traffic>,
}

/// A metered TCP stream with a read buffer.
pub(crate) type Tcp = BufReader<Metered>;

/// Wraps a connected stream.
pub(crate) fn meter(stream: TcpStream) -> Tcp {
    BufReader::with_capacity(SOCKET_BUFFER_BYTES, Metered { stream, traffic: Arc::default() })
}

impl Metered {
    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }
}

impl AsyncRead for Metered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.traffic.received.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        result
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        count_sent(&this.traffic, &result);
        result
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        count_sent(&this.traffic, &result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn count_sent(traffic: &Traffic, result: &Poll<io::Result<usize>>) {
    if let Poll::Ready(Ok(count)) = result {
        traffic.sent.fetch_add(*count as u64, Ordering::Relaxed);
    }
}

#[derive(Debug)]
enum Layer {
    Plain(Tcp),
    Tls(Box<TlsStream<Tcp>>),
}

/// The stream that HTTP and WebSocket run on.
///
/// A read gathers as many TLS records as are at hand, so that a burst of small records costs one
/// call of the layer above; an end or error met on the way is kept for the next read.
#[derive(Debug)]
pub(crate) struct Wire {
    layer: Layer,
    held_back: Option<io::Result<()>>,
}

impl Wire {
    pub(crate) fn plain(tcp: Tcp) -> Self {
        Self { layer: Layer::Plain(tcp), held_back: None }
    }

    pub(crate) fn tls(stream: TlsStream<Tcp>) -> Self {
        Self { layer: Layer::Tls(Box::new(stream)), held_back: None }
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.layer, Layer::Tls(_))
    }

    fn metered(&self) -> &Metered {
        match &self.layer {
            Layer::Plain(tcp) => tcp.get_ref(),
            Layer::Tls(stream) => stream.get_ref().0.get_ref(),
        }
    }

    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(self.metered().traffic())
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.metered().stream.local_addr()
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.metered().stream.peer_addr()
    }

    /// Tells whether the peer has ended or reset the connection, as far as the runtime has heard.
    ///
    /// The readiness flag sees an end even behind unread TLS session tickets.
    pub(crate) fn is_closed(&self) -> bool {
        let stream = &self.metered().stream;
        let ended = match stream.ready(Interest::READABLE).now_or_never() {
            Some(Ok(ready)) => ready.is_read_closed(),
            Some(Err(_)) => true,
            None => false,
        };
        let mut byte = [0u8; 1];
        let mut peeked = ReadBuf::new(&mut byte);
        let peek = stream.poll_peek(&mut Context::from_waker(Waker::noop()), &mut peeked);
        ended || matches!(peek, Poll::Ready(Ok(0) | Err(_)))
    }

    fn poll_layer(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Layer::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(end) = this.held_back.take() {
            return Poll::Ready(end);
        }
        let start = buf.filled().len();
        while buf.remaining() > 0 {
            let before = buf.filled().len();
            let result = this.poll_layer(cx, buf);
            let gathered = before > start;
            match result {
                Poll::Ready(Ok(())) if buf.filled().len() > before => {}
                Poll::Pending if gathered => break,
                Poll::Ready(end) if gathered => {
                    this.held_back = Some(end);
                    break;
                }
                other => return other,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().layer {
            Layer::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Layer::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().layer {
            Layer::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().layer {
            Layer::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
