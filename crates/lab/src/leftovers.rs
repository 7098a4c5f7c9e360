//! Ends what the containers' programs left behind when a world ends: on this host nobody stops a task.
//!
//! Owns only processes of the terminal sessions that the world's agents started; a session's id stays taken as long as one of
//! its processes lives, so it names nobody else's.

use std::collections::BTreeSet;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills every process of these sessions, each named by the process id of its first child.
pub(crate) fn end(sessions: &BTreeSet<i32>) {
    let ours = std::process::id().cast_signed();
    // A leader that is not our child means that the id was free and is somebody else's now.
    let is_foreign = |session: i32| stat(session).is_some_and(|leader| leader.parent != ours);
    let Ok(entries) = std::fs::read_dir("/proc") else { return };
    for pid in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        let Some(process) = stat(pid) else { continue };
        if sessions.contains(&process.session) && !is_foreign(process.session) {
            // It may have ended meanwhile.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

struct Stat {
    parent: i32,
    session: i32,
}

/// Reads `/proc/PID/stat`: behind the name in parentheses come state, parent, group and session.
fn stat(pid: i32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(1).map(str::parse::<i32>);
    let parent = fields.next()?.ok()?;
    let session = fields.nth(1)?.ok()?;
    Some(Stat { parent, session })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_line_is_read() {
        let own = stat(std::process::id().cast_signed()).unwrap();
        assert_eq!(own.parent, nix::unistd::getppid().as_raw());
        assert_eq!(own.session, nix::unistd::getsid(None).unwrap().as_raw());
    }

    #[test]
    fn a_session_that_is_not_ours_is_left_alone() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        end(&BTreeSet::from([1]));
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
