//! Monitors, by name and by what they depend on; who is told that one of them is down.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use api::{ServiceMonitor, Ticket, ticket::TicketStatus};
use domain::{
    alert::Severity,
    labels::Fingerprint,
    probe::{self, Monitor},
    problem::Problem,
    suppression::dependency::{self, Standing, Standings},
};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    Affected, World, is_older,
    tickets::{NOT_PAGED, firing_labels, is_over},
};
use crate::kube::meta::Key;

/// A monitor as it was seen, and what it means.
#[derive(Debug, Clone)]
pub struct MonitorEntry {
    /// The object.
    pub object: Arc<ServiceMonitor>,
    /// What is probed: this version, or the last one that was valid.
    pub compiled: Option<Arc<Monitor>>,
    /// What is wrong with the spec; warnings too.
    pub problems: Vec<Problem>,
}

impl World {
    /// A monitor is there, in this version. Returns whether its spec changed. An invalid version leaves the last valid
    /// one in force: a typo must neither silence a target nor leave its alert firing for ever.
    pub fn apply_monitor(&mut self, object: ServiceMonitor) -> bool {
        let key = Key::of(&object);
        if self.monitors.get(&key).is_some_and(|known| is_older(&object, known.object.as_ref())) {
            return false;
        }
        let object = Arc::new(object);
        self.unlink(&key);
        let changed = self.monitors.get(&key).is_none_or(|before| {
            before.object.metadata.generation != object.metadata.generation
                || before.object.metadata.uid != object.metadata.uid
        });
        let entry = if changed {
            match api::service_monitor::validate(&object) {
                Ok(valid) => MonitorEntry { object, compiled: Some(Arc::new(valid.value)), problems: valid.warnings },
                Err(problems) => {
                    let before =
                        self.monitors.remove(&key).filter(|before| before.object.metadata.uid == object.metadata.uid);
                    MonitorEntry { object, compiled: before.and_then(|before| before.compiled), problems }
                }
            }
        } else {
            let before = self.monitors.remove(&key);
            let (compiled, problems) = before.map_or((None, Vec::new()), |before| (before.compiled, before.problems));
            MonitorEntry { object, compiled, problems }
        };
        self.link(&key, &entry);
        self.monitors.insert(key, entry);
        changed
    }

    /// A monitor is gone. Returns what it was.
    pub fn delete_monitor(&mut self, key: &Key) -> Option<MonitorEntry> {
        self.unlink(key);
        self.monitors.remove(key)
    }

    /// One monitor.
    pub fn monitor(&self, key: &Key) -> Option<&MonitorEntry> {
        self.monitors.get(key)
    }

    /// Every monitor.
    pub fn monitors(&self) -> impl Iterator<Item = (&Key, &MonitorEntry)> {
        self.monitors.iter()
    }

    fn link(&mut self, key: &Key, entry: &MonitorEntry) {
        for parent in entry.compiled.iter().flat_map(|monitor| &monitor.depends_on) {
            self.children.insert(Key::new(&*key.namespace, &**parent), key);
        }
    }

    fn unlink(&mut self, key: &Key) {
        let compiled = self.monitors.get(key).and_then(|entry| entry.compiled.clone());
        for parent in compiled.iter().flat_map(|monitor| &monitor.depends_on) {
            self.children.remove(&Key::new(&*key.namespace, &**parent), key);
        }
    }

    fn written_above(&self, namespace: &str, monitor: &str) -> &[String] {
        let entry = self.monitors.get(&Key::new(namespace, monitor));
        entry.and_then(|entry| entry.compiled.as_ref()).map_or(&[], |monitor| monitor.depends_on.as_slice())
    }

    /// The circle of dependencies that a monitor is part of: "a → b → a".
    fn circle(&self, key: &Key) -> Option<String> {
        dependency::circle(&key.name, |monitor| self.written_above(&key.namespace, monitor))
    }

    /// What a monitor depends on, as far as that counts: for one in a circle nothing does, else two that are down for the
    /// same reason would each wait for the other's page.
    fn above(&self, key: &Key) -> &[String] {
        let written = self.written_above(&key.namespace, &key.name);
        if written.is_empty() || self.circle(key).is_some() { &[] } else { written }
    }

    /// What is wrong with a monitor's dependencies, as far as only all monitors together show it: a circle is an error,
    /// one that is not there is named.
    pub fn wrong_dependencies(&self, key: &Key) -> (Option<Problem>, Vec<Problem>) {
        let circle = self.circle(key).map(|circle| {
            let message =
                format!("expected no circle, found {circle}; until it is mended none of these dependencies counts");
            Problem::error("spec.dependsOn", message)
        });
        let mut missing = Vec::new();
        for (i, parent) in self.written_above(&key.namespace, &key.name).iter().enumerate() {
            if self.monitors.contains_key(&Key::new(&*key.namespace, &**parent)) {
                continue;
            }
            let message = format!("no ServiceMonitor of namespace {} is called `{parent}`", key.namespace);
            let known = self.monitors.keys().filter(|known| known.namespace == key.namespace && *known != key);
            let problem = Problem::error(format!("spec.dependsOn[{i}].monitor"), message);
            missing.push(problem.suggest_from(parent, known.map(|known| known.name.as_str())));
        }
        (circle, missing)
    }

    /// What a monitor depends on itself, as far as it is there.
    pub fn parents(&self, key: &Key) -> Vec<Key> {
        let parents = self.above(key).iter().map(|parent| Key::new(&*key.namespace, &**parent));
        parents.filter(|parent| self.monitors.contains_key(parent)).collect()
    }

    /// Everything that a monitor depends on, near things first.
    pub fn ancestors(&self, key: &Key) -> Vec<Key> {
        let mut found: Vec<Key> = Vec::new();
        let mut ahead: VecDeque<Key> = VecDeque::from([key.clone()]);
        while let Some(next) = ahead.pop_front() {
            for parent in self.above(&next) {
                let parent = Key::new(&*key.namespace, &**parent);
                if parent != *key && !found.contains(&parent) && self.monitors.contains_key(&parent) {
                    found.push(parent.clone());
                    ahead.push_back(parent);
                }
            }
        }
        found
    }

    /// The monitors that matter to these: themselves, what they depend on, and what that depends on as long as it is down.
    /// `down_since` is what the prober says.
    pub fn standings<'a>(
        &self,
        namespace: &str,
        monitors: impl IntoIterator<Item = &'a str>,
        down_since: impl Fn(&Key) -> Option<Timestamp>,
    ) -> Standings {
        let mut standings = Standings::new();
        let mut ahead: VecDeque<(Key, bool)> =
            monitors.into_iter().map(|monitor| (Key::new(namespace, monitor), true)).collect();
        while let Some((key, asked)) = ahead.pop_front() {
            if standings.contains_key(&key.name) || !self.monitors.contains_key(&key) {
                continue;
            }
            let above = self.above(&key);
            if asked && above.is_empty() {
                continue;
            }
            let down_since = down_since(&key);
            if asked || down_since.is_some() {
                ahead.extend(above.iter().map(|parent| (Key::new(namespace, &**parent), false)));
            }
            let told = down_since.and_then(|_| self.told(&key));
            standings.insert(key.name, Standing { depends_on: above.to_vec(), down_since, told });
        }
        standings
    }

    /// The open ticket by which somebody is told that a monitor is down, and as how urgent.
    fn told(&self, monitor: &Key) -> Option<(String, Severity)> {
        let monitor = self.monitors.get(monitor)?.compiled.as_ref()?;
        let fingerprint = Fingerprint::of(&probe::alerts::down_labels(monitor)).to_string();
        let ticket = self.ticket_of_alert(&monitor.namespace, &fingerprint)?;
        Some((ticket.name_any(), tells(ticket)?))
    }

    /// Whose decisions change when it changes whether, or since when, one of these monitors is down, or whether somebody is
    /// told of that: the monitors that depend on them, and the open tickets on which alerts of those fire.
    pub fn below<'a>(&self, namespace: &str, monitors: impl IntoIterator<Item = &'a str>) -> Affected {
        let mut found: BTreeSet<Key> = BTreeSet::new();
        let mut ahead: Vec<Key> = monitors.into_iter().map(|monitor| Key::new(namespace, monitor)).collect();
        while let Some(next) = ahead.pop() {
            let children = self.children.of(&next);
            ahead.extend(children.filter(|child| found.insert((*child).clone())).cloned());
        }
        let tickets: BTreeSet<&Key> = found.iter().flat_map(|monitor| self.by_monitor.of(monitor)).collect();
        let is_open = |key: &&Key| self.ticket(key).is_some_and(|ticket| !is_over(ticket));
        Affected {
            tickets: tickets.into_iter().filter(is_open).cloned().collect(),
            monitors: found.into_iter().collect(),
            ..Affected::default()
        }
    }
}

/// The monitors whose alerts fire on a ticket, one for each alert.
pub fn monitors_of(ticket: &Ticket) -> impl Iterator<Item = &str> {
    firing_labels(ticket).filter_map(|labels| labels.get("monitor")).map(String::as_str).filter(|name| !name.is_empty())
}

/// As how urgent somebody is told of an open ticket: `None` when nobody was, or will be without something ending first.
pub fn tells(ticket: &Ticket) -> Option<Severity> {
    let status = ticket.status.as_ref().filter(|_| !is_over(ticket))?;
    let odd = |condition: &str| api::conditions::is_true(&status.conditions, condition);
    if odd("NobodyFound") || odd(NOT_PAGED) || odd("NoPolicy") {
        return None;
    }
    let told = match &status.escalation {
        Some(escalation) => {
            let reached = escalation.found || escalation.cycle > 1 || escalation.acknowledged_by.is_some();
            reached && escalation.stopped_at.is_none()
        }
        None => told_by_notices(status),
    };
    status.severity.map(Into::into).filter(|_| told)
}

/// Somebody has heard of it, or will when its group is complete.
fn told_by_notices(status: &TicketStatus) -> bool {
    status.notices.iter().any(|notices| {
        let comes = notices.due_at.is_some() && notices.held_by.is_none();
        !notices.over && (notices.count > 0 || comes)
    })
}

#[cfg(test)]
mod tests;
