//! Routing: a policy with many routes, for the bench.

use std::{hint::black_box, time::Duration};

use api::SupportPolicy;
use domain::{labels::Labels, policy::Policy, problem::Problem, routing};
use serde_json::{Value, json};

use super::Bar;

/// A policy of this spec; channel, last resort and name are given.
///
/// # Panics
/// When the policy is not valid: the message says why.
pub fn policy(spec: Value) -> Policy {
    match api::support_policy::validate(&object(spec)) {
        Ok(valid) => valid.value,
        Err(problems) => panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// What is refused as never matching or never telling anybody is compared all the same: others take it.
const WITHOUT_EFFECT: [&str; 5] = [
    "so nothing ever matches",
    "no alert has severity",
    "nothing ever gets here",
    "expected hours outside of `mute`",
    "is never the same on both sides",
];

/// The same, also with routes and rules that are refused because they have no effect.
///
/// # Panics
/// When it is refused for another reason: the message says which.
pub fn policy_with_idle_parts(spec: Value) -> Policy {
    let (policy, problems) = api::support_policy::understood(&object(spec));
    let is_another =
        |problem: &&Problem| problem.is_error() && !WITHOUT_EFFECT.iter().any(|words| problem.message.contains(words));
    let others: Vec<String> = problems.iter().filter(is_another).map(ToString::to_string).collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
    policy
}

fn object(mut spec: Value) -> SupportPolicy {
    let channel = |name: &str| json!({"name": name, "webhook": {"url": "https://chat.acme.example/hook"}});
    let given = json!({"lastResort": [{"channel": "ops"}], "channels": [channel("ops")]});
    for (name, value) in given.as_object().into_iter().flatten() {
        spec.as_object_mut().expect("a spec is an object").entry(name).or_insert(value.clone());
    }
    let object = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy",
        "metadata": {"name": "payments", "namespace": "payments"}, "spec": spec,
    });
    serde_json::from_value(object).expect("the spec has the form of a policy")
}

/// 500 routes beside each other, each for a service of its own, one in ten with an expression.
fn five_hundred() -> Policy {
    let mut routes = Vec::new();
    for index in 0..500 {
        let matcher = match index % 10 {
            0 => format!("service=~\"svc-{index}-(blue|green)\""),
            _ => format!("service=\"svc-{index}\""),
        };
        routes.push(json!({
            "name": format!("r{index}"), "match": [matcher, "severity=~\"page|ticket\""],
            "notify": [{"channel": "ops"}],
        }));
    }
    policy(json!({"routes": routes}))
}

/// What routing costs.
pub fn bars() -> Vec<Bar> {
    let policy = five_hundred();
    assert_eq!(policy.routes.len(), 500);
    let pairs = [
        ("alertname", "MonitorDown"),
        ("namespace", "payments"),
        ("monitor", "checkout"),
        ("service", "svc-499"),
        ("severity", "page"),
        ("team", "payments"),
    ];
    let labels: Labels = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let (labels, severity) = routing::normalise(&policy, &labels);
    assert_eq!(routing::route(&policy, &labels, severity).name, "r499");
    vec![Bar::measure(
        "route one alert through 500 routes, the last of which matches",
        Some(Duration::from_micros(20)),
        || routing::route(black_box(&policy), black_box(&labels), severity),
    )]
}
