//! The one pass that every derived CRD goes through.
//!
//! | what the derive gives | what we write | why |
//! |---|---|---|
//! | `nullable: true` | nothing | a null would be stored and would switch defaults off |
//! | `status` without default | `{observedGeneration: -1}` | otherwise no default inside it ever fires |
//! | `format: uint32` and the like | `int32`, `int64` | the server warns of formats it does not know |
//! | schemas without `description` for `apiVersion`, `kind`, `metadata` | left to the server | it fills them in itself |

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value, json};

/// The same CRD, as we want it written.
///
/// # Errors
/// When the result no longer reads as a CRD, which the tests exclude.
pub fn finish(crd: &CustomResourceDefinition) -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut value = serde_json::to_value(crd)?;
    let versions = value.pointer_mut("/spec/versions").and_then(Value::as_array_mut);
    for version in versions.into_iter().flatten() {
        if let Some(schema) = version.pointer_mut("/schema/openAPIV3Schema") {
            clean(schema);
            if let Some(status) = schema.pointer_mut("/properties/status").and_then(Value::as_object_mut) {
                status.insert("default".into(), json!({"observedGeneration": -1}));
            }
        }
    }
    serde_json::from_value(value)
}

/// Cleans one schema and all schemas in it.
fn clean(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    schema.remove("nullable");
    clean_format(schema);
    for (keyword, value) in schema.iter_mut() {
        match keyword.as_str() {
            "properties" => value.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(clean),
            "items" | "additionalProperties" => clean(value),
            _ => {}
        }
    }
}

fn clean_format(schema: &mut Map<String, Value>) {
    let known = match schema.get("format").and_then(Value::as_str) {
        Some("uint8" | "uint16" | "uint32" | "int8" | "int16") => "int32",
        Some("uint64" | "uint" | "int") => "int64",
        _ => return,
    };
    schema.insert("format".into(), known.into());
}
