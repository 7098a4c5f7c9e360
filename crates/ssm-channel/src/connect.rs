//! Resolves a name and connects to the first address that answers. Owns the race between address
//! families; knows nothing of proxies.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::dial::{CONNECT_TIMEOUT, DialError};

/// The head start of each address over the next one (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to `host:port` within [`CONNECT_TIMEOUT`], name resolution included.
pub(crate) async fn connect(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let address = format_address(host, port);
    match timeout(CONNECT_TIMEOUT, resolve_and_race(host, port, &address)).await {
        Ok(result) => result,
        Err(_) => Err(DialError::TimedOut { address }),
    }
}

async fn resolve_and_race(host: &str, port: u16, address: &str) -> Result<TcpStream, DialError> {
    let dns = |source| DialError::Dns { host: host.to_owned(), source };
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await.map_err(dns)?.collect();
    let stream = race(addresses).await.map_err(|source| DialError::from_io(address, source))?;
    stream.set_nodelay(true).map_err(|source| DialError::from_io(address, source))?;
    Ok(stream)
}

/// Starts one attempt after another and takes the first connection; the last error wins otherwise.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = interleave(addresses).into_iter();
    let mut attempts = JoinSet::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let started = waiting.next().map(|address| attempts.spawn(TcpStream::connect(address))).is_some();
        let next = if started { timeout(STAGGER, attempts.join_next()).await.ok() } else { Some(attempts.join_next().await) };
        match next {
            Some(Some(Ok(Ok(stream)))) => return Ok(stream),
            Some(Some(Ok(Err(error)))) => last = error,
            Some(Some(Err(_))) | None => {}
            Some(None) => return Err(last),
        }
    }
}

/// Alternates the address families, beginning with the resolver's first.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut mixed = Vec::new();
    for address in first {
        mixed.push(address);
        mixed.extend(second.next());
    }
    mixed.extend(second);
    mixed
}

/// Writes `host:port`, with brackets around IPv6 addresses.
pub(crate) fn format_address(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_alternate() {
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"].map(address).to_vec();
        assert_eq!(interleave(given), ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"].map(address));
        assert_eq!(interleave(vec![]), []);
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_hide_one_that_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let open = listener.local_addr().unwrap();
        let stream = race(vec![closed, open]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert_eq!(race(vec![closed]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(race(vec![]).await.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}
