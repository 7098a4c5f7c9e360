//! The words that the three programs share about an investigation task: ARNs, ids, tags.
//!
//! Pure: owns parsing and naming, never asks AWS or Boundary anything. Every value that comes from a tag or an API answer
//! is hostile until a type of this crate has accepted it.

pub mod arn;
pub mod ids;
pub mod marker;
pub mod session_name;
pub mod tags;

pub use arn::{ArnError, ClusterRef, TaskArn, TaskRef, ssm_target};
pub use ids::{BoundarySessionId, IdError};
pub use marker::{Marker, MarkerError, MarkerState};
pub use session_name::{RoleSessionName, SessionNameError};
pub use tags::{InvestigationKey, TaskLabels};
