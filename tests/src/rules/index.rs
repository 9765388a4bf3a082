//! The index of a hundred thousand tickets and five thousand monitors, all of which are down, when a new leader looks at
//! everything or a step of the clock has everything looked at.

use std::{hint::black_box, sync::Arc, time::Duration};

use api::Ticket;
use operator::{index::World, kube::meta::Key};
use serde_json::{Value, json};

use super::Bar;

const TICKETS: usize = 100_000;
/// On the last ticket of each its alert fires; all others are over.
const MONITORS: usize = 5_000;

/// What a round of looks asks, and what it costs to take new versions in.
pub fn bars() -> Vec<Bar> {
    let mut world = World::new("firstline-system");
    (0..TICKETS).for_each(|place| drop(world.apply_ticket(Arc::new(ticket(place)))));
    let monitors: Vec<Key> = (0..MONITORS).map(|monitor| Key::new("payments", name(monitor))).collect();
    assert!(monitors.iter().all(|monitor| world.firing_of(monitor).len() == 1), "each fires once");
    let asked =
        Bar::measure("index: what 5,000 monitors ask of 100,000 tickets", Some(Duration::from_millis(50)), || {
            for monitor in &monitors {
                black_box((world.firing_of(monitor), world.ticket_of(monitor), world.unserved_ticket_of(monitor)));
            }
        });
    let (mut last, mut version) = (ticket(TICKETS - 1), 1_u64);
    // Nobody else can decide meanwhile.
    let taken =
        Bar::measure("index: a new version of one of 100,000 tickets", Some(Duration::from_micros(100)), || {
            version += 1;
            last.metadata.resource_version = Some(version.to_string());
            world.apply_ticket(Arc::new(last.clone()))
        });
    vec![asked, taken]
}

fn name(monitor: usize) -> String {
    format!("monitor-{monitor}")
}

/// The ticket of this number.
fn ticket(place: usize) -> Ticket {
    let (monitor, fires) = (name(place % MONITORS), place >= TICKETS - MONITORS);
    let labels: Value =
        json!({"alertname": "MonitorDown", "monitor": monitor, "namespace": "payments", "severity": "page"});
    let since = "2026-11-23T03:00:00Z";
    let object = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"name": format!("inc-{place}"), "namespace": "payments", "uid": place.to_string(),
            "resourceVersion": "1", "creationTimestamp": since},
        "spec": {"title": "Checkout is down", "origin": {
            "policy": "team", "policyNamespace": "payments", "policyRevision": "r", "route": "pages", "groupKey": monitor,
            "previous": "", "firstStart": since, "severity": "page", "alerts": []}},
        "status": {"state": if fires { "Open" } else { "Closed" },
            "alerts": {"firing": u8::from(fires), "resolved": u8::from(!fires), "list": [
                {"fingerprint": format!("{place:016x}"), "name": "MonitorDown", "labels": labels, "since": since,
                    "state": if fires { "Firing" } else { "Recovered" }}]}},
    });
    serde_json::from_value(object).unwrap_or_else(|error| panic!("ticket {place}: {error}"))
}
