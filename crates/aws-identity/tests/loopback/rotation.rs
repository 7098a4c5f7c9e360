//! Tokens and credentials that change under a running program.

use std::path::PathBuf;
use std::sync::Mutex;

use crate::Probe;
use crate::chain::{LATER, token, users_world};
use crate::server::Server;
use crate::sts::{Verdict, at, calls, sts};

/// Gives credentials that are about to expire, and has the token file renewed as the first are given.
async fn renewing() -> (Server, &'static Mutex<Option<PathBuf>>) {
    let file: &'static Mutex<Option<PathBuf>> = Box::leak(Box::new(Mutex::new(None)));
    let server = sts(move |_| {
        if let Some(file) = file.lock().unwrap().take() {
            std::fs::write(file, token(LATER + 1)).unwrap();
        }
        Verdict::GrantBriefly
    })
    .await;
    (server, file)
}

async fn tokens_sent(mut server: Server, file: &Mutex<Option<PathBuf>>, probe: Probe) -> Vec<String> {
    *file.lock().unwrap() = Some(probe.home().join("token"));
    let said = probe.run().await;
    assert_eq!(said.iter().filter(|line| line.starts_with("key=ASIA.")).count(), 2, "{said:#?}");
    let calls = calls(&mut server);
    calls.iter().filter_map(|call| call.get("WebIdentityToken")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_rotated_token_is_read_at_the_next_refresh_of_the_users_chain() {
    let (server, file) = renewing().await;
    let probe = users_world(&server, &token(LATER)).set("AWS_PROFILE", "acme-list-bucket-role");
    assert_eq!(tokens_sent(server, file, probe).await, [token(LATER), token(LATER + 1)]);
}

#[tokio::test]
async fn a_rotated_token_is_read_at_the_next_refresh_with_the_profile_flag() {
    let (server, file) = renewing().await;
    let probe = users_world(&server, &token(LATER)).set("PROBE_PROFILE", "acme-list-bucket-role");
    assert_eq!(tokens_sent(server, file, probe).await, [token(LATER), token(LATER + 1)]);
}

#[tokio::test]
async fn a_rotated_token_is_read_at_the_next_refresh_without_any_profile() {
    let (server, file) = renewing().await;
    let probe = at(Probe::new(), &server).set("AWS_ROLE_ARN", "arn:aws:iam::1:role/x");
    let token_file = probe.home().join("token");
    std::fs::write(&token_file, token(LATER)).unwrap();
    let probe = probe.set("AWS_WEB_IDENTITY_TOKEN_FILE", token_file);
    assert_eq!(tokens_sent(server, file, probe).await, [token(LATER), token(LATER + 1)]);
}

#[tokio::test]
async fn a_role_is_renewed_with_a_rotated_token() {
    let (server, file) = renewing().await;
    let probe = users_world(&server, &token(LATER)).set("AWS_PROFILE", "acme-list-bucket-role");
    let probe = probe.set("PROBE_ASSUME", "arn:aws:iam::524112250363:role/exec");
    let sent = tokens_sent(server, file, probe).await;
    assert_eq!((sent.first(), sent.last()), (Some(&token(LATER)), Some(&token(LATER + 1))));
}
