//! Git onto a real cluster: what a commit creates, changes and removes, what it costs in calls, and what a person
//! reads when it cannot be applied.
//!
//! One control plane and one operator for all tests but those that kill it; each test has a namespace, a repository and
//! a GitSource of its own.
#![allow(clippy::indexing_slicing, reason = "a missing index is a failure")]

#[path = "sources/crash.rs"]
mod crash;
#[path = "sources/drift.rs"]
mod drift;
#[path = "sources/every_field.rs"]
mod every_field;
#[path = "sources/faults.rs"]
mod faults;
#[path = "sources/outages.rs"]
mod outages;
#[path = "sources/refusals.rs"]
mod refusals;
#[path = "sources/restart.rs"]
mod restart;
#[path = "sources/scene.rs"]
mod scene;
#[path = "sources/writes.rs"]
mod writes;
