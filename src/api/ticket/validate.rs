//! What can be wrong with a Ticket's spec beyond its schema. A ticket has no other form: engines read the object.

use domain::problem::Problem;

use super::{DueOverride, Link, Ticket};
use crate::findings::{Findings, Validated};

/// Reads a Ticket.
///
/// # Errors
/// All problems, warnings among them, when one of them is an error.
pub fn validate(ticket: &Ticket) -> Result<Validated<()>, Vec<Problem>> {
    let mut findings = Findings::default();
    for (i, affected) in ticket.spec.affects.iter().enumerate() {
        let members = [("monitor", affected.monitor.is_some()), ("service", affected.service.is_some())];
        findings.exactly_one(&format!("spec.affects[{i}]"), &members);
    }
    if ticket.spec.due_override == Some(DueOverride::default()) {
        findings.error("spec.dueOverride", "expected firstResponse or resolution");
    }
    if let Some(target) = &ticket.spec.test_page {
        let members = [
            ("person", target.person.is_some()),
            ("schedule", target.schedule.is_some()),
            ("channel", target.channel.is_some()),
        ];
        findings.exactly_one("spec.testPage", &members);
    }
    for (i, link) in ticket.spec.links.iter().enumerate() {
        validate_link(&mut findings, &format!("spec.links[{i}]"), link, ticket.metadata.name.as_ref());
    }
    findings.finish(())
}

/// One link of the ticket that is called `own`.
pub(crate) fn validate_link(findings: &mut Findings, path: &str, link: &Link, own: Option<&String>) {
    findings.exactly_one(path, &[("ticket", link.ticket.is_some()), ("url", link.url.is_some())]);
    if let Some(url) = &link.url {
        findings.url(&format!("{path}.url"), url, &["https", "http"]);
    }
    if link.ticket.is_some() && link.ticket.as_ref() == own {
        findings.error(format!("{path}.ticket"), "expected another ticket, found this one");
    }
}
