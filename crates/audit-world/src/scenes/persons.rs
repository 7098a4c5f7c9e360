//! Scenes about people who are not who they seem, and about one person under several names or with a wrong clock.
//!
//! Owns identities.

use super::links::{ssm, stage};
use super::repeat;
use crate::builder::Builder;
use crate::site::Owner;
use crate::time::{DAY, HOUR};
use correlation::Code;

pub(crate) fn play(builder: &mut Builder) {
    repeat(builder, 1, |b, _| wrong_clock(b));
    repeat(builder, 2, strangers);
    repeat(builder, 2, same_person_by_other_names);
}

/// The laptop's clock was wrong by an hour that day, and everything else agrees.
fn wrong_clock(b: &mut Builder) {
    let (site, at) = stage(b);
    let mut visit = b.visit(&site, site.owner, at);
    let by = if b.rng.chance(0.5) { HOUR } else { -HOUR };
    visit.shell().shift_records(by);
    b.innocent(Code::LinkForged, ssm(&visit), "the laptop's clock was wrong by an hour that day");
    b.innocent(Code::LinkContested, format!("bs:{}", visit.bs()), "the laptop's clock was wrong by an hour that day");
    b.finish(&site, &[visit]);
}

/// Boundary user, AWS principal and owner are not one person.
fn strangers(b: &mut Builder, number: usize) {
    let (mut site, at) = stage(b);
    let person = site.owner;
    let stranger = b.other_than(person);
    let mut visit = b.visit(&site, person, at);
    if number.is_multiple_of(2) {
        let bs = visit.bs();
        visit.shell().by = b.caller(stranger, Some(&bs));
        let other_clock = b.people[stranger].skew - b.people[person].skew;
        visit.shell().shift_records(other_clock);
        // The same office: the address tells nothing.
        visit.shell().by.address.clone_from(&b.people[person].address);
    } else {
        site.owner = stranger;
    }
    b.expect(Code::IdentityMismatch, ssm(&visit));
    b.finish(&site, &[visit]);
}

/// One person under names that differ, or under a name that tells nobody.
fn same_person_by_other_names(b: &mut Builder, number: usize) {
    let (mut site, at) = stage(b);
    let mut visit = b.visit(&site, site.owner, at);
    let bs = visit.bs();
    let name = b.people[site.owner].name.clone();
    let by = &mut visit.shell().by;
    let why = match number % 4 {
        0 => {
            (by.role, by.is_shared) = ("sre-shared", true);
            by.session_name = format!("operations={bs}");
            "the principal is shared on purpose"
        }
        1 => {
            by.session_name = format!("botocore-session-{}", at / DAY);
            by.is_named = false;
            "the session's name names nobody"
        }
        2 => {
            by.session_name = format!("rosa-boundary-{name}");
            "the launcher put its prefix before the name"
        }
        _ => {
            site.told = Owner::Subject;
            "the owner is told by subject"
        }
    };
    b.innocent(Code::IdentityMismatch, ssm(&visit), why);
    b.innocent(Code::MultiSessionTask, site.subject(), why);
    b.finish(&site, &[visit]);
}
