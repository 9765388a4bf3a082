//! Probing: what is looked at ([`Target`]), one look ([`Sample`]), why it failed ([`Reason`]),
//! the verdict over many looks ([`verdict`]), how many of them succeeded ([`counters`], [`uptime`]), whether that is as
//! many as was promised ([`slo`]), and the alerts that follow from all of it ([`alerts`]). Sending packets is the
//! `probes` crate's work.

pub mod alerts;
pub mod counters;
mod decimal;
#[cfg(test)]
mod fixtures;
mod monitor;
mod reason;
mod sample;
pub mod slo;
mod target;
pub mod uptime;
pub mod verdict;

pub use monitor::Monitor;
pub use reason::Reason;
pub use sample::{CertificateProblem, Failure, HttpFacts, Phase, Phases, Sample, TlsFacts};
pub use target::{
    BodyExpectation, Cadence, Header, HeaderExpectation, HeaderValue, HttpExpectation, HttpTarget, Method, Redirects,
    ScriptStep, StatusRange, Target, TcpTarget, TlsSettings,
};
