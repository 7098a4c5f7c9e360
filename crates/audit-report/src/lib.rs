//! How an audit's accounts and findings look, for people and for programs.
//!
//! Pure: values in, text out; no file, no network, no clock. It judges nothing and leaves nothing out that the judge said. Every
//! text that somebody else wrote comes out harmless: no terminal obeys it, no page runs it, no spreadsheet computes it.
//!
//! ```text
//! facts ─────────┬─ timeline ─► Moments ─┐
//!                └─ access ───► rows ────┤
//! accounts, findings ────────────────────┼─► look (terminal) · rows (JSON Lines) · tables (CSV) · html (one page)
//! windows ────────── grade ───► Overall ─┘
//! ```

pub mod access;
pub mod grade;
pub mod html;
mod legible;
pub mod look;
mod person;
pub mod rows;
#[cfg(test)]
mod samples;
pub mod tables;
pub mod timeline;

pub use access::{AccessChange, AccessRow, AccessSpan, Accesses, Refusal, access_at, access_between};
pub use grade::{Overall, Segment, SourceGrade, coverage_grade, coverage_grade_due};
pub use html::{ReportInput, SessionPart, TranscriptText, report, transcript_share};
pub use look::Paper;
pub use rows::{coverage_json, finding_json, session_json};
pub use timeline::{Moment, Precision, timeline};
