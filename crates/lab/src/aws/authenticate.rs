//! Who calls: the signature of a request, checked with the secrets that the lab issued.

use bytes::Bytes;
use http::request::Parts;

use crate::aws::{ApiError, s3};
use crate::iam::Principal;
use crate::shared::Shared;
use crate::sigv4::{Authorization, Signable, sha256};

/// How far a request's time may be from ours, seconds.
const SKEW_LIMIT: i64 = 300;

/// Finds the principal who signed a request of an action (`ecs:…`; for the gateway `ssmmessages:OpenDataChannel`).
pub(crate) fn authenticate(shared: &Shared, parts: &Parts, body: &Bytes, action: &str) -> Result<Principal, ApiError> {
    let service = action.split(':').next().unwrap_or_default();
    let request = signable(parts, body);
    let missing = || ApiError::new(400, "MissingAuthenticationTokenException", "Missing Authentication Token");
    let header = request.header("authorization").ok_or_else(missing)?;
    let authorization = Authorization::parse(header).ok_or_else(|| {
        ApiError::new(400, "IncompleteSignatureException", "Authorization header has not the form of AWS4-HMAC-SHA256.")
    })?;
    let principal = shared.principals.find(&authorization.access_key).ok_or_else(|| unknown_token(service))?;
    if principal.session_token.as_deref() != request.header("x-amz-security-token") {
        return Err(unknown_token(service));
    }
    if principal.expires.is_some_and(|at| at <= jiff::Timestamp::now().as_second()) {
        let code = if service == "sts" { "ExpiredToken" } else { "ExpiredTokenException" };
        return Err(ApiError::new(403, code, "The security token included in the request is expired"));
    }
    check_scope(shared, &request, &authorization, service)?;
    if !authorization.covers("host") || !authorization.fits(&request, &principal.secret) {
        return Err(bad_signature(
            service,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
             and signing method. Consult the service documentation for details.",
        ));
    }
    Ok(principal)
}

fn check_scope(shared: &Shared, request: &Signable<'_>, authorization: &Authorization, service: &str) -> Result<(), ApiError> {
    if authorization.service != service {
        let text = format!("Credential should be scoped to correct service: '{service}'.");
        return Err(bad_signature(service, &text));
    }
    // IAM is one for all regions, and signed for the first; a bucket is where it is.
    let region = match service {
        "iam" => "us-east-1".to_owned(),
        "s3" if authorization.region == "us-east-1" && s3::asks_for_location(request.query) => authorization.region.clone(),
        "s3" => s3::region_at(&shared.buckets, request.path),
        _ => crate::tasks::REGION.to_owned(),
    };
    if authorization.region != region && service == "s3" {
        let text = format!("The authorization header is malformed; the region is wrong; expecting '{region}'");
        return Err(ApiError::new(400, "AuthorizationHeaderMalformed", &text));
    }
    if authorization.region != region {
        return Err(bad_signature(service, "Credential should be scoped to a valid region."));
    }
    let stamp = request.header("x-amz-date").unwrap_or_default();
    let signed_at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", stamp)
        .and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC))
        .map(|at| at.timestamp().as_second());
    let fresh = signed_at.is_ok_and(|at| (at - jiff::Timestamp::now().as_second()).abs() <= SKEW_LIMIT);
    if !fresh || !stamp.starts_with(&authorization.date) {
        return Err(bad_signature(service, &format!("Signature not yet current or expired: {stamp}")));
    }
    Ok(())
}

fn unknown_token(service: &str) -> ApiError {
    let (status, code) = if service == "sts" { (403, "InvalidClientTokenId") } else { (400, "UnrecognizedClientException") };
    ApiError::new(status, code, "The security token included in the request is invalid.")
}

fn bad_signature(service: &str, message: &str) -> ApiError {
    let code = if service == "sts" { "SignatureDoesNotMatch" } else { "InvalidSignatureException" };
    ApiError::new(403, code, message)
}

fn signable<'a>(parts: &'a Parts, body: &Bytes) -> Signable<'a> {
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Signable {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: headers.collect(),
        body_hash: sha256(body),
    }
}
