//! Where a live object differs from the desired one.

use serde_json::{Map, Value};

/// More than this many differing fields only repeat that the object differs.
const MAX_DIFFERENCES: usize = 5;

/// The paths of fields that differ, at most five.
///
/// The body (all but `apiVersion`, `kind`, `metadata` and `status`) is compared as a whole. Of labels and annotations
/// those that `wanted` sets are.
pub(super) fn differences(wanted: &Value, live: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let no_members = Map::new();
    let wanted_members = wanted.as_object().unwrap_or(&no_members);
    let live_members = live.as_object().unwrap_or(&no_members);
    let is_body = |name: &str| !matches!(name, "apiVersion" | "kind" | "metadata" | "status");
    for (name, value) in wanted_members.iter().filter(|(name, _)| is_body(name)) {
        compare(name, value, live_members.get(name).unwrap_or(&Value::Null), &mut found);
    }
    for (name, value) in live_members.iter().filter(|(name, _)| is_body(name)) {
        if !wanted_members.contains_key(name) {
            compare(name, &Value::Null, value, &mut found);
        }
    }
    for group in ["labels", "annotations"] {
        let of = |object: &Value| object.get("metadata").and_then(|metadata| metadata.get(group)).cloned();
        let (wanted, live) = (of(wanted).unwrap_or_default(), of(live).unwrap_or_default());
        for (name, value) in wanted.as_object().unwrap_or(&no_members) {
            if live.get(name) != Some(value) {
                found.push(format!("metadata.{group}.{name}"));
            }
        }
    }
    found.truncate(MAX_DIFFERENCES);
    found
}

fn compare(path: &str, wanted: &Value, live: &Value, found: &mut Vec<String>) {
    if found.len() >= MAX_DIFFERENCES {
        return;
    }
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            for (name, value) in wanted {
                compare(&format!("{path}.{name}"), value, live.get(name).unwrap_or(&Value::Null), found);
            }
            for (name, value) in live.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
                compare(&format!("{path}.{name}"), &Value::Null, value, found);
            }
        }
        (Value::Array(wanted), Value::Array(live)) if wanted.len() == live.len() => {
            for (number, (wanted, live)) in wanted.iter().zip(live).enumerate() {
                compare(&format!("{path}[{number}]"), wanted, live, found);
            }
        }
        // Server-side apply drops what is empty; to insist on it would mean to apply the object for ever.
        (wanted, live) if is_nothing(wanted) && is_nothing(live) => {}
        (Value::Number(wanted), Value::Number(live)) if wanted.as_f64() == live.as_f64() => {}
        (wanted, live) if wanted == live => {}
        _ => found.push(path.to_owned()),
    }
}

/// Absent, null, `{}` or `[]`.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.values().all(is_nothing),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::equal(json!({"interval": "30s"}), json!({"interval": "30s"}), &[])]
    #[case::a_field_git_does_not_mention(json!({}), json!({"suspend": true}), &["spec.suspend"])]
    #[case::a_field_that_is_gone(json!({"a": {"b": 1}}), json!({}), &["spec.a"])]
    #[case::a_changed_item(json!({"l": [{"x": 1}, {"x": 2}]}), json!({"l": [{"x": 1}, {"x": 3}]}), &["spec.l[1].x"])]
    #[case::a_longer_list(json!({"l": [1]}), json!({"l": [1, 2]}), &["spec.l"])]
    #[case::empty_and_absent_are_the_same(json!({"l": [], "m": {}}), json!({}), &[])]
    #[case::one_and_one_point_zero_are_the_same(json!({"n": 1}), json!({"n": 1.0}), &[])]
    #[case::text_is_no_number(json!({"n": "1"}), json!({"n": 1}), &["spec.n"])]
    #[case::at_most_five(json!({"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}), json!({}), &["spec.a","spec.b","spec.c","spec.d","spec.e"])]
    fn the_fields_that_differ_are_named(#[case] wanted: Value, #[case] live: Value, #[case] expected: &[&str]) {
        assert_eq!(differences(&json!({"spec": wanted}), &json!({"spec": live})), expected);
    }

    #[test]
    fn status_and_the_labels_of_others_are_not_compared() {
        let wanted = json!({"metadata": {"name": "x", "labels": {"team": "payments"}}, "spec": {"a": 1}});
        let mut live = wanted.clone();
        live["status"] = json!({"state": "Up"});
        live["metadata"]["labels"]["other"] = json!("tool");
        live["metadata"]["uid"] = json!("1");
        assert_eq!(differences(&wanted, &live), [] as [&str; 0]);
        live["metadata"]["labels"]["team"] = json!("identity");
        assert_eq!(differences(&wanted, &live), ["metadata.labels.team"]);
    }

    #[test]
    fn an_object_without_a_spec_is_compared_by_its_own_members() {
        let wanted = json!({"kind": "ConfigMap", "data": {"a": "1"}});
        let live = json!({"kind": "ConfigMap", "data": {"a": "2"}});
        assert_eq!(differences(&wanted, &live), ["data.a"]);
    }
}
