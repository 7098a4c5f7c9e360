//! What is of another type than the source's is told: each scalar of the corpus is replaced, one by one.

use crate::sources::{Read, SAMPLES, Sample};
use serde_json::{Value, json};

/// The paths of all scalars.
fn scalars(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                scalars(value, &format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                scalars(value, &format!("{path}/{place}"), found);
            }
        }
        Value::Null => {}
        _ => found.push(path.to_owned()),
    }
}

/// Values of other types than this one.
fn others(value: &Value) -> [Value; 2] {
    match value {
        Value::String(_) => [json!(7), json!(["x"])],
        Value::Number(_) => [json!("x"), json!(true)],
        _ => [json!("x"), json!({"x": 1})],
    }
}

/// The facts as JSON values, without what says when and where they were read.
fn bodies(read: &Read) -> Vec<Value> {
    read.0.iter().map(|fact| serde_json::to_value(&fact.body).unwrap()).collect()
}

/// Whether something that the first says is gone from the second.
fn lost(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Null, _) => false,
        (_, Value::Null) => true,
        (Value::Object(before), Value::Object(after)) => {
            before.iter().any(|(name, value)| lost(value, after.get(name).unwrap_or(&Value::Null)))
        }
        (Value::Array(before), Value::Array(after)) => {
            before.len() > after.len() || before.iter().zip(after).any(|(before, after)| lost(before, after))
        }
        (Value::String(before), Value::String(after)) => !before.is_empty() && after.is_empty(),
        (Value::Bool(before), Value::Bool(after)) => before != after,
        (Value::Number(before), Value::Number(after)) => before.as_u64() != Some(0) && after.as_u64() == Some(0),
        _ => false,
    }
}

fn check(sample: &Sample, what: &str, baseline: &Read, raw: &[u8]) {
    let read = sample.read(raw);
    let (before, after) = (bodies(baseline), bodies(&read));
    if read.1.len() > baseline.1.len() {
        let is_of_one_record = read.1.iter().all(|it| it.record > 0);
        let hidden = before.iter().filter(|body| body["kind"] != "chain_break" && !after.contains(body)).count();
        assert!(!is_of_one_record || hidden <= 1, "{}: {what}: a record hides {hidden} facts", sample.file);
        return;
    }
    assert!(before.len() <= after.len(), "{}: {what}: a fact is gone, and nothing is unreadable", sample.file);
    let is_lost = before.iter().zip(&after).any(|(before, after)| lost(before, after));
    assert!(!is_lost, "{}: {what}: something is gone from a fact, and nothing is unreadable", sample.file);
}

fn mutate(sample: &Sample, line: &Value, write: &dyn Fn(&Value) -> Vec<u8>) -> usize {
    let baseline = sample.read(&write(line));
    let mut paths = Vec::new();
    scalars(line, "", &mut paths);
    let mut count = 0;
    for path in &paths {
        for other in others(line.pointer(path).unwrap()) {
            let mut changed = line.clone();
            *changed.pointer_mut(path).unwrap() = other.clone();
            check(sample, &format!("{path} = {other}"), &baseline, &write(&changed));
            count += 1;
        }
    }
    count
}

/// Replaces in each record of a page, with another record beside it, and in the page around them.
fn mutate_page(sample: &Sample, page: &Value) -> usize {
    let bytes = |value: &Value| serde_json::to_vec(value).unwrap();
    let Some(records) = page.get(sample.list).and_then(Value::as_array) else {
        return mutate(sample, page, &bytes);
    };
    let with = |records: Vec<Value>| {
        let mut page = page.clone();
        page[sample.list] = Value::Array(records);
        page
    };
    let beside = |record: &Value| bytes(&with(vec![record.clone(), records[0].clone()]));
    let around = mutate(sample, &with(Vec::new()), &bytes);
    around + records.iter().map(|record| mutate(sample, record, &beside)).sum::<usize>()
}

#[test]
fn another_type_is_told_and_nothing_is_lost_in_silence() {
    let mut count = 0;
    for sample in SAMPLES {
        let raw = sample.raw();
        let line = |value: &Value| [serde_json::to_vec(value).unwrap(), b"\n".to_vec()].concat();
        if sample.is_lines {
            for text in raw.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                count += mutate(&sample, &serde_json::from_slice(text).unwrap(), &line);
            }
        } else {
            count += mutate_page(&sample, &serde_json::from_slice(&raw).unwrap());
        }
    }
    assert!(count > 3000, "{count} replacements");
}

#[test]
fn the_events_within_lookups_are_held_to_the_same() {
    let objects = Sample::of("cloudtrail-object.json");
    let page: Value = serde_json::from_slice(&objects.raw()).unwrap();
    for record in page["Records"].as_array().unwrap() {
        let write = |value: &Value| serde_json::to_vec(&json!({"Events": [{"CloudTrailEvent": value.to_string()}]})).unwrap();
        mutate(&Sample::of("cloudtrail-lookup.json"), record, &write);
    }
}
