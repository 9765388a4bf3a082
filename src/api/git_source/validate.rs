//! From a GitSource's spec to what the Git engine works with.

use std::{path::Path, time::Duration};

use domain::problem::Problem;
use url::Url;

use super::{Drift, GitSource, History};
use crate::findings::{Findings, Validated, seconds};

/// A GitSource that has passed validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it lives; its Secret is read there.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `https`, `http` or `file`, without credentials. Whether `file` is allowed is the operator's to say.
    pub url: Url,
    /// The branch to follow.
    pub branch: String,
    /// The folder, relative to the root of the repository, with `/` between its parts; empty: the root.
    pub path: String,
    /// How often the repository is asked (10 s – 24 h).
    pub interval: Duration,
    /// For one fetch (1 s – 30 min).
    pub timeout: Duration,
    /// The Secret with the credentials.
    pub secret: Option<String>,
    /// Where it may write; never empty.
    pub namespaces: Vec<String>,
    /// The ServiceAccount of its own namespace that is impersonated; `None`: the operator's own account.
    pub service_account: Option<String>,
    /// What happens when somebody else changes an object.
    pub drift: Drift,
    /// What happens to objects that left the repository.
    pub prune: PruneRules,
    /// What happens when the branch no longer holds the commit that is applied.
    pub history: History,
    /// Whether it rests, by request.
    pub suspended: bool,
}

impl Source {
    /// Whether another version of the source reads the same files into the same namespaces.
    pub fn reads_the_same(&self, other: &Self) -> bool {
        (&self.url, &self.branch, &self.path, &self.namespaces)
            == (&other.url, &other.branch, &other.path, &other.namespaces)
    }
}

/// What happens to objects that left the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneRules {
    /// Whether they are deleted.
    pub enabled: bool,
    /// The largest share of 10 or more objects that one commit may delete, 0–100.
    pub max_percent: u32,
    /// The commit whose deletions are approved whatever their share.
    pub approved: Option<String>,
}

/// Reads a GitSource.
///
/// # Errors
/// All problems, warnings among them, when one of them is an error.
pub fn validate(source: &GitSource) -> Result<Validated<Source>, Vec<Problem>> {
    let mut findings = Findings::default();
    let spec = &source.spec;
    let namespace = source.metadata.namespace.clone().unwrap_or_default();
    let interval = findings.duration("spec.interval", &spec.interval, seconds(1)..=seconds(86_400));
    let timeout = findings.duration("spec.timeout", &spec.timeout, seconds(1)..=seconds(1_800));
    let path = folder(&mut findings, &spec.path);
    refuse_odd_branch(&mut findings, &spec.reference.branch);
    let url = findings.url("spec.url", &spec.url, &["https", "http", "file"]);
    if let Some(url) = &url {
        look_at_url(&mut findings, url, spec.secret_ref.is_some());
    }
    let namespaces =
        if spec.apply.namespaces.is_empty() { vec![namespace.clone()] } else { spec.apply.namespaces.clone() };
    let valid = url.map(|url| Source {
        namespace,
        name: source.metadata.name.clone().unwrap_or_default(),
        url,
        branch: spec.reference.branch.clone(),
        path,
        interval,
        timeout,
        secret: spec.secret_ref.as_ref().map(|secret| secret.name.clone()),
        namespaces,
        service_account: spec.apply.service_account_name.clone(),
        drift: spec.apply.drift,
        prune: PruneRules {
            enabled: spec.prune.enabled,
            max_percent: spec.prune.max_percent,
            approved: spec.prune.approve.clone(),
        },
        history: spec.history,
        suspended: spec.suspend,
    });
    findings.finish_some(valid)
}

fn look_at_url(findings: &mut Findings, url: &Url, has_secret: bool) {
    if url.query().is_some() || url.fragment().is_some() {
        findings.error("spec.url", "expected the address of a repository, without `?` and `#`");
    }
    match url.scheme() {
        "http" if has_secret => {
            findings.warning("spec.url", "the credentials of secretRef would be sent in plain text; use https");
        }
        "file" if has_secret => {
            findings.warning("spec.secretRef", "a file URL needs no credentials; they are not used");
        }
        _ => {}
    }
}

/// The rules of `git check-ref-format` that a pattern does not say.
fn refuse_odd_branch(findings: &mut Findings, branch: &str) {
    let odd = branch.contains("..")
        || branch.contains("//")
        || branch.contains("@{")
        || branch.starts_with(['/', '-'])
        || branch.ends_with(['/', '.'])
        || branch.split('/').any(|part| part.starts_with('.') || part.ends_with(".lock"));
    if odd {
        findings.error("spec.ref.branch", format!("git does not allow the branch name `{branch}`"));
    } else if let Some(short) = branch.strip_prefix("refs/heads/") {
        findings.add(
            Problem::error("spec.ref.branch", "expected the short name of a branch")
                .suggest(format!("write `{short}`")),
        );
    }
}

fn folder(findings: &mut Findings, path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => findings.error("spec.path", format!("expected a folder inside the repository, found `{path}`")),
            part => parts.push(part),
        }
    }
    if Path::new(path).is_absolute() {
        findings.add(
            Problem::error("spec.path", format!("expected a folder from the root of the repository, found `{path}`"))
                .suggest(format!("write `.{path}`")),
        );
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn source(change: impl FnOnce(&mut serde_json::Value)) -> GitSource {
        let mut value = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "GitSource", "metadata": {"name": "support", "namespace": "ops"},
            "spec": {"url": "https://git.acme.example/support.git", "ref": {"branch": "main"}},
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let valid = validate(&source(|_| {})).unwrap();
        assert_eq!(valid.warnings, []);
        assert_eq!(valid.value.path, "");
        assert_eq!(valid.value.interval, seconds(60));
        assert_eq!(valid.value.namespaces, ["ops"]);
        assert_eq!(valid.value.prune, PruneRules { enabled: true, max_percent: 20, approved: None });
    }

    #[rstest]
    #[case("./", "")]
    #[case("./production", "production")]
    #[case("a//b/./c/", "a/b/c")]
    fn a_path_is_read_from_the_root_of_the_repository(#[case] written: &str, #[case] read: &str) {
        let valid = validate(&source(|value| value["spec"]["path"] = json!(written))).unwrap();
        assert_eq!(valid.value.path, read);
    }

    #[rstest]
    #[case("path", json!("../other"), "spec.path: expected a folder inside the repository, found `../other`")]
    #[case("path", json!("/etc"), "spec.path: expected a folder from the root of the repository, found `/etc`; write `./etc`")]
    #[case("url", json!("https://ada:pw@git.acme.example/x"), "spec.url: expected no user name and no password in the URL: whoever may read this object could read them; use a secretRef")]
    #[case("url", json!("ssh://git.acme.example/x"), "spec.url: expected https, http or file, found `ssh`; known: file, http, https")]
    #[case("interval", json!("500ms"), "spec.interval: expected 1s to 1d, found `500ms`")]
    #[case("ref", json!({"branch": "refs/heads/main"}), "spec.ref.branch: expected the short name of a branch; write `main`")]
    #[case("ref", json!({"branch": "a..b"}), "spec.ref.branch: git does not allow the branch name `a..b`")]
    fn what_cannot_be_fetched_is_refused(
        #[case] field: &str,
        #[case] written: serde_json::Value,
        #[case] expected: &str,
    ) {
        let problems = validate(&source(|value| value["spec"][field] = written)).unwrap_err();
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}
