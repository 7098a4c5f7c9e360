//! Who made a call, as CloudTrail's `userIdentity` tells it.
//!
//! Source: CloudTrail user guide, "CloudTrail userIdentity element".

use super::Why;
use super::fields::Fields;
use crate::trail::Principal;

/// Reads the caller of an event.
pub(crate) fn principal(event: Fields<'_>) -> Result<Principal, Why> {
    let mut principal = Principal {
        client_address: event.owned("sourceIPAddress")?,
        user_agent: event.owned("userAgent")?,
        ..Principal::default()
    };
    let Some(identity) = event.object("userIdentity")? else { return Ok(principal) };
    principal.arn = identity.owned("userIdentity.arn")?.unwrap_or_default();
    principal.access_key_id = identity.owned("userIdentity.accessKeyId")?;
    principal.invoked_by = identity.owned("userIdentity.invokedBy")?;
    if identity.text("userIdentity.type")? == Some("AssumedRole") {
        principal.role_session_name = session_name(identity, &principal.arn)?;
    }
    let context = identity.object("userIdentity.sessionContext")?;
    let source = context.map(|it| it.owned("userIdentity.sessionContext.sourceIdentity")).transpose()?.flatten();
    principal.source_identity = source;
    Ok(principal)
}

/// The name behind the role's id in `AROA…:NAME`, else the last part of the ARN.
fn session_name(identity: Fields<'_>, arn: &str) -> Result<Option<String>, Why> {
    let by_id = identity.text("userIdentity.principalId")?.and_then(|id| id.split_once(':')).map(|(_, name)| name);
    let by_arn = || arn.split_once(":assumed-role/").and_then(|(_, rest)| rest.rsplit_once('/')).map(|(_, name)| name);
    Ok(by_id.or_else(by_arn).filter(|name| !name.is_empty()).map(str::to_owned))
}
