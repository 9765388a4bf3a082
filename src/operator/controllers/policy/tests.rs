//! When a policy's status is another one.

use rstest::rstest;
use serde_json::json;

use super::*;

/// ada and bob week by week from 2 November 2026, 09:00 UTC.
fn policy() -> Policy {
    let object = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy", "metadata": {"name": "payments", "namespace": "payments"},
        "spec": {
            "lastResort": [{"schedule": "primary"}],
            "people": [{"name": "ada", "email": "ada@acme.example"}, {"name": "bob", "email": "bob@acme.example"}],
            "channels": [{"name": "mail", "email": {"from": "a@acme.example", "smarthost": "smtp.acme.example:587"}}],
            "schedules": [{"name": "primary", "timeZone": "UTC", "layers": [
                {"name": "week", "people": ["ada", "bob"], "start": "2026-11-02", "handover": "09:00", "every": "1w"},
            ]}],
        },
    });
    api::support_policy::validate(&serde_json::from_value(object).unwrap()).unwrap().value
}

#[rstest]
#[case::at_a_handover("2026-11-05T00:00:00Z", "2026-11-09T09:00:00Z")]
#[case::when_a_gap_ends("2026-11-01T00:00:00Z", "2026-11-02T09:00:00Z")]
#[case::when_the_horizon_is_reached("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z")]
fn the_status_is_looked_at_again_when_it_changes(#[case] now: &str, #[case] again: &str) {
    assert_eq!(next_change(&policy(), &[], now.parse().unwrap()), Some(again.parse().unwrap()));
}

#[test]
fn who_is_on_call_is_told_with_the_next_one() {
    let now = "2026-11-05T00:00:00Z".parse().unwrap();
    let expected = OnCall {
        schedule: "primary".into(),
        now: Some("ada".into()),
        until: Some("2026-11-09T09:00:00Z".parse().unwrap()),
        next: Some("bob".into()),
    };
    assert_eq!(on_call(&policy(), "primary", &[], now), expected);
}

#[test]
fn an_override_is_shown_and_its_end_is_when_the_status_changes_next() {
    let now = "2026-11-05T00:00:00Z".parse().unwrap();
    let until: Timestamp = "2026-11-05T06:00:00Z".parse().unwrap();
    let swap = Override {
        name: "swap".into(),
        schedule: "primary".into(),
        person: "bob".into(),
        replaces: Some("ada".into()),
        from: "2026-11-04T18:00:00Z".parse().unwrap(),
        until,
        created: now,
    };
    let shown = on_call(&policy(), "primary", std::slice::from_ref(&swap), now);
    assert_eq!((shown.now.as_deref(), shown.until, shown.next.as_deref()), (Some("bob"), Some(until), Some("ada")));
    assert_eq!(next_change(&policy(), &[swap], now), Some(until));
}
