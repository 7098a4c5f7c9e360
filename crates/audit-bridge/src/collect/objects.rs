//! Objects of S3 as evidence: small ones in memory, long ones through a file without a name.
//!
//! Owns the limits. Bytes come to the evidence store as S3 has them.

use super::haul::{Haul, Ledger};
use super::place::{AwsPlace, CollectError};
use audit_facts::normalise::Reading;
use aws_reading::ReadError;
use aws_reading::s3::{Bucket, Fetched, ListObjects, ObjectRef};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use record_delivery::day_path;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;

/// Bytes of an object of records: the writers cut theirs at 256 KiB, and no line is longer than a few of that.
const RECORDS_MAX: u64 = 16 << 20;

/// How many days back records are looked for that were delivered late.
pub(crate) const LATE_DAYS: i64 = 15;

/// An object's bytes in a file that nobody else can open.
pub(crate) struct Fetch {
    file: File,
    pub(crate) fetched: Fetched,
}

impl Fetch {
    /// Brings an object of at most so many bytes here.
    pub(crate) async fn object(place: &AwsPlace<'_>, object: &ObjectRef, max: u64) -> Result<Self, CollectError> {
        let file = tempfile::tempfile().map_err(ReadError::Sink)?;
        let mut sink = Sink(file);
        let fetched = place.reader.get_object(object, None, &mut sink, max).await?;
        Ok(Self { file: sink.0, fetched })
    }

    /// The bytes from the beginning.
    pub(crate) fn bytes(&mut self) -> Result<&mut File, CollectError> {
        self.file.rewind().map_err(ReadError::Sink)?;
        Ok(&mut self.file)
    }

    /// Keeps the bytes as evidence.
    pub(crate) fn keep(&mut self, haul: &mut Haul, ledger: &Ledger<'_>) -> Result<Reading, CollectError> {
        let request = serde_json::to_value(&self.fetched.request).unwrap_or_default();
        Ok(haul.keep_all(ledger, self.bytes()?, request)?)
    }
}

/// Writes at once: the file is local, as the evidence store is.
struct Sink(File);

impl AsyncWrite for Sink {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.write(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// Brings an object of records here, and keeps it.
pub(crate) async fn records(
    place: &AwsPlace<'_>,
    haul: &mut Haul,
    ledger: &mut Ledger<'_>,
    object: &ObjectRef,
) -> Result<(Vec<u8>, Reading), CollectError> {
    let mut bytes = Vec::new();
    let fetched = place.reader.get_object(object, None, &mut bytes, RECORDS_MAX).await?;
    let request = serde_json::to_value(&fetched.request).unwrap_or_default();
    let reading = haul.keep(ledger, &bytes, request)?;
    Ok((bytes, reading))
}

/// The list of the objects below a prefix.
pub(crate) fn below(bucket: &Bucket, prefix: String) -> ListObjects {
    ListObjects { bucket: bucket.clone(), prefix, start_after: None, delimiter: None }
}

/// A configured prefix with what follows it; the prefix may be empty.
pub(crate) fn under(prefix: &str, rest: &str) -> String {
    if prefix.is_empty() { rest.to_owned() } else { format!("{prefix}/{rest}") }
}

/// What stands behind the prefix and a day's folder in a key, where both are there.
pub(crate) fn behind_day<'k>(prefix: &str, key: &'k str) -> Option<&'k str> {
    let rest = if prefix.is_empty() { key } else { key.strip_prefix(prefix)?.strip_prefix('/')? };
    let (day, name) = rest.split_at_checked(11)?;
    let form = b"dddd/dd/dd/";
    let fits = day.bytes().zip(form).all(|(byte, form)| if *form == b'd' { byte.is_ascii_digit() } else { byte == *form });
    Some(name).filter(|name| fits && !name.contains('/'))
}

/// The folders of the last days, the oldest first, with tomorrow's for clocks that are ahead: `YYYY/MM/DD/`.
pub(crate) fn day_folders(now: Timestamp, days_back: i64) -> Vec<String> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let folder = |day: Date| format!("{}/", day_path(day));
    (-days_back..=1).filter_map(|days| Some(folder(today.checked_add(days.days()).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_go_over_the_ends_of_months_and_one_ahead() {
        let now = "2026-03-01T23:59:59Z".parse().unwrap();
        assert_eq!(day_folders(now, 1), ["2026/02/28/", "2026/03/01/", "2026/03/02/"]);
        assert_eq!((under("", "a"), under("p/q", "a")), ("a".to_owned(), "p/q/a".to_owned()));
    }
}
