//! STS: who am I, and how a caller becomes the shared role. Its forms are query strings in and XML out.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::aws::error::escape_xml;
use crate::aws::{ApiError, Call};
use crate::iam::{Principal, SHARED_ROLE};
use crate::shared::Shared;
use crate::sigv4::decode;
use crate::tasks::ACCOUNT;

/// The audience that the shared role's trust asks for.
const AUDIENCE: &str = "rosa-boundary";

/// Reads a form into an object of texts.
pub(crate) fn read_form(text: &str) -> Value {
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), Value::String(decode(value)))
    });
    Value::Object(pairs.collect::<Map<String, Value>>())
}

/// Renders an answer of an action.
pub(crate) fn to_xml(action: &str, value: &Value) -> Bytes {
    let name = action.rsplit(':').next().unwrap_or_default();
    let mut inner = String::new();
    write_members(value, &mut inner);
    let request_id = uuid::Uuid::new_v4();
    Bytes::from(format!(
        "<{name}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{name}Result>{inner}</{name}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
    ))
}

fn write_members(value: &Value, out: &mut String) {
    let Some(members) = value.as_object() else {
        out.push_str(&escape_xml(value.as_str().unwrap_or_default()));
        return;
    };
    for (key, member) in members {
        out.push_str(&format!("<{key}>"));
        write_members(member, out);
        out.push_str(&format!("</{key}>"));
    }
}

/// Says who calls; needs no right.
pub(crate) fn caller_identity(call: &Call<'_>) -> Value {
    json!({"Arn": call.principal.arn, "UserId": call.principal.user_id, "Account": ACCOUNT})
}

/// Gives a session of the shared role to a caller of the account who may assume it.
pub(crate) fn assume_role(call: &Call<'_>) -> Result<Value, ApiError> {
    let role_arn = call.text("RoleArn").unwrap_or_default();
    call.authorise("sts:AssumeRole", role_arn, &BTreeMap::new())?;
    let tags = read_tags(call.body);
    if !tags.is_empty() {
        call.authorise("sts:TagSession", role_arn, &BTreeMap::new())?;
    }
    let inherited = call.principal.tags.clone();
    assume(call.shared, call.body, inherited.into_iter().chain(tags).collect())
}

/// Gives a session of the shared role to the bearer of a web identity token; its signature is not checked.
pub(crate) fn assume_with_web_identity(shared: &Arc<Shared>, body: &Value) -> Result<Value, ApiError> {
    let invalid = |why: &str| ApiError::new(400, "InvalidIdentityToken", why);
    let token = body["WebIdentityToken"].as_str().unwrap_or_default();
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value = claims.and_then(|claims| serde_json::from_slice(&claims).ok()).ok_or_else(|| {
        invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
    })?;
    if claims["aud"] != AUDIENCE {
        return Err(invalid("Incorrect token audience"));
    }
    let principal_tags = claims["https://aws.amazon.com/tags"]["principal_tags"].as_object().into_iter().flatten();
    let first = |value: &Value| value[0].as_str().or(value.as_str()).unwrap_or_default().to_owned();
    let tags = principal_tags.map(|(key, value)| (key.clone(), first(value))).collect();
    let mut answer = assume(shared, body, tags)?;
    answer["SubjectFromWebIdentityToken"] = claims["sub"].clone();
    answer["Audience"] = json!(AUDIENCE);
    Ok(answer)
}

fn assume(shared: &Shared, body: &Value, tags: BTreeMap<String, String>) -> Result<Value, ApiError> {
    let role_arn = body["RoleArn"].as_str().unwrap_or_default();
    if role_arn != format!("arn:aws:iam::{ACCOUNT}:role/{SHARED_ROLE}") {
        let text = format!("Not authorized to perform sts:AssumeRole on resource: {role_arn}");
        return Err(ApiError::new(403, "AccessDenied", &text));
    }
    let name = body["RoleSessionName"].as_str().unwrap_or_default();
    if !is_session_name(name) {
        let text = format!(
            "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [\\w+=,.@-]*"
        );
        return Err(ApiError::new(400, "ValidationError", &text));
    }
    let seconds = body["DurationSeconds"].as_str().and_then(|text| text.parse().ok()).unwrap_or(3600);
    if !(900..=43_200).contains(&seconds) {
        return Err(ApiError::new(
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    let principal = shared.principals.assume_shared_role(name, tags, seconds);
    if let Some(source) = body["SourceIdentity"].as_str() {
        shared.principals.set_source_identity(&principal.access_key, source);
    }
    Ok(answer(&principal))
}

fn answer(principal: &Principal) -> Value {
    let expires = jiff::Timestamp::from_second(principal.expires.unwrap_or_default()).unwrap_or_default();
    json!({
        "AssumedRoleUser": {"Arn": principal.arn, "AssumedRoleId": principal.user_id},
        "Credentials": {
            "AccessKeyId": principal.access_key,
            "SecretAccessKey": principal.secret,
            "SessionToken": principal.session_token,
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
        "PackedPolicySize": "6",
    })
}

fn is_session_name(name: &str) -> bool {
    (2..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}

fn read_tags(body: &Value) -> BTreeMap<String, String> {
    let member = |at: usize, name: &str| body[format!("Tags.member.{at}.{name}")].as_str().map(str::to_owned);
    (1..=50).map_while(|at| Some((member(at, "Key")?, member(at, "Value").unwrap_or_default()))).collect()
}
