//! Every schema of every kind keeps our rules, and its outline is a snapshot, so that a changed field is seen in review.

use std::fmt::Write;

use rstest::rstest;
use serde_json::Value;

/// What a rule of ours misses in a schema, with the field's path.
fn faults(schema: &Value, path: &str, faults: &mut Vec<String>) {
    let mut miss = |what: &str| faults.push(format!("{path}: {what}"));
    let has = |keyword: &str| schema.get(keyword).is_some();
    for unwanted in ["nullable", "anyOf", "oneOf", "allOf", "x-kubernetes-preserve-unknown-fields"] {
        if has(unwanted) {
            miss(&format!("`{unwanted}` must not be there"));
        }
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") if !has("enum") && !has("maxLength") => miss("no maxLength"),
        Some("integer") if !has("minimum") || !has("maximum") => miss("no bounds"),
        Some("integer") if !matches!(schema["format"].as_str(), Some("int32" | "int64")) => {
            miss("no format int32 or int64");
        }
        Some("number") => miss("a float"),
        Some("array") if !has("maxItems") => miss("no maxItems"),
        Some("object") if has("additionalProperties") && !has("maxProperties") => miss("no maxProperties"),
        Some("object") if !has("additionalProperties") && !has("properties") => miss("no members"),
        Some("string" | "integer" | "array" | "object" | "boolean") => {}
        other => miss(&format!("type {other:?}")),
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        if rule["message"].as_str().is_none_or(str::is_empty) {
            miss("a rule without message");
        }
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if member["description"].as_str().is_none_or(|text| !text.ends_with('.')) {
            faults.push(format!("{path}: no description that is a sentence"));
        }
        self::faults(member, &path, faults);
    }
    if let Some(items) = schema.get("items") {
        self::faults(items, &format!("{path}[]"), faults);
    }
    if let Some(values) = schema.get("additionalProperties") {
        self::faults(values, &format!("{path}.*"), faults);
    }
}

/// One line per field: path, type, bounds.
fn outline(schema: &Value, path: &str, text: &mut String) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        writeln!(text, "{path}: rule: {}", rule["message"].as_str().unwrap()).unwrap();
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let needed = if required.contains(&name.as_str()) { " required" } else { "" };
        writeln!(text, "{path}: {}{needed}", shape(member)).unwrap();
        outline(member, &path, text);
        if let Some(items) = member.get("items") {
            outline(items, &format!("{path}[]"), text);
        }
    }
}

fn shape(schema: &Value) -> String {
    let mut text = schema["type"].as_str().unwrap().to_owned();
    if let Some(inner) = schema.get("items").or(schema.get("additionalProperties")) {
        write!(text, " of {}", shape(inner)).unwrap();
    }
    for keyword in [
        "enum",
        "format",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "maxProperties",
        "minimum",
        "maximum",
        "x-kubernetes-list-map-keys",
        "default",
    ] {
        if let Some(value) = schema.get(keyword) {
            write!(text, " {keyword}={value}").unwrap();
        }
    }
    text
}

fn schema(kind: &str) -> Value {
    let crd = crate::crds().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap();
    serde_json::to_value(&crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema).unwrap()
}

const KINDS: [&str; 9] = [
    "ComplianceRule",
    "GitSource",
    "OnCallOverride",
    "ServiceMonitor",
    "Silence",
    "SupportPolicy",
    "Ticket",
    "TicketEvent",
    "VendorContact",
];

#[test]
fn every_field_teaches_and_is_bounded() {
    let mut found = Vec::new();
    for kind in KINDS {
        for part in ["spec", "status"] {
            faults(&schema(kind)["properties"][part], &format!("{kind}.{part}"), &mut found);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_status_is_there_from_birth() {
    for kind in KINDS {
        assert_eq!(
            schema(kind)["properties"]["status"]["default"],
            serde_json::json!({"observedGeneration": -1}),
            "{kind}"
        );
    }
}

#[test]
fn every_pattern_has_words_for_people() {
    fn patterns(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("pattern").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| patterns(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| patterns(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    KINDS.iter().for_each(|kind| patterns(&schema(kind), &mut found));
    assert!(found.len() > 20);
    for pattern in found {
        assert_ne!(super::shape(&pattern), "another form", "no words for {pattern}");
    }
}

#[test]
fn every_kind_is_listed_by_its_category_and_shows_its_age() {
    for crd in crate::crds() {
        let names = &crd.spec.names;
        assert_eq!(names.categories.as_deref(), Some(&["firstline".to_owned()][..]), "{}", names.kind);
        assert_eq!(names.short_names.as_ref().map(Vec::len), Some(1), "{}", names.kind);
        let columns = crd.spec.versions[0].additional_printer_columns.as_ref().unwrap();
        assert_eq!(columns.last().unwrap().name, "Age", "{}", names.kind);
    }
}

#[rstest]
fn the_outline_of_a_kind_is_known(
    #[values(
        "ComplianceRule",
        "GitSource",
        "OnCallOverride",
        "ServiceMonitor",
        "Silence",
        "SupportPolicy",
        "Ticket",
        "TicketEvent",
        "VendorContact"
    )]
    kind: &str,
) {
    let schema = schema(kind);
    let mut text = String::new();
    outline(&schema, "", &mut text);
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(kind, text);
    });
}
