//! The operator and the command line of Firstline.
//!
//! | module | holds |
//! |---|---|
//! | [`app`] | wiring, order of start and shutdown |
//! | [`kube`] | the Kubernetes API: client, lease, watches, status writer, Events |
//! | [`index`] | what the watches have seen |
//! | [`alerts`], [`waiting`] | the one way in for everything that goes wrong, and what waits there |
//! | [`channels`] | whether each channel could send, and since when |
//! | [`controllers`] | one module per kind: gather, decide, act |
//! | [`engine`] | long-running: prober, outbox, Git |
//! | [`island`] | what goes on while the Kubernetes API is gone |
//! | [`watchdog`] | whether what somebody waits for is neither late nor lost |
//! | [`server`], [`telemetry`] | what others read of us |
//! | [`load`], [`dependencies`], [`rehearse`] | what files describe, and what would happen by them |
//! | [`cli`] | the verbs |

pub mod alerts;
pub mod app;
pub mod channels;
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod controllers;
pub mod dependencies;
pub mod engine;
pub mod failing;
pub mod held;
pub mod inbox;
pub mod index;
pub mod island;
pub mod kube;
pub mod load;
pub mod queue;
pub mod rehearse;
pub mod revisions;
pub mod server;
pub mod telemetry;
mod vital;
pub mod waiting;
pub mod watchdog;
mod watches;
