//! One run of a program: how long it took, what it used. Watches it from outside and changes nothing of it.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::bench::usage;

/// Between two looks at the program's memory. The peak is the kernel's own: only what grows after the last look is missed.
const LOOK: Duration = Duration::from_millis(3);

/// What a run has used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// MiB.
    pub(crate) peak_memory: f64,
}

/// What a run has used and asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ran {
    pub(crate) used: Used,
    /// Lists of Boundary, page by page.
    pub(crate) lists: u64,
    /// Reads of single objects of Boundary.
    pub(crate) reads: u64,
    pub(crate) logins: u64,
    pub(crate) writes: u64,
    /// Calls of AWS.
    pub(crate) aws_calls: u64,
}

impl Ran {
    pub(crate) fn requests(&self) -> u64 {
        self.lists + self.reads + self.logins + self.writes
    }

    /// Sorts the requests that were made between two counts of the controller.
    pub(crate) fn count(&mut self, before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) {
        for (request, count) in after {
            let new = count - before.get(request).copied().unwrap_or_default();
            *match request.strip_prefix("GET /v1/") {
                Some(path) if path.contains('/') => &mut self.reads,
                Some(_) => &mut self.lists,
                None if request.ends_with(":authenticate") => &mut self.logins,
                None => &mut self.writes,
            } += new;
        }
    }
}

/// Runs a program to its end, which must be a success.
pub(crate) fn watch(command: &mut Command) -> anyhow::Result<Used> {
    let began = Instant::now();
    let mut child = command.spawn().context("failed to start the program")?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let mut used = Used::default();
    // It is left a zombie until its CPU time is read.
    while waitid(Id::Pid(pid), flags)? == WaitStatus::StillAlive {
        used.peak_memory = usage::peak_memory(child.id()).unwrap_or_default().max(used.peak_memory);
        std::thread::sleep(LOOK);
    }
    used.seconds = began.elapsed().as_secs_f64();
    used.cpu_seconds = usage::cpu_seconds(child.id()).unwrap_or_default();
    let status = child.wait()?;
    anyhow::ensure!(status.success(), "the program ended with {status}");
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_requests_count_each_by_its_kind() {
        let counts = |pairs: &[(&str, u64)]| pairs.iter().map(|(request, count)| ((*request).to_owned(), *count)).collect();
        let before = counts(&[("GET /v1/roles", 4), ("POST /v1/targets", 1)]);
        let after = counts(&[
            ("GET /v1/roles", 6),
            ("GET /v1/roles/r_1", 1),
            ("POST /v1/auth-methods/ampw_1:authenticate", 1),
            ("POST /v1/roles/r_1:set-grants", 3),
            ("POST /v1/targets", 1),
        ]);
        let mut ran = Ran::default();
        ran.count(&before, &after);
        assert_eq!((ran.lists, ran.reads, ran.logins, ran.writes, ran.requests()), (2, 1, 1, 3, 7));
    }

    #[test]
    fn a_program_that_fails_is_no_sample() {
        assert!(watch(Command::new("sh").args(["-c", "exit 3"])).is_err());
        let used = watch(Command::new("sh").args(["-c", "sleep 0.1"])).unwrap();
        assert!(used.seconds >= 0.1 && used.peak_memory > 0.1, "{used:?}");
    }
}
