//! Why a service did not do it, in its own words.
//!
//! Pure: reads the two forms in which AWS says it. Judges nothing.

use crate::signed::Reply;
use crate::xml::Node;
use serde_json::Value;

/// A code and a message; empty where the service had none. Both are of remote origin.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The code, such as `AccessDenied`.
    pub code: String,
    /// The message.
    pub message: String,
}

impl Fault {
    /// A fault of our own words.
    pub fn new(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned() }
    }

    /// Reads what a JSON service answered.
    pub fn of_json(reply: &Reply) -> Self {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let code = text("__type").or_else(|| reply.header("x-amzn-errortype")).unwrap_or_default();
        // `namespace#Code:url` is how the code may be wrapped.
        let code = code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default();
        Self::new(code, text("message").or_else(|| text("Message")).unwrap_or_default())
    }

    /// Reads what an XML service answered.
    pub fn of_xml(reply: &Reply) -> Self {
        let Some(node) = Node::read(&String::from_utf8_lossy(&reply.body)) else { return Self::default() };
        let text = |name| node.first(name).map(|node| node.text.clone()).unwrap_or_default();
        Self { code: text("Code"), message: text("Message") }
    }
}
