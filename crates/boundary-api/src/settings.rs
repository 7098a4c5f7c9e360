//! Reads the client's settings from the variables that Boundary's own CLI knows.
//!
//! Never asks the process environment itself: the caller hands in a function, so that a program can remove its secrets from the
//! environment first. Source of names and defaults: Boundary `api/client.go` and `internal/cmd/base/base.go`.

use jiff::SignedDuration;
use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;

/// Where the controller is and how to talk to it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The controller's address without `/v1` and without a slash at its end.
    pub addr: String,
    /// The auth token, when one is given.
    pub token: Option<SecretString>,
    /// A file of PEM certificates that alone are trusted, instead of the system's.
    pub ca_cert: Option<PathBuf>,
    /// A folder of such files; not looked at when `ca_cert` is given.
    pub ca_path: Option<PathBuf>,
    /// The client's certificate and its key, as PEM files.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    /// Whether any certificate of the controller is taken. For tests.
    pub tls_insecure: bool,
    /// The name that the controller's certificate must have, when it is not the address's host.
    pub tls_server_name: Option<String>,
    /// The longest time of one request, its answer included.
    pub timeout: Duration,
    /// How often a request that failed before any work is sent again.
    pub max_retries: u32,
    /// The client's own limit, when there is one.
    pub rate_limit: Option<RateLimit>,
}

/// A steady number of requests a second, and how many may come at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Requests a second; above zero.
    pub per_second: f64,
    /// Requests at once; at least one.
    pub burst: u32,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A variable's value has no meaning. The value is not repeated: it may be a secret in the wrong place.
    #[error("read {variable}: expected {expected}")]
    Value {
        /// The variable.
        variable: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// A file that a setting names cannot be read.
    #[error("read {path} that {variable} names", path = path.display())]
    File {
        /// The variable.
        variable: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file that a setting names holds no usable PEM.
    #[error("use the PEM of {path} that {variable} names", path = path.display())]
    Pem {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: reqwest::Error,
    },
    /// A file that should hold certificates holds none.
    #[error("find a certificate in {path} that {variable} names", path = path.display())]
    NoCertificate {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The HTTP client cannot be made of the settings.
    #[error("make the HTTP client")]
    Connector {
        /// Why not.
        source: reqwest::Error,
    },
    /// `env://NAME` names a variable that is not set.
    #[error("read BOUNDARY_TOKEN: the variable that it names is not set")]
    TokenVariable,
}

/// Where a dev controller listens.
const DEFAULT_ADDR: &str = "http://127.0.0.1:9200";
/// Source: Boundary `api/client.go`.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);
/// Source: Boundary `api/client.go` (its CLI sets zero).
const DEFAULT_MAX_RETRIES: u32 = 2;

impl Default for Settings {
    fn default() -> Self {
        Self {
            addr: DEFAULT_ADDR.to_owned(),
            token: None,
            ca_cert: None,
            ca_path: None,
            client_identity: None,
            tls_insecure: false,
            tls_server_name: None,
            timeout: DEFAULT_TIMEOUT,
            max_retries: DEFAULT_MAX_RETRIES,
            rate_limit: None,
        }
    }
}

impl Settings {
    /// Reads the settings; a variable that is empty counts as not set. A token of the form `file://PATH` is read from its file.
    ///
    /// # Errors
    /// The first variable that has no meaning, or whose file cannot be read.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let variable = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let default = Self::default();
        Ok(Self {
            addr: variable("BOUNDARY_ADDR").map_or(Ok(default.addr), |text| address(&text))?,
            token: variable("BOUNDARY_TOKEN").map(|text| token(&text, &variable)).transpose()?,
            ca_cert: variable("BOUNDARY_CACERT").map(PathBuf::from),
            ca_path: variable("BOUNDARY_CAPATH").map(PathBuf::from),
            client_identity: client_identity(variable("BOUNDARY_CLIENT_CERT"), variable("BOUNDARY_CLIENT_KEY"))?,
            tls_insecure: variable("BOUNDARY_TLS_INSECURE").map_or(Ok(false), |text| truth(&text))?,
            tls_server_name: variable("BOUNDARY_TLS_SERVER_NAME").map(|text| server_name(&text)).transpose()?,
            timeout: variable("BOUNDARY_CLIENT_TIMEOUT").map_or(Ok(default.timeout), |text| timeout(&text))?,
            max_retries: variable("BOUNDARY_MAX_RETRIES").map_or(Ok(default.max_retries), |text| retries(&text))?,
            rate_limit: variable("BOUNDARY_RATE_LIMIT").map(|text| rate_limit(&text)).transpose()?,
        })
    }
}

fn wrong(variable: &'static str, expected: &'static str) -> SettingsError {
    SettingsError::Value { variable, expected }
}

/// Strips what the API path adds itself. Source: Boundary `api/client.go` `SetAddr`.
fn address(text: &str) -> Result<String, SettingsError> {
    let error = || wrong("BOUNDARY_ADDR", "a URL that begins with http:// or https://, or unix://PATH");
    let stripped = text.trim_end_matches('/');
    let stripped = stripped.strip_suffix("/v1").unwrap_or(stripped).trim_end_matches('/');
    if stripped.strip_prefix("unix://").is_some_and(|path| path.starts_with('/')) {
        return Ok(stripped.to_owned());
    }
    let url = reqwest::Url::parse(stripped).map_err(|_| error())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if matches!(url.scheme(), "http" | "https") && url.has_host() && plain { Ok(stripped.to_owned()) } else { Err(error()) }
}

fn token(text: &str, variable: &impl Fn(&str) -> Option<String>) -> Result<SecretString, SettingsError> {
    let value = if let Some(name) = text.strip_prefix("env://") {
        variable(name).ok_or(SettingsError::TokenVariable)?
    } else if let Some(path) = text.strip_prefix("file://") {
        let path = PathBuf::from(path);
        let read = std::fs::read_to_string(&path);
        read.map_err(|source| SettingsError::File { variable: "BOUNDARY_TOKEN", path, source })?.trim().to_owned()
    } else {
        text.to_owned()
    };
    let fits_a_header = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
    if fits_a_header { Ok(value.into()) } else { Err(wrong("BOUNDARY_TOKEN", "an auth token, env://NAME or file://PATH")) }
}

fn client_identity(cert: Option<String>, key: Option<String>) -> Result<Option<(PathBuf, PathBuf)>, SettingsError> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert.into(), key.into()))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(wrong("BOUNDARY_CLIENT_KEY", "a file, since BOUNDARY_CLIENT_CERT is set")),
        (None, Some(_)) => Err(wrong("BOUNDARY_CLIENT_CERT", "a file, since BOUNDARY_CLIENT_KEY is set")),
    }
}

/// The words that Go's `strconv.ParseBool` takes.
fn truth(text: &str) -> Result<bool, SettingsError> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(wrong("BOUNDARY_TLS_INSECURE", "true or false")),
    }
}

/// A name and no IP address: connections to one would go there, past the configured host.
fn server_name(text: &str) -> Result<String, SettingsError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let fits = plain && reqwest::Url::parse(&format!("https://{text}")).is_ok_and(|url| url.domain().is_some());
    if fits { Ok(text.to_owned()) } else { Err(wrong("BOUNDARY_TLS_SERVER_NAME", "a host name")) }
}

/// Whole seconds, or a duration with units as `90s` or `1m30s`.
fn timeout(text: &str) -> Result<Duration, SettingsError> {
    let parsed = match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok()),
    };
    parsed.filter(|timeout| !timeout.is_zero()).ok_or(wrong("BOUNDARY_CLIENT_TIMEOUT", "seconds, or a duration such as 90s"))
}

fn retries(text: &str) -> Result<u32, SettingsError> {
    text.parse().map_err(|_| wrong("BOUNDARY_MAX_RETRIES", "a whole number"))
}

/// `rate[:burst]`; a burst that is not given is the rate, but at least one.
fn rate_limit(text: &str) -> Result<RateLimit, SettingsError> {
    let error = || wrong("BOUNDARY_RATE_LIMIT", "requests a second above zero, or rate:burst");
    let (rate, burst) = text.split_once(':').map_or((text, None), |(rate, burst)| (rate, Some(burst)));
    let per_second: f64 = rate.parse().map_err(|_| error())?;
    if !(per_second.is_finite() && per_second > 0.0) {
        return Err(error());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float that is too large saturates")]
    let whole = per_second as u32;
    let burst = burst.map_or(Ok(whole), str::parse).map_err(|_| error())?;
    Ok(RateLimit { per_second, burst: burst.max(1) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_variables(|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
    }

    #[test]
    fn nothing_set_is_the_dev_controller() {
        let settings = read(&[("BOUNDARY_TOKEN", "")]).unwrap();
        assert_eq!((settings.addr.as_str(), settings.timeout, settings.max_retries), (DEFAULT_ADDR, DEFAULT_TIMEOUT, 2));
        assert!(settings.token.is_none() && settings.rate_limit.is_none() && !settings.tls_insecure);
    }

    #[test]
    fn an_address_loses_its_api_path() {
        for text in
            ["https://b.example:9200/v1", "https://b.example:9200/v1/", "https://b.example:9200/", " https://b.example:9200"]
        {
            assert_eq!(read(&[("BOUNDARY_ADDR", text)]).unwrap().addr, "https://b.example:9200", "{text}");
        }
        assert_eq!(read(&[("BOUNDARY_ADDR", "unix:///run/b.sock")]).unwrap().addr, "unix:///run/b.sock");
        for text in ["b.example", "ftp://b.example", "https://u:p@b.example", "https://b.example/?a=b", "unix://b.sock"] {
            assert!(read(&[("BOUNDARY_ADDR", text)]).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_stands_itself_in_a_variable_or_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "at_file\n").unwrap();
        let named = format!("file://{}", file.path().display());
        for (text, token) in [("at_plain", "at_plain"), ("env://OTHER", "at_other"), (named.as_str(), "at_file")] {
            let settings = read(&[("BOUNDARY_TOKEN", text), ("OTHER", "at_other")]).unwrap();
            assert_eq!(settings.token.as_ref().unwrap().expose_secret(), token);
            assert!(!format!("{settings:?}").contains(token));
        }
        assert!(matches!(read(&[("BOUNDARY_TOKEN", "env://NONE")]), Err(SettingsError::TokenVariable)));
        assert!(matches!(read(&[("BOUNDARY_TOKEN", "file:///no/such")]), Err(SettingsError::File { .. })));
    }

    #[test]
    fn a_token_with_a_line_end_is_refused_and_not_shown() {
        let error = read(&[("BOUNDARY_TOKEN", "at_secret\r\nX: y")]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("at_secret"));
    }

    #[test]
    fn a_server_name_is_no_address() {
        let name = |text| read(&[("BOUNDARY_TLS_SERVER_NAME", text)]).ok().and_then(|settings| settings.tls_server_name);
        assert_eq!(name("boundary.example").as_deref(), Some("boundary.example"));
        assert_eq!([name("10.0.0.7"), name("1"), name("::1"), name("a/b"), name("a:1")], [const { None }; 5]);
    }

    #[test]
    fn certificate_and_key_come_together() {
        assert!(read(&[("BOUNDARY_CLIENT_CERT", "c")]).is_err());
        assert!(read(&[("BOUNDARY_CLIENT_KEY", "k")]).is_err());
        let both = read(&[("BOUNDARY_CLIENT_CERT", "c"), ("BOUNDARY_CLIENT_KEY", "k")]).unwrap();
        assert_eq!(both.client_identity, Some(("c".into(), "k".into())));
    }

    #[test]
    fn timeouts_are_seconds_or_durations() {
        let seconds = |text| read(&[("BOUNDARY_CLIENT_TIMEOUT", text)]).map(|settings| settings.timeout.as_secs()).ok();
        assert_eq!([seconds("5"), seconds("90s"), seconds("1m30s"), seconds("2h")], [Some(5), Some(90), Some(90), Some(7200)]);
        assert_eq!([seconds("0"), seconds("-5s"), seconds("soon")], [None; 3]);
    }

    #[test]
    fn a_rate_has_a_burst() {
        let rate = |text| read(&[("BOUNDARY_RATE_LIMIT", text)]).ok().and_then(|settings| settings.rate_limit);
        assert_eq!(rate("10"), Some(RateLimit { per_second: 10.0, burst: 10 }));
        assert_eq!(rate("0.5"), Some(RateLimit { per_second: 0.5, burst: 1 }));
        assert_eq!(rate("2.5:20"), Some(RateLimit { per_second: 2.5, burst: 20 }));
        assert_eq!([rate("0"), rate("-1"), rate("inf"), rate("nan"), rate("5:x"), rate("")], [None; 6]);
    }
}
