//! Versions, names, ids, unknown fields, aliases and lists.

use crate::world::{Endpoint, World};
use boundary_api::{Change, ErrorKind, ListOptions, ListToken, Meaning, NewAlias, TargetPatch};

fn described(text: &str) -> TargetPatch {
    TargetPatch { description: Change::Set(text.to_owned()), ..TargetPatch::default() }
}

pub(crate) async fn a_write_needs_the_version(world: &World) {
    let targets = world.client.targets();
    let mut new = world.new_target("one");
    new.description = Some("two\nlines".to_owned());
    new.session_max_seconds = Some(600);
    let made = targets.create(&new).await.unwrap();
    assert_eq!((made.version, made.description.as_str(), made.attributes.default_port), (1, "two\nlines", 8443));
    assert_eq!((made.session_max_seconds, made.session_connection_limit, made.address.as_str()), (600, -1, "127.0.0.1"));
    assert_eq!((made.scope.id.as_str(), made.scope_id.as_str()), (world.project_id.as_str(), world.project_id.as_str()));
    assert!(made.created_time.is_some() && made.host_source_ids.is_empty() && !made.authorized_actions.is_empty());

    let changed = targets.update(&made.id, 1, &described("later")).await.unwrap();
    assert_eq!((changed.version, changed.description.as_str(), changed.address.as_str()), (2, "later", "127.0.0.1"));

    let stale = targets.update(&made.id, 1, &described("stale")).await.unwrap_err();
    let api = stale.api().unwrap();
    assert_eq!((api.status, api.kind, api.current_version), (404, ErrorKind::VersionConflict, Some(2)));
    assert_eq!(stale.meaning(), Meaning::Refused);
    assert!(api.message.contains("incorrect version"), "{stale}");

    let cleared = TargetPatch { description: Change::Clear, ..TargetPatch::default() };
    assert_eq!(targets.update_current(&made.id, |_| Some(cleared.clone())).await.unwrap().description, "");
    assert_eq!(targets.update_current(&made.id, |_| None).await.unwrap().version, 3);
}

pub(crate) async fn a_name_is_taken_once(world: &World) {
    world.target("one").await;
    let error = world.client.targets().create(&world.new_target("one")).await.unwrap_err();
    let api = error.api().unwrap();
    assert_eq!((api.status, api.kind, api.remote_kind.as_str()), (400, ErrorKind::NotUnique, "InvalidArgument"));
    assert!(!error.outcome_is_unknown());
}

pub(crate) async fn what_is_gone_is_not_found(world: &World) {
    let targets = world.client.targets();
    let made = world.target("one").await;
    targets.delete(&made.id).await.unwrap();
    let answers = [
        targets.read(&made.id).await.map(drop),
        targets.delete(&made.id).await,
        targets.update(&made.id, 1, &described("late")).await.map(drop),
        targets.read(&world.unique).await.map(drop),
        targets.authorize_session(&world.unique).await.map(drop),
    ];
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.meaning()), (Some(ErrorKind::NotFound), Meaning::NotFound), "{error}");
        assert_eq!(error.api().unwrap().status, 404);
    }
}

pub(crate) async fn unknown_fields_survive(world: &World) {
    let project = world.client.scopes().read(&world.project_id).await.unwrap();
    assert_eq!((project.scope_type.as_str(), project.scope_id.as_str()).1, world.org_id);
    let survived = &project.raw["authorized_collection_actions"]["targets"];
    assert!(survived.as_array().is_some_and(|actions| actions.iter().any(|action| action == "list")), "{survived}");
}

pub(crate) async fn an_alias_is_as_good_as_an_id(world: &World) {
    let (targets, aliases) = (world.client.targets(), world.client.aliases());
    let made = world.target("one").await;
    let value = format!("{}.inv-1", world.unique);
    let alias = aliases.create(&NewAlias::of_target(&value, &made.id)).await.unwrap();
    let read = targets.read(&value).await.unwrap();
    assert_eq!((read.id.as_str(), read.name.as_str()), (made.id.as_str(), "one"));
    assert_eq!(read.aliases.iter().map(|alias| alias.value.as_str()).collect::<Vec<_>>(), [value.as_str()]);
    let session = targets.authorize_session(&value).await.unwrap();
    assert_eq!(session.target_id, made.id);
    let known = world.client.users().resolvable_aliases(&session.user_id).await.unwrap();
    assert!(known.iter().any(|alias| alias.value == value && alias.destination_id == made.id), "{known:?}");
    let taken = aliases.create(&NewAlias::of_target(&value.to_uppercase(), &made.id)).await.unwrap_err();

    targets.delete(&made.id).await.unwrap();
    let orphan = aliases.read(&alias.id).await.unwrap();
    aliases.delete(&alias.id).await.unwrap();
    assert_eq!((orphan.destination_id.as_str(), orphan.value.as_str()), ("", value.as_str()));
    assert_eq!(taken.kind(), Some(ErrorKind::NotUnique), "{taken}");
}

pub(crate) async fn workers_are_listed_without_pages(world: &World) {
    if let Endpoint::Fake(fake) = &world.endpoint {
        let tags = serde_json::json!({ "type": ["dev"] });
        let worker =
            serde_json::json!({ "scope_id": "global", "address": "127.0.0.1:9202", "type": "pki", "canonical_tags": tags });
        fake.with(|store| store.insert("u_admin", "workers", worker));
    }
    let listing = world.client.workers().list_all(ListOptions::in_scope("global")).await.unwrap();
    let worker = listing.items.first().unwrap();
    assert!(worker.id.starts_with("w_") && worker.address.contains(':') && !worker.worker_type.is_empty(), "{worker:?}");
    assert!(listing.list_token.is_none());
}

pub(crate) async fn lists_have_pages_and_refreshes(world: &World) {
    let targets = world.client.targets();
    let options = || ListOptions::in_scope(&world.project_id);
    let empty = targets.list_all(options()).await.unwrap();
    assert!(empty.items.is_empty() && empty.list_token.is_none());

    let [one, two, three] = [world.target("one").await, world.target("two").await, world.target("three").await];
    let mut pages = targets.list(options().page_size(1));
    let mut names = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        assert_eq!((page.items.len(), page.complete), (1, names.len() == 2));
        names.push(page.items[0].name.clone());
    }
    assert_eq!(names, ["three", "two", "one"]);

    let listing = targets.list_all(options().page_size(2)).await.unwrap();
    assert_eq!(listing.items.len(), 3);
    targets.update(&two.id, 1, &described("changed")).await.unwrap();
    targets.delete(&one.id).await.unwrap();
    let refresh = targets.list_all(options().since(listing.list_token.unwrap())).await.unwrap();
    let changed = refresh.items.iter().find(|item| item.id == two.id).unwrap();
    assert_eq!((changed.version, changed.description.as_str()), (2, "changed"));
    assert!(refresh.removed_ids.contains(&one.id) && !refresh.removed_ids.contains(&two.id), "among those of other scopes");
    let again = targets.list_all(options().since(refresh.list_token.unwrap())).await.unwrap();
    assert!(!again.removed_ids.contains(&three.id) && again.list_token.is_some());
}

pub(crate) async fn lists_are_filtered_and_recursive(world: &World) {
    let targets = world.client.targets();
    let [_, two] = [world.target("one").await, world.target("two").await];
    let in_org = || ListOptions::in_scope(&world.org_id).recursive();
    let found = targets.list_all(in_org().filter(r#""/item/name" == "two""#)).await.unwrap();
    assert_eq!(found.items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), [two.id.as_str()]);
    assert_eq!(targets.list_all(in_org()).await.unwrap().items.len(), 2);
    let none = targets.list_all(in_org().filter(r#""/item/invented" == "two""#)).await.unwrap();
    assert!(none.items.is_empty());

    for (options, field) in [(in_org().filter(r#""/item/nam"#), "filter"), (ListOptions::in_scope(&world.org_id), "scope_id")] {
        let error = targets.list_all(options).await.unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::InvalidArgument));
        assert_eq!(error.api().unwrap().request_fields[0].name, field);
    }
}

pub(crate) async fn a_list_token_of_something_else_is_told(world: &World) {
    world.target("one").await;
    let listing = world.client.targets().list_all(ListOptions::in_scope(&world.project_id)).await.unwrap();
    for token in [listing.list_token.unwrap(), ListToken::new("abc")] {
        let options = ListOptions::in_scope(&world.project_id).since(token);
        let error = world.client.sessions().list_all(options).await.unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::InvalidListToken), "{error}");
    }
}
