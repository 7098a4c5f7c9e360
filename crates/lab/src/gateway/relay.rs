//! An open data channel: frames both ways until one end or an order closes it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::{broadcast, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::faults::{Cut, Order};
use crate::gateway::session::Session;
use crate::gateway::transport::Transport;
use crate::journal::JournalEntry;
use crate::shared::Shared;

/// How long the gateway waits for the answer to its close frame.
const CLOSE_WAIT: Duration = Duration::from_millis(500);

type Socket = WebSocketStream<Transport>;

/// Why a relay ended.
enum End {
    Client(String),
    Replaced,
    Ordered(Cut),
}

/// Relays until an end, then closes as that end wants it.
pub(crate) async fn run(socket: Socket, session: Arc<Session>, shared: Arc<Shared>) {
    let orders = shared.faults.orders();
    let (generation, mut frames) = session.attach();
    let (mut sink, mut stream) = socket.split();
    let end = tokio::select! {
        how = read(&mut stream, &session, &shared) => End::Client(how),
        end = write(&mut sink, &mut frames) => end,
        cut = wait_for_cut(orders, &session) => End::Ordered(cut),
        cut = bye(shared.faults.bye()) => End::Ordered(cut),
    };
    let Ok(socket) = sink.reunite(stream) else { return };
    let how = match &end {
        End::Client(how) => how.clone(),
        End::Replaced => "replaced by a newer client".to_owned(),
        End::Ordered(cut) => format!("{cut:?}"),
    };
    shared.journal.push(JournalEntry::GatewayClosed { session_id: session.id.clone(), how });
    if !matches!(end, End::Ordered(Cut::BlackHole)) {
        session.detach(generation);
    }
    close(socket, end, &mut frames).await;
}

async fn read(stream: &mut SplitStream<Socket>, session: &Arc<Session>, shared: &Shared) -> String {
    loop {
        match stream.next().await {
            Some(Ok(Message::Binary(frame))) => session.from_client(&shared.faults, &frame),
            Some(Ok(Message::Text(text))) => session.from_client(&shared.faults, &Bytes::from(text)),
            Some(Ok(Message::Close(frame))) => {
                return format!("client closed with {:?}", frame.map(|frame| u16::from(frame.code)));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return format!("client lost: {error}"),
            None => return "client gone".to_owned(),
        }
    }
}

async fn write(sink: &mut SplitSink<Socket, Message>, frames: &mut mpsc::Receiver<Bytes>) -> End {
    let lost = |error: tokio_tungstenite::tungstenite::Error| End::Client(format!("client lost: {error}"));
    while let Some(frame) = frames.recv().await {
        let mut next = Some(frame);
        while let Some(frame) = next {
            if let Err(error) = sink.feed(Message::Binary(frame)).await {
                return lost(error);
            }
            next = frames.try_recv().ok();
        }
        if let Err(error) = sink.flush().await {
            return lost(error);
        }
    }
    End::Replaced
}

async fn wait_for_cut(mut orders: broadcast::Receiver<Order>, session: &Session) -> Cut {
    loop {
        match orders.recv().await {
            Ok(Order::Cut(cut)) => return cut,
            Ok(Order::Raw(bytes)) => session.tell_client(Bytes::from(bytes)),
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
        }
    }
}

async fn bye(after: Option<Duration>) -> Cut {
    match after {
        Some(after) => tokio::time::sleep(after).await,
        None => std::future::pending().await,
    }
    Cut::CloseFrame(1000, "Bye".to_owned())
}

async fn close(mut socket: Socket, end: End, frames: &mut mpsc::Receiver<Bytes>) {
    match end {
        End::Client(_) => {
            let _ = tokio::time::timeout(CLOSE_WAIT, socket.flush()).await;
            socket.into_inner().finish().await;
        }
        End::Replaced | End::Ordered(Cut::Fin) => socket.into_inner().finish().await,
        End::Ordered(Cut::Rst) => socket.into_inner().reset(),
        End::Ordered(Cut::CloseFrame(code, reason)) => {
            let frame = CloseFrame { code: code.into(), reason: reason.into() };
            let _ = tokio::time::timeout(CLOSE_WAIT, socket.close(Some(frame))).await;
            let answer = async { while matches!(socket.next().await, Some(Ok(_))) {} };
            let _ = tokio::time::timeout(CLOSE_WAIT, answer).await;
            socket.into_inner().finish().await;
        }
        End::Ordered(Cut::BlackHole) => {
            // The gateway does not know that nobody hears it: it goes on losing frames.
            while frames.recv().await.is_some() {}
            let _held = socket;
            std::future::pending::<()>().await;
        }
    }
}
