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
    assert_eq!(next_change(&policy(), now.parse().unwrap()), Some(again.parse().unwrap()));
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
    assert_eq!(on_call(&policy(), "primary", now), expected);
}
