//! The self-watch over an index of a hundred thousand tickets, as a company of many years without an archive has them: one of
//! ten is open, of those one of ten pages and waits for somebody, and each of the closed ones lists ten messages.

use std::{hint::black_box, sync::Arc, time::Duration};

use api::Ticket;
use jiff::{SignedDuration, Timestamp};
use operator::{
    clock::Clock,
    inbox::Inboxes,
    index::World,
    kube::meta::Key,
    queue::Queue,
    watchdog::{Around, pass},
};
use serde_json::{Value, json};

use super::Bar;

const TICKETS: usize = 100_000;

/// What one pass costs, and how long nobody can decide meanwhile.
pub fn bars() -> Vec<Bar> {
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 50);
    let (mut world, queue) = (World::new("firstline-system"), Queue::<Key>::default());
    for place in 0..TICKETS {
        let ticket = ticket(place, now);
        if is_open(place) {
            queue.add_after(Key::of(&ticket), Duration::from_secs(600));
        }
        world.apply_ticket(Arc::new(ticket));
    }
    let (inboxes, clock) = (Inboxes::default(), Clock::simulated(now));
    let around = Around { tickets: &queue, inboxes: &inboxes, clock: &clock };
    // Each decision is written to the index, which waits for whoever reads it.
    let held = Bar::measure("self-watch: 100,000 tickets, the index held", Some(Duration::from_millis(10)), || {
        black_box(&world).watched()
    });
    // A hundredth of a core, every five seconds.
    let whole = Bar::measure("self-watch: one pass over them", Some(Duration::from_millis(50)), || {
        assert_eq!(pass(black_box(&world).watched(), &around, now), 0, "all is well");
    });
    vec![held, whole]
}

fn is_open(place: usize) -> bool {
    place.is_multiple_of(10)
}

/// The ticket of this number.
fn ticket(place: usize, now: Timestamp) -> Ticket {
    let (open, pages) = (is_open(place), place.is_multiple_of(100));
    let name = format!("inc-{place:026}");
    let labels = json!({"alertname": "MonitorDown", "service": format!("service-{place}"), "severity": "page"});
    let told = now - SignedDuration::from_secs(30);
    let message = |number: usize| -> Value {
        json!({
            "id": format!("{:032x}", place * 100 + number), "kind": "page", "cycle": 1, "step": 1, "rule": 1, "sequence": number,
            "person": "ada", "channel": "chat", "state": "Accepted", "attempts": 1, "plannedAt": told, "at": told,
            "receipt": "HTTP 200 OK", "why": "step 1 of escalation page, cycle 1",
        })
    };
    let escalation = json!({
        "chain": "page", "cycle": 1, "cycleStart": told, "step": 1, "nextAt": now + SignedDuration::from_secs(600),
    });
    let object = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"name": name, "namespace": format!("team-{}", place % 100), "uid": name, "resourceVersion": "7", "creationTimestamp": told},
        "spec": {
            "title": "Checkout is down",
            "origin": {
                "policy": "payments", "policyNamespace": "payments", "policyRevision": "payments-1", "route": "pages",
                "groupKey": format!("service=service-{place}"), "previous": "", "firstStart": told, "openedAt": told,
                "severity": "page", "alerts": [{"fingerprint": format!("{place:016x}"), "labels": labels, "startsAt": told}],
            },
        },
        "status": {
            "number": place, "state": if open { "Open" } else { "Closed" }, "epoch": 1, "severity": "page", "priority": "P1",
            "escalation": if pages { escalation } else { Value::Null },
            "alerts": {"firing": u8::from(open), "resolved": u8::from(!open), "list": [{
                "fingerprint": format!("{place:016x}"), "name": "MonitorDown", "state": if open { "Firing" } else { "Recovered" },
                "since": told, "labels": labels,
            }]},
            "notifications": (0..10).map(message).collect::<Vec<_>>(),
        },
    });
    serde_json::from_value(object).unwrap_or_else(|error| panic!("ticket {place}: {error}"))
}
