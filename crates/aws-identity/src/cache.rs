//! Keeps credentials until shortly before they expire, for all clients at once. Owns when the
//! provider behind is asked again, so that a `credential_process` runs once and prompts once.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::Mutex;

/// The remaining life below which credentials are fetched again: more than any call of ours takes.
const RENEW_BEFORE: Duration = Duration::from_mins(1);

/// A provider that remembers.
#[derive(Debug)]
pub(crate) struct Cache {
    inner: SharedCredentialsProvider,
    kept: Mutex<Option<Credentials>>,
}

impl Cache {
    pub(crate) fn new(inner: SharedCredentialsProvider) -> Self {
        Self { inner, kept: Mutex::new(None) }
    }

    /// Starts with credentials that were already fetched.
    pub(crate) fn holding(inner: SharedCredentialsProvider, kept: Credentials) -> Self {
        Self { inner, kept: Mutex::new(Some(kept)) }
    }

    async fn credentials(&self) -> provider::Result {
        let mut kept = self.kept.lock().await;
        if let Some(credentials) = kept.as_ref().filter(|credentials| is_fresh(credentials, SystemTime::now())) {
            return Ok(credentials.clone());
        }
        let fresh = self.inner.provide_credentials().await?;
        *kept = Some(fresh.clone());
        Ok(fresh)
    }
}

fn is_fresh(credentials: &Credentials, now: SystemTime) -> bool {
    credentials.expiry().is_none_or(|expiry| expiry > now + RENEW_BEFORE)
}

impl ProvideCredentials for Cache {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Debug)]
    struct Counting {
        asked: Arc<AtomicU32>,
        life: Option<Duration>,
    }

    impl ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let expiry = self.life.map(|life| SystemTime::now() + life);
            future::ProvideCredentials::ready(Ok(Credentials::new("id", "secret", None, expiry, "test")))
        }
    }

    async fn asked_in_three_calls(life: Option<Duration>) -> u32 {
        let asked = Arc::new(AtomicU32::new(0));
        let inner = Counting { asked: Arc::clone(&asked), life };
        let cache = Cache::new(SharedCredentialsProvider::new(inner));
        for _ in 0..3 {
            cache.credentials().await.unwrap();
        }
        asked.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_provider_is_asked_again_only_near_the_expiry() {
        assert_eq!(asked_in_three_calls(None).await, 1);
        assert_eq!(asked_in_three_calls(Some(Duration::from_hours(1))).await, 1);
        assert_eq!(asked_in_three_calls(Some(Duration::from_secs(30))).await, 3);
    }
}
