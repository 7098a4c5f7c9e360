//! The order of sources and hops, over files and environment given as data.

use std::time::UNIX_EPOCH;

use super::*;

fn keys(text: &str) -> Keys {
    let pair = |line: &str| line.trim().split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let known = |name: String| PROFILE_KEYS.into_iter().chain(VARIABLES).find(|known| **known == *name).expect("a known name");
    text.split_whitespace().filter_map(pair).map(|(key, value)| (known(key), value)).collect()
}

fn sources(environment: &str, profiles: &[(&str, &str)]) -> Sources {
    Sources {
        now: UNIX_EPOCH,
        config_file: "/var/run/.aws/config".to_owned(),
        choice: Choice::Nobody,
        profile: "default".to_owned(),
        profiles: profiles.iter().map(|(name, text)| ((*name).to_owned(), keys(text))).collect(),
        sso_sessions: BTreeMap::new(),
        environment: keys(environment),
        tokens: BTreeMap::new(),
    }
}

fn chosen(choice: Choice, profile: &str, sources: Sources) -> Sources {
    Sources { choice, profile: profile.to_owned(), ..sources }
}

fn kinds(sources: &Sources) -> Vec<LegKind> {
    describe(sources).iter().map(|step| step.kind).collect()
}

fn reason(sources: &Sources) -> String {
    match describe(sources).swap_remove(0).act {
        Act::Broken { reason, .. } => reason,
        act => panic!("{act:?}"),
    }
}

const KEYS: &str = "AWS_ACCESS_KEY_ID=AKID AWS_SECRET_ACCESS_KEY=";
const PROFILE_WITH_KEYS: &str = "aws_access_key_id=AKIDP aws_secret_access_key=";

#[test]
fn keys_of_the_environment_win_over_aws_profile_but_not_over_the_flag() {
    let world = sources(KEYS, &[("p", PROFILE_WITH_KEYS)]);
    let by_variable = describe(&chosen(Choice::Variable, "p", world.clone()));
    assert_eq!(by_variable[0].kind, LegKind::EnvironmentKeys);
    assert_eq!(by_variable[0].detail, "access key AKID; they win over AWS_PROFILE=p");
    assert_eq!(kinds(&chosen(Choice::Flag, "p", world.clone())), [LegKind::ProfileKeys]);
    assert_eq!(reason(&chosen(Choice::Variable, "q", world)), "the profile q is not there");
}

#[test]
fn hops_stand_in_the_order_in_which_they_are_gone() {
    let world = sources(
        "",
        &[
            ("c", "role_arn=arn:c source_profile=b"),
            ("b", "role_arn=arn:b source_profile=a external_id=x"),
            ("a", "web_identity_token_file=/t role_arn=arn:a"),
        ],
    );
    let steps = describe(&chosen(Choice::Variable, "c", world));
    let titles: Vec<&str> = steps.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(titles, ["web identity for role arn:a", "role arn:b", "role arn:c"]);
    assert!(steps[1].detail.ends_with("with an external id"), "{}", steps[1].detail);
}

#[test]
fn a_source_profiles_keys_win_over_its_role() {
    let source = format!("{PROFILE_WITH_KEYS} role_arn=arn:b source_profile=c");
    let world = sources("", &[("a", "role_arn=arn:a source_profile=b"), ("b", &source)]);
    assert_eq!(kinds(&chosen(Choice::Variable, "a", world)), [LegKind::ProfileKeys, LegKind::AssumeRole]);
}

#[test]
fn a_profile_may_be_its_own_source() {
    let own = format!("{PROFILE_WITH_KEYS} role_arn=arn:a source_profile=a");
    let world = sources("", &[("a", &own)]);
    assert_eq!(kinds(&chosen(Choice::Variable, "a", world)), [LegKind::ProfileKeys, LegKind::AssumeRole]);
    for (source, kind) in [
        ("Environment", LegKind::EnvironmentKeys),
        ("EcsContainer", LegKind::Container),
        ("Ec2InstanceMetadata", LegKind::Instance),
    ] {
        let named = format!("role_arn=arn:a credential_source={source}");
        let world = chosen(Choice::Variable, "a", sources("", &[("a", &named)]));
        assert_eq!(kinds(&world), [kind, LegKind::AssumeRole], "{source}");
    }
}

#[test]
fn a_profile_that_leads_nowhere_says_why() {
    let a =
        |text: &str| reason(&chosen(Choice::Variable, "a", sources("", &[("a", text), ("b", "role_arn=x source_profile=a")])));
    assert_eq!(a("role_arn=x source_profile=b"), "the source profiles lead in a circle: a → b → a");
    assert_eq!(a("role_arn=x source_profile=z"), "the profile z is named as source_profile and is not there");
    assert_eq!(
        a("role_arn=x source_profile=b credential_source=Environment"),
        "the profile a has both source_profile and credential_source"
    );
    assert!(a("role_arn=x").starts_with("the profile a has role_arn, but neither "));
    assert_eq!(a("web_identity_token_file=/t"), "the profile a has web_identity_token_file, but no role_arn");
    assert!(a("role_arn=x credential_source=Moon").contains("none of Environment"));
    let empty = chosen(Choice::Flag, "e", sources("", &[("e", "")]));
    assert_eq!(reason(&empty), "the profile e says nothing of credentials");
    let hollow = sources("", &[("a", "role_arn=x source_profile=e"), ("e", "")]);
    assert!(reason(&chosen(Choice::Variable, "a", hollow)).starts_with("the profile e says nothing of credentials"));
}

#[test]
fn without_profile_and_keys_the_surroundings_count() {
    let web = "AWS_WEB_IDENTITY_TOKEN_FILE=/t AWS_ROLE_ARN=arn:w";
    assert_eq!(kinds(&sources(web, &[("other", PROFILE_WITH_KEYS)])), [LegKind::WebIdentity]);
    assert_eq!(kinds(&sources("AWS_CONTAINER_CREDENTIALS_FULL_URI=http://x", &[])), [LegKind::Container]);
    assert_eq!(kinds(&sources("", &[])), [LegKind::Instance]);
    assert_eq!(reason(&sources("AWS_EC2_METADATA_DISABLED=TRUE", &[])), "nothing offers credentials");
    let steps = describe(&sources("AWS_WEB_IDENTITY_TOKEN_FILE=/t", &[]));
    assert!(matches!(&steps[0].act, Act::PassedOver { .. }) && steps[1].kind == LegKind::Instance, "{steps:?}");
}

#[test]
fn a_hostile_file_cannot_move_the_cursor() {
    let mut world = chosen(Choice::Variable, "a", sources("", &[("a", "role_arn=x source_profile=a aws_secret_access_key=")]));
    world.profiles.get_mut("a").unwrap().insert("aws_access_key_id", "\u{1b}[2J".to_owned());
    world.profiles.get_mut("a").unwrap().insert("role_arn", "\u{202e}\n".to_owned());
    for step in describe(&world) {
        assert!(!step.title.contains(['\u{1b}', '\u{202e}', '\n']) && !step.detail.contains('\u{1b}'), "{step:?}");
    }
}
