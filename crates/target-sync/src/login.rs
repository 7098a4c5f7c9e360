//! The way to the controller, as the settings say it.

use crate::settings::Settings;
use boundary_api::{Client, ProgramLogin, ProgramLoginError};

/// Makes the client; it logs in when it is first used, and again at each 401.
///
/// # Errors
/// [`ProgramLoginError`].
pub fn client(settings: &Settings) -> Result<Client, ProgramLoginError> {
    let login = ProgramLogin {
        addr: settings.boundary_addr.as_deref(),
        account: settings.account.as_ref(),
        requests_per_second: settings.requests_per_second,
        password_variable: "TARGET_SYNC_PASSWORD",
    };
    login.client()
}
