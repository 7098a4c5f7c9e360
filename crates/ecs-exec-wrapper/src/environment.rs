//! Takes the secrets out of the environment before anything else runs.
//!
//! The first thing in `main`: while there is one thread only, the token variables are read and removed, so that no child and
//! no crash dump of ours has them; then the process is made undumpable. The parent `boundary` still holds its own copy.

use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;

const AUTHZ_TOKEN: &str = "BOUNDARY_CONNECT_AUTHZ_TOKEN";
const TOKEN: &str = "BOUNDARY_TOKEN";
/// In place of a token: the variable that holds it.
const BY_VARIABLE: &str = "env://";

/// What Boundary's CLI left in our environment.
#[derive(Debug, Default)]
pub(crate) struct BoundaryEnvironment {
    /// `BOUNDARY_PROXIED_ADDR`, or put together from `BOUNDARY_PROXIED_IP` and `BOUNDARY_PROXIED_PORT`.
    pub(crate) listener: Option<Listener>,
    /// The session's authorization token, which holds the session's id.
    pub(crate) authz_token: Option<SecretString>,
    /// The user's auth token, or `file://PATH` of one.
    pub(crate) token: Option<SecretString>,
}

/// Boundary's local address, as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listener {
    /// An address to connect to.
    Address(SocketAddr),
    /// Something that is none.
    Unusable(String),
}

/// Reads Boundary's variables, removes the secret ones, and makes the process undumpable.
///
/// Must be called before the first thread starts.
pub(crate) fn take() -> BoundaryEnvironment {
    let secret = |name: &str| std::env::var(name).ok().filter(|token| !token.is_empty()).map(SecretString::from);
    let (authz_token, mut token) = (secret(AUTHZ_TOKEN), secret(TOKEN));
    let mut names = vec![AUTHZ_TOKEN.to_owned(), TOKEN.to_owned()];
    if let Some(other) = token.as_ref().and_then(|token| token.expose_secret().strip_prefix(BY_VARIABLE)).map(str::to_owned)
        && is_variable_name(&other)
    {
        token = secret(&other);
        names.push(other);
    }
    for name in names {
        #[expect(unsafe_code, reason = "no other thread exists yet, so nobody reads the environment meanwhile")]
        // SAFETY: called first in `main`, before any thread is started.
        unsafe {
            std::env::remove_var(name);
        }
    }
    // Refused only where it does not matter: the kernel then keeps its default.
    let _ = nix::sys::prctl::set_dumpable(false);
    BoundaryEnvironment { listener: listener(|name| std::env::var(name).ok()), authz_token, token }
}

/// Other names would make the removal panic.
fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn listener(variable: impl Fn(&str) -> Option<String>) -> Option<Listener> {
    let value = |name| variable(name).filter(|value| !value.is_empty());
    let text = value("BOUNDARY_PROXIED_ADDR").or_else(|| {
        let (ip, port) = (value("BOUNDARY_PROXIED_IP")?, value("BOUNDARY_PROXIED_PORT")?);
        Some(if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") })
    })?;
    Some(text.parse().map_or_else(|_| Listener::Unusable(text), Listener::Address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Option<Listener> {
        listener(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn the_listener_comes_whole_or_in_two_parts() {
        let expected = Some(Listener::Address(([127, 0, 0, 1], 4711).into()));
        assert_eq!(from(&[("BOUNDARY_PROXIED_ADDR", "127.0.0.1:4711")]), expected);
        assert_eq!(from(&[("BOUNDARY_PROXIED_IP", "127.0.0.1"), ("BOUNDARY_PROXIED_PORT", "4711")]), expected);
        assert!(
            matches!(from(&[("BOUNDARY_PROXIED_IP", "::1"), ("BOUNDARY_PROXIED_PORT", "1")]), Some(Listener::Address(a)) if a.is_ipv6())
        );
        assert_eq!(from(&[]), None);
    }

    #[test]
    fn nonsense_is_kept_to_be_named() {
        assert_eq!(from(&[("BOUNDARY_PROXIED_ADDR", "nowhere")]), Some(Listener::Unusable("nowhere".to_owned())));
    }
}
