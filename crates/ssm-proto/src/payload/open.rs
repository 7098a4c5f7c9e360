//! The first text frame of either end: it proves who may use the channel.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{PayloadError, from_json};

const SCHEMA_VERSION: &str = "1.0";

/// OpenDataChannel: a client states its version, an agent its instance id.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenDataChannel {
    /// New in every open.
    pub request_id: Uuid,
    /// The one-time token; secret.
    pub token: Zeroizing<String>,
    /// The same over all reconnects of one end.
    pub client_id: Uuid,
    /// Four numbers joined by dots; clients only.
    pub client_version: Option<String>,
    /// The agent's target id; agents only.
    pub client_instance_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Written<'a> {
    message_schema_version: &'a str,
    request_id: Uuid,
    token_value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_instance_id: Option<&'a str>,
    client_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_version: Option<&'a str>,
}

impl Written<'_> {
    /// One allocation that never grows: a grown one would leave a copy of the token behind.
    fn to_text(&self, longest: usize) -> Zeroizing<String> {
        let mut text = Vec::with_capacity(longest);
        serde_json::to_writer(&mut text, self).expect("string-keyed values serialize");
        Zeroizing::new(String::from_utf8(text).expect("json is utf-8"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Read {
    #[serde(default)]
    request_id: Uuid,
    token_value: String,
    client_id: Uuid,
    client_version: Option<String>,
    client_instance_id: Option<String>,
}

impl fmt::Debug for OpenDataChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenDataChannel")
            .field("request_id", &self.request_id)
            .field("client_id", &self.client_id)
            .field("client_version", &self.client_version)
            .field("client_instance_id", &self.client_instance_id)
            .finish_non_exhaustive()
    }
}

impl OpenDataChannel {
    /// Writes the JSON text, which holds the token.
    pub fn encode(&self) -> Zeroizing<String> {
        let written = Written {
            message_schema_version: SCHEMA_VERSION,
            request_id: self.request_id,
            token_value: &self.token,
            client_instance_id: self.client_instance_id.as_deref(),
            client_id: self.client_id,
            client_version: self.client_version.as_deref(),
        };
        written.to_text(self.longest_text())
    }

    /// Reads the JSON text.
    ///
    /// # Errors
    /// When it is not this JSON object; a missing token is an error, an empty one is not.
    pub fn decode(text: &[u8]) -> Result<Self, PayloadError> {
        let read: Read = from_json("open_data_channel", text)?;
        Ok(Self {
            request_id: read.request_id,
            token: Zeroizing::new(read.token_value),
            client_id: read.client_id,
            client_version: read.client_version,
            client_instance_id: read.client_instance_id,
        })
    }

    /// An escaped byte takes six, the rest of the object less than 512.
    fn longest_text(&self) -> usize {
        let others = [&self.client_version, &self.client_instance_id].into_iter().flatten().map(String::len);
        512 + 6 * (self.token.len() + others.sum::<usize>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_token() {
        let open = OpenDataChannel {
            request_id: Uuid::nil(),
            token: Zeroizing::new("SECRET".into()),
            client_id: Uuid::nil(),
            client_version: None,
            client_instance_id: None,
        };
        assert!(!format!("{open:?}").contains("SECRET"));
        assert_eq!(OpenDataChannel::decode(open.encode().as_bytes()).unwrap(), open);
    }
}
