//! Parses the stream URL that ExecuteCommand or ResumeSession returned. Owns the checks before any
//! byte leaves; dials nothing.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;
use secrecy::{ExposeSecret, SecretString};

use crate::host::HostPolicy;

/// Longest URL that is looked at, in bytes; today's are below 250 (measured from public reports).
const MAX_URL_BYTES: usize = 4096;

/// The port of `wss://` without a port.
const TLS_PORT: u16 = 443;

/// The port of `ws://` without a port.
const PLAIN_PORT: u16 = 80;

/// Query parameters that mean that the URL carries its own signature.
const PRESIGNED: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
];

/// A stream URL that passed the host policy.
///
/// The query routes inside the service and may carry a signature: `Debug` and `Display` leave it out.
#[derive(Clone)]
pub struct StreamUrl {
    secure: bool,
    host: String,
    port: u16,
    path: String,
    /// Path and query exactly as received: they must reach the service unchanged.
    target: SecretString,
}

/// Why a stream URL was refused. No variant holds the query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamUrlError {
    /// Longer than any URL of the service.
    #[error("read a stream URL of {0} bytes")]
    TooLong(usize),
    /// Contains a blank, a control character, a backslash, a fragment or a non-ASCII character.
    #[error("read a stream URL with a character that no URL has")]
    Character,
    /// Neither `wss://` nor `ws://`.
    #[error("accept a stream URL that is not wss://")]
    Scheme,
    /// Has a user name or password before the host.
    #[error("accept a stream URL with user information before its host")]
    UserInfo,
    /// The host is no DNS name or IP address.
    #[error("read the host of the stream URL")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("read the port of the stream URL")]
    Port,
    /// The path is missing or malformed.
    #[error("read the path of the stream URL")]
    Path,
    /// The host is not one of the region's endpoints and not allowed by the operator.
    #[error("accept the stream URL's host {host}: it is no Session Manager endpoint of {region}")]
    HostNotAllowed {
        /// The refused host.
        host: String,
        /// The region whose endpoints are accepted.
        region: String,
    },
    /// An AWS endpoint on a port that AWS does not use.
    #[error("accept port {port} of the stream URL: the endpoint's port is 443")]
    PortNotAllowed {
        /// The refused port.
        port: u16,
    },
    /// Plain `ws://` outside of loopback, or without the switch for it.
    #[error("accept an unencrypted stream URL to {host}")]
    Plain {
        /// The refused host.
        host: String,
    },
}

impl StreamUrl {
    /// Parses a URL and checks it against the policy.
    ///
    /// Host names are compared and kept in lower case; path and query stay as they are.
    ///
    /// # Errors
    /// Says which part was refused, never quoting the query.
    pub fn parse(url: &str, policy: &HostPolicy) -> Result<Self, StreamUrlError> {
        check_characters(url)?;
        let (secure, rest) = split_scheme(url)?;
        let (authority, target) = rest.split_at(rest.find(['/', '?']).ok_or(StreamUrlError::Path)?);
        let (host, port) = split_authority(authority)?;
        let port = port.unwrap_or(if secure { TLS_PORT } else { PLAIN_PORT });
        check_policy(secure, &host, port, policy)?;
        let path = target.split('?').next().unwrap_or_default();
        if !path.starts_with('/') || target.parse::<Uri>().is_err() {
            return Err(StreamUrlError::Path);
        }
        Ok(Self { secure, host, port, path: path.to_owned(), target: target.to_owned().into() })
    }

    /// Names the host in lower case, IPv6 addresses without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Names the TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Tells whether the URL asks for TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Tells whether the URL carries its own signature, so that headers must not add one.
    pub fn is_presigned(&self) -> bool {
        let query = self.target.expose_secret().split_once('?').map_or("", |(_, query)| query);
        query.split('&').map(|pair| pair.split('=').next().unwrap_or_default()).any(|name| PRESIGNED.contains(&name))
    }

    /// The value of the Host header: host, and port where it is not the scheme's own.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default_port = if self.secure { TLS_PORT } else { PLAIN_PORT };
        if self.port == default_port { host } else { format!("{host}:{}", self.port) }
    }

    /// Path and query for the request line; secret.
    pub(crate) fn request_target(&self) -> &str {
        self.target.expose_secret()
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "wss" } else { "ws" }
    }
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority(), self.path)
    }
}

impl fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamUrl({self})")
    }
}

fn check_characters(url: &str) -> Result<(), StreamUrlError> {
    if url.len() > MAX_URL_BYTES {
        return Err(StreamUrlError::TooLong(url.len()));
    }
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'"' | b'<' | b'>');
    if url.bytes().all(allowed) { Ok(()) } else { Err(StreamUrlError::Character) }
}

fn split_scheme(url: &str) -> Result<(bool, &str), StreamUrlError> {
    let (scheme, rest) = url.split_once("://").ok_or(StreamUrlError::Scheme)?;
    match scheme.to_ascii_lowercase().as_str() {
        "wss" => Ok((true, rest)),
        "ws" => Ok((false, rest)),
        _ => Err(StreamUrlError::Scheme),
    }
}

/// Splits an authority into a lower-case host and an optional port.
fn split_authority(authority: &str) -> Result<(String, Option<u16>), StreamUrlError> {
    if authority.contains('@') {
        return Err(StreamUrlError::UserInfo);
    }
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or(StreamUrlError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| StreamUrlError::Host)?;
        (address.to_string(), after)
    } else {
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        (dns_name(host)?, port)
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => Some(parse_port(digits)?),
        None if port.is_empty() => None,
        None => return Err(StreamUrlError::Host),
    };
    Ok((host, port))
}

fn parse_port(digits: &str) -> Result<u16, StreamUrlError> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(port) if plain && port != 0 => Ok(port),
        _ => Err(StreamUrlError::Port),
    }
}

/// Accepts labels of letters, digits and hyphens; an empty label (also a trailing dot) is refused.
fn dns_name(host: &str) -> Result<String, StreamUrlError> {
    let label_fits =
        |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if host.len() <= 253 && host.split('.').all(label_fits) { Ok(host.to_ascii_lowercase()) } else { Err(StreamUrlError::Host) }
}

fn check_policy(secure: bool, host: &str, port: u16, policy: &HostPolicy) -> Result<(), StreamUrlError> {
    if policy.insecure_loopback && is_loopback(host) {
        return Ok(());
    }
    if !policy.allows(host) {
        return Err(StreamUrlError::HostNotAllowed { host: host.to_owned(), region: policy.region.clone() });
    }
    if !secure {
        return Err(StreamUrlError::Plain { host: host.to_owned() });
    }
    if policy.is_endpoint(host) && port != TLS_PORT {
        return Err(StreamUrlError::PortNotAllowed { port });
    }
    Ok(())
}

/// Tells whether a host can only mean this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "ssmmessages.us-east-2.amazonaws.com";
    const TARGET: &str = "/v1/data-channel/ecs-execute-command-05907f33b122d680e?role=publish_subscribe&cell-number=AAEA+/w==";

    fn policy() -> HostPolicy {
        HostPolicy { region: "us-east-2".into(), ..HostPolicy::default() }
    }

    fn lab_policy() -> HostPolicy {
        HostPolicy { insecure_loopback: true, ..policy() }
    }

    fn refusal(url: &str) -> StreamUrlError {
        StreamUrl::parse(url, &policy()).expect_err(url)
    }

    #[test]
    fn a_good_url_keeps_its_target_and_lower_cases_its_host() {
        let url = StreamUrl::parse(&format!("WSS://{}{TARGET}", HOST.to_uppercase()), &policy()).unwrap();
        assert_eq!((url.host(), url.port(), url.is_secure()), (HOST, 443, true));
        assert_eq!(url.request_target(), TARGET);
        assert_eq!(url.authority(), HOST);
        assert!(!url.is_presigned());
    }

    #[test]
    fn debug_and_display_show_no_query() {
        let url = StreamUrl::parse(&format!("wss://{HOST}{TARGET}"), &policy()).unwrap();
        let expected = format!("wss://{HOST}/v1/data-channel/ecs-execute-command-05907f33b122d680e");
        assert_eq!(url.to_string(), expected);
        assert_eq!(format!("{url:?}"), format!("StreamUrl({expected})"));
    }

    #[test]
    fn hostile_hosts_are_refused() {
        for url in [
            format!("wss://{HOST}.evil.tld{TARGET}"),
            format!("wss://evil.tld/{HOST}{TARGET}"),
            format!("wss://evil.tld?{HOST}/"),
            format!("wss://127.0.0.1{TARGET}"),
            format!("wss://[::1]{TARGET}"),
        ] {
            assert!(matches!(refusal(&url), StreamUrlError::HostNotAllowed { .. }), "{url}");
        }
        for url in [
            format!("wss://{HOST}@evil.tld{TARGET}"),
            format!("wss://user:pass@{HOST}{TARGET}"),
            format!("wss://evil.tld:443@{HOST}{TARGET}"),
        ] {
            assert_eq!(refusal(&url), StreamUrlError::UserInfo, "{url}");
        }
        for host in ["ssmmessages.us-east-2.amazonaws.com.", "a..b", "", "%65vil.tld", "[::1", "[::1]x", "[evil]"] {
            assert_eq!(refusal(&format!("wss://{host}{TARGET}")), StreamUrlError::Host, "{host}");
        }
    }

    #[test]
    fn characters_scheme_port_and_path_are_checked() {
        for url in [
            format!("wss://{HOST}/a b"),
            format!("wss://{HOST}\\@evil.tld/"),
            format!("wss://{HOST}/a\r\nHost: evil.tld"),
            format!("wss://{HOST}/#x"),
            format!("wss://{HOST}/ü"),
        ] {
            assert_eq!(refusal(&url), StreamUrlError::Character, "{url}");
        }
        for url in [format!("https://{HOST}/"), format!("//{HOST}/"), HOST.to_owned()] {
            assert_eq!(refusal(&url), StreamUrlError::Scheme, "{url}");
        }
        for port in ["", "0", "65536", "+443", "44x"] {
            assert_eq!(refusal(&format!("wss://{HOST}:{port}/")), StreamUrlError::Port, "{port}");
        }
        assert_eq!(refusal(&format!("wss://{HOST}:8443/")), StreamUrlError::PortNotAllowed { port: 8443 });
        assert_eq!(refusal(&format!("wss://{HOST}")), StreamUrlError::Path);
        assert_eq!(refusal(&format!("wss://{HOST}?x=/y")), StreamUrlError::Path);
        let long = format!("wss://{HOST}/{}", "a".repeat(5000));
        assert_eq!(refusal(&long), StreamUrlError::TooLong(long.len()));
    }

    #[test]
    fn plain_text_is_for_loopback_with_the_switch_only() {
        assert_eq!(refusal(&format!("ws://{HOST}/")), StreamUrlError::Plain { host: HOST.into() });
        assert!(StreamUrl::parse("ws://127.0.0.1:80/", &policy()).is_err());
        for (url, authority) in [
            ("ws://127.0.0.1:9000/x", "127.0.0.1:9000"),
            ("ws://127.8.9.1/x", "127.8.9.1"),
            ("ws://localhost:9000/x", "localhost:9000"),
            ("ws://[::1]:9000/x", "[::1]:9000"),
            ("wss://127.0.0.1:9443/x", "127.0.0.1:9443"),
        ] {
            assert_eq!(StreamUrl::parse(url, &lab_policy()).unwrap().authority(), authority);
        }
        for url in ["ws://10.0.0.1/", "ws://localhost.evil.tld/", "ws://128.0.0.1/", "ws://[::2]/", "ws://0.0.0.0/"] {
            assert!(StreamUrl::parse(url, &lab_policy()).is_err(), "{url}");
        }
    }

    #[test]
    fn a_signature_in_the_query_is_seen() {
        for (query, presigned) in
            [("role=x&X-Amz-Signature=abc", true), ("X-Amz-Algorithm", true), ("role=X-Amz-Signature", false), ("x=1", false)]
        {
            let url = StreamUrl::parse(&format!("wss://{HOST}/a?{query}"), &policy()).unwrap();
            assert_eq!(url.is_presigned(), presigned, "{query}");
        }
    }
}
