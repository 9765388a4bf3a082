//! Who wrote a field, as the object's managedFields have it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

/// The longest name that is shown, in characters; the server allows as many.
const LONGEST: usize = 128;

/// The manager other than `ours` that wrote one of these fields last (`spec.probe.tcp.address`, `spec.routes[2].name`).
/// Of a field that was removed nothing is left: then whoever wrote the object last, if that was after us. Who only took
/// something away leaves no time either, so that nobody may be named.
pub fn last_writer(entries: &[ManagedFieldsEntry], ours: &str, fields: &[String]) -> Option<String> {
    let others = || {
        let is_other = |entry: &&ManagedFieldsEntry| {
            // Status is not ours to compare.
            entry.subresource.as_deref().unwrap_or_default().is_empty() && entry.manager.as_deref() != Some(ours)
        };
        entries.iter().filter(is_other)
    };
    let time = |entry: &&ManagedFieldsEntry| entry.time.as_ref().map(|time| time.0);
    let owns = |entry: &&ManagedFieldsEntry| {
        entry.fields_v1.as_ref().is_some_and(|tree| fields.iter().any(|field| is_in(&tree.0, field)))
    };
    let is_ours = |entry: &&ManagedFieldsEntry| {
        entry.subresource.as_deref().unwrap_or_default().is_empty() && entry.manager.as_deref() == Some(ours)
    };
    let since = entries.iter().filter(is_ours).filter_map(|entry| time(&entry)).max();
    let later = || others().filter(|entry| time(entry) >= since).max_by_key(time);
    let writer = others().filter(owns).max_by_key(time).or_else(later);
    writer?.manager.as_ref().map(|name| name.chars().take(LONGEST).collect())
}

/// Whether a tree of `f:` members covers a field, or a list that holds it.
fn is_in(tree: &Value, field: &str) -> bool {
    if field.is_empty() || field.starts_with('[') {
        return true;
    }
    let Some(members) = tree.as_object() else { return false };
    // Labels have dots in their names, so the longest name that fits counts.
    let fits = |(name, inner): (&String, &'_ Value)| {
        let rest = field.strip_prefix(name.strip_prefix("f:")?)?;
        match rest.chars().next() {
            None | Some('[') => Some(true),
            // A field that is owned as a whole has no members in the tree.
            Some('.') => Some(
                inner.as_object().is_some_and(|inner| inner.keys().all(|key| key == "."))
                    || is_in(inner, rest.get(1..).unwrap_or_default()),
            ),
            Some(_) => None,
        }
    };
    members.iter().filter_map(fits).any(|found| found)
}

/// A manager as a label of a metric: one of a few words.
pub fn class(manager: Option<&str>) -> &'static str {
    let Some(manager) = manager else { return "unknown" };
    match manager.to_ascii_lowercase() {
        name if name.starts_with("kubectl") => "kubectl",
        name if name.starts_with("firstline") => "firstline",
        name if name.starts_with("argocd") => "argocd",
        name if name.starts_with("helm") => "helm",
        name if name.starts_with("kustomize-controller") || name.starts_with("flux") => "flux",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn entries() -> Vec<ManagedFieldsEntry> {
        serde_json::from_value(json!([
            {"manager": "firstline-x", "operation": "Apply", "time": "2026-11-23T10:00:09Z", "fieldsV1": {"f:spec": {"f:interval": {}}}},
            {"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-23T10:00:05Z", "fieldsV1": {"f:spec": {"f:suspend": {}, "f:probe": {"f:tcp": {".": {}, "f:address": {}}}}}},
            {"manager": "labeller", "operation": "Update", "time": "2026-11-23T10:00:06Z", "fieldsV1": {"f:metadata": {"f:labels": {"f:applyset.kubernetes.io/part-of": {}}}}},
            {"manager": "helm", "operation": "Apply", "time": "2026-11-23T10:00:07Z", "fieldsV1": {"f:spec": {"f:routes": {}, "f:alert": {"f:labels": {"f:team": {}}}}}},
            {"manager": "firstline", "operation": "Apply", "subresource": "status", "time": "2026-11-23T10:00:08Z", "fieldsV1": {"f:status": {}}},
        ]))
        .unwrap()
    }

    #[rstest]
    #[case("spec.suspend", "kubectl-edit")]
    #[case("spec.probe.tcp.address", "kubectl-edit")]
    #[case("spec.probe.tcp", "kubectl-edit")]
    #[case("metadata.labels.applyset.kubernetes.io/part-of", "labeller")]
    #[case("spec.routes[2].match[0]", "helm")]
    #[case("spec.routes", "helm")]
    #[case("spec.alert.labels.team", "helm")]
    fn the_writer_of_a_field_is_named(#[case] field: &str, #[case] expected: &str) {
        assert_eq!(last_writer(&entries(), "firstline-x", &[field.to_owned()]).as_deref(), Some(expected));
    }

    #[rstest]
    #[case::before_us("2026-11-23T10:00:06Z", None)]
    #[case::in_the_second_in_which_we_wrote("2026-11-23T10:00:09Z", Some("helm"))]
    #[case::after_us("2026-11-23T10:00:10Z", Some("helm"))]
    fn of_a_field_that_nobody_has_the_last_writer_is_named_unless_we_wrote_later(
        #[case] at: &str,
        #[case] expected: Option<&str>,
    ) {
        let mut entries = entries();
        entries[3].time = serde_json::from_value(json!(at)).unwrap();
        for field in ["spec.interval", "spec.susp"] {
            assert_eq!(last_writer(&entries, "firstline-x", &[field.to_owned()]).as_deref(), expected);
        }
    }

    #[test]
    fn without_others_nobody_is_named() {
        assert_eq!(last_writer(&entries()[..1], "firstline-x", &["spec.interval".to_owned()]), None);
        assert_eq!(class(None), "unknown");
        assert_eq!((class(Some("kubectl-edit")), class(Some("Mozilla"))), ("kubectl", "other"));
    }
}
