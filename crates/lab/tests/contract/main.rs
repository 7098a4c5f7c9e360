//! The lab's controller keeps the contract that the client's own tests check on a real one: the same checks, word for word.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking")]

#[path = "../../../boundary-api/tests/contract/checks.rs"]
mod checks;
mod fake;
#[path = "../../../boundary-api/tests/contract/rights.rs"]
mod rights;
#[path = "../../../boundary-api/tests/contract/sessions.rs"]
mod sessions;
#[expect(dead_code, reason = "the lab's controller is treated as a real one")]
#[path = "../../../boundary-api/tests/contract/world.rs"]
mod world;

use boundary_api::Settings;
use world::{Endpoint, World};

macro_rules! keeps {
    ($($name:ident: $check:path),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let lab = lab::World::start(lab::WorldOptions { kms: false, ..Default::default() }).await.unwrap();
            let environment = lab.boundary().environment_of("admin");
            let find = |name: &str| environment.iter().find(|pair| pair.0 == name).map(|pair| pair.1.clone());
            let world = World::make(&Settings::from_variables(find).unwrap(), Endpoint::Real).await;
            $check(&world).await;
            world.take_away().await;
        }
    )*};
}

keeps![
    a_write_needs_the_version: checks::a_write_needs_the_version,
    a_name_is_taken_once: checks::a_name_is_taken_once,
    what_is_gone_is_not_found: checks::what_is_gone_is_not_found,
    unknown_fields_survive: checks::unknown_fields_survive,
    an_alias_is_as_good_as_an_id: checks::an_alias_is_as_good_as_an_id,
    lists_have_pages_and_refreshes: checks::lists_have_pages_and_refreshes,
    lists_are_filtered_and_recursive: checks::lists_are_filtered_and_recursive,
    workers_are_listed_without_pages: checks::workers_are_listed_without_pages,
    a_list_token_of_something_else_is_told: checks::a_list_token_of_something_else_is_told,
    a_session_is_authorized_listed_and_cancelled: sessions::a_session_is_authorized_listed_and_cancelled,
    a_stale_cancel_is_a_version_conflict: sessions::a_stale_cancel_is_a_version_conflict,
    a_used_session_shows_its_connection: sessions::a_used_session_shows_its_connection,
    brokered_credentials_arrive_as_secret_fields: sessions::brokered_credentials_arrive_as_secret_fields,
    a_role_is_set_in_steps: rights::a_role_is_set_in_steps,
    a_refused_token_is_renewed_once: rights::a_refused_token_is_renewed_once,
    a_lesser_user_sees_less: rights::a_lesser_user_sees_less,
    refusals_say_what_they_mean: rights::refusals_say_what_they_mean,
];
