//! Several readings of one thing give one knowledge of it, in whatever order they came.

use audit_facts::merge::{boundary_session, ssm_session, target_at, target_history, task};
use audit_facts::{BoundaryConnection, BoundarySession, BoundaryStatus, BoundaryTarget, SsmSession, SsmSessionId, Task, TaskId};
use jiff::Timestamp;
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_264_000 + second).unwrap()
}

fn task_id() -> TaskId {
    TaskId::parse(&"0".repeat(32)).unwrap()
}

fn connection(down: u64, reason: &str) -> BoundaryConnection {
    BoundaryConnection { bytes_down: down, closed_reason: reason.to_owned(), ..BoundaryConnection::default() }
}

fn target(second: i64, state: &str) -> BoundaryTarget {
    BoundaryTarget {
        at: at(second),
        target_id: "ttcp_1".to_owned(),
        task_id: task_id(),
        task_arn: String::new(),
        name: "n".to_owned(),
        alias: None,
        state: state.to_owned(),
        user_ids: Vec::new(),
    }
}

#[test]
fn a_session_keeps_its_user_and_bytes_after_the_controller_forgot_them() {
    let active = BoundarySession {
        id: "s_1234567890".to_owned(),
        version: 2,
        status: BoundaryStatus::Active,
        user_id: Some("u_1".to_owned()),
        active_from: Some(at(1)),
        connections: Some(vec![connection(10, "")]),
        ..BoundarySession::default()
    };
    let read = BoundarySession {
        version: 4,
        status: BoundaryStatus::Terminated,
        ended: Some(at(9)),
        connections: Some(vec![connection(2000, "unknown")]),
        ..active.clone()
    };
    let listed = BoundarySession { version: 5, user_id: None, connections: None, ..read.clone() };
    let best = boundary_session([&listed, &active, &read]).unwrap();
    assert_eq!((best.version, best.user_id.as_deref(), best.bytes_down()), (5, Some("u_1"), Some(2000)));
    assert_eq!((best.active_from, best.ended, best.is_final()), (Some(at(1)), Some(at(9)), true));
    assert_eq!(boundary_session([]), None);
}

#[test]
fn a_task_has_tags_from_any_reading_and_the_stop_from_the_last() {
    let running = Task {
        task_id: task_id(),
        task_arn: "arn".to_owned(),
        last_status: "RUNNING".to_owned(),
        created: Some(at(0)),
        stopped: None,
        cluster_id: Some("c".to_owned()),
        investigation_id: Some("i".to_owned()),
        owner_name: Some("alice".to_owned()),
        owner_subject: None,
        deadline: Some(at(99)),
        seen: Some(at(5)),
    };
    let bare = Task { cluster_id: None, investigation_id: None, owner_name: None, deadline: None, seen: None, ..running.clone() };
    let stopped = Task { last_status: "STOPPED".to_owned(), stopped: Some(at(50)), ..bare.clone() };
    let best = task([&bare, &stopped, &running]).unwrap();
    assert_eq!((best.last_status.as_str(), best.stopped, best.owner_name.as_deref()), ("STOPPED", Some(at(50)), Some("alice")));
    assert!(best.is_tagged());
    assert_eq!(best.deadline, Some(at(99)));
}

#[test]
fn a_targets_history_leaves_out_repeats_and_answers_for_any_time() {
    let readings = [target(30, "quarantined@T"), target(0, "live"), target(10, "live"), target(40, "live")];
    let history = target_history(&readings);
    let shown: Vec<(i64, &str)> = history.iter().map(|it| (it.at.as_second() - at(0).as_second(), it.state.as_str())).collect();
    assert_eq!(shown, [(0, "live"), (30, "quarantined@T"), (40, "live")]);
    assert_eq!(target_at(&history, at(35)).unwrap().state, "quarantined@T");
    assert_eq!(target_at(&history, at(-5)).unwrap().at, at(0), "bound to its task before it was first seen");
    assert_eq!(target_at(&[], at(0)), None);
}

fn session_readings() -> impl Strategy<Value = Vec<BoundarySession>> {
    use BoundaryStatus::{Active, Canceling, Pending, Terminated, Unknown};
    let status = proptest::sample::select(vec![Unknown, Pending, Active, Canceling, Terminated]);
    let connections =
        proptest::option::of(proptest::collection::vec((0_u64..4, "(|x)").prop_map(|(n, why)| connection(n, &why)), 0..3));
    let time = || proptest::option::of((0_i64..4).prop_map(at));
    let one = (0_u32..4, status, connections, time(), time(), proptest::option::of("[ab]"));
    let one = one.prop_map(|(version, status, connections, active_from, ended, user_id)| BoundarySession {
        version,
        status,
        connections,
        active_from,
        ended,
        user_id,
        ..BoundarySession::default()
    });
    proptest::collection::vec(one, 1..8)
}

fn ssm_readings() -> impl Strategy<Value = Vec<SsmSession>> {
    let time = || proptest::option::of((0_i64..4).prop_map(at));
    let status = proptest::sample::select(vec!["Connected", "Disconnected", "Terminated", "Terminating", "?"]);
    let one = (status, time(), time(), "[ab]?").prop_map(|(status, started, ended, owner)| SsmSession {
        ssm_session_id: SsmSessionId::parse("ecs-execute-command-0123456789abcdef0").unwrap(),
        target: "ecs:t".to_owned(),
        task_id: None,
        owner,
        document: None,
        status: status.to_owned(),
        started,
        ended,
    });
    proptest::collection::vec(one, 1..8)
}

proptest! {
    #[test]
    fn the_order_of_readings_never_matters(mut sessions in session_readings(), mut ssm in ssm_readings(), turn in 0_usize..8) {
        let (best, best_ssm) = (boundary_session(&sessions), ssm_session(&ssm));
        let (turn_sessions, turn_ssm) = (turn % sessions.len(), turn % ssm.len());
        sessions.rotate_left(turn_sessions);
        ssm.rotate_left(turn_ssm);
        prop_assert_eq!(&boundary_session(&sessions), &best);
        prop_assert_eq!(&ssm_session(&ssm), &best_ssm);
        sessions.reverse();
        sessions.push(sessions[0].clone());
        ssm.reverse();
        prop_assert_eq!(boundary_session(&sessions), best);
        let ended = ssm.iter().any(|it| it.ended.is_some());
        prop_assert_eq!(ssm_session(&ssm).unwrap().ended.is_some(), ended, "an end is never forgotten");
    }
}
