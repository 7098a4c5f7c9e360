//! This machine: records, terminal, locale, proxy, trusted authorities.

use super::check::{Check, Group};
use crate::args::RecordMode;
use crate::links::spooled;
use crate::record::state_folder;
use crate::settings::Settings;
use nix::unistd::{AccessFlags, access};
use std::path::{Path, PathBuf};

const GROUP: Group = Group::Local;

/// What is known of this machine.
#[derive(Debug, Clone)]
pub(super) struct LocalFacts {
    /// Where records go, when the environment says it.
    pub(super) folder: Option<PathBuf>,
    /// The nearest part of that path that exists, and whether it may be written.
    pub(super) nearest: Option<(PathBuf, bool)>,
    /// Record lines that wait for their place, and those that were set aside.
    pub(super) spooled: (usize, usize),
    /// `TERM`.
    pub(super) term: String,
    /// The locale of characters: the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set.
    pub(super) locale: String,
    /// Whether `HTTPS_PROXY` is set, and `NO_PROXY`. Their values may hold passwords.
    pub(super) proxy: (bool, bool),
    /// The file of trusted authorities, and whether it can be read.
    pub(super) ca_file: Option<(PathBuf, bool)>,
}

/// Looks; writes nothing.
pub(super) fn gather(settings: &Settings) -> LocalFacts {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let either = |name: &str| variable(name).or_else(|| variable(&name.to_lowercase())).is_some();
    let folder = state_folder();
    let ca_file = settings.ca_file.clone().or_else(|| variable("AWS_CA_BUNDLE").map(PathBuf::from));
    LocalFacts {
        nearest: folder.as_deref().and_then(nearest),
        spooled: folder.as_deref().map(spooled).unwrap_or_default(),
        folder,
        term: variable("TERM").unwrap_or_default(),
        locale: ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable).unwrap_or_default(),
        proxy: (either("HTTPS_PROXY"), either("NO_PROXY")),
        ca_file: ca_file.map(|path| (path.clone(), access(&path, AccessFlags::R_OK).is_ok())),
    }
}

/// The journal, else the nearest folder above it that exists; a file in a folder's place counts as not writable.
fn nearest(folder: &Path) -> Option<(PathBuf, bool)> {
    let journal = folder.join("sessions.jsonl");
    if journal.exists() {
        let writable = access(&journal, AccessFlags::R_OK | AccessFlags::W_OK).is_ok();
        return Some((journal, writable));
    }
    let existing = folder.ancestors().find(|path| path.exists())?;
    let writable = existing.is_dir() && access(existing, AccessFlags::W_OK | AccessFlags::X_OK).is_ok();
    Some((existing.to_owned(), writable))
}

/// Judges.
pub(super) fn checks(facts: &LocalFacts, settings: &Settings) -> Vec<Check> {
    let mut checks = vec![records(facts, settings.record), terminal(facts, settings.io.tty), locale(facts)];
    checks.extend(waiting(facts.spooled));
    checks.push(proxy(facts));
    checks.extend(facts.ca_file.as_ref().map(|(path, readable)| authorities(path, *readable)));
    checks
}

fn records(facts: &LocalFacts, mode: RecordMode) -> Check {
    let id = "records";
    let (what, remedy) = match (&facts.folder, &facts.nearest) {
        (Some(folder), Some((_, true))) => {
            return GROUP.ok(id, format!("sessions are recorded in {}", folder.display()));
        }
        (Some(_), Some((path, false))) => (
            format!("sessions cannot be recorded: {} may not be written", path.display()),
            "make it yours, or set XDG_STATE_HOME",
        ),
        _ => ("sessions cannot be recorded: neither XDG_STATE_HOME nor HOME says where".to_owned(), "set HOME or XDG_STATE_HOME"),
    };
    match mode {
        RecordMode::Required => GROUP.failed(id, what, remedy),
        RecordMode::BestEffort => GROUP.warning(id, what, remedy),
    }
}

fn waiting((waiting, aside): (usize, usize)) -> Option<Check> {
    let lines = |count: usize, one: &str, many: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {many}") };
    let (wait, was) = (lines(waiting, "record line waits", "record lines wait"), lines(aside, "was set aside", "were set aside"));
    let id = "records-waiting";
    match (waiting, aside) {
        (0, 0) => None,
        (_, 0) => Some(GROUP.warning(id, format!("{wait} for log group or bucket"), "your next session with a place sends them")),
        _ => {
            let what = format!("{wait} for log group or bucket, and {was} for good");
            Some(GROUP.warning(
                id,
                what,
                "give what is below spool/expired and spool/unreadable to your auditors, then remove it",
            ))
        }
    }
}

fn terminal(facts: &LocalFacts, tty: bool) -> Check {
    let id = "terminal";
    match (tty, facts.term.as_str()) {
        (false, _) => GROUP.ok(id, "stdin or stdout is no terminal here: a session from here would use pipes"),
        (true, "" | "dumb" | "unknown") => {
            let what = format!("TERM is `{}`: programs in the container cannot draw", facts.term);
            GROUP.warning(id, what, "set TERM, for example: export TERM=xterm-256color")
        }
        (true, term) => GROUP.ok(id, format!("the terminal is {term}")),
    }
}

fn locale(facts: &LocalFacts) -> Check {
    let id = "locale";
    let name = facts.locale.to_ascii_lowercase().replace('-', "");
    if name.contains("utf8") {
        return GROUP.ok(id, format!("the locale is {}", facts.locale));
    }
    let what = match facts.locale.as_str() {
        "" => "no locale is set: terminals may show letters beyond ASCII wrongly".to_owned(),
        locale => format!("the locale {locale} is not UTF-8, and the data channel carries UTF-8"),
    };
    GROUP.warning(id, what, "set a UTF-8 locale, for example: export LC_CTYPE=C.UTF-8")
}

fn proxy(facts: &LocalFacts) -> Check {
    let id = "proxy";
    GROUP.ok(
        id,
        match facts.proxy {
            (false, _) => "no HTTPS_PROXY is set",
            (true, false) => "HTTPS_PROXY is set: AWS's APIs are asked through it, and NO_PROXY excepts nothing",
            (true, true) => "HTTPS_PROXY and NO_PROXY are set: AWS's APIs are asked through the proxy unless excepted",
        },
    )
}

fn authorities(path: &Path, readable: bool) -> Check {
    let id = "authorities";
    if readable {
        GROUP.ok(id, format!("the trusted authorities are those in {}, and no others", path.display()))
    } else {
        let what = format!("the file of trusted authorities {} cannot be read", path.display());
        GROUP.failed(id, what, "mend --ca-file or AWS_CA_BUNDLE")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    fn facts() -> LocalFacts {
        LocalFacts {
            folder: Some(PathBuf::from("/x/ecs-exec-wrapper")),
            nearest: Some((PathBuf::from("/x"), true)),
            spooled: (0, 0),
            term: "xterm".to_owned(),
            locale: "C.UTF-8".to_owned(),
            proxy: (false, false),
            ca_file: None,
        }
    }

    #[test]
    fn records_are_required_unless_said_otherwise() {
        let refused = LocalFacts { nearest: Some((PathBuf::from("/x"), false)), ..facts() };
        assert_eq!(records(&facts(), RecordMode::Required).verdict, Verdict::Ok);
        assert_eq!(records(&refused, RecordMode::Required).verdict, Verdict::Failed);
        assert_eq!(records(&refused, RecordMode::BestEffort).verdict, Verdict::Warning);
        assert_eq!(records(&LocalFacts { folder: None, ..facts() }, RecordMode::Required).verdict, Verdict::Failed);
    }

    #[test]
    fn a_file_in_a_folders_place_is_not_writable() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), b"").unwrap();
        assert_eq!(nearest(&folder.path().join("a/b")), Some((folder.path().to_owned(), true)));
        assert_eq!(nearest(&folder.path().join("file/b")), Some((folder.path().join("file"), false)));
    }

    #[test]
    fn terminal_and_locale_are_judged_only_where_they_matter() {
        let dumb = LocalFacts { term: "dumb".to_owned(), ..facts() };
        assert_eq!((terminal(&dumb, true).verdict, terminal(&dumb, false).verdict), (Verdict::Warning, Verdict::Ok));
        let of = |locale: &str| super::locale(&LocalFacts { locale: locale.to_owned(), ..facts() }).verdict;
        assert_eq!((of("en_US.UTF-8"), of("de_DE.utf8"), of("C"), of("")), {
            (Verdict::Ok, Verdict::Ok, Verdict::Warning, Verdict::Warning)
        });
    }
}
