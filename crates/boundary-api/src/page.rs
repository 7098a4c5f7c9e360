//! Lists page by page: list tokens, refreshes, removed ids.
//!
//! A list goes on with its token until it is complete; the token of a complete list asks later for what has changed since.
//! An empty list has no token (measured), so there is nothing to refresh it with.

use crate::client::Call;
use crate::collection::{Collection, ListAnswer, Resource};
use crate::error::Error;
use crate::wire::Item;
use reqwest::Method;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::{BTreeMap, HashMap};

/// What a list asks for. A refresh needs the same options as the list whose token it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    query: BTreeMap<&'static str, String>,
    from: Option<ListToken>,
}

/// Where a list goes on, or what a refresh begins with. It says nothing to anybody but the controller that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListToken(String);

impl ListToken {
    /// Takes a token that was stored.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns its text, to store it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ListOptions {
    /// Lists what is directly in a scope.
    pub fn in_scope(scope_id: &str) -> Self {
        Self::default().with("scope_id", scope_id)
    }

    /// Lists what belongs to an auth method: accounts and managed groups.
    pub fn of_auth_method(auth_method_id: &str) -> Self {
        Self::default().with("auth_method_id", auth_method_id)
    }

    /// Also lists what is in the scopes below.
    #[must_use]
    pub fn recursive(self) -> Self {
        self.with("recursive", "true")
    }

    /// Keeps what a go-bexpr filter over `/item/…` takes. The controller evaluates it after its own reading.
    #[must_use]
    pub fn filter(self, filter: &str) -> Self {
        self.with("filter", filter)
    }

    /// Asks for at most so many items a page; the controller has its own limit (1000 unless configured).
    #[must_use]
    pub fn page_size(self, items: u32) -> Self {
        self.with("page_size", &items.to_string())
    }

    /// Also lists terminated sessions.
    #[must_use]
    pub fn include_terminated(self) -> Self {
        self.with("include_terminated", "true")
    }

    /// Begins with the token of an earlier, complete list: answers what has changed since, and what was removed.
    #[must_use]
    pub fn since(mut self, token: ListToken) -> Self {
        self.from = Some(token);
        self
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.query.insert(name, value.to_owned());
        self
    }

    fn pairs(&self, token: Option<&ListToken>) -> Vec<(&'static str, String)> {
        let query = self.query.iter().map(|(name, value)| (*name, value.clone()));
        query.chain(token.map(|token| ("list_token", token.0.clone()))).collect()
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items. A refresh looks back 30 seconds and so repeats some.
    pub items: Vec<Item<T>>,
    /// Ids of what was removed since the list that a refresh goes on from: of this kind in every scope, the caller's or not, and
    /// some repeated (measured). Look up what is known; an unknown id means nothing.
    pub removed_ids: Vec<String>,
    /// Whether this is the last page.
    pub complete: bool,
    /// The token of the next page, or of the next refresh when complete.
    pub list_token: Option<ListToken>,
}

/// One page of a list, with the known fields alone.
#[derive(Debug, Clone)]
pub struct KnownPage<T> {
    /// The items. A refresh looks back 30 seconds and so repeats some.
    pub items: Vec<T>,
    /// As of [`Page::removed_ids`].
    pub removed_ids: Vec<String>,
    /// As of [`Page::list_token`].
    pub list_token: Option<ListToken>,
}

/// One page of a list as the controller sent it.
#[derive(Debug, Clone)]
pub struct VerbatimPage {
    /// The answer's bytes.
    pub body: Vec<u8>,
    /// As of [`Page::complete`].
    pub complete: bool,
    /// As of [`Page::list_token`].
    pub list_token: Option<ListToken>,
}

/// A whole list.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    /// Each item once, in the order of its first sight and in its last form.
    pub items: Vec<Item<T>>,
    /// Ids of what was removed since the list that a refresh goes on from: of this kind in every scope, the caller's or not, and
    /// some repeated (measured). Look up what is known; an unknown id means nothing.
    pub removed_ids: Vec<String>,
    /// The token of the next refresh; none when the list was empty.
    pub list_token: Option<ListToken>,
}

/// The pages of one list, one after the other.
#[derive(Debug)]
pub struct Pages<'a, T> {
    collection: Collection<'a, T>,
    options: ListOptions,
    token: Option<ListToken>,
    complete: bool,
}

impl<'a, T: Resource> Pages<'a, T> {
    pub(crate) fn new(collection: Collection<'a, T>, options: ListOptions) -> Self {
        let token = options.from.clone();
        Self { collection, options, token, complete: false }
    }

    /// Reads the next page; nothing after the last. After an error the same page is asked for again.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidListToken`] when the token is no longer good: list anew, without `since`.
    pub async fn next(&mut self) -> Result<Option<Page<T>>, Error> {
        Ok(self.answer::<Item<T>>().await?.map(page))
    }

    /// Reads the next page's known fields alone: half the work and a part of the memory, where many are listed.
    ///
    /// # Errors
    /// As of [`Pages::next`].
    pub async fn next_known(&mut self) -> Result<Option<KnownPage<T>>, Error> {
        let Some(answer) = self.answer::<T>().await? else { return Ok(None) };
        let list_token = token_of(&answer);
        Ok(Some(KnownPage { items: answer.items, removed_ids: answer.removed_ids, list_token }))
    }

    /// Reads the next page as the controller sent it, for those who keep it as evidence.
    ///
    /// # Errors
    /// As of [`Pages::next`].
    pub async fn next_verbatim(&mut self) -> Result<Option<VerbatimPage>, Error> {
        let Some(call) = self.call() else { return Ok(None) };
        let (answer, body) = self.collection.client.fetch_verbatim::<ListAnswer<IgnoredAny>>(&call).await?;
        self.go_on(&answer)?;
        Ok(Some(VerbatimPage { body, complete: self.complete, list_token: self.token.clone() }))
    }

    async fn answer<I: DeserializeOwned>(&mut self) -> Result<Option<ListAnswer<I>>, Error> {
        let Some(call) = self.call() else { return Ok(None) };
        let answer: ListAnswer<I> = self.collection.client.fetch(&call).await?;
        self.go_on(&answer)?;
        Ok(Some(answer))
    }

    /// The call of the next page; none after the last.
    fn call(&self) -> Option<Call> {
        let call = || Call::new(Method::GET, T::PLURAL.to_owned(), Self::act());
        (!self.complete).then(|| call().query(self.options.pairs(self.token.as_ref())))
    }

    fn act() -> String {
        format!("list {}", T::PLURAL)
    }

    fn go_on<I>(&mut self, answer: &ListAnswer<I>) -> Result<(), Error> {
        let (complete, token) = (is_complete(answer), token_of(answer));
        if !complete && (token.is_none() || token == self.token) {
            return Err(Error::BrokenList { act: Self::act() });
        }
        (self.complete, self.token) = (complete, token);
        Ok(())
    }

    /// Reads the pages that are left.
    ///
    /// # Errors
    /// As of [`Pages::next`].
    pub async fn rest(mut self) -> Result<Listing<T>, Error> {
        let mut listing = Listing { items: Vec::new(), removed_ids: Vec::new(), list_token: None };
        let mut places = HashMap::new();
        while let Some(page) = self.next().await? {
            for item in page.items {
                put(&mut listing.items, &mut places, item);
            }
            listing.removed_ids.extend(page.removed_ids);
            listing.list_token = page.list_token;
        }
        Ok(listing)
    }
}

/// A list without pages (workers) has no response type and is complete.
fn is_complete<I>(answer: &ListAnswer<I>) -> bool {
    answer.response_type != "delta"
}

fn token_of<I>(answer: &ListAnswer<I>) -> Option<ListToken> {
    Some(&answer.list_token).filter(|text| !text.is_empty()).cloned().map(ListToken)
}

fn page<T>(answer: ListAnswer<Item<T>>) -> Page<T> {
    let (complete, list_token) = (is_complete(&answer), token_of(&answer));
    Page { items: answer.items, removed_ids: answer.removed_ids, complete, list_token }
}

fn put<T: Resource>(items: &mut Vec<Item<T>>, places: &mut HashMap<String, usize>, item: Item<T>) {
    if let Some(place) = places.get(item.id()) {
        items[*place] = item;
    } else {
        places.insert(item.id().to_owned(), items.len());
        items.push(item);
    }
}
