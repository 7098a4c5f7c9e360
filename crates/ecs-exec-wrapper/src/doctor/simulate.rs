//! IAM's policy simulator: questions, answers, and the principal they are about.
//!
//! What it says is IAM's word about identity policies only: session policies, session tags and the policies of keys and buckets
//! are not in it.

use super::check::{Reading, Unread};
use super::query::{QueryClient, Service};
use record_delivery::Node;

/// Whether the service checks the document of StartSession as well. Source: Session Manager, condition keys.
pub(super) const DOCUMENT_CHECK: &str = "ssm:SessionDocumentAccessCheck";

/// Something that is asked of the simulator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Question {
    /// The check that it is for.
    pub(super) id: &'static str,
    /// The actions.
    pub(super) actions: Vec<&'static str>,
    /// The ARNs, each with each action.
    pub(super) resources: Vec<String>,
    /// What the conditions will see.
    pub(super) context: Vec<(String, String)>,
}

/// What the simulator decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Allowed.
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The check that it is for.
    pub(super) id: &'static str,
    /// The action.
    pub(super) action: String,
    /// The ARN.
    pub(super) resource: String,
    /// The decision.
    pub(super) decision: Decision,
    /// Condition keys that the simulator had no value for.
    pub(super) missing: Vec<String>,
}

/// Asks all questions about a principal, one after the other; the first that has no answer ends it.
pub(super) async fn ask(query: &QueryClient, principal: &str, questions: &[Question]) -> Reading<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for question in questions {
        // One ARN a call: how the answers for several are nested is told differently by IAM's own documents.
        for resource in &question.resources {
            outcomes.extend(ask_one(query, principal, question, resource).await?);
        }
    }
    Ok(outcomes)
}

async fn ask_one(query: &QueryClient, principal: &str, question: &Question, resource: &str) -> Reading<Vec<Outcome>> {
    let answer = query.ask(Service::Iam, "SimulatePrincipalPolicy", &parameters(principal, question, resource)).await?;
    let document = answer.document().map_err(|fault| match fault.code.as_str() {
        "NoSuchEntity" => Unread::new(
            format!("IAM knows no {principal}; a role below a path is not found without iam:GetRole"),
            "ask for the permission iam:GetRole",
        ),
        _ => fault.unread("iam:SimulatePrincipalPolicy"),
    })?;
    if document.first("IsTruncated").is_some_and(|truncated| truncated.text == "true") {
        return Err(Unread::new("IAM's answer is longer than one page", "look at the policies in the console"));
    }
    let results = document.first("EvaluationResults").map(|results| outcomes(question.id, results)).unwrap_or_default();
    if results.len() == question.actions.len() {
        Ok(results)
    } else {
        Err(Unread::new("IAM's answer lacks what was asked", "look at the policies in the console"))
    }
}

fn outcomes(id: &'static str, results: &Node) -> Vec<Outcome> {
    let outcome = |member: &Node| {
        let decision = match member.text_of("EvalDecision") {
            "allowed" => Decision::Allowed,
            "explicitDeny" => Decision::Denied,
            "implicitDeny" => Decision::NotAllowed,
            _ => return None,
        };
        let missing = member.children("MissingContextValues").flat_map(|missing| missing.children("member"));
        Some(Outcome {
            id,
            action: member.text_of("EvalActionName").to_owned(),
            resource: member.text_of("EvalResourceName").to_owned(),
            decision,
            missing: missing.map(|key| key.text.trim().to_owned()).collect(),
        })
    };
    results.children("member").filter_map(outcome).collect()
}

fn parameters(principal: &str, question: &Question, resource: &str) -> Vec<(String, String)> {
    let mut parameters = vec![("PolicySourceArn".to_owned(), principal.to_owned())];
    let numbered = |list: &str, at: usize| format!("{list}.member.{}", at + 1);
    parameters
        .extend(question.actions.iter().enumerate().map(|(at, action)| (numbered("ActionNames", at), (*action).to_owned())));
    parameters.push((numbered("ResourceArns", 0), resource.to_owned()));
    for (at, (key, value)) in question.context.iter().enumerate() {
        let entry = numbered("ContextEntries", at);
        parameters.push((format!("{entry}.ContextKeyName"), key.clone()));
        let kind = if key == DOCUMENT_CHECK { "boolean" } else { "string" };
        parameters.push((format!("{entry}.ContextKeyType"), kind.to_owned()));
        parameters.push((format!("{entry}.ContextKeyValues.member.1"), value.clone()));
    }
    parameters
}

/// The principal whose policies hold for a caller: the user, or the role behind a session.
///
/// A session's ARN leaves the role's path out, which the roles of IAM Identity Center always have; then IAM is asked for it.
pub(super) async fn principal_of(query: &QueryClient, caller_arn: &str) -> Reading<String> {
    let Some(role) = role_of(caller_arn) else { return plain_principal(caller_arn) };
    if !role.1.starts_with("AWSReservedSSO_") {
        return Ok(role.0);
    }
    let answer = query.ask(Service::Iam, "GetRole", &[("RoleName".to_owned(), role.1)]).await?;
    let document = answer.document().map_err(|fault| fault.unread("iam:GetRole"))?;
    let arn = document.first("Role").map(|role| role.text_of("Arn").to_owned()).filter(|arn| !arn.is_empty());
    arn.ok_or_else(|| Unread::new("iam:GetRole answered without an ARN", "look at the role in the console"))
}

fn plain_principal(arn: &str) -> Reading<String> {
    if arn.contains(":user/") && arn.contains(":iam:") {
        return Ok(arn.to_owned());
    }
    Err(Unread::new(format!("IAM simulates no policies of {arn}"), "look at the policies in the console"))
}

/// The role behind a session: its ARN without a path, and its name.
fn role_of(arn: &str) -> Option<(String, String)> {
    let (before, after) = arn.split_once(":assumed-role/")?;
    let (role, _) = after.split_once('/')?;
    let mut parts = before.split(':');
    let (partition, account) = (parts.nth(1)?, parts.nth(2)?);
    Some((format!("arn:{partition}:iam::{account}:role/{role}"), role.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sessions_role_is_found() {
        let role = role_of("arn:aws-us-gov:sts::123456789012:assumed-role/sre/alice@x").unwrap();
        assert_eq!(role, ("arn:aws-us-gov:iam::123456789012:role/sre".to_owned(), "sre".to_owned()));
        assert_eq!(role_of("arn:aws:iam::123456789012:user/alice"), None);
        assert!(plain_principal("arn:aws:iam::123456789012:user/alice").is_ok());
        assert!(plain_principal("arn:aws:iam::123456789012:root").is_err());
    }

    #[test]
    fn a_question_is_numbered_from_one() {
        let question = Question {
            id: "x",
            actions: vec!["a:B", "c:D"],
            resources: Vec::new(),
            context: vec![("k".to_owned(), "v".to_owned()), (DOCUMENT_CHECK.to_owned(), "true".to_owned())],
        };
        let named: Vec<String> =
            parameters("p", &question, "*").into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = "PolicySourceArn=p ActionNames.member.1=a:B ActionNames.member.2=c:D ResourceArns.member.1=* \
            ContextEntries.member.1.ContextKeyName=k ContextEntries.member.1.ContextKeyType=string \
            ContextEntries.member.1.ContextKeyValues.member.1=v \
            ContextEntries.member.2.ContextKeyName=ssm:SessionDocumentAccessCheck \
            ContextEntries.member.2.ContextKeyType=boolean ContextEntries.member.2.ContextKeyValues.member.1=true";
        assert_eq!(named.join(" "), expected);
    }

    #[test]
    fn an_unknown_decision_is_no_outcome() {
        let member = |word: &str| format!("<r><member><EvalDecision>{word}</EvalDecision></member></r>");
        let count = |word: &str| outcomes("x", &Node::read(&member(word)).unwrap()).len();
        assert_eq!((count("allowed"), count("explicitDeny"), count("maybe")), (1, 1, 0));
    }
}
