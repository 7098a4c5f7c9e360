//! Reads the head of an HTTP/1.x answer, bounded. Owns the few parsing rules that a proxy's and a
//! WebSocket gateway's answers need; no body, no keep-alive.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest head that is read, in bytes; AWS's and proxies' answers are below 2 KiB.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The first line and the headers of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) reason: String,
    headers: Vec<(String, String)>,
}

/// Why there is no head.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("read an answer: the peer closed after {received} bytes")]
    Closed { received: usize },
    #[error("read an answer: its head is longer than {MAX_HEAD_BYTES} bytes")]
    TooLong,
    #[error("read an answer: it is not HTTP/1")]
    Malformed,
    #[error("read an answer")]
    Io(#[source] std::io::Error),
}

impl Head {
    /// Finds the first header of that name, compared without case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Tells whether a comma-separated header contains a token, compared without case.
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .flat_map(|(_, value)| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    }
}

/// Reads up to the blank line; returns the head and the bytes that came after it.
pub(crate) async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(Head, BytesMut), HeadError> {
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = buffer.split_to(end + 4);
            return Ok((parse(&head[..end])?, buffer));
        }
        if buffer.len() >= MAX_HEAD_BYTES {
            return Err(HeadError::TooLong);
        }
        let read = stream.read_buf(&mut buffer).await.map_err(HeadError::Io)?;
        if read == 0 {
            return Err(HeadError::Closed { received: buffer.len() });
        }
        if !b"HTTP/1.".starts_with(&buffer[..buffer.len().min(7)]) {
            return Err(HeadError::Malformed);
        }
    }
}

fn parse(head: &[u8]) -> Result<Head, HeadError> {
    let text = std::str::from_utf8(head).map_err(|_| HeadError::Malformed)?;
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().splitn(3, ' ');
    let version = first.next().unwrap_or_default();
    let status = first.next().filter(|digits| digits.len() == 3).and_then(|digits| digits.parse().ok());
    let (Some(status), true) = (status, version.starts_with("HTTP/1.")) else {
        return Err(HeadError::Malformed);
    };
    let headers = lines.map(header_line).collect::<Option<Vec<_>>>().ok_or(HeadError::Malformed)?;
    Ok(Head { status, reason: first.next().unwrap_or_default().to_owned(), headers })
}

fn header_line(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let plain = !name.is_empty() && !name.contains([' ', '\t']);
    plain.then(|| (name.to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<(Head, BytesMut), HeadError> {
        read_head(&mut &bytes[..]).await
    }

    #[tokio::test]
    async fn a_head_is_split_from_what_follows() {
        let (head, rest) =
            read(b"HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, Upgrade\r\nX: a\r\n\r\n\x81\x00").await.unwrap();
        assert_eq!((head.status, head.reason.as_str()), (101, "Switching Protocols"));
        assert!(head.has_token("connection", "upgrade"));
        assert!(!head.has_token("connection", "grade"));
        assert_eq!(head.header("x"), Some("a"));
        assert_eq!(&rest[..], b"\x81\x00");
    }

    #[tokio::test]
    async fn other_protocols_floods_and_early_ends_are_told_apart() {
        assert!(matches!(read(b"SSH-2.0-OpenSSH\r\n").await, Err(HeadError::Malformed)));
        assert!(matches!(read(b"HTTP/1.1 twenty\r\n\r\n").await, Err(HeadError::Malformed)));
        assert!(matches!(read(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n").await, Err(HeadError::Malformed)));
        assert!(matches!(read(b"HTTP/1.1 200").await, Err(HeadError::Closed { received: 12 })));
        assert!(matches!(read(b"").await, Err(HeadError::Closed { received: 0 })));
        let flood = [b"HTTP/1.1 200 OK\r\n".as_slice(), &b"a: b\r\n".repeat(10_000)].concat();
        assert!(matches!(read(&flood).await, Err(HeadError::TooLong)));
    }
}
