//! Where records go, and how they are called there.
//!
//! Pure: reads what a user wrote and names streams and keys. Asks nobody.

use crate::item::Item;
use cli_kit::printable;
use std::fmt;

/// The longest name of a log group (CloudWatch Logs API reference).
const GROUP_MAX: usize = 512;

/// The longest key of an object is 1024 bytes; 144 are left for what is added.
const PREFIX_MAX: usize = 880;

/// Why a text names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Not a group's name or ARN.
    #[error("`{0}` is no log group's name or ARN")]
    Group(String),
    /// Not of the form `s3://BUCKET/PREFIX`.
    #[error("`{0}` is not s3://BUCKET or s3://BUCKET/PREFIX")]
    Bucket(String),
    /// CloudWatch Logs takes a group by its name only: it must be the caller's.
    #[error("the log group {group} is of the account {of_group}, and you are in {ours}")]
    OtherAccount {
        /// The group's name.
        group: String,
        /// Its account.
        of_group: String,
        /// The caller's.
        ours: String,
    },
}

/// Where the caller is: what a place without a region or account means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The partition, such as `aws`.
    pub partition: String,
    /// The region.
    pub region: String,
    /// The account.
    pub account: String,
}

/// A place that takes records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A log group.
    LogGroup(LogGroup),
    /// A bucket.
    Bucket(Bucket),
}

/// A log group of CloudWatch Logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGroup {
    /// Its name.
    pub name: String,
    /// Where it is, when that is said.
    pub home: Option<Home>,
}

/// A bucket of S3 with the beginning of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What keys begin with, without slashes at its ends; may be empty.
    pub prefix: String,
}

impl LogGroup {
    /// Reads a name or an ARN, with or without the `:*` that consoles show.
    ///
    /// # Errors
    /// [`PlaceError::Group`].
    pub fn parse(text: &str) -> Result<Self, PlaceError> {
        let wrong = || PlaceError::Group(printable(text, 200));
        let (name, home) = match text.strip_prefix("arn:") {
            None => (text, None),
            Some(rest) => {
                let parts: Vec<&str> = rest.trim_end_matches(":*").splitn(6, ':').collect();
                let [partition, "logs", region, account, "log-group", name] = parts[..] else { return Err(wrong()) };
                let are_words = [partition, region].iter().all(|part| is_word(part));
                if !are_words || account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(wrong());
                }
                let owned = |text: &str| text.to_owned();
                (name, Some(Home { partition: owned(partition), region: owned(region), account: owned(account) }))
            }
        };
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"_/.#-".contains(&b);
        if name.is_empty() || name.len() > GROUP_MAX || !name.bytes().all(fits) {
            return Err(wrong());
        }
        Ok(Self { name: name.to_owned(), home })
    }
}

impl Bucket {
    /// Reads `s3://BUCKET[/PREFIX]`.
    ///
    /// # Errors
    /// [`PlaceError::Bucket`].
    pub fn parse(text: &str) -> Result<Self, PlaceError> {
        let wrong = || PlaceError::Bucket(printable(text, 200));
        let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
        let is_name = (3..=63).contains(&name.len()) && name.bytes().all(fits) && !name.contains("..");
        let at_ends = name.starts_with(['.', '-']) || name.ends_with(['.', '-']);
        // Clients and servers make nothing of such segments, and not all the same nothing.
        let odd = |segment: &str| matches!(segment, "" | "." | "..") || segment.contains(char::is_control);
        if !is_name || at_ends || prefix.len() > PREFIX_MAX || (!prefix.is_empty() && prefix.split('/').any(odd)) {
            return Err(wrong());
        }
        Ok(Self { name: name.to_owned(), prefix: prefix.to_owned() })
    }

    /// The key that an item gets.
    pub fn key(&self, item: &Item) -> String {
        if self.prefix.is_empty() { item.object.clone() } else { format!("{}/{}", self.prefix, item.object) }
    }
}

impl Place {
    /// Reads what [`Place`] shows of itself.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, PlaceError> {
        if text.starts_with("s3:") { Bucket::parse(text).map(Self::Bucket) } else { LogGroup::parse(text).map(Self::LogGroup) }
    }

    /// The same place, with everything said that the caller's whereabouts imply.
    ///
    /// # Errors
    /// [`PlaceError::OtherAccount`].
    pub fn seen_from(&self, home: &Home) -> Result<Self, PlaceError> {
        let Self::LogGroup(group) = self else { return Ok(self.clone()) };
        match &group.home {
            Some(there) if there.account != home.account => Err(PlaceError::OtherAccount {
                group: group.name.clone(),
                of_group: there.account.clone(),
                ours: home.account.clone(),
            }),
            Some(_) => Ok(self.clone()),
            None => Ok(Self::LogGroup(LogGroup { name: group.name.clone(), home: Some(home.clone()) })),
        }
    }

    /// A word for file names.
    pub fn word(&self) -> &'static str {
        match self {
            Self::LogGroup(_) => "logs",
            Self::Bucket(_) => "s3",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogGroup(LogGroup { name, home: None }) => f.write_str(name),
            Self::LogGroup(LogGroup { name, home: Some(home) }) => {
                write!(f, "arn:{}:logs:{}:{}:log-group:{name}", home.partition, home.region, home.account)
            }
            Self::Bucket(Bucket { name, prefix }) if prefix.is_empty() => write!(f, "s3://{name}"),
            Self::Bucket(Bucket { name, prefix }) => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

/// Whether a text may stand in a host's name as a region does.
pub(crate) fn is_word(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.len() <= 40 && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::{end, start};

    fn home(account: &str) -> Home {
        Home { partition: "aws".to_owned(), region: "us-east-2".to_owned(), account: account.to_owned() }
    }

    #[test]
    fn places_are_read_as_they_show_themselves() {
        let arn = "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:/boundary/links";
        for text in ["/boundary/links", arn, "s3://audit-links", "s3://audit.links/a/b c"] {
            assert_eq!(Place::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Place::parse(&format!("{arn}:*")).unwrap().to_string(), arn);
        assert_eq!(Place::parse("s3://audit-links/a/").unwrap().to_string(), "s3://audit-links/a");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let arn = |rest: &str| format!("arn:aws:logs:{rest}");
        let arns =
            [arn("us-east-2:1:log-group:x"), arn("us-east-2/:123456789012:log-group:x"), arn("x:123456789012:log-stream:x")];
        let texts = [
            "",
            "a b",
            "a:b",
            "s3:/x",
            "s3://ab",
            "s3://Audit",
            "s3://-abc",
            "s3://a..b",
            "s3://abc//x",
            "s3://abc/../x",
            "s3://abc/a\nb",
        ];
        for text in arns.iter().map(String::as_str).chain(texts) {
            assert!(Place::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_group_is_the_callers_and_a_bucket_is_anybodys() {
        let named = Place::parse("/links").unwrap().seen_from(&home("123456789012")).unwrap();
        assert_eq!(named.to_string(), "arn:aws:logs:us-east-2:123456789012:log-group:/links");
        assert!(matches!(named.seen_from(&home("210987654321")), Err(PlaceError::OtherAccount { .. })));
        let bucket = Place::parse("s3://audit-links").unwrap();
        assert_eq!(bucket.seen_from(&home("210987654321")), Ok(bucket.clone()));
    }

    #[test]
    fn a_key_begins_with_the_prefix_if_there_is_one() {
        let (start, end) = (start("2026-11-20T23:59:59Z"), end("2026-11-21T00:10:00Z", "2026-11-20"));
        let bucket = Bucket::parse("s3://audit-links/boundary").unwrap();
        assert_eq!(bucket.key(&end), "boundary/2026/11/20/00112233445566778899aabbccddeeff-end.json");
        assert_eq!(Bucket::parse("s3://abc").unwrap().key(&start), "2026/11/20/00112233445566778899aabbccddeeff-start.json");
    }
}
