//! Reads what the invariants are about: tickets from the index, their next looks from the queue, their messages from the
//! outbox and from what waits to be written down.
//!
//! In this order, so that a message that ends meanwhile is seen in one place or the next.

use std::collections::HashMap;

use api::{
    Ticket,
    ticket::{EscalationStatus, Notification, NotificationKind, NotificationState, Severity, TicketState},
};
use domain::{message::NotificationId, time::between};
use jiff::Timestamp;

use super::check::{Case, Deadline, Intent, Untold, Way};
use crate::{
    clock::Clock,
    context::Context,
    controllers::ticket::{waits, was_not_paged},
    inbox::Inboxes,
    index::is_over,
    kube::meta::{self, Key},
    queue::{Queue, Standing},
};

/// Whom is asked about a ticket beside the ticket itself.
pub struct Around<'a> {
    /// The look at it that is planned.
    pub tickets: &'a Queue<Key>,
    /// What receivers have said of its messages.
    pub inboxes: &'a Inboxes,
    /// What deadlines go by.
    pub clock: &'a Clock,
}

/// Every ticket on which somebody waits or something is to be sent.
pub(super) fn cases(ctx: &Context, now: Timestamp) -> Vec<Case> {
    let tickets = ctx.world.read().watched();
    let on_their_way = ctx.outbox.on_their_way();
    let around = Around { tickets: &ctx.queues.tickets, inboxes: &ctx.inboxes, clock: &ctx.clock };
    tickets.into_iter().map(|(key, ticket)| case(key, &ticket, &on_their_way, &around, now)).collect()
}

/// One ticket, by what is known of it and around it.
pub(super) fn case(
    key: Key,
    ticket: &Ticket,
    on_their_way: &HashMap<NotificationId, bool>,
    around: &Around<'_>,
    now: Timestamp,
) -> Case {
    let intents = intents(ticket, on_their_way, &around.inboxes.reported(&key), now);
    // Timers count real time, deadlines the clock's.
    let look = match around.tickets.standing(&key) {
        Standing::In(wait) => Standing::In(between(now, around.clock.after(wait))),
        look => look,
    };
    Case { look, deadline: deadline(ticket), intents, untold: untold(ticket), ticket: key }
}

fn deadline(ticket: &Ticket) -> Deadline {
    if is_over(ticket) || was_not_paged(ticket) {
        return Deadline::Nothing;
    }
    let status = ticket.status.as_ref();
    let first_look = status.is_none_or(|status| status.epoch.is_none()) && ticket.spec.origin.is_some();
    match status.and_then(|status| status.escalation.as_ref()) {
        // Alerts have opened it, and nobody has looked at it yet.
        None if first_look => Deadline::At(meta::opened(ticket)),
        None if nobody_was_told(ticket) => Deadline::Missing,
        None => Deadline::Nothing,
        Some(escalation) => of_escalation(escalation),
    }
}

/// Whether it waits for a person, pages, and no page was accepted yet. One that may have arrived counts as accepted.
fn untold(ticket: &Ticket) -> Option<Untold> {
    let status = ticket.status.as_ref()?;
    if is_over(ticket) || !waits(status) || status.notification_counts.is_some_and(|counts| counts.accepted > 0) {
        return None;
    }
    if status.escalation.as_ref().is_some_and(|escalation| escalation.held.is_some()) || status.cause.is_some() {
        return None;
    }
    let counts = |n: &&Notification| n.kind == NotificationKind::Page && n.state != NotificationState::Superseded;
    let pages: Vec<_> = status.notifications.iter().filter(counts).collect();
    let told = |n: &&Notification| matches!(n.state, NotificationState::Accepted | NotificationState::Uncertain);
    if pages.iter().any(told) {
        return None;
    }
    let since = pages.iter().map(|n| n.planned_at).min()?;
    Some(Untold { since, hopes: pages.iter().any(|n| !n.state.is_finished()) })
}

/// A page that no policy serves, that nobody was told of and that nobody has taken.
fn nobody_was_told(ticket: &Ticket) -> bool {
    let Some(status) = &ticket.status else { return false };
    let fires = status.alerts.as_ref().is_some_and(|alerts| alerts.firing > 0);
    let is_page = ticket.spec.origin.is_some() && status.severity == Some(Severity::Page);
    is_page && fires && status.policy.is_none() && status.state == Some(TicketState::New)
}

fn of_escalation(escalation: &EscalationStatus) -> Deadline {
    let EscalationStatus { stopped_at, next_at, held, acknowledged_by, .. } = escalation;
    match (stopped_at, next_at, held, acknowledged_by) {
        (Some(_), ..) => Deadline::Nothing,
        (None, Some(at), ..) => Deadline::At(*at),
        (None, None, Some(_), _) => Deadline::Held,
        // Whoever has taken it is asked again only where the escalation says so.
        (None, None, None, Some(_)) => Deadline::Nothing,
        (None, None, None, None) => Deadline::Missing,
    }
}

fn intents(
    ticket: &Ticket,
    on_their_way: &HashMap<NotificationId, bool>,
    reported: &[NotificationId],
    now: Timestamp,
) -> Vec<Intent> {
    let planned = ticket.status.iter().flat_map(|status| &status.notifications);
    let due = planned.filter(|n| !n.state.is_finished() && n.planned_at <= now);
    let intent = |n: &Notification| {
        let id = NotificationId::parse(&n.id);
        let waits = id.and_then(|id| on_their_way.get(&id));
        let reported = id.is_some_and(|id| reported.contains(&id));
        let tried = n.attempts > 0 || reported || waits.copied().unwrap_or_default();
        let way = if waits.is_some() || reported { Way::Going } else { Way::Lost };
        Intent { is_page: n.kind == NotificationKind::Page, due: n.planned_at, way, tried }
    };
    due.map(intent).collect()
}

#[cfg(test)]
mod tests {
    use api::ticket::TicketStatus;
    use domain::escalation::Chain;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T03:00:00Z".parse().unwrap()
    }

    fn ticket(change: impl FnOnce(&mut TicketStatus)) -> Ticket {
        let origin = json!({
            "policy": "payments", "policyNamespace": "payments", "policyRevision": "r", "route": "pages", "groupKey": "g",
            "previous": "", "firstStart": now(), "openedAt": now(), "severity": "page", "alerts": [],
        });
        let spec = serde_json::from_value(json!({"title": "Checkout is down", "origin": origin})).unwrap();
        let mut ticket = Ticket::new("inc-a", spec);
        ticket.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
        let chain = EscalationStatus::new("page", &Chain::start(now()), Some(now()));
        let mut status = TicketStatus { epoch: Some(1), escalation: Some(chain), ..TicketStatus::default() };
        change(&mut status);
        ticket.status = Some(status);
        ticket
    }

    fn escalation(status: &mut TicketStatus) -> &mut EscalationStatus {
        status.escalation.as_mut().unwrap()
    }

    #[test]
    fn whoever_waits_for_a_person_has_a_deadline() {
        assert_eq!(deadline(&ticket(|_| ())), Deadline::At(now()));
        assert_eq!(deadline(&ticket(|status| escalation(status).next_at = None)), Deadline::Missing);
        let taken = |status: &mut TicketStatus| {
            escalation(status).next_at = None;
            escalation(status).acknowledged_by = Some("ada".into());
        };
        assert_eq!(deadline(&ticket(taken)), Deadline::Nothing);
        assert_eq!(deadline(&ticket(|status| escalation(status).stopped_at = Some(now()))), Deadline::Nothing);
        assert_eq!(deadline(&ticket(|status| status.state = Some(TicketState::Resolved))), Deadline::Nothing);
        let unserved = |status: &mut TicketStatus| {
            (status.escalation, status.severity, status.state) = (None, Some(Severity::Page), Some(TicketState::New));
            status.alerts = serde_json::from_value(json!({"firing": 1, "total": 1, "list": []})).unwrap();
        };
        assert_eq!(deadline(&ticket(unserved)), Deadline::Missing, "no policy serves it, and nobody was told");
        let untouched = |status: &mut TicketStatus| *status = TicketStatus::default();
        assert_eq!(deadline(&ticket(untouched)), Deadline::At(now()), "its first look is due since it was opened");
    }

    #[test]
    fn a_message_is_looked_for_where_it_waits_and_where_its_end_waits() {
        let id = NotificationId(Uuid::from_u128(7));
        let notification: Notification = serde_json::from_value(json!({
            "id": id.to_string(), "kind": "page", "cycle": 1, "step": 1, "channel": "chat", "state": "Planned",
            "plannedAt": now(),
        }))
        .unwrap();
        let later = Notification { planned_at: now() + jiff::SignedDuration::from_secs(9), ..notification.clone() };
        let ended = Notification { state: NotificationState::Accepted, ..notification.clone() };
        let ticket = ticket(|status| status.notifications = vec![notification, later, ended]);
        let ways = |waiting: &[(NotificationId, bool)], reported: &[NotificationId]| -> Vec<(Way, bool)> {
            let waiting = waiting.iter().copied().collect();
            let intents = intents(&ticket, &waiting, reported, now());
            intents.into_iter().map(|intent| (intent.way, intent.tried)).collect()
        };
        assert_eq!(ways(&[], &[]), [(Way::Lost, false)]);
        assert_eq!(ways(&[(id, false)], &[]), [(Way::Going, false)]);
        assert_eq!(ways(&[(id, true)], &[]), [(Way::Going, true)]);
        assert_eq!(ways(&[], &[id]), [(Way::Going, true)]);
    }

    #[test]
    fn a_ticket_is_untold_until_some_page_of_it_is_accepted() {
        let page = |state: &str, second: i64| -> Notification {
            let planned = now() + jiff::SignedDuration::from_secs(second);
            let id = NotificationId(Uuid::from_u128(7)).to_string();
            let page = json!({"id": id, "kind": "page", "cycle": 1, "step": 1, "channel": "chat", "state": state, "plannedAt": planned});
            serde_json::from_value(page).unwrap()
        };
        let seen = |pages: &[Notification]| untold(&ticket(|status| status.notifications = pages.to_vec()));
        assert_eq!(seen(&[page("Superseded", 9)]), None, "nobody is paged yet");
        assert_eq!(seen(&[page("Failed", 9), page("Planned", 20)]).map(|it| it.hopes), Some(true));
        let gone = Untold { since: now() + jiff::SignedDuration::from_secs(9), hopes: false };
        assert_eq!(seen(&[page("Failed", 9), page("Failed", 20)]), Some(gone));
        assert_eq!(seen(&[page("Failed", 9), page("Accepted", 20)]), None);
        let taken = |status: &mut TicketStatus| {
            status.notifications = vec![page("Failed", 9)];
            escalation(status).acknowledged_by = Some("ada".into());
        };
        assert_eq!(untold(&ticket(taken)), None);
    }
}
