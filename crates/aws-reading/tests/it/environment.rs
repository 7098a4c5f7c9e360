//! Endpoints as an SDK client takes them from environment and profile; each case is a process of its own.

use aws_identity::{Settings, load};
use aws_reading::{Endpoints, Service};
use tokio::process::Command;

const MARK: &str = "PROBE ";

/// Not a test: what a child does.
#[tokio::test]
#[ignore = "run by the others, with an environment"]
async fn probe() {
    let endpoints = Endpoints::of(load(&Settings::default()).await.unwrap().config());
    for service in [Service::Logs, Service::CloudTrail] {
        println!("{MARK}{}", endpoints.regional(service, "us-east-2"));
    }
    println!("{MARK}{}", endpoints.object("abc", "us-east-2", "k"));
}

/// The URLs of logs, of CloudTrail and of an object.
async fn urls(config: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["environment::probe", "--exact", "--ignored", "--nocapture", "--test-threads=1"]).env_clear();
    command.env("HOME", home.path()).env("AWS_CONFIG_FILE", file).env("AWS_REGION", "us-east-2");
    let output = command.envs(variables.iter().copied()).kill_on_drop(true).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // The harness's own text stands before the first mark in the same line.
    let urls = text.lines().filter_map(|line| Some(line.split_once(MARK)?.1.to_owned())).collect::<Vec<_>>();
    assert_eq!(urls.len(), 3, "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    urls
}

#[tokio::test]
async fn a_services_own_url_wins_over_the_one_of_all() {
    let all = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    assert_eq!(urls("", &[all]).await, ["http://127.0.0.1:1/", "http://127.0.0.1:1/", "http://127.0.0.1:1/abc/k"]);
    let own =
        [all, ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:2/"), ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:3/x/")];
    assert_eq!(urls("", &own).await, ["http://127.0.0.1:2/", "http://127.0.0.1:1/", "http://127.0.0.1:3/x/abc/k"]);
}

#[tokio::test]
async fn a_profile_can_say_it_too() {
    let config = "[profile p]\nservices = lab\nuse_fips_endpoint = true\n[services lab]\ncloudtrail =\n  endpoint_url = http://127.0.0.1:4\n";
    let urls = urls(config, &[("AWS_PROFILE", "p")]).await;
    let expected =
        ["https://logs-fips.us-east-2.amazonaws.com/", "http://127.0.0.1:4/", "https://abc.s3-fips.us-east-2.amazonaws.com/k"];
    assert_eq!(urls, expected);
}

#[tokio::test]
async fn variants_are_taken_from_the_environment() {
    let urls = urls("", &[("AWS_USE_DUALSTACK_ENDPOINT", "true")]).await;
    let expected = [
        "https://logs.us-east-2.api.aws/",
        "https://cloudtrail.us-east-2.api.aws/",
        "https://abc.s3.dualstack.us-east-2.amazonaws.com/k",
    ];
    assert_eq!(urls, expected);
}
