//! The harness of the end-to-end tests and the demo: the real parts that
//! Firstline works with, started on loopback and ended without a trace.
//!
//! | module | the real thing |
//! |---|---|
//! | [`control_plane`] | etcd and kube-apiserver with RBAC, tokens and the audit log; kubectl |
//! | [`git_server`] | a bare repository over `file://`, `http://`, `https://` |
//! | [`mail`] | mailpit: SMTP with STARTTLS and AUTH, read back over REST |
//! | [`web`] | a small web service to be probed, broken and repaired |
//! | [`receiver`] | a webhook receiver with scripted answers |
//! | [`smtp`] | a mail server that breaks off at any point of the dialogue |
//! | [`operator`] | the binary `firstline run` as a child |
//! | [`faketime`] | its wall clock, stepped while it runs |
//!
//! [`proxy`] stands between an operator and its API server and breaks what passes; [`crash`] kills operators by
//! schedules and counts what arrived.
//!
//! [`rules`] is apart from all that: it needs no server.
//!
//! Nothing here stands in for a part that could be run. Nothing outlives the
//! caller: children die with the process that started them, even by `kill -9`
//! ([`child`]), and the scratch folder goes when the run was good and stays,
//! with its logs, when it was not ([`scratch`]). Linux with glibc only.
//!
//! Only [`lent`] and [`stage`] know Firstline’s kinds: the one lends control planes that have them to one scenario after
//! the other, the other sets the scene that scenarios and the demo share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "test support: it stops loudly, prints for people, and measures the real clock"
)]

pub mod child;
pub mod control_plane;
pub mod crash;
pub mod faketime;
pub mod git_server;
pub mod lent;
pub mod mail;
pub mod metrics;
pub mod operator;
pub mod oracles;
pub mod ports;
pub mod proxy;
pub mod receiver;
pub mod rules;
pub mod scratch;
pub mod serve;
pub mod smtp;
pub mod stage;
pub mod tls;
pub mod wait;
pub mod web;

pub use wait::{eventually, unique_name};
