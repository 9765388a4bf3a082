//! What waits for a ticket's next decision: alerts, and what receivers said. Whoever hands an alert in may wait
//! until it is durable.
//!
//! What a look has taken comes back by itself unless the look says that it is done: a time-out, a failed write or a
//! panic loses nothing. An alert whose sender has stopped waiting is dropped, since the sender decides anew.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domain::{alert::Alert, message::NotificationId};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{engine::outbox::Report, kube::meta::Key};

/// What became of an alert that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    /// It is on the ticket, durably.
    Durable,
    /// The ticket is gone; hand it in anew.
    Gone,
}

#[derive(Debug, Default)]
struct Content {
    alerts: Vec<(Alert, oneshot::Sender<Handed>)>,
    reports: Vec<Report>,
}

impl Content {
    fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.reports.is_empty()
    }
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<Key, Content>,
    /// Tickets whose content a look has taken and not finished.
    taken: HashSet<Key>,
}

/// What a look has taken of one ticket's inbox.
#[derive(Debug)]
pub struct Inbox {
    key: Key,
    content: Content,
    state: Arc<Mutex<State>>,
}

impl Inbox {
    /// The alerts, in order.
    pub fn alerts(&self) -> Vec<Alert> {
        self.content.alerts.iter().map(|(alert, _)| alert.clone()).collect()
    }

    /// What receivers said, in order.
    pub fn reports(&self) -> Vec<Report> {
        self.content.reports.clone()
    }

    /// Everything was decided on and written.
    pub fn done(mut self) {
        self.answer(Handed::Durable);
    }

    /// The ticket is gone.
    pub fn gone(mut self) {
        self.answer(Handed::Gone);
    }

    fn answer(&mut self, handed: Handed) {
        for (_, waiting) in std::mem::take(&mut self.content).alerts {
            // Who handed it in may have stopped waiting; it is durable all the same.
            let _ = waiting.send(handed);
        }
    }
}

impl Drop for Inbox {
    /// Puts back what was not finished, before what came in since.
    fn drop(&mut self) {
        let mut content = std::mem::take(&mut self.content);
        let mut state = self.state.lock();
        state.taken.remove(&self.key);
        if content.is_empty() {
            return;
        }
        let newer = state.waiting.remove(&self.key).unwrap_or_default();
        content.alerts.extend(newer.alerts);
        content.reports.extend(newer.reports);
        state.waiting.insert(self.key.clone(), content);
    }
}

/// The inboxes of all tickets.
#[derive(Debug, Default)]
pub struct Inboxes(Arc<Mutex<State>>);

impl Inboxes {
    /// Hands in an alert; the receiver hears when it is durable.
    pub fn alert(&self, ticket: &Key, alert: Alert) -> oneshot::Receiver<Handed> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().waiting.entry(ticket.clone()).or_default().alerts.push((alert, sender));
        receiver
    }

    /// Hands in what a receiver said.
    pub fn report(&self, ticket: &Key, report: Report) {
        self.0.lock().waiting.entry(ticket.clone()).or_default().reports.push(report);
    }

    /// Takes everything that waits for a ticket.
    pub fn take(&self, ticket: &Key) -> Inbox {
        let mut state = self.0.lock();
        let mut content = state.waiting.remove(ticket).unwrap_or_default();
        content.alerts.retain(|(_, waiting)| !waiting.is_closed());
        state.taken.insert(ticket.clone());
        Inbox { key: ticket.clone(), content, state: self.0.clone() }
    }

    /// Whether something waits for this ticket or is being decided on: what the index says of it may be outdated.
    pub fn is_busy(&self, ticket: &Key) -> bool {
        let state = self.0.lock();
        state.taken.contains(ticket) || state.waiting.get(ticket).is_some_and(|content| !content.is_empty())
    }

    /// The messages of a ticket of which a receiver has said something that waits to be written down.
    pub fn reported(&self, ticket: &Key) -> Vec<NotificationId> {
        let state = self.0.lock();
        let waiting = state.waiting.get(ticket).into_iter().flat_map(|content| &content.reports);
        waiting.map(|report| report.id).collect()
    }

    /// Whether nothing waits for any ticket.
    pub fn is_empty(&self) -> bool {
        let state = self.0.lock();
        state.taken.is_empty() && state.waiting.values().all(Content::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use domain::{alert::AlertState, labels::Labels};
    use jiff::Timestamp;

    use super::*;

    fn alert(name: &str) -> Alert {
        let labels = Labels::from([("alertname".to_owned(), name.to_owned())]);
        let at = Timestamp::UNIX_EPOCH;
        Alert {
            namespace: "a".into(),
            labels,
            annotations: Labels::new(),
            state: AlertState::Firing,
            starts_at: at,
            at,
        }
    }

    fn names(inbox: &Inbox) -> Vec<String> {
        inbox.alerts().iter().map(|alert| alert.label("alertname").to_owned()).collect()
    }

    #[tokio::test]
    async fn what_a_look_did_not_finish_comes_back_before_what_came_since() {
        let (inboxes, key) = (Inboxes::default(), Key::new("a", "b"));
        let first = inboxes.alert(&key, alert("first"));
        let taken = inboxes.take(&key);
        let _second = inboxes.alert(&key, alert("second"));
        drop(taken);
        let again = inboxes.take(&key);
        assert_eq!(names(&again), ["first", "second"]);
        again.done();
        assert_eq!(first.await, Ok(Handed::Durable));
        assert!(inboxes.is_empty());
    }

    #[test]
    fn an_alert_whose_sender_has_given_up_is_dropped() {
        let (inboxes, key) = (Inboxes::default(), Key::new("a", "b"));
        drop(inboxes.alert(&key, alert("stale")));
        let _waiting = inboxes.alert(&key, alert("fresh"));
        assert_eq!(names(&inboxes.take(&key)), ["fresh"]);
    }

    #[test]
    fn a_ticket_is_busy_from_the_handing_in_to_the_end_of_the_look() {
        let (inboxes, key) = (Inboxes::default(), Key::new("a", "b"));
        let _waiting = inboxes.alert(&key, alert("one"));
        assert!(inboxes.is_busy(&key));
        let taken = inboxes.take(&key);
        assert!(inboxes.is_busy(&key));
        taken.done();
        assert!(!inboxes.is_busy(&key));
    }
}
