//! Makes the HTTP client of the settings: trust, identity, server name, Unix socket, timeouts.
//!
//! The system's proxy variables hold as for any program, but not for a controller on this machine.

use crate::settings::{Settings, SettingsError};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Identity, Url};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The longest time to open a connection; a request has the settings' timeout as a whole.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest silence within an answer. The controller itself gives up after 90 s: `internal/globals.go`.
const READ_TIMEOUT: Duration = Duration::from_secs(90);

/// Returns the client and the base of its URLs.
pub(super) fn build(settings: &Settings) -> Result<(reqwest::Client, String), SettingsError> {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
        .read_timeout(READ_TIMEOUT.min(settings.timeout))
        .timeout(settings.timeout)
        .redirect(Policy::none())
        .tls_danger_accept_invalid_certs(settings.tls_insecure);
    let builder = trust(builder, settings)?;
    let builder = identify(builder, settings)?;
    let (builder, base) = address(builder, settings);
    let builder = if is_loopback(&settings.addr) { builder.no_proxy() } else { builder };
    let client = builder.build().map_err(|source| SettingsError::Connector { source })?;
    Ok((client, base))
}

fn trust(builder: ClientBuilder, settings: &Settings) -> Result<ClientBuilder, SettingsError> {
    let certificates = match (&settings.ca_cert, &settings.ca_path) {
        (Some(file), _) => certificates_of("BOUNDARY_CACERT", file)?,
        (None, Some(folder)) => {
            let mut all = Vec::new();
            for file in files_of(folder)? {
                all.extend(certificates_of("BOUNDARY_CAPATH", &file)?);
            }
            all
        }
        (None, None) => return Ok(builder),
    };
    Ok(builder.tls_certs_only(certificates))
}

fn certificates_of(variable: &'static str, path: &Path) -> Result<Vec<Certificate>, SettingsError> {
    let pem = read(variable, path)?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|source| SettingsError::Pem { variable, path: path.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(SettingsError::NoCertificate { variable, path: path.to_owned() });
    }
    Ok(certificates)
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, SettingsError> {
    let error = |source| SettingsError::File { variable: "BOUNDARY_CAPATH", path: folder.to_owned(), source };
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(error)?.collect();
    let mut files: Vec<_> = entries.map_err(error)?.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

fn identify(builder: ClientBuilder, settings: &Settings) -> Result<ClientBuilder, SettingsError> {
    let Some((cert, key)) = &settings.client_identity else { return Ok(builder) };
    let mut pem = read("BOUNDARY_CLIENT_CERT", cert)?;
    pem.push(b'\n');
    pem.append(&mut read("BOUNDARY_CLIENT_KEY", key)?);
    let identity = Identity::from_pem(&pem);
    let identity =
        identity.map_err(|source| SettingsError::Pem { variable: "BOUNDARY_CLIENT_KEY", path: key.clone(), source })?;
    Ok(builder.identity(identity))
}

fn read(variable: &'static str, path: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(path).map_err(|source| SettingsError::File { variable, path: path.to_owned(), source })
}

/// Chooses where connections go. With a server name the URLs carry that name, so that TLS asks for it and checks it,
/// and its resolution answers with the addresses of the configured host.
fn address(builder: ClientBuilder, settings: &Settings) -> (ClientBuilder, String) {
    if let Some(path) = settings.addr.strip_prefix("unix://") {
        return (builder.unix_socket(PathBuf::from(path)), "http://localhost".to_owned());
    }
    let named = settings.tls_server_name.as_deref().and_then(|name| renamed(&settings.addr, name));
    match named {
        Some((base, host)) => (builder.dns_resolver(InsteadOf { host: host.into() }), base),
        None => (builder, settings.addr.clone()),
    }
}

/// Whether the controller is on this machine, where no proxy could reach it. Go's clients do the same.
fn is_loopback(addr: &str) -> bool {
    let Some(host) = Url::parse(addr).ok().and_then(|url| url.host_str().map(str::to_owned)) else { return false };
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Returns the address with another host name, and the host that it had.
fn renamed(addr: &str, server_name: &str) -> Option<(String, String)> {
    let mut url = Url::parse(addr).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    url.set_host(Some(server_name)).ok()?;
    Some((url.as_str().trim_end_matches('/').to_owned(), host))
}

/// Resolves every name to the addresses of one host.
struct InsteadOf {
    host: Arc<str>,
}

impl Resolve for InsteadOf {
    fn resolve(&self, _name: Name) -> Resolving {
        let host = Arc::clone(&self.host);
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((&*host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_name_takes_the_hosts_place() {
        let (base, host) = renamed("https://10.0.0.7:9200", "boundary.example").unwrap();
        assert_eq!((base.as_str(), host.as_str()), ("https://boundary.example:9200", "10.0.0.7"));
        assert_eq!(renamed("https://[::1]:9200", "boundary.example").unwrap().1, "::1");
    }

    #[test]
    fn this_machine_needs_no_proxy() {
        for addr in ["http://127.0.0.1:9200", "http://127.9.9.9", "https://[::1]:9200", "http://localhost:9200"] {
            assert!(is_loopback(addr), "{addr}");
        }
        for addr in ["https://boundary.example", "https://10.0.0.7", "https://127.0.0.1.example", "unix:///run/b.sock"] {
            assert!(!is_loopback(addr), "{addr}");
        }
    }

    #[test]
    fn a_client_has_a_certificate_and_its_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        let made = rcgen::generate_simple_self_signed(vec!["client.example".to_owned()]).unwrap();
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let with = |key| Settings { client_identity: Some((cert.clone(), key)), ..Settings::default() };
        assert!(build(&with(key)).is_ok());
        assert!(matches!(build(&with(cert.clone())), Err(SettingsError::Pem { variable: "BOUNDARY_CLIENT_KEY", .. })));
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = Settings { ca_cert: Some(file.path().to_owned()), ..Settings::default() };
        assert!(matches!(build(&settings), Err(SettingsError::NoCertificate { variable: "BOUNDARY_CACERT", .. })));
        let settings = Settings { ca_path: Some("/no/such/folder".into()), ..Settings::default() };
        assert!(matches!(build(&settings), Err(SettingsError::File { variable: "BOUNDARY_CAPATH", .. })));
    }
}
