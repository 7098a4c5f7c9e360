//! Which TCP ports our parent, Boundary's CLI, talks to the world from: by them its session is recognised at the controller.
//!
//! Reads `/proc` and nothing else; where there is none, there is no answer.

use std::collections::BTreeSet;
use std::fs;

/// `ESTABLISHED` in `/proc/net/tcp` (Linux `include/net/tcp_states.h`).
const ESTABLISHED: &str = "01";

/// The local ports of our parent's established connections, in order.
pub(crate) fn parent_ports() -> Vec<u16> {
    let process = format!("/proc/{}", nix::unistd::getppid());
    let sockets = socket_inodes(&process);
    let tables = ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("{process}/net/{table}")).unwrap_or_default());
    let ports: BTreeSet<u16> = tables
        .iter()
        .flat_map(|table| established(table))
        .filter(|(inode, _)| sockets.contains(inode))
        .map(|(_, port)| port)
        .collect();
    ports.into_iter().collect()
}

fn socket_inodes(process: &str) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(format!("{process}/fd")) else { return BTreeSet::new() };
    let inode = |entry: fs::DirEntry| {
        let link = fs::read_link(entry.path()).ok()?;
        Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    entries.flatten().filter_map(inode).collect()
}

/// Inode and local port of each established connection in a table of `/proc/net`.
fn established(table: &str) -> impl Iterator<Item = (String, u16)> {
    table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
        let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        (*state == ESTABLISHED).then(|| ((*inode).to_owned(), port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:23F0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1 0 100 0 0 10 0
   1: 0100007F:9C40 0100007F:23F2 01 00000000:00000000 00:00000000 00000000     0        0 42 1 0 20 4 30 10 -1
   2: short line";

    #[test]
    fn only_established_connections_count() {
        assert_eq!(established(TABLE).collect::<Vec<_>>(), [("42".to_owned(), 40_000)]);
        assert_eq!(established("").count(), 0);
    }
}
