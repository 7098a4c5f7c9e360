//! Whether those who open shells may also start sessions past ECS Exec and its log, by IAM's word.
//!
//! Owns whom IAM is asked about: the roles and users of the accounts' principals, each with a task that it entered. Rights that
//! hang on conditions are not seen: no condition keys are given. A refusal is told in each round until it is mended.

use super::cadence::is_due;
use super::haul::{Haul, KeepError, Ledger};
use super::place::{AwsPlace, CollectError};
use super::posture::keep_changed;
use super::troubles::{Troubles, is_of_one};
use audit_facts::{Body, Posture, PostureItem, Source};
use aws_reading::iam::Decision;
use aws_reading::{Page, ReadError};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const WHAT: &str = "policies";

/// The cursor: when IAM was last asked, and about whom.
const ASKED: &str = "asked";

/// Policies change seldom.
const EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Who has not opened a shell for so long is not asked about.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Principals that are asked about, at most; the latest are.
const PRINCIPALS_MAX: usize = 200;

const ACTION: &str = "ssm:StartSession";

/// Asks IAM, at most every hour.
///
/// # Errors
/// The worst of what was not answered; the rest was, and a refusal ends the questions.
pub(crate) async fn read(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
    let mut cursor = Cursor::of(ledger, place)?;
    if !is_due(cursor.asked, EVERY, place.now) {
        return Ok(());
    }
    cursor.meet(place, ledger)?;
    let mut troubles = Troubles::default();
    for subject in cursor.due(place.now) {
        let Some(seen) = cursor.principals.get_mut(&subject) else { continue };
        let (mut haul, task_arn) = (place.haul(Source::Ecs, WHAT), seen.task_arn.clone());
        match ask(place, ledger, &mut haul, &subject, &task_arn).await {
            Ok(()) => {}
            Err(error) if is_of_principal(&error) => troubles.note_of_one(error)?,
            Err(error) => return Err(error),
        }
        // Whoever was asked about is not the first again, whatever the answer.
        seen.asked = Some(place.now);
        haul.cursor(ASKED, json!(cursor));
        ledger.commit(haul)?;
    }
    cursor.asked = Some(place.now);
    let mut haul = place.haul(Source::Ecs, WHAT);
    haul.cursor(ASKED, json!(cursor));
    ledger.commit(haul)?;
    troubles.tell()
}

/// Whether an answer is about one principal alone: a policy that cannot be evaluated keeps no other from being asked about.
fn is_of_principal(error: &CollectError) -> bool {
    is_of_one(error) || matches!(error, CollectError::Aws(ReadError::Refused(_)))
}

/// What is known between two questions.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    asked: Option<Timestamp>,
    /// Roles and users, see [`subject_of`].
    principals: BTreeMap<String, Seen>,
}

/// The last shell of a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    at: Timestamp,
    task_arn: String,
    /// When it was last asked about.
    #[serde(default)]
    asked: Option<Timestamp>,
}

impl Cursor {
    fn of(ledger: &Ledger<'_>, place: &AwsPlace<'_>) -> Result<Self, KeepError> {
        let stored = ledger.cursor(Source::Ecs, &place.place(WHAT), ASKED)?;
        Ok(stored.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default())
    }

    /// Who is to be asked about, those that were longest not first.
    fn due(&self, now: Timestamp) -> Vec<String> {
        let due = self.principals.iter().filter(|(_, seen)| is_due(seen.asked, EVERY, now));
        let mut due: Vec<(Option<Timestamp>, &String)> = due.map(|(subject, seen)| (seen.asked, subject)).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, subject)| subject.clone()).collect()
    }

    /// Takes in who has opened shells in this account and region since, and lets go of those who have not for long.
    fn meet(&mut self, place: &AwsPlace<'_>, ledger: &Ledger<'_>) -> Result<(), KeepError> {
        // What was judged late began earlier.
        let since = self.asked.map_or(place.now - KNOWN_FOR, |asked| asked - SignedDuration::from_hours(24));
        let here = format!(":ecs:{}:{}:task/", place.source.region, place.account);
        for (arn, task_arn, at) in ledger.state.reader()?.principals(since)? {
            let subject = subject_of(&arn);
            if task_arn.contains(&here) && asked_by(&subject).is_some_and(|asked| asked.account == place.account) {
                let seen = Seen { at, task_arn, asked: None };
                let known = self.principals.entry(subject).or_insert_with(|| seen.clone());
                if known.at < seen.at {
                    *known = Seen { asked: known.asked, ..seen };
                }
            }
        }
        // Who may is asked about until he may no more.
        let standing = standing(ledger)?;
        self.principals.retain(|subject, seen| seen.at >= place.now - KNOWN_FOR || standing.contains(subject));
        let mut times: Vec<Timestamp> = self.principals.values().map(|seen| seen.at).collect();
        times.sort_unstable_by(|one, other| other.cmp(one));
        if let Some(last) = times.get(PRINCIPALS_MAX - 1) {
            self.principals.retain(|subject, seen| seen.at >= *last || standing.contains(subject));
        }
        Ok(())
    }
}

/// Those of whom the last answer was that they may.
fn standing(ledger: &Ledger<'_>) -> Result<BTreeSet<String>, KeepError> {
    let mut last: BTreeMap<String, (Timestamp, bool)> = BTreeMap::new();
    for fact in ledger.state.places()?.facts {
        if let Body::Posture(Posture { at, subject, item: PostureItem::UnloggedStart { allowed, .. } }) = fact.body {
            let known = last.entry(subject).or_insert((at, allowed));
            *known = (at, allowed).max(*known);
        }
    }
    Ok(last.into_iter().filter(|(_, (_, allowed))| *allowed).map(|(subject, _)| subject).collect())
}

/// Asks about one principal and keeps what is news.
async fn ask(
    place: &AwsPlace<'_>,
    ledger: &mut Ledger<'_>,
    haul: &mut Haul,
    subject: &str,
    task_arn: &str,
) -> Result<(), CollectError> {
    let Some(asked) = asked_by(subject) else { return Ok(()) };
    let (allowed, answers) = match simulated(place, &asked, task_arn).await {
        Ok((decision, page)) => (decision == Decision::Allowed, json!({"simulation": body_text(&page)})),
        // Who is gone may do nothing.
        Err(ReadError::NotFound(refusal)) => (false, json!({"__type": refusal.code, "message": refusal.message})),
        Err(error) => return Err(error.into()),
    };
    let request = json!({"call": "iam:SimulatePrincipalPolicy", "principal": subject, "action": ACTION, "resource": task_arn});
    let body = json!({"request": request, "answer": answers}).to_string();
    let shown_by = "IAM's policy simulation".to_owned();
    let item = PostureItem::UnloggedStart { shown_by, allowed };
    let reading = haul.reading(body.as_bytes());
    let mut news = vec![reading.fact(Body::Posture(Posture { at: place.now, subject: subject.to_owned(), item }))];
    keep_changed(&mut news, ledger)?;
    for fact in news {
        haul.keep(ledger, body.as_bytes(), request.clone())?;
        haul.add(fact);
    }
    Ok(())
}

/// Asks by the ARN without a path, and where there is no such role by the one that IAM tells.
async fn simulated(place: &AwsPlace<'_>, asked: &Asked, task_arn: &str) -> Result<(Decision, Page), ReadError> {
    let first = match &asked.role {
        // Roles of IAM Identity Center always have a path.
        Some(role) if role.starts_with("AWSReservedSSO_") => None,
        _ => Some(place.reader.simulate(&asked.arn, ACTION, task_arn).await),
    };
    let answered = match (first, &asked.role) {
        (Some(Err(ReadError::NotFound(_))) | None, Some(role)) => {
            let arn = place.reader.role_arn(role).await?.facts;
            place.reader.simulate(&arn, ACTION, task_arn).await?
        }
        (Some(answer), _) => answer?,
        (None, None) => place.reader.simulate(&asked.arn, ACTION, task_arn).await?,
    };
    Ok((answered.facts, answered.page))
}

fn body_text(page: &Page) -> Value {
    Value::from(String::from_utf8_lossy(&page.body))
}

/// What of a caller has policies: of an assumed role the part before the session's name.
pub(super) fn subject_of(caller_arn: &str) -> String {
    let role = caller_arn.contains(":assumed-role/").then(|| caller_arn.rsplit_once('/')).flatten();
    role.map_or(caller_arn, |(role, _)| role).to_owned()
}

/// Whom IAM is asked about.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    arn: String,
    account: String,
    /// The role's name.
    role: Option<String>,
}

/// Whom IAM is asked about for a subject; none for what has no policies of its own, such as the root user.
fn asked_by(subject: &str) -> Option<Asked> {
    let parts: Vec<&str> = subject.splitn(6, ':').collect();
    let ["arn", partition, service, "", account, name] = parts[..] else { return None };
    let account = account.to_owned();
    match (service, name.split_once('/')?) {
        ("sts", ("assumed-role", role)) => {
            Some(Asked { arn: format!("arn:{partition}:iam::{account}:role/{role}"), account, role: Some(role.to_owned()) })
        }
        ("iam", ("user", _)) => Some(Asked { arn: subject.to_owned(), account, role: None }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_longest_not_asked_about_is_the_first() {
        let at = |minute: i64| Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap();
        let seen = |asked: Option<i64>| Seen { at: at(0), task_arn: "t".to_owned(), asked: asked.map(at) };
        let all = [("a", Some(30)), ("b", Some(5)), ("c", None), ("d", Some(10))];
        let principals = all.into_iter().map(|(name, asked)| (name.to_owned(), seen(asked))).collect();
        let cursor = Cursor { asked: None, principals };
        assert_eq!(cursor.due(at(70)), ["c", "b", "d"], "who was asked about within the hour is not");
    }

    #[test]
    fn a_sessions_role_is_asked_about_and_a_user_is() {
        let subject = subject_of("arn:aws-us-gov:sts::123456789012:assumed-role/sre/alice=s_1234567890");
        assert_eq!(subject, "arn:aws-us-gov:sts::123456789012:assumed-role/sre");
        let asked = asked_by(&subject).unwrap();
        assert_eq!(asked.arn, "arn:aws-us-gov:iam::123456789012:role/sre");
        assert_eq!((asked.account.as_str(), asked.role.as_deref()), ("123456789012", Some("sre")));
        let user = "arn:aws:iam::123456789012:user/ops/alice";
        assert_eq!(asked_by(&subject_of(user)).unwrap().arn, user);
        for other in ["arn:aws:iam::123456789012:root", "arn:aws:sts::123456789012:federated-user/x", "", "alice"] {
            assert_eq!(asked_by(&subject_of(other)), None, "{other}");
        }
    }
}
