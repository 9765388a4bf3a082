//! The operator's own last resort: who hears when no policy can tell anybody.

use api::ticket::NotificationKind;
use domain::policy::LastResort;

use super::*;

/// A ticket that an alert opened which no policy serves, at second 0.
fn without_policy(severity: &str) -> Desk {
    let mut desk = with_last_resort(severity);
    (desk.frozen, desk.live) = (None, None);
    let origin = desk.ticket.spec.origin.as_mut().unwrap();
    for field in [&mut origin.policy, &mut origin.policy_namespace, &mut origin.policy_revision] {
        field.clear();
    }
    desk
}

/// A ticket with a policy, under an operator that has a last resort.
fn with_last_resort(severity: &str) -> Desk {
    let mut desk = Desk::open(severity);
    desk.last_resort = OwnLastResort::There(Box::new(LastResort::of(desk.live.as_ref().unwrap(), "ops").unwrap()));
    desk
}

/// The live policy without some of its channels.
fn lose_channels(desk: &mut Desk, channels: &[&str]) {
    let mut live = Policy::clone(desk.live.as_ref().unwrap());
    live.channels.retain(|name, _| !channels.contains(&name.as_str()));
    desk.live = Some(Arc::new(live));
}

/// The seconds at which the operator's last resort was paged.
fn paged_at(desk: &Desk) -> Vec<i64> {
    let is_page = |n: &&Notification| n.channel == LastResort::NAME && n.kind == NotificationKind::Page;
    let second = |n: &Notification| n.planned_at.duration_since(at(0)).as_secs();
    desk.status().notifications.iter().filter(is_page).map(second).collect()
}

#[test]
fn what_no_policy_serves_pages_it_at_once_then_after_half_an_hour_and_every_hour_until_somebody_takes_it() {
    let mut desk = without_policy("page");
    desk.run(0, 9_500);
    assert_eq!(paged_at(&desk), [0, 1_800, 5_400, 9_000]);
    let condition = desk.status().conditions.into_iter().find(|one| one.type_ == "NoPolicy").unwrap();
    assert!(condition.message.contains("only the operator's last resort is told"), "{}", condition.message);
    desk.event("oidc:ada", &json!({"acknowledge": true}), 9_600);
    desk.run(9_600, 90_000);
    assert_eq!(paged_at(&desk).len(), 4);
    desk.alert("page", AlertState::Recovered, 90_001);
    desk.run(90_001, 91_000);
    assert_eq!(desk.told().last().unwrap(), "resolved - by operator/last-resort: Accepted");
    assert_eq!(desk.status().state, Some(TicketState::Resolved));
}

#[test]
fn without_policy_and_last_resort_the_priority_is_that_of_the_severity() {
    for (severity, priority) in [("page", "P1"), ("ticket", "P3")] {
        let mut desk = without_policy(severity);
        let last = std::mem::replace(&mut desk.last_resort, OwnLastResort::None);
        desk.run(0, 60);
        assert_eq!(desk.status().priority.as_deref(), Some(priority));
        let line = desk.status().timeline.into_iter().find(|line| line.what == "PrioritySet").unwrap();
        assert_eq!(line.detail, format!("{priority} by severity {severity}, as no policy serves it"));
        desk.last_resort = last;
        desk.run(100, 200);
        assert_eq!(desk.status().priority.as_deref(), Some(priority), "nor does a last resort change it");
    }
}

#[test]
fn when_a_policy_comes_the_old_ticket_names_the_one_that_goes_on() {
    let mut desk = without_policy("page");
    desk.run(0, 60);
    let fingerprint = domain::labels::Fingerprint::of(&labels("page")).to_string();
    desk.goes_on.insert(fingerprint, "payments/inc-b under policy payments/payments".into());
    desk.alert("page", AlertState::SourceRemoved, 100);
    desk.run(100, 110);
    let line = desk.status().timeline.into_iter().find(|line| line.what == "SourceRemoved").unwrap();
    assert_eq!(line.detail, "MonitorDown: the ticket goes on as payments/inc-b under policy payments/payments");
    assert_eq!(desk.told().last().unwrap(), "update - by operator/last-resort: Accepted");
    let why = desk.status().notifications.last().unwrap().why.clone().unwrap();
    assert!(why.starts_with("the ticket goes on as payments/inc-b under policy payments/payments; "), "{why}");
}

#[test]
fn a_step_that_no_policy_has_is_refused_with_what_can_be_done() {
    let mut desk = without_policy("page");
    desk.run(0, 60);
    desk.event("oidc:ada", &json!({"escalate": {"step": 2}}), 70);
    desk.event("oidc:ada", &json!({"assign": {"to": "ada"}}), 71);
    desk.look(72);
    let verdicts: Vec<_> = desk.events.iter().map(|event| event.status.clone().unwrap()).collect();
    assert!(verdicts[0].reason.as_ref().unwrap().starts_with("no SupportPolicy serves the ticket"), "{verdicts:?}");
    assert_eq!(verdicts[1].accepted, Some(true), "{verdicts:?}");
}

#[test]
fn a_less_urgent_alert_without_policy_is_told_to_it_once() {
    let mut desk = without_policy("ticket");
    desk.run(0, 9_500);
    assert_eq!(desk.told(), ["notice - by operator/last-resort: Accepted"]);
}

#[test]
fn what_nobody_was_told_of_is_told_as_soon_as_there_is_one() {
    let mut desk = without_policy("page");
    let last = std::mem::replace(&mut desk.last_resort, OwnLastResort::Missing);
    desk.run(0, 600);
    assert_eq!(desk.told(), Vec::<String>::new());
    desk.last_resort = last;
    desk.run(700, 700);
    assert_eq!(paged_at(&desk), [700]);
    desk.run(701, 702);
    assert_eq!(paged_at(&desk), [700]);
}

#[test]
fn an_escalation_whose_policy_is_gone_for_good_goes_on_through_it() {
    let mut desk = with_last_resort("page");
    desk.run(0, 60);
    (desk.frozen, desk.live) = (None, None);
    desk.run(100, 6_000);
    assert_eq!(paged_at(&desk), [100, 1_800, 5_400], "at once, and it never ends in silence");
}

#[test]
fn a_last_resort_of_the_policy_that_reaches_nobody_is_made_up_for_each_time() {
    let mut desk = with_last_resort("page");
    lose_channels(&mut desk, &["chat", "sms", "ops"]);
    desk.run(0, 6_000);
    // Nobody at once; the second cycle, when everybody was still unreachable; exhausted; an hour later.
    assert!(paged_at(&desk).len() >= 3 && paged_at(&desk)[0] == 0, "{:?}", paged_at(&desk));
    let line =
        desk.status().timeline.into_iter().find(|line| line.detail.contains("the operator's last resort is told"));
    assert!(line.is_some_and(|line| line.detail.starts_with("the policy's last resort reaches nobody")));
    desk.last_resort = OwnLastResort::None;
    let mut without = Desk::open("page");
    lose_channels(&mut without, &["chat", "sms", "ops"]);
    without.run(0, 6_000);
    assert_eq!(without.told(), Vec::<String>::new());
}

#[test]
fn a_last_resort_of_the_policy_that_cannot_be_reached_is_made_up_for_once_a_run() {
    for (delivery, attempts) in [
        (Delivery::Failed { error: "410".into() }, 1),
        (Delivery::Retry { after: None, error: "refused".into() }, 2),
        (Delivery::Retry { after: Some(std::time::Duration::from_secs(300)), error: "429".into() }, 1),
    ] {
        let mut desk = with_last_resort("page");
        lose_channels(&mut desk, &["chat", "sms"]);
        desk.look(0);
        assert_eq!(desk.told(), ["page - by ops: Planned"]);
        let id = desk.status().notifications[0].id.clone();
        desk.report(&id, delivery.clone(), 3);
        desk.reports[0].attempts = attempts;
        desk.look(3);
        assert_eq!(paged_at(&desk), [3], "{delivery:?}");
        desk.report(&id, delivery, 9);
        desk.reports[0].attempts = attempts;
        desk.look(9);
        assert_eq!(paged_at(&desk), [3], "one message for each run of the last resort");
    }
}

#[test]
fn one_that_answers_late_but_in_time_is_not_made_up_for() {
    let mut desk = with_last_resort("page");
    lose_channels(&mut desk, &["chat", "sms"]);
    desk.look(0);
    let id = desk.status().notifications[0].id.clone();
    desk.report(&id, Delivery::Retry { after: None, error: "refused".into() }, 1);
    desk.look(1);
    desk.report(&id, Delivery::Accepted { receipt: "200".into() }, 2);
    desk.look(2);
    assert_eq!(paged_at(&desk), Vec::<i64>::new());
}

#[test]
fn what_was_planned_for_it_waits_while_its_policy_is_away_and_fails_when_the_operator_has_none_any_more() {
    let mut desk = without_policy("page");
    desk.look(0);
    assert_eq!(desk.told(), ["page - by operator/last-resort: Planned"]);
    desk.last_resort = OwnLastResort::Missing;
    desk.look(1);
    assert_eq!(desk.told(), ["page - by operator/last-resort: Planned"]);
    desk.last_resort = OwnLastResort::None;
    desk.look(1);
    assert_eq!(desk.told(), ["page - by operator/last-resort: Failed"]);
}

#[test]
fn an_acknowledgement_while_no_version_of_the_policy_is_known_is_heard_when_one_is() {
    let mut desk = Desk::open("page");
    desk.run(0, 60);
    let known = (desk.frozen.take(), desk.live.take());
    desk.event("oidc:ada", &json!({"acknowledge": true}), 100);
    desk.look(101);
    assert_eq!(desk.status().state, Some(TicketState::Open));
    (desk.frozen, desk.live) = known;
    desk.run(200, 1_000);
    assert_eq!(desk.status().escalation.unwrap().acknowledged_by.as_deref(), Some("ada"));
    assert_eq!(desk.told(), ["page ada by chat: Accepted"], "and nobody else is paged");
}
