//! A role that is taken on in the user's name: what STS is asked, and what is said when it refuses.

use crate::Probe;
use crate::server::Server;
use crate::sts::{Verdict, at, calls, denied, sts};

const ROLE: &str = "arn:aws:iam::444455556666:role/exec";

fn assuming(server: &Server) -> Probe {
    at(Probe::with_keys(), server).set("PROBE_ASSUME", ROLE)
}

#[tokio::test]
async fn the_session_carries_user_session_target_and_tags() {
    let mut server = sts(|_| Verdict::Grant).await;
    let said = assuming(&server).set("PROBE_CALL", "1").set("PROBE_TAGS", "1").run().await;
    assert_eq!(
        said[0],
        "assumed arn:aws:sts::444455556666:assumed-role/exec/bob=s_1234567890 as Some(\"bob\") with \
         {\"BoundaryTargetId\": \"ttcp_1234567890\", \"BoundaryUserId\": \"u_1234567890\", \"username\": \"bob\"}"
    );
    assert_eq!(said[2..4], ["key=ASIA.444455556666.exec", "key=ASIA.444455556666.exec"]);
    assert!(said[4].starts_with("tags=Some({") && said[4].contains("\"username\": \"bob\""), "{said:#?}");
    assert!(said[5].starts_with("caller=444455556666 "), "{said:#?}");
    let calls = calls(&mut server);
    assert_eq!(calls.len(), 1, "one session, one call: {calls:#?}");
    let call = &calls[0];
    assert_eq!((call.key_id.as_deref(), call.get("RoleArn")), (Some("AKIDENV"), Some(ROLE)));
    assert_eq!((call.get("RoleSessionName"), call.get("SourceIdentity")), (Some("bob=s_1234567890"), Some("bob")));
    let tag = |n: u8| (call.get(&format!("Tags.member.{n}.Key")), call.get(&format!("Tags.member.{n}.Value")));
    assert_eq!(tag(1), (Some("BoundaryTargetId"), Some("ttcp_1234567890")));
    assert_eq!(tag(2), (Some("BoundaryUserId"), Some("u_1234567890")));
    assert_eq!(tag(3), (Some("username"), Some("bob")));
}

#[tokio::test]
async fn a_plain_session_carries_its_name_only() {
    let mut server = sts(|_| Verdict::Grant).await;
    let said = assuming(&server).set("PROBE_PLAIN", "1").set("PROBE_TAGS", "1").run().await;
    assert_eq!(said[0], "assumed arn:aws:sts::444455556666:assumed-role/exec/bob=s_1234567890 as None with {}");
    assert_eq!(said.last().unwrap(), "tags=None");
    let call = calls(&mut server).swap_remove(0);
    assert!(!call.parameters.keys().any(|name| name.starts_with("Tags") || name == "SourceIdentity"), "{call:#?}");
}

#[tokio::test]
async fn credentials_are_renewed_before_they_expire() {
    let mut server = sts(|_| Verdict::GrantBriefly).await;
    assuming(&server).run().await;
    let calls = calls(&mut server);
    assert_eq!(calls.len(), 3, "the first, and one for each time they were wanted");
    assert!(calls.iter().all(|call| call.get("SourceIdentity") == Some("bob")), "{calls:#?}");
}

#[tokio::test]
async fn a_missing_tag_session_is_named_with_its_statements() {
    let mut server = sts(|call| denied(call, "sts:TagSession")).await;
    let said = assuming(&server).run().await;
    let actions = "\"Action\":[\"sts:AssumeRole\",\"sts:TagSession\",\"sts:SetSourceIdentity\"]";
    assert_eq!(
        said,
        [format!(
            "not assumed: assume the role {ROLE} for lack of sts:TagSession: add in the trust policy of {ROLE}: \
             {{{actions},\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":\"arn:aws:iam::111122223333:user/bob\"}}}}; \
             in a policy of the caller: {{{actions},\"Effect\":\"Allow\",\"Resource\":\"{ROLE}\"}}; \
             or assume it plainly, without session tags and source identity"
        )]
    );
    assert_eq!(calls(&mut server).len(), 1);
}

#[tokio::test]
async fn a_missing_assume_role_is_not_helped_by_plain() {
    let server = sts(|call| denied(call, "sts:AssumeRole")).await;
    let said = assuming(&server).run().await;
    assert!(said[0].contains("for lack of sts:AssumeRole: add ") && !said[0].contains("plainly"), "{said:#?}");
}

#[tokio::test]
async fn an_inherited_source_identity_stays() {
    let mut server = sts(|call| match call.get("SourceIdentity") {
        Some(_) => denied(call, "sts:SetSourceIdentity"),
        None => Verdict::GrantInheriting("alice"),
    })
    .await;
    let said = assuming(&server).run().await;
    assert!(said[0].contains(" as Some(\"alice\") with {\"BoundaryTargetId\""), "{said:#?}");
    let calls = calls(&mut server);
    assert_eq!((calls.len(), calls[1].get("SourceIdentity")), (2, None));
}

#[tokio::test]
async fn a_source_identity_that_may_not_be_set_is_no_session_without_one() {
    let server = sts(|call| match call.get("SourceIdentity") {
        Some(_) => denied(call, "sts:SetSourceIdentity"),
        None => Verdict::Grant,
    })
    .await;
    let said = assuming(&server).run().await;
    assert!(
        said[0].starts_with(&format!("not assumed: assume the role {ROLE} for lack of sts:SetSourceIdentity: add ")),
        "{said:#?}"
    );
    assert!(said[0].ends_with("or assume it plainly, without session tags and source identity"), "{said:#?}");
}

#[tokio::test]
async fn an_inherited_source_identity_that_may_not_pass_is_not_helped_by_plain() {
    let server = sts(|call| denied(call, "sts:SetSourceIdentity")).await;
    let said = assuming(&server).run().await;
    assert!(said[0].contains("for lack of sts:SetSourceIdentity: add ") && !said[0].contains("plainly"), "{said:#?}");
}

#[tokio::test]
async fn the_tags_of_a_token_are_known_when_it_alone_makes_us() {
    let server = sts(|_| Verdict::Grant).await;
    let probe = crate::chain::users_world(&server, &crate::chain::token(crate::chain::LATER)).set("PROBE_TAGS", "1");
    let said = probe.set("AWS_PROFILE", "src_acme-list-bucket-role").run().await;
    assert_eq!(said.last().unwrap(), "tags=Some({\"username\": \"alice\"})");
    let probe = crate::chain::users_world(&server, &crate::chain::token(crate::chain::LATER)).set("PROBE_TAGS", "1");
    let said = probe.set("AWS_PROFILE", "acme-list-bucket-role").run().await;
    assert_eq!(said.last().unwrap(), "tags=None");
}
