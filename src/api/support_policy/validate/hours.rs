//! Hours that never come: calendars that are named somewhere and have no working time any more.
//!
//! Apart from the rest of validation, because the answer depends on the time: a calendar of dated exceptions can be right
//! today and empty next year. So it is asked for by those who know what time it is, and stops no policy that is in force.

use domain::{calendar::ALWAYS, policy::Policy, problem::Problem};
use jiff::Timestamp;

use crate::support_policy::SupportPolicySpec;

/// Where a policy names a calendar that is not open at any time within 400 days after `now`. An error where a promise or
/// a person depends on it, a warning where something merely has no effect. `policy` is what was read from `spec`.
pub fn hours_that_never_come(spec: &SupportPolicySpec, policy: &Policy, now: Timestamp) -> Vec<Problem> {
    let never = |name: &str| {
        name != ALWAYS && policy.calendars.get(name).is_some_and(|calendar| calendar.next_open(now).is_none())
    };
    let mut found = Vec::new();
    for (i, target) in spec.sla.iter().enumerate().filter(|(_, target)| never(&target.calendar)) {
        found.push(error(format!("spec.sla[{i}].calendar"), &target.calendar, "nothing would ever be due"));
    }
    for (i, schedule) in spec.schedules.iter().enumerate() {
        if never(&schedule.coverage) {
            let path = format!("spec.schedules[{i}].coverage");
            found.push(error(path, &schedule.coverage, "nobody would ever have to be on call, and no gap be found"));
        }
        let layers = policy.schedules.get(&schedule.name).map(|valid| valid.layers.as_slice()).unwrap_or_default();
        for (j, layer) in layers.iter().enumerate() {
            let Some(during) = layer.during.as_ref().filter(|during| never(&during.name)) else { continue };
            // One that is empty from the layer's start on is found without a clock already.
            if layer.first_handover().is_some_and(|start| during.calendar.next_open(start).is_some()) {
                let path = format!("spec.schedules[{i}].layers[{j}].during");
                found.push(warning(path, &during.name, "the layer never applies any more"));
            }
        }
    }
    for (i, route) in spec.routes.iter().enumerate() {
        let all = !route.active.is_empty() && route.active.iter().all(|name| never(name));
        for (j, name) in route.active.iter().enumerate().filter(|(_, name)| never(name)) {
            let path = format!("spec.routes[{i}].active[{j}]");
            found.push(if all {
                error(path, name, &format!("nobody would ever be told by `{}`", route.name))
            } else {
                warning(path, name, "it changes nothing")
            });
        }
        for (j, name) in route.mute.iter().enumerate().filter(|(_, name)| never(name)) {
            found.push(warning(format!("spec.routes[{i}].mute[{j}]"), name, "it mutes nothing"));
        }
    }
    found
}

fn error(path: String, calendar: &str, so: &str) -> Problem {
    Problem::error(path, words(calendar, so)).suggest(SUGGESTION)
}

fn warning(path: String, calendar: &str, so: &str) -> Problem {
    Problem::warning(path, words(calendar, so)).suggest(SUGGESTION)
}

const SUGGESTION: &str = "give the calendar hours in `week` or later `dates`, or name another one";

fn words(calendar: &str, so: &str) -> String {
    format!("`{calendar}` has no working time in the next 400 days: {so}")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    /// What is said at a time of a policy that works on one day only, Christmas 2026, by what `spec` adds to it.
    fn said(added: Value, now: &str) -> Vec<String> {
        let mut spec = json!({
            "lastResort": [{"channel": "chat"}],
            "people": [{"name": "ada", "notify": [{"channel": "chat"}]}],
            "channels": [{"name": "chat", "webhook": {"url": "https://chat.acme.example/hook"}}],
            "calendars": [
                {"name": "xmas", "timeZone": "Europe/Berlin", "week": {}, "dates": [{"date": "2026-12-25", "hours": ["09:00-17:00"]}]},
                {"name": "office", "timeZone": "Europe/Berlin", "week": {"monday": ["09:00-17:00"]}},
            ],
        });
        let (Value::Object(spec), Value::Object(added)) = (&mut spec, added) else { panic!("expected objects") };
        spec.extend(added);
        let policy = serde_json::from_value(json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy",
            "metadata": {"name": "payments", "namespace": "payments"}, "spec": spec
        }))
        .unwrap();
        let valid = super::super::validate(&policy).unwrap();
        let found = hours_that_never_come(&policy.spec, &valid.value, now.parse().unwrap());
        found
            .iter()
            .map(|problem| {
                format!(
                    "{} {}: {}",
                    if problem.is_error() { "error" } else { "warning" },
                    problem.path,
                    problem.message
                )
            })
            .collect()
    }

    fn schedule(coverage: &str, during: Option<&str>) -> Value {
        let mut layer =
            json!({"name": "week", "people": ["ada"], "start": "2026-11-02", "handover": "09:00", "every": "1w"});
        layer["during"] = json!(during);
        json!({"schedules": [{"name": "primary", "timeZone": "Europe/Berlin", "coverage": coverage, "layers": [layer]}]})
    }

    fn route(mute: &[&str], active: &[&str]) -> Value {
        json!({"routes": [{"name": "rest", "mute": mute, "active": active, "notify": [{"channel": "chat"}]}]})
    }

    #[rstest]
    #[case::a_promise(json!({"sla": [{"priority": "P1", "calendar": "xmas", "resolution": "4h"}]}), "error spec.sla[0].calendar")]
    #[case::coverage(schedule("xmas", None), "error spec.schedules[0].coverage")]
    #[case::a_layer(schedule("office", Some("xmas")), "warning spec.schedules[0].layers[0].during")]
    #[case::the_only_active_hours(route(&[], &["xmas"]), "error spec.routes[0].active[0]")]
    #[case::some_of_the_active_hours(route(&[], &["office", "xmas"]), "warning spec.routes[0].active[1]")]
    #[case::muted_hours(route(&["xmas"], &[]), "warning spec.routes[0].mute[0]")]
    fn a_calendar_that_is_never_open_again_is_named_where_it_is_used(#[case] added: Value, #[case] expected: &str) {
        assert_eq!(said(added.clone(), "2026-11-27T00:00:00Z"), [] as [&str; 0]);
        let lines = said(added, "2026-12-26T00:00:00Z");
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(
            lines[0].starts_with(&format!("{expected}: `xmas` has no working time in the next 400 days: ")),
            "{lines:#?}"
        );
    }

    #[test]
    fn one_that_nothing_names_is_left_alone() {
        assert_eq!(said(json!({}), "2026-12-26T00:00:00Z"), [] as [&str; 0]);
    }
}
