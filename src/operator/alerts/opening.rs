//! The ticket that an alert opens, as it is to be created.

use std::collections::BTreeMap;

use api::{
    Ticket,
    ticket::{Link, Origin, OriginAlert, Relation, TicketSpec, TicketType},
};
use domain::labels::Labels;
use jiff::Timestamp;

use super::Case;
use crate::{context::Context, kube::meta::Key};

/// When a ticket is opened, in whole seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened {
    /// By the clock that decides.
    pub(super) at: Timestamp,
    /// By the API server's, where the two do not agree.
    at_server: Option<Timestamp>,
}

impl Opened {
    pub(super) fn now(ctx: &Context) -> Self {
        let (now, ahead) = (ctx.clock.now(), ctx.clock.ahead_of_server());
        let at_server = now.checked_sub(ahead).ok().filter(|_| !ahead.is_zero());
        Self { at_server: at_server.map(domain::time::whole_seconds), ..Self::at(now) }
    }

    /// Where everybody's clock is the same.
    pub(crate) fn at(now: Timestamp) -> Self {
        Self { at: domain::time::whole_seconds(now), at_server: None }
    }
}

/// The ticket that is to be created.
pub(crate) fn wanted(case: &Case, name: &str, policy_revision: String, previous: String, opened: Opened) -> Ticket {
    let alert = &case.alert;
    let policy = case.policy.as_ref();
    let first = OriginAlert {
        fingerprint: alert.fingerprint().to_string(),
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        starts_at: domain::time::whole_seconds(alert.starts_at),
    };
    let affects = [("monitor", true), ("service", false)].into_iter().filter_map(|(label, monitor)| {
        let value = Some(alert.label(label).to_owned()).filter(|value| !value.is_empty())?;
        Some(if monitor {
            api::ticket::Affected { monitor: Some(value), service: None }
        } else {
            api::ticket::Affected { monitor: None, service: Some(value) }
        })
    });
    let mut ticket = Ticket::new(
        name,
        TicketSpec {
            title: alert.title().chars().take(500).collect(),
            description: alert.annotations.get("description").cloned(),
            type_: TicketType::Incident,
            affects: affects.collect(),
            links: previous_link(&previous).into_iter().chain(case.orphan.as_ref().map(orphan_link)).collect(),
            origin: Some(Origin {
                policy: policy.map(|policy| policy.name.clone()).unwrap_or_default(),
                policy_namespace: policy.map(|policy| policy.namespace.clone()).unwrap_or_default(),
                policy_revision,
                route: case.route.as_ref().map(|route| route.name.clone()).unwrap_or_default(),
                group_key: case.group.group.clone(),
                previous,
                first_start: domain::time::whole_seconds(case.counts_from),
                opened_at: Some(opened.at),
                opened_at_server: opened.at_server,
                severity: case.severity.into(),
                alerts: vec![first],
                island: None,
            }),
            ..TicketSpec::default()
        },
    );
    ticket.metadata.namespace = Some(case.group.namespace.clone());
    ticket.metadata.labels = Some(object_labels(&alert.labels));
    ticket
}

fn previous_link(previous: &str) -> Option<Link> {
    let relation = Relation::RecurrenceOf;
    (!previous.is_empty()).then(|| Link { relation, ticket: Some(previous.to_owned()), url: None, title: None })
}

/// The ticket that it had before a policy served it.
fn orphan_link(orphan: &Key) -> Link {
    let title = format!("in namespace {}, from before a policy served it", orphan.namespace);
    Link { relation: Relation::RelatesTo, ticket: Some(orphan.name.clone()), url: None, title: Some(title) }
}

/// Those alert labels that are valid Kubernetes labels, so that `kubectl get tickets -l service=checkout` works.
fn object_labels(labels: &Labels) -> BTreeMap<String, String> {
    let valid = |text: &str| {
        let inner = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let ends = [text.chars().next(), text.chars().last()];
        text.len() <= 63 && inner && ends.into_iter().flatten().all(|c| c.is_ascii_alphanumeric())
    };
    let ours = [("app.kubernetes.io/managed-by".to_owned(), "firstline".to_owned())];
    let kept = labels.iter().filter(|(name, value)| !name.is_empty() && valid(name) && valid(value));
    kept.map(|(name, value)| (name.clone(), value.clone())).chain(ours).collect()
}
