//! A TCP stream that leads through a worker, for code that wants a socket.
//!
//! Both ends of a loopback connection are ours, and nobody else can take its place: the listener accepts only the socket that
//! was made for it, and is closed at once.

use crate::connection::Connection;
use std::io;
use std::net::Ipv4Addr;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};

/// Some sixty messages of the data channel in one go.
const BUFFER_BYTES: usize = 64 * 1024;

/// Strangers that may knock before our own socket is met.
const STRANGERS: usize = 16;

/// Makes a stream whose bytes go through `connection`; it ends when either side does.
pub(crate) async fn stream_through(connection: Connection) -> io::Result<TcpStream> {
    let (ours, inner) = private_pair().await?;
    tokio::spawn(carry(inner, connection));
    Ok(ours)
}

async fn carry(mut inner: TcpStream, mut connection: Connection) {
    let ended = copy_bidirectional_with_sizes(&mut inner, &mut connection, BUFFER_BYTES, BUFFER_BYTES).await;
    tracing::debug!(?ended, up = connection.traffic().up(), down = connection.traffic().down(), "worker connection ended");
    // A goodbye is a courtesy; the connection is over either way.
    let _ = connection.shutdown().await;
}

async fn private_pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let ours = TcpStream::connect(listener.local_addr()?).await?;
    let expected = ours.local_addr()?;
    for _ in 0..STRANGERS {
        let (inner, from) = listener.accept().await?;
        if from == expected {
            ours.set_nodelay(true)?;
            inner.set_nodelay(true)?;
            return Ok((ours, inner));
        }
    }
    Err(io::Error::other("other programs keep taking the loopback connection to the worker"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn a_pair_is_connected_and_nobody_else_can_be() {
        let (mut ours, mut inner) = private_pair().await.unwrap();
        let listened = inner.local_addr().unwrap();
        assert_eq!(ours.peer_addr().unwrap(), listened);
        ours.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        inner.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        assert_eq!(TcpStream::connect(listened).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
