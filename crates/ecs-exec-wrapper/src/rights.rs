//! What a caller is known to be refused, kept between runs: only hints, never a decision.
//!
//! One file a right in `$XDG_CACHE_HOME/ecs-exec-wrapper/`, named by a hash of the caller's ARN without its session name.

use std::path::PathBuf;
use std::time::Duration;

/// A hint this old is not believed: policies change.
const BELIEVED_FOR: Duration = Duration::from_hours(24);

/// One caller's hints.
#[derive(Debug, Clone)]
pub(crate) struct Rights {
    resume_denied: Option<PathBuf>,
}

impl Rights {
    /// The hints about a caller.
    pub(crate) fn of(caller_arn: &str) -> Self {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
        let principal = role_of(caller_arn);
        let name = format!("resume-denied-{}", &audit_record::sha256_hex(principal.as_bytes())[..16]);
        Self { resume_denied: cache.map(|cache| cache.join("ecs-exec-wrapper").join(name)) }
    }

    /// Whether ResumeSession was denied lately.
    pub(crate) fn is_resume_denied(&self) -> bool {
        let modified =
            self.resume_denied.as_ref().and_then(|path| path.metadata().ok()).and_then(|metadata| metadata.modified().ok());
        modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age < BELIEVED_FOR)
    }

    /// Notes that ResumeSession was denied. A hint that cannot be kept is no loss.
    pub(crate) fn note_resume_denied(&self) {
        let Some(path) = &self.resume_denied else { return };
        let folder = path.parent().map(std::fs::create_dir_all);
        if folder.is_some_and(|made| made.is_ok()) {
            let _ = std::fs::write(path, b"");
        }
    }

    /// Notes that ResumeSession is permitted after all.
    pub(crate) fn note_resume_permitted(&self) {
        if let Some(path) = &self.resume_denied {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// `…:assumed-role/ROLE` of an assumed role, whose session name changes with every login; the whole ARN of others.
fn role_of(arn: &str) -> &str {
    match arn.split_once(":assumed-role/") {
        Some((_, rest)) => rest.split_once('/').map_or(arn, |(_, session)| &arn[..arn.len() - session.len() - 1]),
        None => arn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_about_the_role_not_about_one_login() {
        assert_eq!(role_of("arn:aws:sts::1:assumed-role/sre/alice"), "arn:aws:sts::1:assumed-role/sre");
        assert_eq!(role_of("arn:aws:iam::1:user/alice"), "arn:aws:iam::1:user/alice");
    }
}
