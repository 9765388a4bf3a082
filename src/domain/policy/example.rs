//! A small policy for tests: ada and bob share `primary`, carol is the head, and everybody reads chat.

use std::{collections::BTreeMap, time::Duration};

use jiff::civil::date;

use super::*;
use crate::{
    message::{WebhookChannel, WebhookUrl},
    time::{LocalTime, zone},
};

/// Minutes as a duration.
pub(crate) fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// A webhook.
pub(crate) fn channel() -> Channel {
    let url = WebhookUrl::Plain("http://chat.acme.example/hook".parse().unwrap());
    Channel::Webhook(WebhookChannel { url, signing_secret: None, ca: None, timeout: Duration::from_secs(10) })
}

/// Somebody with these rules: minutes after the step, and the channel.
pub(crate) fn person(rules: &[(u64, &str)]) -> Person {
    let rule = |(after, channel): &(u64, &str)| PersonalRule {
        after: minutes(*after),
        channel: (*channel).into(),
        severity: None,
    };
    Person { users: Vec::new(), email: None, rules: rules.iter().map(rule).collect() }
}

fn rotation(name: &str, people: &[&str]) -> Schedule {
    let zone = zone("Europe/Berlin").unwrap();
    let layer = Layer {
        name: "week".into(),
        people: people.iter().map(|p| (*p).to_owned()).collect(),
        start: date(2026, 11, 2),
        handover: LocalTime { hour: 9, minute: 0 },
        every_days: 7,
        zone: zone.clone(),
        during: None,
    };
    Schedule { name: name.into(), zone, layers: vec![layer], coverage: NamedCalendar::always() }
}

/// Steps at 0 (primary), 10 min (secondary and chat) and 30 min (carol); once more after 30 min.
pub(crate) fn policy() -> Policy {
    let schedule = |name: &str| NotifyTarget::Schedule(name.into());
    let steps = vec![
        Step { after: minutes(0), notify: vec![schedule("primary")] },
        Step { after: minutes(10), notify: vec![schedule("secondary"), NotifyTarget::Channel("chat".into())] },
        Step { after: minutes(30), notify: vec![NotifyTarget::Person("carol".into())] },
    ];
    let page = EscalationPolicy {
        name: "page".into(),
        steps,
        repeat: Repeat { times: 1, every: minutes(30) },
        ack_timeout: Some(minutes(60)),
    };
    Policy {
        namespace: "payments".into(),
        name: "payments".into(),
        matchers: Vec::new(),
        order: 100,
        share_with: ShareWith::Nobody,
        last_resort: vec![NotifyTarget::Channel("ops".into())],
        severities: BTreeMap::new(),
        correlate: vec!["service".into()],
        people: BTreeMap::from([
            ("ada".to_owned(), person(&[(0, "chat"), (5, "sms")])),
            ("bob".to_owned(), person(&[(0, "chat")])),
            ("carol".to_owned(), person(&[(0, "sms")])),
        ]),
        channels: ["chat", "sms", "ops"].into_iter().map(|name| (name.to_owned(), channel())).collect(),
        schedules: BTreeMap::from([
            ("primary".to_owned(), rotation("primary", &["ada", "bob"])),
            ("secondary".to_owned(), rotation("secondary", &["bob", "ada"])),
        ]),
        escalations: BTreeMap::from([("page".to_owned(), page)]),
        routes: Tree::default(),
        inhibit: Vec::new(),
        calendars: BTreeMap::new(),
        sla: Promises::default(),
        queues: BTreeMap::new(),
        priorities: Vec::new(),
    }
}
