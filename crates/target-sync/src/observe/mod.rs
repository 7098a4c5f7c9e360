//! The eyes: asks the services, and fills the shapes of [`crate::facts`]. Decides nothing.

pub mod boundary;
pub mod ecs;
