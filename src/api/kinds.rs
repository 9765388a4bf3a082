//! The schemas of all kinds by name, compiled once: one for reading, one for checking.

use std::{collections::BTreeMap, sync::LazyLock};

use jsonschema::Validator;
use serde_json::{Value, json};

/// One kind.
pub(crate) struct Kind {
    /// The schema of the spec, as in the CRD.
    pub(crate) spec: Value,
    /// The schema of the status, as in the CRD.
    pub(crate) status: Value,
    /// The spec's, with unknown members refused.
    pub(crate) validator: Validator,
}

static KINDS: LazyLock<BTreeMap<String, Kind>> = LazyLock::new(|| {
    let compiled = crate::crds().into_iter().filter_map(|crd| {
        let version = crd.spec.versions.into_iter().next()?;
        let schema = serde_json::to_value(version.schema?.open_api_v3_schema?).ok()?;
        let spec = schema.pointer("/properties/spec").cloned()?;
        let status = schema.pointer("/properties/status").cloned().unwrap_or_default();
        let mut closed = spec.clone();
        close(&mut closed);
        let validator = jsonschema::draft7::options().should_validate_formats(true).build(&closed).ok()?;
        Some((crd.spec.names.kind, Kind { spec, status, validator }))
    });
    compiled.collect()
});

/// The kind of that name.
pub(crate) fn find(kind: &str) -> Option<&'static Kind> {
    KINDS.get(kind)
}

/// The names of all kinds.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.keys().map(String::as_str)
}

/// Refuses unknown members in a schema and all schemas in it: a server prunes or refuses them, JSON Schema lets them pass.
fn close(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    if members.contains_key("properties") {
        members.insert("additionalProperties".into(), json!(false));
    }
    for (keyword, value) in members.iter_mut() {
        match keyword.as_str() {
            "properties" => value.as_object_mut().into_iter().flat_map(|known| known.values_mut()).for_each(close),
            "items" | "additionalProperties" => close(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_kind_compiles() {
        let names: Vec<_> = super::names().collect();
        assert_eq!(
            names,
            [
                "ComplianceRule",
                "GitSource",
                "OnCallOverride",
                "ServiceMonitor",
                "Silence",
                "SupportPolicy",
                "Ticket",
                "TicketEvent",
                "VendorContact"
            ]
        );
    }
}
