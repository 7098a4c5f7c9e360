//! Where the evidence lies: a folder, or a bucket with Object Lock.
//!
//! Owns the bucket's form, `PREFIX/sha256/ab/cdef…`: each object is put under the condition that none is there, with its checksum,
//! and proved whenever it is read. Nothing is ever replaced or removed.

use crate::collect::identity;
use crate::settings::{Settings, bucket};
use aws_reading::s3::{Bucket, ListObjects, PutObject, PutOutcome};
use aws_reading::{ReadError, Reader};
use cli_kit::chain_text;
use evidence_bundle::Sha256;
use evidence_bundle::store::{Compression, EvidenceStore, FolderStore, Hashes, Put, StoreError};
use std::future::Future;
use std::io::{self, Read, Write};
use tokio::runtime::Handle;

/// The largest piece of evidence, bytes: a transcript in S3 is the longest that is read.
const LONGEST: u64 = 1 << 30;

/// Opens the store that the settings name.
///
/// # Errors
/// When the folder cannot be used, or nobody says who we are at AWS.
pub(crate) fn open(settings: &Settings) -> Result<Box<dyn EvidenceStore>, StoreError> {
    match &settings.evidence {
        None => Ok(Box::new(FolderStore::open(&settings.state_dir.join("evidence"), Compression::Gzip)?)),
        Some(url) => Ok(Box::new(BucketStore::open(settings, url)?)),
    }
}

/// A bucket.
struct BucketStore {
    reader: Reader,
    bucket: Bucket,
    prefix: String,
}

impl BucketStore {
    fn open(settings: &Settings, url: &str) -> Result<Self, StoreError> {
        let failed = |text: String| failure("open", url, io::Error::other(text));
        let home = bucket("evidence", url).map_err(|error| failed(error.to_string()))?;
        let source = settings.aws.iter().find(|source| Some(&source.name) == settings.evidence_aws.as_ref());
        let source = source.ok_or_else(|| failed("evidence_aws names no [[aws]] source".to_owned()))?;
        let (reader, _) = wait(identity(source)).map_err(|error| failed(chain_text(&error)))?;
        Ok(Self { reader, bucket: Bucket::new(home.name), prefix: home.prefix })
    }

    fn folder(&self) -> String {
        if self.prefix.is_empty() { "sha256/".to_owned() } else { format!("{}/sha256/", self.prefix) }
    }

    fn key(&self, sha256: &Sha256) -> String {
        let digits = sha256.to_string();
        format!("{}{}/{}", self.folder(), &digits[..2], &digits[2..])
    }

    fn failed(&self, act: &'static str, error: &ReadError) -> StoreError {
        failure(act, &self.bucket.name, io::Error::other(chain_text(error)))
    }
}

impl EvidenceStore for BucketStore {
    fn put(&self, content: &mut dyn Read) -> Result<Put, StoreError> {
        let mut body = Vec::new();
        content.take(LONGEST + 1).read_to_end(&mut body).map_err(StoreError::Content)?;
        if body.len() as u64 > LONGEST {
            return Err(StoreError::Content(io::Error::other(format!("it has more than {LONGEST} bytes"))));
        }
        let (sha256, bytes) = (Sha256::of(&body), body.len() as u64);
        let object = self.bucket.object(self.key(&sha256));
        let put = PutObject { object, body, content_type: "application/octet-stream", retention: None };
        let outcome = wait(self.reader.put_if_absent(put)).map_err(|error| self.failed("put", &error))?;
        Ok(Put { sha256, bytes, new: matches!(outcome, PutOutcome::Put { .. }) })
    }

    fn copy(&self, sha256: &Sha256, limit: u64, to: &mut dyn Write) -> Result<u64, StoreError> {
        let mut body = Vec::new();
        let object = self.bucket.object(self.key(sha256));
        match wait(self.reader.get_object(&object, None, &mut body, limit)) {
            Ok(fetched) if Sha256::of(&body) == *sha256 => {
                to.write_all(&body).map_err(|error| StoreError::Output(*sha256, error))?;
                Ok(fetched.bytes)
            }
            Ok(_) => Err(StoreError::Corrupt(*sha256)),
            Err(ReadError::NotFound(_)) => Err(StoreError::Gone(*sha256)),
            Err(ReadError::TooLarge { .. }) => Err(StoreError::TooLarge { sha256: *sha256, limit }),
            Err(error) => Err(self.failed("get", &error)),
        }
    }

    fn hashes(&self) -> Result<Hashes<'_>, StoreError> {
        let folder = self.folder();
        let list = ListObjects { bucket: self.bucket.clone(), prefix: folder.clone(), start_after: None, delimiter: None };
        let mut pages = self.reader.list_objects(list);
        let mut found = Vec::new();
        while let Some(page) = wait(pages.next_page()).map_err(|error| self.failed("list", &error))? {
            let digits = |key: &str| key.strip_prefix(folder.as_str()).map(|rest| rest.replacen('/', "", 1));
            let hashes = page.rows.objects.iter().filter_map(|row| digits(&row.key)?.parse::<Sha256>().ok());
            found.extend(hashes.map(Ok));
        }
        Ok(Box::new(found.into_iter()))
    }
}

fn failure(act: &'static str, place: &str, source: io::Error) -> StoreError {
    StoreError::Store { act, place: place.to_owned(), source }
}

/// Waits within the program's runtime; the store's calls block.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| Handle::current().block_on(future))
}
