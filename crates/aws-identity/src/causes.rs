//! Says what can be behind the failure of a leg, on both sides: whoever asked and whoever was asked. Owns the reading of
//! STS's refusals; asks nothing itself.

use std::path::Path;
use std::time::SystemTime;

use cli_kit::printable;

use crate::chain::{Act, Sources};
use crate::identity::IdentityError;
use crate::refusal::{Refusal, RefusalKind};
use crate::statement::{account_of, both_sides, principal_of};
use crate::token::{TokenClaims, show_time};

/// What is known when a leg fails.
pub(crate) struct Failed<'a> {
    pub(crate) act: &'a Act,
    pub(crate) refusal: &'a Refusal,
    /// Who asked: the identity of the leg before.
    pub(crate) caller_arn: Option<&'a str>,
    pub(crate) claims: Option<&'a TokenClaims>,
    pub(crate) now: SystemTime,
}

/// Lists the possible causes, the surest first.
pub(crate) fn causes(failed: &Failed<'_>) -> Vec<String> {
    match failed.refusal.kind {
        RefusalKind::Network | RefusalKind::Timeout => return no_way(),
        RefusalKind::Throttled => return vec!["too many calls were made with this account: wait and try again".to_owned()],
        _ => {}
    }
    match failed.act {
        Act::AssumeRole { role_arn, external_id, with_mfa, .. } => {
            assume_role(failed, role_arn, external_id.is_some(), *with_mfa)
        }
        Act::WebIdentity { role_arn, .. } => web_identity(failed, role_arn),
        _ => keys(failed.refusal),
    }
}

fn no_way() -> Vec<String> {
    vec![
        "the network, a proxy (HTTPS_PROXY, NO_PROXY) or a firewall stands between here and STS".to_owned(),
        "AWS_ENDPOINT_URL, AWS_CA_BUNDLE or the region leads to a place where no STS answers".to_owned(),
    ]
}

fn assume_role(failed: &Failed<'_>, role_arn: &str, with_external_id: bool, with_mfa: bool) -> Vec<String> {
    match failed.refusal.kind {
        RefusalKind::Denied => {}
        RefusalKind::Expired | RefusalKind::Credentials => return keys(failed.refusal),
        _ => return vec![format!("STS does not take the request: see its code, and compare the ARN {role_arn}")],
    }
    let caller_arn = failed.caller_arn.or(failed.refusal.principal.as_deref());
    let caller = caller_arn.map_or_else(|| "the caller".to_owned(), principal_of);
    let caller_account = caller_arn.and_then(account_of).unwrap_or("unknown");
    let role_account = account_of(role_arn).unwrap_or("unknown");
    let action = failed.refusal.missing.as_deref().unwrap_or("sts:AssumeRole");
    let caller_side =
        format!("the policies of {caller} (account {caller_account}) do not permit {action} on {role_arn}, or one denies it");
    let external_id =
        if with_external_id { "asks for another external id" } else { "asks for an external_id that the profile lacks" };
    let role_side = format!(
        "the trust policy of {role_arn} (account {role_account}) does not name {caller} or its account, or {external_id}"
    );
    let mut causes = if failed.refusal.message.contains("no identity-based policy allows") {
        vec![format!("{caller_side}; AWS says that it is this one"), role_side]
    } else if failed.refusal.message.contains("no resource-based policy allows") {
        vec![format!("{role_side}; AWS says that it is this one"), caller_side]
    } else {
        vec![caller_side, role_side]
    };
    causes.push(format!("the role {role_arn} does not exist: AWS refuses that in the same words"));
    if with_mfa {
        causes.push(
            "the trust policy asks for an MFA code, which this program does not: use credential_process or IAM Identity Center"
                .to_owned(),
        );
    }
    causes.push(format!("to permit it, {}", both_sides(caller_arn, role_arn, &[action])));
    causes
}

fn web_identity(failed: &Failed<'_>, role_arn: &str) -> Vec<String> {
    let absent = || "absent".to_owned();
    let claim = |claim: Option<&String>| claim.cloned().unwrap_or_else(absent);
    let (issuer, subject) =
        (claim(failed.claims.and_then(|c| c.issuer.as_ref())), claim(failed.claims.and_then(|c| c.subject.as_ref())));
    let audiences =
        failed.claims.map(|claims| claims.audiences.join(", ")).filter(|text| !text.is_empty()).unwrap_or_else(absent);
    let provider = issuer.strip_prefix("https://").unwrap_or(&issuer);
    let account = account_of(role_arn).unwrap_or("unknown");
    let trust = format!(
        "the trust policy of {role_arn} does not name the provider {provider}, or its conditions do not fit sub {subject} and aud {audiences}"
    );
    let registered =
        format!("account {account} has no OpenID provider for {issuer}, or that one does not list the audience {audiences}");
    let expiry = failed.claims.and_then(|claims| claims.expires_at);
    let mut causes = match expiry {
        Some(expiry) if expiry <= failed.now => vec![format!(
            "the token expired at {}: whoever writes the file (kubelet, side-car) has stopped to renew it",
            show_time(expiry)
        )],
        _ if failed.refusal.kind == RefusalKind::Expired => {
            vec!["AWS holds the token for expired: the clock here is wrong, or the file was renewed in between".to_owned()]
        }
        _ => Vec::new(),
    };
    match failed.refusal.code.as_str() {
        code if code.starts_with("InvalidIdentityToken") => causes.extend([registered, trust]),
        "IDPCommunicationError" | "IDPCommunicationErrorException" => {
            causes.push(format!("AWS cannot fetch the keys of {issuer}: it must be reachable from the internet"));
            causes.push(registered);
        }
        _ => {
            causes.extend([trust, registered]);
            causes.push(format!("the role {role_arn} does not exist: AWS refuses that in the same words"));
        }
    }
    causes
}

fn keys(refusal: &Refusal) -> Vec<String> {
    let causes: &[&str] = match (refusal.kind, refusal.code.as_str()) {
        (RefusalKind::Expired, _) => &[
            "the session token has expired: fetch new keys, or log in again",
            "the clock here is wrong by more than five minutes",
        ],
        (_, "SignatureDoesNotMatch" | "InvalidSignatureException" | "IncompleteSignature") => {
            &["the secret key does not belong to the access key", "the clock here is wrong by more than five minutes"]
        }
        (_, "InvalidClientTokenId" | "UnrecognizedClientException") => &[
            "the access key was deleted or deactivated, or its session token is missing",
            "the keys belong to another partition (aws, aws-us-gov, aws-cn) than the region, or the region is not enabled",
        ],
        (RefusalKind::Denied, _) => {
            &["a service control or session policy denies it to this principal", "a policy of the VPC endpoint denies it"]
        }
        (RefusalKind::Credentials, _) => &[
            "the source of the credentials refused or is not there: see the message",
            "the login behind it (IAM Identity Center, the program's own) has expired",
        ],
        _ => &["AWS refused for a reason of its own: see its code"],
    };
    causes.iter().map(|&cause| cause.to_owned()).collect()
}

/// Lists the causes of a failure before any call.
pub(crate) fn here(act: &Act) -> Vec<String> {
    let causes: &[&str] = match act {
        Act::WebIdentity { .. } => &[
            "the token is not mounted: the pod was started without the projected token, or without the mutation that adds it",
            "AWS_WEB_IDENTITY_TOKEN_FILE or the profile names another place, or a file that is no token or not ours to read",
        ],
        Act::Process { .. } => &[
            "the program failed, is not there, or printed something else than credentials: run it by hand",
            "its login has expired",
        ],
        Act::Sso { .. } => {
            &["the login has expired or was never made: run aws sso login", "account or role of the profile are wrong"]
        }
        Act::Container => &["the task or pod has no role", "AWS_CONTAINER_CREDENTIALS_* was inherited from another container"],
        Act::Instance => &[
            "this is no EC2 instance, or it has no instance profile",
            "the metadata service is not reachable from a container: its hop limit is 1",
        ],
        _ => &["the keys are not complete", "another source was meant"],
    };
    causes.iter().map(|&cause| cause.to_owned()).collect()
}

/// Lists the causes of a failure before any leg.
pub(crate) fn configuration(error: &IdentityError, sources: Option<&Sources>) -> Vec<String> {
    let causes: &[&str] = match error {
        IdentityError::NamedFile { .. } => &[
            "what writes the file (a side-car, a login) did not run or failed: its log says why, its refresh writes the file",
            "the variable names another place than the file was written to",
        ],
        IdentityError::NoRegion { .. } | IdentityError::Region { .. } => {
            &["neither flag, environment nor profile name a region of AWS", "another profile was meant"]
        }
        IdentityError::ProfileFiles { .. } => &["the file was written by hand or only in part", "the file is not ours to read"],
        _ => &["a file or variable names what is not there"],
    };
    let mut causes: Vec<String> = causes.iter().map(|&cause| cause.to_owned()).collect();
    let token_file = sources.and_then(|sources| sources.environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"));
    let unreadable = token_file.filter(|file| matches!(sources.and_then(|s| s.tokens.get(Path::new(file))), Some(Err(_))));
    if let Some(file) = unreadable {
        causes.push(printable(
            &format!("the token file {file} cannot be read either: the mutation that adds both did not run"),
            500,
        ));
    }
    causes
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const CALLER: &str = "arn:aws:sts::1:assumed-role/A/s";

    fn act(with_external_id: bool, with_mfa: bool) -> Act {
        let external_id = with_external_id.then(|| "x".to_owned());
        Act::AssumeRole { role_arn: "arn:aws:iam::2:role/B".to_owned(), external_id, session_name: None, with_mfa }
    }

    fn said(act: &Act, kind: RefusalKind, code: &str, message: &str) -> Vec<String> {
        let refusal = Refusal {
            call: "sts:AssumeRole",
            code: code.to_owned(),
            message: message.to_owned(),
            request_id: None,
            http_status: Some(403),
            principal: Some(CALLER.to_owned()),
            resource: None,
            missing: None,
            kind,
        };
        causes(&Failed { act, refusal: &refusal, caller_arn: Some(CALLER), claims: None, now: UNIX_EPOCH })
    }

    #[test]
    fn a_side_that_aws_names_comes_first() {
        let caller =
            said(&act(false, false), RefusalKind::Denied, "AccessDenied", "… because no identity-based policy allows it");
        assert!(
            caller[0].starts_with("the policies of arn:aws:iam::1:role/A ") && caller[0].ends_with("it is this one"),
            "{caller:#?}"
        );
        let role = said(&act(false, false), RefusalKind::Denied, "AccessDenied", "… because no resource-based policy allows it");
        assert!(role[0].starts_with("the trust policy of ") && role[1].starts_with("the policies of "), "{role:#?}");
    }

    #[test]
    fn external_id_and_mfa_are_possible_causes() {
        let both = said(&act(true, true), RefusalKind::Denied, "AccessDenied", "no").join("\n");
        assert!(both.contains("asks for another external id") && both.contains("MFA code"), "{both}");
        let none = said(&act(false, false), RefusalKind::Denied, "AccessDenied", "no").join("\n");
        assert!(none.contains("an external_id that the profile lacks") && !none.contains("MFA"), "{none}");
    }

    #[test]
    fn each_refusal_of_keys_has_two_sides() {
        for (kind, code) in [
            (RefusalKind::Expired, "ExpiredToken"),
            (RefusalKind::Credentials, "SignatureDoesNotMatch"),
            (RefusalKind::Credentials, "InvalidClientTokenId"),
            (RefusalKind::Credentials, ""),
            (RefusalKind::Denied, "AccessDenied"),
            (RefusalKind::Network, ""),
        ] {
            assert_eq!(said(&Act::EnvironmentKeys, kind, code, "no").len(), 2, "{code}");
        }
    }
}
