//! The whole chain on real parts: a commit becomes monitors, a broken shop becomes a page in a mail server,
//! people act with kubectl, a repair ends it. And what people see when something in Git, a monitor, a silence or
//! a Secret is not as it should be.
//!
//! Each test has a stage for itself. What breaks underneath (crashes, outages, hanging receivers) is in `faults`.
#![allow(
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test of child processes measures the real clock; a missing index is a failure; figures are printed"
)]

#[path = "story/deliveries.rs"]
mod deliveries;
#[path = "story/demo.rs"]
mod demo;
#[path = "story/escalation.rs"]
mod escalation;
#[path = "story/git.rs"]
mod git;
#[path = "story/git_servers.rs"]
mod git_servers;
#[path = "story/helpdesk.rs"]
mod helpdesk;
#[path = "story/nonsense.rs"]
mod nonsense;
#[path = "story/overrides.rs"]
mod overrides;
#[path = "story/promises.rs"]
mod promises;
#[path = "story/scene.rs"]
mod scene;
#[path = "story/silences.rs"]
mod silences;
#[path = "story/whole.rs"]
mod whole;
