//! The making of plans with ordinary values.
//!
//! Owns the distributions of ordinary behaviour, each with its reason; scenes change what is out of the ordinary.

use crate::people::{ALPHANUMERIC, HEX, Person, SSM_TAIL};
use crate::plan::{Caller, Client, Door, Goodbye, Log, Planted, Read, Shell, Text, Tunnel, Visit, Wire};
use crate::rng::Rng;
use crate::shape::{Keys, Shape};
use crate::site::{Owner, Saved, Site};
use crate::time::{DAY, EPOCH, HOUR, MINUTE, Ms, SECOND};
use crate::world::{NearMiss, Truth};
use audit_facts::{Coverage, Fact, Source, SsmSessionId, TaskId};
use correlation::{Code, Policy};

/// The account in which ordinary tasks run.
pub(crate) const ACCOUNT: &str = "123456789012";
/// Their region.
pub(crate) const REGION: &str = "us-east-2";
/// The Boundary project of their targets.
pub(crate) const PROJECT: &str = "p_1234567890";
/// The group of their logs.
pub(crate) const LOG_GROUP: &str = "/ecs/rosa-boundary/ssm-sessions";
/// The bucket of their files.
pub(crate) const BUCKET: &str = "audit-123456789012-us-east-2";

/// Seconds from the first connection to ExecuteCommand: median and deviation of the logarithm, and the bounds in milliseconds.
pub(crate) const DIAL: (f64, f64, i64, i64) = (1100.0, 0.6, 300, 4000);
/// Milliseconds from the shell's end to the Boundary session's, alike.
pub(crate) const HANG_UP: (f64, f64, i64, i64) = (900.0, 0.6, 150, 6000);

/// A world in the making.
pub(crate) struct Builder {
    pub(crate) shape: Shape,
    pub(crate) rng: Rng,
    pub(crate) people: Vec<Person>,
    pub(crate) now: Ms,
    pub(crate) facts: Vec<Fact>,
    pub(crate) coverage: Vec<Coverage>,
    pub(crate) policy: Policy,
    pub(crate) truth: Truth,
}

impl Builder {
    pub(crate) fn new(seed: u64, shape: &Shape) -> Self {
        let mut rng = Rng::new(seed);
        let people = (0..shape.people.max(4)).map(|number| Person::of(number, &mut rng)).collect();
        let now = EPOCH + shape.days.max(14) * DAY + 10 * HOUR;
        let policy = Policy {
            break_glass: vec!["arn:aws:sts::*:assumed-role/break-glass/*".to_owned()],
            shared_principals: vec!["arn:aws:sts::*:assumed-role/sre-shared/*".to_owned()],
            ..Policy::default()
        };
        let (facts, coverage, truth) = (Vec::new(), Vec::new(), Truth::default());
        Self { shape: shape.clone(), rng, people, now, facts, coverage, policy, truth }
    }

    /// The end of the zone of gaps, where everything else begins.
    pub(crate) fn calm_from() -> Ms {
        EPOCH + 6 * DAY
    }

    /// A time for something ordinary: after the zone of gaps, and long enough before now that no grace is running.
    pub(crate) fn calm_time(&mut self) -> Ms {
        self.rng.between(Self::calm_from() + 6 * HOUR, self.now - 3 * DAY)
    }

    pub(crate) fn somebody(&mut self) -> usize {
        self.rng.below(self.people.len())
    }

    /// Somebody else.
    pub(crate) fn other_than(&mut self, person: usize) -> usize {
        (person + 1 + self.rng.below(self.people.len() - 1)) % self.people.len()
    }

    /// A tagged task with a target, which lives from two hours before an instant until two days after it.
    pub(crate) fn site(&mut self, around: Ms) -> Site {
        let target_id = Some(format!("ttcp_{}", self.rng.text(ALPHANUMERIC, 10)));
        let stopped = around + 2 * DAY + self.rng.between(0, HOUR);
        let mut site = Site {
            task_id: TaskId::parse(&self.rng.text(HEX, 32)).expect("32 hexadecimal digits are a task id"),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            ecs_cluster: "rosa-boundary-dev".to_owned(),
            cluster_id: format!("cluster-{}", self.rng.text(HEX, 8)),
            investigation_id: format!("inv-{}", self.rng.text(HEX, 8)),
            target_id,
            other_targets: Vec::new(),
            scope_id: PROJECT.to_owned(),
            owner: self.somebody(),
            told: Owner::Name,
            created: around - 2 * HOUR,
            stopped: Some(stopped).filter(|at| *at < self.now - 6 * HOUR),
            tagged: (true, true),
            log_group: LOG_GROUP.to_owned(),
            bucket: BUCKET.to_owned(),
            saved: Vec::new(),
        };
        self.save(&mut site);
        site
    }

    /// Gives a stopped task its saved files, the shell's history among them.
    pub(crate) fn save(&mut self, site: &mut Site) {
        site.saved.clear();
        let Some(stopped) = site.stopped else { return };
        let names = [".bash_history", "notes.md", "must-gather.tar.gz", "oc-get-pods.txt"];
        for name in &names[..2 + self.rng.below(3)] {
            let modified = stopped + self.rng.between(2 * SECOND, 90 * SECOND);
            site.saved.push(Saved {
                path: (*name).to_owned(),
                version: 1,
                modified,
                bytes: self.rng.lognormal_in(4000.0, 1.5, 20, 5_000_000).unsigned_abs(),
                is_deletion: false,
                retained_until: Some(modified + 90 * DAY),
                retention_read: true,
            });
        }
    }

    /// An ordinary visit by a person: authorised, connected, one shell, everything ended and logged.
    pub(crate) fn visit(&mut self, site: &Site, person: usize, at: Ms) -> Visit {
        let duration = if self.rng.chance(self.shape.idle) {
            self.rng.between(6 * HOUR, 7 * HOUR)
        } else {
            self.rng.lognormal_in(600_000.0, 1.1, 20 * SECOND, 3 * HOUR)
        };
        self.visit_for(site, person, at, duration)
    }

    /// The same with a given duration of the shell.
    pub(crate) fn visit_for(&mut self, site: &Site, person: usize, at: Ms, duration: Ms) -> Visit {
        let mut tunnel = self.tunnel(site, person, at);
        let active = at + self.rng.lognormal_in(900.0, 0.5, 200, 20_000);
        tunnel.active_from = Some(active);
        let exec = active + self.draw(DIAL);
        let shell = self.shell(person, exec, duration, Some(&tunnel.id));
        tunnel.ended = shell.ended.map(|ended| ended + self.draw(HANG_UP));
        Visit { tunnel: Some(tunnel), shells: vec![shell] }
    }

    /// A shell past Boundary.
    pub(crate) fn bypass(&mut self, person: usize, at: Ms) -> Visit {
        let duration = self.rng.lognormal_in(600_000.0, 1.0, 30 * SECOND, 3 * HOUR);
        let mut shell = self.shell(person, at, duration, None);
        shell.client = None;
        Visit { tunnel: None, shells: vec![shell] }
    }

    pub(crate) fn draw(&mut self, (median, sigma, from, to): (f64, f64, i64, i64)) -> Ms {
        self.rng.lognormal_in(median, sigma, from, to)
    }

    /// A Boundary session that was authorised and never connected, with a wire for when it is.
    pub(crate) fn tunnel(&mut self, site: &Site, person: usize, at: Ms) -> Tunnel {
        let address = self.people[person].address.clone();
        let reason = *self.rng.pick(&["connection limit", "closed by end-user", "canceled"]);
        Tunnel {
            id: format!("s_{}", self.rng.text(ALPHANUMERIC, 10)),
            user: person,
            target_id: site.target_id.clone(),
            created: at,
            active_from: None,
            ended: Some(at + 8 * HOUR),
            reason,
            wires: vec![Wire { address, share: 1.0, closed_reason: "closed by end-user" }],
            reported: 1.0,
            read: Read::Final,
            is_removed: self.rng.chance(0.3),
        }
    }

    /// A shell as the wrapper opens it; in worlds without keys another launcher.
    pub(crate) fn shell(&mut self, person: usize, at: Ms, duration: Ms, boundary: Option<&str>) -> Shell {
        let is_planted = self.shape.keys == Keys::Planted;
        let boundary = boundary.filter(|_| is_planted);
        let started = at + self.rng.between(150, 700);
        let ended = Some(started + duration).filter(|ended| *ended < self.now - 30 * SECOND);
        let text = self.text();
        let client = is_planted.then(|| self.client(person, boundary, at, ended, text));
        let mut shell = Shell {
            id: self.ssm_id("ecs-execute-command"),
            event_id: self.event_id(),
            door: Door::Exec,
            by: self.caller(person, boundary),
            at,
            started,
            ended,
            planted: Planted { command: boundary.map(str::to_owned) },
            text,
            carried: None,
            logs: Vec::new(),
            log_absent_at: None,
            client,
            denied: None,
            is_in_trail: self.shape.keys != Keys::Unplanted,
            is_described: true,
        };
        if let Some(ended) = ended {
            let upload = ended + self.rng.between(2 * SECOND, 9 * SECOND);
            shell.logs.push(ordinary_log(text, upload));
            shell.show(text, upload);
        }
        shell
    }

    /// The wrapper's records, by the laptop's clock.
    fn client(&mut self, person: usize, boundary: Option<&str>, at: Ms, ended: Option<Ms>, seen: Text) -> Client {
        let skew = self.people[person].skew;
        let exit_code = if self.rng.chance(0.85) { 0 } else { 130 };
        let end = ended.map(|ended| Goodbye {
            at: ended + self.rng.between(50, 900) + skew,
            seen,
            ending: "exited",
            exit_code,
            exit_source: "marker",
            remote_end: "confirmed",
        });
        Client { boundary: boundary.map(str::to_owned), started: at - self.rng.between(100, 400) + skew, end }
    }

    /// What a shell shows: mostly some kilobytes, sometimes megabytes.
    pub(crate) fn text(&mut self) -> Text {
        let bytes = self.rng.lognormal_in(9000.0, 1.5, 80, 6_000_000).unsigned_abs();
        Text { seed: self.rng.bits(), bytes, edit: None }
    }

    /// A text of a given length.
    pub(crate) fn text_of(&mut self, bytes: u64) -> Text {
        Text { seed: self.rng.bits(), bytes, edit: None }
    }

    /// A person in the role that enters tasks, with the Boundary session in the role session name.
    pub(crate) fn caller(&mut self, person: usize, boundary: Option<&str>) -> Caller {
        let name = &self.people[person].name;
        let session_name = boundary.map_or_else(|| name.clone(), |id| format!("{name}={id}"));
        let address = self.people[person].address.clone();
        Caller { person, role: "sre", session_name, is_named: true, is_shared: false, address }
    }

    pub(crate) fn ssm_id(&mut self, starter: &str) -> SsmSessionId {
        let tail = self.rng.text(SSM_TAIL, 26);
        SsmSessionId::parse(&format!("{starter}-{tail}")).expect("a starter's name and letters are an SSM session id")
    }

    pub(crate) fn boundary_id(&mut self) -> String {
        format!("s_{}", self.rng.text(ALPHANUMERIC, 10))
    }

    pub(crate) fn event_id(&mut self) -> String {
        let parts = [8, 4, 4, 4, 12].map(|count| self.rng.text(HEX, count));
        parts.join("-")
    }

    /// A finding that must be there.
    pub(crate) fn expect(&mut self, code: Code, subject: impl Into<String>) {
        self.truth.findings.insert((code, subject.into()));
    }

    /// A finding that must not be there.
    pub(crate) fn innocent(&mut self, code: Code, subject: impl Into<String>, why: &'static str) {
        self.truth.near_misses.push(NearMiss { code, subject: subject.into(), why });
    }

    /// A finding that may be there.
    pub(crate) fn tolerate(&mut self, code: Code, subject: impl Into<String>) {
        self.truth.tolerated.insert((code, subject.into()));
    }

    /// A finding that may be open.
    pub(crate) fn may_be_open(&mut self, code: Code, subject: impl Into<String>) {
        self.truth.pending.insert((code, subject.into()));
    }

    /// A time shortly before now, so many minutes.
    pub(crate) fn ago(&self, minutes: i64) -> Ms {
        self.now - minutes * MINUTE
    }
}

/// A complete log of a text.
pub(crate) fn ordinary_log(text: Text, upload: Ms) -> Log {
    Log {
        source: Source::ExecLogs,
        name: None,
        text,
        has_trailer: true,
        is_script: true,
        exact_until: None,
        first_uploaded: upload,
        last_uploaded: upload,
        last_ingested: upload + 1500,
    }
}
