//! What the sources of an audit say, as facts.
//!
//! Pure: bytes in, facts out. It never reads a file, a network or a clock, and it judges nothing: a fact is one source's
//! statement, true or not. Facts are immutable and named by their content, so the same statement read twice, late or in another
//! order is the same fact.
//!
//! ```text
//! raw page (evidence, by content hash) ─ normalise ─► Fact { kind, natural key, body } ─► correlation
//! ```

pub mod boundary;
pub mod coverage;
pub mod fact;
pub mod ids;
pub mod merge;
pub mod normalise;
pub mod posture;
pub mod storage;
pub mod sync;
pub mod task;
pub mod trail;
pub mod transcript;

pub use boundary::{
    BoundaryConnection, BoundaryEvent, BoundaryEventKind, BoundaryRemoval, BoundarySession, BoundaryStatus, ConnectionReport,
};
pub use coverage::{Coverage, Grade, Lack};
pub use fact::{Body, Fact, Key, Source, Witness};
pub use ids::{IdError, SsmSessionId, TaskId};
pub use posture::{Posture, PostureItem};
pub use storage::Artifact;
pub use sync::{BoundaryTarget, BoundaryUser, ChainBreak, LinkEnd, LinkStart, SyncChange};
pub use task::Task;
pub use trail::{Execution, Principal, RoleAssumption, SessionCall, SessionCallKind, SessionStartCall};
pub use transcript::{SsmSession, Transcript, TranscriptAbsence, TranscriptForm};
