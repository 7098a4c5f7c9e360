//! What is read from where, and what is said when something is missing.

use std::os::unix::fs::PermissionsExt;

use crate::Probe;

const TWO_PROFILES: &str = "[default]\nregion = eu-west-1\n[profile other]\nregion = eu-west-2\n\
    aws_access_key_id = AKIDPROFILE\naws_secret_access_key = SECRETKEY\n";

async fn first_line(probe: Probe) -> String {
    probe.run().await.swap_remove(0)
}

#[tokio::test]
async fn a_missing_region_names_flag_variable_and_profile() {
    let said = first_line(Probe::new()).await;
    let expected = "load failed: find the AWS region: give --region, set AWS_REGION, \
        or add `region = …` to the profile default";
    assert_eq!(said, expected);
}

#[tokio::test]
async fn the_region_comes_from_flag_then_environment_then_profile() {
    let profile = Probe::new().config(TWO_PROFILES);
    assert_eq!(first_line(profile).await, "region=eu-west-1 profile=default may_prompt=false");
    let environment = Probe::new().config(TWO_PROFILES).set("AWS_REGION", "eu-west-3");
    assert!(first_line(environment).await.starts_with("region=eu-west-3 "));
    let fallback = Probe::new().config(TWO_PROFILES).set("AWS_DEFAULT_REGION", "eu-north-1");
    assert!(first_line(fallback).await.starts_with("region=eu-north-1 "));
    let flag = Probe::new().config(TWO_PROFILES).set("AWS_REGION", "eu-west-3").set("PROBE_REGION", "us-west-2");
    assert!(first_line(flag).await.starts_with("region=us-west-2 "));
    let empty = Probe::new().config(TWO_PROFILES).set("AWS_REGION", "").set("PROBE_REGION", "");
    assert!(first_line(empty).await.starts_with("region=eu-west-1 "));
    let hostile = Probe::new().set("AWS_REGION", "x.evil.tld/\u{1b}[2J");
    assert_eq!(first_line(hostile).await, "load failed: use x.evil.tld/\\u{1b}[2J as an AWS region");
    let other = Probe::new().config(TWO_PROFILES).set("AWS_PROFILE", "other");
    assert_eq!(first_line(other).await, "region=eu-west-2 profile=other may_prompt=false");
}

#[tokio::test]
async fn a_missing_profile_is_named_with_its_origin() {
    let said = first_line(Probe::with_keys().set("AWS_PROFILE", "nope")).await;
    assert_eq!(said, "load failed: find the AWS profile nope that AWS_PROFILE names");
    let said = first_line(Probe::with_keys().config(TWO_PROFILES).set("PROBE_PROFILE", "nope")).await;
    assert_eq!(said, "load failed: find the AWS profile nope that the --profile flag names");
}

#[tokio::test]
async fn files_that_the_environment_names_must_be_there() {
    let said = first_line(Probe::with_keys().set("AWS_CONFIG_FILE", "/nonexistent/config")).await;
    assert_eq!(said, "load failed: open /nonexistent/config, which AWS_CONFIG_FILE names");
    let web = Probe::new().set("AWS_REGION", "us-east-2").set("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token");
    assert_eq!(first_line(web).await, "load failed: open /nonexistent/token, which AWS_WEB_IDENTITY_TOKEN_FILE names");
    let unused = Probe::with_keys().set("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token");
    assert!(first_line(unused).await.starts_with("region="));
    let said = first_line(Probe::with_keys().set("AWS_CA_BUNDLE", "/nonexistent/ca.pem")).await;
    assert_eq!(said, "load failed: read the CA file /nonexistent/ca.pem");
}

#[tokio::test]
async fn the_profile_flag_wins_over_keys_in_the_environment_and_aws_profile_does_not() {
    let flag = Probe::with_keys().config(TWO_PROFILES).set("PROBE_PROFILE", "other").run().await;
    assert_eq!(flag[1], "key=AKIDPROFILE");
    let variable = Probe::with_keys().config(TWO_PROFILES).set("AWS_PROFILE", "other").run().await;
    assert_eq!(variable[1], "key=AKIDENV");
}

#[tokio::test]
async fn absent_credentials_are_said_to_be_absent() {
    let said = Probe::new().set("AWS_REGION", "us-east-2").run().await;
    assert!(said[1].starts_with("no credentials: find AWS credentials: "), "{said:?}");
}

/// Writes a credential process that counts its runs, and a profile that uses it through another.
fn with_process(body: &str) -> Probe {
    let probe = Probe::new().set("PATH", "/usr/bin:/bin").set("AWS_REGION", "us-east-2").set("PROBE_PROFILE", "chained");
    let script = probe.home().join("process");
    let runs = probe.home().join("runs");
    std::fs::write(&script, format!("#!/bin/sh\necho run >> {}\n{body}\n", runs.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let config = format!("[profile chained]\ncredential_process = {}\n", script.display());
    probe.config(&config)
}

#[tokio::test]
async fn a_credential_process_may_prompt_and_runs_once() {
    let json = r#"{"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "x", "SessionToken": "y"}"#;
    let probe = with_process(&format!("echo '{json}'"));
    let runs = probe.home().join("runs");
    let kept = tempfile::NamedTempFile::new().unwrap();
    // The home folder goes with the probe; the count is kept by a link to the same file.
    std::fs::remove_file(kept.path()).unwrap();
    std::fs::write(&runs, "").unwrap();
    std::fs::hard_link(&runs, kept.path()).unwrap();
    let said = probe.run().await;
    assert_eq!(said, ["region=us-east-2 profile=chained may_prompt=true", "key=AKIDPROCESS", "key=AKIDPROCESS"]);
    assert_eq!(std::fs::read_to_string(kept.path()).unwrap(), "run\n");
}

#[tokio::test]
async fn a_credential_process_that_fails_is_told_from_absent_credentials() {
    let said = with_process("printf 'no device\\033[2J' >&2; exit 3").run().await;
    assert!(said[1].starts_with("no credentials: get AWS credentials: "), "{said:?}");
    assert!(!said[1].contains('\u{1b}'), "{said:?}");
}

#[tokio::test]
async fn sources_of_a_profile_are_followed_and_a_circle_ends() {
    let chain = "[profile a]\nregion = eu-west-1\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = b\n\
        [profile b]\nsso_start_url = https://sso.example\n[profile x]\nregion = eu-west-1\nsource_profile = y\n\
        [profile y]\nsource_profile = x\n";
    let said = first_line(Probe::new().config(chain).set("AWS_PROFILE", "a")).await;
    assert_eq!(said, "region=eu-west-1 profile=a may_prompt=true");
    let said = first_line(Probe::new().config(chain).set("AWS_PROFILE", "x")).await;
    assert_eq!(said, "region=eu-west-1 profile=x may_prompt=false");
}
