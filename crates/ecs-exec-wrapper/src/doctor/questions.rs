//! What IAM's simulator is asked: which actions, on which ARNs, with which conditions. Pure.

use super::check::Reading;
use super::cluster::ClusterFacts;
use super::simulate::{DOCUMENT_CHECK, Question};
use super::task::TaskFacts;
use investigation::TaskArn;
use record_delivery::{Bucket, Home, LogGroup, Place as RecordPlace};

/// Documents that give a shell or a command, by the account in their ARN: AWS's own have none.
const SHELL_DOCUMENTS: [(&str, bool); 3] =
    [("AWS-StartInteractiveCommand", false), ("AWS-StartNonInteractiveCommand", false), ("SSM-SessionManagerRunShell", true)];

/// Documents that only forward ports.
const PORT_DOCUMENTS: [&str; 2] = ["AWS-StartPortForwardingSession", "AWS-StartPortForwardingSessionToRemoteHost"];

/// What the ARNs are made of.
pub(super) struct Place {
    partition: String,
    region: String,
    account: String,
    task: String,
    cluster: Option<String>,
    key: Option<String>,
}

impl Place {
    /// Takes the parts from the task and the cluster.
    pub(super) fn of(task: &TaskArn, cluster: &Reading<ClusterFacts>) -> Self {
        let (partition, region, account) = (task.partition(), task.region(), task.account());
        let named = task.ecs_cluster().map(|name| format!("arn:{partition}:ecs:{region}:{account}:cluster/{name}"));
        let key = cluster.as_ref().ok().and_then(|cluster| cluster.kms_key.as_deref());
        // Policies name keys, and an alias does not say which key it stands for.
        let key = key.filter(|key| !names_alias(key)).map(|key| {
            if key.starts_with("arn:") { key.to_owned() } else { format!("arn:{partition}:kms:{region}:{account}:key/{key}") }
        });
        Self {
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            task: task.to_string(),
            cluster: cluster.as_ref().ok().map(|cluster| cluster.arn.clone()).filter(|arn| !arn.is_empty()).or(named),
            key,
        }
    }

    fn arn(&self, service: &str, with_account: bool, rest: &str) -> String {
        let account = if with_account { self.account.as_str() } else { "" };
        format!("arn:{}:{service}:{}:{account}:{rest}", self.partition, self.region)
    }
}

/// Whether a key is named by an alias, bare or as an ARN.
pub(super) fn names_alias(key: &str) -> bool {
    key.rsplit(':').next().unwrap_or(key).starts_with("alias/")
}

/// The questions about the caller.
pub(super) fn caller_questions(place: &Place, task: &TaskFacts, container: Option<&str>) -> Vec<Question> {
    let texts = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let tags = task.view.labels.tags.iter();
    let mut context: Vec<(String, String)> = tags
        .flat_map(|(key, value)| ["ecs", "aws"].map(|prefix| (format!("{prefix}:ResourceTag/{key}"), value.clone())))
        .collect();
    context.extend(place.cluster.iter().map(|arn| texts("ecs:cluster", arn)));
    context.push(texts("ecs:task", &place.task));
    context.extend(container.map(|name| texts("ecs:container-name", name)));
    let session = vec![place.arn("ssm", true, "session/ecs-execute-command-0123456789abcdef0")];
    let on_session = |id, action| Question { id, actions: vec![action], resources: session.clone(), context: Vec::new() };
    let start = |id, check: &str, resources| Question {
        id,
        actions: vec!["ssm:StartSession"],
        resources,
        context: [context.clone(), vec![texts(DOCUMENT_CHECK, check)]].concat(),
    };
    let document = |name: &str, own| place.arn("ssm", own, &format!("document/{name}"));
    vec![
        Question {
            id: "execute-command",
            actions: vec!["ecs:ExecuteCommand"],
            resources: place.cluster.iter().cloned().chain([place.task.clone()]).collect(),
            context: context.clone(),
        },
        on_session("open-data-channel", "ssmmessages:OpenDataChannel"),
        Question {
            id: "data-key",
            actions: vec!["kms:GenerateDataKey"],
            resources: place.key.iter().cloned().collect(),
            context: Vec::new(),
        },
        on_session("resume-session", "ssm:ResumeSession"),
        on_session("terminate-session", "ssm:TerminateSession"),
        start("start-checked", "true", vec![place.task.clone()]),
        start("start-unchecked", "false", vec![place.task.clone()]),
        start("start-shell", "true", SHELL_DOCUMENTS.iter().map(|(name, own)| document(name, *own)).collect()),
        start("start-ports", "true", PORT_DOCUMENTS.iter().map(|name| document(name, false)).collect()),
    ]
}

/// The questions about the places that the session record goes to.
pub(super) fn record_questions(place: &Place, record_places: &[RecordPlace]) -> Vec<Question> {
    let home = Home { partition: place.partition.clone(), region: place.region.clone(), account: place.account.clone() };
    let question = |record_place: &RecordPlace| match record_place {
        RecordPlace::LogGroup(LogGroup { name, home: there }) => {
            let Home { partition, region, account } = there.as_ref().unwrap_or(&home);
            let stream = format!("arn:{partition}:logs:{region}:{account}:log-group:{name}:log-stream:ecs-exec-wrapper/0");
            let actions = vec!["logs:CreateLogStream", "logs:PutLogEvents"];
            Question { id: "record-log-group", actions, resources: vec![stream], context: Vec::new() }
        }
        RecordPlace::Bucket(Bucket { name, prefix }) => {
            let key = format!("{prefix}/0-start.json");
            let object = format!("arn:{}:s3:::{name}/{}", place.partition, key.trim_start_matches('/'));
            let context = vec![("s3:if-none-match".to_owned(), "*".to_owned())];
            Question { id: "record-bucket", actions: vec!["s3:PutObject"], resources: vec![object], context }
        }
    };
    record_places.iter().map(question).collect()
}

/// The questions about the task role.
pub(super) fn role_questions(place: &Place, cluster: Option<&ClusterFacts>) -> Vec<Question> {
    let group = cluster.and_then(|cluster| cluster.log_group.as_deref());
    let bucket = cluster.and_then(|cluster| cluster.bucket.as_deref());
    let bucket = bucket.map(|name| format!("arn:{}:s3:::{name}", place.partition));
    let question =
        |id, actions: &[&'static str], resources| Question { id, actions: actions.to_vec(), resources, context: Vec::new() };
    let channel = [
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    ];
    let streams = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"];
    let log_streams = group.map(|name| place.arn("logs", true, &format!("log-group:{name}:*")));
    vec![
        question("task-role-channel", &channel, vec!["*".to_owned()]),
        question("task-role-key", &["kms:Decrypt"], place.key.iter().cloned().collect()),
        question("task-role-logs", &["logs:DescribeLogGroups"], group.iter().map(|_| "*".to_owned()).collect()),
        question("task-role-logs", &streams, log_streams.into_iter().collect()),
        question("task-role-bucket", &["s3:PutObject"], bucket.iter().map(|arn| format!("{arn}/*")).collect()),
        question("task-role-bucket", &["s3:GetEncryptionConfiguration"], bucket.into_iter().collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_asked_for_by_its_arn_and_never_by_an_alias() {
        let task = TaskArn::parse("arn:aws:ecs:us-east-2:123456789012:task/dev/0123456789abcdef0123456789abcdef").unwrap();
        let key_of =
            |key: &str| Place::of(&task, &Ok(ClusterFacts { kms_key: Some(key.to_owned()), ..ClusterFacts::default() })).key;
        assert_eq!(key_of("1234").as_deref(), Some("arn:aws:kms:us-east-2:123456789012:key/1234"));
        assert_eq!(key_of("arn:aws:kms:x:1:key/2").as_deref(), Some("arn:aws:kms:x:1:key/2"));
        assert_eq!((key_of("alias/a"), key_of("arn:aws:kms:x:1:alias/a")), (None, None));
    }

    #[test]
    fn the_task_role_is_asked_only_what_the_cluster_needs() {
        let task = TaskArn::parse("arn:aws:ecs:us-east-2:123456789012:task/dev/0123456789abcdef0123456789abcdef").unwrap();
        let cluster = ClusterFacts { bucket: Some("b".to_owned()), ..ClusterFacts::default() };
        let place = Place::of(&task, &Ok(cluster.clone()));
        let asked = role_questions(&place, Some(&cluster));
        let arns: Vec<(&str, &str)> =
            asked.iter().flat_map(|question| question.resources.iter().map(|arn| (question.id, arn.as_str()))).collect();
        let expected =
            [("task-role-channel", "*"), ("task-role-bucket", "arn:aws:s3:::b/*"), ("task-role-bucket", "arn:aws:s3:::b")];
        assert_eq!(arns, expected);
    }
}
