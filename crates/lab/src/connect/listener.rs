//! The local proxy: a listener, connections forwarded to the worker, and the rule that a failed new connection ends all.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::connect::session::Route;
use crate::gateway::transport::finish;

/// Why the proxy ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyEnd {
    /// A new connection failed at the worker.
    ConnectionRefused,
    /// The connection limit is used up and the last connection closed.
    LimitReached,
}

/// What live connections are told; each sees only what comes after its start.
pub(crate) type Cuts = watch::Sender<u64>;

/// Accepts until the future is dropped or the proxy ends by itself.
pub(crate) async fn serve(listener: TcpListener, route: Route, limit: i64, cuts: Arc<Cuts>) -> ProxyEnd {
    let (ends, mut ended) = mpsc::unbounded_channel();
    let (mut live, mut left) = (0_usize, limit);
    loop {
        tokio::select! {
            accepted = listener.accept(), if left != 0 => {
                let Ok((client, _)) = accepted else { continue };
                left -= i64::from(left > 0);
                live += 1;
                let (route, cut, ends) = (route.clone(), cuts.subscribe(), ends.clone());
                tokio::spawn(async move {
                    let refused = carry(client, &route, cut).await.is_err();
                    let _ = ends.send(refused);
                });
            }
            Some(refused) = ended.recv() => {
                live -= 1;
                if refused {
                    return ProxyEnd::ConnectionRefused;
                }
                if left == 0 && live == 0 {
                    return ProxyEnd::LimitReached;
                }
            }
        }
    }
}

/// Carries one connection. An error is the worker's refusal: no connection, or RST before its first byte.
async fn carry(client: TcpStream, route: &Route, mut cut: watch::Receiver<u64>) -> io::Result<()> {
    let mut server = match route.open().await {
        Ok(server) => server,
        Err(error) => {
            if matches!(route, Route::Worker(_)) {
                // A refused handshake is an RST to the program (measured).
                let _ = client.set_zero_linger();
            } else {
                finish(client).await;
            }
            return Err(error);
        }
    };
    let mut client = client;
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut heard = false;
    let outcome = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        tokio::select! {
            _ = tokio::io::copy(&mut from_client, &mut to_server) => Ok(()),
            outcome = copy_down(&mut from_server, &mut to_client, &mut heard) => outcome,
            _ = cut.changed() => Ok(()),
        }
    };
    match outcome {
        Err(error) if !heard => {
            tokio::join!(finish(client), finish(server));
            Err(error)
        }
        Err(_) => {
            // A connection that broke later is passed on as it broke.
            let _ = client.set_zero_linger();
            Ok(())
        }
        Ok(()) => {
            tokio::join!(finish(client), finish(server));
            Ok(())
        }
    }
}

async fn copy_down(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    heard: &mut bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        *heard = true;
        // A client that hears no more is not the worker's refusal.
        if to.write_all(&buffer[..length]).await.is_err() {
            return Ok(());
        }
    }
}
