//! Fills in what an object leaves out, as the server does, so that a file and the live object that came
//! from it compare equal.
//!
//! The rules are those of structural schemas: a null in a member that is not nullable counts as
//! absent, a default is filled in where the member is absent, and what was filled in is itself filled
//! up. Nothing is filled into an object that is absent and has no default.

use serde_json::Value;

use crate::kinds;

/// `object` with nulls stripped and all defaults of `kind`'s schema filled in; unchanged when the kind is not ours.
pub fn with_defaults(kind: &str, object: &Value) -> Value {
    let mut filled = object.clone();
    if let Some(kind) = kinds::find(kind) {
        for (member, schema) in [("spec", &kind.spec), ("status", &kind.status)] {
            if let Some(value) = filled.get_mut(member) {
                strip_nulls(schema, value);
                fill(schema, value);
            }
        }
    }
    filled
}

/// Removes nulls where the schema does not allow them, as the server does before anything else.
pub(crate) fn strip_nulls(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, member| !(member.is_null() && member_schema(schema, name).is_some()));
            for (name, member) in members {
                if let Some(schema) = member_schema(schema, name) {
                    strip_nulls(schema, member);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| strip_nulls(schema, item));
            }
        }
        _ => {}
    }
}

fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(members) => {
            let known = schema.get("properties").and_then(Value::as_object);
            for (name, schema) in known.into_iter().flatten() {
                if let (false, Some(default)) = (members.contains_key(name), schema.get("default")) {
                    members.insert(name.clone(), default.clone());
                }
            }
            for (name, member) in members {
                if let Some(schema) = member_schema(schema, name) {
                    fill(schema, member);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| fill(schema, item));
            }
        }
        _ => {}
    }
}

/// The schema of one member of an object: its own, or that of the values of a map.
pub(crate) fn member_schema<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let own = schema.get("properties").and_then(|known| known.get(name));
    own.or_else(|| schema.get("additionalProperties")).filter(|schema| schema.is_object())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_out_is_filled_in_at_every_depth() {
        let written = json!({"spec": {"service": "checkout", "probe": {"http": {"url": "https://x", "expect": {"body": {"contains": "ok"}}}}}});
        let spec = &with_defaults("ServiceMonitor", &written)["spec"];
        assert_eq!(spec["interval"], "30s");
        assert_eq!(spec["thresholds"], json!({"down": 3, "up": 2, "confirmEvery": "2s"}));
        assert_eq!(
            spec["probe"]["http"]["expect"],
            json!({"status": ["200-299"], "body": {"contains": "ok", "maxBytes": "1MiB"}})
        );
        assert_eq!(spec["probe"].get("tcp"), None);
    }

    #[test]
    fn a_null_counts_as_left_out() {
        let written = json!({"spec": {"service": "checkout", "interval": null, "alert": null, "probe": {"tcp": {"address": "a:1"}}}});
        let spec = &with_defaults("ServiceMonitor", &written)["spec"];
        assert_eq!(spec["interval"], "30s");
        assert_eq!(spec.get("alert"), None);
    }

    #[test]
    fn filling_in_twice_changes_nothing_more() {
        let written = json!({"spec": {"url": "https://x/y", "ref": {"branch": "main"}, "prune": {"maxPercent": 5}}});
        let once = with_defaults("GitSource", &written);
        assert_eq!(with_defaults("GitSource", &once), once);
        assert_eq!(once["spec"]["prune"], json!({"enabled": true, "maxPercent": 5}));
    }

    #[test]
    fn an_object_of_another_kind_stays_as_it_is() {
        let written = json!({"kind": "ConfigMap", "data": null});
        assert_eq!(with_defaults("ConfigMap", &written), written);
    }
}
