//! The yardstick of inferred links: a matcher that knows by which densities the world was drawn.
//!
//! Owns the exact likelihood of an ordinary visit and the best one-to-one assignment under it, task by task. It reads facts, not
//! the truth; what it cannot find, nobody can, save by luck.

use crate::builder::{DIAL, HANG_UP};
use crate::hungarian::assign;
use crate::world::World;
use audit_facts::{Body, Fact, SsmSessionId};
use std::collections::BTreeMap;

/// A cost that no sum of others reaches.
const NEVER: f64 = 1e6;
/// The density, per millisecond, of a time that nothing binds: uniform over some hours.
const LOOSE: f64 = 1.0 / (4.0 * 3_600_000.0);
/// Which part of shells goes past Boundary.
const BYPASS: f64 = 0.03;
/// Which part of Boundary sessions has several shells.
const RETRY: f64 = 0.06;
/// The density of a session's bytes when nothing is known of its output, and when they do not fit it.
const ANY_BYTES: f64 = 1.0 / 30_000.0;
const FOREIGN: f64 = 1e-7;
/// How likely caller and user are of one name, when they belong together and when not.
const SAME_USER: (f64, f64) = (0.995, 0.3);
/// The same for addresses.
const SAME_ADDRESS: (f64, f64) = (0.99, 0.3);

#[derive(Default)]
struct Task {
    shells: BTreeMap<SsmSessionId, Shell>,
    tunnels: BTreeMap<String, Tunnel>,
}

#[derive(Default, Clone)]
struct Shell {
    raw: Option<u64>,
    started: Option<i64>,
    ended: Option<i64>,
    name: Option<String>,
    address: Option<String>,
}

#[derive(Default, Clone)]
struct Tunnel {
    down: Option<u64>,
    active_from: Option<i64>,
    ended: Option<i64>,
    name: Option<String>,
    address: Option<String>,
}

/// Each shell's Boundary session by the best assignment.
pub fn links(world: &World) -> BTreeMap<SsmSessionId, Option<String>> {
    tasks(&world.facts).values().flat_map(match_task).collect()
}

/// Links asserted that are right, links asserted, links that there are.
pub fn precision_recall(world: &World) -> (f64, f64) {
    crate::score::of_links(&world.truth, &links(world)).rates()
}

fn tasks(facts: &[Fact]) -> BTreeMap<String, Task> {
    let mut tasks: BTreeMap<String, Task> = BTreeMap::new();
    let mut task_of_target: BTreeMap<&str, &str> = BTreeMap::new();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut logged: BTreeMap<SsmSessionId, u64> = BTreeMap::new();
    for fact in facts {
        match &fact.body {
            Body::BoundaryTarget(it) => drop(task_of_target.insert(&it.target_id, it.task_id.as_str())),
            Body::BoundaryUser(it) => drop(names.insert(&it.user_id, &it.name)),
            Body::SsmSession(it) => {
                let Some(task) = &it.task_id else { continue };
                let shell = tasks.entry(task.to_string()).or_default().shells.entry(it.ssm_session_id.clone()).or_default();
                shell.started = it.started.map(jiff::Timestamp::as_millisecond);
                shell.ended = it.ended.map(jiff::Timestamp::as_millisecond);
            }
            Body::Transcript(it) => drop(it.ssm_session_id.clone().map(|id| logged.insert(id, it.body_bytes))),
            Body::Execution(it) => {
                let (Some(task), Some(id)) = (&it.task_id, &it.ssm_session_id) else { continue };
                let shell = tasks.entry(task.to_string()).or_default().shells.entry(id.clone()).or_default();
                shell.name.clone_from(&it.principal.role_session_name);
                shell.address.clone_from(&it.principal.client_address);
            }
            _ => {}
        }
    }
    for fact in facts {
        let Body::BoundarySession(it) = &fact.body else { continue };
        let Some(task) = it.target_id.as_deref().and_then(|id| task_of_target.get(id)) else { continue };
        let tunnel = tasks.entry((*task).to_owned()).or_default().tunnels.entry(it.id.clone()).or_default();
        tunnel.active_from = it.active_from.map(jiff::Timestamp::as_millisecond).or(tunnel.active_from);
        tunnel.ended = it.ended.map(jiff::Timestamp::as_millisecond).or(tunnel.ended);
        tunnel.name = it.user_id.as_deref().and_then(|id| names.get(id)).map(|name| (*name).to_owned());
        tunnel.down = it.bytes_down().filter(|_| it.is_final()).or(tunnel.down);
        let wire = it.connections.iter().flatten().next();
        tunnel.address = wire.map(|wire| wire.client_address.clone()).or(tunnel.address.take());
    }
    for (id, shell) in tasks.values_mut().flat_map(|task| &mut task.shells) {
        shell.raw = logged.get(id).copied();
    }
    tasks
}

fn match_task(task: &Task) -> Vec<(SsmSessionId, Option<String>)> {
    let tunnels: Vec<(&String, &Tunnel)> = task.tunnels.iter().collect();
    let costs: Vec<Vec<f64>> = task
        .shells
        .values()
        .map(|shell| {
            let paired = tunnels.iter().map(|(_, tunnel)| cost(shell, tunnel));
            // One column for each shell to stay alone.
            paired.chain(task.shells.values().map(|_| alone())).collect()
        })
        .collect();
    let columns = assign(&costs);
    let link = |(row, id): (usize, &SsmSessionId)| {
        let column = columns[row];
        (id.clone(), tunnels.get(column).filter(|_| costs[row][column] < alone()).map(|(id, _)| (*id).clone()))
    };
    task.shells.keys().enumerate().map(link).collect()
}

fn alone() -> f64 {
    -(BYPASS.ln() + 2.0 * LOOSE.ln())
}

/// Minus the logarithm of the pair's density.
fn cost(shell: &Shell, tunnel: &Tunnel) -> f64 {
    let (Some(started), Some(active)) = (shell.started, tunnel.active_from) else { return NEVER };
    let start = start_density(started - active);
    let end = match (shell.ended, tunnel.ended) {
        (Some(shell), Some(tunnel)) => density(tunnel - shell, HANG_UP),
        _ => LOOSE,
    };
    // The first, the last, or the only shell of its Boundary session.
    let mixed = (1.0 - RETRY) * start * end * framing(shell.raw, tunnel.down) + RETRY * 0.5 * (start + end) * LOOSE;
    if mixed <= 0.0 {
        return NEVER;
    }
    -(mixed.ln()
        + agreement(shell.name.as_ref(), tunnel.name.as_ref(), SAME_USER)
        + agreement(shell.address.as_ref(), tunnel.address.as_ref(), SAME_ADDRESS))
}

fn agreement(one: Option<&String>, other: Option<&String>, (paired, apart): (f64, f64)) -> f64 {
    match (one, other) {
        (Some(one), Some(other)) if one == other => (paired / apart).ln(),
        (Some(_), Some(_)) => ((1.0 - paired) / (1.0 - apart)).ln(),
        _ => 0.0,
    }
}

/// How much likelier the bytes down are with this output than with any: averaged over the payload's size, which the world draws
/// uniformly from 180..1024, as it draws the handshake from 5000..9000.
fn framing(raw: Option<u64>, down: Option<u64>) -> f64 {
    let (Some(raw), Some(down)) = (raw, down) else { return 1.0 };
    let fits = |payload: u64| {
        let least = raw + raw.div_ceil(payload) * 150 + 5000 + 3500 + 2600;
        (least..least + 4001).contains(&down)
    };
    let sizes = 844_u32;
    let fitting = (180..1024).filter(|payload| fits(*payload)).count();
    let density = f64::from(u32::try_from(fitting).unwrap_or(0)) / f64::from(sizes) / 4000.0;
    density.max(FOREIGN) / ANY_BYTES
}

/// Of the dial and of SSM's own delay, which is uniform in 150..700 ms: averaged over the delay.
fn start_density(gap: i64) -> f64 {
    let steps = 55_u32;
    (0..steps).map(|step| density(gap - 150 - i64::from(step) * 10, DIAL)).sum::<f64>() / f64::from(steps)
}

#[expect(clippy::cast_precision_loss, reason = "gaps are far below 2^53 ms")]
fn density(x: i64, (median, sigma, from, to): (f64, f64, i64, i64)) -> f64 {
    if !(from..to).contains(&x) {
        return 0.0;
    }
    let x = x as f64;
    let z = (x / median).ln() / sigma;
    (-z * z / 2.0).exp() / (x * sigma * std::f64::consts::TAU.sqrt())
}
