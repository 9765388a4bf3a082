//! Tickets and their events, by name, by what their alerts have in common, by each alert.

use std::{collections::BTreeSet, sync::Arc};

use api::{
    Ticket, TicketEvent,
    ticket::{AlertLineState, EscalationStatus, TicketState},
};
use domain::{labels::Labels, policy::Policy, probe};
use jiff::Timestamp;
use kube::ResourceExt;

use super::World;
use crate::kube::meta::{self, Key};

/// The condition of a ticket of which nobody was told, because it was taken for a restored backup.
pub const NOT_PAGED: &str = "NotPaged";

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
            let shown = ticket.metadata.resource_version.as_ref().map(|_| island.opened_at);
            self.last_twin = self.last_twin.max(shown);
        }
        for mark in marks(&ticket) {
            self.index(mark, &key);
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

    fn index(&mut self, mark: Mark, key: &Key) {
        match mark {
            Mark::Group(group) => self.by_group.insert(group, key),
            Mark::Policy(scope) => self.by_policy.insert(scope, key),
            Mark::Fingerprint(alert) => self.by_fingerprint.insert(alert, key),
            Mark::Monitor(monitor) => self.by_monitor.insert(monitor, key),
            Mark::Cause(cause) => self.by_cause.insert(cause, key),
        }
    }

    fn unindex(&mut self, key: &Key) {
        let Some(old) = self.tickets.get(key).cloned() else { return };
        for mark in marks(&old) {
            match mark {
                Mark::Group(group) => self.by_group.remove(&group, key),
                Mark::Policy(scope) => self.by_policy.remove(&scope, key),
                Mark::Fingerprint(alert) => self.by_fingerprint.remove(&alert, key),
                Mark::Monitor(monitor) => self.by_monitor.remove(&monitor, key),
                Mark::Cause(cause) => self.by_cause.remove(&cause, key),
            }
        }
        self.watched.remove(key);
    }

    /// Whether a ticket with this in the place of its uid is there, or was while this process runs.
    pub fn has_seen(&self, identity: &str) -> bool {
        self.identities.contains(identity)
    }

    /// When the last ticket was opened that the API has, or had while this process runs, and that has something in the place of its
    /// uid.
    pub fn last_twin(&self) -> Option<Timestamp> {
        self.last_twin
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

    /// How many open tickets were taken for restored backups, so that nobody was told, and are nobody's still.
    pub fn not_paged(&self) -> usize {
        self.tickets.values().filter(|ticket| !is_over(ticket) && was_not_paged(ticket)).count()
    }

    /// The ticket on which this alert fires; of several the newest.
    pub fn ticket_of_alert(&self, namespace: &str, fingerprint: &str) -> Option<&Arc<Ticket>> {
        let keys = self.by_fingerprint.of(&(namespace.to_owned(), fingerprint.to_owned()));
        keys.filter_map(|key| self.tickets.get(key)).max_by_key(|ticket| meta::opened(ticket.as_ref()))
    }

    /// The labels of everything that fires in a namespace by this policy and is the source of one of its inhibitions, on
    /// any ticket but the one to spare.
    pub fn inhibiting(&self, policy: &Policy, namespace: &str, spare: Option<&Key>) -> Vec<Labels> {
        if policy.inhibit.is_empty() {
            return Vec::new();
        }
        let scope = (namespace.to_owned(), format!("{}/{}", policy.namespace, policy.name));
        let keys = self.by_policy.of(&scope).filter(|key| Some(*key) != spare);
        let firing = keys.filter_map(|key| self.tickets.get(key)).flat_map(|ticket| firing_labels(ticket));
        let is_source = |labels: &&Labels| {
            let (labels, _) = domain::routing::normalise(policy, labels);
            policy.inhibit.iter().any(|rule| rule.is_source(&labels))
        };
        firing.filter(is_source).cloned().collect()
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
        let all = self.by_policy.of(&(group.namespace, group.policy));
        all.filter(|key| **key != own).cloned().collect()
    }

    /// The open tickets of its namespace that are linked to this one as their cause.
    pub fn caused_by(&self, cause: &Key) -> Vec<Key> {
        let is_open = |key: &&Key| self.tickets.get(*key).is_some_and(|ticket| !is_over(ticket));
        self.by_cause.of(cause).filter(is_open).cloned().collect()
    }

    /// The labels of a monitor's own alerts that fire on tickets.
    pub fn firing_of(&self, monitor: &Key) -> Vec<Labels> {
        self.naming(monitor).flat_map(|(_, ticket)| alerts_of(monitor, ticket)).cloned().collect()
    }

    /// Tickets of a monitor's namespace, or of the operator's, on which something with a label of its name fires: there are
    /// those of alerts that no policy serves.
    pub fn naming(&self, monitor: &Key) -> impl Iterator<Item = (&Key, &Arc<Ticket>)> {
        let namespaces: BTreeSet<&str> = [&*monitor.namespace, &*self.operator_namespace].into();
        let places: Vec<Key> = namespaces.into_iter().map(|namespace| Key::new(namespace, &*monitor.name)).collect();
        let keys = places.into_iter().flat_map(|place| self.by_monitor.of(&place));
        keys.filter_map(|key| Some((key, self.tickets.get(key)?)))
    }

    /// The ticket of its namespace on which an alert of this monitor fires.
    pub fn ticket_of(&self, monitor: &Key) -> Option<&Key> {
        self.fires_on(monitor, &monitor.namespace).next()
    }

    /// The ticket that no policy serves and on which an alert of this monitor fires.
    pub fn unserved_ticket_of(&self, monitor: &Key) -> Option<&Key> {
        let unserved = |key: &&Key| self.tickets.get(*key).is_some_and(|ticket| has_no_policy(ticket));
        self.fires_on(monitor, &self.operator_namespace).find(unserved)
    }

    /// The tickets of a namespace on which alerts of a monitor fire.
    fn fires_on<'a>(&'a self, monitor: &Key, namespace: &str) -> impl Iterator<Item = &'a Key> {
        let fires = move |ticket: &Arc<Ticket>| alerts_of(monitor, ticket).next().is_some();
        self.by_monitor
            .of(&Key::new(namespace, &*monitor.name))
            .filter(move |key| self.tickets.get(key).is_some_and(fires))
    }

    /// The newest ticket of a group, open or not: by creation, then the one that names the other as previous.
    pub fn newest_of_group(&self, group: &GroupKey) -> Option<&Arc<Ticket>> {
        let tickets: Vec<&Arc<Ticket>> = self.by_group.of(group).filter_map(|key| self.tickets.get(key)).collect();
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

/// Whether nobody was told of a ticket, because it was taken for a restored backup.
pub fn was_not_paged(ticket: &Ticket) -> bool {
    ticket.status.as_ref().is_some_and(|status| api::conditions::is_true(&status.conditions, NOT_PAGED))
}

/// Whether alerts opened it that no policy serves.
pub(super) fn has_no_policy(ticket: &Ticket) -> bool {
    ticket.spec.origin.as_ref().is_some_and(|origin| origin.policy.is_empty())
}

/// What a ticket is found by.
enum Mark {
    Group(GroupKey),
    Policy((String, String)),
    Fingerprint((String, String)),
    Monitor(Key),
    Cause(Key),
}

/// By what a ticket is found, some of it more than once.
fn marks(ticket: &Ticket) -> impl Iterator<Item = Mark> {
    let namespace = ticket.metadata.namespace.as_deref().unwrap_or_default();
    let group = GroupKey::of(ticket);
    let fires = firing(ticket).next().is_some();
    let scope = group.as_ref().filter(|_| fires).map(|group| (group.namespace.clone(), group.policy.clone()));
    let alerts = firing(ticket).flat_map(move |(fingerprint, labels)| {
        let monitor = labels.get("monitor").filter(|name| !name.is_empty());
        let alert = Mark::Fingerprint((namespace.to_owned(), fingerprint.to_owned()));
        [Some(alert), monitor.map(|name| Mark::Monitor(Key::new(namespace, &**name)))].into_iter().flatten()
    });
    let links = ticket.spec.links.iter().chain(ticket.status.iter().flat_map(|status| &status.links));
    let causes = api::ticket::causes(links).map(move |name| Mark::Cause(Key::new(namespace, &**name)));
    [group.map(Mark::Group), scope.map(Mark::Policy)].into_iter().flatten().chain(alerts).chain(causes)
}

/// The alerts of a monitor that fire on a ticket.
fn alerts_of<'a>(monitor: &'a Key, ticket: &'a Ticket) -> impl Iterator<Item = &'a Labels> {
    firing_labels(ticket).filter(|labels| probe::alerts::is_alert_of(&monitor.namespace, &monitor.name, labels))
}

/// The labels of the alerts that fire on a ticket, as far as it keeps them.
pub(super) fn firing_labels(ticket: &Ticket) -> impl Iterator<Item = &Labels> {
    firing(ticket).map(|(_, labels)| labels).filter(|labels| !labels.is_empty())
}

/// The fingerprints and labels of what fires on a ticket; before its first status that with which it was created.
fn firing(ticket: &Ticket) -> impl Iterator<Item = (&str, &Labels)> {
    let alerts = ticket.status.as_ref().and_then(|status| status.alerts.as_ref());
    let lines = alerts.into_iter().flat_map(|alerts| &alerts.list);
    let lines = lines.filter(|line| line.state == AlertLineState::Firing);
    let first = ticket.spec.origin.iter().filter(move |_| alerts.is_none()).flat_map(|origin| &origin.alerts);
    let lines = lines.map(|line| (line.fingerprint.as_str(), &line.labels));
    lines.chain(first.map(|alert| (alert.fingerprint.as_str(), &alert.labels)))
}

#[cfg(test)]
mod tests;
