//! ListObjectsV2 and ListObjectVersions.
//!
//! Pure but for [`Reader`]'s two doors. Keys are asked for with escapes: XML cannot hold every character.

use super::{Bucket, Draft, document};
use crate::asking::Asking;
use crate::page::Page;
use crate::pages::sealed::Sealed;
use crate::pages::{After, Listing, Pages, Token};
use crate::reader::Reader;
use crate::xml::Node;
use jiff::Timestamp;

const NO_ROW: &str = "an entry lacks a part";

/// The list of a bucket's newest versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListObjects {
    /// The bucket.
    pub bucket: Bucket,
    /// What keys begin with; may be empty.
    pub prefix: String,
    /// Only keys after this one.
    pub start_after: Option<String>,
    /// What folds keys into common prefixes, mostly `/`.
    pub delimiter: Option<String>,
}

/// The list of all versions of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListVersions {
    /// The bucket.
    pub bucket: Bucket,
    /// What keys begin with; may be empty.
    pub prefix: String,
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    /// The key.
    pub key: String,
    /// The length, bytes.
    pub size: u64,
    /// The entity tag without quotes.
    pub etag: String,
    /// When the newest version was made.
    pub last_modified: Timestamp,
}

/// What a page of a bucket has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectRows {
    /// The objects, by key.
    pub objects: Vec<ObjectRow>,
    /// The common prefixes, where a delimiter was given.
    pub prefixes: Vec<String>,
}

/// A version or a delete marker in a list, in the service's order: by key, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// The key.
    pub key: String,
    /// The version; `null` for one from before versioning.
    pub version_id: String,
    /// Whether it is the newest of its key.
    pub is_latest: bool,
    /// When it was made.
    pub last_modified: Timestamp,
    /// The length in bytes and the entity tag without quotes; a delete marker has none.
    pub content: Option<(u64, String)>,
}

impl Reader {
    /// Lists the newest versions of a bucket's objects.
    pub fn list_objects(&self, list: ListObjects) -> Pages<'_, ListObjects> {
        self.pages(list, None)
    }

    /// Lists all versions of a bucket's objects, from a token on where one was kept.
    pub fn list_object_versions(&self, list: ListVersions, from: Option<Token>) -> Pages<'_, ListVersions> {
        self.pages(list, from)
    }
}

impl Sealed for ListObjects {}
impl Sealed for ListVersions {}

impl Listing for ListObjects {
    type Rows = ObjectRows;

    fn asking(&self, token: Option<&Token>) -> Asking {
        let mut draft = Draft::new("s3:ListObjectsV2", "s3:ListBucket", "GET", &self.bucket);
        if let Some(token) = token {
            draft.query("continuation-token", "ContinuationToken", &token.at);
        }
        if let Some(delimiter) = &self.delimiter {
            draft.query("delimiter", "Delimiter", delimiter);
        }
        draft.query("encoding-type", "EncodingType", "url");
        draft.query("list-type", "ListType", "2");
        draft.query("prefix", "Prefix", &self.prefix);
        if let Some(key) = &self.start_after {
            draft.query("start-after", "StartAfter", key);
        }
        Asking { has_token: token.is_some(), ..draft.asking() }
    }

    fn read(&self, page: &Page, _: Option<&Token>) -> Result<(ObjectRows, After), &'static str> {
        let node = document(page, "ListBucketResult")?;
        let escapes = Escapes::of(&node);
        let objects = node.children("Contents").map(|row| object_row(row, escapes)).collect::<Option<_>>().ok_or(NO_ROW)?;
        let prefix = |row: &Node| escapes.read(row.raw_text_of("Prefix")?);
        let prefixes = node.children("CommonPrefixes").map(prefix).collect::<Option<_>>().ok_or(NO_ROW)?;
        let after = match (is_truncated(&node)?, node.text_of("NextContinuationToken")) {
            (false, _) => After::End(None),
            (true, "") => return Err("a page that is not the last names no next one"),
            (true, token) => After::Next(Token::new(token)),
        };
        Ok((ObjectRows { objects, prefixes }, after))
    }
}

impl Listing for ListVersions {
    type Rows = Vec<VersionRow>;

    fn asking(&self, token: Option<&Token>) -> Asking {
        let draft = Draft::new("s3:ListObjectVersions", "s3:ListBucketVersions", "GET", &self.bucket);
        let mut draft = draft.sub_resource("versions");
        draft.query("encoding-type", "EncodingType", "url");
        if let Some(token) = token {
            draft.query("key-marker", "KeyMarker", &token.at);
        }
        draft.query("prefix", "Prefix", &self.prefix);
        if let Some(version) = token.and_then(|token| token.version.as_ref()) {
            draft.query("version-id-marker", "VersionIdMarker", version);
        }
        Asking { has_token: token.is_some(), ..draft.asking() }
    }

    fn read(&self, page: &Page, _: Option<&Token>) -> Result<(Vec<VersionRow>, After), &'static str> {
        let node = document(page, "ListVersionsResult")?;
        let escapes = Escapes::of(&node);
        let rows = node.all().iter().filter(|row| matches!(row.name(), "Version" | "DeleteMarker"));
        let rows = rows.map(|row| version_row(row, escapes)).collect::<Option<_>>().ok_or(NO_ROW)?;
        if !is_truncated(&node)? {
            return Ok((rows, After::End(None)));
        }
        let key = node.raw_text_of("NextKeyMarker").and_then(|key| escapes.read(key)).filter(|key| !key.is_empty());
        let at = key.ok_or("a page that is not the last names no next one")?;
        let version = Some(node.text_of("NextVersionIdMarker").to_owned()).filter(|version| !version.is_empty());
        Ok((rows, After::Next(Token { at, version })))
    }
}

fn object_row(row: &Node, escapes: Escapes) -> Option<ObjectRow> {
    Some(ObjectRow {
        key: escapes.read(row.raw_text_of("Key")?)?,
        size: row.text_of("Size").parse().ok()?,
        etag: row.text_of("ETag").trim_matches('"').to_owned(),
        last_modified: row.text_of("LastModified").parse().ok()?,
    })
}

fn version_row(row: &Node, escapes: Escapes) -> Option<VersionRow> {
    let content = match row.name() {
        "Version" => Some((row.text_of("Size").parse().ok()?, row.text_of("ETag").trim_matches('"').to_owned())),
        _ => None,
    };
    Some(VersionRow {
        key: escapes.read(row.raw_text_of("Key")?)?,
        version_id: row.raw_text_of("VersionId")?.to_owned(),
        is_latest: row.text_of("IsLatest").parse().ok()?,
        last_modified: row.text_of("LastModified").parse().ok()?,
        content,
    })
}

fn is_truncated(node: &Node) -> Result<bool, &'static str> {
    node.text_of("IsTruncated").parse().map_err(|_| "the page does not say whether it is the last")
}

/// Whether keys have escapes: who does not say so has not understood that they were asked for.
#[derive(Debug, Clone, Copy)]
struct Escapes(bool);

impl Escapes {
    fn of(node: &Node) -> Self {
        Self(node.text_of("EncodingType") == "url")
    }

    /// Takes the escapes away; none where what is left is no text.
    fn read(self, text: &str) -> Option<String> {
        if !self.0 {
            return Some(text.to_owned());
        }
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            rest = tail;
            match (first, tail) {
                (b'+', _) => out.push(b' '),
                (b'%', [high, low, tail @ ..]) => {
                    let digits = [*high, *low];
                    let digits = std::str::from_utf8(&digits).ok().filter(|digits| !digits.starts_with('+'))?;
                    out.push(u8::from_str_radix(digits, 16).ok()?);
                    rest = tail;
                }
                (b'%', _) => return None,
                _ => out.push(*first),
            }
        }
        String::from_utf8(out).ok()
    }
}

#[cfg(test)]
mod tests;
