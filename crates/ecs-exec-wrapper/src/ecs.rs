//! The calls to ECS, SSM and KMS: each with its own rule for repetition.
//!
//! Owns requests and answers, nothing of what follows from them. Reads may be repeated by the SDK. ExecuteCommand never is: an
//! answer that was lost may stand for a session that exists.

use crate::task::{ContainerView, TaskView};
use aws_identity::{Refusal, explain};
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::types::{DesiredStatus, ManagedAgentName, Task, TaskField};
use investigation::{TaskArn, TaskLabels};
use secrecy::SecretString;
use ssm_proto::{DataKey, GrantedKey};
use std::collections::{BTreeMap, HashMap};
use zeroize::Zeroizing;

/// DescribeTasks takes this many at once.
const DESCRIBE_MAX: usize = 100;

/// The size of the data key that both directions' keys are cut from. Source: the data channel's KMS handshake.
const DATA_KEY_BYTES: i32 = 64;

/// The clients of one run.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    ecs: aws_sdk_ecs::Client,
    ssm: aws_sdk_ssm::Client,
    kms: aws_sdk_kms::Client,
}

/// An ECS Exec session as ExecuteCommand hands it out.
#[derive(Debug)]
pub(crate) struct ExecSession {
    /// Its id.
    pub(crate) session_id: String,
    /// Where its data channel is; holds routing secrets.
    pub(crate) stream_url: SecretString,
    /// What opens it, once.
    pub(crate) token: SecretString,
}

/// What became of one ExecuteCommand.
#[derive(Debug)]
pub(crate) enum ExecuteError {
    /// A definite no; another try may have another answer.
    NotConnected(Refusal),
    /// Too many at once: nothing was started.
    Throttled(Refusal),
    /// A definite no.
    Refused(Refusal),
    /// The request never left.
    NotSent(Refusal),
    /// No answer came: a session may exist.
    Unknown(Refusal),
}

impl Services {
    /// Makes the clients; no call.
    pub(crate) fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            ecs: aws_sdk_ecs::Client::new(config),
            ssm: aws_sdk_ssm::Client::new(config),
            kms: aws_sdk_kms::Client::new(config),
        }
    }

    /// Describes tasks, with their tags. Those that ECS does not know are left out.
    ///
    /// # Errors
    /// AWS's refusal.
    pub(crate) async fn describe(&self, cluster: &str, tasks: &[String]) -> Result<Vec<TaskView>, Refusal> {
        let mut views = Vec::new();
        for chunk in tasks.chunks(DESCRIBE_MAX) {
            let request = self.ecs.describe_tasks().cluster(cluster).set_tasks(Some(chunk.to_vec())).include(TaskField::Tags);
            let answer = request.send().await.map_err(|error| explain("ecs:DescribeTasks", &error))?;
            views.extend(answer.tasks().iter().filter_map(view));
        }
        Ok(views)
    }

    /// The ARNs of all tasks that are to run.
    ///
    /// # Errors
    /// AWS's refusal.
    pub(crate) async fn running_tasks(&self, cluster: &str) -> Result<Vec<String>, Refusal> {
        let mut pages = self.ecs.list_tasks().cluster(cluster).desired_status(DesiredStatus::Running).into_paginator().send();
        let mut arns = Vec::new();
        while let Some(page) = pages.next().await {
            arns.extend(page.map_err(|error| explain("ecs:ListTasks", &error))?.task_arns().iter().cloned());
        }
        Ok(arns)
    }

    /// Whether the cluster encrypts its sessions with a key of its own; `None` when we may not know.
    pub(crate) async fn cluster_has_key(&self, cluster: &str) -> Option<bool> {
        use aws_sdk_ecs::types::ClusterField;
        let answer = self.ecs.describe_clusters().clusters(cluster).include(ClusterField::Configurations).send().await;
        let answer = answer
            .inspect_err(|error| tracing::debug!(refusal = %explain("ecs:DescribeClusters", error), "cluster not readable"))
            .ok()?;
        let cluster = answer.clusters().first()?;
        let exec = cluster.configuration().and_then(|configuration| configuration.execute_command_configuration());
        Some(exec.and_then(|exec| exec.kms_key_id()).is_some_and(|key| !key.is_empty()))
    }

    /// Opens a session. Sent exactly once.
    ///
    /// # Errors
    /// See [`ExecuteError`]: a definite no is told apart from silence.
    pub(crate) async fn execute(
        &self,
        cluster: &str,
        task: &TaskArn,
        container: &str,
        command: &str,
    ) -> Result<ExecSession, ExecuteError> {
        let once = aws_sdk_ecs::config::Builder::new().retry_config(RetryConfig::disabled());
        let request = self.ecs.execute_command().cluster(cluster).task(task.to_string()).container(container);
        let sent = request.command(command).interactive(true).customize().config_override(once).send().await;
        let answer = sent.map_err(|error| execute_error(&error))?;
        let session = answer.session().ok_or_else(|| ExecuteError::Unknown(empty_answer()))?;
        match (session.session_id(), session.stream_url(), session.token_value()) {
            (Some(session_id), Some(stream_url), Some(token)) => Ok(ExecSession {
                session_id: session_id.to_owned(),
                stream_url: SecretString::from(stream_url.to_owned()),
                token: SecretString::from(token.to_owned()),
            }),
            _ => Err(ExecuteError::Unknown(empty_answer())),
        }
    }

    /// Asks AWS to end a session. Success proves nothing about the program: AWS answers so for unknown sessions as well.
    ///
    /// # Errors
    /// AWS's refusal.
    pub(crate) async fn terminate(&self, session_id: &str) -> Result<(), Refusal> {
        let sent = self.ssm.terminate_session().session_id(session_id).send().await;
        sent.map(drop).map_err(|error| explain("ssm:TerminateSession", &error))
    }

    /// Asks for a new way into a session whose connection was lost; `None` when AWS has ended the session.
    ///
    /// # Errors
    /// AWS's refusal.
    pub(crate) async fn resume(&self, session_id: &str) -> Result<Option<ExecSession>, Refusal> {
        let sent = self.ssm.resume_session().session_id(session_id).send().await;
        let answer = sent.map_err(|error| explain("ssm:ResumeSession", &error))?;
        let filled = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(|text| SecretString::from(text.to_owned()));
        let (Some(stream_url), Some(token)) = (filled(answer.stream_url()), filled(answer.token_value())) else {
            return Ok(None);
        };
        Ok(Some(ExecSession { session_id: session_id.to_owned(), stream_url, token }))
    }

    /// Asks KMS for the session's data key. A key service that refuses the agent's challenge in the context is asked again
    /// without it, and the answer says so.
    ///
    /// # Errors
    /// KMS's refusal.
    pub(crate) async fn data_key(&self, key: KeyRequest<'_>) -> Result<GrantedKey, Refusal> {
        match (self.generate(&key, true).await, key.challenge) {
            (Err(refusal), Some(_)) if refusal.kind == aws_identity::RefusalKind::Denied => {
                tracing::debug!(%refusal, "data key refused with the challenge in its context; asked again without");
                self.generate(&key, false).await.map_err(|_| refusal)
            }
            (result, _) => result,
        }
    }

    async fn generate(&self, key: &KeyRequest<'_>, with_challenge: bool) -> Result<GrantedKey, Refusal> {
        let mut context = HashMap::from([
            ("aws:ssm:SessionId".to_owned(), key.session_id.to_owned()),
            ("aws:ssm:TargetId".to_owned(), key.ssm_target.to_owned()),
        ]);
        let challenge = key.challenge.filter(|_| with_challenge);
        if let Some(challenge) = challenge {
            context.insert("aws:ssm:RandomChallenge".to_owned(), challenge.to_owned());
        }
        let request =
            self.kms.generate_data_key().key_id(key.key_id).number_of_bytes(DATA_KEY_BYTES).set_encryption_context(Some(context));
        let mut answer = request.send().await.map_err(|error| explain("kms:GenerateDataKey", &error))?;
        let plaintext = answer.plaintext.take().map(|blob| Zeroizing::new(blob.into_inner()));
        let (Some(plaintext), Some(blob)) = (plaintext, answer.ciphertext_blob()) else {
            return Err(Refusal { call: "kms:GenerateDataKey", ..empty_answer() });
        };
        let plaintext =
            DataKey::from_slice(&plaintext).ok_or_else(|| Refusal { call: "kms:GenerateDataKey", ..empty_answer() })?;
        Ok(GrantedKey { plaintext, ciphertext_blob: blob.as_ref().to_vec(), challenge_acknowledged: challenge.is_some() })
    }
}

/// What a data key is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyRequest<'a> {
    /// The key's id or ARN, as the agent says it.
    pub(crate) key_id: &'a str,
    /// The session's id, part of the encryption context.
    pub(crate) session_id: &'a str,
    /// The `ecs:` target, part of the encryption context.
    pub(crate) ssm_target: &'a str,
    /// The agent's challenge, part of the encryption context when there is one.
    pub(crate) challenge: Option<&'a str>,
}

fn execute_error(
    error: &SdkError<aws_sdk_ecs::operation::execute_command::ExecuteCommandError, aws_sdk_ecs::config::http::HttpResponse>,
) -> ExecuteError {
    let refusal = explain("ecs:ExecuteCommand", error);
    match error {
        SdkError::ConstructionFailure(_) => ExecuteError::NotSent(refusal),
        SdkError::DispatchFailure(failure) if failure.is_user() => ExecuteError::NotSent(refusal),
        SdkError::DispatchFailure(failure) if failure.as_connector_error().is_some_and(is_connect_failure) => {
            ExecuteError::NotSent(refusal)
        }
        SdkError::ServiceError(service) => match service.err().code() {
            Some("TargetNotConnectedException") => ExecuteError::NotConnected(refusal),
            _ if refusal.kind == aws_identity::RefusalKind::Throttled => ExecuteError::Throttled(refusal),
            // A fault of the server may have come after the session was made.
            _ if refusal.http_status.is_some_and(|status| status >= 500) => ExecuteError::Unknown(refusal),
            _ => ExecuteError::Refused(refusal),
        },
        _ => ExecuteError::Unknown(refusal),
    }
}

fn is_connect_failure(error: &aws_smithy_runtime_api::client::result::ConnectorError) -> bool {
    std::iter::successors(std::error::Error::source(error), |source| source.source())
        .filter_map(|source| source.downcast_ref::<std::io::Error>())
        .any(|io| {
            matches!(
                io.kind(),
                std::io::ErrorKind::ConnectionRefused
                    | std::io::ErrorKind::HostUnreachable
                    | std::io::ErrorKind::NetworkUnreachable
            )
        })
}

fn empty_answer() -> Refusal {
    Refusal {
        call: "ecs:ExecuteCommand",
        code: String::new(),
        message: "the answer lacks what it must hold".to_owned(),
        request_id: None,
        http_status: None,
        principal: None,
        resource: None,
        missing: None,
        kind: aws_identity::RefusalKind::Service,
    }
}

fn view(task: &Task) -> Option<TaskView> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Some(TaskView {
        arn: TaskArn::parse(task.task_arn()?).ok()?,
        last_status: text(task.last_status()),
        desired_status: text(task.desired_status()),
        stopped_reason: task.stopped_reason().map(str::to_owned),
        exec_enabled: task.enable_execute_command(),
        containers: task.containers().iter().map(container_view).collect(),
        labels: labels(task),
    })
}

fn container_view(container: &aws_sdk_ecs::types::Container) -> ContainerView {
    let agent = container.managed_agents().iter().find(|agent| agent.name() == Some(&ManagedAgentName::ExecuteCommandAgent));
    ContainerView {
        name: container.name().unwrap_or_default().to_owned(),
        runtime_id: container.runtime_id().map(str::to_owned),
        last_status: container.last_status().unwrap_or_default().to_owned(),
        agent: agent.map(|agent| (agent.last_status().unwrap_or_default().to_owned(), agent.reason().map(str::to_owned))),
    }
}

fn labels(task: &Task) -> TaskLabels {
    let tags = task.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()))).collect();
    let overrides = task.overrides().map(aws_sdk_ecs::types::TaskOverride::container_overrides).unwrap_or_default();
    let variables = overrides.iter().flat_map(aws_sdk_ecs::types::ContainerOverride::environment);
    let environment: BTreeMap<_, _> =
        variables.filter_map(|pair| Some((pair.name()?.to_owned(), pair.value()?.to_owned()))).collect();
    TaskLabels { tags, environment }
}
