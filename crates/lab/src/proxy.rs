//! An HTTP CONNECT proxy that resolves the names of the gateway and of the APIs to the lab and refuses everything else.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::shared::Shared;
use crate::tls::API_NAMES;

/// Largest request head, bytes.
const HEAD_LIMIT: usize = 8 * 1024;

/// Serves CONNECT requests until the world ends.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(carry(stream, shared.clone()));
    }
}

async fn carry(mut client: TcpStream, shared: Arc<Shared>) {
    let _ = client.set_nodelay(true);
    let Some(head) = read_head(&mut client).await else { return };
    let Some(address) = resolve(&head, &shared) else {
        let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        return;
    };
    let Ok(mut server) = TcpStream::connect(address).await else {
        let _ = client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
        return;
    };
    let _ = server.set_nodelay(true);
    if client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
}

/// Reads up to the empty line, one byte at a time so that nothing behind it is taken.
async fn read_head(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_LIMIT {
            return None;
        }
        head.push(client.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn resolve(head: &str, shared: &Shared) -> Option<SocketAddr> {
    let mut words = head.lines().next()?.split(' ');
    if words.next()? != "CONNECT" {
        return None;
    }
    let (host, _port) = words.next()?.rsplit_once(':')?;
    let server = if host.starts_with("ssmmessages.") { &shared.gateway } else { &shared.tls_api };
    let known = host.starts_with("ssmmessages.") || API_NAMES.contains(&host);
    known.then(|| server.get().copied()).flatten()
}
