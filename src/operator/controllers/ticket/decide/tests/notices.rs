//! Routes that only notify, and what inhibits a ticket.

use api::ticket::NotificationKind;

use super::*;

/// A desk whose only route tells chat: after 30 s, of changes after 5 min, again after an hour.
fn notifying_desk() -> Desk {
    let mut desk = Desk::open("ticket");
    let mut policy = Policy::clone(desk.live.as_ref().unwrap());
    let mut route = policy.routes.last().unwrap().clone();
    route.repeat_interval = Some(std::time::Duration::from_secs(3_600));
    policy.routes = domain::routing::Tree::new(vec![route]);
    let policy = Arc::new(policy);
    desk.live = Some(policy.clone());
    desk.frozen = Some(policy);
    desk
}

fn notices(desk: &Desk) -> Vec<i64> {
    let status = desk.status();
    let sent = status.notifications.iter().filter(|n| n.kind == NotificationKind::Notice);
    sent.map(|n| n.planned_at.duration_since(at(0)).as_secs()).collect()
}

#[test]
fn a_route_without_escalation_tells_first_of_changes_and_again() {
    let mut desk = notifying_desk();
    desk.run(0, 60);
    assert_eq!(notices(&desk), [30]);
    let mut labels = labels("ticket");
    labels.insert("alertname".into(), "DiskFull".into());
    desk.alerts.push(Alert {
        namespace: "payments".into(),
        labels,
        annotations: Labels::new(),
        state: domain::alert::AlertState::Firing,
        starts_at: at(90),
        at: at(100),
    });
    desk.run(100, 330 + 3_600);
    assert_eq!(notices(&desk), [30, 330, 330 + 3_600]);
}

#[test]
fn an_inhibited_ticket_tells_nobody_until_its_cause_has_been_gone_for_a_minute() {
    let mut desk = notifying_desk();
    let mut policy = Policy::clone(desk.live.as_ref().unwrap());
    policy.inhibit = vec![domain::suppression::Inhibition {
        name: "region".into(),
        source: vec![domain::matcher::Matcher::parse("alertname=RegionDown").unwrap()],
        target: vec![domain::matcher::Matcher::parse("severity=ticket").unwrap()],
        equal: Vec::new(),
    }];
    desk.live = Some(Arc::new(policy));
    desk.firing = vec![domain::labels::Labels::from([("alertname".into(), "RegionDown".into())])];
    desk.run(0, 200);
    assert!(notices(&desk).is_empty());
    assert!(desk.status().timeline.iter().any(|line| line.what == "Held" && line.detail.contains("RegionDown")));
    desk.firing.clear();
    desk.run(200, 1_000);
    assert_eq!(notices(&desk), [30], "planned then");
    let told = desk.status().notices[0].last_at.unwrap();
    assert_eq!(told, at(260));
}

#[test]
fn that_it_is_over_is_not_said_any_more_once_it_fires_again() {
    let mut desk = Desk::open("page");
    desk.run(0, 10);
    desk.alert("page", AlertState::Recovered, 20);
    desk.look(20);
    assert!(desk.told().contains(&"resolved ada by chat: Planned".to_owned()), "{:?}", desk.told());
    desk.alert("page", AlertState::Firing, 25);
    desk.look(25);
    assert!(desk.told().contains(&"resolved ada by chat: Superseded".to_owned()), "{:?}", desk.told());
    assert_eq!(desk.last.as_ref().unwrap().cancel.len(), 1, "the receiver is not told either");
}

#[test]
fn whom_a_page_reached_although_it_was_withdrawn_hears_that_it_is_over_once() {
    let mut desk = Desk::open("page");
    desk.look(1);
    let page = desk.status().notifications[0].id.clone();
    // It is under way and nobody knows yet that it arrives.
    desk.alert("page", AlertState::Recovered, 2);
    desk.look(2);
    assert_eq!(desk.told(), ["page ada by chat: Superseded"]);
    desk.report(&page, Delivery::Accepted { receipt: "200 OK".into() }, 3);
    desk.look(3);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "resolved ada by chat: Planned"]);
    desk.report(&page, Delivery::Accepted { receipt: "200 OK".into() }, 4);
    desk.run(4, 4_000);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "resolved ada by chat: Accepted"]);
}
