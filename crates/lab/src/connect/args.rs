//! The command line of the stand-in, read as the CLI reads its own: one or two dashes, value behind `=` or as the next
//! argument, everything behind `--` for the program.

use std::ffi::OsString;
use std::sync::Arc;

use boundary_proxy::{Authorization, WorkerProxy};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::connect::session::Source;

/// How the CLI prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Json,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) program: OsString,
    pub(crate) passthrough: Vec<OsString>,
    pub(crate) listen_address: String,
    pub(crate) listen_port: u16,
    pub(crate) format: Format,
    pub(crate) source: Source,
    pub(crate) control: Option<String>,
}

/// Why a command line was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ArgsError {
    #[error("unknown flag {0}")]
    UnknownFlag(String),
    #[error("flag {0} needs a value")]
    NoValue(String),
    #[error("value of flag {0} is not valid")]
    BadValue(&'static str),
    #[error("no -exec program given")]
    NoProgram,
    #[error("one of -target-id, an alias or -authz-token must be given, and only one")]
    NoTarget,
    #[error("authorization token cannot be decoded")]
    BadToken,
    #[error("LAB_WORKER_ADDR is not set")]
    NoWorker,
}

#[derive(Default)]
struct Flags {
    exec: Option<String>,
    target: Option<String>,
    token: Option<String>,
    listen_address: Option<String>,
    listen_port: Option<String>,
    format: Option<String>,
    ignored: Option<String>,
}

impl Args {
    /// Reads the arguments and, through `variable`, the environment.
    pub(crate) fn parse(args: Vec<OsString>, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, ArgsError> {
        let mut args = args.into_iter();
        let own: Vec<String> =
            args.by_ref().take_while(|arg| arg != "--").map(|arg| arg.to_string_lossy().into_owned()).collect();
        let mut flags = read_flags(own)?;
        flags.exec = flags.exec.or_else(|| variable("BOUNDARY_CONNECT_EXEC"));
        let source = source(&mut flags, variable)?;
        Ok(Self {
            program: flags.exec.ok_or(ArgsError::NoProgram)?.into(),
            passthrough: args.collect(),
            listen_address: flags.listen_address.unwrap_or_else(|| "127.0.0.1".to_owned()),
            listen_port: flags.listen_port.map_or(Ok(0), |text| text.parse()).map_err(|_| ArgsError::BadValue("-listen-port"))?,
            format: if flags.format.as_deref() == Some("json") { Format::Json } else { Format::Table },
            source,
            control: variable("LAB_CONNECT_CONTROL"),
        })
    }
}

/// A token wins over an alias; a controller over a session that is none but in name.
fn source(flags: &mut Flags, variable: &dyn Fn(&str) -> Option<String>) -> Result<Source, ArgsError> {
    let given = flags.token.take().or_else(|| variable("BOUNDARY_CONNECT_AUTHZ_TOKEN"));
    match (given, flags.target.take()) {
        (Some(_), Some(target)) if target.starts_with("ttcp_") => Err(ArgsError::NoTarget),
        (Some(text), _) => of_token(&text.into(), variable),
        (None, Some(target)) => match (variable("BOUNDARY_ADDR"), variable("BOUNDARY_TOKEN")) {
            (Some(address), Some(token)) => Ok(Source::Controller { address, token: token.into(), target }),
            _ => of_name(variable),
        },
        (None, None) => Err(ArgsError::NoTarget),
    }
}

fn of_token(text: &SecretString, variable: &dyn Fn(&str) -> Option<String>) -> Result<Source, ArgsError> {
    let authorization = Authorization::decode(text).map_err(|_| ArgsError::BadToken)?;
    let said = authorization.clone();
    if let Ok(proxy) = WorkerProxy::new(authorization) {
        return Ok(Source::Token(Arc::new(proxy)));
    }
    Ok(Source::Plain {
        session_id: said.session_id().to_owned(),
        expiration: said.expiration().unwrap_or_default(),
        connection_limit: said.connection_limit().map_or(-1, i64::from),
        worker: variable("LAB_WORKER_ADDR").or_else(|| said.workers().first().cloned()).ok_or(ArgsError::NoWorker)?,
    })
}

fn of_name(variable: &dyn Fn(&str) -> Option<String>) -> Result<Source, ArgsError> {
    let seconds = variable("LAB_SESSION_SECONDS").and_then(|text| text.parse().ok()).unwrap_or(28_800);
    Ok(Source::Plain {
        session_id: format!("s_{}", crate::random::hex_id::<5>()),
        expiration: Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap_or(Timestamp::MAX),
        connection_limit: -1,
        worker: variable("LAB_WORKER_ADDR").ok_or(ArgsError::NoWorker)?,
    })
}

fn read_flags(args: Vec<String>) -> Result<Flags, ArgsError> {
    let mut flags = Flags::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let Some(name) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else {
            flags.target = Some(arg);
            continue;
        };
        let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value.to_owned())));
        let slot = match name {
            "exec" => &mut flags.exec,
            "target-id" => &mut flags.target,
            "authz-token" => &mut flags.token,
            "listen-addr" => &mut flags.listen_address,
            "listen-port" => &mut flags.listen_port,
            "format" => &mut flags.format,
            "addr" | "token" | "keyring-type" | "host-id" | "inactive-timeout" => &mut flags.ignored,
            _ => return Err(ArgsError::UnknownFlag(arg)),
        };
        *slot = Some(value.or_else(|| args.next()).ok_or(ArgsError::NoValue(arg))?);
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::token::{AuthzToken, authz_token};

    fn parse(words: &[&str], variables: &[(&str, &str)]) -> Result<Args, ArgsError> {
        let variables: Vec<(String, String)> = variables.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let find = move |name: &str| variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        Args::parse(words.iter().map(OsString::from).collect(), &find)
    }

    const WORKER: (&str, &str) = ("LAB_WORKER_ADDR", "127.0.0.1:1");

    #[test]
    fn what_follows_the_dashes_is_the_programs() {
        let args =
            parse(&["-exec", "prog", "--target-id=ttcp_1", "-listen-port", "4000", "--", "-x", "--", "y"], &[WORKER]).unwrap();
        assert_eq!(args.passthrough, ["-x", "--", "y"]);
        assert_eq!(args.listen_port, 4000);
        assert!(matches!(args.source, Source::Plain { session_id, .. } if session_id.starts_with("s_")));
    }

    #[test]
    fn a_token_names_session_and_expiry() {
        let token = AuthzToken::new("s_tok", "ttcp_1", 1_900_000_000, ([127, 0, 0, 1], 7).into());
        let text = authz_token(&token);
        let args = parse(&["-exec", "prog"], &[("BOUNDARY_CONNECT_AUTHZ_TOKEN", &text)]).unwrap();
        let Source::Plain { session_id, expiration, worker, .. } = args.source else { panic!("its certificate opens nothing") };
        assert_eq!((session_id.as_str(), expiration.as_second(), worker.as_str()), ("s_tok", 1_900_000_000, "127.0.0.1:7"));
    }

    #[test]
    fn a_target_id_beside_a_token_is_an_error() {
        let text = authz_token(&AuthzToken::new("s_tok", "ttcp_1", 1, ([127, 0, 0, 1], 7).into()));
        let refused = parse(&["-exec", "p", "-target-id", "ttcp_2", "-authz-token", &text], &[WORKER]);
        assert_eq!(refused.unwrap_err(), ArgsError::NoTarget);
        assert!(parse(&["-exec", "p", "inv-123.rosa", "-authz-token", &text], &[WORKER]).is_ok(), "a token wins over an alias");
    }

    #[test]
    fn a_controller_and_its_token_make_a_real_session() {
        let controller = [("BOUNDARY_ADDR", "http://127.0.0.1:9"), ("BOUNDARY_TOKEN", "at_1_s1x"), WORKER];
        for words in [["-exec", "p", "-target-id", "ttcp_1"].as_slice(), &["inv-1.rosa", "-exec", "p"]] {
            let args = parse(words, &controller).unwrap();
            assert!(matches!(&args.source, Source::Controller { target, .. } if words.contains(&target.as_str())));
            assert!(!format!("{args:?}").contains("at_1_s1x"));
            let without_token = parse(words, &[controller[0], WORKER]).unwrap();
            assert!(matches!(without_token.source, Source::Plain { .. }));
        }
    }
}
