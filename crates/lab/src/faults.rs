//! The switches of everything that can go wrong, changeable while a world runs. It owns their state; those who carry
//! frames, calls and connections ask it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;

use crate::random::Seeded;

/// Says how the gateway ends its clients' sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A WebSocket close frame, then FIN: `CloseFrame(1000, "Bye")` is what AWS sends about every hour.
    CloseFrame(u16, String),
    /// FIN without a close frame and without a TLS close_notify.
    Fin,
    /// RST.
    Rst,
    /// Nothing is read or written any more, and nothing is closed.
    BlackHole,
}

/// Says where a misled worker leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// A server that speaks no TLS.
    NotTls,
    /// A TLS server whose certificate, of the same CA, is for another name.
    OtherName,
}

/// Says what happens to frames in one direction. All percentages are of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Impairment {
    /// Frames that vanish.
    pub drop_percent: u8,
    /// Frames that arrive twice.
    pub duplicate_percent: u8,
    /// Frames that arrive up to 20 ms late, after later ones.
    pub reorder_percent: u8,
    /// Acknowledgements that vanish.
    pub lose_acks_percent: u8,
    /// Delay of every acknowledgement.
    pub ack_delay: Duration,
    /// Delay of every frame.
    pub delay: Duration,
}

/// A direction of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToClient,
    ToAgent,
}

/// How the worker treats new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerMode {
    Open,
    Refuse,
    Elsewhere(Elsewhere),
}

/// What the running connections are told at once.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// To the gateway's client sockets.
    Cut(Cut),
    /// To the clients: raw bytes as a binary frame.
    Raw(Vec<u8>),
    /// To both sides of each session.
    Publication(bool),
    /// To the worker's connections.
    CutWorker,
    /// To the worker's listener: close (false) or open again (true).
    WorkerListener(bool),
}

#[derive(Debug, Default)]
struct ApiFaults {
    errors: Vec<ApiErrorRule>,
    delays: HashMap<String, Duration>,
    lost_answers: HashMap<String, u32>,
    unreachable: HashSet<String>,
    log_rejections: Vec<&'static str>,
}

#[derive(Debug)]
struct ApiErrorRule {
    action: String,
    code: String,
    status: u16,
    times: u32,
}

#[derive(Debug)]
struct State {
    to_client: Impairment,
    to_agent: Impairment,
    random: Seeded,
    refuse_tokens: u32,
    refuse_upgrades: u32,
    bye_after: Option<Duration>,
    accept_unsigned: bool,
    worker: WorkerMode,
    api: ApiFaults,
    subnet_is_isolated: bool,
}

/// The switches of one world.
#[derive(Debug)]
pub struct Faults {
    state: Mutex<State>,
    orders: broadcast::Sender<Order>,
}

/// What becomes of one frame: after which delays copies of it arrive.
pub(crate) type Deliveries = Vec<Duration>;

impl Faults {
    pub(crate) fn new(seed: u64, accept_unsigned: bool) -> Self {
        let state = State {
            to_client: Impairment::default(),
            to_agent: Impairment::default(),
            random: Seeded::new(seed),
            refuse_tokens: 0,
            refuse_upgrades: 0,
            bye_after: None,
            accept_unsigned,
            worker: WorkerMode::Open,
            api: ApiFaults::default(),
            subnet_is_isolated: false,
        };
        Self { state: Mutex::new(state), orders: broadcast::Sender::new(64) }
    }

    /// Impairs frames on their way from the agent to the client.
    pub fn impair_to_client(&self, impairment: Impairment) {
        self.state().to_client = impairment;
    }

    /// Impairs frames on their way from the client to the agent.
    pub fn impair_to_agent(&self, impairment: Impairment) {
        self.state().to_agent = impairment;
    }

    /// Ends all open client sockets of the gateway now; later ones are not touched.
    pub fn cut(&self, cut: Cut) {
        self.order(Order::Cut(cut));
    }

    /// Sends pause_publication to both sides of each session.
    pub fn pause_publication(&self) {
        self.order(Order::Publication(false));
    }

    /// Sends start_publication to both sides of each session.
    pub fn start_publication(&self) {
        self.order(Order::Publication(true));
    }

    /// Sends 64 bytes of garbage to each client as a binary frame.
    pub fn garbage_frame(&self) {
        self.order(Order::Raw(vec![0xa5; 64]));
    }

    /// Sends each client a frame whose header length points beyond its end.
    pub fn bad_header(&self) {
        let mut frame = vec![0_u8; 124];
        frame[..4].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
        frame[4..22].copy_from_slice(b"output_stream_data");
        self.order(Order::Raw(frame));
    }

    /// Sends each client these bytes as a binary frame.
    pub fn raw_frame(&self, bytes: Vec<u8>) {
        self.order(Order::Raw(bytes));
    }

    /// Refuses the next `times` tokens although they are valid (and leaves them valid).
    pub fn refuse_tokens(&self, times: u32) {
        self.state().refuse_tokens = times;
    }

    /// Answers the next `times` WebSocket upgrades with 403.
    pub fn refuse_upgrades(&self, times: u32) {
        self.state().refuse_upgrades = times;
    }

    /// Closes every data channel with 1000 "Bye" when it is this old, as AWS does about every hour; counts for channels
    /// opened from now on.
    pub fn bye_after(&self, age: Option<Duration>) {
        self.state().bye_after = age;
    }

    /// Says whether unsigned upgrades are accepted.
    pub fn accept_unsigned(&self, accept: bool) {
        self.state().accept_unsigned = accept;
    }

    /// Answers the next `times` calls of an action (`ecs:ExecuteCommand`) with an error, without executing it.
    pub fn api_error(&self, action: &str, code: &str, status: u16, times: u32) {
        let rule = ApiErrorRule { action: action.to_owned(), code: code.to_owned(), status, times };
        self.state().api.errors.push(rule);
    }

    /// Delays every answer of an action; zero ends it.
    pub fn api_delay(&self, action: &str, delay: Duration) {
        self.state().api.delays.insert(action.to_owned(), delay);
    }

    /// Executes the next `times` calls of an action but closes the connection without an answer.
    pub fn lose_answers(&self, action: &str, times: u32) {
        self.state().api.lost_answers.insert(action.to_owned(), times);
    }

    /// Makes a service (`logs`) close every connection without an answer and without doing anything, or ends that.
    pub fn unreachable(&self, service: &str, unreachable: bool) {
        let services = &mut self.state().api.unreachable;
        if unreachable {
            services.insert(service.to_owned())
        } else {
            services.remove(service)
        };
    }

    /// Answers the next `logs:PutLogEvents` with 200 and this field of rejectedLogEventsInfo, without taking the events.
    pub fn reject_log_events(&self, field: &'static str) {
        self.state().api.log_rejections.push(field);
    }

    /// Has EC2 describe the tasks' subnet without an endpoint for ssmmessages and without a route out of its VPC.
    pub fn isolate_subnet(&self) {
        self.state().subnet_is_isolated = true;
    }

    /// Makes the worker refuse new connections, by RST before the first byte; live ones stay. A worker of Boundary's sessions
    /// refuses with its own words after the handshake, and the session stays as it is.
    pub fn worker_refuses(&self) {
        self.state().worker = WorkerMode::Refuse;
    }

    /// Makes the worker lead new connections to another server.
    pub fn worker_leads_elsewhere(&self, elsewhere: Elsewhere) {
        self.state().worker = WorkerMode::Elsewhere(elsewhere);
    }

    /// Makes the worker carry new connections to the gateway again, and listen again if it was closed.
    pub fn worker_opens(&self) {
        self.state().worker = WorkerMode::Open;
        self.order(Order::WorkerListener(true));
    }

    /// Closes the worker's listener; live connections stay.
    pub fn close_worker_listener(&self) {
        self.order(Order::WorkerListener(false));
    }

    /// Cuts the worker's live connections as Boundary does: FIN, without a close frame or close_notify.
    pub fn cut_worker_connections(&self) {
        self.order(Order::CutWorker);
    }

    /// Does what an admin's `sessions cancel` does: live connections are cut, new ones refused.
    pub fn cancel_boundary_session(&self) {
        self.worker_refuses();
        self.cut_worker_connections();
    }

    pub(crate) fn orders(&self) -> broadcast::Receiver<Order> {
        self.orders.subscribe()
    }

    pub(crate) fn worker_mode(&self) -> WorkerMode {
        self.state().worker
    }

    pub(crate) fn subnet_is_isolated(&self) -> bool {
        self.state().subnet_is_isolated
    }

    pub(crate) fn unsigned_accepted(&self) -> bool {
        self.state().accept_unsigned
    }

    pub(crate) fn bye(&self) -> Option<Duration> {
        self.state().bye_after
    }

    pub(crate) fn takes_token_refusal(&self) -> bool {
        take_one(&mut self.state().refuse_tokens)
    }

    pub(crate) fn takes_upgrade_refusal(&self) -> bool {
        take_one(&mut self.state().refuse_upgrades)
    }

    pub(crate) fn takes_api_error(&self, action: &str) -> Option<(String, u16)> {
        let mut state = self.state();
        let rule = state.api.errors.iter_mut().find(|rule| rule.action == action && rule.times > 0)?;
        rule.times -= 1;
        Some((rule.code.clone(), rule.status))
    }

    pub(crate) fn api_delay_of(&self, action: &str) -> Duration {
        self.state().api.delays.get(action).copied().unwrap_or_default()
    }

    pub(crate) fn takes_lost_answer(&self, action: &str) -> bool {
        self.state().api.lost_answers.get_mut(action).is_some_and(take_one)
    }

    pub(crate) fn is_unreachable(&self, action: &str) -> bool {
        action.split(':').next().is_some_and(|service| self.state().api.unreachable.contains(service))
    }

    pub(crate) fn takes_log_rejection(&self) -> Option<&'static str> {
        self.state().api.log_rejections.pop()
    }

    /// Decides what becomes of one frame.
    pub(crate) fn deliveries(&self, direction: Direction, is_ack: bool) -> Deliveries {
        let mut state = self.state();
        let State { to_client, to_agent, random, .. } = &mut *state;
        let impairment = match direction {
            Direction::ToClient => *to_client,
            Direction::ToAgent => *to_agent,
        };
        if impairment == Impairment::default() {
            return vec![Duration::ZERO];
        }
        decide(impairment, random, is_ack)
    }

    fn order(&self, order: Order) {
        // No receiver means that nothing is open: then there is nothing to cut.
        let _ = self.orders.send(order);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decide(impairment: Impairment, random: &mut Seeded, is_ack: bool) -> Deliveries {
    if random.chance(impairment.drop_percent) || (is_ack && random.chance(impairment.lose_acks_percent)) {
        return Vec::new();
    }
    let mut delay = impairment.delay;
    if is_ack {
        delay += impairment.ack_delay;
    }
    if random.chance(impairment.reorder_percent) {
        delay += Duration::from_millis(1 + random.next() % 20);
    }
    let copies = if random.chance(impairment.duplicate_percent) { 2 } else { 1 };
    vec![delay; copies]
}

fn take_one(count: &mut u32) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unimpaired_frame_arrives_once_at_once() {
        let faults = Faults::new(1, true);
        assert_eq!(faults.deliveries(Direction::ToClient, false), [Duration::ZERO]);
    }

    #[test]
    fn only_acknowledgements_are_lost_when_only_they_shall_be() {
        let faults = Faults::new(1, true);
        faults.impair_to_agent(Impairment { lose_acks_percent: 100, ..Impairment::default() });
        assert!(faults.deliveries(Direction::ToAgent, true).is_empty());
        assert_eq!(faults.deliveries(Direction::ToAgent, false).len(), 1);
        assert_eq!(faults.deliveries(Direction::ToClient, true).len(), 1);
    }

    #[test]
    fn api_errors_are_given_as_often_as_asked() {
        let faults = Faults::new(1, true);
        faults.api_error("ecs:ListTasks", "ServerException", 500, 2);
        assert_eq!(faults.takes_api_error("ecs:DescribeTasks"), None);
        assert!(faults.takes_api_error("ecs:ListTasks").is_some());
        assert!(faults.takes_api_error("ecs:ListTasks").is_some());
        assert_eq!(faults.takes_api_error("ecs:ListTasks"), None);
    }
}
