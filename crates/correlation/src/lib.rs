//! From facts to accounts and findings.
//!
//! Pure: facts, coverage, a policy and the time in; accounts and findings out. The result depends on the set of facts alone,
//! not on their order, their number of repeats or the way they came.
//!
//! ```text
//! facts of one case ─ observe ─► Observed { SSM sessions, Boundary sessions } ─ link ─► Links ─ assign ─► Accounts ─ judge ─► Findings
//! ```

pub mod account;
mod assign;
pub mod case;
pub mod coverage;
pub mod finding;
pub mod join;
pub mod judge;
mod link;
mod matching;
mod moment;
mod observe;
pub mod person;
pub mod policy;
pub mod skew;

pub use account::{Account, Assurance, Features, LinkGrade, Method, Testimony, Word};
pub use case::partition;
pub use coverage::CoverageMap;
pub use finding::{Basis, Code, Finding, Severity, State, Subject};
pub use judge::{Context, Outcome, judge_all, judge_case, judge_places, samples};
pub use person::Directory;
pub use policy::Policy;
pub use skew::{Sample, Skews};
