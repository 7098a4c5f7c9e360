//! What a program and its children cost, from `/proc`: peak memory and CPU time.

use anyhow::Context as _;

/// The unit of CPU times in `/proc`, per second: fixed in the interface of Linux on x86-64 and arm64 (proc(5)).
const TICKS: f64 = 100.0;

/// The first 15 bytes of the plugin's name, as the kernel keeps them.
const PLUGIN: &str = "session-manager";

/// One process at one moment.
#[derive(Clone, Debug)]
struct Process {
    pid: u32,
    parent: u32,
    name: String,
    cpu_seconds: f64,
}

/// A program and everything that it has started, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// Sum of the peaks of resident memory, MiB.
    pub(crate) memory: f64,
    /// Peak of the plugin alone; the whole sum where there is no plugin.
    pub(crate) plugin_memory: f64,
    /// CPU time, user and system, seconds.
    pub(crate) cpu: f64,
    /// CPU time of the plugin alone; the whole sum where there is no plugin.
    pub(crate) plugin_cpu: f64,
}

/// Looks at a program and its children.
pub(crate) fn look(pid: u32) -> anyhow::Result<Usage> {
    let tree = tree(&processes()?, pid);
    anyhow::ensure!(tree.iter().any(|process| process.pid == pid), "the program is gone");
    let has_plugin = tree.iter().any(|process| process.name == PLUGIN);
    let mut usage = Usage::default();
    for process in &tree {
        // One that has ended and was not waited for has none.
        let memory = peak_memory(process.pid).unwrap_or_default();
        usage.memory += memory;
        usage.cpu += process.cpu_seconds;
        if process.name == PLUGIN || !has_plugin {
            usage.plugin_memory += memory;
            usage.plugin_cpu += process.cpu_seconds;
        }
    }
    Ok(usage)
}

/// CPU time of a process alone, user and system, seconds; also of one that has ended and was not waited for.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    parse_stat(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?).map(|process| process.cpu_seconds)
}

fn processes() -> anyhow::Result<Vec<Process>> {
    let folder = std::fs::read_dir("/proc").context("failed to list /proc")?;
    let pids = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // A process may be gone before its file is read.
    Ok(pids.filter_map(|pid: u32| parse_stat(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)).collect())
}

fn tree(all: &[Process], root: u32) -> Vec<Process> {
    let mut found: Vec<Process> = all.iter().filter(|process| process.pid == root).cloned().collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|process| process.pid) {
        found.extend(all.iter().filter(|process| process.parent == parent).cloned());
        next += 1;
    }
    found
}

/// Reads one line of `/proc/PID/stat`; the name in parentheses may hold anything.
fn parse_stat(pid: u32, line: &str) -> Option<Process> {
    let (head, rest) = line.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok().map(f64::from);
    Some(Process { pid, parent: fields.get(1)?.parse().ok()?, name, cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS })
}

/// Peak of resident memory of a process alone, MiB; none of one that has ended.
pub(crate) fn peak_memory(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u32 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(f64::from(kib) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = "7 (a) b (c) S 5 7 7 0 -1 4194304 1 2 3 4 150 50 6 7 20 0 1 0 99";
        let process = parse_stat(7, line).unwrap();
        assert_eq!((process.parent, process.name.as_str()), (5, "a) b (c"));
        assert!((process.cpu_seconds - 2.0).abs() < 1e-9);
    }

    #[test]
    fn grandchildren_belong_to_the_tree_and_strangers_do_not() {
        let process = |pid, parent| Process { pid, parent, name: String::new(), cpu_seconds: 0.0 };
        let all = [process(9, 4), process(2, 1), process(4, 2), process(5, 1)];
        let found: Vec<u32> = tree(&all, 2).iter().map(|process| process.pid).collect();
        assert_eq!(found, [2, 4, 9]);
    }

    #[test]
    fn our_own_process_costs_memory() {
        let usage = look(std::process::id()).unwrap();
        assert!(usage.memory > 0.5, "{usage:?}");
    }
}
