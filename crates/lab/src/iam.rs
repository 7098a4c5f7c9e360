//! Principals with their secrets, and a small evaluator of identity policies. It knows allow, deny, wildcards and
//! `StringEquals`/`StringLike` with policy variables; no resource policies, no boundaries.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;

use crate::options::Profile;
use crate::random;
use crate::tasks::{ACCOUNT, CLUSTER};

/// Name of the role that the users' SREs share.
pub(crate) const SHARED_ROLE: &str = "rosa-boundary-dev-sre-shared";

/// Name of the role that an audit reads with.
pub(crate) const AUDITOR_ROLE: &str = "boundary-auditor";

/// ARN of the role that the lab's tasks have.
pub(crate) fn task_role_arn() -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{CLUSTER}-task-role")
}

/// The unique id of a role.
pub(crate) fn role_id(role: &str) -> String {
    let digest = random::hex(digest::digest(&digest::SHA256, role.as_bytes()).as_ref());
    format!("AROA{}", digest[..17].to_uppercase())
}

/// One who calls.
#[derive(Clone)]
pub(crate) struct Principal {
    pub(crate) arn: String,
    pub(crate) user_id: String,
    pub(crate) access_key: String,
    pub(crate) secret: String,
    pub(crate) session_token: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) policy: Policy,
    /// Seconds since 1970.
    pub(crate) expires: Option<i64>,
    /// Seconds since 1970.
    pub(crate) issued: i64,
    pub(crate) source_identity: Option<String>,
}

impl std::fmt::Debug for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Principal").field("arn", &self.arn).finish_non_exhaustive()
    }
}

/// Statements of one identity policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy(Vec<Statement>);

#[derive(Clone, Debug)]
struct Statement {
    allow: bool,
    actions: Vec<String>,
    resources: Vec<String>,
    /// Context key, and the value with policy variables that it must match.
    conditions: Vec<(String, String)>,
}

/// What is asked of the evaluator.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) context: &'a BTreeMap<String, String>,
}

/// What a simulation finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Whether an allow matches, a deny does.
    outcome: (bool, bool),
    /// Context keys that statements ask for and the simulation does not have.
    pub(crate) missing: Vec<String>,
}

impl Decision {
    /// The API's word.
    pub(crate) fn word(&self) -> &'static str {
        match self.outcome {
            (_, true) => "explicitDeny",
            (true, false) => "allowed",
            (false, false) => "implicitDeny",
        }
    }
}

/// A refusal in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied(pub(crate) String);

impl Principal {
    /// Decides whether the principal may do something.
    pub(crate) fn authorise(&self, request: &Request<'_>) -> Result<(), Denied> {
        let matching: Vec<&Statement> = self.policy.0.iter().filter(|it| it.matches(request, &self.tags)).collect();
        let why = if matching.iter().any(|it| !it.allow) {
            "with an explicit deny in an identity-based policy".to_owned()
        } else if matching.is_empty() {
            format!("because no identity-based policy allows the {} action", request.action)
        } else {
            return Ok(());
        };
        Err(Denied(format!(
            "User: {} is not authorized to perform: {} on resource: {} {why}",
            self.arn, request.action, request.resource
        )))
    }

    fn assumed_role(role: &str, session_name: &str, tags: BTreeMap<String, String>, policy: Policy, expires: i64) -> Self {
        let role_id = role_id(role);
        Self {
            arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session_name}"),
            user_id: format!("{role_id}:{session_name}"),
            access_key: format!("ASIA{}", random::hex_id::<8>().to_uppercase()),
            secret: random::hex_id::<20>(),
            session_token: Some(format!("FwoGZXIvYXdz{}", random::hex_id::<64>())),
            tags,
            policy,
            expires: Some(expires),
            issued: jiff::Timestamp::now().as_second(),
            source_identity: None,
        }
    }
}

impl Statement {
    fn matches(&self, request: &Request<'_>, principal_tags: &BTreeMap<String, String>) -> bool {
        self.concerns(request) && self.conditions.iter().all(|(key, wanted)| holds(key, wanted, request.context, principal_tags))
    }

    /// Whether action and resource match, whatever the conditions say.
    fn concerns(&self, request: &Request<'_>) -> bool {
        self.actions.iter().any(|pattern| matches_pattern(&pattern.to_lowercase(), &request.action.to_lowercase()))
            && self.resources.iter().any(|pattern| matches_pattern(pattern, request.resource))
    }

    /// The keys of its conditions, and of the variables in them, that a context lacks.
    fn missing(&self, context: &BTreeMap<String, String>) -> Vec<String> {
        let variable = |wanted: &str| wanted.strip_prefix("${")?.strip_suffix('}').map(str::to_owned);
        let keys = self.conditions.iter().flat_map(|(key, wanted)| [Some(key.clone()), variable(wanted)]);
        keys.flatten().filter(|key| !context.contains_key(key)).collect()
    }
}

fn holds(key: &str, wanted: &str, context: &BTreeMap<String, String>, tags: &BTreeMap<String, String>) -> bool {
    let wanted = match wanted.strip_prefix("${aws:PrincipalTag/").and_then(|rest| rest.strip_suffix('}')) {
        // A variable without a value never matches.
        Some(tag) => match tags.get(tag) {
            Some(value) => value.clone(),
            None => return false,
        },
        None => wanted.to_owned(),
    };
    context.get(key).is_some_and(|value| matches_pattern(&wanted, value))
}

/// Matches IAM wildcards: `*` any text, `?` one character.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let rest = &pattern[1..];
            rest.is_empty()
                || text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches_pattern(rest, &text[at..]))
        }
        (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
            matches_pattern(&pattern[wanted.len_utf8()..], &text[found.len_utf8()..])
        }
        _ => false,
    }
}

impl Policy {
    /// The shared role's policy: what its Terraform grants, and no more.
    fn shared_role() -> Self {
        let own_task = |key: &str| (format!("{key}/username"), "${aws:PrincipalTag/username}".to_owned());
        let task = format!("arn:aws:ecs:*:{ACCOUNT}:task/*");
        Self(vec![
            allow(&["ecs:ExecuteCommand"], &[&format!("arn:aws:ecs:*:{ACCOUNT}:cluster/{CLUSTER}")]),
            allow(&["ecs:ExecuteCommand", "ecs:StopTask"], &["*"]).when(own_task("ecs:ResourceTag")),
            allow(&["ecs:DescribeTasks", "ecs:ListTasks", "ecs:DescribeTaskDefinition"], &["*"]),
            allow(&["ssm:StartSession"], &[&task, "arn:aws:ssm:*:*:document/AWS-StartInteractiveCommand"]),
            allow(&["ssmmessages:OpenDataChannel"], &["*"]),
            allow(&["kms:Decrypt", "kms:GenerateDataKey"], &["*"]),
        ])
    }

    /// What an audit reads, and nothing else.
    fn auditor() -> Self {
        Self(vec![
            allow(&["logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:GetLogEvents", "kms:Decrypt"], &["*"]),
            allow(&["cloudtrail:LookupEvents", "cloudtrail:DescribeTrails"], &["*"]),
            allow(&["cloudtrail:GetTrailStatus", "cloudtrail:ListPublicKeys"], &["*"]),
            allow(&["ssm:DescribeSessions", "ecs:Describe*", "ecs:List*"], &["*"]),
            allow(&["s3:ListBucket", "s3:ListBucketVersions", "s3:GetObject", "s3:GetObjectVersion"], &["*"]),
            allow(&["s3:GetObjectRetention", "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration"], &["*"]),
            allow(&["s3:GetBucketObjectLockConfiguration", "s3:GetBucketLocation"], &["*"]),
            allow(&["iam:SimulatePrincipalPolicy", "iam:GetRole"], &["*"]),
        ])
    }

    fn everything() -> Self {
        Self(vec![allow(&["*"], &["*"])])
    }

    /// The task role's policy: what the agent and its logs need.
    fn task_role() -> Self {
        Self(vec![allow(&["ssmmessages:*", "kms:Decrypt", "logs:*", "s3:*"], &["*"])])
    }

    /// Decides as the policy simulator does: principal tags are only known from the context.
    pub(crate) fn decide(&self, action: &str, resource: &str, context: &BTreeMap<String, String>) -> Decision {
        let tags: BTreeMap<String, String> = context
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("aws:PrincipalTag/")?.to_owned(), value.clone())))
            .collect();
        let request = Request { action, resource, context };
        let any = |allow: bool| self.0.iter().any(|it| it.allow == allow && it.matches(&request, &tags));
        let conditional = self.0.iter().filter(|it| it.concerns(&request));
        let mut missing: Vec<String> = conditional.flat_map(|it| it.missing(context)).collect();
        missing.sort();
        missing.dedup();
        Decision { outcome: (any(true), any(false)), missing }
    }

    fn of(profile: Profile) -> Self {
        match profile {
            Profile::Rosa => Self::shared_role(),
            Profile::Granted => Self::everything(),
        }
    }

    /// Adds a deny of actions on all resources.
    pub(crate) fn deny(&mut self, actions: &[&str]) {
        self.0.push(Statement { allow: false, ..allow(actions, &["*"]) });
    }

    /// Adds an allow of actions on all resources.
    pub(crate) fn allow(&mut self, actions: &[&str]) {
        self.0.push(allow(actions, &["*"]));
    }
}

fn allow(actions: &[&str], resources: &[&str]) -> Statement {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Statement { allow: true, actions: owned(actions), resources: owned(resources), conditions: Vec::new() }
}

impl Statement {
    fn when(mut self, condition: (String, String)) -> Self {
        self.conditions.push(condition);
        self
    }
}

/// All who may call, by access key.
#[derive(Debug)]
pub(crate) struct Principals {
    profile: Profile,
    auditor: Mutex<Policy>,
    by_key: Mutex<HashMap<String, Principal>>,
}

impl Principals {
    pub(crate) fn new(profile: Profile) -> Self {
        Self { profile, auditor: Mutex::new(Policy::auditor()), by_key: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn find(&self, access_key: &str) -> Option<Principal> {
        self.keys().get(access_key).cloned()
    }

    /// The policy of a role or user by its ARN.
    pub(crate) fn policy_of(&self, arn: &str) -> Option<Policy> {
        if arn == task_role_arn() {
            return Some(Policy::task_role());
        }
        let session_of = arn.replacen("arn:aws:iam:", "arn:aws:sts:", 1).replacen(":role/", ":assumed-role/", 1) + "/";
        let keys = self.keys();
        keys.values().find(|it| it.arn == arn || it.arn.starts_with(&session_of)).map(|it| it.policy.clone())
    }

    /// Makes a session of the shared role.
    pub(crate) fn assume_shared_role(&self, session_name: &str, tags: BTreeMap<String, String>, seconds: i64) -> Principal {
        let expires = jiff::Timestamp::now().as_second() + seconds;
        self.add(Principal::assumed_role(SHARED_ROLE, session_name, tags, Policy::of(self.profile), expires))
    }

    /// Makes a session of the auditor's role.
    pub(crate) fn assume_auditor(&self) -> Principal {
        let policy = self.auditor.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let expires = jiff::Timestamp::now().as_second() + 12 * 3600;
        self.add(Principal::assumed_role(AUDITOR_ROLE, "audit-bridge", BTreeMap::new(), policy, expires))
    }

    /// Denies actions to the auditor, with every credential of his.
    pub(crate) fn deny_auditor(&self, actions: &[&str]) {
        self.auditor.lock().unwrap_or_else(PoisonError::into_inner).deny(actions);
        let part = format!(":assumed-role/{AUDITOR_ROLE}/");
        self.keys().values_mut().filter(|it| it.arn.contains(&part)).for_each(|auditor| auditor.policy.deny(actions));
    }

    /// Notes who a session says that it stands for.
    pub(crate) fn set_source_identity(&self, access_key: &str, source: &str) {
        if let Some(principal) = self.keys().get_mut(access_key) {
            principal.source_identity = Some(source.to_owned());
        }
    }

    /// Makes an IAM user who may do nothing but assume roles.
    pub(crate) fn add_user(&self, name: &str) -> Principal {
        self.add(Principal {
            arn: format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
            user_id: format!("AIDA{}", &random::hex_id::<9>()[..17].to_uppercase()),
            access_key: format!("AKIA{}", random::hex_id::<8>().to_uppercase()),
            secret: random::hex_id::<20>(),
            session_token: None,
            tags: BTreeMap::new(),
            policy: Policy(vec![allow(&["sts:AssumeRole", "sts:TagSession"], &["*"])]),
            expires: None,
            issued: jiff::Timestamp::now().as_second(),
            source_identity: None,
        })
    }

    /// Changes the policy of all principals, as an administrator would.
    pub(crate) fn change_policies(&self, change: impl Fn(&mut Policy)) {
        self.keys().values_mut().for_each(|principal| change(&mut principal.policy));
    }

    /// Makes every issued credential expire now.
    pub(crate) fn expire_all(&self) {
        self.keys().values_mut().for_each(|principal| principal.expires = Some(0));
    }

    fn add(&self, principal: Principal) -> Principal {
        self.keys().insert(principal.access_key.clone(), principal.clone());
        principal
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<String, Principal>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sre(username: &str) -> Principal {
        let tags = BTreeMap::from([("username".to_owned(), username.to_owned())]);
        Principals::new(Profile::Rosa).assume_shared_role(username, tags, 3600)
    }

    fn ask(principal: &Principal, action: &str, resource: &str, context: &[(&str, &str)]) -> Result<(), Denied> {
        let context = context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        principal.authorise(&Request { action, resource, context: &context })
    }

    const TASK: &str = "arn:aws:ecs:us-east-2:123456789012:task/rosa-boundary-dev/abc";

    #[test]
    fn only_the_tagged_owner_may_execute() {
        let own = [("ecs:ResourceTag/username", "alice")];
        assert_eq!(ask(&sre("alice"), "ecs:ExecuteCommand", TASK, &own), Ok(()));
        assert!(ask(&sre("bob"), "ecs:ExecuteCommand", TASK, &own).is_err());
        assert!(ask(&sre("alice"), "ecs:ExecuteCommand", TASK, &[]).is_err());
    }

    #[test]
    fn a_refusal_reads_like_aws() {
        let Err(Denied(text)) = ask(&sre("alice"), "ssm:TerminateSession", "arn:aws:ssm:us-east-2:1:session/x", &[]) else {
            panic!("the shared role may not terminate");
        };
        assert_eq!(
            text,
            "User: arn:aws:sts::123456789012:assumed-role/rosa-boundary-dev-sre-shared/alice is not authorized to perform: \
             ssm:TerminateSession on resource: arn:aws:ssm:us-east-2:1:session/x because no identity-based policy allows the \
             ssm:TerminateSession action"
        );
    }

    #[test]
    fn a_deny_beats_every_allow() {
        let principals = Principals::new(Profile::Granted);
        let key = principals.assume_shared_role("alice", BTreeMap::new(), 60).access_key;
        principals.change_policies(|policy| policy.deny(&["ecs:*"]));
        let denied = ask(&principals.find(&key).unwrap(), "ecs:ListTasks", "*", &[]);
        assert!(denied.is_err_and(|Denied(text)| text.contains("explicit deny")));
    }

    #[test]
    fn a_simulation_tells_which_context_it_misses() {
        let policy = Policy::shared_role();
        let decide = |context: &[(&str, &str)]| {
            let context = context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let decision = policy.decide("ecs:ExecuteCommand", TASK, &context);
            (decision.word(), decision.missing.join(" "))
        };
        let (tag, principal) = (("ecs:ResourceTag/username", "alice"), ("aws:PrincipalTag/username", "alice"));
        assert_eq!(decide(&[tag]), ("implicitDeny", "aws:PrincipalTag/username".to_owned()));
        assert_eq!(decide(&[tag, principal]), ("allowed", String::new()));
        assert_eq!(decide(&[tag, ("aws:PrincipalTag/username", "bob")]), ("implicitDeny", String::new()));
    }

    #[test]
    fn wildcards_match_as_in_policies() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("arn:*:task/*", "arn:aws:ecs:r:1:task/c/x", true),
            ("arn:*:task/*", "arn:aws:ecs:r:1:cluster/c", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
