//! The users' own chain: a web identity token, a role in the cluster's account, a role in the assets' account; and each way
//! in which it goes wrong.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Probe;
use crate::server::Server;
use crate::sts::{Verdict, at, calls, denied, sts};

const SOURCE_ROLE: &str = "arn:aws:iam::946429944765:role/acme-list-bucket-role";
const ASSET_ROLE: &str = "arn:aws:iam::524112250363:role/acme-list-bucket-role";
const SUBJECT: &str = "system:serviceaccount:domino-compute:run-646d27b817c28b5ea4b5b0c1";

/// The claims of the users' token, expiring when told.
pub(crate) fn token(expires_at: u64) -> String {
    let claims = format!(
        "{{\"aud\":[\"sts.amazonaws.com\"],\"exp\":{expires_at},\"iat\":1684944336,\
         \"iss\":\"https://oidc.eks.us-west-2.amazonaws.com/id/6377798F\",\"sub\":\"{SUBJECT}\",\
         \"https://aws.amazon.com/tags\":{{\"principal_tags\":{{\"username\":[\"alice\"]}}}}}}"
    );
    format!("eyJhbGciOiJSUzI1NiJ9.{}.U0lHTkFUVVJF", URL_SAFE_NO_PAD.encode(claims))
}

/// Far in the future.
pub(crate) const LATER: u64 = 4_000_000_000;

/// Writes the file that the side-car writes, and the token that kubelet writes.
pub(crate) fn users_world(server: &Server, token: &str) -> Probe {
    let probe = at(Probe::new(), server);
    let (config, token_file) = (probe.home().join("config"), probe.home().join("token"));
    let mut text = String::new();
    for role in ["acme-update-bucket-role", "acme-read-bucket-role", "acme-list-bucket-role"] {
        text.push_str(&format!(
            "[profile {role}]\nsource_profile = src_{role}\nrole_arn=arn:aws:iam::524112250363:role/{role}\n\
             [profile src_{role}]\nweb_identity_token_file = {}\nrole_arn=arn:aws:iam::946429944765:role/{role}\n",
            token_file.display()
        ));
    }
    std::fs::write(&config, text).unwrap();
    std::fs::write(&token_file, token).unwrap();
    probe.set("AWS_CONFIG_FILE", config).set("AWS_WEB_IDENTITY_TOKEN_FILE", token_file)
}

fn legs(server: &Server, token: &str) -> Probe {
    users_world(server, token).set("AWS_PROFILE", "acme-list-bucket-role").set("PROBE_LEGS", "1")
}

fn has(said: &[String], parts: &[&str]) -> bool {
    said.iter().any(|line| parts.iter().all(|part| line.contains(part)))
}

#[tokio::test]
async fn each_hop_says_who_it_makes_us() {
    let mut server = sts(|_| Verdict::Grant).await;
    let said = legs(&server, &token(LATER)).run().await;
    assert_eq!(said.len(), 4, "{said:#?}");
    let web_identity = &said[0];
    assert!(
        web_identity
            .starts_with(&format!("leg WebIdentity | web identity for role {SOURCE_ROLE} | profile src_acme-list-bucket-role, "))
    );
    let claims = format!(
        "iss https://oidc.eks.us-west-2.amazonaws.com/id/6377798F, sub {SUBJECT}, aud sts.amazonaws.com, iat 2023-05-24T16:05:36Z, exp 2096-10-02T07:06:40Z"
    );
    assert!(web_identity.ends_with(&claims), "{web_identity}");
    assert_eq!(said[1], "passed arn:aws:sts::946429944765:assumed-role/acme-list-bucket-role/session");
    assert!(said[2].starts_with(&format!("leg AssumeRole | role {ASSET_ROLE} | profile acme-list-bucket-role, ")), "{}", said[2]);
    assert_eq!(said[3], "passed arn:aws:sts::524112250363:assumed-role/acme-list-bucket-role/session");
    assert!(!said.iter().any(|line| line.contains("eyJ") || line.contains("U0lHTkFUVVJF")), "{said:#?}");
    let calls = calls(&mut server);
    assert_eq!(calls[0].get("WebIdentityToken"), Some(token(LATER).as_str()));
    assert_eq!((calls[0].action(), calls[0].key_id.as_deref()), ("AssumeRoleWithWebIdentity", None));
    assert_eq!((calls[1].action(), calls[1].key_id.as_deref()), ("AssumeRole", Some("ASIA.946429944765.acme-list-bucket-role")));
}

#[tokio::test]
async fn a_side_car_that_wrote_no_file_is_told_by_variable_and_path() {
    let server = sts(|_| Verdict::Grant).await;
    let said = legs(&server, &token(LATER)).set("AWS_CONFIG_FILE", "/nonexistent/.aws/config").run().await;
    assert!(said[1].starts_with("failed open /nonexistent/.aws/config, which AWS_CONFIG_FILE names: "), "{said:#?}");
    assert!(has(&said, &["cause ", "side-car", "did not run or failed"]), "{said:#?}");
    assert!(!has(&said, &["cannot be read either"]), "{said:#?}");
}

#[tokio::test]
async fn a_pod_without_the_mutation_lacks_file_and_token() {
    let server = sts(|_| Verdict::Grant).await;
    let probe = legs(&server, &token(LATER)).set("AWS_CONFIG_FILE", "/nonexistent/.aws/config");
    let said = probe.set("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token").run().await;
    assert!(has(&said, &["cause ", "/nonexistent/token cannot be read either", "mutation"]), "{said:#?}");
}

#[tokio::test]
async fn a_token_that_is_not_mounted_fails_the_first_leg_only() {
    let mut server = sts(|_| Verdict::Grant).await;
    let probe = legs(&server, "");
    std::fs::remove_file(probe.home().join("token")).unwrap();
    let said = probe.run().await;
    assert!(has(&said, &["leg WebIdentity", "unreadable: No such file"]), "{said:#?}");
    assert!(has(&said, &["failed read the token file ", "No such file"]), "{said:#?}");
    assert!(has(&said, &["cause ", "not mounted"]) && said.last().unwrap() == "not tried", "{said:#?}");
    assert_eq!(calls(&mut server).len(), 0);
}

/// AWS refuses a permission that lacks in one account and a trust that lacks in the other in the same words.
#[tokio::test]
async fn a_refused_second_hop_names_both_accounts_policies() {
    let server = sts(|call| if call.action() == "AssumeRole" { denied(call, "sts:AssumeRole") } else { Verdict::Grant }).await;
    let said = legs(&server, &token(LATER)).run().await;
    assert!(said[1].starts_with("passed "), "{said:#?}");
    let caller = "arn:aws:iam::946429944765:role/acme-list-bucket-role";
    let refused = format!(
        "failed call sts:AssumeRole as arn:aws:sts::946429944765:assumed-role/acme-list-bucket-role/session on {ASSET_ROLE}"
    );
    assert!(said[3].starts_with(&refused), "{said:#?}");
    let permission = format!("the policies of {caller} (account 946429944765) do not permit sts:AssumeRole on {ASSET_ROLE}");
    let trust = format!("the trust policy of {ASSET_ROLE} (account 524112250363) does not name {caller}");
    assert!(has(&said, &["cause ", &permission]) && has(&said, &["cause ", &trust]), "{said:#?}");
    assert!(has(&said, &["\"Principal\":{\"AWS\":\"arn:aws:iam::946429944765:role/acme-list-bucket-role\"}"]), "{said:#?}");
}

#[tokio::test]
async fn a_trust_policy_without_this_run_is_told_with_subject_and_audience() {
    let refuse = |_: &_| Verdict::Refuse("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned());
    let server = sts(refuse).await;
    let said = legs(&server, &token(LATER)).run().await;
    assert!(said[1].starts_with("failed call sts:AssumeRoleWithWebIdentity: AccessDenied: "), "{said:#?}");
    let conditions = format!("do not fit sub {SUBJECT} and aud sts.amazonaws.com");
    let trust = format!(
        "cause the trust policy of {SOURCE_ROLE} does not name the provider oidc.eks.us-west-2.amazonaws.com/id/6377798F"
    );
    assert!(said[2].starts_with(&trust) && said[2].ends_with(&conditions), "{said:#?}");
    assert!(has(&said, &["cause account 946429944765 has no OpenID provider for "]), "{said:#?}");
    assert_eq!(said.last().unwrap(), "not tried");
}

#[tokio::test]
async fn an_expired_token_is_told_with_its_time() {
    let server = sts(|_| Verdict::Refuse("ExpiredTokenException", "Token expired".to_owned())).await;
    let said = legs(&server, &token(1_685_030_736)).run().await;
    assert!(has(&said, &["leg WebIdentity", "exp 2023-05-25T16:05:36Z (expired)"]), "{said:#?}");
    assert!(said[2].starts_with("cause the token expired at 2023-05-25T16:05:36Z"), "{said:#?}");
    assert!(has(&said, &["cause the trust policy of "]), "{said:#?}");
}

#[tokio::test]
async fn an_audience_that_the_provider_does_not_list_is_told() {
    let server = sts(|_| Verdict::Refuse("InvalidIdentityToken", "Incorrect token audience".to_owned())).await;
    let said = legs(&server, &token(LATER)).run().await;
    assert!(said[2].ends_with("that one does not list the audience sts.amazonaws.com"), "{said:#?}");
}

#[tokio::test]
async fn a_role_that_the_user_lost_is_a_profile_that_is_not_there() {
    let server = sts(|_| Verdict::Grant).await;
    let said = legs(&server, &token(LATER)).set("AWS_PROFILE", "acme-delete-bucket-role").run().await;
    assert_eq!(said[1], "failed the profile acme-delete-bucket-role is not there");
    assert!(has(&said, &["cause ", "it has acme-list-bucket-role, acme-read-bucket-role, "]), "{said:#?}");
}

#[tokio::test]
async fn a_token_without_a_chosen_profile_is_passed_over_with_advice() {
    let server = sts(|_| Verdict::Grant).await;
    let said = users_world(&server, &token(LATER)).set("PROBE_LEGS", "1").run().await;
    assert!(has(&said, &["failed AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN"]), "{said:#?}");
    assert!(has(&said, &["cause no profile was chosen", "AWS_PROFILE", "acme-list-bucket-role"]), "{said:#?}");
    assert!(has(&said, &["failed nothing offers credentials"]), "{said:#?}");
}

#[tokio::test]
async fn keys_that_were_deleted_are_told() {
    let server = Server::plain(crate::server::answer(
        "403 Forbidden",
        "<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>",
    ))
    .await;
    let said = at(Probe::with_keys(), &server).set("PROBE_LEGS", "1").run().await;
    assert_eq!(said[0], "leg EnvironmentKeys | keys in AWS_ACCESS_KEY_ID | access key AKIDENV");
    assert!(has(&said, &["cause the access key was deleted or deactivated"]), "{said:#?}");
    assert!(!has(&said, &["SECRETKEY"]), "{said:#?}");
}

#[tokio::test]
async fn a_program_that_gives_credentials_is_a_leg_without_its_arguments() {
    let server = sts(|_| Verdict::Grant).await;
    let probe = at(Probe::new(), &server).set("PATH", "/usr/bin:/bin").set("PROBE_LEGS", "1").set("AWS_PROFILE", "hop");
    let json = "{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"ASIA.7.start\\\",\\\"SecretAccessKey\\\":\\\"x\\\"}";
    let config = format!(
        "[profile start]\ncredential_process = printf {json}\n[profile hop]\nsource_profile = start\nrole_arn = arn:aws:iam::8:role/hop\n"
    );
    let said = probe.config(&config).run().await;
    assert_eq!(said[0], "leg CredentialProcess | program printf | credential_process of the profile start");
    assert_eq!(said[1], "passed arn:aws:sts::7:assumed-role/start/session", "{said:#?}");
    assert_eq!(said[3], "passed arn:aws:sts::8:assumed-role/hop/session", "{said:#?}");
}

/// The explanation must go the very way that the SDK goes.
#[tokio::test]
async fn the_legs_are_the_calls_that_the_sdk_makes() {
    let keys = "aws_access_key_id = AKIDPROFILE\naws_secret_access_key = SECRETKEY\n";
    let config = format!(
        "[default]\nregion = eu-west-1\n[profile keys]\n{keys}[profile own]\nrole_arn = arn:aws:iam::1:role/own\nsource_profile = own\n{keys}\
         [profile far]\nrole_arn = arn:aws:iam::2:role/far\nsource_profile = own\nexternal_id = x\n\
         [profile named]\nrole_arn = arn:aws:iam::3:role/named\ncredential_source = Environment\n\
         [profile deep]\nrole_arn = arn:aws:iam::4:role/deep\nsource_profile = named\nrole_session_name = deep\n"
    );
    for profile in ["keys", "own", "far", "named", "deep"] {
        let mut made = Vec::new();
        for legs in [false, true] {
            let mut server = sts(|_| Verdict::Grant).await;
            let probe = at(Probe::with_keys(), &server).config(&config).set("PROBE_PROFILE", profile);
            let said = if legs { probe.set("PROBE_LEGS", "1").run().await } else { probe.run().await };
            assert!(!said.iter().any(|line| line.contains("fail") || line.contains("no credentials")), "{said:#?}");
            let call = |call: &crate::sts::Call| {
                let name = |name: &str| call.get(name).map(str::to_owned);
                (call.key_id.clone(), name("RoleArn"), name("ExternalId"))
            };
            made.push(calls(&mut server).iter().map(call).collect::<Vec<_>>());
        }
        assert_eq!(made[0], made[1], "{profile}");
    }
}

#[tokio::test]
async fn a_login_that_was_never_made_is_told() {
    let server = sts(|_| Verdict::Grant).await;
    let config = "[profile sso]\nsso_session = corp\nsso_account_id = 7\nsso_role_name = Dev\n[sso-session corp]\n\
        sso_region = us-east-1\nsso_start_url = https://corp.example/start\n";
    let said = at(Probe::new(), &server).config(config).set("AWS_PROFILE", "sso").set("PROBE_LEGS", "1").run().await;
    let leg = "leg Sso | IAM Identity Center | profile sso, start URL https://corp.example/start, account 7, role Dev";
    assert_eq!(said[0], leg, "{said:#?}");
    assert!(said[1].starts_with("failed ") && has(&said, &["cause ", "run aws sso login"]), "{said:#?}");
}

#[tokio::test]
async fn what_loading_refuses_is_told_though_no_leg_needs_it() {
    let server = sts(|_| Verdict::Grant).await;
    let keys = "[profile keys]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = SECRETKEY\n";
    let probe = at(Probe::new(), &server).config(keys).set("AWS_PROFILE", "keys").set("PROBE_LEGS", "1");
    let said = probe.set("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token").run().await;
    assert!(said[1].starts_with("failed open /nonexistent/token, which AWS_WEB_IDENTITY_TOKEN_FILE names"), "{said:#?}");
    assert_eq!(said.last().unwrap(), "not tried");
    let probe = at(Probe::with_keys(), &server).set("AWS_REGION", "").set("PROBE_LEGS", "1");
    let said = probe.run().await;
    assert!(said[1].starts_with("failed find the AWS region: ") && said.last().unwrap() == "not tried", "{said:#?}");
}
