//! The command line of the stand-in, read as the CLI reads its own: one or two dashes, value behind `=` or as the next
//! argument, everything behind `--` for the program.

use std::ffi::OsString;

use crate::connect::token::AuthzToken;

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
    pub(crate) session_id: String,
    /// Seconds since 1970.
    pub(crate) expiration: i64,
    pub(crate) connection_limit: i32,
    pub(crate) listen_address: String,
    pub(crate) listen_port: u16,
    pub(crate) format: Format,
    pub(crate) worker: String,
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
        let given = flags.token.or_else(|| variable("BOUNDARY_CONNECT_AUTHZ_TOKEN"));
        let token = match (given, &flags.target) {
            (Some(_), Some(target)) if target.starts_with("ttcp_") => return Err(ArgsError::NoTarget),
            (Some(text), _) => Some(AuthzToken::decode(&text).ok_or(ArgsError::BadToken)?),
            (None, Some(_)) => None,
            (None, None) => return Err(ArgsError::NoTarget),
        };
        let seconds = variable("LAB_SESSION_SECONDS").and_then(|text| text.parse().ok()).unwrap_or(28_800);
        let own_session = || format!("s_{}", &crate::random::hex_id::<5>());
        let worker = variable("LAB_WORKER_ADDR").or_else(|| token.as_ref()?.workers.first().cloned());
        Ok(Self {
            program: flags.exec.ok_or(ArgsError::NoProgram)?.into(),
            passthrough: args.collect(),
            session_id: token.as_ref().map_or_else(own_session, |token| token.session_id.clone()),
            expiration: token.as_ref().map_or_else(|| jiff::Timestamp::now().as_second() + seconds, |token| token.expiration),
            connection_limit: token.as_ref().map_or(-1, |token| token.connection_limit),
            listen_address: flags.listen_address.unwrap_or_else(|| "127.0.0.1".to_owned()),
            listen_port: flags.listen_port.map_or(Ok(0), |text| text.parse()).map_err(|_| ArgsError::BadValue("-listen-port"))?,
            format: if flags.format.as_deref() == Some("json") { Format::Json } else { Format::Table },
            worker: worker.ok_or(ArgsError::NoWorker)?,
            control: variable("LAB_CONNECT_CONTROL"),
        })
    }
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
    use crate::connect::token::authz_token;

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
        assert!(args.session_id.starts_with("s_"));
    }

    #[test]
    fn a_token_names_session_and_expiry() {
        let token = AuthzToken::new("s_tok", "ttcp_1", 1_900_000_000, ([127, 0, 0, 1], 7).into());
        let text = authz_token(&token);
        let args = parse(&["-exec", "prog"], &[("BOUNDARY_CONNECT_AUTHZ_TOKEN", &text)]).unwrap();
        assert_eq!((args.session_id.as_str(), args.expiration, args.worker.as_str()), ("s_tok", 1_900_000_000, "127.0.0.1:7"));
    }

    #[test]
    fn a_target_id_beside_a_token_is_an_error() {
        let text = authz_token(&AuthzToken::new("s_tok", "ttcp_1", 1, ([127, 0, 0, 1], 7).into()));
        let refused = parse(&["-exec", "p", "-target-id", "ttcp_2", "-authz-token", &text], &[WORKER]);
        assert_eq!(refused.unwrap_err(), ArgsError::NoTarget);
        assert!(parse(&["-exec", "p", "inv-123.rosa", "-authz-token", &text], &[WORKER]).is_ok(), "a token wins over an alias");
    }
}
