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

/// Pieces of evidence that are proved at either end.
const PROVED: u32 = 10;

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
    say("evidence", evidence(settings));
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

/// Opens the store, and proves some of what the state says is in it.
fn evidence(settings: &Settings) -> Result<String, String> {
    let store = evidence::open(settings).map_err(|error| chain_text(&error))?;
    let reader = open_reader(settings).map_err(|error| chain_text(&error))?;
    let known = reader.evidence_at_the_ends(PROVED).map_err(|error| chain_text(&error))?;
    for sha256 in &known {
        let parsed = sha256.parse().map_err(|_| format!("the state names `{sha256}`, which is no SHA-256"))?;
        let proved = store.copy(&parsed, u64::MAX, &mut std::io::sink());
        proved.map_err(|error| format!("{}; restore the store from its backup", chain_text(&error)))?;
    }
    Ok(match known.len() {
        0 => "can be opened, and nothing is in it yet".to_owned(),
        count => format!("can be opened; {count} of the oldest and latest pieces are there and whole"),
    })
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
