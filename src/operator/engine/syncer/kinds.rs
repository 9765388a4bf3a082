//! Which kinds come out of Git, in the order in which they are written.
//!
//! What is decided at night (TicketEvent, Silence, OnCallOverride) is never among them, nor a GitSource: it is what reads the repository.

use api::{ComplianceRule, ServiceMonitor, SupportPolicy, Ticket, VendorContact};
use gitops::load::AllowedKind;
use kube::core::ApiResource;

/// The API version of every kind here.
pub const API_VERSION: &str = "firstline.dev/v1alpha1";

/// A kind that comes out of Git.
#[derive(Debug, Clone)]
pub struct Kind {
    /// As in manifests: `ServiceMonitor`.
    pub name: &'static str,
    /// As the API serves it.
    pub resource: ApiResource,
}

/// Every kind, those that others name first: a monitor without its policy would page nobody. Removed in reverse.
pub fn kinds() -> [Kind; 5] {
    [
        Kind { name: "SupportPolicy", resource: ApiResource::erase::<SupportPolicy>(&()) },
        Kind { name: "VendorContact", resource: ApiResource::erase::<VendorContact>(&()) },
        Kind { name: "ComplianceRule", resource: ApiResource::erase::<ComplianceRule>(&()) },
        Kind { name: "ServiceMonitor", resource: ApiResource::erase::<ServiceMonitor>(&()) },
        Kind { name: "Ticket", resource: ApiResource::erase::<Ticket>(&()) },
    ]
}

/// The same as the reader of files wants it.
pub const ALLOWED: [AllowedKind<'static>; 5] = [
    allowed("SupportPolicy"),
    allowed("VendorContact"),
    allowed("ComplianceRule"),
    allowed("ServiceMonitor"),
    allowed("Ticket"),
];

const fn allowed(kind: &'static str) -> AllowedKind<'static> {
    AllowedKind { api_version: API_VERSION, kind, namespaced: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_written_in_a_file_is_what_can_be_applied() {
        let served: Vec<_> = kinds()
            .iter()
            .map(|kind| (kind.name, kind.resource.kind.clone(), kind.resource.api_version.clone()))
            .collect();
        let read: Vec<_> =
            ALLOWED.iter().map(|one| (one.kind, one.kind.to_owned(), one.api_version.to_owned())).collect();
        assert_eq!(served, read);
    }
}
