//! Stories of one ticket on a clock of seconds, through the real parser of policies and without an API.

mod backup;
mod cause;
mod clocks;
mod deliveries;
mod eased;
mod escalation;
mod last_resort;
mod linked;
mod many;
mod mended;
mod notices;
mod overrides;
mod people;
mod promises;
mod running;
mod skew;
mod test_page;
mod the_end;
mod verdicts;

use ::kube::ResourceExt;
use api::{
    Silence, SupportPolicy,
    ticket::{Notification, NotificationState, Origin, OriginAlert, TicketSpec, TicketState},
    ticket_event::TicketEventSpec,
};
use domain::{alert::AlertState, labels::Labels, message::Delivery};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use uuid::Uuid;

use super::*;

const POLICY: &str = r#"
apiVersion: firstline.dev/v1alpha1
kind: SupportPolicy
metadata: {name: payments, namespace: payments}
spec:
  lastResort: [{channel: ops}]
  people:
    - {name: ada, users: ["oidc:ada"], notify: [{after: 0s, channel: chat}, {after: 5m, channel: sms}]}
    - {name: bob, users: ["oidc:bob"], notify: [{after: 0s, channel: chat}]}
  channels:
    - {name: chat, webhook: {url: "https://chat.acme.example/"}}
    - {name: sms, webhook: {url: "https://sms.acme.example/"}}
    - {name: ops, webhook: {url: "https://ops.acme.example/"}}
  schedules:
    - name: primary
      timeZone: Europe/Berlin
      layers: [{name: week, people: [ada], start: "2026-11-02", handover: "09:00", every: 1w}]
  escalations:
    - name: page
      steps:
        - {after: 0s, notify: [{schedule: primary}]}
        - {after: 10m, notify: [{person: bob}]}
      repeat: {times: 1, every: 30m}
  routes:
    - {name: pages, match: ['severity="page"'], escalation: page, resolveAfter: 5m, refireWithin: 1h}
    - {name: rest, notify: [{channel: chat}], groupWait: 30s}
"#;

fn at(second: i64) -> Timestamp {
    "2026-11-23T03:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(second)
}

fn labels(severity: &str) -> Labels {
    [("alertname", "MonitorDown"), ("service", "checkout"), ("severity", severity)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// A ticket with a page that is planned, to Ada, and its id.
fn paged() -> (Desk, String) {
    let mut desk = Desk::open("page");
    desk.look(0);
    let id = desk.status().notifications[0].id.clone();
    (desk, id)
}

/// One ticket, as the API would keep it between decisions.
struct Desk {
    ticket: Ticket,
    events: Vec<Arc<TicketEvent>>,
    others: HashMap<String, Arc<Ticket>>,
    causes: Vec<Arc<Ticket>>,
    revisions: BTreeMap<String, Arc<Policy>>,
    moves_to: Option<String>,
    chosen: Option<PolicyInForce>,
    frozen: Option<Arc<Policy>>,
    live: Option<Arc<Policy>>,
    last_resort: OwnLastResort,
    /// Seconds.
    mended: BTreeMap<String, i64>,
    goes_on: BTreeMap<String, String>,
    silences: Vec<domain::suppression::Silence>,
    overrides: Vec<Override>,
    firing: Vec<domain::labels::Labels>,
    monitors: Standings,
    epoch: i64,
    /// Seconds.
    ahead_of_server: i64,
    alerts: Vec<Alert>,
    reports: Vec<Report>,
    awaits_monitors: bool,
    last: Option<Plan>,
    /// Every look that changed something: one write to the API.
    writes: usize,
}

impl Desk {
    /// A ticket that an alert of this severity opened at second 0.
    fn open(severity: &str) -> Self {
        let policy: SupportPolicy = serde_yaml::from_str(POLICY).unwrap();
        let policy = Arc::new(api::support_policy::validate(&policy).unwrap().value);
        let labels = labels(severity);
        let first = OriginAlert {
            fingerprint: domain::labels::Fingerprint::of(&labels).to_string(),
            labels,
            annotations: Labels::new(),
            starts_at: at(0),
        };
        let origin = Origin {
            policy: "payments".into(),
            policy_namespace: "payments".into(),
            policy_revision: "payments-1".into(),
            route: "pages".into(),
            group_key: "service=\"checkout\"".into(),
            previous: String::new(),
            first_start: at(0),
            opened_at: Some(at(0)),
            opened_at_server: None,
            severity: domain::alert::Severity::parse(severity).unwrap().into(),
            alerts: vec![first],
            island: None,
        };
        let spec: TicketSpec = serde_json::from_value(json!({"title": "Checkout is down", "origin": origin})).unwrap();
        let mut ticket = Ticket::new("inc-a", spec);
        ticket.metadata.namespace = Some("payments".into());
        ticket.metadata.uid = Some("5b0c".into());
        ticket.metadata.creation_timestamp = Some(Time(at(0)));
        ticket.metadata.generation = Some(1);
        Self {
            ticket,
            events: Vec::new(),
            others: HashMap::new(),
            causes: Vec::new(),
            revisions: BTreeMap::new(),
            moves_to: None,
            chosen: None,
            frozen: Some(policy.clone()),
            live: Some(policy),
            last_resort: OwnLastResort::None,
            mended: BTreeMap::new(),
            goes_on: BTreeMap::new(),
            silences: Vec::new(),
            overrides: Vec::new(),
            firing: Vec::new(),
            monitors: Standings::new(),
            epoch: 1,
            ahead_of_server: 0,
            alerts: Vec::new(),
            reports: Vec::new(),
            awaits_monitors: false,
            last: None,
            writes: 0,
        }
    }

    /// One decision at that second; what it plans is accepted by its receiver in the next one.
    fn look(&mut self, second: i64) -> &Plan {
        let seen = self.seen();
        let plan = decide(&seen, at(second));
        if plan.changed {
            self.writes += 1;
            self.ticket.status = Some(plan.status.clone());
        }
        for (name, status) in &plan.events {
            let place = self.events.iter().position(|event| event.name_any() == *name).unwrap();
            let mut event = TicketEvent::clone(&self.events[place]);
            event.status = Some(status.clone());
            self.events[place] = Arc::new(event);
        }
        self.last.insert(plan)
    }

    /// What a decision rests on now.
    fn seen(&mut self) -> Seen {
        let nobody = self.live.is_none() && self.frozen.is_none();
        Seen {
            last_resort: self.last_resort.clone(),
            goes_on: self.goes_on.clone(),
            mended: self.mended.iter().map(|(name, second)| (name.clone(), at(*second))).collect(),
            substitute: self.last_resort.usable().filter(|_| nobody).map(|last| Arc::new(last.as_policy())),
            ambiguous: None,
            ticket: Arc::new(self.ticket.clone()),
            events: self.events.clone(),
            others: self.others.clone(),
            causes: self.causes.clone(),
            revisions: self.revisions.clone(),
            moves_to: self.moves_to.take(),
            chosen: self.chosen.clone(),
            frozen: self.frozen.clone(),
            live: self.live.clone(),
            policy_exists: self.live.is_some(),
            silences: self.silences.clone(),
            overrides: self.overrides.clone(),
            firing: self.firing.clone(),
            monitors: self.monitors.clone(),
            operator_namespace: "firstline-system".into(),
            epoch: self.epoch,
            ahead_of_server: jiff::SignedDuration::from_secs(self.ahead_of_server),
            number: self.status().number.is_none().then_some(1042),
            alerts: std::mem::take(&mut self.alerts),
            reports: std::mem::take(&mut self.reports),
            awaits_monitors: self.awaits_monitors,
        }
    }

    /// Looks whenever the decision asks for it, receivers accepting everything, up to that second.
    fn run(&mut self, from: i64, to: i64) {
        let mut second = from;
        while second <= to {
            self.look(second);
            self.deliver(second);
            let next = self
                .last
                .as_ref()
                .and_then(|plan| plan.next)
                .map_or(to + 1, |next| next.duration_since(at(0)).as_secs());
            second = next.max(second + 1);
        }
    }

    fn deliver(&mut self, second: i64) {
        let due: Vec<Notification> = self
            .status()
            .notifications
            .iter()
            .filter(|n| !n.state.is_finished() && n.planned_at <= at(second))
            .cloned()
            .collect();
        for notification in due {
            self.report(&notification.id, Delivery::Accepted { receipt: "250 OK".into() }, second);
        }
        if !self.reports.is_empty() {
            self.look(second);
        }
    }

    fn report(&mut self, id: &str, delivery: Delivery, second: i64) {
        let id = NotificationId(Uuid::parse_str(id).unwrap());
        self.reports.push(Report { id, attempts: 1, at: at(second), delivery });
    }

    /// A receiver's word is written down; what the ticket then says of that message.
    fn hears(&mut self, id: &str, delivery: Delivery, second: i64) -> Notification {
        self.report(id, delivery, second);
        self.look(second);
        self.status().notifications.iter().find(|n| n.id == id).unwrap().clone()
    }

    fn alert(&mut self, severity: &str, state: AlertState, second: i64) {
        self.alert_of(labels(severity), state, second);
    }

    /// One of the same group with another fingerprint.
    fn another_alert(&mut self, severity: &str, state: AlertState, second: i64) {
        let other = ("instance".to_owned(), "b".to_owned());
        self.alert_of(labels(severity).into_iter().chain([other]).collect(), state, second);
    }

    fn alert_of(&mut self, labels: Labels, state: AlertState, second: i64) {
        let alert = Alert {
            namespace: "payments".into(),
            labels,
            annotations: Labels::new(),
            state,
            starts_at: at(second),
            at: at(second),
        };
        self.alerts.push(alert);
    }

    fn event(&mut self, author: &str, act: &serde_json::Value, second: i64) {
        let mut spec = json!({"ticket": "inc-a", "author": author});
        spec.as_object_mut().unwrap().extend(act.as_object().unwrap().clone());
        let spec: TicketEventSpec = serde_json::from_value(spec).unwrap();
        let mut event = TicketEvent::new(&format!("inc-a-{}", self.events.len()), spec);
        event.metadata.creation_timestamp = Some(Time(at(second)));
        event.metadata.resource_version = Some((100 + self.events.len()).to_string());
        self.events.push(Arc::new(event));
    }

    /// The policy promises this, from the ticket's beginning.
    fn promise(&mut self, sla: &str) {
        let text = format!("{POLICY}  sla: [{sla}]\n");
        let policy: SupportPolicy = serde_yaml::from_str(&text).unwrap();
        let policy = Arc::new(api::support_policy::validate(&policy).unwrap().value);
        self.frozen = Some(policy.clone());
        self.live = Some(policy);
    }

    fn status(&self) -> TicketStatus {
        self.ticket.status.clone().unwrap_or_default()
    }

    /// "page ada by chat: Accepted"
    fn told(&self) -> Vec<String> {
        let words = |n: &Notification| {
            let kind = domain::message::MessageKind::from(n.kind).as_str();
            format!("{kind} {} by {}: {:?}", n.person.as_deref().unwrap_or("-"), n.channel, n.state)
        };
        self.status().notifications.iter().map(words).collect()
    }

    fn condition(&self, type_: &str) -> bool {
        api::conditions::is_true(&self.status().conditions, type_)
    }
}

#[test]
fn a_page_is_planned_in_the_first_write_with_number_priority_and_epoch() {
    let mut desk = Desk::open("page");
    desk.look(1);
    let status = desk.status();
    assert_eq!((status.number, status.priority.as_deref(), status.epoch), (Some(1042), Some("P1"), Some(1)));
    assert_eq!(status.state, Some(TicketState::New));
    assert_eq!(desk.told(), ["page ada by chat: Planned"]);
    assert_eq!(desk.writes, 1);
    assert_eq!(desk.last.as_ref().unwrap().next, Some(at(300)), "ada's second rule");
}

#[test]
fn deciding_twice_on_the_same_changes_nothing() {
    let mut desk = Desk::open("page");
    desk.look(1);
    let before = desk.status();
    assert!(!desk.look(1).changed);
    assert_eq!(desk.status(), before);
}

#[test]
fn the_whole_story_takes_six_writes_of_the_ticket() {
    let mut desk = Desk::open("page");
    desk.look(1);
    desk.deliver(1);
    desk.event("oidc:ada", &json!({"acknowledge": true}), 20);
    desk.look(21);
    desk.alert("page", AlertState::Recovered, 60);
    desk.look(60);
    desk.deliver(60);
    assert_eq!(desk.last.as_ref().unwrap().next, Some(at(360)));
    desk.look(360);
    let status = desk.status();
    assert_eq!((status.state, status.reason.as_deref()), (Some(TicketState::Resolved), Some("Recovered")));
    assert_eq!(status.resolved_at, Some(at(60)), "dated at the end of the alert");
    assert_eq!(status.assignee.as_deref(), Some("ada"));
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "resolved ada by chat: Accepted"]);
    assert_eq!(desk.writes, 6);
}

#[test]
fn a_notice_goes_out_again_when_its_ticket_fires_again() {
    let mut desk = Desk::open("ticket");
    desk.run(0, 60);
    desk.alert("ticket", AlertState::Recovered, 61);
    desk.run(61, 400);
    desk.alert("ticket", AlertState::Firing, 500);
    desk.run(500, 600);
    let notices = desk.told().iter().filter(|told| told.starts_with("notice")).count();
    assert_eq!(notices, 2);
}

#[test]
fn sixty_alerts_on_one_ticket_all_end() {
    let mut desk = Desk::open("page");
    desk.look(0);
    let other = |n: i64, state, second| {
        let mut labels = labels("page");
        labels.insert("monitor".to_owned(), format!("m{n}"));
        Alert {
            namespace: "payments".into(),
            labels,
            annotations: Labels::new(),
            state,
            starts_at: at(second),
            at: at(second),
        }
    };
    desk.alerts = (0..60).map(|n| other(n, AlertState::Firing, 1)).collect();
    desk.run(1, 1);
    let status = desk.status().alerts.unwrap();
    assert_eq!(status.firing, 61);
    assert!(
        status.list.iter().all(|line| !line.labels.is_empty()),
        "an alert without labels could not be ended by its source"
    );
    desk.alerts = (0..60).map(|n| other(n, AlertState::Recovered, 2)).collect();
    desk.alert("page", AlertState::Recovered, 2);
    desk.run(2, 400);
    assert_eq!(desk.status().state, Some(TicketState::Resolved));
}

#[test]
fn a_notice_waits_for_its_group_and_escalates_nothing() {
    let mut desk = Desk::open("ticket");
    desk.look(0);
    assert_eq!(desk.last.as_ref().unwrap().next, Some(at(30)));
    desk.run(30, 3_600);
    assert_eq!(desk.told(), ["notice - by chat: Accepted"]);
    assert_eq!(desk.status().escalation, None);
    assert_eq!(desk.status().priority.as_deref(), Some("P3"));
}

#[test]
fn a_new_leader_marks_a_ticket_with_unfinished_messages_before_they_are_sent_again() {
    let mut desk = Desk::open("page");
    desk.look(1);
    desk.epoch = 2;
    assert!(desk.look(2).changed);
    assert_eq!(desk.status().epoch, Some(2));
    assert_eq!(desk.told(), ["page ada by chat: Uncertain"], "the last leader may have sent it");
    desk.deliver(3);
    assert_eq!(desk.told(), ["page ada by chat: Accepted"]);
    assert_eq!(desk.status().notifications[0].error, None);
}

#[test]
fn who_may_have_been_paged_by_a_leader_that_died_hears_that_it_is_over() {
    let mut desk = Desk::open("page");
    desk.look(1);
    desk.epoch = 2;
    desk.alert("page", AlertState::Recovered, 20);
    desk.run(20, 20);
    assert_eq!(desk.told(), ["page ada by chat: Superseded", "resolved ada by chat: Accepted"]);
}

#[test]
fn who_may_have_been_paged_by_a_second_try_of_a_leader_that_died_hears_that_it_is_over_unless_it_was_too_early_for_one()
{
    for (after, told) in [
        (None, &["page ada by chat: Superseded", "resolved ada by chat: Accepted"][..]),
        (Some(std::time::Duration::from_secs(25)), &["page ada by chat: Superseded"]),
    ] {
        let (mut desk, id) = paged();
        desk.report(&id, Delivery::Retry { after, error: "503".into() }, 1);
        desk.look(1);
        assert_eq!(desk.told(), ["page ada by chat: Planned"]);
        desk.epoch = 2;
        desk.alert("page", AlertState::Recovered, 20);
        desk.run(20, 20);
        assert_eq!(desk.told(), told, "{after:?}");
    }
}

#[test]
fn a_new_leader_leaves_a_ticket_alone_that_has_nothing_unfinished() {
    let mut desk = Desk::open("page");
    desk.run(0, 1);
    desk.epoch = 2;
    assert!(!desk.look(2).changed);
}

#[test]
fn a_channel_that_left_the_policy_fails_what_was_planned_for_it() {
    let mut desk = Desk::open("page");
    desk.look(0);
    let mut live = Policy::clone(desk.live.as_ref().unwrap());
    live.channels.remove("chat");
    desk.live = Some(Arc::new(live));
    desk.look(1);
    assert_eq!(desk.told(), ["page ada by chat: Failed", "page ada by sms: Planned"], "her next rule is used at once");
    let cancelled = desk.last.as_ref().unwrap().cancel.iter().map(|id| id.0.to_string()).collect::<Vec<_>>();
    assert_eq!(cancelled, [desk.status().notifications[0].id.clone()], "and it is not tried on");
    assert!(desk.status().notifications[0].error.as_ref().unwrap().contains("no longer in policy payments/payments"));
}

#[test]
fn what_does_not_get_through_is_tried_on_and_the_persons_next_rule_is_used_now() {
    let failures = [
        (Delivery::Retry { after: None, error: "refused".into() }, 2, NotificationState::Planned),
        (Delivery::Uncertain { error: "no answer".into() }, 2, NotificationState::Uncertain),
        (
            Delivery::Retry { after: Some(std::time::Duration::from_secs(31)), error: "429".into() },
            1,
            NotificationState::Planned,
        ),
        (Delivery::Failed { error: "410".into() }, 1, NotificationState::Failed),
    ];
    for (delivery, attempts, state) in failures {
        let (mut desk, id) = paged();
        desk.report(&id, delivery, 1);
        desk.reports[0].attempts = attempts;
        desk.look(1);
        assert_eq!(desk.told(), [format!("page ada by chat: {state:?}"), "page ada by sms: Planned".to_owned()]);
        assert_eq!(desk.status().notifications[1].planned_at, at(1));
    }
}

#[test]
fn a_failed_attempt_stays_planned_and_says_why() {
    let (mut desk, id) = paged();
    desk.report(&id, Delivery::Retry { after: None, error: "connect to 10.0.0.1:25: refused".into() }, 1);
    desk.look(1);
    let notification = &desk.status().notifications[0];
    assert_eq!((notification.state, notification.attempts), (NotificationState::Planned, 1));
    assert_eq!(notification.error.as_deref(), Some("connect to 10.0.0.1:25: refused"));
}
