//! Boundary's roles: those beside target-sync's that let their principals open sessions on targets.
//!
//! Owns which grant is broad: one that authorises sessions on every target, or is everything. Roles with target-sync's marker are
//! its own. The setting's time is the role's own, so that the same role read again is the same fact; one that is broad no longer,
//! or gone, is told once.

use super::cadence::SETTINGS_MEND;
use super::haul::{Haul, KeepError, Ledger};
use super::place::{CollectError, not_read};
use crate::settings::BoundarySource;
use audit_facts::{Body, Fact, Grade, Posture, PostureItem, Source};
use boundary_api::{Client, ListOptions, Role};
use investigation::Marker;
use jiff::Timestamp;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Reads the roles of one controller.
pub(crate) async fn read(
    source: &BoundarySource,
    client: &Client,
    ledger: &mut Ledger<'_>,
    now: Timestamp,
) -> Result<(), CollectError> {
    let place = format!("{}/roles", source.name);
    match broad(source, client).await {
        Ok(roles) => {
            let mut haul = Haul::new(Source::BoundaryApi, &place, now);
            let stored = ledger.state.places().map_err(KeepError::from)?.facts;
            for role_id in narrowed(&stored, &place, roles.iter().map(|(_, posture)| posture.subject.as_str())) {
                let body = json!({"at": now, "role": role_id, "broad": false}).to_string();
                let reading = haul.keep(ledger, body.as_bytes(), json!({"call": "GET /v1/roles"}))?;
                let item = PostureItem::ForeignGrant { grant: String::new(), principals: Vec::new() };
                haul.add(reading.fact(Body::Posture(Posture { at: now, subject: role_id, item })));
            }
            for (body, posture) in roles {
                let reading = haul.keep(ledger, &body, json!({"call": format!("GET /v1/roles/{}", posture.subject)}))?;
                haul.add(reading.fact(Body::Posture(posture)));
            }
            ledger.commit(haul)?;
            // What roles are now mends what was not known of them.
            let mut haul = Haul::new(Source::SyncRecords, &place, now);
            haul.covered(&place, now - SETTINGS_MEND, now, Grade::BestEffort);
            ledger.commit(haul)?;
            Ok(())
        }
        // Settings are no sessions: what the roles are says nothing about the coverage of those.
        Err(error) => not_read(ledger, Haul::new(Source::SyncRecords, &place, now), &place, None, error),
    }
}

/// Roles of a controller that were broad when they were last read, and are not among those that are.
fn narrowed<'r>(stored: &[Fact], place: &str, broad: impl Iterator<Item = &'r str>) -> BTreeSet<String> {
    let mut last: BTreeMap<&str, (Timestamp, bool)> = BTreeMap::new();
    for fact in stored.iter().filter(|fact| fact.place == place) {
        if let Body::Posture(Posture { at, subject, item: PostureItem::ForeignGrant { grant, .. } }) = &fact.body {
            let was = last.entry(subject).or_insert((*at, !grant.is_empty()));
            if was.0 < *at {
                *was = (*at, !grant.is_empty());
            }
        }
    }
    let broad: BTreeSet<&str> = broad.collect();
    let gone = last.into_iter().filter(|(role, (_, was_broad))| *was_broad && !broad.contains(role));
    gone.map(|(role, _)| role.to_owned()).collect()
}

/// The roles with a broad grant, each as the controller sent it.
async fn broad(source: &BoundarySource, client: &Client) -> Result<Vec<(Vec<u8>, Posture)>, CollectError> {
    let listing = client.roles().list_all(ListOptions::in_scope(&source.scope_id).recursive()).await?;
    let mut found = Vec::new();
    for role in listing.items {
        // A list leaves the grants out.
        let body = client.roles().read_verbatim(&role.id).await?;
        let whole = client.roles().read(&role.id).await?;
        if let Some(posture) = posture(&whole.known) {
            found.push((body, posture));
        }
    }
    Ok(found)
}

fn posture(role: &Role) -> Option<Posture> {
    if Marker::parse(&role.description).is_ok() || role.principal_ids.is_empty() {
        return None;
    }
    let grant = role.grant_strings.iter().find(|grant| is_broad(grant))?.clone();
    let mut principals = role.principal_ids.clone();
    principals.sort();
    let at = role.updated_time.or(role.created_time)?;
    Some(Posture { at, subject: role.id.clone(), item: PostureItem::ForeignGrant { grant, principals } })
}

/// Whether a grant lets its principals open sessions on targets that it does not name.
fn is_broad(grant: &str) -> bool {
    let part = |name: &str| grant.split(';').find_map(|part| part.trim().strip_prefix(name)).unwrap_or_default();
    let ids = if part("ids=").is_empty() { part("id=") } else { part("ids=") };
    let names_all = ids.split(',').any(|id| id.trim() == "*");
    let of_targets = matches!(part("type="), "*" | "target" | "");
    let opens = part("actions=").split(',').any(|action| matches!(action.trim(), "*" | "authorize-session"));
    names_all && of_targets && opens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_broad_when_it_opens_sessions_on_all_targets() {
        for broad in ["ids=*;type=*;actions=*", "ids=*;type=target;actions=list,authorize-session", "id=*;type=*;actions=*"] {
            assert!(is_broad(broad), "{broad}");
        }
        for narrow in
            ["ids=ttcp_1;actions=authorize-session", "ids=*;type=target;actions=list,read", "ids=*;type=session;actions=*", ""]
        {
            assert!(!is_broad(narrow), "{narrow}");
        }
    }

    #[test]
    fn a_role_that_is_broad_no_longer_is_told_once() {
        let fact = |place: &str, at: i64, role: &str, grant: &str| Fact {
            source: Source::BoundaryApi,
            place: place.to_owned(),
            observed_at: Timestamp::UNIX_EPOCH,
            evidence: "e".to_owned(),
            body: Body::Posture(Posture {
                at: Timestamp::from_second(at).unwrap(),
                subject: role.to_owned(),
                item: PostureItem::ForeignGrant { grant: grant.to_owned(), principals: Vec::new() },
            }),
        };
        let broad = "ids=*;type=*;actions=*";
        let mut stored =
            vec![fact("a", 5, "r_1", broad), fact("a", 4, "r_1", ""), fact("a", 1, "r_2", broad), fact("b", 1, "r_3", broad)];
        assert_eq!(narrowed(&stored, "a", ["r_2"].into_iter()), BTreeSet::from(["r_1".to_owned()]));
        stored.push(fact("a", 6, "r_1", ""));
        assert!(narrowed(&stored, "a", ["r_2"].into_iter()).is_empty());
    }
}
