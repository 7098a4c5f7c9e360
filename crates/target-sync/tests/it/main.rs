//! target-sync against the lab: what its eyes see of real calls, real pages and real refusals.

mod ecs;
mod identity;
mod support;
