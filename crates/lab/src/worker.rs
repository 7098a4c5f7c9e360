//! The Boundary worker: a TCP proxy to the gateway that counts bytes, refuses, cuts and misleads. It knows no sessions;
//! the worker of `boundary` does.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::broadcast;

use crate::faults::{Elsewhere, Order, WorkerMode};
use crate::gateway::transport::finish;
use crate::journal::JournalEntry;
use crate::shared::Shared;

/// A real worker refuses only after a handshake: the client has seen its connection made.
const REFUSAL_DELAY: Duration = Duration::from_millis(10);

/// Servers that a misled worker leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strangers {
    pub(crate) not_tls: SocketAddr,
    pub(crate) other_name: SocketAddr,
}

/// Proxies until the world ends; orders close and reopen the listener.
pub(crate) async fn serve(listener: TcpListener, strangers: Strangers, shared: Arc<Shared>) {
    let Ok(address) = listener.local_addr() else { return };
    let mut orders = shared.faults.orders();
    let mut listener = Some(listener);
    loop {
        tokio::select! {
            accepted = accept(listener.as_ref()) => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(carry(client, strangers, shared.clone()));
                }
            }
            order = orders.recv() => match order {
                Ok(Order::WorkerListener(false)) => listener = None,
                Ok(Order::WorkerListener(true)) if listener.is_none() => listener = TcpListener::bind(address).await.ok(),
                Err(broadcast::error::RecvError::Closed) => return,
                _ => {}
            }
        }
    }
}

pub(crate) async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

async fn carry(client: TcpStream, strangers: Strangers, shared: Arc<Shared>) {
    let mode = shared.faults.worker_mode();
    shared.journal.push(JournalEntry::WorkerConnection { accepted: mode != WorkerMode::Refuse });
    let upstream = match (mode, shared.gateway.get()) {
        (WorkerMode::Open, Some(gateway)) => *gateway,
        (WorkerMode::Elsewhere(Elsewhere::NotTls), _) => strangers.not_tls,
        (WorkerMode::Elsewhere(Elsewhere::OtherName), _) => strangers.other_name,
        (WorkerMode::Refuse, _) | (_, None) => {
            tokio::time::sleep(REFUSAL_DELAY).await;
            let _ = client.set_zero_linger();
            return;
        }
    };
    if let Ok((server, port)) = dial(upstream, &shared).await {
        proxy(client, server, &shared).await;
        shared.worker_ports().remove(&port);
    }
}

/// The port is registered before the gateway can see the connection.
pub(crate) async fn dial(upstream: SocketAddr, shared: &Shared) -> io::Result<(TcpStream, u16)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let port = socket.local_addr()?.port();
    shared.worker_ports().insert(port);
    let connected = socket.connect(upstream).await;
    if connected.is_err() {
        shared.worker_ports().remove(&port);
    }
    Ok((connected?, port))
}

/// Carries bytes until either side ends, then ends the other the same way.
async fn proxy(mut client: TcpStream, mut server: TcpStream, shared: &Shared) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (up, down) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut orders = shared.faults.orders();
    let reset = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let (up, down) = ([&up, &shared.bytes_up], [&down, &shared.bytes_down]);
        tokio::select! {
            end = copy(&mut from_client, &mut to_server, &up) => end.is_err(),
            end = copy(&mut from_server, &mut to_client, &down) => end.is_err(),
            () = cut(&mut orders) => false,
        }
    };
    let (up, down) = (up.into_inner(), down.into_inner());
    shared.journal.push(JournalEntry::BytesThroughWorker { up, down });
    if reset {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    } else {
        tokio::join!(finish(client), finish(server));
    }
}

pub(crate) async fn cut(orders: &mut broadcast::Receiver<Order>) {
    loop {
        match orders.recv().await {
            Ok(Order::CutWorker) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            _ => {}
        }
    }
}

async fn copy(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), counts: &[&AtomicU64]) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
        for count in counts {
            count.fetch_add(u64::try_from(length).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

/// A server that speaks no TLS.
pub(crate) async fn serve_not_tls(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await;
            finish(stream).await;
        });
    }
}

/// A TLS server whose certificate is for another name.
pub(crate) async fn serve_other_name(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = shared.tls.other.clone();
        tokio::spawn(async move {
            if let Ok(mut tls) = acceptor.accept(stream).await {
                let mut scratch = [0; 1024];
                let _ = tls.read(&mut scratch).await;
                let _ = tls.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
                let _ = tls.shutdown().await;
            }
        });
    }
}
