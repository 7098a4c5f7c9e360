//! ECS: what runs in one cluster, and in many at once.
//!
//! Owns the scan and what becomes of partial answers: everything that was positively answered is kept, and the rest is a
//! failure in words. Asks for reading only, takes no clock, and judges no task.
//!
//! ```text
//! Source ─ connect ─► Connection ─ list, describe, cluster ─► answers ─► SourceScan
//!                                └ task definitions, where the site asks for them
//! ```

mod calls;
mod connection;
mod definitions;
mod source;
mod task;
mod trouble;

pub use connection::{Connection, ConnectionError};
pub use source::{Source, SourceError};

use crate::facts::{Place, SourceScan};
use crate::rules::Rules;
use calls::{Calls, Cluster, Described, Listed, Standing};
use cli_kit::chain_text;
use definitions::Definitions;
use futures_util::{StreamExt, stream};
use investigation::{TaskArn, TaskRef};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Mutex;
use trouble::{Trouble, told};

/// How many sources are scanned at once.
pub const SOURCES_AT_ONCE: usize = 4;

/// What a source's tasks are looked at for, of the operator's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// Who we are in markers; part of the role session's name.
    pub owner: String,
    /// The container whose environment counts.
    pub container: String,
    /// What the families of investigation tasks begin with; without it, any family's definition may be asked for.
    pub family_prefix: Option<String>,
}

impl From<&Rules> for Interest {
    fn from(rules: &Rules) -> Self {
        let Rules { owner, container, family_prefix, .. } = rules;
        Self { owner: owner.clone(), container: container.clone(), family_prefix: family_prefix.clone() }
    }
}

/// Looks at one source, as often as wanted. Keeps its connection and the task definitions that it has read.
#[derive(Debug)]
pub struct Eye {
    source: Source,
    interest: Interest,
    connection: Mutex<Option<Arc<Connection>>>,
    definitions: Definitions,
}

impl Eye {
    /// Makes an eye; asks nobody yet.
    ///
    /// # Errors
    /// [`SourceError`] when the source cannot be meant so.
    pub fn new(source: Source, interest: Interest) -> Result<Self, SourceError> {
        source.check()?;
        Ok(Self { source, interest, connection: Mutex::new(None), definitions: Definitions::default() })
    }

    /// Looks through a connection that was made elsewhere; it is replaced when AWS no longer takes its credentials.
    #[must_use]
    pub fn through(mut self, connection: Connection) -> Self {
        self.connection = Mutex::new(Some(Arc::new(connection)));
        self
    }

    /// The source.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Scans the source: all its tasks that are to run, and those of `also` that belong to it.
    ///
    /// Never fails: what could not be asked stands in [`SourceScan::failure`]. `at` is when the scan begins. Cancel safe.
    pub async fn scan(&self, also: &BTreeSet<TaskArn>, at: Timestamp) -> SourceScan {
        let (connection, is_fresh) = match self.connected().await {
            Ok(connected) => connected,
            Err(error) => return self.blind(at, &error),
        };
        let (scan, is_stale) = self.look(&connection, also, at).await;
        if !is_stale {
            return scan;
        }
        self.forget(&connection).await;
        if is_fresh {
            return scan;
        }
        // The credentials of a long-lived connection are no longer good: a file may hold better ones.
        match self.connected().await {
            Ok((connection, _)) => self.look(&connection, also, at).await.0,
            Err(error) => and_failed(scan, &error),
        }
    }

    /// The connection, and whether it was made just now.
    async fn connected(&self) -> Result<(Arc<Connection>, bool), ConnectionError> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.as_ref() {
            return Ok((Arc::clone(connection), false));
        }
        let connection = Arc::new(Connection::open(&self.source, &self.interest.owner).await?);
        *kept = Some(Arc::clone(&connection));
        Ok((connection, true))
    }

    async fn forget(&self, connection: &Arc<Connection>) {
        let mut kept = self.connection.lock().await;
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, connection)) {
            *kept = None;
        }
    }

    /// A scan that saw nothing, and says why.
    fn blind(&self, at: Timestamp, error: &ConnectionError) -> SourceScan {
        SourceScan {
            place: self.source.supposed_place(),
            at,
            failure: Some(failed_to(error)),
            cluster_is_active: false,
            tasks: BTreeMap::new(),
            missing: BTreeSet::new(),
        }
    }

    /// Scans through a connection; tells whether its credentials are no longer taken.
    async fn look(&self, connection: &Connection, also: &BTreeSet<TaskArn>, at: Timestamp) -> (SourceScan, bool) {
        let place = connection.place(&self.source.ecs_cluster);
        let calls = Calls::new(connection, &place, &self.interest.container, self.source.calls_at_once);
        let (cluster, listed) = tokio::join!(calls.cluster(), calls.list());
        let mut described = calls.describe(&listed.arns, &others(&listed, also, &place)).await;
        if self.source.task_definitions {
            self.definitions.fill(&calls, &self.interest, &mut described).await;
        }
        let cluster_is_active = is_active(&cluster, &listed, &described);
        let trouble: Vec<Trouble> = cluster.trouble.into_iter().chain(listed.trouble).chain(described.trouble).collect();
        let scan = SourceScan {
            place,
            at,
            failure: told(&trouble),
            cluster_is_active,
            tasks: described.tasks.into_iter().map(|(arn, seen)| (arn, seen.facts)).collect(),
            missing: described.missing,
        };
        (scan, trouble.iter().any(Trouble::is_stale))
    }
}

fn failed_to(error: &ConnectionError) -> String {
    format!("failed to {}", chain_text(error))
}

/// What was seen before the credentials ended, and that there are no others.
fn and_failed(scan: SourceScan, error: &ConnectionError) -> SourceScan {
    let failures = scan.failure.into_iter().chain([failed_to(error)]).collect::<Vec<_>>();
    SourceScan { failure: Some(failures.join("; ")), ..scan }
}

/// Those of `also` that belong here and were not listed. A name that no task ever has is not asked for: ECS refuses the whole
/// batch that holds it, and it stands in a description that others can write.
fn others(listed: &Listed, also: &BTreeSet<TaskArn>, place: &Place) -> BTreeSet<TaskArn> {
    let is_task_id = |id: &str| matches!(TaskRef::parse(id), Ok(TaskRef::Id(_)));
    let asked = also.iter().filter(|arn| place.holds(arn) && is_task_id(arn.task_id()) && !listed.arns.contains(arn));
    asked.cloned().collect()
}

/// Whether the cluster is active: as DescribeClusters says, or where that is denied, as the other calls show.
fn is_active(cluster: &Cluster, listed: &Listed, described: &Described) -> bool {
    let mut troubles = listed.trouble.iter().chain(&described.trouble);
    let is_answered = listed.is_answered || described.is_answered;
    match cluster.standing {
        _ if troubles.any(Trouble::is_no_cluster) => false,
        Standing::Active => true,
        Standing::Denied => is_answered,
        Standing::Inactive | Standing::Unknown => false,
    }
}

/// Scans many sources, at most `at_once` of them at the same time. Cancel safe.
///
/// `also` are the tasks that must be asked for although they may not be listed; each source takes its own.
pub async fn scan_all(eyes: &[Eye], also: &BTreeSet<TaskArn>, at: Timestamp, at_once: usize) -> BTreeMap<String, SourceScan> {
    let scans = eyes.iter().map(|eye| async move { (eye.source.name.clone(), eye.scan(also, at).await) });
    stream::iter(scans).buffer_unordered(at_once.max(1)).collect().await
}
