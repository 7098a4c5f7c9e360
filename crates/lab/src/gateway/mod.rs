//! The SSM message gateway: TLS, the WebSocket upgrade with its checks, the token, then the relay.

mod messages;
mod relay;
pub(crate) mod session;
pub(crate) mod transport;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use ssm_proto::payload::OpenDataChannel;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::faults::Order;
use crate::gateway::session::Session;
use crate::gateway::transport::Transport;
use crate::gateway::upgrade::Upgrade;
use crate::journal::JournalEntry;
use crate::shared::Shared;

/// How long a client may take for TLS, upgrade and token.
const OPENING_LIMIT: Duration = Duration::from_secs(15);

/// One accepted socket.
pub(crate) struct Peer {
    address: SocketAddr,
    via_worker: bool,
}

/// Serves data channels until the world ends.
pub(crate) async fn serve(listener: TcpListener, with_tls: bool, shared: Arc<Shared>) {
    while let Ok((stream, address)) = listener.accept().await {
        let via_worker = shared.worker_ports().contains(&address.port());
        tokio::spawn(serve_client(stream, with_tls, Peer { address, via_worker }, shared.clone()));
    }
}

/// Carries out orders that concern sessions rather than sockets.
pub(crate) async fn obey(shared: Arc<Shared>) {
    let mut orders = shared.faults.orders();
    while let Ok(order) = orders.recv().await {
        if let Order::Publication(start) = order {
            shared.sessions.all().iter().for_each(|session| session.publication(start));
        }
    }
}

async fn serve_client(stream: TcpStream, with_tls: bool, peer: Peer, shared: Arc<Shared>) {
    let opening = tokio::time::timeout(OPENING_LIMIT, open(stream, with_tls, &peer, &shared));
    if let Ok(Some((socket, session))) = opening.await {
        relay::run(socket, session, shared).await;
    }
}

/// Brings a socket to an open data channel; none if it was refused.
async fn open(
    stream: TcpStream,
    with_tls: bool,
    peer: &Peer,
    shared: &Arc<Shared>,
) -> Option<(WebSocketStream<Transport>, Arc<Session>)> {
    let _ = stream.set_nodelay(true);
    let transport =
        if with_tls { Transport::Tls(Box::new(shared.tls.gateway.accept(stream).await.ok()?)) } else { Transport::Plain(stream) };
    let mut upgrade = Upgrade::new(shared, peer);
    let accepted = tokio_tungstenite::accept_hdr_async(transport, &mut upgrade).await;
    let (Ok(mut socket), Some(session)) = (accepted, upgrade.session.take()) else {
        if !upgrade.is_refused {
            refuse(shared, peer, &upgrade.session_id, "no WebSocket upgrade");
        }
        return None;
    };
    let client_version = match read_token(&mut socket, &session, shared).await {
        Ok(version) => version,
        Err(reason) => {
            refuse(shared, peer, &session.id, reason);
            let frame = CloseFrame { code: CloseCode::Policy, reason: reason.into() };
            let _ = socket.close(Some(frame)).await;
            return None;
        }
    };
    shared.journal.push(JournalEntry::GatewayOpened {
        session_id: session.id.clone(),
        peer: peer.address,
        via_worker: peer.via_worker,
        signed: upgrade.signed,
        headers: upgrade.headers,
        client_version,
    });
    Some((socket, session))
}

/// Reads the first text frame and uses its token up.
async fn read_token(socket: &mut WebSocketStream<Transport>, session: &Session, shared: &Shared) -> Result<String, &'static str> {
    let text = loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => break text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            _ => return Err("no OpenDataChannel message"),
        }
    };
    let open = OpenDataChannel::decode(text.as_bytes()).map_err(|_| "no OpenDataChannel message")?;
    if shared.faults.takes_token_refusal() || !session.take_token(&open.token) {
        return Err("invalid token");
    }
    Ok(open.client_version.unwrap_or_default())
}

fn refuse(shared: &Shared, peer: &Peer, session_id: &str, reason: &str) {
    shared.journal.push(JournalEntry::GatewayRefused {
        session_id: session_id.to_owned(),
        peer: peer.address,
        reason: reason.to_owned(),
    });
}
