//! A world without sockets: tasks that live and end, a controller that keeps the rules of Boundary which the plan relies on,
//! and people who open sessions. Owns no judgement of the program's.

use investigation::{TaskArn, TaskLabels};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use target_sync::desire::desire;
use target_sync::facts::{
    AccountFacts, AliasFacts, BoundaryScan, Kind, LiveSession, Place, Recorded, RoleFacts, Snapshot, SourceScan, TargetFacts,
    TaskFacts, UserFacts,
};
use target_sync::grants::owners_grants;
use target_sync::plan::{Object, Operation, Plan, Step, plan};
use target_sync::principal::{MatchBy, PrincipalRule};
use target_sync::rules::{Limits, NoDeadline, OnActive, Policy, Rules, StartedBy};
use target_sync::template::Template;

pub(crate) const PROJECT: &str = "p_1234567890";
pub(crate) const METHOD: &str = "amoidc_1234567890";
pub(crate) const ISSUER: &str = "https://idp.example/realms/sre";

/// A session that somebody has opened.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) id: String,
    pub(crate) target_id: String,
    pub(crate) ends: Timestamp,
    pub(crate) cut: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) rules: Rules,
    pub(crate) tasks: BTreeMap<TaskArn, TaskFacts>,
    /// Tasks that ECS has forgotten.
    pub(crate) forgotten: BTreeSet<TaskArn>,
    pub(crate) boundary: BoundaryScan,
    pub(crate) recorded: BTreeMap<String, Recorded>,
    pub(crate) sessions: Vec<Opened>,
    /// Whether the next scan of ECS fails half-way.
    pub(crate) ecs_fails: bool,
    pub(crate) cluster_is_active: bool,
    next_id: u32,
}

pub(crate) fn rules() -> Rules {
    Rules {
        owner: "sync-a".to_owned(),
        project_id: PROJECT.to_owned(),
        policy: Policy::Sync,
        force: false,
        limits: Limits::default(),
        on_active: OnActive::Defer,
        container: "rosa-boundary".to_owned(),
        abac_key: "username".to_owned(),
        family_prefix: Some("rosa-boundary-dev".to_owned()),
        started_by: StartedBy::Check,
        no_deadline: NoDeadline::Warn,
        name: Template::parse("{cluster_id}/{investigation_id}").unwrap(),
        alias: Some(Template::parse("{investigation_id}.{cluster_id}").unwrap()),
        description: Template::parse(
            "Investigation {investigation_id} of {cluster_id}. Kept by target-sync: changes are undone.",
        )
        .unwrap(),
        session_cap: 28_800,
        endpoint: None,
        egress_worker_filter: String::new(),
        principals: vec![PrincipalRule {
            by: MatchBy::Subject,
            auth_methods: [METHOD.to_owned()].into(),
            issuer: Some(ISSUER.to_owned()),
            when_tags: BTreeMap::new(),
            require_claims: BTreeMap::new(),
        }],
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            now: "2026-03-01T10:00:00Z".parse().unwrap(),
            rules: rules(),
            tasks: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            boundary: BoundaryScan::default(),
            recorded: BTreeMap::new(),
            sessions: Vec::new(),
            ecs_fails: false,
            cluster_is_active: true,
            next_id: 0,
        };
        for name in ["alice", "bob"] {
            world.add_user(name);
        }
        world
    }

    pub(crate) fn place() -> Place {
        Place {
            partition: "aws".to_owned(),
            account: "123456789012".to_owned(),
            region: "us-east-2".to_owned(),
            ecs_cluster: "rosa-boundary-dev".to_owned(),
        }
    }

    pub(crate) fn add_user(&mut self, name: &str) {
        let account = AccountFacts {
            id: format!("acctoidc_{name}"),
            auth_method_id: METHOD.to_owned(),
            issuer: ISSUER.to_owned(),
            subject: format!("sub-{name}"),
            ..AccountFacts::default()
        };
        let user =
            UserFacts { id: format!("u_{name}"), version: 1, name: name.to_owned(), account_ids: [account.id.clone()].into() };
        self.boundary.accounts.push(account);
        self.boundary.users.insert(user.id.clone(), user);
    }

    pub(crate) fn pass(&mut self, duration: SignedDuration) {
        self.now = self.now.checked_add(duration).unwrap();
    }

    fn id(&mut self, prefix: &str) -> String {
        self.next_id += 1;
        format!("{prefix}_{:010}", self.next_id)
    }

    /// Starts a task with a deadline in two hours.
    pub(crate) fn start(&mut self, cluster_id: &str, investigation_id: &str, owner: &str) -> TaskArn {
        self.next_id += 1;
        let arn =
            TaskArn::parse(&format!("arn:aws:ecs:us-east-2:123456789012:task/rosa-boundary-dev/{:032x}", self.next_id)).unwrap();
        let deadline = self.now.checked_add(SignedDuration::from_hours(2)).unwrap();
        let tags = [
            ("cluster_id", cluster_id.to_owned()),
            ("investigation_id", investigation_id.to_owned()),
            ("oidc_sub", format!("sub-{owner}")),
            ("username", owner.to_owned()),
            ("deadline", deadline.to_string()),
        ];
        let task = TaskFacts {
            arn: arn.clone(),
            last_status: "RUNNING".to_owned(),
            created_at: Some(self.now),
            exec_enabled: true,
            started_by: None,
            family: Some("rosa-boundary-dev-x".to_owned()),
            containers: vec!["rosa-boundary".to_owned(), "kube-proxy".to_owned()],
            labels: TaskLabels { tags: tags.map(|(key, value)| (key.to_owned(), value)).into(), environment: BTreeMap::new() },
        };
        self.tasks.insert(arn.clone(), task);
        arn
    }

    pub(crate) fn task(&mut self, arn: &TaskArn) -> &mut TaskFacts {
        self.tasks.get_mut(arn).unwrap()
    }

    pub(crate) fn stop(&mut self, arn: &TaskArn) {
        "STOPPED".clone_into(&mut self.task(arn).last_status);
    }

    pub(crate) fn forget(&mut self, arn: &TaskArn) {
        self.tasks.remove(arn);
        self.forgotten.insert(arn.clone());
    }

    /// What a run would see now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut boundary = self.boundary.clone();
        for session in self.sessions.iter().filter(|session| session.ends > self.now && !session.cut) {
            let live = LiveSession { id: session.id.clone(), version: 1, expires: Some(session.ends) };
            boundary.live_sessions.entry(session.target_id.clone()).or_default().push(live);
        }
        let seen = |id: &String| {
            boundary.targets.contains_key(id) || boundary.roles.contains_key(id) || boundary.aliases.contains_key(id)
        };
        boundary.gone = self.recorded.keys().filter(|id| !seen(id)).cloned().collect();
        let (tasks, missing) = if self.ecs_fails {
            (self.tasks.clone().into_iter().take(self.tasks.len() / 2).collect(), BTreeSet::new())
        } else {
            (self.tasks.clone(), self.forgotten.clone())
        };
        let failure = self.ecs_fails.then(|| "ListTasks was refused".to_owned());
        let scan =
            SourceScan { place: Self::place(), at: self.now, failure, cluster_is_active: self.cluster_is_active, tasks, missing };
        Snapshot { sources: [("main".to_owned(), scan)].into(), boundary, recorded: self.recorded.clone() }
    }

    pub(crate) fn plan(&self) -> Plan {
        let snapshot = self.snapshot();
        plan(&snapshot, &desire(&snapshot, &self.rules), &self.rules, self.now)
    }

    /// One round: sees, plans, and does what is due; `judge` looks at the world after each step. Returns the steps done.
    pub(crate) fn round(&mut self, judge: &mut dyn FnMut(&World, &Step)) -> usize {
        let plan = self.plan();
        self.carry_out(&plan, judge)
    }

    pub(crate) fn carry_out(&mut self, plan: &Plan, judge: &mut dyn FnMut(&World, &Step)) -> usize {
        let mut made: BTreeMap<usize, String> = BTreeMap::new();
        let mut done: BTreeSet<usize> = BTreeSet::new();
        for step in plan.due(self.now).cloned().collect::<Vec<_>>() {
            assert!(step.after.iter().all(|number| *number < step.number), "{step:#?}");
            if !step.after.iter().all(|number| done.contains(number)) {
                continue;
            }
            let id = self.execute(&step, &made).unwrap_or_else(|why| panic!("{why}: {step:#?}\n{plan:#?}"));
            made.insert(step.number, id);
            done.insert(step.number);
            judge(self, &step);
        }
        done.len()
    }

    /// Does what of a plan still can be done, while `between` changes the world before each step; a step that is refused takes
    /// those with it that rest on it.
    pub(crate) fn carry_out_disturbed(&mut self, plan: &Plan, between: &mut dyn FnMut(&mut World, usize)) {
        let mut made: BTreeMap<usize, String> = BTreeMap::new();
        for step in plan.due(self.now).cloned().collect::<Vec<_>>() {
            between(self, step.number);
            if step.after.iter().all(|number| made.contains_key(number))
                && let Ok(id) = self.execute(&step, &made)
            {
                made.insert(step.number, id);
            }
        }
    }

    /// Rounds until nothing is due, at most `most` of them.
    pub(crate) fn settle(&mut self, most: usize, judge: &mut dyn FnMut(&World, &Step)) {
        for _ in 0..most {
            if self.round(judge) == 0 {
                return;
            }
        }
        assert_eq!(self.plan().due(self.now).count(), 0, "no fixpoint: {:#?}", self.plan());
    }

    /// Opens a session as a user, if grants and worker filter permit.
    pub(crate) fn open(&mut self, user_id: &str, target_id: &str) -> Option<String> {
        if !self.may_open(user_id, target_id) {
            return None;
        }
        let ends =
            self.now.checked_add(SignedDuration::from_secs(self.boundary.targets[target_id].session_max_seconds.into())).unwrap();
        let id = self.id("s");
        self.sessions.push(Opened { id: id.clone(), target_id: target_id.to_owned(), ends, cut: false });
        Some(id)
    }

    /// Whether the controller would authorise a session.
    pub(crate) fn may_open(&self, user_id: &str, target_id: &str) -> bool {
        let Some(target) = self.boundary.targets.get(target_id) else { return false };
        let a_worker_fits = !target.egress_worker_filter.contains("quarantined by");
        let granted = self.boundary.roles.values().any(|role| {
            let named = format!("ids={target_id};actions=read,authorize-session");
            let broad = "ids=*;type=*;actions=*";
            role.principals.contains(user_id) && (role.grants.contains(&named) || role.grants.contains(broad))
        });
        a_worker_fits && granted
    }

    pub(crate) fn target_of(&self, arn: &TaskArn) -> Option<&TargetFacts> {
        self.boundary.targets.values().find(|target| target.description.contains(&format!("task={arn} ")))
    }

    pub(crate) fn alias(&self, value: &str) -> Option<&AliasFacts> {
        self.boundary.aliases.values().find(|alias| alias.value == value)
    }

    fn execute(&mut self, step: &Step, made: &BTreeMap<usize, String>) -> Result<String, String> {
        let id_of = |object: &Object| match object {
            Object::Id(id) => id.clone(),
            Object::MadeBy(number) => made[number].clone(),
        };
        let task_arn = TaskArn::parse(&step.task_arn).unwrap();
        let record = |world: &mut Self, kind: Kind, id: &str| {
            world.recorded.insert(id.to_owned(), Recorded { kind, task_arn: task_arn.clone() });
        };
        match &step.operation {
            Operation::CreateTarget(fields) => {
                if self.boundary.targets.values().any(|target| target.name == fields.name) {
                    return Err("the name is taken".to_owned());
                }
                let id = self.id("ttcp");
                let target = TargetFacts {
                    id: id.clone(),
                    version: 1,
                    name: fields.name.clone(),
                    description: fields.description.clone(),
                    address: fields.address.clone(),
                    port: fields.port,
                    session_max_seconds: fields.session_max_seconds,
                    connection_limit: -1,
                    egress_worker_filter: fields.egress_worker_filter.clone(),
                };
                check_text(&target.name, 127)?;
                check_text(&target.description, 1023)?;
                self.boundary.targets.insert(id.clone(), target);
                record(self, Kind::Target, &id);
                Ok(id)
            }
            Operation::UpdateTarget { target, version, fields } => {
                let id = id_of(target);
                if let Some(name) = &fields.name
                    && self.boundary.targets.values().any(|other| other.name == *name && other.id != id)
                {
                    return Err("the name is taken".to_owned());
                }
                let facts = self.boundary.targets.get_mut(&id).ok_or("no such target")?;
                check_version(*version, facts.version)?;
                facts.version += 1;
                fields.name.clone_into_some(&mut facts.name);
                fields.description.clone_into_some(&mut facts.description);
                fields.address.clone_into_some(&mut facts.address);
                fields.port.clone_into_some(&mut facts.port);
                fields.session_max_seconds.clone_into_some(&mut facts.session_max_seconds);
                fields.connection_limit.clone_into_some(&mut facts.connection_limit);
                fields.egress_worker_filter.clone_into_some(&mut facts.egress_worker_filter);
                Ok(id)
            }
            Operation::DeleteTarget { target, version } => {
                let id = id_of(target);
                let facts = self.boundary.targets.remove(&id).ok_or("no such target")?;
                check_version(*version, facts.version)?;
                for session in self.sessions.iter_mut().filter(|session| session.target_id == id && session.ends > self.now) {
                    session.cut = true;
                }
                for alias in self.boundary.aliases.values_mut().filter(|alias| alias.destination_id == id) {
                    alias.destination_id.clear();
                }
                Ok(id)
            }
            Operation::CreateRole { name, description } => {
                if self.boundary.roles.values().any(|role| role.name == *name) {
                    return Err("the name is taken".to_owned());
                }
                let id = self.id("r");
                let role = RoleFacts {
                    id: id.clone(),
                    version: 1,
                    scope_id: PROJECT.to_owned(),
                    name: name.clone(),
                    description: description.clone(),
                    grant_scopes: ["this".to_owned()].into(),
                    ..RoleFacts::default()
                };
                self.boundary.roles.insert(id.clone(), role);
                record(self, Kind::Role, &id);
                Ok(id)
            }
            Operation::UpdateRole { role, version, name, description } => self.on_role(&id_of(role), *version, |role| {
                name.clone_into_some(&mut role.name);
                description.clone_into_some(&mut role.description);
            }),
            Operation::SetGrants { role, version, target } => {
                let grants = owners_grants(&id_of(target));
                self.on_role(&id_of(role), *version, |role| role.grants = grants.into_iter().collect())
            }
            Operation::SetGrantScopes { role, version } => {
                self.on_role(&id_of(role), *version, |role| role.grant_scopes = ["this".to_owned()].into())
            }
            Operation::SetPrincipals { role, version, principal_ids } => {
                self.on_role(&id_of(role), *version, |role| role.principals = principal_ids.iter().cloned().collect())
            }
            Operation::DeleteRole { role, version } => {
                let id = id_of(role);
                let facts = self.boundary.roles.remove(&id).ok_or("no such role")?;
                check_version(*version, facts.version)?;
                Ok(id)
            }
            Operation::CreateAlias { value, description, target } => {
                if self.boundary.aliases.values().any(|alias| alias.value.eq_ignore_ascii_case(value)) {
                    return Err("the alias is taken".to_owned());
                }
                let id = self.id("alt");
                let alias = AliasFacts {
                    id: id.clone(),
                    version: 1,
                    value: value.clone(),
                    description: description.clone(),
                    destination_id: id_of(target),
                };
                self.boundary.aliases.insert(id.clone(), alias);
                record(self, Kind::Alias, &id);
                Ok(id)
            }
            Operation::UpdateAlias { alias, version, target, description } => {
                let (id, destination) = (id_of(alias), id_of(target));
                let facts = self.boundary.aliases.get_mut(&id).ok_or("no such alias")?;
                check_version(*version, facts.version)?;
                facts.version += 1;
                (facts.destination_id, facts.description) = (destination, description.clone());
                Ok(id)
            }
            Operation::DeleteAlias { alias, version } => {
                let id = id_of(alias);
                let facts = self.boundary.aliases.remove(&id).ok_or("no such alias")?;
                check_version(*version, facts.version)?;
                Ok(id)
            }
            Operation::CancelSession { session_id } => {
                let session = self.sessions.iter_mut().find(|session| session.id == *session_id).ok_or("no such session")?;
                session.cut = true;
                Ok(session_id.clone())
            }
        }
    }

    fn on_role(&mut self, id: &str, version: Option<u32>, change: impl FnOnce(&mut RoleFacts)) -> Result<String, String> {
        let role = self.boundary.roles.get_mut(id).ok_or("no such role")?;
        check_version(version, role.version)?;
        role.version += 1;
        change(role);
        Ok(id.to_owned())
    }
}

trait CloneIntoSome<T> {
    fn clone_into_some(&self, into: &mut T);
}

impl<T: Clone> CloneIntoSome<T> for Option<T> {
    fn clone_into_some(&self, into: &mut T) {
        if let Some(value) = self {
            *into = value.clone();
        }
    }
}

fn check_version(wanted: Option<u32>, found: u32) -> Result<(), String> {
    if wanted.is_none_or(|wanted| wanted == found) {
        Ok(())
    } else {
        Err(format!("version {wanted:?} was expected, {found} is there"))
    }
}

fn check_text(text: &str, most: usize) -> Result<(), String> {
    let fits = !text.is_empty() && text.trim() == text && text.chars().count() <= most;
    if fits { Ok(()) } else { Err(format!("Boundary refuses the text {text:?}")) }
}
