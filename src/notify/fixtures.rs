//! One incident as tests see it.

use domain::{
    alert::Severity,
    message::{Message, MessageKind, NotificationId},
};
use jiff::Timestamp;
use uuid::Uuid;

/// 40 seconds after [`page`] was planned.
pub(crate) fn now() -> Timestamp {
    "2026-11-23T03:06:32Z".parse().unwrap()
}

/// The first page of an incident, for a person.
pub(crate) fn page() -> Message {
    let pairs =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Message {
        id: NotificationId(Uuid::from_u128(0x5f0c_2f4e_7d1a_5c3b_9e2d_1a2b_3c4d_5e6f)),
        kind: MessageKind::Page,
        namespace: "payments".into(),
        ticket: "inc-mfrggzdfmztwq2lknnwg23tpoa".into(),
        ticket_uid: "0b8f8d0a-6f0e-4c59-9d8e-2f1f5f3a7c11".into(),
        thread: "0b8f8d0a-6f0e-4c59-9d8e-2f1f5f3a7c11".into(),
        number: Some(1042),
        title: "Checkout is down".into(),
        priority: "P1".into(),
        severity: Severity::Page,
        labels: pairs(&[
            ("alertname", "MonitorDown"),
            ("service", "checkout"),
            ("severity", "page"),
            ("team", "payments"),
        ]),
        annotations: pairs(&[
            ("summary", "Checkout is down"),
            ("description", "GET https://shop.acme.example/health: expected 200, found 503.\nSeen from 2 of 2 places."),
            ("guide", "https://wiki.acme.example/checkout"),
            ("dashboard", "https://grafana.acme.example/d/checkout"),
        ]),
        started_at: "2026-11-23T03:02:12Z".parse().unwrap(),
        planned_at: "2026-11-23T03:05:52Z".parse().unwrap(),
        why: "step 1 of `page`: you are on call in `primary`".into(),
        person: Some("ada".into()),
        address: Some("ada@acme.example".into()),
        settled: Vec::new(),
        possible_duplicate: false,
    }
}

/// What is said of a promise that nears its due time.
pub(crate) fn warning() -> Message {
    Message {
        kind: MessageKind::SlaWarning,
        planned_at: "2026-11-23T05:02:12Z".parse().unwrap(),
        why: "resolution 50% (run 1): so much of the promised time of 4h is used, due 2026-11-23T07:02:12Z".into(),
        ..page()
    }
}

/// The same incident when it is over.
pub(crate) fn resolved() -> Message {
    Message {
        kind: MessageKind::Resolved,
        planned_at: "2026-11-23T04:32:12Z".parse().unwrap(),
        why: "you were paged for it".into(),
        ..page()
    }
}
