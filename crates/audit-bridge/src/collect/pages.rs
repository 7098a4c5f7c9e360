//! Answers as evidence: the page itself, and the list of pages where a fact rests on several.
//!
//! Owns the index's form. A fact names one piece of evidence; where that is an index, the index names the pages in their order.

use super::haul::{Haul, KeepError, Ledger};
use audit_facts::normalise::Reading;
use aws_reading::Page;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The form of an index.
const FORMAT_VERSION: u32 = 1;

/// Several pages that are one piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageIndex {
    /// The form: 1.
    pub(crate) format_version: u32,
    /// What the pages are of, for example `GROUP/STREAM`.
    pub(crate) of: String,
    /// SHA-256 of each page, hexadecimal, in order.
    pub(crate) pages: Vec<String>,
}

impl PageIndex {
    /// Begins.
    pub(crate) fn new(of: &str) -> Self {
        Self { format_version: FORMAT_VERSION, of: of.to_owned(), pages: Vec::new() }
    }

    /// Reads an index out of evidence; none when the evidence is a page itself, or of another form.
    pub(crate) fn read(evidence: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Document {
            page_index: PageIndex,
        }
        let index = serde_json::from_slice::<Document>(evidence).ok()?.page_index;
        (index.format_version == FORMAT_VERSION).then_some(index)
    }

    /// Keeps the index; what is read of the pages goes under this reading.
    pub(crate) fn keep(&self, haul: &mut Haul, ledger: &Ledger<'_>) -> Result<Reading, KeepError> {
        let document = json!({"page_index": self});
        haul.keep(ledger, document.to_string().as_bytes(), json!({"index": self.of}))
    }
}

/// Keeps an answer as it came.
pub(crate) fn keep_page(haul: &mut Haul, ledger: &Ledger<'_>, page: &Page) -> Result<Reading, KeepError> {
    haul.keep(ledger, &page.body, request(page))
}

/// What was asked.
pub(crate) fn request(page: &Page) -> Value {
    // Texts and JSON always have a JSON form.
    serde_json::to_value(&page.request).unwrap_or_default()
}
