//! A journal after which another has led, or may have led: nobody goes on by it. What it says is merged when this replica leads
//! the next time, and what that brings to the API late may be long over. So may be what fires on a ticket after a while in which
//! nothing could be decided.

use std::{collections::BTreeSet, time::Duration};

use api::{
    Ticket,
    ticket::{AlertLineState, TicketStatus},
};
use tokio::time::Instant;

use super::{Island, State, blocking, journal::Record};
use crate::{context::Context, kube::meta::Key};

/// How long a ticket that was merged late may wait for a decision of its monitors. What they cannot tell by then is escalated.
const LOOK_WITHIN: Duration = Duration::from_secs(600);
/// The same after a gap: its monitors were looked at all the time, and need only say what they know.
const SAY_WITHIN: Duration = Duration::from_secs(30);

impl Island {
    /// Whether that is so of the journal that waits to be merged.
    pub(super) fn is_superseded(&self) -> bool {
        self.state.lock().superseded
    }

    /// Writes down that somebody else has led since, when that is so: then nobody goes on by this journal any more.
    pub async fn supersede(&self, ctx: &Context) {
        let journal = self.journal.clone().lock_owned().await;
        if !ctx.leadership.take_superseded() || journal.is_none() {
            return;
        }
        self.state.lock().supersede();
        let record = Record::Superseded { at: ctx.clock.now() };
        let written = blocking(move || {
            let mut journal = journal;
            journal.as_mut().map_or(Ok(()), |journal| journal.append(&record))
        });
        match written.await {
            Ok(()) => tracing::info!("another has led since the journal was written; it is only merged"),
            Err(error) => {
                tracing::error!(%error, "the journal does not take that another has led since; a restart within ten minutes and without the API may go on by it");
            }
        }
    }

    /// The chain of a ticket that was merged late waits until its monitors have told whether it is over.
    pub(super) fn await_looks_at(&self, status: &TicketStatus) {
        let until = Instant::now() + LOOK_WITHIN;
        self.state.lock().awaited.extend(monitors(status).map(|monitor| (monitor, until)));
    }

    /// The lease is valid again after it had run out: what is overdue on a ticket waits until its monitors have said what they saw
    /// meanwhile. They are asked at the first look after that.
    pub fn await_what_was_seen_in_a_gap(&self, ctx: &Context) {
        let gaps = ctx.leadership.gaps();
        let mut state = self.state.lock();
        if state.gaps == gaps {
            return;
        }
        let world = ctx.world.read();
        let asked = state.after_gap(gaps, world.tickets().map(|(_, ticket)| ticket.as_ref()));
        asked.into_iter().for_each(|monitor| ctx.queues.monitors.add(monitor));
    }

    /// Whether a ticket waits for what its monitors find, because it was decided long ago and may be over.
    pub fn awaits_a_look(&self, ticket: &Ticket) -> bool {
        let (state, now) = (self.state.lock(), Instant::now());
        let is_awaited = |monitor| state.awaited.get(&monitor).is_some_and(|until| *until > now);
        !state.awaited.is_empty() && ticket.status.iter().flat_map(monitors).any(is_awaited)
    }

    /// Every alert of this monitor that fires on a ticket was decided on by this process. Whether tickets waited for that.
    pub fn looked(&self, monitor: &Key) -> bool {
        self.state.lock().awaited.remove(monitor).is_some()
    }

    /// What was decided before another has led cannot be gone on by, and its merge was cut short by one more outage.
    pub(super) async fn set_superseded_aside(&self, ctx: &Context) {
        let mut journal = self.journal.clone().lock_owned().await;
        if !std::mem::take(&mut self.state.lock().superseded) {
            return;
        }
        let left = std::mem::take(&mut self.state.lock().shadows).len();
        let aside = journal.take().map(|journal| journal.set_aside(ctx.clock.now()));
        match aside {
            Some(Ok(path)) => {
                tracing::error!(journal = %path.display(), tickets = left, "the API is gone again before what was decided in an earlier outage has come to it; that is kept here, and what is known of the cluster since counts");
            }
            Some(Err(error)) => tracing::error!(%error, "the journal of an earlier outage is overwritten"),
            None => {}
        }
    }
}

impl State {
    /// Waits for the monitors that fire on these tickets, which are given.
    fn after_gap<'a>(&mut self, gaps: u64, tickets: impl Iterator<Item = &'a Ticket>) -> BTreeSet<Key> {
        self.gaps = gaps;
        let until = Instant::now() + SAY_WITHIN;
        let firing: BTreeSet<Key> = tickets.filter_map(|ticket| ticket.status.as_ref()).flat_map(monitors).collect();
        for monitor in &firing {
            // Who waits for longer already goes on doing so.
            self.awaited.entry(monitor.clone()).and_modify(|known| *known = until.max(*known)).or_insert(until);
        }
        firing
    }
}

/// The monitors whose alerts fire on a ticket with this status, wherever it lives.
pub(crate) fn monitors(status: &TicketStatus) -> impl Iterator<Item = Key> {
    let lines = status.alerts.iter().flat_map(|alerts| &alerts.list);
    lines.filter(|line| line.state == AlertLineState::Firing).filter_map(|line| {
        let label = |name: &str| line.labels.get(name).cloned();
        Some(Key::new(label("namespace")?, label("monitor")?))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ticket() -> Ticket {
        let line = |monitor: &str, state: &str| {
            json!({"fingerprint": monitor, "name": "MonitorDown", "state": state, "since": "2026-11-27T10:00:00Z",
                "labels": {"namespace": "payments", "monitor": monitor}, "annotations": {}})
        };
        let list = [line("checkout", "Firing"), line("login", "Recovered")];
        let object = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
            "metadata": {"name": "inc-a", "namespace": "payments"}, "spec": {"title": "Checkout is down"},
            "status": {"observedGeneration": 1, "alerts": {"firing": 1, "resolved": 1, "list": list}},
        });
        serde_json::from_value(object).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_that_was_merged_late_waits_for_the_monitors_that_fire_on_it_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let island = Island::open(folder.path(), "firstline-system", jiff::Timestamp::UNIX_EPOCH).unwrap();
        let ticket = ticket();
        assert!(!island.awaits_a_look(&ticket), "what was decided here does not wait");
        island.await_looks_at(ticket.status.as_ref().unwrap());
        island.looked(&Key::new("payments", "login"));
        assert!(island.awaits_a_look(&ticket));
        tokio::time::advance(LOOK_WITHIN).await;
        assert!(!island.awaits_a_look(&ticket), "a monitor that nobody can look at loses no page");

        island.await_looks_at(ticket.status.as_ref().unwrap());
        island.looked(&Key::new("payments", "checkout"));
        assert!(!island.awaits_a_look(&ticket));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_gap_a_ticket_waits_for_what_its_monitors_have_seen_and_not_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let island = Island::open(folder.path(), "firstline-system", jiff::Timestamp::UNIX_EPOCH).unwrap();
        let (ticket, checkout) = (ticket(), Key::new("payments", "checkout"));
        let asked = island.state.lock().after_gap(1, [&ticket].into_iter());
        assert_eq!(asked, [checkout.clone()].into(), "who does not fire has nothing to say");
        assert!(island.awaits_a_look(&ticket));
        island.looked(&checkout);
        assert!(!island.awaits_a_look(&ticket));

        island.state.lock().after_gap(2, [&ticket].into_iter());
        tokio::time::advance(SAY_WITHIN).await;
        assert!(!island.awaits_a_look(&ticket), "who says nothing loses no page");
    }
}
