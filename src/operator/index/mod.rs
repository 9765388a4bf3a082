//! What the watches have seen, indexed for decisions: a plain struct driven by apply and delete calls.
//!
//! Each call says whose decisions it may change. Nothing here talks to the API; tests need no server.

mod monitors;
mod overrides;
mod shared;
mod sources;
mod tickets;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use api::{
    OnCallOverride, Silence, SupportPolicy, Ticket, TicketEvent,
    ticket::{EscalationStatus, Notification, NotificationKind, NotificationState, TicketStatus},
};
use domain::{
    policy::{LastResort, Policy},
    problem::Problem,
};
use jiff::Timestamp;
use kube::ResourceExt;
use sha2::{Digest, Sha256};

use self::shared::Shared;
use crate::{
    config::ChannelName,
    kube::meta::{self, Key},
};

/// Whose decisions a change may touch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// Tickets to look at again.
    pub tickets: Vec<Key>,
    /// Monitors to look at again.
    pub monitors: Vec<Key>,
    /// Policies whose status may be another one.
    pub policies: Vec<Key>,
    /// Overrides that may count now, or no longer.
    pub overrides: Vec<Key>,
}

/// A policy as it was seen, and what it means.
#[derive(Debug, Clone)]
pub struct PolicyEntry {
    /// The object.
    pub object: Arc<SupportPolicy>,
    /// What engines use: this version, or the last one that was valid.
    pub compiled: Option<Arc<Policy>>,
    /// The object that `compiled` was made from.
    pub compiled_from: Option<Arc<SupportPolicy>>,
    /// What is wrong with this version; warnings too.
    pub problems: Vec<Problem>,
}

impl PolicyEntry {
    /// The name of the ControllerRevision that keeps the compiled version: the policy's name and a hash of its spec.
    pub fn revision(&self) -> Option<String> {
        let object = self.compiled_from.as_ref()?;
        let bytes = serde_json::to_vec(&object.spec).ok()?;
        let digest: [u8; 32] = Sha256::digest([meta::uid(object.as_ref()).as_bytes(), &bytes].concat()).into();
        let hex: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        let name: String = object.name_any().chars().take(200).collect();
        Some(format!("{name}-{hex}"))
    }
}

/// A silence as it was seen, and what it means.
#[derive(Debug, Clone)]
pub struct SilenceEntry {
    /// The object.
    pub object: Arc<Silence>,
    /// What is muted; `None` when the spec is invalid.
    pub compiled: Option<domain::suppression::Silence>,
    /// What is wrong with the spec.
    pub problems: Vec<Problem>,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub struct World {
    /// The operator's namespace: its silences act everywhere.
    pub operator_namespace: String,
    policies: BTreeMap<Key, PolicyEntry>,
    monitors: HashMap<Key, MonitorEntry>,
    /// Monitors by what they depend on, whether that is there or not.
    children: Shared<Key>,
    silences: BTreeMap<Key, SilenceEntry>,
    overrides: BTreeMap<Key, OverrideEntry>,
    sources: BTreeMap<Key, SourceEntry>,
    tickets: HashMap<Key, Arc<Ticket>>,
    /// What any ticket that was ever seen has had in the place of its uid. Only grows, since that of a deleted one must not be
    /// given again: receivers drop what comes under an id that they know. Only tickets that were opened on an island, or by
    /// the successor of what may be one, have such a thing: 36 characters each, for the life of the process.
    identities: std::collections::HashSet<String>,
    /// When the last of them was opened that the API has shown.
    last_twin: Option<Timestamp>,
    /// By ticket, then by the event's name.
    events: HashMap<Key, BTreeMap<String, Arc<TicketEvent>>>,
    /// Tickets by namespace, policy and group key.
    by_group: Shared<tickets::GroupKey>,
    /// Tickets on which something fires, by namespace and policy (as namespace/name).
    by_policy: Shared<(String, String)>,
    /// Tickets by namespace and fingerprint of an alert that fires on them.
    by_fingerprint: Shared<(String, String)>,
    /// Tickets on which an alert with this label `monitor` fires, by their namespace and its value.
    by_monitor: Shared<Key>,
    /// Tickets by the one that they name as their cause.
    by_cause: Shared<Key>,
    /// Tickets on which somebody may wait, or of which something is to be sent.
    watched: std::collections::HashSet<Key>,
}

pub use monitors::{MonitorEntry, monitors_of, tells};
pub use overrides::{OverrideEntry, of_policy as overrides_of_policy};
pub use sources::SourceEntry;
pub use tickets::{GroupKey, NO_POLICY, NOT_PAGED, is_over, was_not_paged};

impl World {
    /// An empty world.
    pub fn new(operator_namespace: &str) -> Self {
        Self { operator_namespace: operator_namespace.to_owned(), ..Self::default() }
    }

    /// A policy is there, in this version. An invalid version leaves the last valid one in force.
    pub fn apply_policy(&mut self, object: SupportPolicy) -> Affected {
        let key = Key::of(&object);
        if self.policies.get(&key).is_some_and(|known| is_older(&object, known.object.as_ref())) {
            return Affected::default();
        }
        let object = Arc::new(object);
        let before = self.policies.remove(&key);
        let entry = match api::support_policy::validate(&object) {
            Ok(valid) => PolicyEntry {
                compiled: Some(Arc::new(valid.value)),
                compiled_from: Some(object.clone()),
                object,
                problems: valid.warnings,
            },
            Err(problems) => PolicyEntry {
                object,
                compiled: before.as_ref().and_then(|entry| entry.compiled.clone()),
                compiled_from: before.and_then(|entry| entry.compiled_from),
                problems,
            },
        };
        self.policies.insert(key.clone(), entry);
        self.affected_by_policy(&key)
    }

    /// Puts the last valid version in force of a policy whose present version is invalid and whose history this process
    /// has not seen.
    pub fn restore_policy(&mut self, key: &Key, kept: SupportPolicy) -> Affected {
        let Ok(valid) = api::support_policy::validate(&kept) else { return Affected::default() };
        if let Some(entry) = self.policies.get_mut(key).filter(|entry| entry.compiled.is_none()) {
            entry.compiled = Some(Arc::new(valid.value));
            entry.compiled_from = Some(Arc::new(kept));
        }
        self.affected_by_policy(key)
    }

    /// A policy is gone.
    pub fn delete_policy(&mut self, key: &Key) -> Affected {
        self.policies.remove(key);
        self.affected_by_policy(key)
    }

    fn affected_by_policy(&self, key: &Key) -> Affected {
        let tickets = self.tickets_told_by(key);
        let serves = |namespace: &str| {
            self.policy(key).and_then(|entry| entry.compiled.as_ref()).is_some_and(|policy| policy.serves(namespace))
        };
        // A monitor that is down without a policy gets its ticket by this one.
        let monitors = self.monitors.keys().filter(|monitor| serves(&monitor.namespace)).cloned().collect();
        let of_policy = |object: &OnCallOverride| object.spec.policy == key.name;
        let overrides = self.overrides.iter().filter(|(other, _)| other.namespace == key.namespace);
        let overrides = overrides.filter(|(_, entry)| of_policy(&entry.object)).map(|(key, _)| key.clone()).collect();
        Affected { tickets, monitors, overrides, policies: Vec::new() }
    }

    /// Tickets whose messages go through channels of a policy.
    pub fn tickets_told_by(&self, policy: &Key) -> Vec<Key> {
        self.told_by(policy).map(|(key, _)| key.clone()).collect()
    }

    /// Whether some open ticket has an alarm that was tried through a channel of a policy and has not arrived.
    pub fn waits_for_a_channel_of(&self, policy: &Key) -> bool {
        self.told_by(policy).any(|(_, ticket)| !is_over(ticket) && ticket.status.as_ref().is_some_and(has_untold_alarm))
    }

    fn told_by<'a>(&'a self, policy: &'a Key) -> impl Iterator<Item = (&'a Key, &'a Arc<Ticket>)> {
        let lives_by = move |ticket: &Ticket| {
            let known = ticket.status.as_ref().and_then(|status| status.policy.as_ref());
            known.is_some_and(|known| known.namespace == policy.namespace && known.name == policy.name)
        };
        // Those whose messages may go to the operator's last resort, which is a channel of such a policy.
        let last = move |ticket: &Ticket| policy.namespace == self.operator_namespace && needs_last_resort(ticket);
        self.tickets.iter().filter(move |(_, ticket)| lives_by(ticket) || last(ticket))
    }

    /// One policy.
    pub fn policy(&self, key: &Key) -> Option<&PolicyEntry> {
        self.policies.get(key)
    }

    /// Every policy.
    pub fn policies(&self) -> impl Iterator<Item = (&Key, &PolicyEntry)> {
        self.policies.iter()
    }

    /// Every policy that engines may use.
    pub fn usable_policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.values().filter_map(|entry| entry.compiled.as_ref())
    }

    /// The channel that the operator falls back to.
    ///
    /// # Errors
    /// A sentence on why it cannot be told.
    pub fn last_resort(&self, name: &ChannelName) -> Result<LastResort, String> {
        let key = Key::new(&*self.operator_namespace, &*name.policy);
        let policy = self.policy(&key).and_then(|entry| entry.compiled.as_ref());
        LastResort::of(policy.ok_or_else(|| format!("there is no valid SupportPolicy {key}"))?, &name.channel)
    }

    /// A silence is there, in this version.
    pub fn apply_silence(&mut self, object: Silence) -> Affected {
        let key = Key::of(&object);
        if self.silences.get(&key).is_some_and(|known| is_older(&object, known.object.as_ref())) {
            return Affected::default();
        }
        let object = Arc::new(object);
        let entry = match api::silence::validate(&object) {
            Ok(valid) => SilenceEntry { object, compiled: Some(valid.value), problems: valid.warnings },
            Err(problems) => SilenceEntry { object, compiled: None, problems },
        };
        self.silences.insert(key.clone(), entry);
        self.affected_by_silence(&key)
    }

    /// A silence is gone.
    pub fn delete_silence(&mut self, key: &Key) -> Affected {
        self.silences.remove(key);
        self.affected_by_silence(key)
    }

    /// One silence.
    pub fn silence(&self, key: &Key) -> Option<&SilenceEntry> {
        self.silences.get(key)
    }

    /// Every silence.
    pub fn silences(&self) -> impl Iterator<Item = (&Key, &SilenceEntry)> {
        self.silences.iter()
    }

    /// Silences that act in this namespace, whenever.
    pub fn silences_for(&self, namespace: &str) -> Vec<domain::suppression::Silence> {
        let acts = |key: &Key| key.namespace == namespace || key.namespace == self.operator_namespace;
        self.silences.iter().filter(|(key, _)| acts(key)).filter_map(|(_, entry)| entry.compiled.clone()).collect()
    }

    /// Open tickets and monitors that a silence of this key may hold.
    pub fn affected_by_silence(&self, key: &Key) -> Affected {
        let everywhere = key.namespace == self.operator_namespace;
        let reaches = |other: &Key| everywhere || other.namespace == key.namespace;
        Affected {
            tickets: self.open_tickets().filter(|other| reaches(other)).cloned().collect(),
            monitors: self.monitors.keys().filter(|other| reaches(other)).cloned().collect(),
            ..Affected::default()
        }
    }
}

/// Whether nobody else can be told, or the operator's last resort is being told, or could not be.
fn needs_last_resort(ticket: &Ticket) -> bool {
    let told = |status: &TicketStatus| {
        let open = |n: &Notification| !n.state.is_finished() || n.state == NotificationState::Failed;
        status.notifications.iter().any(|n| open(n) && n.channel == LastResort::NAME)
    };
    !is_over(ticket) && (tickets::has_no_policy(ticket) || ticket.status.as_ref().is_some_and(told))
}

/// Whether an alarm of it was tried, has reached nobody, and somebody still waits for it.
fn has_untold_alarm(status: &TicketStatus) -> bool {
    let waits = status.escalation.as_ref().is_some_and(EscalationStatus::waits_for_a_person);
    let fires = status.alerts.as_ref().is_some_and(|alerts| alerts.firing > 0);
    let is_wanted = |n: &&Notification| match n.kind {
        NotificationKind::Page => waits,
        NotificationKind::Notice => fires,
        _ => false,
    };
    let unheard = |n: &Notification| {
        n.attempts > 0 && !matches!(n.state, NotificationState::Accepted | NotificationState::Superseded)
    };
    status.notifications.iter().filter(is_wanted).any(unheard)
}

/// Whether `seen` is an earlier version of the same object: a watch may lag behind a list.
fn is_older<K: ::kube::Resource>(seen: &K, known: &K) -> bool {
    seen.meta().uid == known.meta().uid && meta::version(seen) < meta::version(known)
}

#[cfg(test)]
mod tests;
