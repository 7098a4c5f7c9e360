//! Whether the task's subnet has a way to the data channel's service: an endpoint in its VPC, or a route out of it.
//!
//! Reads what EC2 describes and judges it; the judgement is pure. Security groups, network ACLs and what lies behind a gateway are
//! not looked at: `ok` says that there is a way, not that nothing stands in it.

use super::check::{Check, Group, Reading, Unread};
use super::query::{QueryClient, Service};
use record_delivery::Node;

const GROUP: Group = Group::Task;
const ID: &str = "agent-route";

/// The end of the service's name, in every partition.
const SERVICE: &str = ".ssmmessages";

const REMEDY: &str = "add an interface endpoint for ssmmessages with private DNS to the VPC, or a default route to a NAT gateway";

/// The task's own network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    /// The subnet that it is in.
    pub(super) subnet_id: String,
    /// Its id, when ECS tells it.
    pub(super) interface_id: Option<String>,
}

/// What is known of the task's network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NetworkFacts {
    subnet_id: String,
    vpc_id: String,
    /// Whether the task's account owns the subnet; of a shared one it may not see the endpoints.
    is_own: bool,
    /// Interface endpoints for the service.
    endpoints: Vec<Endpoint>,
    /// Routes that work, but for those inside the VPC and to gateway endpoints.
    routes: Vec<Route>,
    /// Whether the task has a public address; asked only where it matters.
    public_address: Option<Reading<bool>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Endpoint {
    id: String,
    state: String,
    has_private_dns: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Route {
    destination: String,
    target: String,
}

impl Endpoint {
    fn is_usable(&self) -> bool {
        self.has_private_dns && self.state.eq_ignore_ascii_case("available")
    }
}

impl NetworkFacts {
    fn default_route(&self) -> Option<&Route> {
        self.routes.iter().find(|route| route.destination == "0.0.0.0/0")
    }

    /// Whether only a public address of the task makes its default route a way.
    fn hangs_on_public_address(&self) -> bool {
        let to_internet = self.default_route().is_some_and(|route| route.target.starts_with("igw-"));
        to_internet && !self.endpoints.iter().any(Endpoint::is_usable)
    }
}

/// Reads what EC2 says about the task's network; `account` is the task's.
pub(super) async fn gather(query: &QueryClient, interface: &Interface, account: &str) -> Reading<NetworkFacts> {
    let subnets = ask(query, "DescribeSubnets", &[("SubnetId.1", &interface.subnet_id)]).await?;
    let none = || Unread::new(format!("EC2 knows no subnet {}", interface.subnet_id), "see the region and the task");
    let subnet = items(&subnets, "subnetSet").next().ok_or_else(none)?;
    let vpc_id = subnet.text_of("vpcId").to_owned();
    let (endpoints, routes) = tokio::join!(endpoints(query, &vpc_id), routes(query, &interface.subnet_id, &vpc_id));
    let mut facts = NetworkFacts {
        subnet_id: interface.subnet_id.clone(),
        is_own: subnet.text_of("ownerId") == account,
        endpoints: endpoints?,
        routes: routes?,
        vpc_id,
        public_address: None,
    };
    if facts.hangs_on_public_address() {
        facts.public_address = Some(public_address(query, interface).await);
    }
    Ok(facts)
}

async fn endpoints(query: &QueryClient, vpc_id: &str) -> Reading<Vec<Endpoint>> {
    let filters = [
        ("Filter.1.Name", "vpc-id"),
        ("Filter.1.Value.1", vpc_id),
        ("Filter.2.Name", "vpc-endpoint-type"),
        ("Filter.2.Value.1", "Interface"),
    ];
    Ok(read_endpoints(&ask(query, "DescribeVpcEndpoints", &filters).await?))
}

/// The routes of the subnet's own table, else of the VPC's main one.
async fn routes(query: &QueryClient, subnet_id: &str, vpc_id: &str) -> Reading<Vec<Route>> {
    let of_subnet = [("Filter.1.Name", "association.subnet-id"), ("Filter.1.Value.1", subnet_id)];
    let answer = ask(query, "DescribeRouteTables", &of_subnet).await?;
    if let Some(table) = items(&answer, "routeTableSet").next() {
        return Ok(read_routes(table));
    }
    let main = [
        ("Filter.1.Name", "vpc-id"),
        ("Filter.1.Value.1", vpc_id),
        ("Filter.2.Name", "association.main"),
        ("Filter.2.Value.1", "true"),
    ];
    let answer = ask(query, "DescribeRouteTables", &main).await?;
    let none = || Unread::new(format!("EC2 tells no route table of {subnet_id}"), "see the VPC in the console");
    items(&answer, "routeTableSet").next().map(read_routes).ok_or_else(none)
}

async fn public_address(query: &QueryClient, interface: &Interface) -> Reading<bool> {
    let missing = || Unread::new("ECS does not name the task's network interface", "look at the task in the console");
    let id = interface.interface_id.as_deref().ok_or_else(missing)?;
    let answer = ask(query, "DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", id)]).await?;
    let none = || Unread::new(format!("EC2 knows no network interface {id}"), "see whether the task still runs");
    let interface = items(&answer, "networkInterfaceSet").next().ok_or_else(none)?;
    Ok(interface.children("association").any(|association| !association.text_of("publicIp").is_empty()))
}

async fn ask(query: &QueryClient, action: &str, parameters: &[(&str, &str)]) -> Reading<Node> {
    let parameters: Vec<(String, String)> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let answer = query.ask(Service::Ec2, action, &parameters).await?;
    answer.document().map_err(|fault| fault.unread(&format!("ec2:{action}")))
}

/// The items of a set directly below the answer.
fn items<'a>(answer: &'a Node, set: &'a str) -> impl Iterator<Item = &'a Node> {
    answer.children(set).flat_map(|set| set.children("item"))
}

fn read_endpoints(answer: &Node) -> Vec<Endpoint> {
    let of_service = items(answer, "vpcEndpointSet").filter(|item| item.text_of("serviceName").ends_with(SERVICE));
    of_service
        .map(|item| Endpoint {
            id: item.text_of("vpcEndpointId").to_owned(),
            state: item.text_of("state").to_owned(),
            has_private_dns: item.text_of("privateDnsEnabled") == "true",
        })
        .collect()
}

/// A route to a gateway endpoint has a prefix list as its destination and leads to S3 or DynamoDB only.
fn read_routes(table: &Node) -> Vec<Route> {
    const TARGETS: [&str; 10] = [
        "gatewayId",
        "natGatewayId",
        "transitGatewayId",
        "vpcPeeringConnectionId",
        "networkInterfaceId",
        "instanceId",
        "egressOnlyInternetGatewayId",
        "localGatewayId",
        "carrierGatewayId",
        "coreNetworkArn",
    ];
    const DESTINATIONS: [&str; 3] = ["destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId"];
    let first = |item: &Node, names: &[&str]| {
        names.iter().map(|name| item.text_of(name)).find(|text| !text.is_empty()).unwrap_or_default().to_owned()
    };
    let routes = items(table, "routeSet").filter(|item| item.text_of("state") == "active");
    let routes = routes.map(|item| Route { destination: first(item, &DESTINATIONS), target: first(item, &TARGETS) });
    let inside =
        |route: &Route| route.target == "local" || (route.target.starts_with("vpce-") && route.destination.starts_with("pl-"));
    routes.filter(|route| !inside(route)).collect()
}

/// Judges; `None` is a task without a network interface of its own.
pub(super) fn check(reading: Option<&Reading<NetworkFacts>>) -> Check {
    let own = || Unread::new("ECS tells no subnet of the task: it uses its instance's network", "look at the instance's subnet");
    match reading {
        None => GROUP.unknown(ID, &own()),
        Some(Err(unread)) => GROUP.unknown(ID, unread),
        Some(Ok(facts)) => judge(facts),
    }
}

fn judge(facts: &NetworkFacts) -> Check {
    let endpoint = facts.endpoints.iter().find(|endpoint| endpoint.is_usable());
    match (endpoint, facts.default_route()) {
        (Some(endpoint), _) => {
            GROUP.ok(ID, format!("{} has the endpoint {} for ssmmessages, with private DNS", facts.vpc_id, endpoint.id))
        }
        (None, Some(route)) => outward(facts, route),
        (None, None) => without_way(facts),
    }
}

/// Neither a usable endpoint nor a default route: only where nothing else may lead to an endpoint is that a failure.
fn without_way(facts: &NetworkFacts) -> Check {
    let NetworkFacts { subnet_id, vpc_id, .. } = facts;
    if let Some(endpoint) = facts.endpoints.first() {
        let why = if endpoint.has_private_dns { format!("it is {}", endpoint.state) } else { "it has no private DNS".to_owned() };
        let what = format!(
            "the endpoint {} for ssmmessages in {vpc_id} may not be found: {why}, and {subnet_id} has no default route",
            endpoint.id
        );
        return GROUP.warning(ID, what, "turn on private DNS on it, or see that a zone of your own leads to it");
    }
    if let Some(route) = facts.routes.first() {
        let why = format!(
            "{vpc_id} has no endpoint for ssmmessages and {subnet_id} no default route, but {} leads to {}",
            route.destination, route.target
        );
        return GROUP
            .unknown(ID, &Unread::new(why, "see whether an endpoint in another VPC is behind it, with a DNS zone for this one"));
    }
    if !facts.is_own {
        let why = format!("{subnet_id} is shared by another account, whose endpoints cannot be seen, and has no default route");
        return GROUP.unknown(ID, &Unread::new(why, "ask the VPC's owner for an endpoint for ssmmessages"));
    }
    GROUP.failed(
        ID,
        format!(
            "the agent cannot reach the data channel: {vpc_id} has no endpoint for ssmmessages, and {subnet_id} no default route"
        ),
        REMEDY,
    )
}

/// A way out of the VPC, through its default route.
fn outward(facts: &NetworkFacts, route: &Route) -> Check {
    let out = format!("{} has a default route to {}", facts.subnet_id, route.target);
    match &facts.public_address {
        Some(Err(unread)) => {
            GROUP.unknown(ID, &Unread::new(format!("{out}, a way only with a public address; {}", unread.why), &unread.remedy))
        }
        Some(Ok(false)) => GROUP.warning(ID, format!("{out}, a way only with a public address, and the task has none"), REMEDY),
        Some(Ok(true)) | None => GROUP.ok(ID, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    fn facts() -> NetworkFacts {
        NetworkFacts { subnet_id: "subnet-1".to_owned(), vpc_id: "vpc-1".to_owned(), is_own: true, ..NetworkFacts::default() }
    }

    fn endpoint(state: &str, has_private_dns: bool) -> Vec<Endpoint> {
        vec![Endpoint { id: "vpce-1".to_owned(), state: state.to_owned(), has_private_dns }]
    }

    fn route(destination: &str, target: &str) -> Vec<Route> {
        vec![Route { destination: destination.to_owned(), target: target.to_owned() }]
    }

    fn verdict(facts: &NetworkFacts) -> Verdict {
        judge(facts).verdict
    }

    #[test]
    fn an_endpoint_with_private_dns_or_a_default_route_is_a_way() {
        assert_eq!(verdict(&NetworkFacts { endpoints: endpoint("available", true), ..facts() }), Verdict::Ok);
        for target in ["nat-1", "tgw-1", "eni-1"] {
            assert_eq!(verdict(&NetworkFacts { routes: route("0.0.0.0/0", target), ..facts() }), Verdict::Ok, "{target}");
        }
    }

    #[test]
    fn it_fails_only_where_there_is_neither() {
        let check = judge(&facts());
        assert_eq!(check.verdict, Verdict::Failed);
        assert!(check.what.contains("vpc-1") && check.what.contains("subnet-1"), "{}", check.what);
        assert_eq!(verdict(&NetworkFacts { is_own: false, ..facts() }), Verdict::Unknown, "a shared subnet");
        for destination in ["10.0.0.0/8", "::/0"] {
            assert_eq!(verdict(&NetworkFacts { routes: route(destination, "tgw-1"), ..facts() }), Verdict::Unknown);
        }
        for (state, dns) in [("pending", true), ("available", false)] {
            assert_eq!(verdict(&NetworkFacts { endpoints: endpoint(state, dns), ..facts() }), Verdict::Warning);
        }
    }

    #[test]
    fn an_internet_gateway_is_a_way_only_with_a_public_address() {
        let with = |public_address| NetworkFacts { routes: route("0.0.0.0/0", "igw-1"), public_address, ..facts() };
        assert!(with(None).hangs_on_public_address());
        assert!(!NetworkFacts { endpoints: endpoint("available", true), ..with(None) }.hangs_on_public_address());
        assert_eq!(verdict(&with(Some(Ok(true)))), Verdict::Ok);
        assert_eq!(verdict(&with(Some(Ok(false)))), Verdict::Warning);
        assert_eq!(verdict(&with(Some(Err(Unread::new("w", "r"))))), Verdict::Unknown);
    }

    #[test]
    fn ec2s_answers_are_read() {
        let answer = "<DescribeVpcEndpointsResponse><vpcEndpointSet>\
            <item><vpcEndpointId>vpce-0</vpcEndpointId><serviceName>com.amazonaws.us-east-2.ssm</serviceName></item>\
            <item><vpcEndpointId>vpce-1</vpcEndpointId><serviceName>com.amazonaws.us-east-2.ssmmessages</serviceName>\
            <state>available</state><privateDnsEnabled>true</privateDnsEnabled></item>\
            </vpcEndpointSet></DescribeVpcEndpointsResponse>";
        assert_eq!(read_endpoints(&Node::read(answer).unwrap()), endpoint("available", true));
        let table = "<item><routeTableId>rtb-1</routeTableId><routeSet>\
            <item><destinationCidrBlock>10.0.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId><state>active</state></item>\
            <item><destinationPrefixListId>pl-1</destinationPrefixListId><gatewayId>vpce-9</gatewayId><state>active</state></item>\
            <item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock><natGatewayId>nat-0</natGatewayId><state>blackhole</state></item>\
            <item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock><natGatewayId>nat-1</natGatewayId><state>active</state></item>\
            </routeSet></item>";
        assert_eq!(read_routes(&Node::read(table).unwrap()), route("0.0.0.0/0", "nat-1"));
    }
}
