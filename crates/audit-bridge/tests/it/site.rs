//! A world, an auditor's reader, a state and an evidence store; time is the test's.

use audit_bridge::hidden::{CollectError, What, Where, read_one};
use audit_bridge::settings::AwsSource;
use audit_facts::{Body, Coverage, Execution, Fact, Grade, Lack, Principal, Source, SsmSessionId, TaskId};
use audit_state::{Batch, CursorChange, EvidenceRow, Extent, Judgement, State};
use aws_credential_types::Credentials;
use aws_identity::{Settings, load};
use aws_reading::{Dice, Endpoints, Reader, ReaderOptions, Schedule, Service};
use correlation::{Account, Assurance, Method, Policy};
use evidence_bundle::store::{EvidenceStore as _, MemoryStore};
use jiff::{SignedDuration, Timestamp};
use lab::{JournalEntry, Profile, SigningKeys, StreamForm, World, WorldOptions};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const SCOPE: &str = "123456789012/us-east-2";
pub(crate) const GROUP: &str = "/ecs/rosa-boundary-dev/ssm-sessions";

/// Generous: only a hang reaches it.
const WATCHDOG: Duration = Duration::from_secs(20);

pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) source: AwsSource,
    pub(crate) state: State,
    pub(crate) evidence: MemoryStore,
    pub(crate) policy: Policy,
    reader: Reader,
    now: Timestamp,
    _folder: tempfile::TempDir,
}

impl Site {
    /// A world with a source of these settings; `name` and `region` are there already.
    pub(crate) async fn of(settings: Value) -> Self {
        let options = WorldOptions {
            only_via_worker: false,
            stream_form: StreamForm::Loopback,
            agent_drain: Duration::from_millis(100),
            ..WorldOptions::of(Profile::Granted)
        };
        let world = World::start(options).await.unwrap();
        let mut whole = json!({"name": "dev", "region": "us-east-2"});
        whole.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let folder = tempfile::tempdir().unwrap();
        Self {
            reader: reader(&world, world.auditor_keys()).await,
            now: world.now(),
            source: serde_json::from_value(whole).unwrap(),
            state: State::open(&folder.path().join("state.sqlite")).unwrap(),
            evidence: MemoryStore::default(),
            policy: Policy::default(),
            world,
            _folder: folder,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Turns all clocks.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.world.advance_clock(by);
        self.now += SignedDuration::try_from(by).unwrap();
    }

    /// Denies actions to the auditor from now on.
    pub(crate) async fn deny(&mut self, actions: &[&str]) {
        self.world.deny_auditor(actions);
        self.reader = reader(&self.world, self.world.auditor_keys()).await;
    }

    pub(crate) async fn read(&mut self, what: What) -> Result<(), CollectError> {
        let Self { source, reader, policy, now, .. } = self;
        let at = Where { source, reader, account: ACCOUNT, policy, now: *now };
        read_one(what, at, &mut self.state, &self.evidence).await
    }

    /// Reads without trouble, and gives the facts that are new.
    pub(crate) async fn news(&mut self, what: What) -> Vec<Fact> {
        let before: Vec<String> = self.facts().iter().map(Fact::id).collect();
        self.read(what).await.unwrap();
        self.facts().into_iter().filter(|fact| !before.contains(&fact.id())).collect()
    }

    /// All facts.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let reader = self.state.reader().unwrap();
        let dump = reader.dump(Extent::Knowledge).unwrap();
        let rows =
            dump.lines().skip_while(|line| !line.contains("FROM facts ")).skip(1).take_while(|line| !line.starts_with("-- "));
        let id = |line: &str| line.split('\t').next().unwrap().trim_matches('"').to_owned();
        reader.facts(&rows.map(id).collect::<Vec<_>>()).unwrap()
    }

    /// Facts and evidence, without what tells how far was read.
    pub(crate) fn kept(&self) -> String {
        let dump = self.state.reader().unwrap().dump(Extent::Knowledge).unwrap();
        let sections = dump.split("-- SELECT ").filter(|section| !section.contains("FROM coverage "));
        sections.collect()
    }

    pub(crate) fn coverage(&self, source: Source) -> Vec<Coverage> {
        let all = self.state.reader().unwrap().coverage(Timestamp::UNIX_EPOCH, self.now + SignedDuration::from_hours(1)).unwrap();
        all.into_iter().filter(|window| window.source == source).collect()
    }

    /// The windows that were not read because the source refused.
    pub(crate) fn refused(&self, source: Source) -> Vec<(String, String)> {
        let refused = |window: Coverage| match window.lack {
            Some(Lack::CannotRead { text }) if window.grade == Grade::None => Some((window.scope, text)),
            _ => None,
        };
        self.coverage(source).into_iter().filter_map(refused).collect()
    }

    pub(crate) fn cursor(&self, source: Source, what: &str, name: &str) -> Option<Value> {
        self.state.reader().unwrap().cursor(source, &format!("dev/{what}"), name).unwrap()
    }

    /// Forgets cursors, as a reading does that died before it moved them.
    pub(crate) fn forget(&mut self, source: Source, what: &str, names: &[&str]) {
        let cursors = names.iter().map(|name| CursorChange { name: (*name).to_owned(), value: Value::Null }).collect();
        let place = format!("dev/{what}");
        let batch = Batch { source, place, at: self.now, evidence: Vec::new(), facts: Vec::new(), coverage: Vec::new(), cursors };
        self.state.commit(&batch).unwrap();
    }

    /// The bytes of a piece of evidence.
    pub(crate) fn evidence(&self, sha256: &str) -> Vec<u8> {
        self.evidence.get(&sha256.parse().unwrap(), 1 << 24).unwrap()
    }

    /// A command in the first task, run to its end; returns the session.
    pub(crate) async fn run(&self, command: &str) -> String {
        let caller = reader(&self.world, self.world.caller_keys()).await;
        let task = &self.world.tasks()[0];
        let asked = json!({
            "cluster": self.world.cluster(), "task": task.task_id, "container": "rosa-boundary", "command": command,
            "interactive": true,
        });
        let page = caller.json("ecs:ExecuteCommand", asked).await.unwrap();
        let answer: Value = serde_json::from_slice(&page.body).unwrap();
        let id = answer["session"]["sessionId"].as_str().unwrap().to_owned();
        let exited = |entry: &JournalEntry| matches!(entry, JournalEntry::ChildExited { .. });
        assert!(self.world.wait_for(|entries| entries.iter().any(exited), WATCHDOG).await);
        self.world.terminate(&id);
        let ended = |entry: &JournalEntry| matches!(entry, JournalEntry::SessionEnded { session_id, .. } if *session_id == id);
        assert!(self.world.wait_for(|entries| entries.iter().any(ended), WATCHDOG).await);
        id
    }

    /// The state judges that there was a shell.
    pub(crate) fn know(&mut self, session: &str, started: Timestamp, ended: Option<Timestamp>) {
        let task = self.world.tasks()[0].clone();
        let arn = format!("arn:aws:ecs:us-east-2:{ACCOUNT}:task/{}/{}", self.world.cluster(), task.task_id);
        let session = SsmSessionId::parse(session).unwrap();
        let body = Execution {
            event_id: format!("event-of-{session}"),
            at: started,
            region: "us-east-2".to_owned(),
            account: ACCOUNT.to_owned(),
            principal: Principal::default(),
            task_id: Some(TaskId::parse(&task.task_id).unwrap()),
            task_arn: Some(arn.clone()),
            container: None,
            planted: None,
            ssm_session_id: Some(session.clone()),
            error_code: None,
        };
        let evidence = "0".repeat(64);
        let fact = Fact {
            source: Source::CloudTrail,
            place: "dev/cloudtrail".to_owned(),
            observed_at: started,
            evidence: evidence.clone(),
            body: Body::Execution(Box::new(body)),
        };
        let row = EvidenceRow { sha256: evidence, request: Value::Null, at: started, bytes: 1 };
        let batch = Batch {
            source: Source::CloudTrail,
            place: "dev/cloudtrail".to_owned(),
            at: started,
            evidence: vec![row],
            facts: vec![fact],
            coverage: Vec::new(),
            cursors: Vec::new(),
        };
        self.state.commit(&batch).unwrap();
        let key = audit_facts::Key::ssm_session(session.as_str());
        let case = self.state.reader().unwrap().case_of(&key).unwrap().unwrap();
        let mut accounts = self.accounts_of(&case);
        accounts.push(account(session, arn, started, ended, case.facts.iter().map(Fact::id).collect()));
        let judgement = Judgement { accounts, ..Judgement::default() };
        self.state.record_judgement(&case, &judgement, self.now).unwrap();
    }

    /// The accounts that the case had: shells of one task are one case.
    fn accounts_of(&self, case: &audit_state::Case) -> Vec<Account> {
        let all = self.state.reader().unwrap().sessions(&audit_state::AccountFilter::default()).unwrap();
        let of_case = |it: &Account| it.ssm_session_id.as_ref().is_some_and(|id| case.keys.contains(&format!("ssm:{id}")));
        all.into_iter().filter(of_case).collect()
    }
}

fn account(session: SsmSessionId, arn: String, started: Timestamp, ended: Option<Timestamp>, facts: Vec<String>) -> Account {
    Account {
        id: format!("ssm:{session}"),
        ssm_session_id: Some(session),
        boundary_session_id: None,
        task_id: arn.rsplit('/').next().map(str::to_owned),
        task_arn: Some(arn),
        cluster_id: None,
        investigation_id: None,
        container: None,
        method: Method::None,
        assurance: Assurance::None,
        grade: None,
        alternatives: 0,
        features: None,
        user_id: None,
        user_name: None,
        principal_arn: None,
        client_address: None,
        reason: None,
        started: Some(started),
        ended,
        exit_code: None,
        ending: None,
        bytes_up: None,
        bytes_down: None,
        transcript: None,
        transcript_evidence: None,
        witnesses: Vec::new(),
        facts,
    }
}

async fn reader(world: &World, keys: SigningKeys) -> Reader {
    let credentials = Credentials::new(keys.access_key, keys.secret, keys.session_token, None, "lab");
    reader_with(credentials, format!("http://{}", world.api_addr())).await
}

/// A reader of a server that checks no signatures.
pub(crate) async fn reader_at(url: &str) -> Reader {
    reader_with(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"), url.to_owned()).await
}

async fn reader_with(credentials: Credentials, url: String) -> Reader {
    let settings = Settings { region: Some("us-east-2".to_owned()), credentials: Some(credentials), ..Settings::default() };
    let aws = load(&settings).await.unwrap();
    let endpoints = Endpoints {
        configured: Service::ALL.into_iter().map(|service| (service, url.clone())).collect(),
        ..Endpoints::default()
    };
    let brief = Duration::from_millis(1);
    let schedule = Schedule { attempts: 3, failed: brief, throttled: brief, longest: brief };
    let rates = std::collections::BTreeMap::new();
    let options =
        ReaderOptions { endpoints: Some(endpoints), schedule, dice: Dice::new(|| 1.0), rates, ..ReaderOptions::default() };
    Reader::new(&aws, options).unwrap()
}
