//! Keys and small reads of object metadata.

use std::fmt;

use api::{Ticket, ticket::Island};
use domain::ticket::timeline::What;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

/// Namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// A key of these two.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of<K: Resource>(object: &K) -> Self {
        Self::new(object.namespace().unwrap_or_default(), object.name_any())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The object's resourceVersion as a number, for "is this newer"; 0 when it is not one.
pub fn version<K: Resource>(object: &K) -> u64 {
    object.meta().resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// When the object was created; the epoch of 1970 for one that the server has not seen.
pub fn created<K: Resource>(object: &K) -> Timestamp {
    object.meta().creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

/// The object's uid; empty for one that the server has not seen.
pub fn uid<K: Resource>(object: &K) -> String {
    object.meta().uid.clone().unwrap_or_default()
}

/// What the ids of a ticket's messages are made from: its uid, or what stands for it since it was opened. A backup that was
/// restored is another ticket: what its receivers have seen of the old one must not hide what is sent for it.
pub fn identity(ticket: &Ticket) -> String {
    let lines = ticket.status.iter().flat_map(|status| &status.timeline);
    let is_restored = lines.map(|line| &*line.what).any(|what| what == What::NotPaged.as_str());
    island(ticket).filter(|_| !is_restored).map_or_else(|| uid(ticket), |island| island.id.clone())
}

/// When a ticket was opened, which may be before the API server could be told.
pub fn opened(ticket: &Ticket) -> Timestamp {
    island(ticket).map_or_else(|| created(ticket), |island| island.opened_at)
}

fn island(ticket: &Ticket) -> Option<&Island> {
    ticket.spec.origin.as_ref()?.island.as_ref()
}

/// An owner reference to the object that does not block its deletion.
pub fn owner<K: Resource<DynamicType = ()>>(object: &K) -> OwnerReference {
    OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name: object.name_any(),
        uid: uid(object),
        controller: None,
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn identity_with(island: &Value, lines: &[&str]) -> String {
        let lines: Vec<_> =
            lines.iter().map(|what| json!({"at": "2026-11-23T03:00:00Z", "what": what, "detail": ""})).collect();
        let object = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
            "metadata": {"name": "inc-a", "namespace": "payments", "uid": "the uid"},
            "spec": {"title": "Checkout is down", "origin": {
                "policy": "payments", "policyNamespace": "payments", "policyRevision": "r", "route": "pages",
                "groupKey": "", "firstStart": "2026-11-23T03:00:00Z", "severity": "page", "island": island,
            }},
            "status": {"observedGeneration": 1, "timeline": lines},
        });
        identity(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_ticket_goes_by_its_uid_or_by_what_was_put_in_its_place_unless_it_is_a_restored_backup() {
        let island = json!({"id": "the island's", "openedAt": "2026-11-23T03:00:00Z"});
        assert_eq!(identity_with(&Value::Null, &["Fired"]), "the uid");
        assert_eq!(identity_with(&island, &["Fired", "Islanded"]), "the island's");
        assert_eq!(identity_with(&island, &["Fired", "NotPaged"]), "the uid");
    }
}
