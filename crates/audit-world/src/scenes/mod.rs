//! Scenes: for every code what raises it, and what only looks like it.
//!
//! Owns the order in which a world is played: ordinary days first, then the scenes, then what was read.

mod artifacts;
pub(crate) mod daily;
mod links;
mod logs;
mod persons;
mod posture;
mod shells;
mod uploads;
pub(crate) mod windows;

use crate::builder::Builder;
use crate::shape::Shape;
use crate::time::stamp;
use crate::world::World;

impl World {
    /// The world of a seed and a shape; the same ones give the same world.
    pub fn generate(seed: u64, shape: &Shape) -> Self {
        let mut builder = Builder::new(seed, shape);
        builder.emit_people();
        daily::play(&mut builder);
        if shape.scenes > 0 {
            links::play(&mut builder);
            persons::play(&mut builder);
            shells::play(&mut builder);
            logs::play(&mut builder);
            uploads::play(&mut builder);
            artifacts::play(&mut builder);
            posture::play(&mut builder);
        }
        windows::play(&mut builder);
        let Builder { facts, coverage, policy, mut truth, now, .. } = builder;
        // What may be there or not is asked of nobody.
        let crate::world::Truth { findings, tolerated, .. } = &mut truth;
        findings.retain(|finding| !tolerated.contains(finding));
        // One subject may look innocent for several reasons; one of them is enough.
        truth.near_misses.sort();
        truth.near_misses.dedup_by(|one, other| (one.code, &one.subject) == (other.code, &other.subject));
        Self { facts, coverage, policy, now: stamp(now), truth }
    }
}

/// Plays a scene as often as the shape says, so many times over.
fn repeat(builder: &mut Builder, times: usize, mut scene: impl FnMut(&mut Builder, usize)) {
    for number in 0..builder.shape.scenes * times {
        scene(builder, number);
    }
}
