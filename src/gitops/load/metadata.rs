//! Names, labels and annotations as the API server takes them: what it would refuse is told before anything is applied.
//!
//! The rules are those of Kubernetes' `apimachinery/pkg/util/validation`. Not here: which namespaces may be written to, and what
//! only a server may write.

use domain::problem::Problem;
use serde_json::{Map, Value};

/// All annotations of an object together, in bytes (`TotalAnnotationSizeLimitB`).
const ANNOTATIONS: usize = 256 * 1024;

/// Adds what is wrong with the namespace that is written, and with labels and annotations.
pub(super) fn check(metadata: &Map<String, Value>, problems: &mut Vec<Problem>) {
    if let Some(namespace) = metadata.get("namespace").and_then(Value::as_str)
        && !is_label(namespace)
    {
        problems.push(Problem::error(
            "metadata.namespace",
            format!(
                "expected at most 63 of a-z, 0-9 and `-`, with a letter or digit at both ends, found `{namespace}`"
            ),
        ));
    }
    for (field, value) in texts(metadata, "labels", problems) {
        if !is_label_value(value) {
            let rule = "expected at most 63 of a-z, A-Z, 0-9, `-`, `_` and `.`, with a letter or digit at both ends";
            problems.push(Problem::error(field, format!("{rule}, found `{value}`")));
        }
    }
    let annotations = texts(metadata, "annotations", problems);
    let size: usize =
        annotations.iter().map(|(field, value)| field.len() - "metadata.annotations.".len() + value.len()).sum();
    if size > ANNOTATIONS {
        problems.push(Problem::error(
            "metadata.annotations",
            format!("expected at most {ANNOTATIONS} bytes in all annotations together, found {size}"),
        ));
    }
}

/// The members of a mapping whose keys must be qualified names and whose values text, each with its path.
fn texts<'a>(metadata: &'a Map<String, Value>, name: &str, problems: &mut Vec<Problem>) -> Vec<(String, &'a str)> {
    let path = format!("metadata.{name}");
    let members = match metadata.get(name) {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Object(members)) => members,
        Some(_) => {
            problems.push(Problem::error(path, "expected a mapping of names to text"));
            return Vec::new();
        }
    };
    let mut texts = Vec::new();
    for (key, value) in members {
        let field = format!("{path}.{key}");
        if !is_qualified_name(key) {
            problems.push(Problem::error(
                &*field,
                format!(
                    "expected a name of at most 63 of a-z, A-Z, 0-9, `-`, `_` and `.`, with a letter or digit at both ends and, if you like, a domain and `/` before it, found `{key}`"
                ),
            ));
        }
        match value {
            Value::String(text) => texts.push((field, text.as_str())),
            other => problems.push(Problem::error(field, format!("expected text, found {other}; put it in quotes"))),
        }
    }
    texts
}

/// A DNS-1123 subdomain, as Kubernetes asks of most names.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_of_a_domain)
}

/// A DNS-1123 label, as Kubernetes asks of namespaces.
fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_of_a_domain(name)
}

fn is_of_a_domain(part: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    part.bytes().all(|byte| inner(byte) || byte == b'-')
        && part.bytes().next().is_some_and(inner)
        && part.bytes().last().is_some_and(inner)
}

/// The key of a label or an annotation.
fn is_qualified_name(key: &str) -> bool {
    let (domain, name) = key.split_once('/').map_or((None, key), |(domain, name)| (Some(domain), name));
    domain.is_none_or(is_name) && !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    let end = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    value.len() <= 63
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && end(value.bytes().next())
        && end(value.bytes().last())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn found(metadata: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        check(metadata.as_object().unwrap(), &mut problems);
        problems.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
    }

    #[test]
    fn what_kubernetes_takes_passes() {
        let metadata = json!({
            "name": "checkout", "namespace": "payments-2",
            "labels": {"app.kubernetes.io/part-of": "shop", "Tier_1": "", "a": "A.b_c-9"},
            "annotations": {"firstline.dev/freeze-until": "any text, ü", "x": ""},
        });
        assert_eq!(found(&metadata), [] as [&str; 0]);
    }

    #[rstest]
    #[case::a_namespace(json!({"namespace": "Payments_1"}), "metadata.namespace: expected at most 63 of a-z, 0-9 and `-`")]
    #[case::a_long_namespace(json!({"namespace": "a".repeat(64)}), "metadata.namespace: expected at most 63")]
    #[case::a_key(json!({"labels": {"bad label": "x"}}), "metadata.labels.bad label: expected a name of at most 63")]
    #[case::a_domain(json!({"labels": {"Acme.example/a": "x"}}), "metadata.labels.Acme.example/a: expected a name")]
    #[case::no_name(json!({"annotations": {"acme.example/": "x"}}), "metadata.annotations.acme.example/: expected a name")]
    #[case::a_value(json!({"labels": {"ok": "has space"}}), "metadata.labels.ok: expected at most 63 of a-z, A-Z")]
    #[case::a_number(json!({"labels": {"tier": 1}}), "metadata.labels.tier: expected text, found 1; put it in quotes")]
    #[case::a_list(json!({"annotations": []}), "metadata.annotations: expected a mapping of names to text")]
    #[case::too_much(json!({"annotations": {"a": "x".repeat(ANNOTATIONS)}}), "metadata.annotations: expected at most 262144 bytes")]
    fn what_it_would_refuse_is_told_at_its_place(#[case] metadata: Value, #[case] expected: &str) {
        let found = found(&metadata);
        assert!(matches!(found.as_slice(), [one] if one.starts_with(expected)), "{found:?}");
    }
}
