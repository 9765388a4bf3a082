//! The operator's own pieces on simulated time: a look at each deadline, at each act, and when a silence begins or ends.

use std::collections::BTreeSet;

use api::SupportPolicy;
use domain::{
    alert::Severity,
    escalation::{self, Chain, Effect, Event, Page, Situation},
    labels::Labels,
    matcher::Matcher,
    message::MessageKind,
    oncall::Override,
    policy::Policy,
    suppression::{Hold, HoldKind, Silence, silence_for},
    ticket::{NotificationKey, notification_id},
    time,
};
use jiff::{SignedDuration, Timestamp};

use super::{
    Told,
    history::{Act, History, Incident},
};

const POLICY: &str = r#"
apiVersion: firstline.dev/v1alpha1
kind: SupportPolicy
metadata: {name: shop, namespace: shop}
spec:
  lastResort: [{channel: ops}]
  people:
    - {name: ada, notify: [{channel: chat}, {after: 5m, channel: sms}]}
    - {name: bob, notify: [{channel: chat}, {after: 3m, channel: sms}, {after: 75m, channel: phone}]}
    - {name: carol, notify: [{channel: sms}]}
    - {name: dave, notify: [{channel: chat}, {after: 10m, channel: phone}]}
    - {name: head, notify: [{channel: sms}, {after: 15m, channel: phone}]}
  channels:
    - {name: chat, webhook: {url: "https://chat.acme.example/"}}
    - {name: sms, webhook: {url: "https://sms.acme.example/"}}
    - {name: phone, webhook: {url: "https://phone.acme.example/"}}
    - {name: ops, webhook: {url: "https://ops.acme.example/"}}
  schedules:
    - name: primary
      timeZone: Europe/Berlin
      layers: [{name: week, people: [ada, bob, carol], start: "2026-09-28", handover: "09:00", every: 1w}]
    - name: secondary
      timeZone: Europe/Berlin
      layers: [{name: day, people: [dave, carol, bob, ada], start: "2026-09-28", handover: "09:00", every: 1d}]
  escalations:
    - name: page
      steps:
        - {after: 0s, notify: [{schedule: primary}]}
        - {after: 10m, notify: [{schedule: secondary}, {channel: chat}]}
        - {after: 30m, notify: [{person: head}]}
      repeat: {times: 2, every: 30m}
      ackTimeout: 1h
  routes:
    - {name: pages, escalation: page}
"#;

/// Minute 0.
fn at(minute: i64) -> Timestamp {
    // 2026-10-01T00:00:00Z
    Timestamp::from_second(1_790_812_800).expect("a time of this century") + SignedDuration::from_mins(minute)
}

fn minute_of(instant: Timestamp) -> i64 {
    instant.duration_since(at(0)).as_mins()
}

/// A team with its policy.
pub struct Team {
    policy: Policy,
}

/// What the operator would have done about one incident.
#[derive(Debug, Default)]
pub struct Run {
    /// Pages, when they were sent.
    pub told: Vec<Told>,
    /// Pages whose identity was used before.
    pub duplicates: u64,
    /// Looks after which somebody had to act and no deadline was set.
    pub forgotten: u64,
}

impl Team {
    /// The policy, through its parser.
    pub fn new() -> Self {
        let written: SupportPolicy = serde_yaml::from_str(POLICY).expect("the policy is YAML");
        let valid = api::support_policy::validate(&written).expect("the policy is valid");
        Self { policy: valid.value }
    }

    /// From the first alert to the last end. The state of the escalation goes through its stored form each time.
    pub fn run(&self, history: &History, incident: &Incident, uid: &str) -> Run {
        let labels = Labels::from([("service".to_owned(), incident.service.to_owned())]);
        let world = Surroundings::of(history, incident);
        let mut run = Run::default();
        let mut ids = BTreeSet::new();
        let mut chain = Chain::start(at(incident.start));
        let mut acts = incident.acts.iter().peekable();
        let mut minute = incident.start;
        // Bounded by the end of the incident: every look is later than the one before.
        loop {
            let event = acts.next_if(|(when, _)| *when == minute).map(|(_, act)| event(*act, at(minute)));
            let silence = silence_for(&world.silences, "shop", "firstline", &labels, at(minute));
            let hold = silence.map(|silence| Hold {
                by: silence.sentence(),
                kind: HoldKind::Silence,
                until: Some(silence.ends_at),
            });
            let situation = Situation {
                escalation: &self.policy.escalations["page"],
                live: &self.policy,
                overrides: &world.overrides,
                severity: Severity::Page,
                hold: hold.as_ref(),
            };
            for effect in escalation::advance(&mut chain, event, situation, at(minute)) {
                if let Effect::Page(page) = effect {
                    run.duplicates += u64::from(!ids.insert(id(uid, &page)));
                    run.told.push(told(&page, minute));
                }
            }
            let deadline = escalation::next_deadline(&chain, situation, at(minute)).map(minute_of);
            run.forgotten += u64::from(chain.waits_for_a_person() && deadline.is_none_or(|next| next <= minute));
            let stored = serde_json::to_vec(&chain).expect("a chain can be written");
            chain = serde_json::from_slice(&stored).expect("a chain reads back");
            let next_act = acts.peek().map(|(when, _)| *when);
            let Some(next) = next_act.into_iter().chain(deadline).chain(world.next_edge(minute)).min() else { break };
            if next > incident.end() {
                break;
            }
            minute = next;
        }
        run
    }
}

impl Default for Team {
    fn default() -> Self {
        Self::new()
    }
}

/// Overrides and silences as the operator knows them.
struct Surroundings {
    overrides: Vec<Override>,
    silences: Vec<Silence>,
}

impl Surroundings {
    fn of(history: &History, incident: &Incident) -> Self {
        let touches = |from: i64, until: i64| from <= incident.end() && until >= incident.start;
        let overrides = history.overrides.iter().enumerate().filter(|(_, o)| touches(o.from, o.until));
        let silences = history.silences.iter().enumerate().filter(|(_, s)| touches(s.from, s.until));
        Self {
            overrides: overrides
                .map(|(i, o)| Override {
                    name: format!("override-{i}"),
                    schedule: o.schedule.to_owned(),
                    person: o.person.to_owned(),
                    replaces: None,
                    from: at(o.from),
                    until: at(o.until),
                    created: at(-1_000 + i as i64),
                })
                .collect(),
            silences: silences
                .map(|(i, s)| Silence {
                    namespace: "shop".to_owned(),
                    name: format!("silence-{i}"),
                    matchers: vec![Matcher::parse(&format!("service={}", s.service)).expect("a matcher")],
                    starts_at: at(s.from),
                    ends_at: at(s.until),
                    reason: "deploy".to_owned(),
                    author: "ada".to_owned(),
                })
                .collect(),
        }
    }

    /// When a silence begins or ends next.
    fn next_edge(&self, minute: i64) -> Option<i64> {
        let edges = self.silences.iter().flat_map(|silence| [silence.starts_at, silence.ends_at]);
        edges.map(minute_of).filter(|edge| *edge > minute).min()
    }
}

fn event(act: Act, at: Timestamp) -> Event {
    let by = "ada".to_owned();
    match act {
        Act::Acknowledge => Event::Acknowledge { by, at },
        Act::Note => Event::Activity { at },
        Act::Snooze(minutes) => {
            let until = time::after(at, std::time::Duration::from_secs(minutes.unsigned_abs() * 60));
            Event::Snooze { by, at, until }
        }
        Act::GiveBack => Event::Unacknowledge { at },
        Act::Escalate(step) => Event::EscalateTo { step, at },
        Act::End => Event::Stop { at },
        Act::Refire => Event::Refire { at },
        Act::Worse => Event::Restart { at },
    }
}

fn id(uid: &str, page: &Page) -> domain::message::NotificationId {
    notification_id(&NotificationKey {
        ticket_uid: uid,
        kind: MessageKind::Page,
        cycle: page.cycle,
        step: page.step,
        person: page.person.as_deref().unwrap_or_default(),
        channel: &page.channel,
        rule: page.rule,
        sequence: u64::from(page.sequence),
    })
}

/// The names of the policy, as the reckoning writes them.
fn told(page: &Page, minute: i64) -> Told {
    let known = |name: &str| {
        let names = ["ada", "bob", "carol", "dave", "head", "chat", "sms", "phone", "ops"];
        names.into_iter().find(|known| *known == name).unwrap_or("")
    };
    (minute, page.step, page.person.as_deref().map_or("", known), known(&page.channel))
}
