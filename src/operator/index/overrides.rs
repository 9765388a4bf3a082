//! OnCallOverrides, by name and by the policy whose shifts they are.

use std::sync::Arc;

use api::OnCallOverride;
use domain::{oncall::Override, policy::Policy, problem::Problem};

use super::{Affected, World, is_older};
use crate::kube::meta::Key;

/// An override as it was seen, and what it means.
#[derive(Debug, Clone)]
pub struct OverrideEntry {
    /// The object.
    pub object: Arc<OnCallOverride>,
    /// Who takes over what; `None` when the spec is invalid.
    pub compiled: Option<Override>,
    /// What is wrong with the spec.
    pub problems: Vec<Problem>,
}

impl OverrideEntry {
    /// The policy that it names.
    pub fn policy(&self) -> Key {
        Key::new(self.object.metadata.namespace.as_deref().unwrap_or_default(), &*self.object.spec.policy)
    }
}

/// Of these overrides those of a policy's schedules, whenever they are in force. One that is invalid, or whose names the
/// policy does not know, is not among them.
pub fn of_policy<'a>(policy: &Policy, all: impl IntoIterator<Item = &'a OnCallOverride>) -> Vec<Override> {
    let is_meant = |object: &&OnCallOverride| {
        object.metadata.namespace.as_deref().unwrap_or_default() == policy.namespace
            && object.spec.policy == policy.name
    };
    let valid = all.into_iter().filter(is_meant).filter_map(|object| api::oncall_override::validate(object).ok());
    valid.map(|valid| valid.value).filter(|one| one.unknown_names(policy).is_empty()).collect()
}

impl World {
    /// An override is there, in this version.
    pub fn apply_override(&mut self, object: OnCallOverride) -> Affected {
        let key = Key::of(&object);
        if self.overrides.get(&key).is_some_and(|known| is_older(&object, known.object.as_ref())) {
            return Affected::default();
        }
        let object = Arc::new(object);
        let entry = match api::oncall_override::validate(&object) {
            Ok(valid) => OverrideEntry { object, compiled: Some(valid.value), problems: valid.warnings },
            Err(problems) => OverrideEntry { object, compiled: None, problems },
        };
        let policy = entry.policy();
        // One that was deleted and made anew may be for another policy.
        let before = self.overrides.insert(key, entry).map(|before| before.policy()).filter(|before| *before != policy);
        let mut affected = self.affected_by_override(&policy);
        if let Some(before) = before {
            let more = self.affected_by_override(&before);
            affected.tickets.extend(more.tickets);
            affected.policies.extend(more.policies);
        }
        affected
    }

    /// An override is gone.
    pub fn delete_override(&mut self, key: &Key) -> Affected {
        match self.overrides.remove(key) {
            Some(entry) => self.affected_by_override(&entry.policy()),
            None => Affected::default(),
        }
    }

    /// One override.
    pub fn on_call_override(&self, key: &Key) -> Option<&OverrideEntry> {
        self.overrides.get(key)
    }

    /// Every override.
    pub fn on_call_overrides(&self) -> impl Iterator<Item = (&Key, &OverrideEntry)> {
        self.overrides.iter()
    }

    /// The overrides of a policy's schedules, whenever they are in force. Those with names that the policy does not know
    /// are not among them.
    pub fn overrides_of(&self, policy: &Policy) -> Vec<Override> {
        of_policy(policy, self.overrides.values().map(|entry| entry.object.as_ref()))
    }

    /// Who may be told somebody else, and where somebody else may be shown as on call.
    pub fn affected_by_override(&self, policy: &Key) -> Affected {
        Affected { tickets: self.tickets_told_by(policy), policies: vec![policy.clone()], ..Affected::default() }
    }
}
