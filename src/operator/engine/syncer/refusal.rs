//! What the API server's answer to a write means: whether it passes by itself, and if not, which field of which file.

use api::git_source::SourceError;
use domain::problem::Problem;
use gitops::FileError;
use kube::core::Status;

/// How the server begins its answer to a field that the schema does not have. Its code is 500, yet it never passes.
const TYPED_PATCH: &str = "failed to create typed patch object";
/// What the server adds to a list of causes without a place of its own.
const NO_FIELD: &str = "<nil>";
/// The longest message kept of one error, in characters.
const LONGEST: usize = 1_000;

/// Why an object was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The server will answer the same until somebody mends something.
    Refused(Mend, Vec<Problem>),
    /// It may go well next time.
    Passing(String),
}

/// What has to be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mend {
    /// Something in the cluster: a namespace, a permission, another source. We cannot see that happen, so it is tried
    /// again now and then.
    Cluster,
    /// What stands in the repository. The same commit is not tried again.
    Commit,
}

/// Judges a failed call.
pub fn judge(error: &kube::Error) -> Fault {
    match error {
        kube::Error::Api(status) => judge_status(status),
        other => Fault::Passing(other.to_string()),
    }
}

fn judge_status(status: &Status) -> Fault {
    let message = status.message.as_str();
    let whole = |path: &str, text: String| vec![Problem::error(path, text)];
    match status.code {
        500 if message.starts_with(TYPED_PATCH) => Fault::Refused(Mend::Commit, typed_patch_problems(message)),
        422 => Fault::Refused(Mend::Commit, causes(status)),
        400 | 413 => Fault::Refused(Mend::Commit, whole("", message.to_owned())),
        403 => Fault::Refused(Mend::Cluster, whole("", message.to_owned())),
        404 => Fault::Refused(Mend::Cluster, vec![absent(status)]),
        _ => Fault::Passing(if message.is_empty() {
            format!("the API server answered {}", status.code)
        } else {
            message.to_owned()
        }),
    }
}

/// A namespace, or the kind itself.
fn absent(status: &Status) -> Problem {
    let details = status.details.as_ref();
    match details.filter(|details| details.kind == "namespaces") {
        Some(details) => {
            let name = &details.name;
            Problem::error("metadata.namespace", format!("the namespace `{name}` does not exist"))
                .suggest(format!("kubectl create namespace {name}"))
        }
        None => Problem::error("kind", format!("the API server does not serve this kind: {}", status.message))
            .suggest("install the CRDs"),
    }
}

/// One problem for each field the server names, else its whole message.
fn causes(status: &Status) -> Vec<Problem> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let named: Vec<_> = causes
        .filter(|cause| cause.field != NO_FIELD && !cause.message.is_empty())
        .map(|cause| Problem::error(cause.field.clone(), cause.message.clone()))
        .collect();
    if named.is_empty() { vec![Problem::error("", status.message.clone())] } else { named }
}

/// `…: .spec.a: field not declared in schema`, or several of these on lines of their own after `errors:`.
fn typed_patch_problems(message: &str) -> Vec<Problem> {
    let said = message.split_once("): ").map_or(message, |(_, said)| said);
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "errors:");
    lines
        .map(|line| match line.strip_prefix('.').and_then(|line| line.split_once(": ")) {
            Some((path, text)) => Problem::error(path, text),
            None => Problem::error("", line),
        })
        .collect()
}

/// A finding in a file, as the status of a GitSource shows it.
pub fn located(error: &FileError) -> SourceError {
    let field = if error.path.is_empty() { String::new() } else { format!("{}: ", error.path) };
    let suggestion = error.suggestion.as_ref().map(|text| format!("; {text}")).unwrap_or_default();
    SourceError {
        file: Some(cut(&error.file, 1_024)),
        line: i64::from(error.line).try_into().ok().filter(|line| *line > 0),
        column: i64::from(error.column).try_into().ok().filter(|column| *column > 0),
        object: error.object.as_deref().map(|object| cut(object, 600)),
        message: cut(&format!("{field}{}{suggestion}", error.message), LONGEST),
    }
}

/// A finding about an object that no file holds.
pub fn unlocated(object: &str, problem: &Problem) -> SourceError {
    SourceError {
        object: Some(cut(object, 600)),
        message: cut(&problem.to_string(), LONGEST),
        ..SourceError::default()
    }
}

fn cut(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn judged(answer: Value) -> Fault {
        judge(&kube::Error::Api(Box::new(serde_json::from_value(answer).unwrap())))
    }

    fn said(fault: Fault) -> (Option<Mend>, Vec<String>) {
        match fault {
            Fault::Refused(mend, problems) => (Some(mend), problems.iter().map(ToString::to_string).collect()),
            Fault::Passing(text) => (None, vec![text]),
        }
    }

    const UNKNOWN: &str = "failed to create typed patch object (a/x; firstline.dev/v1alpha1, Kind=ServiceMonitor): .spec.servise: field not declared in schema";
    const SEVERAL: &str = "failed to create typed patch object (a/x; v1, Kind=X): errors:\n  .spec.a: field not declared in schema\n  .spec.b[0].c: expected string, got &value.valueUnstructured{Value:1}";

    #[rstest]
    #[case::unknown_field(json!({"code": 500, "message": UNKNOWN}), Some(Mend::Commit), &["spec.servise: field not declared in schema"])]
    #[case::several(json!({"code": 500, "message": SEVERAL}), Some(Mend::Commit), &["spec.a: field not declared in schema", "spec.b[0].c: expected string, got &value.valueUnstructured{Value:1}"])]
    #[case::invalid(json!({"code": 422, "reason": "Invalid", "message": "x is invalid", "details": {"causes": [{"field": "spec.interval", "message": "too short"}, {"field": "<nil>", "message": "some validation rules were not checked"}]}}), Some(Mend::Commit), &["spec.interval: too short"])]
    #[case::invalid_without_causes(json!({"code": 422, "message": "denied by policy"}), Some(Mend::Commit), &["denied by policy"])]
    #[case::forbidden(json!({"code": 403, "reason": "Forbidden", "message": "x cannot patch"}), Some(Mend::Cluster), &["x cannot patch"])]
    #[case::no_namespace(json!({"code": 404, "reason": "NotFound", "message": "namespaces \"b\" not found", "details": {"name": "b", "kind": "namespaces"}}), Some(Mend::Cluster), &["metadata.namespace: the namespace `b` does not exist; kubectl create namespace b"])]
    #[case::a_real_server_fault(json!({"code": 500, "message": "etcdserver: request timed out"}), None, &["etcdserver: request timed out"])]
    #[case::changed_meanwhile(json!({"code": 409, "reason": "Conflict", "message": "uid mismatch"}), None, &["uid mismatch"])]
    #[case::busy(json!({"code": 429, "message": ""}), None, &["the API server answered 429"])]
    fn an_answer_says_whether_it_passes_and_where_it_hurts(
        #[case] answer: Value,
        #[case] mend: Option<Mend>,
        #[case] expected: &[&str],
    ) {
        let (found, problems) = said(judged(answer));
        assert_eq!(found, mend);
        assert_eq!(problems, expected);
    }

    #[test]
    fn a_finding_keeps_its_place_and_its_suggestion() {
        let finding = FileError { path: "spec.x".into(), ..FileError::at("a.yaml", (14, 9), "odd") }.suggest("write y");
        let shown = located(&finding);
        assert_eq!((shown.file.as_deref(), shown.line, shown.column), (Some("a.yaml"), Some(14), Some(9)));
        assert_eq!(shown.message, "spec.x: odd; write y");
    }
}
