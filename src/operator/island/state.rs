//! What is known of an outage: what a journal has kept of the cluster, what was decided since, and whether anybody may go on by
//! it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use api::{OnCallOverride, ServiceMonitor, Silence, SupportPolicy, Ticket, TicketEvent, ticket::TicketStatus};
use jiff::Timestamp;
use tokio::time::Instant;

use super::journal::{Record, Uptime};
use crate::{
    index::{PolicyEntry, World},
    kube::{lease::Predecessor, meta::Key},
};

/// A journal whose last record is older makes no heir: more than a restart has happened, and another may have led unseen
/// between two outages. Long enough for a node that boots again.
const HEIR_WITHIN: Duration = Duration::from_secs(600);

/// A ticket as it was decided without the API.
#[derive(Debug, Clone)]
pub(super) struct Shadow {
    /// The status that the API has, as far as is known; `None` for a ticket that it does not have.
    pub(super) base: Option<TicketStatus>,
    /// What a merge was about to write; the API may have it in the place of `base`.
    pub(super) written: Option<TicketStatus>,
    /// The whole ticket.
    pub(super) ticket: Arc<Ticket>,
}

impl Shadow {
    pub(super) fn record(&self, at: Timestamp) -> Record {
        let boxed = |status: &Option<TicketStatus>| status.clone().map(Box::new);
        let ticket = Box::new(self.ticket.as_ref().clone());
        Record::Decided { at, up: Uptime::now(), base: boxed(&self.base), written: boxed(&self.written), ticket }
    }

    /// Whoever wrote this may have sent what was due by then, and have died before it could write down what came of it.
    ///
    /// What an earlier merge was about to write is doubted with it where it is the same: by that the merge knows its own hand.
    fn doubt_what_was_due(&mut self, by: Timestamp) {
        let is_written = self.written == self.ticket.status;
        let Some(status) = Arc::make_mut(&mut self.ticket).status.as_mut() else { return };
        doubt_what_was_due(status, by);
        if is_written {
            self.written = Some(status.clone());
        }
    }
}

/// What was due by then may have been sent by a leader that is gone, and its outcome lost.
pub(super) fn doubt_what_was_due(status: &mut TicketStatus, by: Timestamp) {
    for notification in status.notifications.iter_mut().filter(|n| !n.state.is_finished() && n.due_at() <= by) {
        notification.may_have_arrived = true;
    }
}

/// What a journal kept of the cluster.
#[derive(Debug, Default)]
pub struct Kept {
    /// The last valid version of each.
    pub policies: Vec<SupportPolicy>,
    /// All of them.
    pub monitors: Vec<ServiceMonitor>,
    /// All of them.
    pub silences: Vec<Silence>,
    /// All of them.
    pub overrides: Vec<OnCallOverride>,
    /// Those that are not over.
    pub tickets: Vec<Ticket>,
    /// Of those tickets.
    pub events: Vec<TicketEvent>,
}

/// Everything that an [`Island`](super::Island) knows.
#[derive(Default)]
pub(super) struct State {
    /// What was decided, by ticket.
    pub(super) shadows: BTreeMap<Key, Shadow>,
    /// Shadows that are being merged: the index takes what the API says of them.
    pub(super) merging: BTreeSet<Key>,
    /// Policies as they were when the API was given up.
    pub(super) policies: BTreeMap<Key, PolicyEntry>,
    /// What an earlier process has left, until it is used.
    pub(super) left: Option<Kept>,
    /// Whose heir this process is.
    pub(super) predecessor: Option<Predecessor>,
    /// Whether another may have led since what the shadows say was decided.
    pub(super) superseded: bool,
    /// Monitors that tickets which were merged late, or were not decided on for a while, wait for, and until when.
    pub(super) awaited: BTreeMap<Key, Instant>,
    /// How many gaps in the lease those tickets have heard of.
    pub(super) gaps: u64,
    /// Whether some of what was decided is in memory only, because the disk refuses the journal.
    pub(super) unwritten: bool,
}

impl State {
    /// Nobody goes on by what was decided; it is only merged.
    pub(super) fn supersede(&mut self) {
        self.superseded = true;
        (self.predecessor, self.left) = (None, None);
    }

    /// Goes on from what an earlier process has left. Its age goes by the machine where that has not been started since, or a
    /// clock that was stepped in the outage would make it old, or young.
    pub(super) fn take(&mut self, records: Vec<Record>, namespace: &str, now: Timestamp, up: Option<&Uptime>) {
        let (mut superseded, mut last) = (false, None);
        let (mut left, mut world) = (Kept::default(), World::new(namespace));
        for record in records {
            match record {
                Record::Began(began) => {
                    last = began.up;
                    self.predecessor = Some(Predecessor { holder: began.holder, epoch: began.epoch, at: began.at });
                }
                Record::Alive { at, up } => {
                    last = up;
                    self.decided(at);
                }
                Record::Superseded { .. } => superseded = true,
                Record::Policy { object } => {
                    world.apply_policy(object.as_ref().clone());
                    left.policies.push(*object);
                }
                Record::Monitor { object } => left.monitors.push(*object),
                Record::Silence { object } => left.silences.push(*object),
                Record::Override { object } => left.overrides.push(*object),
                Record::Ticket { object } => left.tickets.push(*object),
                Record::Event { object } => left.events.push(*object),
                Record::Decided { at, up, base, written, ticket } => {
                    last = up;
                    self.decided(at);
                    let (key, base, written) = (Key::of(ticket.as_ref()), base.map(|it| *it), written.map(|it| *it));
                    self.shadows.insert(key, Shadow { base, written, ticket: Arc::from(ticket) });
                }
            }
        }
        // A clock that was put back since makes nothing undue.
        let by = self.predecessor.as_ref().map_or(now, |dead| dead.at.max(now));
        self.shadows.values_mut().for_each(|shadow| shadow.doubt_what_was_due(by));
        self.policies = world.policies().map(|(key, entry)| (key.clone(), entry.clone())).collect();
        self.left = Some(left);
        let since = |dead: &Predecessor| match (&last, up) {
            (Some(last), Some(up)) if last.boot == up.boot => {
                Duration::from_secs(up.seconds.saturating_sub(last.seconds))
            }
            _ => domain::time::between(dead.at, now),
        };
        let old = self.predecessor.as_ref().is_some_and(|dead| since(dead) > HEIR_WITHIN);
        if old {
            tracing::warn!(
                "the journal of an outage is more than ten minutes old: another may have led since, so it is only merged"
            );
        }
        if superseded || old {
            self.supersede();
        }
    }

    /// By this journal, at this time.
    fn decided(&mut self, at: Timestamp) {
        if let Some(predecessor) = &mut self.predecessor {
            predecessor.at = predecessor.at.max(at);
        }
    }
}

/// Everything that decisions without the API rest on.
pub(super) fn snapshot(world: &World) -> Vec<Record> {
    let policies = world.policies().filter_map(|(_, entry)| entry.compiled_from.as_ref());
    let policies = policies.map(|object| Record::Policy { object: Box::new(object.as_ref().clone()) });
    let monitors =
        world.monitors().map(|(_, entry)| Record::Monitor { object: Box::new(entry.object.as_ref().clone()) });
    let silences =
        world.silences().map(|(_, entry)| Record::Silence { object: Box::new(entry.object.as_ref().clone()) });
    let overrides = world.on_call_overrides();
    let overrides = overrides.map(|(_, entry)| Record::Override { object: Box::new(entry.object.as_ref().clone()) });
    let open: Vec<&Key> = world.open_tickets().collect();
    let tickets = open.iter().filter_map(|key| world.ticket(key));
    let tickets = tickets.map(|object| Record::Ticket { object: Box::new(object.as_ref().clone()) });
    let events = open.iter().flat_map(|key| world.events_of(key));
    let events = events.map(|object| Record::Event { object: Box::new(object.as_ref().clone()) });
    policies.chain(monitors).chain(silences).chain(overrides).chain(tickets).chain(events).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::island::journal::Began;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn decided(minute: i64) -> Record {
        let object = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
            "metadata": {"name": "inc-a", "namespace": "payments"}, "spec": {"title": "Checkout is down"},
        });
        let ticket = serde_json::from_value(object).unwrap();
        Record::Decided { at: at(minute), up: None, base: None, written: None, ticket }
    }

    /// Whose heir a process is that finds this, and of how many tickets it knows what was decided.
    fn found(records: Vec<Record>, minute: i64) -> (Option<Timestamp>, usize) {
        found_after(records, minute, None)
    }

    fn found_after(records: Vec<Record>, minute: i64, up: Option<&Uptime>) -> (Option<Timestamp>, usize) {
        let mut state = State::default();
        state.take(records, "firstline-system", at(minute), up);
        assert_eq!(state.superseded, state.predecessor.is_none());
        assert_eq!(state.left.is_none(), state.superseded, "nothing is restored of a world that is long gone");
        (state.predecessor.map(|dead| dead.at), state.shadows.len())
    }

    fn began() -> Record {
        Record::Began(Began { up: None, ..Began::new(at(0), "a".to_owned(), 7) })
    }

    /// A ticket with messages that are due, done, or not to be sent yet, of which none has been tried as far as it says.
    fn ticket_with_messages() -> Ticket {
        let message = |id: &str, state: &str, planned: i64, retry: Option<i64>| {
            json!({"id": id, "kind": "page", "channel": "chat", "state": state,
                "plannedAt": at(planned), "retryAt": retry.map(at)})
        };
        let notifications = [
            message("due", "Planned", 1, None),
            message("withdrawn", "Superseded", 1, None),
            message("asked-to-wait", "Planned", 1, Some(90)),
            message("later", "Planned", 90, None),
        ];
        let object = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
            "metadata": {"name": "inc-a", "namespace": "payments"}, "spec": {"title": "Checkout is down"},
            "status": {"observedGeneration": 1, "epoch": 7, "notifications": notifications},
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn what_was_due_may_have_been_sent_by_the_process_that_has_left_the_journal() {
        let ticket = ticket_with_messages();
        let status = ticket.status.clone().unwrap();
        let base = TicketStatus { epoch: Some(6), ..status.clone() };
        for written in [None, Some(status.clone()), Some(base.clone())] {
            let boxed = |status: &TicketStatus| Some(Box::new(status.clone()));
            let (at_merge, ticket) = (written.as_ref().and_then(boxed), Box::new(ticket.clone()));
            let record = Record::Decided { at: at(1), up: None, base: boxed(&base), written: at_merge, ticket };
            let mut state = State::default();
            state.take(vec![began(), record], "firstline-system", at(2), None);

            let shadow = state.shadows.into_values().next().unwrap();
            let ours = shadow.ticket.status.clone().unwrap();
            let doubted = ours.notifications.iter().filter(|n| n.may_have_arrived);
            assert_eq!(doubted.map(|n| n.id.as_str()).collect::<Vec<_>>(), ["due"]);
            assert_eq!(shadow.base.as_ref(), Some(&base), "the API has that as it is");
            let is_again = written.as_ref() == Some(&status);
            assert_eq!(shadow.written, if is_again { Some(ours) } else { written });
        }
    }

    #[test]
    fn how_old_it_is_says_the_machine_where_that_was_not_started_since() {
        let up = |boot: &str, minute: u64| Uptime { boot: boot.to_owned(), seconds: minute * 60 };
        let alive = |boot, minute| Record::Alive { at: at(1), up: Some(up(boot, minute)) };
        let heir = |records, minute, now: &Uptime| found_after(records, minute, Some(now)).0.is_some();
        // A clock that was an hour behind is put right in the outage, and the process dies and is started again.
        assert!(heir(vec![began(), alive("b", 100)], 61, &up("b", 101)));
        // One that was an hour ahead is put right, and the journal is an hour old.
        assert!(!heir(vec![began(), alive("b", 100)], 1, &up("b", 160)));
        // Of another start nobody knows how long ago that was, but for the wall clock.
        assert!(heir(vec![began(), alive("a", 900)], 2, &up("b", 1)));
        assert!(!heir(vec![began(), alive("a", 1)], 61, &up("b", 2)));
    }

    #[test]
    fn a_journal_makes_an_heir_for_ten_minutes_after_its_last_record() {
        assert_eq!(found(vec![began(), decided(1)], 11), (Some(at(1)), 1));
        assert_eq!(found(vec![began(), decided(1)], 12), (None, 1));
    }

    #[test]
    fn an_outage_without_a_decision_is_as_young_as_its_last_sign_of_life() {
        assert_eq!(found(vec![began(), decided(1), Record::Alive { at: at(90), up: None }], 99), (Some(at(90)), 1));
    }

    #[test]
    fn a_journal_after_which_another_has_led_makes_no_heir_and_is_merged_all_the_same() {
        assert_eq!(found(vec![began(), decided(1), Record::Superseded { at: at(2) }], 2), (None, 1));
    }
}
