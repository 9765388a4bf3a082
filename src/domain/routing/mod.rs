//! Which policy and which route decide about an alert, and which alerts share a ticket.
//!
//! Every answer comes with its reasons as sentences, so that `explain` and a ticket's timeline say the same.
//! Choosing knows of no tickets, silences or time: an alert's labels in, a decision out. The same labels and policies
//! always give the same decision, whatever the order in which the policies arrive.
//!
//! | step | function |
//! |---|---|
//! | the policy | [`choose_policy`] |
//! | the sender's severity word in ours | [`normalise`] |
//! | the route, with what it inherits | [`route`] |
//! | what one route says, without walking to it | [`decision_of`] |
//! | the text that alerts of one ticket share | [`group_key`] |
//! | when the notices of a group go out | [`timing`] |

mod choice;
mod decision;
mod group;
#[cfg(test)]
mod tests;
pub mod timing;
mod tree;
mod walk;

pub use choice::{PolicyChoice, are_ambiguous, choose_policy};
pub use decision::{Branch, RouteDecision};
pub use group::group_key;
pub use tree::{Tree, check_tree};
pub use walk::{decision_of, default_priority, route};

use std::time::Duration;

use crate::{
    alert::Severity,
    labels::Labels,
    matcher::{Known, Matcher},
    policy::Policy,
};

/// The name of the implicit route above all others. No route of a policy can be called so.
pub const ROOT: &str = "(root)";

/// How long the root route lets the first notice of a group wait; a page never waits.
pub const GROUP_WAIT: Duration = Duration::from_secs(30);

/// The least time between a notice and one that tells of a change, where no route says it.
pub const GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How long a recovered ticket stays open where no route says it.
pub const RESOLVE_AFTER: Duration = Duration::from_secs(5 * 60);

/// How long after Resolved the same ticket is used again where no route says it.
pub const REFIRE_WITHIN: Duration = Duration::from_secs(3_600);

/// Labels by which the root route groups.
const ROOT_GROUP_BY: [&str; 2] = ["alertname", "service"];

const SEVERITY: &str = "severity";

/// What is known of an alert's labels once a policy has read them: whatever word its sender used, `severity` is one of
/// these.
pub const KNOWN: Known<'static> = &[(SEVERITY, &["page", "ticket", "info"])];

/// The labels as this policy reads them: `severity` becomes one of page, ticket and info. A missing or unknown
/// word is ticket.
pub fn normalise(policy: &Policy, labels: &Labels) -> (Labels, Severity) {
    let severity = severity_of(policy, labels);
    let mut labels = labels.clone();
    labels.insert(SEVERITY.to_owned(), severity.as_str().to_owned());
    (labels, severity)
}

fn severity_of(policy: &Policy, labels: &Labels) -> Severity {
    policy.severity(labels.get(SEVERITY).map_or("", String::as_str))
}

fn value<'l>(labels: &'l Labels, name: &str) -> &'l str {
    labels.get(name).map_or("", String::as_str)
}

/// "team="a" does not hold, team is "b"".
fn does_not_hold(matcher: &Matcher, value: &str) -> String {
    let name = &matcher.name;
    if value.is_empty() {
        format!("{matcher} does not hold, {name} is not set")
    } else {
        format!("{matcher} does not hold, {name} is {value:?}")
    }
}
