//! Lists, page by page, until the service says that there is no more, and never for ever.
//!
//! Owns where a list is, and the tokens that it has seen. What a page holds is the [`Listing`]'s matter.

use crate::asking::Asking;
use crate::error::ReadError;
use crate::page::Page;
use crate::reader::Reader;
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// More pages than this no list has: 10 000 000 pages of 1000 would be all objects of the largest buckets.
const PAGES_MAX: u64 = 10_000_000;

/// Where a list goes on; may be kept, and is then good as long as the service says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The token, or the key after which a list of versions goes on.
    pub at: String,
    /// The version after which a list of versions goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Token {
    /// A token of one text.
    pub fn new(at: impl Into<String>) -> Self {
        Self { at: at.into(), version: None }
    }

    /// What tells it from others: lists are long, and their tokens too.
    fn trace(&self) -> [u8; 16] {
        let text = format!("{}\n{}\n{:?}", self.at.len(), self.at, self.version);
        let mut trace = [0; 16];
        trace.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
        trace
    }
}

/// What follows a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// Nothing; with a token, more may come there later.
    End(Option<Token>),
    /// Another page.
    Next(Token),
}

/// A question whose answer has pages; only this crate makes them.
pub trait Listing: sealed::Sealed {
    /// What is read of a page.
    type Rows;

    /// The question for a page.
    fn asking(&self, token: Option<&Token>) -> Asking;

    /// Reads a page that was asked for with a token.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(&self, page: &Page, sent: Option<&Token>) -> Result<(Self::Rows, After), &'static str>;
}

pub(crate) mod sealed {
    /// Keeps [`super::Listing`] to this crate.
    pub trait Sealed {}
    impl Sealed for crate::json::JsonList {}
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<R> {
    /// The answer as it came.
    pub page: Page,
    /// What was read of it; of JSON lists the number of entries.
    pub rows: R,
    /// Where the list goes on, now or, at its end, later.
    pub next: Option<Token>,
}

/// A list on its way.
#[derive(Debug)]
pub struct Pages<'r, L> {
    reader: &'r Reader,
    listing: L,
    progress: Progress,
}

impl<'r, L: Listing> Pages<'r, L> {
    pub(crate) fn new(reader: &'r Reader, listing: L, token: Option<Token>) -> Self {
        Self { reader, listing, progress: Progress::new(token) }
    }

    /// Where the next page begins; none at the beginning.
    pub fn token(&self) -> Option<&Token> {
        self.progress.token.as_ref()
    }

    /// Reads the next page; none after the last. After an error, the same page is asked for again.
    ///
    /// # Errors
    /// Why there is no page; that a token came twice, or that there is no end, is [`ReadError::Unexpected`].
    pub async fn next_page(&mut self) -> Result<Option<Listed<L::Rows>>, ReadError> {
        if self.progress.is_over {
            return Ok(None);
        }
        let sent = self.progress.token.clone();
        let asking = self.listing.asking(sent.as_ref());
        let page = self.reader.page(&asking).await?;
        let wrong = |why| ReadError::unexpected(asking.call, why);
        let (rows, after) = self.listing.read(&page, sent.as_ref()).map_err(wrong)?;
        self.progress.handle(after).map_err(wrong)?;
        Ok(Some(Listed { page, rows, next: self.progress.token.clone() }))
    }
}

/// How far a list is. Pure.
#[derive(Debug)]
struct Progress {
    token: Option<Token>,
    seen: BTreeSet<[u8; 16]>,
    pages: u64,
    is_over: bool,
}

impl Progress {
    fn new(token: Option<Token>) -> Self {
        let seen = token.iter().map(Token::trace).collect();
        Self { token, seen, pages: 0, is_over: false }
    }

    fn handle(&mut self, after: After) -> Result<(), &'static str> {
        self.pages += 1;
        match after {
            After::End(token) => {
                self.token = token;
                self.is_over = true;
            }
            After::Next(_) if self.pages >= PAGES_MAX => return Err("the list does not end"),
            After::Next(token) => {
                if !self.seen.insert(token.trace()) {
                    return Err("the page token came before: the list would never end");
                }
                self.token = Some(token);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(at: &str) -> After {
        After::Next(Token::new(at))
    }

    #[test]
    fn a_list_goes_on_until_its_end() {
        let mut progress = Progress::new(None);
        progress.handle(next("a")).unwrap();
        progress.handle(next("b")).unwrap();
        assert_eq!((progress.token.clone(), progress.is_over), (Some(Token::new("b")), false));
        progress.handle(After::End(Some(Token::new("b")))).unwrap();
        assert_eq!((progress.token, progress.is_over), (Some(Token::new("b")), true));
    }

    #[test]
    fn a_token_that_came_before_is_an_error_also_around_a_circle() {
        let mut progress = Progress::new(Some(Token::new("a")));
        assert!(progress.handle(next("a")).is_err());
        progress.handle(next("b")).unwrap();
        progress.handle(next("c")).unwrap();
        assert!(progress.handle(next("b")).is_err());
        assert_eq!(progress.token, Some(Token::new("c")));
    }

    #[test]
    fn tokens_of_versions_differ_by_their_version() {
        let mut progress = Progress::new(None);
        for version in [None, Some("1"), Some("2")] {
            let token = Token { at: "key".to_owned(), version: version.map(str::to_owned) };
            progress.handle(After::Next(token)).unwrap();
        }
    }

    #[test]
    fn ever_new_tokens_end_too() {
        let mut progress = Progress { pages: PAGES_MAX - 2, ..Progress::new(None) };
        progress.handle(next("a")).unwrap();
        assert!(progress.handle(next("b")).is_err());
    }
}
