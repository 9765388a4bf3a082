//! Tickets and their events, by name, by what their alerts have in common, by each alert.

use std::sync::Arc;

use api::{
    Ticket, TicketEvent,
    ticket::{AlertLineState, EscalationStatus, TicketState},
};
use domain::{labels::Labels, policy::Policy};
use kube::ResourceExt;

use super::World;
use crate::kube::meta::{self, Key};

/// What the alerts of a ticket have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupKey {
    /// The ticket's namespace.
    pub namespace: String,
    /// The policy, as namespace/name.
    pub policy: String,
    /// The values of its correlating labels.
    pub group: String,
}

/// What stands for the policy in the group of what none serves.
pub const NO_POLICY: &str = "/";

impl GroupKey {
    /// The key of a ticket that alerts opened.
    pub fn of(ticket: &Ticket) -> Option<Self> {
        let origin = ticket.spec.origin.as_ref()?;
        Some(Self {
            namespace: ticket.namespace().unwrap_or_default(),
            policy: format!("{}/{}", origin.policy_namespace, origin.policy),
            group: origin.group_key.clone(),
        })
    }
}

impl World {
    /// A ticket is there, in this version. An older version than the one that is known changes nothing; returns
    /// whether this one was taken.
    pub fn apply_ticket(&mut self, ticket: Arc<Ticket>) -> bool {
        let key = Key::of(ticket.as_ref());
        if let Some(known) = self.tickets.get(&key)
            && known.metadata.uid == ticket.metadata.uid
            && meta::version(known.as_ref()) >= meta::version(ticket.as_ref())
        {
            return false;
        }
        self.unindex(&key);
        if let Some(island) = ticket.spec.origin.as_ref().and_then(|origin| origin.island.as_ref()) {
            self.identities.insert(island.id.clone());
        }
        if let Some(group) = GroupKey::of(&ticket) {
            if !firing(&ticket).is_empty() {
                let scope = (group.namespace.clone(), group.policy.clone());
                self.by_policy.entry(scope).or_default().insert(key.clone());
            }
            self.by_group.entry(group).or_default().push(key.clone());
        }
        for fingerprint in firing(&ticket) {
            self.by_fingerprint.insert((key.namespace.clone(), fingerprint), key.clone());
        }
        if is_watched(&ticket) {
            self.watched.insert(key.clone());
        }
        self.tickets.insert(key, ticket);
        true
    }

    /// A ticket as it was decided on without the API, whatever is known of it.
    pub fn put_ticket(&mut self, ticket: Arc<Ticket>) {
        let key = Key::of(ticket.as_ref());
        self.unindex(&key);
        self.tickets.remove(&key);
        self.apply_ticket(ticket);
    }

    /// A ticket is gone; its events stay until they are gone themselves.
    pub fn delete_ticket(&mut self, key: &Key) {
        self.unindex(key);
        self.tickets.remove(key);
    }

    fn unindex(&mut self, key: &Key) {
        let Some(old) = self.tickets.get(key).cloned() else { return };
        if let Some(group) = GroupKey::of(&old)
            && let Some(keys) = self.by_group.get_mut(&group)
        {
            keys.retain(|other| other != key);
            if keys.is_empty() {
                self.by_group.remove(&group);
            }
        }
        if let Some(GroupKey { namespace, policy, .. }) = GroupKey::of(&old) {
            let scope = (namespace, policy);
            if let Some(keys) = self.by_policy.get_mut(&scope) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_policy.remove(&scope);
                }
            }
        }
        self.by_fingerprint.retain(|_, ticket| ticket != key);
        self.watched.remove(key);
    }

    /// Whether a ticket with this in the place of its uid is there, or was.
    pub fn has_seen(&self, identity: &str) -> bool {
        self.identities.contains(identity)
    }

    /// One ticket.
    pub fn ticket(&self, key: &Key) -> Option<&Arc<Ticket>> {
        self.tickets.get(key)
    }

    /// Every ticket.
    pub fn tickets(&self) -> impl Iterator<Item = (&Key, &Arc<Ticket>)> {
        self.tickets.iter()
    }

    /// Every ticket on which somebody may wait, or of which something is to be sent. Closed ones are kept apart: there may be a
    /// hundred times as many, and whoever decides waits meanwhile.
    pub fn watched(&self) -> Vec<(Key, Arc<Ticket>)> {
        self.watched.iter().filter_map(|key| Some((key.clone(), self.tickets.get(key)?.clone()))).collect()
    }

    /// Tickets that are not over.
    pub fn open_tickets(&self) -> impl Iterator<Item = &Key> {
        self.tickets.iter().filter(|(_, ticket)| !is_over(ticket)).map(|(key, _)| key)
    }

    /// How many open tickets of alerts no policy serves.
    pub fn without_policy(&self) -> usize {
        self.tickets.values().filter(|ticket| !is_over(ticket) && has_no_policy(ticket)).count()
    }

    /// The ticket on which this alert fires.
    pub fn ticket_of_alert(&self, namespace: &str, fingerprint: &str) -> Option<&Arc<Ticket>> {
        self.by_fingerprint.get(&(namespace.to_owned(), fingerprint.to_owned())).and_then(|key| self.tickets.get(key))
    }

    /// The labels of everything that fires in a namespace by this policy and is the source of one of its inhibitions, on
    /// any ticket but the one to spare.
    pub fn inhibiting(&self, policy: &Policy, namespace: &str, spare: Option<&Key>) -> Vec<Labels> {
        if policy.inhibit.is_empty() {
            return Vec::new();
        }
        let scope = (namespace.to_owned(), format!("{}/{}", policy.namespace, policy.name));
        let keys = self.by_policy.get(&scope).into_iter().flatten().filter(|key| Some(*key) != spare);
        let firing = keys.filter_map(|key| self.tickets.get(key)).flat_map(|ticket| firing_labels(ticket));
        let is_source = |labels: &Labels| {
            let (labels, _) = domain::routing::normalise(policy, labels);
            policy.inhibit.iter().any(|rule| rule.is_source(&labels))
        };
        firing.filter(is_source).collect()
    }

    /// Tickets that what fires on this one may hold or let go: those on which something fires by the same policy, where
    /// it has inhibitions.
    pub fn neighbours(&self, ticket: &Ticket) -> Vec<Key> {
        let Some(group) = GroupKey::of(ticket) else { return Vec::new() };
        let policy = group.policy.split_once('/').and_then(|(namespace, name)| self.policy(&Key::new(namespace, name)));
        if policy.and_then(|entry| entry.compiled.as_ref()).is_none_or(|policy| policy.inhibit.is_empty()) {
            return Vec::new();
        }
        let own = Key::of(ticket);
        let all = self.by_policy.get(&(group.namespace, group.policy)).into_iter().flatten();
        all.filter(|key| **key != own).cloned().collect()
    }

    /// The open tickets of its namespace that are linked to this one as their cause.
    pub fn caused_by(&self, cause: &Key) -> Vec<Key> {
        let names = |ticket: &Ticket| {
            let by_events = ticket.status.iter().flat_map(|status| &status.links);
            api::ticket::causes(ticket.spec.links.iter().chain(by_events)).any(|name| *name == cause.name)
        };
        let open = self.tickets.iter().filter(|(key, ticket)| key.namespace == cause.namespace && !is_over(ticket));
        open.filter(|(_, ticket)| names(ticket)).map(|(key, _)| key.clone()).collect()
    }

    /// The labels of alerts that fire on open tickets of a namespace and that `is_meant` accepts.
    pub fn firing_alerts(&self, namespace: &str, is_meant: impl Fn(&Labels) -> bool) -> Vec<Labels> {
        let tickets = self.tickets.values().filter(|ticket| ticket.namespace().as_deref() == Some(namespace));
        tickets.flat_map(|ticket| firing_labels(ticket)).filter(|labels| is_meant(labels)).collect()
    }

    /// The ticket on which an alert fires that `is_meant` accepts.
    pub fn ticket_with_alert(&self, namespace: &str, is_meant: impl Fn(&Labels) -> bool) -> Option<Key> {
        let mut tickets = self.tickets.iter().filter(|(key, _)| key.namespace == namespace);
        tickets.find(|(_, ticket)| firing_labels(ticket).iter().any(&is_meant)).map(|(key, _)| key.clone())
    }

    /// The ticket that no policy serves and on which an alert fires that `is_meant` accepts.
    pub fn unserved_ticket_with_alert(&self, is_meant: impl Fn(&Labels) -> bool) -> Option<Key> {
        // All of them are one group's policy, so that this looks at few.
        let keys = self.by_policy.get(&(self.operator_namespace.clone(), NO_POLICY.to_owned())).into_iter().flatten();
        let mut tickets = keys.filter_map(|key| Some((key, self.tickets.get(key)?)));
        tickets.find(|(_, ticket)| firing_labels(ticket).iter().any(&is_meant)).map(|(key, _)| key.clone())
    }

    /// The newest ticket of a group, open or not: by creation, then the one that names the other as previous.
    pub fn newest_of_group(&self, group: &GroupKey) -> Option<&Arc<Ticket>> {
        let tickets: Vec<&Arc<Ticket>> =
            self.by_group.get(group)?.iter().filter_map(|key| self.tickets.get(key)).collect();
        let is_previous = |ticket: &Ticket| {
            let name = ticket.name_any();
            tickets.iter().any(|other| other.spec.origin.as_ref().is_some_and(|origin| origin.previous == name))
        };
        tickets.iter().copied().filter(|ticket| !is_previous(ticket)).max_by_key(|ticket| meta::opened(ticket.as_ref()))
    }

    /// An event is there. Returns the ticket it belongs to.
    pub fn apply_event(&mut self, event: TicketEvent) -> Key {
        let ticket = Key::new(event.namespace().unwrap_or_default(), event.spec.ticket.clone());
        let events = self.events.entry(ticket.clone()).or_default();
        let name = event.name_any();
        let newer = events.get(&name).is_none_or(|known| meta::version(known.as_ref()) < meta::version(&event));
        if newer {
            events.insert(name, Arc::new(event));
        }
        ticket
    }

    /// An event is gone. Returns the ticket it belonged to.
    pub fn delete_event(&mut self, key: &Key) -> Option<Key> {
        let (ticket, events) = self
            .events
            .iter_mut()
            .find(|(ticket, events)| ticket.namespace == key.namespace && events.contains_key(&key.name))?;
        events.remove(&key.name);
        let ticket = ticket.clone();
        if self.events.get(&ticket).is_some_and(std::collections::BTreeMap::is_empty) {
            self.events.remove(&ticket);
        }
        Some(ticket)
    }

    /// The events of a ticket.
    pub fn events_of(&self, ticket: &Key) -> Vec<Arc<TicketEvent>> {
        self.events.get(ticket).map(|events| events.values().cloned().collect()).unwrap_or_default()
    }

    /// Open tickets born from alerts that nobody has acknowledged, by severity.
    pub fn unacknowledged(&self) -> impl Iterator<Item = api::ticket::Severity> {
        self.tickets.values().filter(|ticket| !is_over(ticket)).filter_map(|ticket| {
            let status = ticket.status.as_ref()?;
            let waits = status.escalation.as_ref().is_some_and(EscalationStatus::waits_for_a_person);
            if waits { status.severity } else { None }
        })
    }
}

/// Whether work on it has ended.
pub fn is_over(ticket: &Ticket) -> bool {
    let state = ticket.status.as_ref().and_then(|status| status.state);
    matches!(state, Some(TicketState::Resolved | TicketState::Closed))
}

fn is_watched(ticket: &Ticket) -> bool {
    let messages = ticket.status.iter().flat_map(|status| &status.notifications);
    !is_over(ticket) || messages.into_iter().any(|n| !n.state.is_finished())
}

/// Whether alerts opened it that no policy serves.
pub(super) fn has_no_policy(ticket: &Ticket) -> bool {
    ticket.spec.origin.as_ref().is_some_and(|origin| origin.policy.is_empty())
}

/// The labels of the alerts that fire on a ticket, as far as it keeps them.
fn firing_labels(ticket: &Ticket) -> Vec<Labels> {
    let status = ticket.status.as_ref().and_then(|status| status.alerts.as_ref());
    match (status, &ticket.spec.origin) {
        (Some(alerts), _) => {
            let firing =
                alerts.list.iter().filter(|line| line.state == AlertLineState::Firing && !line.labels.is_empty());
            firing.map(|line| line.labels.clone()).collect()
        }
        (None, Some(origin)) => origin.alerts.iter().map(|alert| alert.labels.clone()).collect(),
        (None, None) => Vec::new(),
    }
}

/// The fingerprints that fire on a ticket; before its first status those it was created with.
fn firing(ticket: &Ticket) -> Vec<String> {
    let status = ticket.status.as_ref().and_then(|status| status.alerts.as_ref());
    match (status, &ticket.spec.origin) {
        (Some(alerts), _) => {
            let firing = alerts.list.iter().filter(|line| line.state == AlertLineState::Firing);
            firing.map(|line| line.fingerprint.clone()).collect()
        }
        (None, Some(origin)) => origin.alerts.iter().map(|alert| alert.fingerprint.clone()).collect(),
        (None, None) => Vec::new(),
    }
}
