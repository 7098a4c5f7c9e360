//! IAM: the simulation of a principal's policies, and the policy of the task role. Its answers are XML.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::Value;

use crate::aws::error::escape_xml;
use crate::aws::{ApiError, Call};
use crate::iam::Decision;

/// The API's version, by which a form is recognised as IAM's.
pub(crate) const VERSION: &str = "2010-05-08";

/// One line of a simulation.
struct Evaluation {
    action: String,
    resource: String,
    decision: Decision,
}

/// Evaluates a role's or user's policy for actions on resources. Session tags are not part of it: AWS knows none here, so a
/// condition on one misses its value unless the caller gives it.
pub(crate) fn simulate(call: &Call<'_>) -> Result<Value, ApiError> {
    let source = call.text("PolicySourceArn").unwrap_or_default();
    call.authorise("iam:SimulatePrincipalPolicy", source, &BTreeMap::new())?;
    let no_entity = || ApiError::new(404, "NoSuchEntity", &format!("The principal {source} cannot be found."));
    let policy = call.shared.principals.policy_of(source).ok_or_else(no_entity)?;
    let context = context(call.body);
    let resources = Some(members(call.body, "ResourceArns")).filter(|list| !list.is_empty()).unwrap_or(vec!["*".to_owned()]);
    let mut xml = String::new();
    for action in members(call.body, "ActionNames") {
        for resource in &resources {
            let decision = policy.decide(&action, resource, &context);
            write_result(&mut xml, &Evaluation { action: action.clone(), resource: resource.clone(), decision });
        }
    }
    Ok(Value::String(format!("<IsTruncated>false</IsTruncated><EvaluationResults>{xml}</EvaluationResults>")))
}

/// Wraps what an action of this API made.
pub(crate) fn to_xml(action: &str, inner: &Value) -> Bytes {
    let name = action.rsplit(':').next().unwrap_or_default();
    let inner = inner.as_str().unwrap_or_default();
    Bytes::from(format!(
        "<{name}Response xmlns=\"https://iam.amazonaws.com/doc/{VERSION}/\"><{name}Result>{inner}</{name}Result>\
         <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{name}Response>",
        uuid::Uuid::new_v4()
    ))
}

fn write_result(xml: &mut String, line: &Evaluation) {
    let missing: String = line.decision.missing.iter().map(|key| format!("<member>{}</member>", escape_xml(key))).collect();
    // Writing to a String cannot fail.
    let _ = write!(
        xml,
        "<member><EvalActionName>{}</EvalActionName><EvalResourceName>{}</EvalResourceName><EvalDecision>{}</EvalDecision>\
         <MatchedStatements/><MissingContextValues>{missing}</MissingContextValues></member>",
        escape_xml(&line.action),
        escape_xml(&line.resource),
        line.decision.word(),
    );
}

/// The texts of `NAME.member.1`, `NAME.member.2` and so on.
fn members(body: &Value, name: &str) -> Vec<String> {
    (1..=100).map_while(|at| body[format!("{name}.member.{at}")].as_str().map(str::to_owned)).collect()
}

fn context(body: &Value) -> BTreeMap<String, String> {
    let text = |at: usize, part: &str| body[format!("ContextEntries.member.{at}.{part}")].as_str().map(str::to_owned);
    (1..=100).map_while(|at| Some((text(at, "ContextKeyName")?, text(at, "ContextKeyValues.member.1")?))).collect()
}
