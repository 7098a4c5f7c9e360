//! Spans of access from readings and changes.

use super::*;
use crate::samples::{TASK, at, fact};
use audit_facts::{BoundaryEvent, BoundaryUser, Source, Task, TaskId};

const TARGET: &str = "ttcp_1234567890";

fn reading(second: i64, users: &[&str], state: &str) -> Fact {
    let user_ids = users.iter().map(|id| (*id).to_owned()).collect();
    let target = BoundaryTarget {
        at: at(second),
        target_id: TARGET.to_owned(),
        task_id: TaskId::parse(TASK).unwrap(),
        task_arn: crate::samples::TASK_ARN.to_owned(),
        name: "inv-42".to_owned(),
        alias: Some("inv-42.rosa".to_owned()),
        state: state.to_owned(),
        user_ids,
    };
    fact(Source::SyncRecords, Body::BoundaryTarget(Box::new(target)))
}

fn change(second: i64, action: &str, object: &str, id: &str, result: Option<&str>) -> Fact {
    let change = SyncChange {
        at: at(second),
        run_id: format!("run-{second}"),
        number: 1,
        action: action.to_owned(),
        object: object.to_owned(),
        name: "inv-42".to_owned(),
        id: Some(id.to_owned()),
        task_id: TaskId::parse(TASK).ok(),
        task_arn: None,
        principal_ids: None,
        reason: "asked".to_owned(),
        result: result.map(str::to_owned),
        owner: None,
    };
    fact(Source::SyncRecords, Body::SyncChange(Box::new(change)))
}

fn named() -> [Fact; 2] {
    let user = BoundaryUser {
        at: at(0),
        user_id: "u_a".to_owned(),
        name: "alice".to_owned(),
        account_id: "acctoidc_1".to_owned(),
        issuer: None,
        subject: "sub".to_owned(),
    };
    let task = Task {
        task_id: TaskId::parse(TASK).unwrap(),
        task_arn: crate::samples::TASK_ARN.to_owned(),
        last_status: "RUNNING".to_owned(),
        created: None,
        stopped: None,
        cluster_id: None,
        investigation_id: Some("inv-42".to_owned()),
        owner_name: None,
        owner_subject: None,
        deadline: None,
        seen: None,
    };
    let (user, task) = (Body::BoundaryUser(Box::new(user)), Body::Task(Box::new(task)));
    [fact(Source::SyncRecords, user), fact(Source::SyncRecords, task)]
}

fn life() -> Vec<Fact> {
    let mut facts = vec![
        change(100, "create", "role", "r_1", Some("done")),
        reading(110, &["u_a"], "live"),
        change(200, "update", "role", "r_1", Some("done")),
        reading(210, &["u_b"], "live"),
        reading(300, &["u_b"], "missing@2026-09-21T13:38:20Z"),
        change(400, "delete", "target", TARGET, Some("done")),
    ];
    facts.extend(named());
    facts
}

fn users(second: i64) -> Vec<String> {
    access_at(&life(), at(second)).into_iter().map(|row| row.user_id).collect()
}

#[test]
fn access_goes_from_change_to_change() {
    let none: [&str; 0] = [];
    assert_eq!(users(99), none);
    assert_eq!(users(100), ["u_a"], "from the write on, though it was seen later");
    assert_eq!(users(199), ["u_a"]);
    assert_eq!(users(200), ["u_b"]);
    assert_eq!(users(399), ["u_b"]);
    assert_eq!(users(400), none, "its deletion ends it");
}

#[test]
fn a_row_says_who_where_why_and_how_it_stood() {
    let row = access_at(&life(), at(150)).remove(0);
    assert_eq!((row.user_name.as_deref(), row.investigation_id.as_deref()), (Some("alice"), Some("inv-42")));
    let by = row.by.unwrap();
    assert_eq!((by.run_id.as_str(), by.action.as_str(), by.reason.as_str()), ("run-100", "create", "asked"));
    assert_eq!(access_at(&life(), at(250))[0].state, "live", "as it was then");
    assert!(access_at(&life(), at(350))[0].state.starts_with("missing@"));
}

#[test]
fn the_order_of_facts_does_not_matter() {
    let mut facts = life();
    let spans = access_between(&facts, at(0), at(1000));
    facts.reverse();
    assert_eq!(access_between(&facts, at(0), at(1000)), spans);
    assert_eq!(spans.spans.len(), 2);
    assert_eq!(spans.spans[0].until, Some(at(200)));
    assert_eq!(spans.spans[1].closed_by.as_ref().map(|it| it.action.as_str()), Some("delete"));
}

#[test]
fn what_was_refused_or_is_unknown_changes_nothing() {
    let facts = [
        reading(110, &["u_a"], "live"),
        change(200, "delete", "target", TARGET, Some("refused")),
        change(300, "delete", "target", TARGET, None),
    ];
    let rows = access_at(&facts, at(500));
    assert_eq!((rows.len(), rows[0].since, &rows[0].by), (1, at(110), &None));
    assert_eq!(access_between(&facts, at(0), at(1000)).changes.len(), 2, "but it is told");
}

#[test]
fn a_step_with_its_outcome_counts_once() {
    let facts = [
        change(100, "create", "role", "r_1", None),
        change(100, "create", "role", "r_1", Some("done")),
        reading(110, &["u_a"], "live"),
    ];
    let accesses = access_between(&facts, at(0), at(1000));
    assert_eq!(accesses.changes.len(), 1);
    assert_eq!(accesses.spans[0].row.by.as_ref().and_then(|it| it.result.as_deref()), Some("done"));
}

#[test]
fn a_period_has_what_touches_it() {
    let accesses = access_between(&life(), at(150), at(200));
    let ids: Vec<&str> = accesses.spans.iter().map(|span| span.row.user_id.as_str()).collect();
    assert_eq!(ids, ["u_a"]);
    assert!(accesses.changes.is_empty());
    assert!(access_between(&life(), at(400), at(500)).spans.is_empty());
}

#[test]
fn refused_requests_for_sessions_are_attempts() {
    let event = |second, kind, status_code| {
        let event = BoundaryEvent {
            event_id: format!("e-{second}"),
            at: at(second),
            kind,
            operation: "POST /v1/targets/x:authorize-session".to_owned(),
            status_code,
            session_id: None,
            target_id: Some(TARGET.to_owned()),
            user_id: Some("u_a".to_owned()),
            client_address: Some("192.0.2.7".to_owned()),
            correlation_id: None,
            connection: None,
        };
        fact(Source::BoundaryEvents, Body::BoundaryEvent(Box::new(event)))
    };
    let mut facts = vec![
        event(10, BoundaryEventKind::AuthorizeSession, Some(403)),
        event(20, BoundaryEventKind::AuthorizeSession, Some(200)),
        event(30, BoundaryEventKind::AuthorizeSession, None),
        event(40, BoundaryEventKind::CancelSession, Some(404)),
        event(9000, BoundaryEventKind::AuthorizeSession, Some(403)),
    ];
    facts.extend(named());
    let refused = access_between(&facts, at(0), at(1000)).refused;
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].status_code, refused[0].user_name.as_deref()), (403, Some("alice")));
}

fn granting(second: i64, users: &[&str], result: &str) -> Fact {
    let mut fact = change(second, "update", "role", "r_1", Some(result));
    if let Body::SyncChange(it) = &mut fact.body {
        it.principal_ids = Some(users.iter().map(|id| (*id).to_owned()).collect());
    }
    fact
}

fn making(second: i64) -> Fact {
    let mut fact = change(second, "create", "target", TARGET, Some("done"));
    if let Body::SyncChange(it) = &mut fact.body {
        it.task_arn = Some(crate::samples::TASK_ARN.to_owned());
    }
    fact
}

#[test]
fn what_a_run_granted_is_known_before_the_next_one_reads_it() {
    let mut facts = vec![making(90), granting(100, &["u_a"], "done"), change(101, "create", "alias", "alt_1", Some("done"))];
    facts.extend(named());
    let rows = access_at(&facts, at(105));
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].since, rows[0].target_id.as_str(), rows[0].state.as_str()), (at(100), TARGET, "live"));
    assert_eq!(rows[0].by.as_ref().unwrap().run_id, "run-100");
    assert_eq!(rows[0].alias.as_deref(), Some("inv-42"));
    assert!(access_at(&facts, at(99)).is_empty(), "a target without a grant lets nobody in");
    let before = access_between(&facts, at(0), at(1000)).spans;
    facts.push(reading(110, &["u_a"], "live"));
    let after = access_between(&facts, at(0), at(1000)).spans;
    let plain =
        |spans: &[AccessSpan]| spans.iter().map(|it| (it.row.since, it.row.user_id.clone(), it.until)).collect::<Vec<_>>();
    assert_eq!(plain(&after), plain(&before), "the reading adds nothing but its words");
}

#[test]
fn what_a_run_withdrew_is_over_before_the_next_one_reads_it_and_what_was_refused_is_not() {
    let facts = [making(90), granting(100, &["u_a"], "done"), granting(200, &["u_b"], "refused"), granting(300, &[], "done")];
    let users = |second| access_at(&facts, at(second)).into_iter().map(|row| row.user_id).collect::<Vec<_>>();
    assert_eq!((users(250), users(301)), (vec!["u_a".to_owned()], Vec::new()));
    let ended = access_between(&facts, at(0), at(1000)).spans.remove(0);
    assert_eq!((ended.until, ended.closed_by.unwrap().run_id), (Some(at(300)), "run-300".to_owned()));
    let quarantine = change(300, "quarantine", "target", TARGET, Some("done"));
    let delete = change(400, "delete", "role", "r_1", Some("done"));
    let facts = [making(90), granting(100, &["u_a"], "done"), quarantine, delete];
    assert!(access_at(&facts, at(301))[0].state.starts_with("quarantined@"));
    assert!(access_at(&facts, at(401)).is_empty());
}
