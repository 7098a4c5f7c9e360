//! `doctor`: everything that a collection needs, tried once, with what to do where it fails.
//!
//! Owns the list of checks. It reads, and writes nothing but the state's own folder.

use crate::collect::Eyes;
use crate::evidence;
use crate::exit;
use crate::program::{open_reader, open_state, print};
use crate::settings::Settings;
use audit_state::StateError;
use cli_kit::{chain_text, exit as shared, printable};

/// Tries everything, and tells of each.
pub(crate) async fn examine(settings: &Settings) -> u8 {
    let mut sound = true;
    let mut say = |what: &str, result: Result<String, String>| {
        let (sign, text) = match result {
            Ok(text) => ("ok  ", text),
            Err(text) => {
                sound = false;
                ("FAIL", text)
            }
        };
        print(&format!("{sign} {what}: {}\n", printable(&text, 600)));
    };
    say("state", state(settings));
    say("evidence", evidence::open(settings).map(|_| "can be opened".to_owned()).map_err(|error| chain_text(&error)));
    match Eyes::new(settings) {
        Err(text) => say("logins", Err(text)),
        Ok(mut eyes) => {
            for (what, result) in eyes.try_all(settings).await {
                say(&what, result);
            }
        }
    }
    if sound { shared::OK } else { exit::FAILED }
}

fn state(settings: &Settings) -> Result<String, String> {
    match open_state(settings) {
        Ok(_) => {}
        // A collector at work is what the state is for.
        Err(StateError::Locked(_)) => return Ok("a collector is at work".to_owned()),
        Err(error) => return Err(chain_text(&error)),
    }
    let reader = open_reader(settings).map_err(|error| chain_text(&error))?;
    let heads = reader.verify().map_err(|error| chain_text(&error))?;
    let ((commits, _), (changes, _)) = (heads.commits, heads.history);
    Ok(format!("its chains hold, with {commits} commits and {changes} changes of findings"))
}
