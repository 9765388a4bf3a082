//! A silence: matchers muted until a mandatory end, with an owner and a reason.

use jiff::Timestamp;

use crate::{labels::Labels, matcher::Matcher};

/// A silence that has passed validation.
#[derive(Debug, Clone)]
pub struct Silence {
    /// Where it lives: it mutes this namespace, in the operator's namespace all.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// All must match; never empty.
    pub matchers: Vec<Matcher>,
    /// From here.
    pub starts_at: Timestamp,
    /// Up to but not including here.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
    /// Whose it is.
    pub author: String,
}

impl Silence {
    /// Whether it is in force at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.starts_at <= now && now < self.ends_at
    }

    /// Whether it mutes an alert of this namespace with these labels at `now`.
    pub fn mutes(&self, namespace: &str, operator_namespace: &str, labels: &Labels, now: Timestamp) -> bool {
        self.is_active(now)
            && (self.namespace == namespace || self.namespace == operator_namespace)
            && self.matchers.iter().all(|matcher| matcher.matches(labels))
    }
}
