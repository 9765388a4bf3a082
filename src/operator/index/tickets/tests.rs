//! The index answers as one would who walks all tickets each time.

use std::collections::BTreeMap;

use domain::policy::Policy;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SYSTEM: &str = "firstline-system";
const NAMESPACES: [&str; 3] = ["payments", "identity", SYSTEM];
const NAMES: [&str; 4] = ["inc-a", "inc-b", "inc-c", "inc-d"];
const MONITORS: [&str; 3] = ["shop", "till", ""];
const GROUPS: [&str; 2] = ["service=\"shop\"", "service=\"till\""];

/// One alert of a ticket: whose it is by its labels, whether a monitor's kind, and whether it fires.
#[derive(Debug, Clone)]
struct Line {
    monitor: &'static str,
    namespace: &'static str,
    alertname: &'static str,
    fires: bool,
}

impl Line {
    fn labels(&self) -> Value {
        json!({"alertname": self.alertname, "monitor": self.monitor, "namespace": self.namespace})
    }

    fn fingerprint(&self) -> String {
        format!("{}{}{}", self.alertname, self.monitor, self.namespace)
    }
}

/// A ticket as it is from now on, or that it is gone.
#[derive(Debug, Clone)]
struct Change {
    key: (&'static str, &'static str),
    to: Option<To>,
}

#[derive(Debug, Clone)]
struct To {
    group: &'static str,
    is_over: bool,
    /// Without a status those alerts fire with which it was created.
    has_status: bool,
    lines: Vec<Line>,
    causes: Vec<&'static str>,
}

fn line() -> impl Strategy<Value = Line> {
    let alertname = prop::sample::select(&["MonitorDown", "CertificateExpiry", "DiskFull"][..]);
    let namespace = prop::sample::select(&NAMESPACES[..2]);
    (prop::sample::select(&MONITORS[..]), namespace, alertname, any::<bool>())
        .prop_map(|(monitor, namespace, alertname, fires)| Line { monitor, namespace, alertname, fires })
}

fn change() -> impl Strategy<Value = Change> {
    let lines = prop::collection::vec(line(), 0..4);
    let causes = prop::collection::vec(prop::sample::select(&NAMES[..]), 0..2);
    let to = (prop::sample::select(&GROUPS[..]), any::<bool>(), any::<bool>(), lines, causes)
        .prop_map(|(group, is_over, has_status, lines, causes)| To { group, is_over, has_status, lines, causes });
    let key = (prop::sample::select(&NAMESPACES[..]), prop::sample::select(&NAMES[..]));
    (key, prop::option::weighted(0.8, to)).prop_map(|(key, to)| Change { key, to })
}

fn ticket((namespace, name): (&str, &str), to: &To, version: usize) -> Arc<Ticket> {
    let (created, listed): (Vec<&Line>, Vec<&Line>) = to.lines.iter().partition(|_| !to.has_status);
    let created = created.into_iter().map(
        |line| json!({"fingerprint": line.fingerprint(), "labels": line.labels(), "startsAt": "2026-11-23T03:00:00Z"}),
    );
    let listed = listed.into_iter().map(|line| {
        json!({"fingerprint": line.fingerprint(), "name": line.alertname, "labels": line.labels(),
            "state": if line.fires { "Firing" } else { "Recovered" }, "since": "2026-11-23T03:00:00Z"})
    });
    let links = to.causes.iter().map(|cause| json!({"relation": "causedBy", "ticket": cause}));
    let status = json!({
        "state": if to.is_over { "Resolved" } else { "Open" }, "links": links.collect::<Vec<_>>(),
        "alerts": {"firing": 0, "resolved": 0, "list": listed.collect::<Vec<_>>()},
    });
    let value = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("{namespace}/{name}"),
            "resourceVersion": version.to_string(), "creationTimestamp": "2026-11-23T03:00:00Z"},
        "spec": {"title": "t", "origin": {
            "policy": "team", "policyNamespace": namespace, "policyRevision": "r", "route": "pages", "groupKey": to.group,
            "previous": "", "firstStart": "2026-11-23T03:00:00Z", "severity": "page", "alerts": created.collect::<Vec<_>>()}},
        "status": if to.has_status { status } else { Value::Null },
    });
    Arc::new(serde_json::from_value(value).unwrap())
}

/// What the index was told last of each ticket, and the answers of whoever walks it all.
#[derive(Default)]
struct Walk(BTreeMap<(&'static str, &'static str), To>);

impl Walk {
    fn firing(&self) -> impl Iterator<Item = (Key, &To, &Line)> {
        let all = self.0.iter().flat_map(|(key, to)| to.lines.iter().map(move |line| (key, to, line)));
        all.filter(|(_, to, line)| line.fires || !to.has_status)
            .map(|(key, to, line)| (Key::new(key.0, key.1), to, line))
    }

    /// An alert counts as a monitor's when its labels say so and monitors have alerts of that name.
    fn of(&self, monitor: &Key) -> impl Iterator<Item = (Key, &Line)> {
        let own = move |line: &Line| {
            line.monitor == monitor.name && line.namespace == monitor.namespace && line.alertname != "DiskFull"
        };
        self.firing().filter(move |(_, _, line)| own(line)).map(|(key, _, line)| (key, line))
    }
}

fn sorted<T: Ord>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.into_iter().collect();
    all.sort_unstable();
    all
}

fn compare(world: &World, walk: &Walk) -> Result<(), TestCaseError> {
    for (namespace, name) in NAMESPACES.iter().flat_map(|namespace| MONITORS.map(|name| (*namespace, name))) {
        let monitor = Key::new(namespace, name);
        let here = |key: &Key| key.namespace == namespace || key.namespace == SYSTEM;
        let expected = walk.of(&monitor).filter(|(key, _)| here(key)).map(|(_, line)| line.fingerprint());
        let found = world.firing_of(&monitor);
        let found =
            found.iter().map(|labels| ["alertname", "monitor", "namespace"].map(|name| &*labels[name]).concat());
        // An alert of no monitor is nobody's.
        let expected = if name.is_empty() { Vec::new() } else { sorted(expected) };
        prop_assert_eq!(sorted(found), expected, "what fires of {}", monitor);
        let expected = walk.of(&monitor).map(|(key, _)| key).filter(|key| key.namespace == namespace).min();
        prop_assert_eq!(world.ticket_of(&monitor), expected.as_ref().filter(|_| !name.is_empty()));
    }
    for (_, _, line) in walk.firing() {
        for namespace in NAMESPACES {
            let holders = walk
                .firing()
                .filter(|(key, _, other)| key.namespace == namespace && other.fingerprint() == line.fingerprint());
            let found = world.ticket_of_alert(namespace, &line.fingerprint()).map(|ticket| Key::of(ticket.as_ref()));
            prop_assert_eq!(found, holders.map(|(key, ..)| key).max(), "of tickets of one second the last by name");
        }
    }
    for (namespace, name) in NAMESPACES.iter().flat_map(|namespace| NAMES.map(|name| (*namespace, name))) {
        let cause = Key::new(namespace, name);
        let open = walk.0.iter().filter(|((other, _), to)| *other == namespace && to.has_status && !to.is_over);
        let expected =
            open.filter(|(_, to)| to.causes.contains(&name)).map(|((_, name), _)| Key::new(namespace, *name));
        prop_assert_eq!(world.caused_by(&cause), sorted(expected));
    }
    for namespace in NAMESPACES {
        let policy = Policy { name: "team".into(), namespace: namespace.into(), ..inhibiting() };
        let expected =
            walk.firing().filter(|(key, ..)| key.namespace == namespace).map(|(_, _, line)| line.fingerprint());
        let found = world.inhibiting(&policy, namespace, None);
        let found =
            found.iter().map(|labels| ["alertname", "monitor", "namespace"].map(|name| &*labels[name]).concat());
        prop_assert_eq!(sorted(found), sorted(expected), "what may inhibit in {}", namespace);
        for group in GROUPS {
            let of_group = |(key, to): &(&(&str, &str), &To)| key.0 == namespace && to.group == group;
            let key =
                GroupKey { namespace: namespace.into(), policy: format!("{namespace}/team"), group: group.into() };
            prop_assert_eq!(world.newest_of_group(&key).is_some(), walk.0.iter().any(|one| of_group(&one)));
        }
    }
    Ok(())
}

/// A policy by which everything that fires is a source of inhibition.
fn inhibiting() -> Policy {
    let object = serde_json::from_value(json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy", "metadata": {"name": "team", "namespace": "payments"},
        "spec": {
            "lastResort": [{"channel": "ops"}],
            "channels": [{"name": "ops", "webhook": {"url": "https://ops.acme.example/"}}],
            "inhibit": [{"name": "any", "source": ["alertname=~\".+\""], "target": ["severity=\"info\""]}],
        },
    }));
    api::support_policy::validate(&object.unwrap()).unwrap().value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn after_any_changes_it_answers_as_a_walk_does(changes in prop::collection::vec(change(), 1..24)) {
        let (mut world, mut walk) = (World::new(SYSTEM), Walk::default());
        for (version, Change { key, to }) in (1..).zip(changes) {
            match to {
                Some(to) => {
                    prop_assert!(world.apply_ticket(ticket(key, &to, version)));
                    walk.0.insert(key, to);
                }
                None => {
                    world.delete_ticket(&Key::new(key.0, key.1));
                    walk.0.remove(&key);
                }
            }
            compare(&world, &walk)?;
        }
        for (namespace, name) in walk.0.into_keys() {
            world.delete_ticket(&Key::new(namespace, name));
        }
        prop_assert_eq!(format!("{world:?}"), format!("{:?}", World::new(SYSTEM)), "nothing is left");
    }
}
