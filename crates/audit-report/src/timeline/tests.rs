//! The order and the sentences.

use super::*;
use crate::samples::{HOSTILE, SESSION, SSM, TASK, account, artifact, at, boundary_session, execution, fact, log, steers, story};
use audit_facts::{SsmSessionId, TaskId};

fn said(facts: &[Fact]) -> Vec<String> {
    timeline(facts).iter().map(|it| format!("{}{} {} {}", it.precision.sign(), it.at, it.source, it.what)).collect()
}

#[test]
fn all_sources_stand_in_the_order_of_time_whatever_the_order_of_facts() {
    let mut facts = story(&account());
    let moments = timeline(&facts);
    assert!(moments.is_sorted_by_key(|it| it.at));
    assert_eq!(moments.len(), 13);
    facts.reverse();
    facts.push(facts[0].clone());
    assert_eq!(timeline(&facts), moments, "repeats add nothing");
    assert!(moments.iter().all(|it| it.witness == it.source.witness() && facts.iter().any(|fact| fact.id() == it.fact_id)));
}

#[test]
fn several_readings_of_one_session_make_one_story() {
    let early = boundary_session(SESSION, at(0), at(10), at(700));
    let Body::BoundarySession(mut list) = early.clone() else { panic!("a session") };
    (list.connections, list.version) = (None, 5);
    let facts = [fact(Source::BoundaryApi, early), fact(Source::BoundaryApi, Body::BoundarySession(list))];
    let lines = said(&facts);
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("carried 3.1 kB up and 48.2 kB down over 1 connection from 192.0.2.7.")));
}

#[test]
fn a_log_says_that_its_stamps_are_those_of_the_end() {
    let id = SsmSessionId::parse(SSM).unwrap();
    let moment = timeline(&[fact(Source::ExecLogs, log(&id, at(900)))]).remove(0);
    assert_eq!(moment.precision, Precision::NotLater);
    assert!(moment.what.contains("all stamps of script's log are of its end, when it was uploaded"), "{}", moment.what);
}

#[test]
fn an_object_is_saved_once_then_changed_then_deleted() {
    let task = TaskId::parse(TASK).unwrap();
    let versions = [("v3", 30, true), ("v1", 10, false), ("v2", 20, false)];
    let facts: Vec<Fact> =
        versions.iter().map(|(id, second, gone)| fact(Source::Artifacts, artifact(at(*second), &task, id, *gone))).collect();
    let words: Vec<String> = said(&facts).iter().map(|line| line.split(" was ").nth(1).unwrap()[..7].to_owned()).collect();
    assert_eq!(words, ["saved: ", "changed", "deleted"]);
}

#[test]
fn a_refused_shell_is_no_session() {
    let mut it = account();
    it.ssm_session_id = None;
    let Body::Execution(mut refused) = execution(at(0), &it, &TaskId::parse(TASK).unwrap()) else { panic!("an execution") };
    refused.error_code = Some("AccessDeniedException".to_owned());
    let what = timeline(&[fact(Source::CloudTrail, Body::Execution(refused))]).remove(0).what;
    assert!(what.starts_with("alice called ExecuteCommand from 192.0.2.7 on container sre of task 0123"), "{what}");
    assert!(what.contains(": refused, AccessDeniedException."), "{what}");
}

#[test]
fn hostile_texts_are_harmless_in_a_sentence() {
    for text in HOSTILE {
        let Body::Execution(mut call) = execution(at(0), &account(), &TaskId::parse(TASK).unwrap()) else { panic!("one") };
        call.principal.arn = text.to_owned();
        call.principal.client_address = Some(text.to_owned());
        call.container = Some(text.to_owned());
        let what = timeline(&[fact(Source::CloudTrail, Body::Execution(call))]).remove(0).what;
        assert!(!what.chars().any(|c| steers(c) || c == '\n'), "{what:?}");
    }
}
