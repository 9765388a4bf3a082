//! What can be wrong with a VendorContact's spec beyond its schema.

use domain::problem::Problem;

use super::VendorContact;
use crate::findings::{Findings, Validated};

/// Reads a VendorContact.
///
/// # Errors
/// All problems, warnings among them, when one of them is an error.
pub fn validate(vendor: &VendorContact) -> Result<Validated<()>, Vec<Problem>> {
    let mut findings = Findings::default();
    if let Some(url) = &vendor.spec.vendor.url {
        findings.url("spec.vendor.url", url, &["https", "http"]);
    }
    for (i, contact) in vendor.spec.contacts.iter().enumerate() {
        if contact.email.is_none() && contact.phone.is_none() {
            findings.error(format!("spec.contacts[{i}]"), "expected an email address or a phone number, found neither");
        }
        if let Some(zone) = &contact.time_zone {
            findings.zone(&format!("spec.contacts[{i}].timeZone"), zone);
        }
    }
    findings.finish(())
}
