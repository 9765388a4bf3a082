//! Those whom routes notify without escalation: first, of changes, again, each route in its own rhythm; and the one who
//! acknowledged, of what joins afterwards.

use std::time::Duration;

use api::ticket::NoticesStatus;
use domain::{
    alert::Severity,
    routing::{
        self, Branch,
        timing::{self, Effect, Event, Notices, Timing, Why},
    },
    suppression::Judgement,
    ticket::timeline::What,
};
use jiff::Timestamp;

use super::Draft;

/// Stands for the route of updates to the one who acknowledged.
const ACKNOWLEDGED: &str = "(acknowledged)";

impl Draft<'_> {
    /// Something happened to the group: every route that notifies is told.
    pub(super) fn tell_groups(&mut self, event: Event) {
        for (branch, timing) in self.rhythms() {
            let once = self.is_told_once(&branch);
            if once && matches!(event, Event::Changed(_)) {
                continue;
            }
            let mut state = self.notices_of(&branch.route);
            timing::take(&mut state, event, timing);
            self.keep(&branch.route, &state);
        }
        match event {
            Event::Changed(at) if self.acknowledged_by().is_some() => {
                let mut state = self.notices_of(ACKNOWLEDGED);
                // The one who acknowledged knows of all that fired until then.
                state.last = state.last.or(Some(at));
                timing::take(&mut state, event, self.updates());
                self.keep(ACKNOWLEDGED, &state);
            }
            Event::Changed(_) => {}
            _ => self.status.notices.retain(|stored| stored.route != ACKNOWLEDGED),
        }
    }

    /// Plans what is due.
    pub(super) fn run_notices(&mut self) {
        if self.status.notices.is_empty() {
            return;
        }
        let hold = self.judged();
        for (branch, timing) in self.rhythms() {
            if !self.status.notices.iter().any(|stored| stored.route == branch.route) {
                continue;
            }
            let mut state = self.notices_of(&branch.route);
            let effects = timing::advance(&mut state, None, timing, hold.hold.as_ref(), self.now);
            self.keep(&branch.route, &state);
            for effect in effects {
                self.do_what_is_due(&branch, effect, &hold);
            }
        }
        self.update_the_one_who_acknowledged();
    }

    fn do_what_is_due(&mut self, branch: &Branch, effect: Effect, judged: &Judgement) {
        match effect {
            Effect::Tell { why, planned, number } => {
                let words = match why {
                    Why::First => "the route tells you of its tickets",
                    Why::Changed => "more of it fires since you were told",
                    Why::Again => "it still fires",
                };
                for target in &branch.notify {
                    self.plan_notice(target, planned, number, words);
                }
            }
            Effect::Held { detail } => {
                if let Some(hold) = &judged.hold {
                    self.count_held(hold.kind);
                }
                if let Some(silence) = &judged.silence {
                    self.held_by.push((silence.clone(), detail.clone()));
                }
                self.note(false, "Held", "Hold", detail.clone());
                self.line(What::Held, self.now, detail);
            }
            Effect::Released { detail } => self.line(What::Released, self.now, detail),
        }
    }

    fn update_the_one_who_acknowledged(&mut self) {
        if !self.status.notices.iter().any(|stored| stored.route == ACKNOWLEDGED) {
            return;
        }
        let Some(by) = self.acknowledged_by() else {
            self.status.notices.retain(|stored| stored.route != ACKNOWLEDGED);
            return;
        };
        let mut state = self.notices_of(ACKNOWLEDGED);
        let effects = timing::advance(&mut state, None, self.updates(), None, self.now);
        self.keep(ACKNOWLEDGED, &state);
        if effects.iter().any(|effect| matches!(effect, Effect::Tell { .. })) {
            self.plan_update(&by, "more of it fires since you acknowledged");
        }
    }

    /// The earliest time at which something of this is due.
    pub(super) fn next_notice(&self) -> Option<Timestamp> {
        let of = |(branch, timing): (Branch, Timing)| timing::next(&self.stored_notices(&branch.route)?, timing);
        let update = self.stored_notices(ACKNOWLEDGED).and_then(|state| timing::next(&state, self.updates()));
        self.rhythms().into_iter().filter_map(of).chain(update).min()
    }

    /// The routes that notify, each with its rhythm. Where a page has no escalation, its chain tells those very targets.
    fn rhythms(&self) -> Vec<(Branch, Timing)> {
        let Some(route) = &self.route else { return Vec::new() };
        if route.escalation.is_none() && self.severity() == Severity::Page {
            return Vec::new();
        }
        let telling = route.branches.iter().filter(|branch| !branch.notify.is_empty());
        telling.map(|branch| (branch.clone(), branch.timing)).collect()
    }

    /// Those beside an escalation hear of the beginning only: the rest is the escalation's.
    fn is_told_once(&self, branch: &Branch) -> bool {
        self.route.as_ref().is_some_and(|route| route.escalation.is_some() && route.name == branch.route)
    }

    /// Updates keep the distance of the owning route's changes.
    fn updates(&self) -> Timing {
        let interval = self.route.as_ref().and_then(|route| route.owner()).map(|owner| owner.timing.group_interval);
        let group_interval = interval.unwrap_or(routing::GROUP_INTERVAL);
        Timing { group_wait: Duration::ZERO, group_interval, repeat_interval: None }
    }

    fn acknowledged_by(&self) -> Option<String> {
        Some(self.chain.as_ref()?.acknowledged.as_ref()?.by.clone())
    }

    fn stored_notices(&self, route: &str) -> Option<Notices> {
        self.status.notices.iter().find(|stored| stored.route == route).map(NoticesStatus::notices)
    }

    fn notices_of(&self, route: &str) -> Notices {
        self.stored_notices(route).unwrap_or_default()
    }

    fn keep(&mut self, route: &str, state: &Notices) {
        let stored = NoticesStatus::new(route, state);
        match self.status.notices.iter_mut().find(|known| known.route == route) {
            Some(known) => *known = stored,
            None => self.status.notices.push(stored),
        }
    }
}
