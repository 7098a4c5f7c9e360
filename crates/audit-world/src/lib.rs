//! Audit worlds in which the truth is known.
//!
//! Pure: a seed and a shape in; facts, coverage, a policy and the truth out. It owns what people, Boundary, AWS, containers and
//! laptops would leave behind, and the labels of what really happened. It never judges facts and never shares code with the
//! correlator: both read the meanings of the codes, nothing else. No clock, no I/O.
//!
//! ```text
//! seed, Shape ─ scenes ─► Site, Visit (what happened) ─ emit ─► facts (what each source shows)
//!                                └────────── label ──► Truth ◄─ score ─ accounts, findings (the correlator's)
//! ```

mod builder;
mod emit;
pub mod huge;
pub mod hungarian;
mod label;

pub mod mutate;
pub mod oracle;
mod people;
mod plan;
pub mod rng;
mod scenes;
pub mod score;
mod shape;
mod site;
mod time;
mod world;

pub use huge::Huge;
pub use mutate::{Expected, Mutation, mutations};
pub use score::{CodeScore, Score, score};
pub use shape::{Keys, Shape};
pub use world::{NearMiss, Truth, World};
