//! Dependencies between monitors, and whom they concern.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

fn key(name: &str) -> Key {
    Key::new("payments", name)
}

fn at(minute: i64) -> Timestamp {
    "2026-11-23T03:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_mins(minute)
}

fn monitor(name: &str, depends_on: &[&str]) -> ServiceMonitor {
    let depends_on: Vec<Value> = depends_on.iter().map(|name| json!({"monitor": name})).collect();
    serde_json::from_value(json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor",
        "metadata": {"name": name, "namespace": "payments", "uid": name, "generation": depends_on.len()},
        "spec": {"service": name, "severity": "page", "probe": {"tcp": {"address": "shop.example:443"}}, "dependsOn": depends_on},
    }))
    .unwrap()
}

fn world(monitors: &[(&str, &[&str])]) -> World {
    let mut world = World::new("firstline-system");
    for (name, depends_on) in monitors {
        assert!(world.apply_monitor(monitor(name, depends_on)));
    }
    world
}

/// The ticket of a monitor that is down, with a status.
fn ticket(world: &World, name: &str, status: &Value) -> Arc<Ticket> {
    let labels = probe::alerts::down_labels(world.monitor(&key(name)).unwrap().compiled.as_ref().unwrap());
    let fingerprint = Fingerprint::of(&labels).to_string();
    let mut whole = json!({
        "severity": "page",
        "alerts": {"firing": 1, "resolved": 0, "list": [
            {"fingerprint": fingerprint, "name": "MonitorDown", "state": "Firing", "since": "2026-11-23T03:00:00Z", "labels": labels}]},
    });
    whole.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
    let value = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"name": format!("inc-{name}"), "namespace": "payments", "uid": name, "resourceVersion": "1"},
        "spec": {"title": "t"}, "status": whole,
    });
    Arc::new(serde_json::from_value(value).unwrap())
}

fn paging() -> Value {
    json!({"state": "Open", "escalation": {"chain": "page", "cycle": 1, "cycleStart": "2026-11-23T03:00:00Z", "step": 1, "found": true}})
}

fn names(keys: &[Key]) -> Vec<&str> {
    keys.iter().map(|key| key.name.as_str()).collect()
}

#[test]
fn a_change_of_a_monitor_concerns_all_that_depends_on_it_and_their_open_tickets() {
    let mut world =
        world(&[("database", &[]), ("gateway", &["database"]), ("shop", &["gateway"]), ("till", &["printer"])]);
    for (name, status) in [("shop", paging()), ("gateway", json!({"state": "Resolved"})), ("till", paging())] {
        let ticket = ticket(&world, name, &status);
        world.apply_ticket(ticket);
    }
    let below = world.below("payments", ["database"]);
    assert_eq!((names(&below.monitors), names(&below.tickets)), (vec!["gateway", "shop"], vec!["inc-shop"]));
    assert_eq!(world.below("identity", ["database"]), Affected::default());
    assert_eq!(names(&world.below("payments", ["printer"]).monitors), ["till"], "although it is not there");
    assert_eq!(names(&world.ancestors(&key("shop"))), ["gateway", "database"]);
    assert_eq!(names(&world.parents(&key("shop"))), ["gateway"]);
    assert_eq!(names(&world.parents(&key("till"))), [] as [&str; 0]);

    // An edit and a deletion are followed.
    world.apply_monitor(monitor("gateway", &[]));
    assert_eq!(world.below("payments", ["database"]), Affected::default());
    world.delete_monitor(&key("till"));
    assert_eq!(world.below("payments", ["printer"]), Affected::default());
}

#[test]
fn the_standings_hold_what_is_asked_about_and_what_is_down_above_it() {
    let mut world =
        world(&[("database", &["disk"]), ("disk", &[]), ("gateway", &["database"]), ("shop", &["gateway"])]);
    let parent = ticket(&world, "database", &paging());
    world.apply_ticket(parent);
    let down: BTreeMap<&str, Timestamp> = [("shop", at(1)), ("gateway", at(0)), ("database", at(0))].into();
    let standings = world.standings("payments", ["shop"], |key| down.get(key.name.as_str()).copied());
    let told = Some(("inc-database".to_owned(), Severity::Page));
    assert_eq!(standings["database"].told, told);
    assert_eq!((standings["gateway"].down_since, &standings["gateway"].told), (Some(at(0)), &None));
    assert_eq!(standings["disk"].down_since, None);
    // What is up passes nothing on, so nothing above it matters.
    let standings = world.standings("payments", ["shop"], |_| None);
    assert_eq!(standings.keys().collect::<Vec<_>>(), ["gateway", "shop"]);
    assert!(world.standings("payments", ["disk"], |_| Some(at(0))).is_empty(), "it depends on nothing");
}

#[rstest::rstest]
#[case::pages(paging(), true)]
#[case::taken(json!({"escalation": {"cycle": 1, "cycleStart": "2026-11-23T03:00:00Z", "acknowledgedBy": "ada"}}), true)]
#[case::a_later_cycle(json!({"escalation": {"cycle": 2, "cycleStart": "2026-11-23T03:00:00Z"}}), true)]
#[case::held_from_its_start(json!({"escalation": {"cycle": 1, "cycleStart": "2026-11-23T03:00:00Z"}}), false)]
#[case::stopped(json!({"escalation": {"cycle": 1, "cycleStart": "2026-11-23T03:00:00Z", "found": true, "stoppedAt": "2026-11-23T03:01:00Z"}}), false)]
#[case::resolved_by_a_person(json!({"state": "Resolved", "escalation": {"cycle": 1, "cycleStart": "2026-11-23T03:00:00Z", "found": true}}), false)]
#[case::reaches_nobody(json!({"conditions": [{"type": "NobodyFound", "status": "True", "reason": "r", "message": "", "lastTransitionTime": "2026-11-23T03:00:00Z"}],
    "escalation": {"cycle": 1, "cycleStart": "2026-11-23T03:00:00Z", "found": true}}), false)]
#[case::was_told_by_a_notice(json!({"notices": [{"route": "rest", "count": 1}]}), true)]
#[case::will_be_told_by_a_notice(json!({"notices": [{"route": "rest", "count": 0, "dueAt": "2026-11-23T03:01:00Z", "due": "First"}]}), true)]
#[case::a_notice_that_is_held(json!({"notices": [{"route": "rest", "count": 0, "dueAt": "2026-11-23T03:01:00Z", "due": "First", "heldBy": "silence"}]}), false)]
#[case::no_route_tells_anybody(json!({}), false)]
fn a_ticket_tells_somebody_when_somebody_was_reached_or_will_be(#[case] status: Value, #[case] tells_somebody: bool) {
    let world = world(&[("database", &[])]);
    let found = tells(&ticket(&world, "database", &status));
    assert_eq!(found, tells_somebody.then_some(Severity::Page));
}

#[test]
fn monitors_in_a_circle_say_so_and_none_of_their_dependencies_counts() {
    let mut world = world(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("shop", &["a"])]);
    let words = |world: &World, name: &str| world.wrong_dependencies(&key(name)).0.map(|problem| problem.to_string());
    assert_eq!(
        words(&world, "b").unwrap(),
        "spec.dependsOn: expected no circle, found b → c → a → b; until it is mended none of these dependencies counts"
    );
    assert_eq!(words(&world, "shop"), None, "it leads into the circle and is not part of it");
    assert_eq!(names(&world.ancestors(&key("shop"))), ["a"]);
    assert!(world.standings("payments", ["a"], |_| Some(at(0))).is_empty());
    // Whoever may be right now is woken by the edit that mends it.
    let mut woken = world.below("payments", ["c"]).monitors;
    woken.sort();
    assert_eq!(names(&woken), ["a", "b", "c", "shop"]);
    world.apply_monitor(monitor("c", &[]));
    assert_eq!(words(&world, "b"), None);
    assert_eq!(names(&world.ancestors(&key("shop"))), ["a", "b", "c"]);
}

#[test]
fn a_dependency_that_is_not_there_is_named_with_what_may_be_meant() {
    let world = world(&[("database", &[]), ("shop", &["databse", "database"])]);
    let (circle, missing) = world.wrong_dependencies(&key("shop"));
    assert_eq!(circle, None);
    let words: Vec<String> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "spec.dependsOn[0].monitor: no ServiceMonitor of namespace payments is called `databse`; did you mean `database`?"
        ]
    );
}
