//! Writes the policy statements that an administrator must add. Owns their JSON; knows nothing of calls or errors.

use serde_json::json;

/// Writes the two statements without which a role cannot be assumed with `actions`: one in the role's trust policy, one
/// in a policy of the caller.
pub(crate) fn both_sides(caller_arn: Option<&str>, role_arn: &str, actions: &[&str]) -> String {
    let principal = caller_arn.map_or_else(|| "<the caller's ARN>".to_owned(), principal_of);
    let trust = json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": actions });
    let permission = json!({ "Effect": "Allow", "Action": actions, "Resource": role_arn });
    format!("in the trust policy of {role_arn}: {trust}; in a policy of the caller: {permission}")
}

/// Turns the ARN of a role's session into the role's, which is what policies name. A role's path is not in it.
pub(crate) fn principal_of(arn: &str) -> String {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, partition, "sts", _, account, resource] = parts[..] else { return arn.to_owned() };
    let role = resource.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next());
    role.map_or_else(|| arn.to_owned(), |role| format!("arn:{partition}:iam::{account}:role/{role}"))
}

/// Reads the account of an ARN.
pub(crate) fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_the_role_of_a_session() {
        assert_eq!(principal_of("arn:aws-cn:sts::1:assumed-role/R/bob=s_1"), "arn:aws-cn:iam::1:role/R");
        assert_eq!(principal_of("arn:aws:iam::1:user/bob"), "arn:aws:iam::1:user/bob");
        assert_eq!(principal_of("anonymous"), "anonymous");
        assert_eq!(account_of("arn:aws:iam::524112250363:role/x"), Some("524112250363"));
        assert_eq!(account_of("role/x"), None);
    }

    #[test]
    fn both_statements_are_json_with_the_actions() {
        let text =
            both_sides(Some("arn:aws:sts::1:assumed-role/R/b"), "arn:aws:iam::2:role/T", &["sts:AssumeRole", "sts:TagSession"]);
        assert_eq!(
            text,
            "in the trust policy of arn:aws:iam::2:role/T: {\"Action\":[\"sts:AssumeRole\",\"sts:TagSession\"],\
             \"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::1:role/R\"}}; in a policy of the caller: \
             {\"Action\":[\"sts:AssumeRole\",\"sts:TagSession\"],\"Effect\":\"Allow\",\"Resource\":\"arn:aws:iam::2:role/T\"}"
        );
    }
}
