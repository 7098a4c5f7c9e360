//! The data channel's way: Boundary's listener, and whether it leads to the data channel's host.
//!
//! Inside a Boundary session the proof takes one of its connections, and no more.

use super::check::{Check, Group, Unread};
use crate::authorise::Way;
use crate::environment::{BoundaryEnvironment, Listener};
use crate::settings::{Route, Settings};

const GROUP: Group = Group::Route;

/// How a Boundary session is put around us.
const START: &str =
    "start it inside a Boundary session: boundary connect -exec ecs-exec-wrapper -target-id ttcp_… -- doctor CLUSTER TASK";

/// What came of the proof: the way ends where it should, or the sentence and the advice.
pub(super) type Proof = Result<(), (String, &'static str)>;

/// Proves the way, when there is one to prove.
pub(super) async fn gather(settings: &Settings, region: &str) -> Option<Proof> {
    if settings.route == Route::Worker || settings.insecure_loopback {
        return None;
    }
    let proved = match Way::new(settings, region, None) {
        Ok(way) => way.prove().await.map(drop),
        Err(ending) => Err(ending),
    };
    Some(proved.map_err(|ending| (ending.sentence, ending.reason.advice())))
}

/// Judges. Without a region nobody knows which host the way must lead to.
pub(super) fn checks(
    settings: &Settings,
    boundary: &BoundaryEnvironment,
    proof: Option<&Proof>,
    region: Option<&str>,
) -> Vec<Check> {
    let mut checks = vec![route(settings, boundary)];
    if settings.route != Route::Worker {
        checks.push(data_channel(settings, proof, region));
    }
    checks
}

fn route(settings: &Settings, boundary: &BoundaryEnvironment) -> Check {
    let id = "route";
    match (settings.route, &boundary.listener) {
        (Route::Direct, _) => GROUP.warning(
            id,
            "the way goes around Boundary (--via direct): it neither sees nor cuts the session",
            "leave --via direct out and start it inside a Boundary session",
        ),
        (Route::Boundary(address), _) => GROUP.ok(id, format!("Boundary's proxy listens on {address}")),
        (Route::Worker, Some(Listener::Unusable(text))) => {
            GROUP.failed(id, format!("BOUNDARY_PROXIED_ADDR is not an address with a port: `{text}`"), START)
        }
        (Route::Worker, _) => {
            GROUP.unknown(id, &Unread::new("BOUNDARY_PROXIED_ADDR is not set, so there is no Boundary proxy to try", START))
        }
    }
}

fn data_channel(settings: &Settings, proof: Option<&Proof>, region: Option<&str>) -> Check {
    let id = "data-channel";
    let cost = if settings.route.is_boundary() { "; the proof took one connection of the Boundary session" } else { "" };
    match (proof, region) {
        (Some(Ok(())), Some(region)) => {
            GROUP.ok(id, format!("the way leads to the data channel's host in {region}, which shows its certificate{cost}"))
        }
        (Some(Err((sentence, advice))), _) => GROUP.failed(id, sentence, advice),
        (None, Some(_)) => {
            let why = "with --insecure-loopback the way's end is not proved";
            GROUP.unknown(id, &Unread::new(why, "leave --insecure-loopback out"))
        }
        (_, None) => GROUP.unknown(id, &super::depends_on("the AWS configuration")),
    }
}
