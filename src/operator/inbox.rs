//! What waits for a ticket's next decision: alerts, and what receivers said. Whoever hands an alert in may wait
//! until it is durable.

use std::collections::HashMap;

use domain::alert::Alert;
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

/// What waits for one ticket.
#[derive(Debug, Default)]
pub struct Inbox {
    alerts: Vec<(Alert, oneshot::Sender<Handed>)>,
    reports: Vec<Report>,
}

impl Inbox {
    /// The alerts, in order.
    pub fn alerts(&self) -> Vec<Alert> {
        self.alerts.iter().map(|(alert, _)| alert.clone()).collect()
    }

    /// What receivers said, in order.
    pub fn reports(&self) -> Vec<Report> {
        self.reports.clone()
    }

    /// Everything was decided on and written.
    pub fn done(self) {
        self.answer(Handed::Durable);
    }

    /// The ticket is gone.
    pub fn gone(self) {
        self.answer(Handed::Gone);
    }

    fn answer(self, handed: Handed) {
        for (_, waiting) in self.alerts {
            // Who handed it in may have given up waiting; it is durable all the same.
            let _ = waiting.send(handed);
        }
    }
}

/// The inboxes of all tickets.
#[derive(Debug, Default)]
pub struct Inboxes(Mutex<HashMap<Key, Inbox>>);

impl Inboxes {
    /// Hands in an alert; the receiver hears when it is durable.
    pub fn alert(&self, ticket: &Key, alert: Alert) -> oneshot::Receiver<Handed> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().entry(ticket.clone()).or_default().alerts.push((alert, sender));
        receiver
    }

    /// Hands in what a receiver said.
    pub fn report(&self, ticket: &Key, report: Report) {
        self.0.lock().entry(ticket.clone()).or_default().reports.push(report);
    }

    /// Takes everything that waits for a ticket.
    pub fn take(&self, ticket: &Key) -> Inbox {
        self.0.lock().remove(ticket).unwrap_or_default()
    }

    /// Puts back what could not be written, before what came in since.
    pub fn give_back(&self, ticket: &Key, mut inbox: Inbox) {
        let mut all = self.0.lock();
        let newer = all.remove(ticket).unwrap_or_default();
        inbox.alerts.extend(newer.alerts);
        inbox.reports.extend(newer.reports);
        all.insert(ticket.clone(), inbox);
    }
}
