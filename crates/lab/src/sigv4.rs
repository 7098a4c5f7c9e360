//! Signature Version 4, made and checked: the canonical request, the key derivation and the comparison. It looks up no
//! principals and knows no policies.

use aws_lc_rs::{constant_time, digest, hmac};

use crate::random::hex;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a request is signed over. Header names are in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a str,
    /// Path without the query, as sent.
    pub(crate) path: &'a str,
    /// Query as sent, empty if none.
    pub(crate) query: &'a str,
    pub(crate) headers: Vec<(String, String)>,
    /// SHA-256 of the body in hexadecimal.
    pub(crate) body_hash: String,
}

/// The parts of an Authorization header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authorization {
    pub(crate) access_key: String,
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
    signed_headers: Vec<String>,
    signature: String,
}

/// What a signer holds.
#[derive(Clone)]
pub struct SigningKeys {
    /// The access key id.
    pub access_key: String,
    /// The secret access key.
    pub secret: String,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl Authorization {
    /// Parses an Authorization header; none if it is not of Signature Version 4.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let rest = header.strip_prefix(ALGORITHM)?;
        let part = |name: &str| rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let mut scope = part("Credential")?.split('/');
        let mut next = || scope.next().map(str::to_owned);
        let (access_key, date, region, service) = (next()?, next()?, next()?, next()?);
        if next()? != "aws4_request" {
            return None;
        }
        let signed_headers = part("SignedHeaders")?.split(';').map(str::to_owned).collect();
        Some(Self { access_key, date, region, service, signed_headers, signature: part("Signature")?.to_owned() })
    }

    /// Says whether a header is covered by the signature.
    pub(crate) fn covers(&self, header: &str) -> bool {
        self.signed_headers.iter().any(|name| name == header)
    }

    /// Says whether the signature is that of the request under this secret.
    pub(crate) fn fits(&self, request: &Signable<'_>, secret: &str) -> bool {
        let Some(stamp) = request.header("x-amz-date") else { return false };
        let expected = signature(request, &self.signed_headers, stamp, self, secret);
        constant_time::verify_slices_are_equal(expected.as_bytes(), self.signature.as_bytes()).is_ok()
    }
}

impl Signable<'_> {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn canonical(&self, signed: &[String], service: &str) -> String {
        let mut headers = String::new();
        for name in signed {
            let values: Vec<String> =
                self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| collapse(value)).collect();
            headers.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        let (method, query, hash) = (self.method, canonical_query(self.query), &self.body_hash);
        let path = if service == "s3" { self.path.to_owned() } else { canonical_path(self.path) };
        format!("{method}\n{path}\n{query}\n{headers}\n{}\n{hash}", signed.join(";"))
    }
}

/// Signs a request: returns the headers to add (`authorization`, `x-amz-date`, `x-amz-security-token`). `headers` must
/// hold `host`; `stamp` has the form `20260102T030405Z`.
pub fn sign_request(
    (method, path, query): (&str, &str, &str),
    headers: &[(String, String)],
    body: &[u8],
    keys: &SigningKeys,
    (region, service, stamp): (&str, &str, &str),
) -> Vec<(String, String)> {
    let mut added = vec![("x-amz-date".to_owned(), stamp.to_owned())];
    added.extend(keys.session_token.iter().map(|token| ("x-amz-security-token".to_owned(), token.clone())));
    let headers: Vec<(String, String)> = headers.iter().chain(&added).cloned().collect();
    let mut signed: Vec<String> = headers.iter().map(|(name, _)| name.clone()).collect();
    signed.sort();
    let request = Signable { method, path, query, headers, body_hash: sha256(body) };
    let mut scope = Authorization {
        access_key: keys.access_key.clone(),
        date: stamp.chars().take(8).collect(),
        region: region.to_owned(),
        service: service.to_owned(),
        signed_headers: signed.clone(),
        signature: String::new(),
    };
    scope.signature = signature(&request, &signed, stamp, &scope, &keys.secret);
    added.push(("authorization".to_owned(), scope.to_header()));
    added
}

impl Authorization {
    fn to_header(&self) -> String {
        let scope = self.scope();
        let (key, signed, signature) = (&self.access_key, self.signed_headers.join(";"), &self.signature);
        format!("{ALGORITHM} Credential={key}/{scope}, SignedHeaders={signed}, Signature={signature}")
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// Returns the SHA-256 of bytes in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn signature(request: &Signable<'_>, signed: &[String], stamp: &str, scope: &Authorization, secret: &str) -> String {
    let canonical = sha256(request.canonical(signed, &scope.service).as_bytes());
    let text = format!("{ALGORITHM}\n{stamp}\n{}\n{canonical}", scope.scope());
    let mut key = mac(format!("AWS4{secret}").as_bytes(), scope.date.as_bytes());
    for part in [&scope.region, &scope.service, "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    hex(&mac(&key, text.as_bytes()))
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn collapse(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// Each path segment is encoded once more, as for every service but S3.
fn canonical_path(path: &str) -> String {
    if path.is_empty() {
        return "/".to_owned();
    }
    path.split('/').map(encode).collect::<Vec<_>>().join("/")
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encode(&decode(key)), encode(&decode(value)))
        })
        .collect();
    pairs.sort();
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

/// Encodes all but unreserved characters.
pub(crate) fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// Decodes percent escapes and `+`; what is no escape stays.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], escape) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's Signature Version 4 documentation ("Create a signed AWS API request", IAM ListUsers).
    #[test]
    fn the_documented_example_gives_the_documented_signature() {
        let keys = SigningKeys {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: None,
        };
        let headers = [
            ("content-type".to_owned(), "application/x-www-form-urlencoded; charset=utf-8".to_owned()),
            ("host".to_owned(), "iam.amazonaws.com".to_owned()),
        ];
        let added = sign_request(
            ("GET", "/", "Action=ListUsers&Version=2010-05-08"),
            &headers,
            b"",
            &keys,
            ("us-east-1", "iam", "20150830T123600Z"),
        );
        let authorization = &added.last().unwrap().1;
        assert!(
            authorization.ends_with("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
            "{authorization}"
        );
    }

    #[test]
    fn a_changed_byte_does_not_fit() {
        let keys = SigningKeys { access_key: "A".into(), secret: "s".into(), session_token: Some("t".into()) };
        let host = [("host".to_owned(), "h".to_owned())];
        let added = sign_request(("POST", "/", ""), &host, b"body", &keys, ("r", "ecs", "20260102T030405Z"));
        let authorization = Authorization::parse(&added.last().unwrap().1).unwrap();
        let headers: Vec<_> = host.iter().chain(&added).cloned().collect();
        let request =
            |body: &[u8]| Signable { method: "POST", path: "/", query: "", headers: headers.clone(), body_hash: sha256(body) };
        assert!(authorization.fits(&request(b"body"), "s"));
        assert!(!authorization.fits(&request(b"b0dy"), "s"));
        assert!(!authorization.fits(&request(b"body"), "S"));
    }

    #[test]
    fn a_query_is_canonical_however_it_is_escaped() {
        assert_eq!(canonical_query("role=a&cell-number=x=="), canonical_query("cell-number=x%3D%3D&role=a"));
        assert_eq!(decode("a%2Fb+c%"), "a/b c%");
    }
}
