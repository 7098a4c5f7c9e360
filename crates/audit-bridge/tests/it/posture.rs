//! Settings.

use crate::site::{GROUP, SCOPE, Site};
use audit_bridge::hidden::What;
use audit_facts::{Body, Fact, PostureItem, Source};
use serde_json::json;
use std::time::Duration;

async fn site() -> Site {
    let site = Site::of(json!({
        "ecs_clusters": ["rosa-boundary-dev"], "artifacts": "s3://audit-artifacts", "cloud_trail": "lookup",
        "links": ["/boundary/links"],
    }))
    .await;
    site.world.add_versioned_bucket("audit-artifacts", Some(30));
    site.world.add_log_group("/boundary/links");
    site.world.set_log_retention(GROUP, Some(90));
    site
}

fn item(fact: &Fact) -> (&str, &PostureItem) {
    match &fact.body {
        Body::Posture(it) => (&it.subject, &it.item),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_setting_is_a_fact_and_only_a_change_is_another() {
    let mut site = site().await;
    let news = site.news(What::Posture).await;
    let group = |name: &str| format!("arn:aws:logs:us-east-2:123456789012:log-group:{name}");
    let found =
        |subject: &str| news.iter().map(item).find(|(it, _)| *it == subject).unwrap_or_else(|| panic!("{subject}: {news:?}")).1;
    let exec = found("arn:aws:ecs:us-east-2:123456789012:cluster/rosa-boundary-dev");
    assert!(matches!(exec, PostureItem::ExecLogging { log_group: Some(name), bucket: None, .. } if name == GROUP), "{exec:?}");
    assert_eq!(found(&group(GROUP)), &PostureItem::LogGroup { retention_days: Some(90), kms: false });
    assert_eq!(found(&group("/boundary/links")), &PostureItem::LogGroup { retention_days: None, kms: false });
    let locked =
        PostureItem::Bucket { versioned: true, lock_mode: Some("COMPLIANCE".to_owned()), lock_days: Some(30), encrypted: true };
    assert_eq!(found("audit-artifacts"), &locked);
    assert!(news.iter().map(item).any(|(_, it)| matches!(it, PostureItem::Trail { logging: true, .. })), "{news:?}");
    assert_eq!(news.len(), 5);
    site.world.set_log_retention(GROUP, Some(7));
    site.advance(Duration::from_mins(59));
    assert!(site.news(What::Posture).await.is_empty(), "settings are read every hour");
    site.advance(Duration::from_mins(1));
    let news = site.news(What::Posture).await;
    let [changed] = &news[..] else { panic!("{news:?}") };
    assert_eq!(item(changed).1, &PostureItem::LogGroup { retention_days: Some(7), kms: false });
}

#[tokio::test]
async fn what_is_configured_no_more_is_let_go_of_and_taken_up_again() {
    let mut site = site().await;
    site.news(What::Posture).await;
    let links = std::mem::take(&mut site.source.links);
    site.advance(Duration::from_hours(1));
    let news = site.news(What::Posture).await;
    let gone = PostureItem::Unwatched { of: "log_group".to_owned() };
    let group = "arn:aws:logs:us-east-2:123456789012:log-group:/boundary/links";
    assert_eq!(news.iter().map(item).collect::<Vec<_>>(), [(group, &gone)]);
    site.advance(Duration::from_hours(1));
    assert!(site.news(What::Posture).await.is_empty(), "it is said once");
    site.source.links = links;
    site.advance(Duration::from_hours(1));
    let again = PostureItem::LogGroup { retention_days: None, kms: false };
    assert_eq!(site.news(What::Posture).await.iter().map(item).collect::<Vec<_>>(), [(group, &again)]);
}

#[tokio::test]
async fn a_refusal_lets_go_of_nothing() {
    let mut site = site().await;
    site.news(What::Posture).await;
    site.deny(&["logs:DescribeLogGroups"]).await;
    site.advance(Duration::from_hours(1));
    site.read(What::Posture).await.unwrap_err();
    assert!(
        !site
            .facts()
            .iter()
            .any(|fact| matches!(&fact.body, Body::Posture(it) if matches!(it.item, PostureItem::Unwatched { .. })))
    );
}

#[tokio::test]
async fn a_bucket_without_a_lock_says_so() {
    let mut site = Site::of(json!({"artifacts": "s3://plain", "cloud_trail": "off"})).await;
    site.world.add_bucket("plain", "eu-central-1");
    let news = site.news(What::Posture).await;
    let bare = PostureItem::Bucket { versioned: false, lock_mode: None, lock_days: None, encrypted: true };
    assert_eq!(news.iter().map(item).collect::<Vec<_>>(), [("plain", &bare)]);
}

#[tokio::test]
async fn a_denial_concerns_its_source_and_stops_no_other() {
    for (action, source, scope) in [
        ("ecs:DescribeClusters", Source::Ecs, SCOPE),
        ("logs:DescribeLogGroups", Source::ExecLogs, SCOPE),
        ("s3:GetBucketVersioning", Source::Artifacts, "audit-artifacts"),
        ("cloudtrail:DescribeTrails", Source::CloudTrail, SCOPE),
    ] {
        let mut site = site().await;
        site.deny(&[action]).await;
        let error = site.read(What::Posture).await.unwrap_err();
        assert!(error.is_refusal(), "{action}: {error}");
        let [(refused, text)] = &site.refused(source)[..] else { panic!("{action}") };
        assert!(refused == scope && text.contains(action), "{text}");
        assert!(site.facts().len() >= 2, "{action}: {:?}", site.facts());
        let kept = site.kept();
        site.read(What::Posture).await.unwrap();
        assert_eq!(site.kept(), kept, "the next attempt is an hour later");
    }
}
