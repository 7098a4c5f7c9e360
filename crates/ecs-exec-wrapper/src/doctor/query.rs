//! A small client of AWS's query APIs (STS, IAM, EC2): signed forms out, XML in.
//!
//! Owns the request's form and the reading of the answer's words. Only reads go through it, and never twice: what it is
//! asked for is good to know, no more.

use super::check::Unread;
use aws_credential_types::Credentials;
use cli_kit::chain_text;
use jiff::{SignedDuration, Timestamp};
use record_delivery::{Node, SignedClient, SignedRequest, escaped};
use std::path::Path;

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// One of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Who we are.
    Sts,
    /// What policies say.
    Iam,
    /// What a network is made of.
    Ec2,
}

/// Asks; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct QueryClient {
    http: SignedClient,
    credentials: Credentials,
    region: String,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    status: u16,
    /// AWS's clock minus ours, when the answer has a date.
    pub(super) skew: Option<SignedDuration>,
    body: String,
}

/// Why the service did not do it, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The code, such as `AccessDenied`.
    pub(super) code: String,
    /// The message.
    pub(super) message: String,
}

impl QueryClient {
    /// A client that trusts what the other clients trust.
    ///
    /// # Errors
    /// When the file of authorities cannot be used.
    pub(super) fn new(credentials: Credentials, region: &str, ca_file: Option<&Path>) -> Result<Self, Unread> {
        let unusable = |error| Unread::new(format!("failed to {}", chain_text(&error)), "mend --ca-file or AWS_CA_BUNDLE");
        Ok(Self { http: SignedClient::new(ca_file).map_err(unusable)?, credentials, region: region.to_owned() })
    }

    /// Asks one question: an action with its parameters.
    ///
    /// # Errors
    /// Why there is no answer at all; a refusal is an [`Answer`].
    pub(super) async fn ask(&self, service: Service, action: &str, parameters: &[(String, String)]) -> Result<Answer, Unread> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let request = SignedRequest {
            service: service.word(),
            region: service.signing_region(&self.region),
            method: "POST",
            url: service.endpoint(&self.region, variable),
            headers: vec![("content-type", FORM.to_owned())],
            body: form(service, action, parameters).into_bytes(),
        };
        let reply = self.http.send(&self.credentials, request).await.map_err(|error| {
            let why = format!("{action} has no answer: failed to {}", chain_text(&error));
            Unread::new(why, "see whether this machine reaches AWS")
        })?;
        let skew = reply.header("date").and_then(read_date).map(|date| date.duration_since(Timestamp::now()));
        Ok(Answer { status: reply.status, skew, body: String::from_utf8_lossy(&reply.body).into_owned() })
    }
}

impl Service {
    fn word(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Iam => "iam",
            Self::Ec2 => "ec2",
        }
    }

    /// The version of the API that we speak. Source: each service's API reference.
    fn version(self) -> &'static str {
        match self {
            Self::Sts => "2011-06-15",
            Self::Iam => "2010-05-08",
            Self::Ec2 => "2016-11-15",
        }
    }

    /// Where the service is: as the environment says, else as AWS names it. IAM has one endpoint a partition.
    fn endpoint(self, region: &str, variable: impl Fn(&str) -> Option<String>) -> String {
        let own = format!("AWS_ENDPOINT_URL_{}", self.word().to_uppercase());
        let ignored = variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let given = variable(&own).or_else(|| variable("AWS_ENDPOINT_URL")).filter(|_| !ignored);
        if let Some(url) = given {
            return format!("{}/", url.trim_end_matches('/'));
        }
        let fips = variable("AWS_USE_FIPS_ENDPOINT").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let name = if fips { format!("{}-fips", self.word()) } else { self.word().to_owned() };
        match (self, partition(region)) {
            (Self::Iam, "aws") => format!("https://{name}.amazonaws.com/"),
            (Self::Iam, "aws-us-gov") => "https://iam.us-gov.amazonaws.com/".to_owned(),
            (Self::Iam, _) => "https://iam.cn-north-1.amazonaws.com.cn/".to_owned(),
            (Self::Sts | Self::Ec2, "aws-cn") => format!("https://{}.{region}.amazonaws.com.cn/", self.word()),
            (Self::Sts | Self::Ec2, _) => format!("https://{name}.{region}.amazonaws.com/"),
        }
    }

    fn signing_region(self, region: &str) -> String {
        match (self, partition(region)) {
            (Self::Sts | Self::Ec2, _) => region.to_owned(),
            (Self::Iam, "aws") => "us-east-1".to_owned(),
            (Self::Iam, "aws-us-gov") => "us-gov-west-1".to_owned(),
            (Self::Iam, _) => "cn-north-1".to_owned(),
        }
    }
}

/// The partition that a region is in, by its prefix.
fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

fn form(service: Service, action: &str, parameters: &[(String, String)]) -> String {
    let own = [("Action", action), ("Version", service.version())];
    let given = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let pairs = own.into_iter().chain(given).map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Reads an HTTP date, which has whole seconds: half a second is added, so that the error has no bias.
fn read_date(text: &str) -> Option<Timestamp> {
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    date.checked_add(SignedDuration::from_millis(500)).ok()
}

impl Answer {
    /// The answer's document.
    ///
    /// # Errors
    /// The service's fault; with an empty code when the answer cannot be read.
    pub(super) fn document(&self) -> Result<Node, Fault> {
        let node = Node::read(&self.body);
        let first_text = |node: &Node, name| node.first(name).map(|node| node.text.clone()).unwrap_or_default();
        match (self.status, node) {
            (200, Some(node)) => Ok(node),
            (_, Some(node)) => Err(Fault { code: first_text(&node, "Code"), message: first_text(&node, "Message") }),
            (status, None) => {
                Err(Fault { code: String::new(), message: format!("the answer (status {status}) is not what it should be") })
            }
        }
    }
}

impl Fault {
    /// Whether a policy is the reason.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self.code.as_str(), "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation")
    }

    /// What it makes of the fact that was asked for.
    pub(super) fn unread(&self, permission: &str) -> Unread {
        if self.is_denied() {
            return Unread::new(
                format!("you may not call {permission}"),
                format!("ask for the permission {permission}, or ask somebody who has it"),
            );
        }
        Unread::new(format!("{permission} failed: {} {}", self.code, self.message), "see the checks of the caller")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_those_of_the_environment_else_of_aws() {
        let none = |_: &str| None;
        assert_eq!(Service::Sts.endpoint("us-east-2", none), "https://sts.us-east-2.amazonaws.com/");
        assert_eq!(Service::Iam.endpoint("us-east-2", none), "https://iam.amazonaws.com/");
        assert_eq!(Service::Iam.endpoint("us-gov-west-1", none), "https://iam.us-gov.amazonaws.com/");
        assert_eq!(Service::Sts.endpoint("cn-north-1", none), "https://sts.cn-north-1.amazonaws.com.cn/");
        assert_eq!(Service::Ec2.endpoint("us-gov-west-1", none), "https://ec2.us-gov-west-1.amazonaws.com/");
        let set = |name: &str| match name {
            "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:1".to_owned()),
            "AWS_ENDPOINT_URL_IAM" => Some("http://127.0.0.1:2/".to_owned()),
            _ => None,
        };
        assert_eq!(Service::Sts.endpoint("us-east-2", set), "http://127.0.0.1:1/");
        assert_eq!(Service::Iam.endpoint("us-east-2", set), "http://127.0.0.1:2/");
        let ignored = |name: &str| if name.starts_with("AWS_IGNORE") { Some("true".to_owned()) } else { set(name) };
        assert_eq!(Service::Iam.endpoint("us-east-2", ignored), "https://iam.amazonaws.com/");
    }

    #[test]
    fn a_form_is_escaped() {
        let parameters = [("PolicySourceArn".to_owned(), "arn:aws:iam::1:role/a b".to_owned())];
        let expected = "Action=X&Version=2010-05-08&PolicySourceArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b";
        assert_eq!(form(Service::Iam, "X", &parameters), expected);
    }

    #[test]
    fn a_refusal_is_told_from_an_answer() {
        let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no &lt;way&gt;</Message></Error></ErrorResponse>";
        let fault = Answer { status: 403, skew: None, body: body.to_owned() }.document().unwrap_err();
        assert_eq!((fault.is_denied(), fault.message.as_str()), (true, "no <way>"));
        let broken = Answer { status: 502, skew: None, body: "Bad gateway".to_owned() }.document().unwrap_err();
        assert_eq!(broken.code, "");
        assert!(broken.message.contains("502"), "{broken:?}");
    }

    #[test]
    fn dates_of_http_are_read() {
        let date = read_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!((date.as_second(), date.subsec_millisecond()), (784_111_777, 500));
        assert_eq!(read_date("yesterday"), None);
    }
}
