//! Reads what the invariants are about: tickets from the index, their next looks from the queue, their messages from the
//! outbox and from what waits to be written down.
//!
//! In this order, so that a message that ends meanwhile is seen in one place or the next.

use std::{collections::HashMap, sync::Arc};

use api::{
    Ticket,
    ticket::{
        EscalationStatus, Notification, NotificationKind, NotificationState, Severity, TicketState, TicketStatus,
    },
};
use domain::{escalation::EXHAUSTED_EVERY, message::NotificationId, ticket::timeline::What, time::between};
use jiff::{SignedDuration, Timestamp};

use super::check::{Case, Deadline, Intent, Untold, Way};
use crate::{
    clock::Clock,
    context::Context,
    controllers::ticket::reaches_nobody,
    inbox::Inboxes,
    index::{is_over, was_not_paged},
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
    let case = |(key, ticket): (Key, Arc<Ticket>)| {
        let case = case(key, &ticket, &on_their_way, &around, now);
        if ctx.island.awaits_a_look(&ticket) { waits_on_purpose(case) } else { case }
    };
    tickets.into_iter().map(case).collect()
}

/// A ticket that was merged long after it was decided: what is overdue on it waits, not for ever, until its monitors have told
/// whether it is over.
fn waits_on_purpose(case: Case) -> Case {
    Case { deadline: Deadline::Held, intents: Vec::new(), untold: None, ..case }
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
    let deadline = deadline(ticket, around.clock.ahead_of_server());
    Case { look, deadline, intents, untold: untold(ticket), ticket: key }
}

/// `ahead` is how far our clock is ahead of the API server's.
fn deadline(ticket: &Ticket, ahead: SignedDuration) -> Deadline {
    if is_over(ticket) || was_not_paged(ticket) {
        return Deadline::Nothing;
    }
    let status = ticket.status.as_ref();
    let first_look = status.is_none_or(|status| status.epoch.is_none());
    match status.and_then(|status| status.escalation.as_ref()) {
        // Alerts, or people, have opened it, and nobody has looked at it yet.
        None if first_look => Deadline::At(came(ticket, ahead)),
        None if nobody_was_told(ticket) => Deadline::Missing,
        None => Deadline::Nothing,
        Some(escalation) => of_escalation(escalation),
    }
}

/// When a ticket came to us, by our clock; what we have opened on an island is dated by that clock until it comes to the API.
/// Not `openedAt`: by that, a restored backup waits for days although it came just now.
fn came(ticket: &Ticket, ahead: SignedDuration) -> Timestamp {
    let created = meta::created(ticket);
    let island = ticket.spec.origin.as_ref().and_then(|origin| origin.island.as_ref());
    let by_us = island.is_some_and(|island| island.id == meta::uid(ticket));
    if by_us { created } else { created.checked_add(ahead).unwrap_or(created) }
}

/// Whether somebody has to act and nobody was told since that began: in this cycle, or since it fires again. Pages that may
/// have arrived tell nobody yet: they are tried on.
fn untold(ticket: &Ticket) -> Option<Untold> {
    let status = ticket.status.as_ref()?;
    let escalation = status.escalation.as_ref().filter(|escalation| escalation.waits_for_a_person())?;
    if is_over(ticket) || escalation.held.is_some() || status.cause.is_some() {
        return None;
    }
    let counts = |n: &&Notification| n.kind == NotificationKind::Page && n.state != NotificationState::Superseded;
    let begun = begun(status, escalation);
    // Rules of an earlier cycle run on in this one.
    let pages: Vec<_> = status.notifications.iter().filter(counts).filter(|n| n.planned_at >= begun).collect();
    // Of a mail to several some have it before it is accepted for all.
    if pages.iter().any(|n| n.state == NotificationState::Accepted || !n.reached.is_empty()) {
        return None;
    }
    match pages.iter().map(|n| n.planned_at).min() {
        Some(since) => Some(Untold { since, hopes: pages.iter().any(|n| !n.state.is_finished()) }),
        // Steps have begun, and none of them has anybody to tell, now or later.
        None if escalation.found && escalation.pending.is_empty() && escalation.called.is_empty() => {
            Some(Untold { since: begun, hopes: !reaches_nobody(status) })
        }
        None => None,
    }
}

/// Since when somebody is to be told anew: the first page of the cycle where it has any, else its planned start, or the end
/// of the quiet that came after it.
fn begun(status: &TicketStatus, escalation: &EscalationStatus) -> Timestamp {
    let of_cycle = |n: &&Notification| n.kind == NotificationKind::Page && n.cycle == escalation.cycle;
    let first = status.notifications.iter().filter(of_cycle).map(|n| n.planned_at).min();
    // Each of the hours after the last cycle is one by itself, and keeps its start.
    let hour = escalation.exhausted_until.and_then(|until| until.checked_sub(EXHAUSTED_EVERY).ok());
    let cycle = first.or(hour).unwrap_or(escalation.cycle_start);
    let refired = status.timeline.iter().rfind(|line| line.what == What::Refired.as_str()).map(|line| line.at);
    refired.map_or(cycle, |at| at.max(cycle))
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

    use super::{
        super::check::{Findings, Lags, examine},
        *,
    };

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
        let deadline = |ticket: &Ticket| deadline(ticket, SignedDuration::ZERO);
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
    }

    #[test]
    fn the_first_look_is_due_since_the_ticket_came_by_our_clock_whoever_opened_it() {
        let hour = SignedDuration::from_hours(1);
        let unseen = ticket(|status| *status = TicketStatus::default());
        assert_eq!(deadline(&unseen, SignedDuration::ZERO), Deadline::At(now()));
        assert_eq!(deadline(&unseen, hour), Deadline::At(now() + hour), "the server is an hour behind");
        assert_eq!(deadline(&unseen, -hour), Deadline::At(now() - hour), "the server is an hour ahead");
        let mut restored = unseen.clone();
        restored.spec.origin.as_mut().unwrap().opened_at = Some(now() - hour * 48);
        assert_eq!(deadline(&restored, SignedDuration::ZERO), Deadline::At(now()), "it waits since it was restored");
        let mut islanded = unseen.clone();
        let island = api::ticket::Island { id: "i".into(), opened_at: now() };
        islanded.spec.origin.as_mut().unwrap().island = Some(island);
        islanded.metadata.uid = Some("i".into());
        assert_eq!(deadline(&islanded, hour), Deadline::At(now()), "that was our own clock");
        islanded.metadata.uid = Some("5b0c".into());
        assert_eq!(deadline(&islanded, hour), Deadline::At(now() + hour), "the server has created it since");
        let mut by_hand = Ticket { status: None, ..unseen };
        by_hand.spec.origin = None;
        by_hand.spec.test_page = serde_json::from_value(json!({"target": "ada"})).unwrap();
        assert_eq!(deadline(&by_hand, SignedDuration::ZERO), Deadline::At(now()), "nobody has looked at it");
        by_hand.status = Some(TicketStatus { epoch: Some(1), ..TicketStatus::default() });
        assert_eq!(deadline(&by_hand, SignedDuration::ZERO), Deadline::Nothing);
    }

    #[test]
    fn a_ticket_that_was_merged_late_is_neither_overdue_nor_untold_while_its_monitors_are_looked_at() {
        let overdue = Case {
            ticket: Key::new("payments", "inc-a"),
            look: Standing::In(std::time::Duration::from_secs(1)),
            deadline: Deadline::At(second(-3_600)),
            intents: vec![Intent { is_page: true, due: second(-3_600), way: Way::Lost, tried: false }],
            untold: tried(-3_600),
        };
        assert_eq!(examine(&[waits_on_purpose(overdue)], &[], Lags::default(), now()), Findings::default());
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

    fn second(second: i64) -> Timestamp {
        now() + SignedDuration::from_secs(second)
    }

    /// A page of that cycle, planned so many seconds from now.
    fn page(cycle: u32, state: &str, planned: i64) -> Notification {
        let id = NotificationId(Uuid::from_u128(7)).to_string();
        let page = json!({
            "id": id, "kind": "page", "cycle": cycle, "step": 1, "channel": "chat", "state": state,
            "plannedAt": second(planned),
        });
        serde_json::from_value(page).unwrap()
    }

    fn gone(since: i64) -> Option<Untold> {
        Some(Untold { since: second(since), hopes: false })
    }

    fn tried(since: i64) -> Option<Untold> {
        Some(Untold { since: second(since), hopes: true })
    }

    #[test]
    fn a_ticket_is_untold_until_some_page_of_it_is_accepted() {
        let seen = |pages: &[Notification]| untold(&ticket(|status| status.notifications = pages.to_vec()));
        assert_eq!(seen(&[page(1, "Superseded", 9)]), None, "nobody is paged yet");
        assert_eq!(seen(&[page(1, "Failed", 9), page(1, "Planned", 20)]), tried(9));
        assert_eq!(seen(&[page(1, "Failed", 9), page(1, "Failed", 20)]), gone(9));
        assert_eq!(seen(&[page(1, "Failed", 9), page(1, "Accepted", 20)]), None);
        assert_eq!(seen(&[page(1, "Uncertain", 9)]), tried(9), "a receiver that hangs has not accepted it");
        let partly = Notification { reached: vec!["ops@a".into()], ..page(1, "Planned", 9) };
        assert_eq!(seen(&[partly]), None, "another recipient is tried on");
        let taken = |status: &mut TicketStatus| {
            status.notifications = vec![page(1, "Failed", 9)];
            escalation(status).acknowledged_by = Some("ada".into());
        };
        assert_eq!(untold(&ticket(taken)), None);
    }

    #[test]
    fn who_was_told_in_an_earlier_cycle_is_not_told_in_this_one() {
        let seen = |pages: &[Notification]| {
            untold(&ticket(|status| {
                (escalation(status).cycle, escalation(status).cycle_start) = (2, second(100));
                status.notification_counts = serde_json::from_value(json!({"accepted": 3})).unwrap();
                status.notifications = pages.to_vec();
            }))
        };
        assert_eq!(seen(&[page(1, "Accepted", 9)]), None, "the first step of this cycle is still to come");
        assert_eq!(seen(&[page(1, "Accepted", 9), page(2, "Failed", 100)]), gone(100));
        assert_eq!(seen(&[page(1, "Accepted", 9), page(2, "Planned", 100)]), tried(100));
        assert_eq!(seen(&[page(1, "Accepted", 9), page(2, "Accepted", 100)]), None);
        assert_eq!(seen(&[page(2, "Failed", 100), page(1, "Accepted", 160)]), None, "a late rule of the first cycle");
    }

    #[test]
    fn who_was_told_before_it_fired_again_is_not_told_since() {
        let seen = |pages: &[Notification]| {
            untold(&ticket(|status| {
                let refired = json!({"at": second(60), "what": "Refired", "detail": "MonitorDown"});
                status.timeline = vec![serde_json::from_value(refired).unwrap()];
                status.notifications = pages.to_vec();
            }))
        };
        assert_eq!(seen(&[page(1, "Accepted", 9), page(1, "Failed", 60)]), gone(60));
        assert_eq!(seen(&[page(1, "Accepted", 9), page(1, "Accepted", 60)]), None);
    }

    #[test]
    fn where_no_step_and_no_last_resort_has_anybody_to_tell_the_ticket_is_untold() {
        let reached_nobody = |status: &mut TicketStatus| {
            escalation(status).found = true;
            let condition = json!({
                "type": "NobodyFound", "status": "True", "reason": "NobodyFound", "message": "", "lastTransitionTime": now(),
            });
            status.conditions = vec![serde_json::from_value(condition).unwrap()];
        };
        let seen = |change: &dyn Fn(&mut TicketStatus)| {
            untold(&ticket(|status| {
                reached_nobody(status);
                change(status);
            }))
        };
        assert_eq!(seen(&|_| ()), gone(0));
        assert_eq!(
            seen(&|status| status.notifications = vec![page(1, "Accepted", 1)]),
            None,
            "the last resort was told"
        );
        assert_eq!(seen(&|status| escalation(status).found = false), None, "no step has begun");
        assert_eq!(seen(&|status| status.conditions.clear()), tried(0), "the next step may have somebody");
        let later = json!([{"at": second(90), "cycle": 1, "step": 1, "person": "ada", "channel": "chat", "rule": 1, "sequence": 0}]);
        let rule = |status: &mut TicketStatus| {
            escalation(status).pending = serde_json::from_value(later.clone()).unwrap();
        };
        assert_eq!(seen(&rule), None, "her rule is still to come");
        let hourly = |status: &mut TicketStatus| {
            (escalation(status).cycle, escalation(status).exhausted_until) = (3, Some(second(7_200)));
            status.notifications = vec![page(2, "Accepted", 0)];
        };
        assert_eq!(seen(&hourly), gone(3_600), "the hour before had somebody, this one has not");
        let held = json!({"by": "silence night", "since": now()});
        assert_eq!(seen(&|status| escalation(status).held = serde_json::from_value(held.clone()).unwrap()), None);
    }
}
