//! Kills at the points of a schedule, starts again what was killed, and writes down what it sees.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use axum::{body::Bytes, http::HeaderMap, response::Response};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    ledger::{Ended, Ledger, Parted, Receipt},
    schedule::{Point, RESOURCES, Schedule},
};
use crate::{
    operator::{Operator, Setup},
    proxy::{Call, Fault, Interceptor},
    serve::{cut, status},
};

/// One seed's operators and what was seen of them.
pub(super) struct Reaper {
    schedule: Schedule,
    ledger: Mutex<Ledger>,
    /// How many kills have happened, and how often the next one's point was met since.
    cursor: Mutex<(usize, u32)>,
    setups: OnceLock<Vec<Setup>>,
    operators: Mutex<Vec<Option<Operator>>>,
    /// The replica that wrote the lease last.
    leader: Mutex<Option<usize>>,
    /// What the lease said of its holder when it was written last.
    lease: Mutex<Value>,
    /// The replicas whose running operator has ever written the lease.
    have_led: Mutex<BTreeSet<usize>>,
    restart: mpsc::UnboundedSender<usize>,
    refusals: Mutex<u32>,
    broken: Mutex<BTreeSet<String>>,
}

/// The eye of one replica's proxy.
pub(super) struct Eye {
    pub(super) reaper: Arc<Reaper>,
    pub(super) replica: usize,
}

impl Reaper {
    pub(super) fn new(schedule: Schedule) -> (Arc<Self>, mpsc::UnboundedReceiver<usize>) {
        let (restart, restarts) = mpsc::unbounded_channel();
        let refusals = Mutex::new(schedule.refusals);
        let operators = Mutex::new((0..schedule.replicas).map(|_| None).collect());
        let reaper = Self {
            schedule,
            ledger: Mutex::default(),
            cursor: Mutex::default(),
            setups: OnceLock::new(),
            operators,
            leader: Mutex::default(),
            lease: Mutex::default(),
            have_led: Mutex::default(),
            restart,
            refusals,
            broken: Mutex::default(),
        };
        (Arc::new(reaper), restarts)
    }

    pub(super) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Starts every replica, and from then on each that was killed, until dropped.
    pub(super) async fn keep_alive(self: Arc<Self>, setups: Vec<Setup>, mut restarts: mpsc::UnboundedReceiver<usize>) {
        let all = setups.len();
        let _ = self.setups.set(setups);
        (0..all).for_each(|replica| self.start(replica));
        loop {
            let restart = tokio::time::timeout(Duration::from_millis(200), restarts.recv()).await;
            match restart {
                Ok(Some(replica)) => {
                    tokio::time::sleep(self.schedule.pause * 10).await;
                    self.start(replica);
                }
                Ok(None) => return,
                Err(_) => self.bury(),
            }
        }
    }

    fn start(&self, replica: usize) {
        let Some(setup) = self.setups.get().and_then(|all| all.get(replica)) else { return };
        match setup.start() {
            Ok(operator) => self.operators.lock()[replica] = Some(operator),
            Err(error) => self.ledger.lock().trouble.push(format!("an operator did not start: {error:#}")),
        }
    }

    /// Operators that ended by themselves: one that lost its lease does so on purpose and is started again.
    fn bury(&self) {
        let mut operators = self.operators.lock();
        for (replica, place) in operators.iter_mut().enumerate() {
            let Some(operator) = place.take_if(|operator| !operator.is_running()) else { continue };
            let tail = operator.tail();
            // It has taken the lease, or is given it to merge its journal.
            let on_purpose =
                ["another replica has taken the lease", "another replica has a journal of an outage to merge"];
            if !on_purpose.iter().any(|words| tail.contains(words)) {
                self.ledger.lock().trouble.push(format!("an operator ended by itself; {tail}"));
            }
            self.note_end(replica, None);
            let _ = self.restart.send(replica);
        }
    }

    /// Killed at a point, or ended by itself because its lease was taken.
    fn note_end(&self, replica: usize, point: Option<Point>) {
        let mut leader = self.leader.lock();
        let led = *leader == Some(replica);
        let had_led = self.have_led.lock().remove(&replica) || led;
        // In an outage its next process goes on by its journal, and writes no lease.
        if led && !self.is_parted() {
            *leader = None;
        }
        drop(leader);
        self.ledger.lock().ends.push(Ended { at: SystemTime::now(), point, led, had_led });
    }

    /// Kills when it is this point's turn; says whether it did.
    fn strike(&self, point: Point, replica: usize) -> bool {
        self.is_turn(point, replica) && self.kill(point, replica)
    }

    fn is_turn(&self, point: Point, replica: usize) -> bool {
        let mut cursor = self.cursor.lock();
        let Some(next) = self.schedule.kills.get(cursor.0).filter(|next| next.point == point) else { return false };
        if self.operators.lock()[replica].is_none() {
            return false;
        }
        cursor.1 += 1;
        if cursor.1 < next.occurrence {
            return false;
        }
        *cursor = (cursor.0 + 1, 0);
        true
    }

    fn kill(&self, point: Point, replica: usize) -> bool {
        let Some(operator) = self.operators.lock()[replica].take() else { return false };
        operator.kill9();
        self.note_end(replica, Some(point));
        let _ = self.restart.send(replica);
        true
    }

    /// From now on no replica reaches the API server, or all do again.
    pub(super) fn part(&self, parted: bool) {
        let (now, mut ledger) = (SystemTime::now(), self.ledger.lock());
        if parted {
            ledger.parted.push(Parted { from: now, to: None, led_again: None });
        } else if let Some(last) = ledger.parted.last_mut() {
            last.to = Some(now);
        }
    }

    fn is_parted(&self) -> bool {
        self.ledger.lock().is_parted(SystemTime::now())
    }

    /// Kills whoever leads, out of turn.
    pub(super) fn kill_leader(&self) {
        self.kill(Point::Outage, self.leader());
    }

    pub(super) fn has_broken(&self) -> bool {
        !self.broken.lock().is_empty()
    }

    fn leader(&self) -> usize {
        self.leader.lock().unwrap_or(0)
    }

    /// What one of the receivers of this seed does with a message.
    pub(super) fn receive(self: &Arc<Self>, person: &str, headers: &HeaderMap, body: &Bytes) -> Response {
        {
            let mut refusals = self.refusals.lock();
            if *refusals > 0 {
                *refusals -= 1;
                self.ledger.lock().refused += 1;
                return status(503, "not now\n");
            }
        }
        let data = serde_json::from_slice::<Value>(body).map(|mut body| body["data"].take()).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.ledger.lock().receipts.push(Receipt {
            id: headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned(),
            kind: text(&data["kind"]),
            person: person.to_owned(),
            service: text(&data["labels"]["service"]),
            ticket: text(&data["ticket"]),
            at: SystemTime::now(),
        });
        if self.strike(Point::Received, self.leader()) {
            return cut();
        }
        if self.is_turn(Point::Answered, self.leader()) {
            let (reaper, replica) = (self.clone(), self.leader());
            tokio::spawn(async move {
                tokio::time::sleep(reaper.schedule.pause).await;
                reaper.kill(Point::Answered, replica);
            });
        }
        status(200, "")
    }

    /// Breaks or repairs a service.
    pub(super) fn set_broken(&self, service: &str, broken: bool) {
        let mut all = self.broken.lock();
        if broken {
            all.insert(service.to_owned());
        } else {
            all.remove(service);
        }
    }

    /// What a probe of a service finds.
    pub(super) fn health(&self, service: &str) -> Response {
        if self.broken.lock().contains(service) { status(500, "broken on purpose\n") } else { status(200, "ok\n") }
    }

    /// What was received about a service, repeats left out.
    pub(super) fn distinct(&self, service: &str, person: &str, kind: &str) -> Vec<Receipt> {
        let mut ids = BTreeSet::new();
        let ledger = self.ledger.lock();
        let about = ledger.receipts.iter().filter(|r| r.service == service && r.person == person && r.kind == kind);
        about.filter(|receipt| ids.insert(receipt.id.clone())).cloned().collect()
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.ledger.lock().clone()
    }

    /// The log of every start of every replica.
    pub(super) fn logs(&self) -> String {
        self.setups.get().into_iter().flatten().map(Setup::logs).collect()
    }

    /// Ends every operator.
    pub(super) fn end(&self) {
        self.operators.lock().iter_mut().for_each(|place| drop(place.take()));
    }
}

/// The point's name of a call; `None` for calls that are none.
fn resource(call: &Call) -> Option<&'static str> {
    RESOURCES.into_iter().find(|name| *name == call.resource).filter(|_| call.is_write())
}

impl Interceptor for Eye {
    fn before(&self, call: &Call) -> Fault {
        match resource(call) {
            Some(name) if self.reaper.strike(Point::Before(name), self.replica) => Fault::Cut,
            _ => Fault::Pass,
        }
    }

    fn after(&self, call: &Call, code: u16) -> Fault {
        let Some(name) = resource(call) else { return Fault::Pass };
        if (200..300).contains(&code) {
            self.note(call, name);
        }
        if self.reaper.strike(Point::After(name), self.replica) { Fault::Cut } else { Fault::Pass }
    }
}

impl Eye {
    /// Who leads, and which outcomes and withdrawals are durable now.
    fn note(&self, call: &Call, name: &str) {
        let now = SystemTime::now();
        match name {
            "leases" => {
                let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
                let said = std::mem::replace(&mut *self.reaper.lease.lock(), body["spec"].clone());
                if said == body["spec"] {
                    // A follower that asks for it changes nothing of that.
                    return;
                }
                self.reaper.have_led.lock().insert(self.replica);
                let before = self.reaper.leader.lock().replace(self.replica);
                let mut ledger = self.reaper.ledger.lock();
                if before != Some(self.replica) {
                    ledger.leaders.push(now);
                }
                if let Some(parted) = ledger.parted.last_mut().filter(|parted| parted.to.is_some()) {
                    parted.led_again.get_or_insert(now);
                }
            }
            "tickets/status" => {
                let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
                let all = body["status"]["notifications"].as_array().cloned().unwrap_or_default();
                let mut ledger = self.reaper.ledger.lock();
                for notification in &all {
                    let id = notification["id"].as_str().unwrap_or_default().to_owned();
                    match notification["state"].as_str() {
                        Some("Accepted") => drop(ledger.durable.entry(id).or_insert(now)),
                        Some("Superseded") => drop(ledger.withdrawn.entry(id).or_insert(now)),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}
