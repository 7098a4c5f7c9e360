//! IAM: what a role may do, by its policy simulator, and where a role is.
//!
//! The simulator speaks of identity policies, boundaries and organisation policies only: session policies and tags, and the
//! policies of keys and buckets, are not in what it says. Source: IAM API reference, SimulatePrincipalPolicy.

use crate::asking::Asking;
use crate::error::ReadError;
use crate::page::Page;
use crate::reader::Reader;
use crate::s3::Answered;
use crate::xml::Node;

const VERSION: &str = "2010-05-08";
const NO_XML: &str = "the answer is no XML of IAM";

/// What the simulator decides of one action on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Allowed, whatever the conditions that need values.
    Allowed,
    /// No statement allows it without a value that the simulator was not given.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

impl Reader {
    /// Whether a role or user may do something to a resource, both ARNs. No condition keys are given.
    ///
    /// # Errors
    /// Why there is no answer; [`ReadError::NotFound`] where there is no such role.
    pub async fn simulate(&self, principal_arn: &str, action: &str, resource_arn: &str) -> Result<Answered<Decision>, ReadError> {
        let parameters = [
            ("PolicySourceArn", principal_arn),
            ("ActionNames.member.1", action),
            // One resource a call: how the answers for several are nested is told differently by IAM's own documents.
            ("ResourceArns.member.1", resource_arn),
        ];
        self.queried("iam:SimulatePrincipalPolicy", &parameters, principal_arn, decision).await
    }

    /// A role's ARN by its name; it holds the path, which the ARNs of its sessions leave out.
    ///
    /// # Errors
    /// Why there is no answer; [`ReadError::NotFound`] where there is no such role.
    pub async fn role_arn(&self, name: &str) -> Result<Answered<String>, ReadError> {
        self.queried("iam:GetRole", &[("RoleName", name)], name, role_arn).await
    }

    async fn queried<T>(
        &self,
        call: &'static str,
        parameters: &[(&str, &str)],
        resource: &str,
        read: impl FnOnce(&Node) -> Result<T, &'static str>,
    ) -> Result<Answered<T>, ReadError> {
        let parameters: Vec<(String, String)> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let page = self.page(&Asking::query(call, VERSION, &parameters, resource)).await?;
        let facts = document(&page).and_then(|node| read(&node)).map_err(|why| ReadError::unexpected(call, why))?;
        Ok(Answered { page, facts })
    }
}

fn document(page: &Page) -> Result<Node, &'static str> {
    let text = std::str::from_utf8(&page.body).map_err(|_| NO_XML)?;
    Node::read(text).ok_or(NO_XML)
}

fn decision(document: &Node) -> Result<Decision, &'static str> {
    const LACKS: &str = "the answer lacks what was asked for";
    let results = document.first("EvaluationResults").ok_or(LACKS)?;
    let [result] = results.children("member").collect::<Vec<_>>()[..] else { return Err(LACKS) };
    match result.text_of("EvalDecision") {
        "allowed" => Ok(Decision::Allowed),
        "implicitDeny" => Ok(Decision::NotAllowed),
        "explicitDeny" => Ok(Decision::Denied),
        _ => Err("the decision is an unknown one"),
    }
}

fn role_arn(document: &Node) -> Result<String, &'static str> {
    let arn = document.first("Role").map(|role| role.text_of("Arn")).filter(|arn| arn.starts_with("arn:"));
    arn.map(str::to_owned).ok_or("the answer lacks the role's ARN")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(read: impl FnOnce(&Node) -> Result<T, &'static str>, text: &str) -> Result<T, &'static str> {
        read(&Node::read(text).unwrap())
    }

    #[test]
    fn one_decision_is_read_and_nothing_else_is_taken_for_one() {
        let answer = |members: &str| {
            format!(
                "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated>\
                 <EvaluationResults>{members}</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
            )
        };
        let member = |word: &str| format!("<member><EvalDecision>{word}</EvalDecision></member>");
        for (word, wanted) in
            [("allowed", Decision::Allowed), ("implicitDeny", Decision::NotAllowed), ("explicitDeny", Decision::Denied)]
        {
            assert_eq!(read(decision, &answer(&member(word))), Ok(wanted));
        }
        for odd in [String::new(), member("maybe"), member("allowed").repeat(2)] {
            assert!(read(decision, &answer(&odd)).is_err(), "{odd}");
        }
        assert!(read(decision, "<Other/>").is_err());
    }

    #[test]
    fn a_roles_arn_has_its_path() {
        let arn = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_sre_0123456789abcdef";
        let answer = format!("<GetRoleResponse><GetRoleResult><Role><Arn>{arn}</Arn></Role></GetRoleResult></GetRoleResponse>");
        assert_eq!(read(role_arn, &answer).as_deref(), Ok(arn));
        assert!(read(role_arn, "<GetRoleResponse><Role/></GetRoleResponse>").is_err());
    }
}
