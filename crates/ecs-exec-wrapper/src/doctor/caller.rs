//! Who we are in AWS: credentials, identity, region, clock.

use super::check::{Check, Group, Reading, Unread};
use super::query::{QueryClient, Service};
use aws_identity::{Aws, Caller, Refusal, RefusalKind};
use cli_kit::chain_text;
use jiff::{SignedDuration, Timestamp};

const GROUP: Group = Group::Caller;

/// AWS refuses a signature that is older or younger than this. Source: Signature Version 4, request expiration.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(5);

/// From here on a skew is worth a word: clocks drift.
const SKEW_NOTED: SignedDuration = SignedDuration::from_mins(1);

/// A shell that opens now wants credentials for at least this long.
const EXPIRY_NOTED: SignedDuration = SignedDuration::from_mins(15);

/// What is known of the caller.
#[derive(Debug)]
pub(super) struct CallerFacts {
    /// The profile in force.
    pub(super) profile: String,
    /// The region in force.
    pub(super) region: String,
    /// The credentials, or why there are none.
    pub(super) credentials: Result<CredentialFacts, String>,
    /// Who AWS says we are.
    pub(super) caller: Option<Result<Caller, Refusal>>,
    /// AWS's clock minus ours.
    pub(super) skew: Reading<SignedDuration>,
}

/// What may be told of credentials.
#[derive(Debug, Clone)]
pub(super) struct CredentialFacts {
    /// The access key's id, which is no secret.
    pub(super) access_key: String,
    /// When they expire, when they say so.
    pub(super) expires_at: Option<Timestamp>,
}

impl CallerFacts {
    /// Our ARN, when AWS says it.
    pub(super) fn arn(&self) -> Option<&str> {
        self.caller.as_ref().and_then(|caller| caller.as_ref().ok()).map(|caller| caller.arn.as_str())
    }
}

/// Gathers; asks STS twice: as every call of ours does, and for its clock.
pub(super) async fn gather(
    aws: &Aws,
    query: Option<&Reading<QueryClient>>,
    credentials: Result<CredentialFacts, String>,
) -> CallerFacts {
    let (profile, region) = (aws.profile().to_owned(), aws.region().to_owned());
    if credentials.is_err() {
        let skew = Err(Unread::new("without credentials AWS is not asked", "mend the credentials first"));
        return CallerFacts { profile, region, credentials, caller: None, skew };
    }
    let (caller, skew) = tokio::join!(aws.caller(), clock(query));
    CallerFacts { profile, region, credentials, caller: Some(caller), skew }
}

async fn clock(query: Option<&Reading<QueryClient>>) -> Reading<SignedDuration> {
    let undated = || Unread::new("AWS's answer has no date", "compare this machine's clock with another");
    let query = query.ok_or_else(undated)?.as_ref().map_err(Clone::clone)?;
    // A refusal has a date as well.
    query.ask(Service::Sts, "GetCallerIdentity", &[]).await?.skew.ok_or_else(undated)
}

/// Reads what may be told of the credentials.
pub(super) async fn credentials(aws: &Aws) -> (Option<aws_credential_types::Credentials>, Result<CredentialFacts, String>) {
    match aws.credentials().await {
        Ok(credentials) => {
            let expires_at = credentials.expiry().and_then(|at| Timestamp::try_from(at).ok());
            let facts = CredentialFacts { access_key: credentials.access_key_id().to_owned(), expires_at };
            (Some(credentials), Ok(facts))
        }
        Err(error) => (None, Err(chain_text(&error))),
    }
}

/// Judges. `wanted` is the task that a shell is wanted in: its region and account.
pub(super) fn checks(facts: &CallerFacts, wanted: Option<(&str, &str)>, now: Timestamp) -> Vec<Check> {
    let mut checks = vec![loaded(facts)];
    checks.extend(facts.credentials.as_ref().ok().map(|credentials| expiry(credentials, facts, now)));
    checks.extend(facts.caller.as_ref().map(|caller| identity(caller, &facts.profile)));
    let account = facts.caller.as_ref().and_then(|caller| caller.as_ref().ok()).map(|caller| caller.account.as_str());
    checks.extend(account.zip(wanted).map(|(ours, (_, theirs))| same_account(ours, theirs)));
    checks.push(region(&facts.region, wanted.map(|(region, _)| region)));
    checks.push(skew(&facts.skew));
    checks
}

fn loaded(facts: &CallerFacts) -> Check {
    let id = "credentials";
    match &facts.credentials {
        Ok(credentials) => {
            GROUP.ok(id, format!("credentials load, access key {} (profile {})", credentials.access_key, facts.profile))
        }
        Err(why) => GROUP.failed(id, format!("failed to {why}"), log_in(&facts.profile)),
    }
}

fn log_in(profile: &str) -> String {
    format!("log in again, for example with: aws sso login --profile {profile}")
}

fn expiry(credentials: &CredentialFacts, facts: &CallerFacts, now: Timestamp) -> Check {
    let id = "credential-expiry";
    let Some(at) = credentials.expires_at else {
        // A long-term access key begins so. Source: IAM identifiers.
        return if credentials.access_key.starts_with("AKIA") {
            GROUP.ok(id, "the access key is a long-term one and does not expire")
        } else {
            let why = "where the credentials come from, their expiry is not told";
            GROUP.unknown(id, &Unread::new(why, "sessions that outlive them cannot be resumed; log in afresh before long work"))
        };
    };
    let left = at.duration_since(now);
    let when = at.strftime("%Y-%m-%d %H:%M:%S UTC");
    if left <= SignedDuration::ZERO {
        GROUP.failed(id, format!("the credentials expired at {when}"), log_in(&facts.profile))
    } else if left < EXPIRY_NOTED {
        GROUP.warning(id, format!("the credentials expire at {when}, in {}", rough(left)), log_in(&facts.profile))
    } else {
        GROUP.ok(id, format!("the credentials are valid until {when}, for {}", rough(left)))
    }
}

/// A time span as a person says it: hours and minutes, or seconds.
pub(super) fn rough(span: SignedDuration) -> String {
    let seconds = span.as_secs().unsigned_abs();
    match (seconds / 3600, seconds % 3600 / 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

fn identity(caller: &Result<Caller, Refusal>, profile: &str) -> Check {
    let id = "identity";
    let refusal = match caller {
        Ok(caller) => return GROUP.ok(id, format!("you are {}", caller.arn)),
        Err(refusal) => refusal,
    };
    match refusal.kind {
        RefusalKind::Expired => GROUP.failed(id, "AWS says that the credentials have expired", log_in(profile)),
        RefusalKind::Credentials => {
            let what = format!("AWS does not accept the credentials: {} {}", refusal.code, refusal.message);
            GROUP.failed(id, what, "use credentials of this partition and region, and see the clock")
        }
        RefusalKind::Network | RefusalKind::Timeout => {
            let what = format!("AWS cannot be reached: {}", refusal.message);
            GROUP.failed(id, what, "see DNS, HTTPS_PROXY, NO_PROXY and AWS_CA_BUNDLE of this machine")
        }
        _ => GROUP.unknown(id, &Unread::new(format!("failed to {refusal}"), "try again")),
    }
}

fn same_account(ours: &str, theirs: &str) -> Check {
    let id = "account";
    if ours == theirs {
        GROUP.ok(id, format!("the task is in your account {ours}"))
    } else {
        let what = format!("you are in the account {ours}, the task is in {theirs}");
        GROUP.failed(id, what, format!("choose a profile of the account {theirs} with --profile"))
    }
}

fn region(ours: &str, theirs: Option<&str>) -> Check {
    let id = "region";
    match theirs {
        Some(theirs) if theirs != ours => {
            GROUP.failed(id, format!("AWS is asked in {ours}, the task is in {theirs}"), format!("say --region {theirs}"))
        }
        _ => GROUP.ok(id, format!("AWS is asked in {ours}")),
    }
}

fn skew(skew: &Reading<SignedDuration>) -> Check {
    let id = "clock";
    let skew = match skew {
        Ok(skew) => *skew,
        Err(unread) => return GROUP.unknown(id, unread),
    };
    let side = if skew.is_negative() { "ahead of" } else { "behind" };
    let what = format!("this machine's clock is {} {side} AWS's", rough(skew));
    let remedy = "set the clock: AWS refuses signatures that are more than 5 min off";
    match skew.abs() {
        off if off >= SKEW_MAX => GROUP.failed(id, what, remedy),
        off if off >= SKEW_NOTED => GROUP.warning(id, what, remedy),
        off if off < SignedDuration::from_secs(2) => GROUP.ok(id, "this machine's clock is AWS's"),
        _ => GROUP.ok(id, what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn facts() -> CallerFacts {
        CallerFacts {
            profile: "default".to_owned(),
            region: "us-east-2".to_owned(),
            credentials: Ok(CredentialFacts { access_key: "ASIAX".to_owned(), expires_at: None }),
            caller: Some(Ok(Caller {
                account: "123456789012".to_owned(),
                arn: "arn:aws:sts::123456789012:assumed-role/sre/alice".to_owned(),
                user_id: String::new(),
            })),
            skew: Ok(SignedDuration::ZERO),
        }
    }

    fn verdict(facts: &CallerFacts, wanted: Option<(&str, &str)>, id: &str) -> Verdict {
        checks(facts, wanted, NOW).into_iter().find(|check| check.id == id).unwrap().verdict
    }

    fn refusal(kind: RefusalKind) -> Refusal {
        Refusal::unanswered("sts:GetCallerIdentity", kind, "")
    }

    #[test]
    fn expiry_is_judged_by_the_time_that_is_left() {
        let with = |seconds: Option<i64>, access_key: &str| {
            let expires_at = seconds.map(|seconds| Timestamp::from_second(seconds).unwrap());
            let credentials = Ok(CredentialFacts { access_key: access_key.to_owned(), expires_at });
            verdict(&CallerFacts { credentials, ..facts() }, None, "credential-expiry")
        };
        assert_eq!(with(Some(3600), "ASIA"), Verdict::Ok);
        assert_eq!(with(Some(60), "ASIA"), Verdict::Warning);
        assert_eq!(with(Some(0), "ASIA"), Verdict::Failed);
        assert_eq!(with(None, "ASIA"), Verdict::Unknown);
        assert_eq!(with(None, "AKIA"), Verdict::Ok);
    }

    #[test]
    fn a_clock_off_by_five_minutes_fails() {
        let with = |seconds| verdict(&CallerFacts { skew: Ok(SignedDuration::from_secs(seconds)), ..facts() }, None, "clock");
        assert_eq!((with(0), with(59), with(-61), with(301), with(-301)), {
            (Verdict::Ok, Verdict::Ok, Verdict::Warning, Verdict::Failed, Verdict::Failed)
        });
    }

    #[test]
    fn another_region_or_account_fails() {
        assert_eq!(verdict(&facts(), Some(("us-east-2", "123456789012")), "region"), Verdict::Ok);
        assert_eq!(verdict(&facts(), Some(("eu-west-1", "123456789012")), "region"), Verdict::Failed);
        assert_eq!(verdict(&facts(), Some(("us-east-2", "210987654321")), "account"), Verdict::Failed);
    }

    #[test]
    fn a_refused_identity_is_a_failure_but_a_broken_service_is_unknown() {
        let with = |kind| verdict(&CallerFacts { caller: Some(Err(refusal(kind))), ..facts() }, None, "identity");
        assert_eq!(with(RefusalKind::Expired), Verdict::Failed);
        assert_eq!(with(RefusalKind::Credentials), Verdict::Failed);
        assert_eq!(with(RefusalKind::Network), Verdict::Failed);
        assert_eq!(with(RefusalKind::Service), Verdict::Unknown);
    }

    #[test]
    fn without_credentials_nothing_else_is_said_to_be_well() {
        let facts = CallerFacts {
            credentials: Err("find AWS credentials".to_owned()),
            caller: None,
            skew: Err(Unread::new("denied", "x")),
            ..facts()
        };
        let said: Vec<(&str, Verdict)> = checks(&facts, None, NOW).iter().map(|check| (check.id, check.verdict)).collect();
        assert_eq!(said, [("credentials", Verdict::Failed), ("region", Verdict::Ok), ("clock", Verdict::Unknown)]);
    }
}
