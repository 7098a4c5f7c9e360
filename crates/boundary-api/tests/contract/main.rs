//! The client against a controller: the same checks on a fake in this process and, when `BOUNDARY_ADDR` and `BOUNDARY_TOKEN`
//! are set, on a real one. What only a fake does on demand stands in `faults`.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking")]

mod checks;
mod fake;
mod faults;
mod rights;
mod sessions;
mod transport;
mod world;

use boundary_api::Settings;
use fake::{ADMIN_TOKEN, Fake};
use world::{Endpoint, World};

pub(crate) fn settings_of(fake: &Fake) -> Settings {
    let addr = format!("http://127.0.0.1:{}", fake.port);
    Settings { addr, token: Some(ADMIN_TOKEN.into()), ..Settings::default() }
}

/// Runs each check in its own organisation, which is taken away also when the check fails.
async fn run_all(settings: &Settings, endpoint: &Endpoint) {
    macro_rules! run {
        ($($check:path),* $(,)?) => {$(
            let world = World::make(settings, endpoint.clone()).await;
            let outcome = tokio::spawn({
                let world = world.clone();
                async move { $check(&world).await }
            });
            let outcome = outcome.await;
            world.take_away().await;
            assert!(outcome.is_ok(), "{} failed", stringify!($check));
        )*};
    }
    run![
        checks::a_write_needs_the_version,
        checks::a_name_is_taken_once,
        checks::what_is_gone_is_not_found,
        checks::unknown_fields_survive,
        checks::an_alias_is_as_good_as_an_id,
        checks::lists_have_pages_and_refreshes,
        checks::lists_are_filtered_and_recursive,
        checks::workers_are_listed_without_pages,
        checks::a_list_token_of_something_else_is_told,
        sessions::a_session_is_authorized_listed_and_cancelled,
        sessions::a_stale_cancel_is_a_version_conflict,
        sessions::a_used_session_shows_its_connection,
        sessions::brokered_credentials_arrive_as_secret_fields,
        rights::a_role_is_set_in_steps,
        rights::a_refused_token_is_renewed_once,
        rights::a_lesser_user_sees_less,
        rights::refusals_say_what_they_mean,
    ];
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fake_controller_keeps_the_contract() {
    let fake = Fake::start().await;
    run_all(&settings_of(&fake), &Endpoint::Fake(fake)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_controller_keeps_the_contract() {
    let settings = Settings::from_variables(|name| std::env::var(name).ok()).unwrap();
    if settings.token.is_none() || std::env::var_os("BOUNDARY_ADDR").is_none() {
        return world::skip("BOUNDARY_ADDR and BOUNDARY_TOKEN name no controller");
    }
    run_all(&settings, &Endpoint::Real).await;
}
