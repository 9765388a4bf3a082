//! The states of a ticket: who moves it where, what ends by itself, and what comes back.

use std::time::Duration;

use jiff::Timestamp;

use super::{Consequence, Fold, Folded, Verdict};
use crate::{
    sla::Happened,
    ticket::{CloseReason, TicketState, subject::Subject},
    time::after,
};

/// How long a ticket waits for somebody outside when nobody said until when: then it is Open again, so that
/// somebody looks at it. A wait without an end is how tickets are forgotten.
const WAITS_AT_MOST: Duration = Duration::from_secs(7 * 86_400);

/// The latest end of a wait that can be written.
const LONGEST_WAIT: Duration = Duration::from_secs(366 * 86_400);

/// What a ticket does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    SnoozeEnds,
    WaitEnds,
    Closes,
}

impl Folded {
    /// The next thing that happens unless somebody acts.
    pub(super) fn next_change(&self, closes_after: Duration, subject: &Subject) -> Option<(Timestamp, Change)> {
        let snooze = self.acknowledged.as_ref().and_then(|ack| ack.until).map(|at| (at, Change::SnoozeEnds));
        let wait = self.waits_until.filter(|_| self.state.is_waiting()).map(|at| (at, Change::WaitEnds));
        let resolved = self.resolved_at.filter(|_| self.state == TicketState::Resolved && !subject.firing);
        let quiet = |closes: Timestamp| subject.quiet_since.map_or(closes, |quiet| quiet.max(closes));
        let closes = resolved.map(|at| (quiet(after(at, closes_after)), Change::Closes));
        [snooze, wait, closes].into_iter().flatten().min()
    }
}

impl Fold<'_> {
    /// Everything that happens by itself before `at`, each at its own instant.
    pub(super) fn let_time_pass(&mut self, at: Timestamp) {
        while let Some((due, change)) = self.folded.next_change(self.closes_after, self.subject) {
            if due >= at {
                return;
            }
            match change {
                Change::SnoozeEnds => self.folded.acknowledged = None,
                Change::WaitEnds if self.gives_up => self.end(TicketState::Resolved, CloseReason::NoResponse, due),
                Change::WaitEnds => self.go_to(TicketState::Open, due),
                Change::Closes => {
                    let reason = self.folded.reason.unwrap_or(CloseReason::Completed);
                    self.end(TicketState::Closed, reason, due);
                }
            }
        }
    }

    pub(super) fn move_to(
        &mut self,
        at: Timestamp,
        to: &str,
        reason: &str,
        until: Option<Timestamp>,
    ) -> Result<Verdict, String> {
        let known = TicketState::ALL.map(TicketState::as_str).join(", ");
        let target = TicketState::parse(to).ok_or_else(|| format!("expected one of {known}, found `{to}`"))?;
        self.must_allow(target)?;
        if !target.is_over() {
            let until = waiting_time(target, at, until)?;
            if self.folded.state == TicketState::Resolved {
                self.reopen(at);
            }
            self.go_to(target, at);
            self.gives_up = target == TicketState::PendingRequester && until.is_some();
            self.folded.waits_until = target.is_waiting().then(|| until.unwrap_or_else(|| after(at, WAITS_AT_MOST)));
            return Ok(Verdict::Accepted);
        }
        if until.is_some() {
            return Err(format!("{target} does not wait, so it has no `until`; leave it out"));
        }
        let reason = match reason {
            "" if self.folded.state == TicketState::Resolved => self.folded.reason.unwrap_or(CloseReason::Completed),
            "" => CloseReason::Completed,
            word => CloseReason::parse_by_people(word).ok_or_else(|| {
                let known = CloseReason::BY_PEOPLE.map(CloseReason::as_str).join(", ");
                format!("expected a reason among {known}, found `{word}`")
            })?,
        };
        self.end(target, reason, at);
        Ok(Verdict::Accepted)
    }

    fn must_allow(&self, target: TicketState) -> Result<(), String> {
        match target {
            TicketState::New => return Err("a ticket never becomes New again; use Open".to_owned()),
            TicketState::PendingRequester if !self.subject.has_requester => {
                return Err("the ticket has no requester to wait for; use PendingVendor or Open".to_owned());
            }
            TicketState::PendingRequester if !self.replied => {
                return Err("nobody has answered the requester yet, and to ask them something is the first answer; reply first, then wait".to_owned());
            }
            _ => {}
        }
        match self.folded.state {
            TicketState::Closed => Err("the ticket is Closed; open a new one".to_owned()),
            TicketState::Resolved if !matches!(target, TicketState::Open | TicketState::Closed) => {
                Err(format!("the ticket is Resolved; move it to Open before {target}"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn merge(&mut self, at: Timestamp, into: &str) -> Result<Verdict, String> {
        if into == self.subject.name {
            return Err("a ticket cannot be merged into itself; name the other one".to_owned());
        }
        if self.folded.state == TicketState::Closed {
            return Err("the ticket is Closed; link it instead of merging it".to_owned());
        }
        self.happened(at, Happened::Merged);
        self.end(TicketState::Closed, CloseReason::Merged, at);
        self.folded.merged_into = Some(into.to_owned());
        Ok(Verdict::AcceptedWith(Consequence::Merge { into: into.to_owned() }))
    }

    /// Somebody has begun.
    pub(super) fn touched(&mut self, at: Timestamp) {
        if self.folded.state == TicketState::New {
            self.go_to(TicketState::Open, at);
        }
    }

    pub(super) fn go_to(&mut self, state: TicketState, at: Timestamp) {
        self.gives_up = false;
        self.folded.waits_until = None;
        if self.folded.state != state {
            self.folded.state = state;
            self.happened(at, Happened::State { to: state, reason: None });
        }
    }

    pub(super) fn end(&mut self, state: TicketState, reason: CloseReason, at: Timestamp) {
        let already = self.folded.resolved_at.filter(|_| self.folded.state == TicketState::Resolved);
        self.gives_up = false;
        self.folded.waits_until = None;
        self.folded.acknowledged =
            self.folded.acknowledged.take().map(|ack| super::Acknowledged { until: None, ..ack });
        self.folded.state = state;
        self.folded.reason = Some(reason);
        self.folded.resolved_at = Some(already.unwrap_or(at));
        self.happened(at, Happened::State { to: state, reason: Some(reason) });
    }

    pub(super) fn reopen(&mut self, at: Timestamp) {
        self.folded.reason = None;
        self.folded.resolved_at = None;
        self.folded.reopens += 1;
        self.go_to(TicketState::Open, at);
    }
}

/// The `until` of a state that waits; an error where it cannot be.
fn waiting_time(target: TicketState, at: Timestamp, until: Option<Timestamp>) -> Result<Option<Timestamp>, String> {
    match until {
        None if target == TicketState::Scheduled => {
            Err("expected `until` with Scheduled: the date that was agreed with the requester".to_owned())
        }
        None => Ok(None),
        Some(_) if !target.is_waiting() => {
            Err(format!("{target} does not wait, so it has no `until`; leave it out, or use Scheduled"))
        }
        Some(until) if until <= at => Err(format!("expected `until` after {at}, found {until}")),
        Some(until) if until > after(at, LONGEST_WAIT) => {
            Err(format!("expected `until` within 366 days, found {until}"))
        }
        Some(until) => Ok(Some(until)),
    }
}
