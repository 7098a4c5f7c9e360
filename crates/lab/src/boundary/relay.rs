//! One authorised connection: its endpoint, its bytes both ways, its counts, and what cuts it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::boundary::life::Allowed;
use crate::boundary::model::Counts;
use crate::boundary::worker::{Socket, authorize, close};
use crate::faults::{Elsewhere, WorkerMode};
use crate::gateway::transport::finish;
use crate::journal::JournalEntry;
use crate::shared::Shared;
use crate::tls::GATEWAY_NAME;
use crate::worker::{Strangers, cut, dial};

/// The largest message to the client, bytes.
const MESSAGE_MAX: usize = 32 * 1024;

/// How often the controller hears of a live connection's bytes. Source: boundary, measured (about each 15 s).
const REPORTS: Duration = Duration::from_secs(15);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Either side is done.
    Done,
    /// The session ended, or a test cut it: no goodbye.
    Cut,
}

/// Carries one connection from the answer to its handshake until its end.
pub(crate) async fn carry(
    socket: Socket,
    session_id: &str,
    tofu_token: &str,
    (from, strangers): (SocketAddr, Strangers),
    shared: &Shared,
) {
    let Some((socket, allowed)) = authorize(socket, session_id, tofu_token, shared).await else { return };
    match reach(session_id, strangers, shared).await {
        Ok((server, port)) => {
            if let Ok(endpoint) = server.peer_addr() {
                shared.boundary.connected(session_id, allowed.place, (from, endpoint));
            }
            proxy(socket, server, session_id, &allowed, shared).await;
            shared.worker_ports().remove(&port);
        }
        Err(error) => {
            tracing::debug!(%error, "endpoint not reached");
            close(socket, CloseCode::Normal, "done").await;
        }
    }
    shared.boundary.closed(session_id, allowed.place);
    let (up, down) = allowed.counts.both();
    shared.journal.push(JournalEntry::BytesThroughWorker { up, down });
}

/// Connects to the session's endpoint: the gateway by its name, or an address of this machine.
async fn reach(session_id: &str, strangers: Strangers, shared: &Shared) -> io::Result<(TcpStream, u16)> {
    let endpoint = shared
        .boundary
        .with_session(session_id, |session| session.authorization.endpoint().unwrap_or_default().to_owned())
        .unwrap_or_default();
    let (host, port) = endpoint.trim_start_matches("tcp://").rsplit_once(':').unwrap_or_default();
    let local = host.parse::<Ipv4Addr>().ok().filter(Ipv4Addr::is_loopback);
    let address = match (shared.faults.worker_mode(), local, port.parse()) {
        (WorkerMode::Elsewhere(Elsewhere::NotTls), ..) => Some(strangers.not_tls),
        (WorkerMode::Elsewhere(Elsewhere::OtherName), ..) => Some(strangers.other_name),
        (_, Some(ip), Ok(port)) => Some(SocketAddr::new(IpAddr::V4(ip), port)),
        _ if host == GATEWAY_NAME => shared.gateway.get().copied(),
        _ => None,
    };
    let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    dial(address, shared).await
}

async fn proxy(socket: Socket, mut server: TcpStream, session_id: &str, allowed: &Allowed, shared: &Shared) {
    let _ = server.set_nodelay(true);
    let (mut orders, mut ended) = (shared.faults.orders(), allowed.cut.clone());
    let mut reports = tokio::time::interval(REPORTS);
    let (mut to_client, mut from_client) = socket.split();
    let end = {
        let (mut from_server, mut to_server) = server.split();
        let up = copy_up(&mut from_client, &mut to_server, &allowed.counts, shared);
        let down = copy_down(&mut from_server, &mut to_client, &allowed.counts, shared);
        let both = async {
            tokio::select! { _ = up => (), _ = down => () }
        };
        tokio::pin!(both);
        loop {
            tokio::select! {
                () = &mut both => break End::Done,
                () = cut(&mut orders) => break End::Cut,
                _ = ended.wait_for(|ended| *ended) => break End::Cut,
                _ = reports.tick() => shared.boundary.report(session_id, allowed.place),
            }
        }
    };
    let Ok(mut socket) = to_client.reunite(from_client) else { return };
    if end == End::Cut {
        // TLS says goodbye, the WebSocket does not.
        let _ = tokio::time::timeout(Duration::from_secs(2), socket.get_mut().shutdown()).await;
        tokio::join!(finish(server), finish(socket.into_inner().into_inner().0));
    } else {
        tokio::join!(finish(server), close(socket, CloseCode::Normal, ""));
    }
}

async fn copy_up(
    from: &mut (impl Stream<Item = Result<Message, WsError>> + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    counts: &Counts,
    shared: &Shared,
) -> io::Result<()> {
    while let Some(Ok(message)) = from.next().await {
        if let Message::Binary(bytes) = message {
            count(&[&counts.up, &shared.bytes_up], bytes.len());
            to.write_all(&bytes).await?;
        }
    }
    Ok(())
}

async fn copy_down(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl Sink<Message, Error = WsError> + Unpin),
    counts: &Counts,
    shared: &Shared,
) -> Result<(), WsError> {
    let mut buffer = vec![0; MESSAGE_MAX];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        to.send(Message::Binary(Bytes::copy_from_slice(&buffer[..length]))).await?;
        count(&[&counts.down, &shared.bytes_down], length);
    }
}

fn count(counts: &[&AtomicU64], length: usize) {
    for count in counts {
        count.fetch_add(u64::try_from(length).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
