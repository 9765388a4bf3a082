//! The samples: each rule of the CRDs, accepted and rejected, and what we say of it offline.
//!
//! A sample's first lines say what is expected: `# ours:` one line per error, exactly; `# warns:` one
//! per warning of an accepted one; `# server:` a part of what a real API server says, or that it
//! accepts what only we know to be wrong. The same files are applied to a real server elsewhere.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::json;

use super::*;

struct Sample {
    text: String,
}

impl Sample {
    fn lines(&self, key: &str) -> Vec<String> {
        let prefix = format!("# {key}: ");
        self.text.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    fn object(&self) -> Value {
        serde_saphyr::from_str(&self.text).unwrap()
    }
}

fn samples(folder: &str) -> BTreeMap<String, Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = files.map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, Sample { text: fs::read_to_string(&path).unwrap() })
    });
    read.collect()
}

fn said(problems: &[Problem], errors: bool) -> Vec<String> {
    problems.iter().filter(|problem| problem.is_error() == errors).map(ToString::to_string).collect()
}

#[test]
fn what_is_right_is_accepted_with_the_warnings_it_names() {
    let mut wrong = Vec::new();
    for (name, sample) in samples("accepted") {
        let problems = check(&sample.object());
        if !said(&problems, true).is_empty() || said(&problems, false) != sample.lines("warns") {
            wrong.push(format!("{name}: {problems:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_wrong_is_said_exactly_so_and_once() {
    let mut wrong = Vec::new();
    for (name, sample) in samples("rejected") {
        let (expected, found) = (sample.lines("ours"), said(&check(&sample.object()), true));
        if expected.is_empty() || expected != found {
            wrong.push(format!("{name}:\n  expected {expected:#?}\n  found {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_kind_has_samples_of_both_sorts() {
    for folder in ["accepted", "rejected"] {
        let kinds: Vec<String> =
            samples(folder).values().map(|sample| sample.object()["kind"].as_str().unwrap().to_owned()).collect();
        for kind in kinds::names() {
            assert!(kinds.iter().any(|found| found == kind), "no {folder} sample of {kind}");
        }
    }
}

#[test]
fn every_rule_of_a_crd_that_looks_at_one_version_is_broken_by_a_sample() {
    let servers: Vec<String> = samples("rejected").values().flat_map(|sample| sample.lines("server")).collect();
    let mut messages = Vec::new();
    for crd in crate::crds() {
        rules(&serde_json::to_value(&crd).unwrap(), &mut messages);
    }
    assert!(messages.len() > 15);
    for message in messages {
        assert!(
            servers.iter().any(|line| message.starts_with(line.as_str())),
            "no rejected sample for the rule: {message}"
        );
    }
}

/// The messages of all CEL rules that need no older version of the object.
fn rules(value: &Value, messages: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(list) = members.get("x-kubernetes-validations").and_then(Value::as_array) {
                let now = list.iter().filter(|rule| !rule["rule"].as_str().unwrap().contains("oldSelf"));
                messages.extend(now.map(|rule| rule["message"].as_str().unwrap().to_owned()));
            }
            members.values().for_each(|member| rules(member, messages));
        }
        Value::Array(items) => items.iter().for_each(|item| rules(item, messages)),
        _ => {}
    }
}

#[test]
fn the_root_and_the_metadata_are_looked_at_too() {
    let object = json!({
        "apiVersion": "firstline.dev/v1", "kind": "Ticket", "metdata": {}, "metadata": {"name": "a", "label": {}, "annotations": {"port": 80}},
        "spec": {"title": "x"},
    });
    assert_eq!(
        said(&check(&object), true),
        [
            "apiVersion: expected `firstline.dev/v1alpha1` for a Ticket, found `firstline.dev/v1`",
            "metadata.annotations.port: expected text, found the number 80; put it in quotes: \"80\"",
            "metadata.label: unknown field; did you mean `labels`?",
            "metdata: unknown field; did you mean `metadata`?",
        ]
    );
}

/// What is suggested for a bare number is valid in that place: `"50"` would be the next error.
#[rstest::rstest]
#[case("ServiceMonitor", json!({"interval": 30}), "spec.interval: expected text, found the number 30; it needs a unit, such as \"30s\"")]
#[case("ServiceMonitor", json!({"slo": [{"objective": 99.9}]}), "spec.slo[0].objective: expected text, found the number 99.9; put it in quotes: \"99.9\"")]
#[case("ServiceMonitor", json!({"slo": [{"objective": 0.999}]}), "spec.slo[0].objective: expected text, found the number 0.999; write a percentage from 50 to 99.9999 such as `99.9`, with at most four decimals (99.9, not 0.999)")]
#[case("ServiceMonitor", json!({"service": 7}), "spec.service: expected text, found the number 7; put it in quotes: \"7\"")]
#[case("ServiceMonitor", json!({"timeout": true}), "spec.timeout: expected text, found `true`; write a duration such as `30s`, `15m` or `1h30m` (units w d h m s ms)")]
#[case("SupportPolicy", json!({"warnAt": [50]}), "spec.warnAt[0]: expected text, found the number 50; it needs a unit, such as \"50%\"")]
#[case("SupportPolicy", json!({"sla": [{"priority": 1, "firstResponse": 15}]}), "spec.sla[0].firstResponse: expected text, found the number 15; it needs a unit, such as \"15s\"")]
#[case("SupportPolicy", json!({"sla": [{"priority": 1, "firstResponse": 15}]}), "spec.sla[0].priority: expected text, found the number 1; write a priority from `P1` to `P5`")]
#[case("SupportPolicy", json!({"schedules": [{"layers": [{"every": 1}]}]}), "spec.schedules[0].layers[0].every: expected text, found the number 1; it needs a unit, such as \"1d\"")]
fn what_is_suggested_for_a_bare_number_is_valid(#[case] kind: &str, #[case] spec: Value, #[case] expected: &str) {
    let object = json!({"apiVersion": "firstline.dev/v1alpha1", "kind": kind, "metadata": {"name": "a"}, "spec": spec});
    let said = said(&check(&object), true);
    assert!(said.iter().any(|line| line == expected), "{said:#?}");
}

#[test]
fn a_priority_is_one_of_those_that_the_rules_know() {
    let schema = serde_json::to_value(crate::schema::priority(&mut schemars::SchemaGenerator::default())).unwrap();
    let accepted: Vec<String> =
        (0..10).map(|number| format!("P{number}")).filter(|word| jsonschema::is_valid(&schema, &json!(word))).collect();
    assert_eq!(accepted, domain::policy::PRIORITIES);
}

#[test]
fn an_object_that_is_not_ours_is_said_to_be_so() {
    assert_eq!(
        said(&check(&json!({"kind": "SupportPolice"})), true),
        ["kind: expected one of our kinds, found `SupportPolice`; did you mean `SupportPolicy`?"]
    );
    assert_eq!(
        said(&check(&json!([])), true),
        ["expected an object with apiVersion, kind, metadata and spec, found a list"]
    );
    assert_eq!(
        said(&check(&json!({"kind": "Ticket", "apiVersion": "firstline.dev/v1alpha1"})), true),
        ["spec: expected a spec, found nothing"]
    );
}

/// Whatever stands where in an object, it is answered, and each field once.
#[test]
fn nonsense_anywhere_is_answered_once_per_field() {
    let nonsense = [
        json!(null),
        json!(5),
        json!(-1.5),
        json!(true),
        json!(""),
        json!("\u{0}é:["),
        json!([]),
        json!([null]),
        json!({}),
        json!({"a": {}}),
    ];
    for (name, sample) in samples("accepted") {
        let object = sample.object();
        for pointer in pointers(&object, String::new()) {
            for value in &nonsense {
                let mut object = object.clone();
                *object.pointer_mut(&pointer).unwrap() = value.clone();
                let problems = check(&object);
                let mut paths: Vec<&str> =
                    problems.iter().filter(|problem| problem.is_error()).map(|problem| problem.path.as_str()).collect();
                paths.sort_unstable();
                let all = paths.len();
                paths.dedup();
                assert_eq!(paths.len(), all, "{name} with {value} at {pointer}: {problems:#?}");
            }
        }
    }
}

fn pointers(value: &Value, at: String) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.replace('~', "~0").replace('/', "~1"), member)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(i, item)| (i.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    let below = inner.into_iter().flat_map(|(name, member)| pointers(member, format!("{at}/{name}")));
    let mut all: Vec<String> = below.collect();
    all.push(at);
    all
}
