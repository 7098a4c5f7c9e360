//! The shells under test and the folders that become PATH.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use tempfile::TempDir;

/// A folder with `sh` in it and the PATH that begins with it.
pub(crate) struct Shell {
    pub(crate) name: &'static str,
    pub(crate) path: String,
    folder: TempDir,
}

const KINDS: [&str; 5] = ["dash", "bash", "mksh", "busybox", "busybox applets only"];

/// Runs a case once per shell, all at the same time, and names the shell of a failure.
///
/// `SCRIPT_MATRIX_SHELL` leaves one shell, for a measurement or a hunt.
pub(crate) fn for_each_shell(case: fn(&Shell)) {
    let only = std::env::var("SCRIPT_MATRIX_SHELL").ok();
    let wanted = KINDS.into_iter().filter(|kind| only.as_deref().is_none_or(|name| name == *kind));
    let shells: Vec<Shell> = wanted.filter_map(Shell::find).collect();
    assert!(!shells.is_empty(), "no shell to test");
    thread::scope(|scope| {
        let running: Vec<_> = shells
            .iter()
            .map(|shell| {
                let thread = thread::Builder::new().name(shell.name.to_owned());
                (shell.name, thread.spawn_scoped(scope, move || case(shell)).expect("a thread"))
            })
            .collect();
        for (name, thread) in running {
            assert!(thread.join().is_ok(), "failed with {name} as sh");
        }
    });
}

impl Shell {
    fn find(name: &'static str) -> Option<Self> {
        let program = name.split(' ').next().unwrap_or(name);
        let Some(target) = which(program) else {
            crate::say(&format!("skipped: no {name} on this machine"));
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        symlink(&target, folder.path().join("sh")).expect("a link");
        let mut path = folder.path().display().to_string();
        if name.ends_with("only") {
            link_applets(&target, folder.path());
        } else {
            path.push_str(":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        }
        readable_by_all(folder.path());
        Some(Self { name, path, folder })
    }

    /// Makes the same shell with nothing but the named tools on PATH.
    pub(crate) fn with_tools(&self, tools: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        symlink(self.folder.path().join("sh"), folder.path().join("sh")).expect("a link");
        for tool in tools {
            let own = self.folder.path().join(tool);
            let target = if own.exists() { Some(own) } else { which(tool) };
            if let Some(target) = target {
                symlink(target, folder.path().join(tool)).expect("a link");
            }
        }
        readable_by_all(folder.path());
        Self { name: self.name, path: folder.path().display().to_string(), folder }
    }

    pub(crate) fn is_applets_only(&self) -> bool {
        self.name.ends_with("only")
    }
}

/// Finds a program on this machine's usual folders.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.exists())
}

fn link_applets(busybox: &Path, folder: &Path) {
    let list = Command::new(busybox).arg("--list").output().expect("busybox runs");
    for applet in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "sh") {
        symlink(busybox, folder.join(applet)).expect("a link");
    }
}

fn readable_by_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, mode).expect("own folder");
}
