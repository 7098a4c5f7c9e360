//! A socket that leads through a worker, for code that wants a TCP stream.
//!
//! Both ends of a loopback connection are ours, and nobody else can take its place: the listener accepts only the socket that
//! was made for it, and is closed at once.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::connect::WorkerProxy;
use crate::connection::{Connection, MAX_WRITE_BYTES};
use crate::error::ConnectError;

/// The time for the goodbye to a worker that may be gone.
const GOODBYE: Duration = Duration::from_secs(2);

/// Strangers that may knock before our own socket is met.
const STRANGERS: usize = 16;

/// Why a socket was closed.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// The connection through the worker broke.
    #[error("carry a connection through the Boundary worker {worker}")]
    Worker {
        /// The worker's address.
        worker: String,
        /// What broke.
        source: io::Error,
    },
    /// The socket broke.
    #[error("carry a local connection")]
    Local(#[source] io::Error),
}

/// Why the last socket was closed before its user closed it, for whoever sees its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastEnd(Arc<Mutex<Option<Arc<CarryError>>>>);

impl LastEnd {
    fn set(&self, error: Option<CarryError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = error.map(Arc::new);
    }

    pub(crate) fn get(&self) -> Option<Arc<CarryError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl WorkerProxy {
    /// Opens a connection as [`WorkerProxy::connect`] does and returns a socket of this process whose bytes go through it.
    ///
    /// The socket ends when the connection does; [`WorkerProxy::last_end`] then says why.
    ///
    /// # Errors
    /// As [`WorkerProxy::connect`]; a loopback connection that cannot be made is [`ConnectError::Unreachable`].
    pub async fn connect_tcp(&self) -> Result<TcpStream, ConnectError> {
        let connection = self.connect().await?;
        let local = |source| ConnectError::Unreachable { workers: "127.0.0.1".to_owned(), source };
        let (ours, inner) = private_pair().await.map_err(local)?;
        self.last_end.set(None);
        tokio::spawn(serve(inner, connection, self.last_end.clone()));
        Ok(ours)
    }

    /// Tells why the last socket of [`WorkerProxy::connect_tcp`] broke, if one has since the last was opened.
    pub fn last_end(&self) -> Option<Arc<CarryError>> {
        self.last_end.get()
    }
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

async fn serve(mut socket: TcpStream, mut connection: Connection, last_end: LastEnd) {
    if let Err(error) = carry(&mut socket, &mut connection).await {
        tracing::debug!(error = cli_kit::chain_text(&error), "a carried connection broke");
        last_end.set(Some(error));
    }
    // Whoever sees the socket's end finds the reason, and does not wait for a worker that may be gone.
    drop(socket);
    let _ = timeout(GOODBYE, connection.shutdown()).await;
}

/// Carries both directions until one ends, which ends the other: there is no half-close through a worker.
async fn carry(socket: &mut TcpStream, connection: &mut Connection) -> Result<(), CarryError> {
    let worker = connection.worker().to_owned();
    let broken = |broken: Broken, reads_worker: bool| match (broken, reads_worker) {
        (Broken::Read(source), true) | (Broken::Write(source), false) => CarryError::Worker { worker: worker.clone(), source },
        (Broken::Read(source), false) | (Broken::Write(source), true) => CarryError::Local(source),
    };
    let (mut from_local, mut to_local) = socket.split();
    let (mut from_worker, mut to_worker) = tokio::io::split(connection);
    tokio::select! {
        up = pump(&mut from_local, &mut to_worker) => up.map_err(|error| broken(error, false)),
        down = pump(&mut from_worker, &mut to_local) => down.map_err(|error| broken(error, true)),
    }
}

enum Broken {
    Read(io::Error),
    Write(io::Error),
}

async fn pump(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> Result<(), Broken> {
    let mut buffer = vec![0; MAX_WRITE_BYTES];
    loop {
        match from.read(&mut buffer).await.map_err(Broken::Read)? {
            0 => return Ok(()),
            count => to.write_all(&buffer[..count]).await.map_err(Broken::Write)?,
        }
        to.flush().await.map_err(Broken::Write)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
