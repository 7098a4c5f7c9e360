//! What kept a scan from being whole, in words and classes. Every remote text in it is harmless to print.

use crate::facts::Place;
use aws_identity::{Caller, Refusal, RefusalKind};
use cli_kit::printable;
use std::collections::HashSet;
use std::fmt;

/// How many distinct troubles of one scan are told; a broken cluster repeats itself.
const TOLD: usize = 5;

/// One thing that could not be learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// AWS, or the way to it, refused.
    Refused(Refusal),
    /// AWS answered, but not what was asked for.
    Answer {
        /// The call.
        call: &'static str,
        /// What it answered; sanitised.
        said: String,
    },
    /// So many task definitions are left for the next scan.
    DefinitionsLeft(usize),
}

impl Trouble {
    /// A refusal; what AWS did not say of caller and resource is filled in with what we know.
    pub(super) fn refused(mut refusal: Refusal, caller: &Caller, place: &Place) -> Self {
        let Place { partition, account, region, ecs_cluster } = place;
        refusal.principal.get_or_insert_with(|| printable(&caller.arn, 300));
        refusal
            .resource
            .get_or_insert_with(|| printable(&format!("arn:{partition}:ecs:{region}:{account}:cluster/{ecs_cluster}"), 300));
        if refusal.kind == RefusalKind::Denied {
            refusal.missing.get_or_insert_with(|| refusal.call.to_owned());
        }
        Self::Refused(refusal)
    }

    /// An answer that cannot be used.
    pub(super) fn answer(call: &'static str, said: &str) -> Self {
        Self::Answer { call, said: printable(said, 300) }
    }

    /// What is told but for the request's id, by which the same trouble would differ from itself.
    fn without_request_id(&self) -> String {
        match self {
            Self::Refused(refusal) => Refusal { request_id: None, ..refusal.clone() }.to_string(),
            Self::Answer { .. } | Self::DefinitionsLeft(_) => self.to_string(),
        }
    }

    /// Whether AWS no longer takes the credentials, so that others must be found.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Refused(refusal) if matches!(refusal.kind, RefusalKind::Expired | RefusalKind::Credentials))
    }

    /// Whether AWS says that there is no such cluster, or no longer.
    pub(super) fn is_no_cluster(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == "ClusterNotFoundException")
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "failed to {refusal}"),
            Self::DefinitionsLeft(left) => write!(f, "{left} task definitions are left for the next scan"),
            Self::Answer { call, said } => write!(f, "failed to use the answer of {call}: {said}"),
        }
    }
}

/// Tells troubles in one line, each but once; nothing when there are none.
pub(super) fn told(troubles: &[Trouble]) -> Option<String> {
    let mut seen = HashSet::new();
    let distinct: Vec<&Trouble> = troubles.iter().filter(|trouble| seen.insert(trouble.without_request_id())).collect();
    let mut told: Vec<String> = distinct.iter().take(TOLD).map(ToString::to_string).collect();
    if distinct.len() > TOLD {
        told.push(format!("and {} more", distinct.len() - TOLD));
    }
    Some(told.join("; ")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str, kind: RefusalKind, request_id: &str) -> Refusal {
        Refusal {
            call: "ecs:DescribeTasks",
            code: code.to_owned(),
            message: "no".to_owned(),
            request_id: Some(request_id.to_owned()),
            http_status: Some(400),
            principal: None,
            resource: None,
            missing: None,
            kind,
        }
    }

    fn trouble(code: &str, kind: RefusalKind, request_id: &str) -> Trouble {
        let caller =
            Caller { account: "1".to_owned(), arn: "arn:aws:sts::1:assumed-role/r/s".to_owned(), user_id: String::new() };
        let place = |text: &str| text.to_owned();
        let place = Place { partition: place("aws"), account: place("1"), region: place("eu-west-1"), ecs_cluster: place("c") };
        Trouble::refused(refusal(code, kind, request_id), &caller, &place)
    }

    #[test]
    fn who_what_and_which_permission_are_told_even_when_aws_is_short() {
        let told = told(&[trouble("AccessDeniedException", RefusalKind::Denied, "1")]).unwrap();
        assert_eq!(
            told,
            "failed to call ecs:DescribeTasks as arn:aws:sts::1:assumed-role/r/s on arn:aws:ecs:eu-west-1:1:cluster/c: \
             the permission ecs:DescribeTasks is missing: AccessDeniedException: no (request id 1)"
        );
    }

    #[test]
    fn a_trouble_is_told_once_and_many_are_counted() {
        assert_eq!(told(&[]), None);
        let same: Vec<_> = (0..9).map(|at| trouble("Same", RefusalKind::Service, &at.to_string())).collect();
        assert_eq!(told(&same).unwrap().matches("Same").count(), 1);
        let many: Vec<_> = (0..9).map(|at| trouble(&format!("E{at}"), RefusalKind::Service, "1")).collect();
        let told = told(&many).unwrap();
        assert!(told.contains("E4") && !told.contains("E5") && told.ends_with("; and 4 more"), "{told}");
    }

    #[test]
    fn stale_credentials_and_a_lost_cluster_are_known() {
        assert!(trouble("ExpiredTokenException", RefusalKind::Expired, "1").is_stale());
        assert!(!trouble("AccessDeniedException", RefusalKind::Denied, "1").is_stale());
        assert!(trouble("ClusterNotFoundException", RefusalKind::NotFound, "1").is_no_cluster());
    }

    #[test]
    fn a_strange_answer_cannot_move_the_cursor() {
        let shown = Trouble::answer("ecs:DescribeTasks", "reason \u{1b}[2J\n\u{202e}").to_string();
        assert!(!shown.chars().any(char::is_control) && !shown.contains('\u{202e}'), "{shown:?}");
    }
}
