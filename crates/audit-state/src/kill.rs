//! Named places at which a step can be ended, so that tests can kill it before and after each of its parts.
//!
//! Owns the names. Nothing but a hook, which only tests set, ever ends a step here.

/// A place between two parts of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KillPoint {
    /// A batch: nothing is written.
    BatchBegun,
    /// A batch: its evidence is listed.
    EvidenceListed,
    /// A batch: its facts are written.
    FactsWritten,
    /// A batch: its coverage is written.
    CoverageWritten,
    /// A batch: its cursors are moved.
    CursorsMoved,
    /// A batch: its commit is chained, and the transaction still open.
    CommitChained,
    /// A batch: the transaction is durable, and the caller does not know.
    BatchDurable,
    /// A judgement: nothing is written.
    JudgementBegun,
    /// A judgement: its accounts are written.
    AccountsWritten,
    /// A judgement: its findings and their history are written.
    FindingsWritten,
    /// A judgement: its case is settled, and the transaction still open.
    CaseSettled,
    /// A judgement: the transaction is durable, and the caller does not know.
    JudgementDurable,
    /// A purge: a case's rows are gone, and the transaction still open.
    CasePurged,
    /// A purge: the transaction is durable, and the caller does not know.
    PurgeDurable,
}

impl KillPoint {
    /// All of them, in the order of the steps.
    pub const ALL: [Self; 14] = [
        Self::BatchBegun,
        Self::EvidenceListed,
        Self::FactsWritten,
        Self::CoverageWritten,
        Self::CursorsMoved,
        Self::CommitChained,
        Self::BatchDurable,
        Self::JudgementBegun,
        Self::AccountsWritten,
        Self::FindingsWritten,
        Self::CaseSettled,
        Self::JudgementDurable,
        Self::CasePurged,
        Self::PurgeDurable,
    ];
}
