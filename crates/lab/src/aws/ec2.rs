//! EC2: the network of the tasks' subnet, as far as one asks whether it leads to AWS. Its answers are XML.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use crate::aws::error::escape_xml;
use crate::aws::{ApiError, Call};
use crate::tasks::{ACCOUNT, REGION, SUBNET};

/// The API's version, by which a form is recognised as EC2's.
pub(crate) const VERSION: &str = "2016-11-15";

const VPC: &str = "vpc-0b0b0b0b0b0b0b0b0";

/// Describes the tasks' subnet.
pub(crate) fn describe_subnets(call: &Call<'_>) -> Result<Value, ApiError> {
    call.authorise("ec2:DescribeSubnets", "*", &BTreeMap::new())?;
    let wanted = call.text("SubnetId.1").unwrap_or_default();
    if wanted != SUBNET {
        return Err(ApiError::new(400, "InvalidSubnetID.NotFound", &format!("The subnet ID '{wanted}' does not exist")));
    }
    Ok(Value::String(format!(
        "<subnetSet><item><subnetId>{SUBNET}</subnetId><state>available</state><vpcId>{VPC}</vpcId>\
         <cidrBlock>10.0.1.0/24</cidrBlock><ownerId>{ACCOUNT}</ownerId></item></subnetSet>"
    )))
}

/// Describes the VPC's interface endpoint, if it has one.
pub(crate) fn describe_vpc_endpoints(call: &Call<'_>) -> Result<Value, ApiError> {
    call.authorise("ec2:DescribeVpcEndpoints", "*", &BTreeMap::new())?;
    let endpoint = format!(
        "<item><vpcEndpointId>vpce-0c0c0c0c0c0c0c0c0</vpcEndpointId><vpcEndpointType>Interface</vpcEndpointType><vpcId>{VPC}</vpcId>\
         <serviceName>com.amazonaws.{REGION}.ssmmessages</serviceName><state>available</state>\
         <privateDnsEnabled>true</privateDnsEnabled></item>"
    );
    let endpoints = if call.shared.faults.subnet_is_isolated() { String::new() } else { endpoint };
    Ok(Value::String(format!("<vpcEndpointSet>{endpoints}</vpcEndpointSet>")))
}

/// Describes the VPC's main route table; the subnet has none of its own.
pub(crate) fn describe_route_tables(call: &Call<'_>) -> Result<Value, ApiError> {
    call.authorise("ec2:DescribeRouteTables", "*", &BTreeMap::new())?;
    let asks_for_main = (1..=10).any(|at| call.text(&format!("Filter.{at}.Name")) == Some("association.main"));
    let table = "<item><routeTableId>rtb-0d0d0d0d0d0d0d0d0</routeTableId><routeSet><item>\
         <destinationCidrBlock>10.0.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId><state>active</state></item></routeSet></item>";
    Ok(Value::String(format!("<routeTableSet>{}</routeTableSet>", if asks_for_main { table } else { "" })))
}

/// Wraps what an action of this API made.
pub(crate) fn to_xml(action: &str, inner: &Value) -> Bytes {
    let name = action.rsplit(':').next().unwrap_or_default();
    Bytes::from(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{name}Response xmlns=\"http://ec2.amazonaws.com/doc/{VERSION}/\">\
         <requestId>{}</requestId>{}</{name}Response>",
        uuid::Uuid::new_v4(),
        inner.as_str().unwrap_or_default()
    ))
}

/// EC2's own form of a refusal; one of rights has a name of its own.
pub(crate) fn error_xml(error: &ApiError) -> Bytes {
    let code = if error.code == "AccessDeniedException" { "UnauthorizedOperation" } else { &error.code };
    Bytes::from(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{}</Message></Error>\
         </Errors><RequestID>{}</RequestID></Response>",
        escape_xml(&error.message),
        uuid::Uuid::new_v4()
    ))
}
