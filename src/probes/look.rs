//! One look while it is under way: its one deadline, and where the time went.
//!
//! The deadline is absolute and for everything together. What was running when it passed decides
//! the reason, so that "slow name server" and "slow application" are told apart.

use std::{future::Future, net::SocketAddr, time::Duration};

use domain::{
    probe::{Failure, HttpFacts, Phase, Phases, Reason, Sample, TlsFacts},
    time::format_duration,
};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

/// What is known so far.
pub(crate) struct Look {
    /// When it began, by the wall clock; certificates are judged by it.
    pub(crate) at: Timestamp,
    started: Instant,
    deadline: Instant,
    timeout: Duration,
    phases: Phases,
    /// Of the last connection that was tried.
    pub(crate) address: Option<SocketAddr>,
    /// Of the last answer.
    pub(crate) http: Option<HttpFacts>,
    /// Of the last handshake.
    pub(crate) tls: Option<TlsFacts>,
}

impl Look {
    pub(crate) fn begin(at: Timestamp, timeout: Duration) -> Self {
        let started = Instant::now();
        Self {
            at,
            started,
            deadline: started + timeout,
            timeout,
            phases: Phases::default(),
            address: None,
            http: None,
            tls: None,
        }
    }

    pub(crate) fn end(self, failure: Option<Failure>) -> Sample {
        Sample {
            at: self.at,
            duration: self.started.elapsed(),
            phases: self.phases,
            address: self.address,
            failure,
            http: self.http,
            tls: self.tls,
        }
    }

    /// Does `work` as part of `phase`, within the deadline. `doing` says what it is, with the
    /// address: "connect to 10.2.0.7:443".
    pub(crate) async fn spend<T>(
        &mut self,
        phase: Phase,
        doing: impl Fn() -> String,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        let outcome = timeout_at(self.deadline, work).await;
        self.add(phase, begun.elapsed());
        outcome.unwrap_or_else(|_| {
            let (doing, timeout) = (doing(), format_duration(self.timeout));
            Err(Failure {
                reason: reason_when_late(phase),
                phase,
                message: format!("{doing}: not done within the {timeout} of this probe"),
            })
        })
    }

    /// Counts time as part of a phase. Redirects make a phase come more than once.
    fn add(&mut self, phase: Phase, span: Duration) {
        let total = match phase {
            Phase::Dns => &mut self.phases.dns,
            Phase::Connect => &mut self.phases.connect,
            Phase::Tls => &mut self.phases.tls,
            Phase::FirstByte => &mut self.phases.first_byte,
            Phase::Transfer => &mut self.phases.transfer,
            Phase::Expect => return,
        };
        *total = Some(total.unwrap_or_default() + span);
    }
}

fn reason_when_late(phase: Phase) -> Reason {
    match phase {
        Phase::Dns => Reason::DnsTimeout,
        Phase::Connect => Reason::ConnectTimeout,
        Phase::Tls => Reason::TlsHandshake,
        Phase::FirstByte => Reason::FirstByteTimeout,
        Phase::Transfer | Phase::Expect => Reason::TransferTimeout,
    }
}
