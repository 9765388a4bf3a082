//! The course of a ticket as its clocks see it: which event starts, stops, pauses or changes which of them.

use std::{collections::BTreeMap, rc::Rc};

use jiff::Timestamp;

use super::{
    ClockName, Happened, Happening, Targets,
    clock::{Clocks, Pace},
    cycle::{Cycle, Stop, Terms},
};
use crate::{
    ticket::{CloseReason, TicketState},
    time::whole_seconds,
};

/// Everything so far.
pub(super) struct Course {
    state: TicketState,
    has_requester: bool,
    targets: Rc<Targets>,
    /// Due times set by hand.
    fixed: BTreeMap<ClockName, Timestamp>,
    /// The last run of each clock.
    latest: BTreeMap<ClockName, Cycle>,
    /// The runs before those.
    earlier: Vec<Cycle>,
    /// When the last thing happened.
    at: Timestamp,
}

impl Course {
    pub(super) fn new(initial: &Targets) -> Self {
        Self {
            state: TicketState::New,
            has_requester: false,
            targets: Rc::new(initial.clone()),
            fixed: BTreeMap::new(),
            latest: BTreeMap::new(),
            earlier: Vec::new(),
            at: Timestamp::MIN,
        }
    }

    pub(super) fn take(&mut self, happening: &Happening) {
        self.at = self.at.max(whole_seconds(happening.at));
        match &happening.what {
            Happened::Began { has_requester } => self.begin(*has_requester),
            Happened::Asked => self.ask(),
            Happened::Replied => self.reply(),
            Happened::Noted if !self.has_requester => self.reply(),
            Happened::Taken if !self.has_requester => self.take_over(),
            Happened::Noted | Happened::Taken => {}
            Happened::NoAnswerNeeded { why } => {
                self.stop(ClockName::FirstResponse, &Stop::NotNeeded(why.clone()));
                self.stop(ClockName::NextResponse, &Stop::NotNeeded(why.clone()));
            }
            Happened::State { to, reason } => self.move_to(*to, *reason),
            Happened::Merged => {
                ClockName::ALL.into_iter().for_each(|name| self.stop(name, &Stop::Merged));
                self.state = TicketState::Closed;
            }
            Happened::Targets { to, why } => {
                self.targets = Rc::new((**to).clone());
                self.change_terms(why);
            }
            Happened::DueSet { clock, due } => {
                match due {
                    Some(due) => self.fixed.insert(*clock, whole_seconds(*due)),
                    None => self.fixed.remove(clock),
                };
                self.change_terms(if due.is_some() { "due time set by hand" } else { "due time by the targets again" });
            }
        }
    }

    fn begin(&mut self, has_requester: bool) {
        if self.latest.is_empty() {
            self.has_requester = has_requester;
            self.start(ClockName::FirstResponse);
            self.start(ClockName::Resolution);
        }
    }

    /// The oldest unanswered message counts; before the first response that one alone counts.
    fn ask(&mut self) {
        let responded =
            self.latest.get(&ClockName::FirstResponse).is_some_and(|first| !first.is_open() && !first.ended_silently());
        if self.has_requester
            && responded
            && self.state != TicketState::Closed
            && !self.is_open(ClockName::NextResponse)
        {
            self.start(ClockName::NextResponse);
        }
    }

    /// A word to the one who waits for it; without a requester that is whoever reads the notes.
    fn reply(&mut self) {
        self.stop(ClockName::FirstResponse, &Stop::Done);
        self.stop(ClockName::NextResponse, &Stop::Done);
        self.stop(ClockName::Update, &Stop::Done);
        if !self.state.is_over() && !self.latest.is_empty() {
            self.start(ClockName::Update);
        }
    }

    /// Somebody takes a ticket that nobody asked for: that is its first response, but no news.
    fn take_over(&mut self) {
        if self.is_open(ClockName::FirstResponse) {
            self.stop(ClockName::FirstResponse, &Stop::Done);
            self.start(ClockName::Update);
        }
    }

    fn move_to(&mut self, to: TicketState, reason: Option<CloseReason>) {
        let from = std::mem::replace(&mut self.state, to);
        match (from.is_over(), to.is_over()) {
            (false, true) => {
                let reason = reason.map_or(to.as_str(), CloseReason::as_str);
                let silent = Stop::Silent(format!("resolved without an answer: {reason}"));
                self.stop(ClockName::FirstResponse, &silent);
                self.stop(ClockName::NextResponse, &silent);
                self.stop(ClockName::Update, &Stop::Done);
                self.stop(ClockName::Resolution, &Stop::Done);
            }
            (true, false) => self.reopen(from),
            _ => self.change_terms(""),
        }
    }

    /// Resolution goes on, and so does the wait for an answer that was never given. Where one was given, the next
    /// word is due as if it had been given now.
    fn reopen(&mut self, from: TicketState) {
        self.change_terms("");
        for name in [ClockName::FirstResponse, ClockName::Resolution] {
            let (at, terms) = (self.at, self.terms(name));
            if let Some(cycle) = self.latest.get_mut(&name)
                && !cycle.is_open()
                && (name == ClockName::Resolution || cycle.ended_silently())
            {
                cycle.resume(at, Pace::Pauses(from), terms);
            }
        }
        if self.latest.contains_key(&ClockName::Update) {
            self.start(ClockName::Update);
        }
    }

    fn start(&mut self, name: ClockName) {
        let run = self.latest.get(&name).map_or(1, |before| before.run() + 1);
        let cycle = Cycle::new(name, run, self.at, self.terms(name));
        self.earlier.extend(self.latest.insert(name, cycle));
    }

    fn stop(&mut self, name: ClockName, stop: &Stop) {
        let at = self.at;
        if let Some(cycle) = self.latest.get_mut(&name).filter(|cycle| cycle.is_open()) {
            cycle.stop(at, stop.clone());
        }
    }

    fn is_open(&self, name: ClockName) -> bool {
        self.latest.get(&name).is_some_and(Cycle::is_open)
    }

    fn change_terms(&mut self, why: &str) {
        for name in ClockName::ALL {
            let (at, terms) = (self.at, self.terms(name));
            if let Some(cycle) = self.latest.get_mut(&name).filter(|cycle| cycle.is_open()) {
                cycle.change(at, terms, why);
            }
        }
    }

    fn terms(&self, name: ClockName) -> Terms {
        let fixed = self.fixed.get(&name).copied();
        let pace = if fixed.is_none() && self.targets.of(name).is_none() {
            Pace::NoTarget
        } else if pauses(name, self.state) {
            Pace::Pauses(self.state)
        } else {
            Pace::Runs(self.state)
        };
        Terms { pace, targets: Rc::clone(&self.targets), fixed }
    }

    pub(super) fn clocks(self, now: Timestamp) -> Clocks {
        let mut runs: Vec<_> =
            self.earlier.into_iter().chain(self.latest.into_values()).filter_map(|cycle| cycle.clock(now)).collect();
        runs.sort_by_key(|clock| (clock.began, clock.name, clock.run));
        Clocks { runs }
    }
}

/// Whether this clock stands still in this state. A first response waits for nobody: asking the requester something
/// is the response.
fn pauses(name: ClockName, state: TicketState) -> bool {
    let scheduled = state == TicketState::Scheduled;
    match name {
        ClockName::FirstResponse => false,
        ClockName::NextResponse => scheduled,
        ClockName::Update | ClockName::Resolution => scheduled || state == TicketState::PendingRequester,
    }
}
