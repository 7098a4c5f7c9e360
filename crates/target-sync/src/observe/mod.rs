//! The eyes: ECS and Boundary, as they are. Owns no judgement; [`crate::facts`] is what it fills.

pub mod boundary;
