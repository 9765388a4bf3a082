//! What the tests of verdict, objectives and alerts share: looks as letters, and a monitor.
//!
//! `.` success, `s` slow success, `x` failure, `?` could not look.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Cadence, CertificateProblem, Failure, Monitor, Phase, Phases, Reason, Sample, Target, TcpTarget, TlsFacts,
    TlsSettings,
    slo::{Objective, Slo},
    verdict::Thresholds,
};
use crate::{alert::Severity, labels::Labels};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub(crate) fn look(letter: char, at: Timestamp) -> Sample {
    let (millis, reason) = match letter {
        '.' => (100, None),
        's' => (900, None),
        'x' => (5, Some(Reason::ConnectRefused)),
        '?' => (0, Some(Reason::EgressDenied)),
        other => panic!("`{other}` is no look"),
    };
    let message = format!("{reason:?} at {at}");
    Sample {
        at,
        duration: Duration::from_millis(millis),
        phases: Phases::default(),
        address: None,
        failure: reason.map(|reason| Failure { reason, phase: Phase::Connect, message }),
        http: None,
        tls: None,
    }
}

/// What a handshake showed whose certificate ends then.
pub(crate) fn certificate(not_after: Timestamp) -> TlsFacts {
    TlsFacts {
        version: "TLS 1.3".to_owned(),
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        not_after: Some(not_after),
        subject: "CN=shop.example".to_owned(),
        issuer: "CN=Acme CA".to_owned(),
        names: vec!["shop.example".to_owned()],
        serial: "0a".to_owned(),
        fingerprint_sha256: "00".to_owned(),
        problem: None::<CertificateProblem>,
    }
}

/// An objective such as `availability 99.9 over 30 days`; with `below`, of latency.
pub(crate) fn slo(name: &str, objective: &str, days: u32, below: Option<u64>) -> Slo {
    Slo {
        name: name.to_owned(),
        objective: Objective::parse(objective).unwrap(),
        window: DAY * days,
        below: below.map(Duration::from_millis),
    }
}

/// `payments/checkout`, of severity page, over TLS, looked at once a minute.
pub(crate) fn monitor(thresholds: Thresholds, slos: Vec<Slo>) -> Monitor {
    let target =
        TcpTarget { host: "shop.example".to_owned(), port: 443, tls: Some(TlsSettings::default()), script: Vec::new() };
    let labels =
        [("namespace", "payments"), ("monitor", "checkout"), ("service", "shop"), ("severity", "page"), ("team", "a")];
    Monitor {
        namespace: "payments".to_owned(),
        name: "checkout".to_owned(),
        uid: "u".to_owned(),
        service: "shop".to_owned(),
        severity: Severity::Page,
        target: Target::Tcp(target),
        cadence: Cadence { interval: Duration::from_secs(60), timeout: Duration::from_secs(10) },
        thresholds,
        slos,
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        annotations: Labels::from([("description".to_owned(), "Nobody can pay.".to_owned())]),
        depends_on: Vec::new(),
        suspended: false,
    }
}
