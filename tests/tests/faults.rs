//! What must hold when something breaks: nothing is lost, no message goes out twice but with the same id,
//! escalation comes in time, and whoever is affected says why.
//!
//! Each test has a stage for itself, because most of them kill what others would share. Messages are counted
//! where they arrive, by `webhook-id` and `Message-ID`, never by what the operator says of itself.
#![allow(
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test of child processes measures the real clock; a missing index is a failure"
)]

#[path = "faults/api_proxy.rs"]
mod api_proxy;
#[path = "faults/api_server.rs"]
mod api_server;
#[path = "faults/clock.rs"]
mod clock;
#[path = "faults/crash.rs"]
mod crash;
#[path = "faults/dead_pages.rs"]
mod dead_pages;
#[path = "faults/dependencies.rs"]
mod dependencies;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/island.rs"]
mod island;
#[path = "faults/leadership.rs"]
mod leadership;
#[path = "faults/mended.rs"]
mod mended;
#[path = "faults/merge.rs"]
mod merge;
#[path = "faults/objects.rs"]
mod objects;
#[path = "faults/outages.rs"]
mod outages;
#[path = "faults/policies.rs"]
mod policies;
#[path = "faults/receivers.rs"]
mod receivers;
#[path = "faults/replicas.rs"]
mod replicas;
#[path = "faults/scene.rs"]
mod scene;
#[path = "faults/self_watch.rs"]
mod self_watch;
#[path = "faults/smtp.rs"]
mod smtp;
#[path = "faults/takeover.rs"]
mod takeover;
#[path = "faults/twin.rs"]
mod twin;
#[path = "faults/unserved.rs"]
mod unserved;
