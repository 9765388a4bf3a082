//! The custom resources of `firstline.dev/v1alpha1`, and everything that can be said of one object
//! without a cluster.
//!
//! | module | holds |
//! |---|---|
//! | one per kind | the types, their schema, and the way from a spec to a validated domain type |
//! | [`schema`] | shared field schemas, and the pass that makes a CRD fit our rules |
//! | [`manifests()`] | the files of `crds/`: CRDs and admission policies |
//! | [`check()`] | what the server would say of an object, and what only we can say |
//! | [`with_defaults`] | an object with everything filled in that it leaves out |
//! | [`conditions`] | conditions as Kubernetes stores them |
//!
//! Nothing here talks to a server. References between objects are the operator's and the GitOps
//! engine's to check; references inside one object are checked here.
#![allow(unreachable_pub, reason = "KubeSchema repeats each public type inside a function of its own")]

mod check;
pub mod compliance_rule;
pub mod conditions;
mod defaults;
mod findings;
pub mod git_source;
mod kinds;
mod manifests;
pub mod oncall_override;
pub mod schema;
pub mod secrets;
pub mod service_monitor;
pub mod silence;
pub mod support_policy;
pub mod ticket;
pub mod ticket_event;
pub mod vendor_contact;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

pub use check::check;
pub use compliance_rule::ComplianceRule;
pub use defaults::with_defaults;
pub use findings::Validated;
pub use git_source::GitSource;
pub use manifests::{ManifestError, manifests};
pub use oncall_override::OnCallOverride;
pub use service_monitor::ServiceMonitor;
pub use silence::Silence;
pub use support_policy::SupportPolicy;
pub use ticket::Ticket;
pub use ticket_event::TicketEvent;
pub use vendor_contact::VendorContact;

/// The API group of every kind.
pub const GROUP: &str = "firstline.dev";

/// The version of every kind.
pub const VERSION: &str = "v1alpha1";

/// The `observedGeneration` of an object that no controller has seen yet.
pub(crate) fn unobserved() -> i64 {
    -1
}

/// The CRD of every kind, in the order of their names, as they are written to `crds/`.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let derived = [
        ComplianceRule::crd(),
        GitSource::crd(),
        OnCallOverride::crd(),
        ServiceMonitor::crd(),
        Silence::crd(),
        SupportPolicy::crd(),
        Ticket::crd(),
        TicketEvent::crd(),
        VendorContact::crd(),
    ];
    derived.iter().filter_map(|crd| schema::finish(crd).ok()).collect()
}
