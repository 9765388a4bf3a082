//! Probing: what is looked at ([`Target`]), one look ([`Sample`]), why it failed ([`Reason`]),
//! the verdict over many looks ([`verdict`]) and how many of them succeeded ([`uptime`]). Sending packets is the
//! `probes` crate's work.

mod monitor;
mod reason;
mod sample;
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
