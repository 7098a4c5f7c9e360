//! Tunnels through an HTTP proxy and finds the proxy that the environment names. Owns CONNECT and
//! the rules of `NO_PROXY`; the tunnel's content is none of its business.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connect::{connect, format_address};
use crate::dial::{CONNECT_TIMEOUT, DialError};
use crate::head::{HeadError, read_head};
use crate::stream_url::is_loopback;
use cli_kit::printable;

/// The port of a proxy URL without one: HTTP's own.
const DEFAULT_PORT: u16 = 80;

/// The address of an HTTP proxy, with its password kept out of `Debug`.
#[derive(Debug, Clone)]
pub struct ProxyUrl {
    host: String,
    port: u16,
    authorization: Option<SecretString>,
}

/// Why a proxy URL was refused. No variant quotes the URL: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyUrlError {
    /// Not `http://`: TLS to the proxy and SOCKS are not spoken.
    #[error("use a proxy URL that is not http://")]
    Scheme,
    /// No host, or a host with characters that none has.
    #[error("read the host of the proxy URL")]
    Host,
    /// No number from 1 to 65535.
    #[error("read the port of the proxy URL")]
    Port,
    /// A `%` without two hexadecimal digits in user name or password.
    #[error("read the user information of the proxy URL")]
    UserInfo,
}

impl ProxyUrl {
    /// Parses `http://[user[:password]@]host[:port]`; a missing scheme means `http://`.
    ///
    /// # Errors
    /// Names the part that does not fit.
    pub fn parse(url: &str) -> Result<Self, ProxyUrlError> {
        let rest = match url.trim().split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(ProxyUrlError::Scheme),
            None => url.trim(),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        let (host, port) = split_address(address)?;
        let authorization = user.map(basic_authorization).transpose()?;
        Ok(Self { host, port, authorization })
    }

    /// Writes host and port.
    pub fn address(&self) -> String {
        format_address(&self.host, self.port)
    }
}

fn split_address(address: &str) -> Result<(String, u16), ProxyUrlError> {
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, after)) => (host, Some(after.strip_prefix(':').ok_or(ProxyUrlError::Port)?)),
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(fits) {
        return Err(ProxyUrlError::Host);
    }
    let port = match port {
        None | Some("") => DEFAULT_PORT,
        Some(digits) => digits.parse().ok().filter(|port| *port != 0).ok_or(ProxyUrlError::Port)?,
    };
    Ok((host.to_owned(), port))
}

/// Builds the header value; user name and password are percent-decoded first.
fn basic_authorization(user: &str) -> Result<SecretString, ProxyUrlError> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let mut plain = percent_decode(name)?;
    plain.push(b':');
    plain.extend(percent_decode(password)?);
    Ok(format!("Basic {}", STANDARD.encode(&plain)).into())
}

fn percent_decode(text: &str) -> Result<Vec<u8>, ProxyUrlError> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (digit(), digit()) else { return Err(ProxyUrlError::UserInfo) };
            out.push(u8::try_from(high * 16 + low).map_err(|_| ProxyUrlError::UserInfo)?);
        } else {
            out.push(byte);
        }
    }
    Ok(out)
}

/// Finds the proxy for an HTTPS connection to `host:port` in `HTTPS_PROXY`, `ALL_PROXY` and
/// `NO_PROXY` (lower-case names win, as in curl); loopback never goes through a proxy.
///
/// # Errors
/// Refuses a proxy URL that cannot be used, rather than going around it.
pub fn proxy_from_env(
    host: &str,
    port: u16,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<ProxyUrl>, ProxyUrlError> {
    let find = |names: &[&str]| names.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
    let Some(url) = find(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]) else { return Ok(None) };
    let exempt = find(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
    if is_loopback(host) || exempt.split([',', ' ']).any(|rule| is_exempt(rule.trim(), host, port)) {
        return Ok(None);
    }
    ProxyUrl::parse(&url).map(Some)
}

/// Applies one rule: `*`, a name that also covers its subdomains, an address, a CIDR block; each
/// may name a port.
fn is_exempt(rule: &str, host: &str, port: u16) -> bool {
    if rule == "*" {
        return true;
    }
    let (name, rule_port) = match rule.rsplit_once(':') {
        Some((name, digits)) if !name.contains(':') => (name, digits.parse::<u16>().ok()),
        _ => (rule, None),
    };
    if rule_port.is_some_and(|rule_port| rule_port != port) {
        return false;
    }
    if let (Ok(address), Some((network, bits))) = (host.parse::<IpAddr>(), name.split_once('/')) {
        return in_block(address, network, bits);
    }
    let name = name.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase();
    let host = host.to_ascii_lowercase();
    !name.is_empty() && host.strip_suffix(&name).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

fn in_block(address: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) if bits <= 32 => u64::from(a.to_bits() ^ n.to_bits()) >> (32 - bits) == 0,
        (IpAddr::V6(a), IpAddr::V6(n)) if bits <= 128 => (a.to_bits() ^ n.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0,
        _ => false,
    }
}

/// Asks the proxy for a tunnel to `host:port`.
pub(crate) async fn tunnel(proxy: &ProxyUrl, host: &str, port: u16) -> Result<TcpStream, DialError> {
    let mut stream = connect(&proxy.host, proxy.port).await?;
    let asked = timeout(CONNECT_TIMEOUT, ask(&mut stream, proxy, host, port)).await;
    asked.map_err(|_| DialError::TimedOut { address: proxy.address() })??;
    Ok(stream)
}

async fn ask(stream: &mut TcpStream, proxy: &ProxyUrl, host: &str, port: u16) -> Result<(), DialError> {
    let address = format_address(host, port);
    let io_error = |source| DialError::Io { address: proxy.address(), source };
    let broken = || DialError::ProxyBroken { proxy: proxy.address(), address: address.clone() };
    stream.write_all(request(proxy, &address).expose_secret().as_bytes()).await.map_err(io_error)?;
    let (head, rest) = match read_head(stream).await {
        Ok(answer) => answer,
        Err(HeadError::Io(source)) => return Err(io_error(source)),
        Err(_) => return Err(broken()),
    };
    match head.status {
        200..=299 if rest.is_empty() => Ok(()),
        200..=299 => Err(broken()),
        status => {
            let reason = printable(&head.reason, 100);
            Err(DialError::ProxyRefused { proxy: proxy.address(), address, status, reason })
        }
    }
}

fn request(proxy: &ProxyUrl, address: &str) -> SecretString {
    let authorization = proxy
        .authorization
        .as_ref()
        .map(|value| format!("Proxy-Authorization: {}\r\n", value.expose_secret()))
        .unwrap_or_default();
    format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n{authorization}\r\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_urls_are_read_and_the_password_stays_hidden() {
        let proxy = ProxyUrl::parse("http://bob:p%40ss@proxy.corp:3128/").unwrap();
        assert_eq!(proxy.address(), "proxy.corp:3128");
        let header = proxy.authorization.as_ref().unwrap().expose_secret();
        assert_eq!(STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap(), b"bob:p@ss");
        let shown = format!("{proxy:?}");
        assert!(!shown.contains("p@ss") && !shown.contains(header), "{shown}");
        assert_eq!(ProxyUrl::parse("proxy").unwrap().address(), "proxy:80");
        assert_eq!(ProxyUrl::parse("http://[::1]:8080").unwrap().address(), "[::1]:8080");
    }

    #[test]
    fn proxy_urls_that_cannot_be_used_are_refused() {
        for (url, expected) in [
            ("https://proxy", ProxyUrlError::Scheme),
            ("socks5://proxy", ProxyUrlError::Scheme),
            ("http://", ProxyUrlError::Host),
            ("http://a b", ProxyUrlError::Host),
            ("http://a\r\nb", ProxyUrlError::Host),
            ("http://proxy:0", ProxyUrlError::Port),
            ("http://proxy:x", ProxyUrlError::Port),
            ("http://a%zz@proxy", ProxyUrlError::UserInfo),
        ] {
            assert_eq!(ProxyUrl::parse(url).unwrap_err(), expected, "{url}");
        }
    }

    fn chosen(host: &str, variables: &[(&str, &str)]) -> Option<String> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        proxy_from_env(host, 443, find).unwrap().map(|proxy| proxy.address())
    }

    #[test]
    fn the_environment_chooses_the_proxy() {
        let host = "ssmmessages.us-east-2.amazonaws.com";
        assert_eq!(chosen(host, &[]), None);
        assert_eq!(chosen(host, &[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://b:2")]), Some("b:2".into()));
        assert_eq!(chosen("127.0.0.1", &[("HTTPS_PROXY", "http://a:1")]), None);
        assert_eq!(chosen(host, &[("HTTP_PROXY", "http://a:1")]), None);
        for (rule, exempt) in [
            ("*", true),
            (".amazonaws.com", true),
            ("amazonaws.com", true),
            ("*.amazonaws.com", true),
            ("x, AMAZONAWS.com:443", true),
            ("amazonaws.com:80", false),
            ("zonaws.com", false),
            ("", false),
        ] {
            let got = chosen(host, &[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", rule)]);
            assert_eq!(got.is_none(), exempt, "{rule}");
        }
        for (address, rule, exempt) in [
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("fd00::1", "fd00::/8", true),
            ("fe00::1", "fd00::/8", false),
            ("fe00::1", "::/0", true),
        ] {
            let got = chosen(address, &[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", rule)]);
            assert_eq!(got.is_none(), exempt, "{address} {rule}");
        }
    }
}
