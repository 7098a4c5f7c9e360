//! Decides whether a failed request is sent again, and when.
//!
//! Pure. A request that may have been carried out is never repeated: only reads are sent again after a lost answer; a write is
//! only when the controller refused it before any work (429, and 503 of its full rate limiter, which says when to come back).
//! Source: Boundary `internal/ratelimit/handler.go`.

use reqwest::Method;
use std::time::Duration;

/// How one try of a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection came about: nothing was sent.
    NotConnected,
    /// The connection was lost, or an answer did not come in time.
    Lost,
    /// The controller answered with an error.
    Answered {
        /// The HTTP status.
        status: u16,
        /// What `Retry-After` asked for.
        retry_after: Option<Duration>,
    },
}

/// The first pause when the controller names none; doubled each time. Source: the `api` package's least pause.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause before the caller is told instead. The controller's windows are 30 seconds: `internal/ratelimit/config.go`.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Returns the pause before the next try, or nothing when the failure is to be told. `tries` counts those made, from 1.
pub(crate) fn pause(method: &Method, failure: Failure, tries: u32, max_retries: u32) -> Option<Duration> {
    if tries > max_retries || !may_repeat(method, failure) {
        return None;
    }
    let backoff = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    match failure {
        Failure::Answered { retry_after: Some(asked), .. } => (asked <= LONGEST_PAUSE).then_some(asked),
        Failure::NotConnected | Failure::Lost | Failure::Answered { .. } => Some(backoff),
    }
}

fn may_repeat(method: &Method, failure: Failure) -> bool {
    match failure {
        Failure::NotConnected => true,
        Failure::Lost => method == Method::GET,
        Failure::Answered { status: 429, .. } => true,
        Failure::Answered { status: 503, retry_after } => method == Method::GET || retry_after.is_some(),
        Failure::Answered { status, .. } => method == Method::GET && matches!(status, 502 | 504),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn answered(status: u16, seconds: Option<u64>) -> Failure {
        Failure::Answered { status, retry_after: seconds.map(Duration::from_secs) }
    }

    #[test]
    fn a_write_is_never_sent_twice_when_it_may_have_been_done() {
        for failure in [Failure::Lost, answered(500, None), answered(502, None), answered(503, None), answered(504, None)] {
            assert_eq!(pause(&Method::POST, failure, 1, 9), None, "{failure:?}");
        }
        assert_eq!(pause(&Method::POST, Failure::NotConnected, 1, 9), Some(SECOND));
        assert_eq!(pause(&Method::POST, answered(429, Some(7)), 1, 9), Some(SECOND * 7));
        assert_eq!(pause(&Method::POST, answered(503, Some(2)), 1, 9), Some(SECOND * 2));
    }

    #[test]
    fn reads_back_off_and_give_up() {
        let pauses: Vec<_> = (1..=4).map(|tries| pause(&Method::GET, Failure::Lost, tries, 3)).collect();
        assert_eq!(pauses, [Some(SECOND), Some(SECOND * 2), Some(SECOND * 4), None]);
        assert_eq!(pause(&Method::GET, Failure::Lost, 40, 99), Some(LONGEST_PAUSE));
    }

    #[test]
    fn an_answer_about_the_request_itself_is_final() {
        for status in [400, 401, 403, 404, 500, 501] {
            assert_eq!(pause(&Method::GET, answered(status, None), 1, 9), None, "{status}");
        }
    }

    #[test]
    fn a_long_retry_after_is_told_instead_of_waited_for() {
        assert_eq!(pause(&Method::GET, answered(429, Some(31)), 1, 9), None);
    }
}
