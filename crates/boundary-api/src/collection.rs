//! What every collection can do: read, list, create, update, delete.
//!
//! The sub-actions of one kind of resource stand in that kind's own file.

use crate::client::{Call, Client};
use crate::error::{ApiError, Error};
use crate::page::{ListOptions, Listing, Pages};
use crate::version;
use crate::wire::Item;
use cli_kit::printable;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// A kind of resource.
pub trait Resource: DeserializeOwned + Send + Sync {
    /// Its collection's path, for example `targets`.
    const PLURAL: &'static str;
    /// Its name in messages, for example `target`.
    const NOUN: &'static str;

    /// Returns its id.
    fn id(&self) -> &str;

    /// Returns its version; zero for kinds without one.
    fn version(&self) -> u32;
}

/// A kind of resource that can be created.
pub trait Create: Resource {
    /// What creation takes.
    type New: Serialize + Sync;
}

/// A kind of resource whose fields can be changed.
pub trait Update: Resource {
    /// The changes; a field that stays is not sent.
    type Patch: Serialize + Sync;
}

/// A kind of resource that can be deleted.
pub trait Delete: Resource {}

/// All resources of one kind that the token may see.
#[derive(Debug)]
pub struct Collection<'a, T> {
    pub(crate) client: &'a Client,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Collection<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Collection<'_, T> {}

/// A body with the version that the caller last saw.
#[derive(Serialize)]
struct Versioned<'b, B> {
    version: u32,
    #[serde(flatten)]
    body: &'b B,
}

impl<'a, T: Resource> Collection<'a, T> {
    pub(crate) fn of(client: &'a Client) -> Self {
        Self { client, kind: PhantomData }
    }

    /// Reads one. A target's alias is as good as its id.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`], or [`crate::ErrorKind::PermissionDenied`] also for an id that the caller may not see.
    pub async fn read(&self, id: &str) -> Result<Item<T>, Error> {
        self.client.fetch(&Self::call(Method::GET, "read", id, "")?).await
    }

    /// Reads one as the controller sent it, for those who keep it as evidence.
    ///
    /// # Errors
    /// As of [`Collection::read`].
    pub async fn read_verbatim(&self, id: &str) -> Result<Vec<u8>, Error> {
        let (_, body) = self.client.fetch_verbatim::<T>(&Self::call(Method::GET, "read", id, "")?).await?;
        Ok(body)
    }

    /// Lists page by page. A short or empty list is no evidence: rights filter it silently.
    pub fn list(&self, options: ListOptions) -> Pages<'a, T> {
        Pages::new(*self, options)
    }

    /// Lists to the end, each id once, in its last form.
    ///
    /// # Errors
    /// As of [`Pages::next`].
    pub async fn list_all(&self, options: ListOptions) -> Result<Listing<T>, Error> {
        self.list(options).rest().await
    }

    /// Reads one, lets `decide` say what to write, and writes it with the version that was read; nothing is written when
    /// `decide` answers nothing. Begins anew when the version has changed meanwhile, at most three times in all.
    ///
    /// # Errors
    /// Those of the read and of the write.
    pub async fn update_current(&self, id: &str, decide: impl Fn(&T) -> Option<T::Patch>) -> Result<Item<T>, Error>
    where
        T: Update,
    {
        let mut round = 0;
        loop {
            round += 1;
            let outcome = self.update_once(id, &decide).await;
            if !version::begins_anew(&outcome, round) {
                return outcome;
            }
        }
    }

    async fn update_once(&self, id: &str, decide: &impl Fn(&T) -> Option<T::Patch>) -> Result<Item<T>, Error>
    where
        T: Update,
    {
        let current = self.read(id).await?;
        match decide(&current) {
            Some(patch) => self.update(current.id(), current.version(), &patch).await,
            None => Ok(current),
        }
    }

    /// Creates one. A new resource has version 1.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotUnique`] when its name or value is taken.
    pub async fn create(&self, new: &T::New) -> Result<Item<T>, Error>
    where
        T: Create,
    {
        self.create_with(new, Vec::new()).await
    }

    /// Creates one, with query parameters.
    pub(crate) async fn create_with(&self, new: &T::New, query: Vec<(&'static str, String)>) -> Result<Item<T>, Error>
    where
        T: Create,
    {
        let call = Call::new(Method::POST, T::PLURAL.to_owned(), format!("create a {}", T::NOUN));
        self.client.fetch(&call.query(query).json(new)?).await
    }

    /// Changes fields of one that has this version.
    ///
    /// # Errors
    /// [`crate::ErrorKind::VersionConflict`] when it has another version, as far as the caller may read it.
    pub async fn update(&self, id: &str, version: u32, patch: &T::Patch) -> Result<Item<T>, Error>
    where
        T: Update,
    {
        let call = Self::call(Method::PATCH, "update", id, "")?.json(&Versioned { version, body: patch })?;
        self.write(id, version, &call).await
    }

    /// Deletes one, whatever its version. Its sessions are cancelled by the controller, and blank its id.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when it is gone already.
    pub async fn delete(&self, id: &str) -> Result<(), Error>
    where
        T: Delete,
    {
        self.client.command(&Self::call(Method::DELETE, "delete", id, "")?).await
    }

    /// Carries out a sub-action with a version, for example `:set-principals`.
    pub(crate) async fn act(
        &self,
        id: &str,
        version: u32,
        action: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<Item<T>, Error> {
        let call = Self::call(Method::POST, action, id, action)?.json(&Versioned { version, body })?;
        self.write(id, version, &call).await
    }

    async fn write(&self, id: &str, version: u32, call: &Call) -> Result<Item<T>, Error> {
        let error = match self.client.fetch(call).await {
            Err(error) if error.api().is_some_and(ApiError::may_be_a_version_conflict) => error,
            done => return done,
        };
        match self.read(id).await {
            Ok(current) => Err(version::explain(error, version, current.version())),
            Err(_) => Err(error),
        }
    }

    /// Prepares a call of one resource, with its sub-action when it is not empty.
    pub(crate) fn call(method: Method, verb: &str, id: &str, action: &str) -> Result<Call, Error> {
        let act = format!("{verb} {} {}", T::NOUN, printable(id, 100));
        if !stands_in_a_path(id) {
            return Err(Error::Id { act });
        }
        let colon = if action.is_empty() { "" } else { ":" };
        Ok(Call::new(method, format!("{}/{id}{colon}{action}", T::PLURAL), act))
    }
}

/// Whether a text is made as ids and aliases are, and so cannot lead to another path.
fn stands_in_a_path(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !id.is_empty() && id.len() < 256 && id.bytes().all(fits) && !id.bytes().all(|byte| byte == b'.')
}

/// The list of sub-resources that a sub-action takes, under the name that the action gives it.
pub(crate) fn ids(field: &str, values: &[impl AsRef<str>]) -> serde_json::Value {
    let values: Vec<_> = values.iter().map(AsRef::as_ref).collect();
    serde_json::json!({ field: values })
}

/// An answer of a list.
#[derive(Deserialize)]
#[serde(bound = "I: DeserializeOwned", default)]
pub(crate) struct ListAnswer<I> {
    pub(crate) items: Vec<I>,
    pub(crate) response_type: String,
    pub(crate) list_token: String,
    pub(crate) removed_ids: Vec<String>,
}

impl<I> Default for ListAnswer<I> {
    fn default() -> Self {
        Self { items: Vec::new(), response_type: String::new(), list_token: String::new(), removed_ids: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_leads_to_another_path() {
        for id in ["ttcp_1234567890", "inv-7.cluster-a", "a"] {
            assert!(stands_in_a_path(id), "{id}");
        }
        for id in ["", ".", "..", "a/b", "a:cancel", "a?b", "a#b", "a%2fb", "a b", "ä", "a\n"] {
            assert!(!stands_in_a_path(id), "{id}");
        }
    }

    #[test]
    fn a_version_stands_beside_the_changes() {
        let body = ids("principal_ids", &["u_1"]);
        let sent = serde_json::to_value(Versioned { version: 3, body: &body }).unwrap();
        assert_eq!(sent, serde_json::json!({"version": 3, "principal_ids": ["u_1"]}));
    }
}
