//! A small policy that is right, and what is said when one thing in it is not.

use domain::policy::{NotifyTarget as Target, ShareWith as Shared};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

mod routes;

fn right() -> Value {
    json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy", "metadata": {"name": "payments", "namespace": "payments"},
        "spec": {
            "match": ["team=\"payments\""],
            "lastResort": [{"channel": "chat"}],
            "people": [
                {"name": "ada", "users": ["oidc:ada@acme.example"], "email": "ada@acme.example"},
                {"name": "bob", "notify": [{"channel": "chat"}, {"after": "5m", "channel": "chat", "severity": "page"}]},
            ],
            "channels": [
                {"name": "chat", "webhook": {"url": "https://chat.acme.example/hook"}},
                {"name": "mail", "email": {"from": "support@acme.example", "smarthost": "smtp.acme.example:587"}},
            ],
            "schedules": [{"name": "primary", "timeZone": "Europe/Berlin", "layers": [
                {"name": "week", "people": ["ada", "bob"], "start": "2026-11-02", "handover": "09:00", "every": "1w"},
            ]}],
            "escalations": [{"name": "page", "steps": [
                {"after": "0s", "notify": [{"schedule": "primary"}]},
                {"after": "10m", "notify": [{"person": "bob"}, {"channel": "chat"}]},
            ]}],
            "routes": [
                {"name": "pages", "match": ["severity=\"page\""], "escalation": "page", "priority": "P1"},
                {"name": "db", "under": "pages", "match": ["service=\"db\""]},
                {"name": "rest", "notify": [{"channel": "chat"}]},
            ],
        },
    })
}

/// What is said of the right policy with one value of it replaced.
fn said_of(pointer: &str, written: Value) -> Vec<String> {
    let mut value = right();
    *value.pointer_mut(pointer).unwrap_or_else(|| panic!("nothing at {pointer}")) = written;
    let policy = serde_json::from_value(value).unwrap();
    let problems = match validate(&policy) {
        Ok(valid) => valid.warnings,
        Err(problems) => problems,
    };
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_right_policy_is_read_without_a_word() {
    let valid = validate(&serde_json::from_value(right()).unwrap()).unwrap();
    assert_eq!(valid.warnings, []);
    let policy = valid.value;
    assert_eq!((policy.namespace.as_str(), policy.name.as_str(), policy.order), ("payments", "payments", 100));
    assert_eq!(policy.share_with, Shared::Nobody);
    assert_eq!(policy.correlate, ["service"]);
    assert_eq!(policy.last_resort, [Target::Channel("chat".into())]);
    assert_eq!(policy.schedules["primary"].layers[0].every_days, 7);
    assert_eq!(policy.escalations["page"].repeat, domain::policy::Repeat::default());
    assert_eq!(policy.routes[1].under.as_deref(), Some("pages"));
}

#[test]
fn a_person_without_rules_gets_mail_at_once_through_the_first_email_channel() {
    let policy = validate(&serde_json::from_value(right()).unwrap()).unwrap().value;
    let rules: Vec<_> = policy.people["ada"].rules.iter().map(|rule| (rule.after, rule.channel.as_str())).collect();
    assert_eq!(rules, [(Duration::ZERO, "mail")]);
}

#[rstest]
#[case("/spec/escalations/0/steps/1/notify/0", json!({"person": "bop"}), "spec.escalations[0].steps[1].notify[0].person: no person is called `bop`; did you mean `bob`?")]
#[case("/spec/escalations/0/steps/0/notify/0", json!({"schedule": "primry"}), "spec.escalations[0].steps[0].notify[0].schedule: no schedule is called `primry`; did you mean `primary`?")]
#[case("/spec/lastResort/0", json!({"channel": "chad"}), "spec.lastResort[0].channel: no channel is called `chad`; did you mean `chat`?")]
#[case("/spec/lastResort/0", json!({"channel": "mail"}), "spec.lastResort[0].channel: the email channel `mail` has no `to`, so only people can be reached through it; give it one or name a person")]
#[case("/spec/lastResort/0", json!({}), "spec.lastResort[0]: expected exactly one of person, schedule and channel, found none")]
#[case("/spec/people/1/notify/0/channel", json!("chart"), "spec.people[1].notify[0].channel: no channel is called `chart`; did you mean `chat`?")]
#[case("/spec/people/1/notify/0/channel", json!("mail"), "spec.people[1].notify[0].channel: `mail` is an email channel, and `bob` has no email address")]
#[case("/spec/people/1", json!({"name": "bob"}), "spec.people[1]: expected an email address or notify rules, else this person cannot be reached")]
#[case("/spec/schedules/0/layers/0/people", json!(["ada", "eve"]), "spec.schedules[0].layers[0].people[1]: no person is called `eve`; known: ada, bob")]
#[case("/spec/schedules/0/timeZone", json!("Europe/Berln"), "spec.schedules[0].timeZone: no time zone is called `Europe/Berln`; did you mean `Europe/Berlin`?")]
#[case("/spec/schedules/0/layers/0/start", json!("2026-02-30"), "spec.schedules[0].layers[0].start: expected a date that exists, such as `2026-11-02`, found `2026-02-30`")]
#[case("/spec/schedules/0/layers/0/every", json!("36h"), "spec.schedules[0].layers[0].every: expected whole days from 1d to 366d, such as `1d` or `1w`, found `36h`")]
#[case("/spec/escalations/0/steps/0/after", json!("20m"), "spec.escalations[0].steps[1].after: expected at least 20m, the `after` of the step before, found `10m`; `after` counts from the start of the cycle, not from the step before")]
#[case("/spec/routes/1/under", json!("page"), "spec.routes[1].under: no route is called `page`; did you mean `pages`?")]
#[case("/spec/routes/1/under", json!("db"), "spec.routes[1].under: a route cannot stand under itself: db → db; leave `under` out on the route that comes first")]
#[case("/spec/routes/1/name", json!("pages"), "spec.routes[1].name: expected route names to be unique, found `pages` again")]
#[case("/spec/routes/0/escalation", json!("pge"), "spec.routes[0].escalation: no escalation is called `pge`; did you mean `page`?")]
#[case("/spec/channels/0/webhook/url", json!("http://chat.acme.example/hook"), "spec.channels[0].webhook.url: expected https: http is only for hosts inside the cluster")]
#[case("/spec/channels/1/email/smarthost", json!("smtp.acme.example"), "spec.channels[1].email.smarthost: expected host:port, such as `mail.acme.example:587` or `[2001:db8::1]:587`, found `smtp.acme.example`, which has no port")]
fn what_is_wrong_is_said_with_its_path_and_what_to_write(
    #[case] pointer: &str,
    #[case] written: Value,
    #[case] expected: &str,
) {
    let said = said_of(pointer, written);
    assert!(said.iter().any(|line| line == expected), "{said:#?}");
}

#[test]
fn all_problems_are_said_at_once() {
    let mut value = right();
    value["spec"]["lastResort"] = json!([{"person": "nobody"}]);
    value["spec"]["routes"][0]["escalation"] = json!("none");
    value["spec"]["schedules"][0]["timeZone"] = json!("Mars/Olympus");
    let problems = validate(&serde_json::from_value(value).unwrap()).unwrap_err();
    assert_eq!(problems.iter().filter(|problem| problem.is_error()).count(), 3, "{problems:#?}");
}

#[test]
fn a_policy_whose_only_channels_are_webhooks_cannot_mail_anybody() {
    let said = said_of("/spec/channels/1", json!({"name": "other", "webhook": {"url": "https://other.acme.example/"}}));
    assert_eq!(
        said,
        ["spec.people[0].email: `ada` cannot be reached: no channel is an email channel; add one, or notify rules"]
    );
}

#[test]
fn an_escalation_that_no_route_uses_is_a_warning() {
    let said = said_of("/spec/routes/0/escalation", Value::Null);
    assert!(
        said.iter().any(|line| line == "spec.escalations[0].name: no route uses the escalation `page`"),
        "{said:?}"
    );
}

#[test]
fn an_inhibition_whose_targets_are_all_sources_holds_little_and_is_said_to() {
    let mut value = right();
    value["spec"]["inhibit"] = json!([{"name": "all", "source": ["severity=~\"page|ticket\""], "target": ["severity=\"ticket\""], "equal": ["service", "service"]}]);
    let valid = validate(&serde_json::from_value(value).unwrap()).unwrap();
    let said: Vec<String> = valid.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "spec.inhibit[0]: whatever matches `target` matches `source` too, and an alert that matches both sides is held only by one that is no target: write what tells the cause from what it explains; add a matcher to `source` that no target fulfils",
            "spec.inhibit[0].equal[1]: `service` is named before in this list; it changes nothing",
        ]
    );
    assert_eq!(valid.value.inhibit[0].equal, ["service", "service"]);
}

#[test]
fn a_target_whose_people_have_no_rule_for_the_severity_is_a_warning_with_what_to_write() {
    let only_tickets = json!([{"channel": "chat", "severity": "ticket"}]);
    let bob = "`bob` has rules only for other severities than page; give them a rule without `severity`";
    assert_eq!(
        said_of("/spec/people/1/notify", only_tickets),
        [
            "spec.people[1].notify: every rule names a severity, so other severities do not reach `bob`".to_owned(),
            format!("spec.escalations[0].steps[0].notify[0]: {bob}"),
            format!("spec.escalations[0].steps[1].notify[0]: {bob}"),
        ]
    );
}

#[test]
fn a_step_that_reaches_nobody_for_the_severity_of_its_routes_is_a_warning() {
    let mut value = right();
    value["spec"]["people"][1]["notify"] = json!([{"channel": "chat", "severity": "ticket"}]);
    value["spec"]["escalations"][0]["steps"][1]["notify"] = json!([{"person": "bob"}]);
    let said = |value: &Value| {
        let valid = validate(&serde_json::from_value(value.clone()).unwrap()).unwrap();
        valid.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(
        said(&value).contains(
            &"spec.escalations[0].steps[1].notify: this step reaches nobody for severity page: `bob` has rules only for other \
              severities than page; give them a rule without `severity`"
                .to_owned()
        ),
        "{:#?}",
        said(&value)
    );
    value["spec"]["routes"][0]["match"] = json!(["severity=\"ticket\""]);
    assert!(said(&value).iter().all(|line| !line.contains("reaches nobody")), "{:#?}", said(&value));
}

#[test]
fn a_last_resort_whom_no_page_reaches_is_an_error() {
    let mut value = right();
    value["spec"]["people"][1]["notify"] = json!([{"channel": "chat", "severity": "ticket"}]);
    value["spec"]["lastResort"] = json!([{"person": "bob"}]);
    let problems = validate(&serde_json::from_value(value).unwrap()).unwrap_err();
    let said: Vec<String> = problems.iter().filter(|problem| problem.is_error()).map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "spec.lastResort: expected somebody whom a page reaches, but `bob` has rules only for other severities than page; name a channel, or give them a rule without `severity`"
        ]
    );
}

/// The right policy with these layers, and a calendar `office` of weekdays from 09:00 to 17:00 in Berlin.
fn said_of_layers(layers: &Value) -> Vec<String> {
    let hours = json!(["09:00-17:00"]);
    let week = json!({"monday": hours, "tuesday": hours, "wednesday": hours, "thursday": hours, "friday": hours});
    let mut value = right();
    value["spec"]["calendars"] = json!([{"name": "office", "timeZone": "Europe/Berlin", "week": week}]);
    value["spec"]["schedules"][0]["layers"] = layers.clone();
    let problems = match validate(&serde_json::from_value(value).unwrap()) {
        Ok(valid) => valid.warnings,
        Err(problems) => problems,
    };
    problems.iter().map(ToString::to_string).collect()
}

/// A layer of ada and bob from Monday 2 November 2026, 09:00, with these fields otherwise.
fn layer(name: &str, otherwise: &Value) -> Value {
    let mut layer =
        json!({"name": name, "people": ["ada", "bob"], "start": "2026-11-02", "handover": "09:00", "every": "1d"});
    for (field, value) in otherwise.as_object().unwrap() {
        layer[field] = value.clone();
    }
    layer
}

#[rstest]
#[case::right(&[json!({}), json!({"during": "office"})], &[])]
#[case::handed_over_at_the_opening(&[json!({}), json!({"during": "office", "handover": "09:00"})], &[])]
#[case::unknown(
    &[json!({"during": "ofice"})],
    &["spec.schedules[0].layers[0].during: no calendar is called `ofice`; did you mean `office`?"]
)]
#[case::in_the_middle(
    &[json!({}), json!({"during": "office", "handover": "12:00"})],
    &["spec.schedules[0].layers[1].handover: the handover at 2026-11-03T12:00:00+01:00 falls into the hours of `office`: \
       the person on call changes in the middle of them; hand over when the calendar is closed, or when it opens"]
)]
#[case::one_person_hands_over_to_nobody(&[json!({}), json!({"during": "office", "handover": "12:00", "people": ["ada"]})], &[])]
#[case::hidden(
    &[json!({"during": "office"}), json!({})],
    &["spec.schedules[0].layers[0]: never applies: the later layer `layer-1` begins no later and counts whenever this one \
       does; later layers win"]
)]
#[case::hidden_in_the_same_hours(
    &[json!({}), json!({"during": "office"}), json!({"during": "office", "start": "2026-11-01"})],
    &["spec.schedules[0].layers[1]: never applies: the later layer `layer-2` begins no later and counts whenever this one \
       does; later layers win"]
)]
#[case::the_rotation_before_a_new_one(&[json!({}), json!({"start": "2027-01-04"})], &[])]
#[case::twice_in_a_row(&[json!({"people": ["ada", "ada", "bob"]})], &[])]
fn what_is_odd_about_layers_is_said(#[case] layers: &[Value], #[case] expected: &[&str]) {
    let layers: Vec<Value> =
        layers.iter().enumerate().map(|(i, otherwise)| layer(&format!("layer-{i}"), otherwise)).collect();
    assert_eq!(said_of_layers(&json!(layers)), expected);
}
