//! The index is driven by calls and tested without a server.

use serde_json::{Value, json};

use super::*;

fn policy(name: &str, spec: &Value) -> SupportPolicy {
    let value = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy",
        "metadata": {"name": name, "namespace": "payments", "uid": "p"}, "spec": spec,
    });
    serde_json::from_value(value).unwrap()
}

fn valid() -> Value {
    json!({
        "lastResort": [{"channel": "ops"}],
        "channels": [{"name": "ops", "webhook": {"url": "https://ops.acme.example/"}}],
    })
}

fn ticket(name: &str, version: u64, previous: &str, status: &Value) -> Arc<Ticket> {
    let value = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
        "metadata": {
            "name": name, "namespace": "payments", "uid": name, "resourceVersion": version.to_string(),
            "creationTimestamp": "2026-11-23T03:00:00Z",
        },
        "spec": {"title": "t", "origin": {
            "policy": "payments", "policyNamespace": "payments", "policyRevision": "r", "route": "pages",
            "groupKey": "service=\"checkout\"", "previous": previous, "firstStart": "2026-11-23T03:00:00Z", "severity": "page",
            "alerts": [{"fingerprint": "28a5f3855e9d7caa", "labels": {"alertname": "x"}, "startsAt": "2026-11-23T03:00:00Z"}],
        }},
        "status": status,
    });
    Arc::new(serde_json::from_value(value).unwrap())
}

#[test]
fn what_a_ticket_went_by_is_known_when_it_is_gone() {
    let mut world = World::new("firstline-system");
    let mut island = ticket("inc-a", 1, "", &Value::Null).as_ref().clone();
    let (id, opened_at) = ("7a0b6c1e-5d2f-5c3a-9b84-1f0e2d3c4b5a".to_owned(), jiff::Timestamp::UNIX_EPOCH);
    island.spec.origin.as_mut().unwrap().island = Some(api::ticket::Island { id: id.clone(), opened_at });
    assert!(!world.has_seen(&id));
    let in_memory_alone =
        Ticket { metadata: kube::api::ObjectMeta { resource_version: None, ..island.metadata.clone() }, ..island };
    world.apply_ticket(Arc::new(in_memory_alone.clone()));
    world.delete_ticket(&key("inc-a"));
    assert!(world.has_seen(&id));
    assert_eq!(world.last_twin(), None, "the API has shown none");

    let metadata = kube::api::ObjectMeta { resource_version: Some("8".to_owned()), ..in_memory_alone.metadata };
    world.apply_ticket(Arc::new(Ticket { metadata, ..in_memory_alone }));
    world.delete_ticket(&key("inc-a"));
    assert_eq!(world.last_twin(), Some(opened_at));
}

fn key(name: &str) -> Key {
    Key::new("payments", name)
}

#[test]
fn an_invalid_policy_leaves_the_last_valid_version_in_force_and_its_revision() {
    let mut world = World::new("firstline-system");
    world.apply_policy(policy("payments", &valid()));
    let revision = world.policy(&key("payments")).unwrap().revision();
    world.apply_policy(policy(
        "payments",
        &json!({"lastResort": [{"channel": "nowhere"}], "channels": valid()["channels"]}),
    ));
    let entry = world.policy(&key("payments")).unwrap();
    assert!(entry.compiled.is_some() && entry.problems.iter().any(Problem::is_error));
    assert_eq!(entry.revision(), revision);
    assert_eq!(world.usable_policies().count(), 1);
}

#[test]
fn another_spec_is_another_revision() {
    let mut world = World::new("firstline-system");
    world.apply_policy(policy("payments", &valid()));
    let first = world.policy(&key("payments")).unwrap().revision().unwrap();
    let mut spec = valid();
    spec["order"] = json!(7);
    world.apply_policy(policy("payments", &spec));
    let second = world.policy(&key("payments")).unwrap().revision().unwrap();
    assert!(first.starts_with("payments-") && first != second);
}

#[test]
fn an_older_version_of_a_ticket_changes_nothing() {
    let mut world = World::new("firstline-system");
    assert!(world.apply_ticket(ticket("inc-a", 7, "", &json!(null))));
    assert!(!world.apply_ticket(ticket("inc-a", 6, "", &json!(null))));
    assert!(!world.apply_ticket(ticket("inc-a", 7, "", &json!(null))));
    assert!(world.apply_ticket(ticket("inc-a", 8, "", &json!(null))));
}

#[test]
fn an_older_version_of_a_silence_or_an_override_changes_nothing() {
    let object = |kind: &str, version: u64, spec: Value| {
        json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": kind, "spec": spec,
            "metadata": {"name": "a", "namespace": "payments", "uid": "a", "resourceVersion": version.to_string()},
        })
    };
    let mut world = World::new("firstline-system");
    let (begins, ends) = ("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z");
    for (version, ends) in [(2, begins), (1, ends)] {
        let spec = json!({"matchers": ["a=b"], "startsAt": begins, "endsAt": ends, "reason": "r", "author": "ada"});
        world.apply_silence(serde_json::from_value(object("Silence", version, spec)).unwrap());
        let spec = json!({"policy": "payments", "schedule": "primary", "person": "bob", "from": begins, "until": ends, "reason": "r"});
        world.apply_override(serde_json::from_value(object("OnCallOverride", version, spec)).unwrap());
    }
    assert_eq!(meta::version(world.silence(&key("a")).unwrap().object.as_ref()), 2, "it was expired");
    assert_eq!(meta::version(world.on_call_override(&key("a")).unwrap().object.as_ref()), 2);
}

#[test]
fn an_alert_leads_to_its_ticket_until_it_has_ended() {
    let mut world = World::new("firstline-system");
    world.apply_ticket(ticket("inc-a", 1, "", &json!(null)));
    assert!(world.ticket_of_alert("payments", "28a5f3855e9d7caa").is_some());
    assert!(world.ticket_of_alert("identity", "28a5f3855e9d7caa").is_none());
    let ended = json!({"alerts": {"firing": 0, "resolved": 1, "list": [
        {"fingerprint": "28a5f3855e9d7caa", "name": "x", "state": "Recovered", "since": "2026-11-23T03:05:00Z"}]}});
    world.apply_ticket(ticket("inc-a", 2, "", &ended));
    assert!(world.ticket_of_alert("payments", "28a5f3855e9d7caa").is_none());
}

#[test]
fn of_two_tickets_of_one_second_the_one_that_follows_is_the_newest() {
    let mut world = World::new("firstline-system");
    world.apply_ticket(ticket("inc-b", 2, "inc-a", &json!(null)));
    world.apply_ticket(ticket("inc-a", 1, "", &json!({"state": "Closed"})));
    let group = GroupKey {
        namespace: "payments".into(),
        policy: "payments/payments".into(),
        group: "service=\"checkout\"".into(),
    };
    assert_eq!(world.newest_of_group(&group).unwrap().name_any(), "inc-b");
    world.delete_ticket(&key("inc-b"));
    assert_eq!(world.newest_of_group(&group).unwrap().name_any(), "inc-a");
    world.delete_ticket(&key("inc-a"));
    assert!(world.newest_of_group(&group).is_none());
}

#[test]
fn a_changed_policy_touches_only_the_tickets_that_live_by_it() {
    let mut world = World::new("firstline-system");
    let by = |name: &str| json!({"policy": {"namespace": "payments", "name": name, "revision": "r"}});
    world.apply_ticket(ticket("inc-a", 1, "", &by("payments")));
    world.apply_ticket(ticket("inc-b", 1, "", &by("other")));
    assert_eq!(world.apply_policy(policy("payments", &valid())).tickets, [key("inc-a")]);
}

/// A policy by which what fires as `cause` inhibits the rest.
fn inhibiting() -> Value {
    let mut spec = valid();
    spec["inhibit"] = json!([{"name": "cause", "source": ["alertname=\"cause\""], "target": ["severity=\"page\""]}]);
    spec
}

fn firing(alertname: &str) -> Value {
    json!({"alerts": {"firing": 1, "resolved": 0, "list": [{
        "fingerprint": format!("{:016x}", alertname.len()), "name": alertname, "state": "Firing",
        "since": "2026-11-23T03:00:00Z", "labels": {"alertname": alertname, "severity": "page"}}]}})
}

fn alertnames(labels: &[domain::labels::Labels]) -> Vec<&str> {
    labels.iter().map(|labels| labels["alertname"].as_str()).collect()
}

#[test]
fn what_inhibits_is_what_fires_as_a_source_on_other_tickets_of_the_namespace_by_that_policy() {
    let mut world = World::new("firstline-system");
    world.apply_policy(policy("payments", &inhibiting()));
    world.apply_ticket(ticket("inc-cause", 1, "", &firing("cause")));
    world.apply_ticket(ticket("inc-other", 1, "", &firing("other")));
    let policy = world.usable_policies().next().unwrap().clone();
    assert_eq!(alertnames(&world.inhibiting(&policy, "payments", None)), ["cause"], "what is no source is left out");
    assert!(
        world.inhibiting(&policy, "payments", Some(&key("inc-cause"))).is_empty(),
        "its own alerts are its ticket's"
    );
    assert!(world.inhibiting(&policy, "identity", None).is_empty());

    // It ends; a policy without inhibitions asks for nothing.
    world.apply_ticket(ticket("inc-cause", 2, "", &json!({"alerts": {"firing": 0, "resolved": 1, "list": []}})));
    assert!(world.inhibiting(&policy, "payments", None).is_empty());
    let mut without = (*policy).clone();
    without.inhibit.clear();
    world.apply_ticket(ticket("inc-cause", 3, "", &firing("cause")));
    assert!(world.inhibiting(&without, "payments", None).is_empty());
}

#[test]
fn the_neighbours_of_a_ticket_are_those_on_which_something_fires_by_the_same_policy() {
    let mut world = World::new("firstline-system");
    world.apply_policy(policy("payments", &inhibiting()));
    let cause = ticket("inc-cause", 1, "", &firing("cause"));
    world.apply_ticket(cause.clone());
    world.apply_ticket(ticket("inc-other", 1, "", &firing("other")));
    world.apply_ticket(ticket("inc-quiet", 1, "", &json!({"alerts": {"firing": 0, "resolved": 1, "list": []}})));
    assert_eq!(world.neighbours(&cause), [key("inc-other")]);
    world.delete_ticket(&key("inc-other"));
    assert_eq!(world.neighbours(&cause), []);
    world.apply_ticket(ticket("inc-other", 2, "", &firing("other")));
    world.apply_policy(policy("payments", &valid()));
    assert_eq!(world.neighbours(&cause), [], "without inhibitions nothing is held by another ticket");
}

#[test]
fn the_self_watch_sees_open_tickets_and_those_that_have_something_to_say_still() {
    let message = |state: &str| {
        json!([{
            "id": "5f0c2f4e-7d1a-5c3b-9e2d-1a2b3c4d5e6f", "kind": "resolved", "cycle": 1, "step": 0, "channel": "ops",
            "state": state, "plannedAt": "2026-11-23T03:00:00Z",
        }])
    };
    let mut world = World::new("firstline-system");
    let mut watched = |version, status: Value| {
        world.apply_ticket(ticket("inc-a", version, "", &status));
        world.watched().len()
    };
    assert_eq!(watched(1, json!(null)), 1, "nobody has looked at it yet");
    assert_eq!(watched(2, json!({"state": "Open"})), 1);
    assert_eq!(
        watched(3, json!({"state": "Resolved", "notifications": message("Planned")})),
        1,
        "its end is not told yet"
    );
    assert_eq!(watched(4, json!({"state": "Resolved", "notifications": message("Accepted")})), 0);
    assert_eq!(watched(5, json!({"state": "Open"})), 1, "reopened");
    world.delete_ticket(&key("inc-a"));
    assert_eq!(world.watched(), []);
}

#[test]
fn a_page_that_has_failed_keeps_its_policy_looked_at_until_somebody_has_it() {
    let page = |state: &str| {
        json!({
            "state": "New", "policy": {"namespace": "payments", "name": "payments", "revision": "r"},
            "escalation": {"chain": "page", "cycle": 1, "cycleStart": "2026-11-23T03:00:00Z", "step": 1},
            "notifications": [{
                "id": "5f0c2f4e-7d1a-5c3b-9e2d-1a2b3c4d5e6f", "kind": "page", "cycle": 1, "step": 1, "channel": "ops",
                "state": state, "attempts": 1, "plannedAt": "2026-11-23T03:00:00Z",
            }],
        })
    };
    let mut world = World::new("firstline-system");
    let mut waits = |version, status: Value| {
        world.apply_ticket(ticket("inc-a", version, "", &status));
        world.waits_for_a_channel_of(&key("payments"))
    };
    assert!(waits(1, page("Failed")));
    assert!(waits(2, page("Planned")), "it is tried on");
    assert!(!waits(3, page("Accepted")));
    let mut taken = page("Failed");
    taken["escalation"]["acknowledgedBy"] = json!("ada");
    assert!(!waits(4, taken), "nobody waits for it");
    assert!(!world.waits_for_a_channel_of(&key("another")));
}

#[test]
fn what_no_policy_serves_is_found_by_its_monitor() {
    let mut world = World::new("payments");
    let mut unserved = Ticket::clone(&ticket("inc-a", 1, "", &json!(null)));
    let origin = unserved.spec.origin.as_mut().unwrap();
    let labels = [("alertname", "MonitorDown"), ("monitor", "shop"), ("namespace", "identity")];
    origin.alerts[0].labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let shop = Key::new("identity", "shop");
    world.apply_ticket(Arc::new(unserved.clone()));
    assert_eq!(world.unserved_ticket_of(&shop), None, "a policy serves it");
    unserved.metadata.resource_version = Some("2".into());
    let origin = unserved.spec.origin.as_mut().unwrap();
    (origin.policy, origin.policy_namespace) = (String::new(), String::new());
    world.apply_ticket(Arc::new(unserved));
    assert_eq!(world.unserved_ticket_of(&shop), Some(&key("inc-a")));
    assert_eq!(world.unserved_ticket_of(&key("shop")), None, "another namespace's");
}
