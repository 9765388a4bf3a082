//! `metadata` and the root of an object: unknown members, and the maps in it.

use domain::problem::Problem;
use serde_json::{Map, Value, json};

const ROOT: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// What people write, and what the server adds (`kubectl get -o yaml` shows it).
const METADATA: [&str; 14] = [
    "name",
    "generateName",
    "namespace",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "selfLink",
];

pub(super) fn check(object: &Map<String, Value>) -> Vec<Problem> {
    let mut problems = unknown("", object, &ROOT);
    let Some(metadata) = object.get("metadata").and_then(Value::as_object) else { return problems };
    problems.extend(unknown("metadata", metadata, &METADATA));
    for field in ["labels", "annotations"] {
        let path = format!("metadata.{field}");
        match metadata.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                let odd = entries.iter().filter(|(_, value)| !value.is_string());
                problems.extend(
                    odd.map(|(name, value)| super::schema::expected_text(&format!("{path}.{name}"), None, value)),
                );
            }
            Some(other) => {
                problems.push(Problem::error(
                    path,
                    format!("expected names and values, found {}", super::schema::what(other)),
                ));
            }
        }
    }
    problems
}

/// The part of `metadata` that a kind's validation may rely on.
pub(super) fn readable(metadata: Option<&Value>) -> Value {
    let text = |field: &str| metadata.and_then(|metadata| metadata.get(field)).and_then(Value::as_str);
    json!({"name": text("name"), "namespace": text("namespace")})
}

fn unknown(path: &str, members: &Map<String, Value>, known: &[&str]) -> Vec<Problem> {
    let odd = members.keys().filter(|name| !known.contains(&name.as_str()));
    let problem = |name: &String| {
        Problem::error(name.clone(), "unknown field").suggest_from(name, known.iter().copied()).under(path)
    };
    odd.map(problem).collect()
}
