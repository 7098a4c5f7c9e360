//! A client of the data channel, driven by hand: `ssm_proto::Link` over a WebSocket.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use lab::{World, sign_request};
use serde_json::{Value, json};
use ssm_proto::{DataKey, Event, GrantedKey, Link, LinkConfig, LinkEnd, Now, SystemEntropy, Transmit};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use zeroize::Zeroizing;

use crate::support::{WATCHDOG, call};

type Socket = WebSocketStream<TcpStream>;

/// What ExecuteCommand or ResumeSession gave.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) token: String,
}

/// Opens a session in the world's first task.
pub(crate) fn execute(world: &World, command: &str) -> Opened {
    let task = &world.tasks()[0];
    let body = json!({
        "cluster": world.cluster(), "task": task.task_id, "container": "rosa-boundary", "command": command, "interactive": true,
    });
    let (status, answer) = call(world, "ecs:ExecuteCommand", &body);
    assert_eq!(status, 200, "{answer}");
    opened(&answer["session"], ["sessionId", "streamUrl", "tokenValue"])
}

/// Asks for a new token of a session.
pub(crate) fn resume(world: &World, id: &str) -> Opened {
    let (status, answer) = call(world, "ssm:ResumeSession", &json!({"SessionId": id}));
    assert_eq!(status, 200, "{answer}");
    opened(&answer, ["SessionId", "StreamUrl", "TokenValue"])
}

fn opened(answer: &Value, [id, url, token]: [&str; 3]) -> Opened {
    let text = |name: &str| answer[name].as_str().expect("a session has its three texts").to_owned();
    Opened { id: text(id), url: text(url), token: text(token) }
}

/// Upgrades on the plain gateway.
pub(crate) async fn dial(world: &World, opened: &Opened, signed: bool) -> Result<Socket, Error> {
    let mut request = opened.url.as_str().into_client_request()?;
    if signed {
        let uri = request.uri().clone();
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let query = uri.query().unwrap_or_default();
        let added = sign_request(
            ("GET", uri.path(), query),
            &[("host".to_owned(), host)],
            b"",
            &world.caller_keys(),
            ("us-east-2", "ssmmessages", &stamp),
        );
        for (name, value) in added {
            let name = HeaderName::try_from(name).expect("a header name");
            request.headers_mut().insert(name, HeaderValue::try_from(value).expect("a header value"));
        }
    }
    let host = request.uri().authority().expect("a url has a host").to_string();
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    Ok(tokio_tungstenite::client_async(request, stream).await?.0)
}

/// The client and what it has heard.
pub(crate) struct Client {
    pub(crate) link: Link,
    socket: Option<Socket>,
    target: String,
    pub(crate) output: Vec<u8>,
    pub(crate) closed: Option<String>,
    pub(crate) ended: Option<LinkEnd>,
    pub(crate) events: Vec<String>,
    /// Changes the encryption context, for tests of its enforcement.
    pub(crate) wrong_context: bool,
}

pub(crate) fn now() -> Now {
    let unix_millis = u64::try_from(jiff::Timestamp::now().as_millisecond()).expect("after 1970");
    Now { instant: Instant::now(), unix_millis }
}

impl Client {
    pub(crate) fn new(world: &World, opened: &Opened) -> Self {
        let task = &world.tasks()[0];
        let config = LinkConfig { session_id: opened.id.clone(), ..LinkConfig::default() };
        Self {
            link: Link::new(config, Box::new(SystemEntropy)),
            socket: None,
            target: task.ssm_target(&task.containers[0]),
            output: Vec::new(),
            closed: None,
            ended: None,
            events: Vec::new(),
            wrong_context: false,
        }
    }

    /// Opens a session, connects, and releases the input as soon as the agent can take it: with a key, that is after the
    /// handshake.
    pub(crate) async fn start(world: &World, command: &str) -> (Self, Opened) {
        let opened = execute(world, command);
        let mut client = Self::new(world, &opened);
        client.connect(world, &opened).await;
        if world.has_kms() {
            client.until(world, "the handshake", |client| client.link.handshake_complete()).await;
        }
        client.link.release_input(now());
        (client, opened)
    }

    pub(crate) async fn connect(&mut self, world: &World, opened: &Opened) {
        self.socket = Some(dial(world, opened, true).await.expect("the gateway upgrades"));
        self.link.handle_connected(Zeroizing::new(opened.token.clone()), now());
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.socket.is_some()
    }

    /// Forgets the socket without a word.
    pub(crate) fn hang_up(&mut self) {
        self.socket = None;
        self.link.handle_disconnected(now());
    }

    pub(crate) fn has_shown(&self, text: &str) -> bool {
        self.output.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// Drives the link until a condition holds; panics when the watchdog bites.
    pub(crate) async fn until(&mut self, world: &World, what: &str, condition: impl Fn(&Self) -> bool) {
        let watchdog = Instant::now() + WATCHDOG;
        loop {
            self.flush(world).await;
            if condition(self) {
                return;
            }
            assert!(
                Instant::now() < watchdog,
                "{what} did not come; shown: {:?}; events: {:?}; closed: {:?}",
                String::from_utf8_lossy(&self.output),
                self.events,
                self.closed
            );
            self.wait().await;
        }
    }

    async fn flush(&mut self, world: &World) {
        loop {
            while let Some(transmit) = self.link.poll_transmit(now()) {
                let message = match transmit {
                    Transmit::Text(text) => Message::text(text.as_str()),
                    Transmit::Binary(bytes) => Message::Binary(bytes),
                };
                let sent = match &mut self.socket {
                    Some(socket) => socket.send(message).await,
                    None => Ok(()),
                };
                if sent.is_err() {
                    self.hang_up();
                }
            }
            let Some(event) = self.link.poll_event() else { return };
            self.take(world, event);
        }
    }

    fn take(&mut self, world: &World, event: Event) {
        match event {
            Event::Output(bytes) => self.output.extend_from_slice(&bytes),
            Event::NeedDataKey { key_id, challenge } => {
                let key = self.data_key(world, &key_id, challenge.as_deref());
                self.link.handle_data_key(Ok(key), now());
            }
            Event::ChannelClosed { output } => self.closed = Some(output),
            Event::Ended(end) => self.ended = Some(end),
            other => self.events.push(format!("{other:?}")),
        }
    }

    fn data_key(&self, world: &World, key_id: &str, challenge: Option<&str>) -> GrantedKey {
        let target = if self.wrong_context { "ecs:wrong" } else { &self.target };
        let id = Self::newest_session_id(world);
        let mut context = json!({"aws:ssm:SessionId": id, "aws:ssm:TargetId": target});
        if let Some(challenge) = challenge {
            context["aws:ssm:RandomChallenge"] = json!(challenge);
        }
        let wanted = json!({"KeyId": key_id, "NumberOfBytes": 64, "EncryptionContext": context});
        let (status, key) = call(world, "kms:GenerateDataKey", &wanted);
        assert_eq!(status, 200, "{key}");
        let bytes = |name: &str| STANDARD.decode(key[name].as_str().expect("KMS gives base64")).expect("KMS gives base64");
        GrantedKey {
            plaintext: DataKey::from_slice(&bytes("Plaintext")).expect("64 bytes were asked for"),
            ciphertext_blob: bytes("CiphertextBlob"),
            challenge_acknowledged: challenge.is_some(),
        }
    }

    fn newest_session_id(world: &World) -> String {
        let sessions = world.journal().into_iter().rev().find_map(|entry| match entry {
            lab::JournalEntry::ExecuteCommand { session_id, .. } => Some(session_id),
            _ => None,
        });
        sessions.expect("a session was opened")
    }

    async fn wait(&mut self) {
        let deadline =
            self.link.poll_timeout().map_or(Duration::from_millis(50), |(at, _)| at.saturating_duration_since(Instant::now()));
        let deadline = deadline.min(Duration::from_millis(50));
        let Some(socket) = &mut self.socket else {
            tokio::time::sleep(deadline).await;
            return self.link.handle_timeout(now());
        };
        match tokio::time::timeout(deadline, socket.next()).await {
            Err(_) => self.link.handle_timeout(now()),
            Ok(Some(Ok(Message::Binary(bytes)))) => self.link.handle_binary(bytes, now()),
            Ok(Some(Ok(Message::Text(text)))) => self.link.handle_text(Bytes::from(text), now()),
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => self.hang_up(),
            Ok(Some(Ok(_))) => {}
        }
    }
}
