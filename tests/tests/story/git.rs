//! What people see when something in Git is not as it should be, and that mending it in Git is all it takes.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::stage::{SYSTEM, TEAM};

use crate::scene::{Scene, lines, ready};

/// What the team's objects are, status apart: uid, generation and spec.
async fn specs(scene: &Scene) -> Result<BTreeMap<String, Value>> {
    let mut all = BTreeMap::new();
    for kind in ["svcmonitors", "supportpolicies"] {
        for object in scene.stage.list(kind).await? {
            let (metadata, name) = (&object["metadata"], object["metadata"]["name"].as_str().context("a name")?);
            let state = json!([metadata["uid"], metadata["generation"], metadata["labels"], object["spec"]]);
            all.insert(format!("{kind}/{name}"), state);
        }
    }
    Ok(all)
}

/// The errors of a status as `file:line:column message`.
fn errors(status: &Value) -> Vec<String> {
    let all = status["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |error: &Value| {
        let file = error["file"].as_str().unwrap_or("-");
        format!("{file}:{}:{} {}", error["line"], error["column"], error["message"].as_str().unwrap_or_default())
    };
    all.iter().map(text).collect()
}

fn has_error(status: &Value, place: &str, words: &str) -> Result<()> {
    let errors = errors(status);
    let found = errors.iter().any(|error| error.starts_with(&format!("{place} ")) && error.contains(words));
    ensure!(found, "expected {place} … {words:?} among\n{}", errors.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_commit_with_errors_changes_nothing_and_names_every_error_at_its_place() -> Result<()> {
    let scene = Scene::running("invalid", &[]).await?;
    let before = specs(&scene).await?;
    let monitors = scene.stage.git.read("monitors.yaml")?;
    let policy = scene.stage.git.read("policy.yaml")?;

    let broken = scene.commit(&[
        // Right, but not alone: nothing of the commit is applied.
        ("monitors.yaml", &monitors.replace("timeout: 1s", "timeout: 900ms")),
        ("policy.yaml", &policy.replace("escalation: page", "escalation: paeg")),
        ("not-yaml.yaml", "kind: [ServiceMonitor\nmetadata: }\n"),
        ("twice.yaml", "apiVersion: firstline.dev/v1alpha1\nkind: ServiceMonitor\nkind: ServiceMonitor\n"),
        (
            "typo.yaml",
            "apiVersion: firstline.dev/v1alpha1\nkind: ServiceMonitor\nmetadata: {name: search, namespace: payments}\nspec:\n  servise: search\n  interval: soon\n  probe: {tcp: {address: \"127.0.0.1:1\"}}\n",
        ),
    ])?;
    let status = scene.refused(&broken, "BuildFailed").await?;
    has_error(&status, "typo.yaml:5:3", "unknown field; did you mean `service`?")?;
    has_error(&status, "typo.yaml:6:3", "spec.interval")?;
    has_error(&status, "twice.yaml:3:1", "kind")?;
    ensure!(errors(&status).iter().any(|error| error.starts_with("not-yaml.yaml:")), "{:#?}", errors(&status));
    ensure!(
        errors(&status).iter().any(|error| error.starts_with("policy.yaml:") && error.contains("did you mean `page`?")),
        "{:#?}",
        errors(&status)
    );
    assert_eq!(ready(&status)["status"], "False");
    assert_eq!(specs(&scene).await?, before, "nothing was written");
    let text = scene.event(SYSTEM, "acme", "BuildFailed").await?;
    assert!(text.contains(".yaml:"), "{text}");
    let row = scene.stage.plane.kubectl(&["-n", SYSTEM, "get", "gitsource", "acme"]).await?.ok()?;
    assert!(row.contains("False") && row.contains("errors"), "{row}");

    // The next commit mends it; what was right in the broken one is applied now.
    scene.stage.git.remove(&["not-yaml.yaml", "twice.yaml", "typo.yaml"], "remove what was wrong")?;
    let mended = scene.commit(&[("policy.yaml", &policy)])?;
    let source = scene.applied(&mended).await?;
    assert_eq!(errors(&source["status"]), Vec::<String>::new());
    let checkout = scene.stage.get("svcmonitors", "checkout").await?;
    assert_eq!(checkout["spec"]["timeout"], "900ms");
    let history: Vec<&str> = source["status"]["history"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["result"].as_str())
        .collect();
    assert!(history.contains(&"Refused") && history.first() == Some(&"Applied"), "{history:?}");
    Ok(())
}

#[tokio::test]
async fn a_file_that_leaves_git_takes_its_monitor_and_its_alert_with_it() -> Result<()> {
    let scene = Scene::running("prune", &[]).await?;
    scene.break_shop();
    let ticket = scene.paged("ada").await?;
    let monitors = scene.stage.git.read("monitors.yaml")?;
    let (_, port) = monitors.split_once("\n---\n").context("two monitors")?;
    let commit = scene.commit(&[("monitors.yaml", port)])?;
    let source = scene.applied(&commit).await?;
    assert_eq!(source["status"]["objects"]["pruned"], 1, "{}", source["status"]);
    let gone = scene.stage.plane.kubectl(&["-n", TEAM, "get", "svcmonitor", "checkout"]).await?.refused()?;
    assert!(gone.contains("NotFound"), "{gone}");
    let ended = scene.ticket("its alert lost its source", |ticket| ticket["status"]["alerts"]["firing"] == 0).await?;
    assert_eq!(ended["status"]["alerts"]["list"][0]["state"], "SourceRemoved");
    assert_eq!(lines(&ended, "SourceRemoved").len(), 1, "{}", ended["status"]["timeline"]);
    assert_eq!(ended["status"]["state"], "New", "whether it is over, a person must say");
    assert_eq!(ticket["metadata"]["uid"], ended["metadata"]["uid"]);
    Ok(())
}

fn many(count: usize) -> String {
    let one = |index: usize| {
        format!(
            "apiVersion: firstline.dev/v1alpha1\nkind: ServiceMonitor\nmetadata: {{name: many-{index}, namespace: payments}}\n\
             spec: {{service: many-{index}, interval: 1h, probe: {{tcp: {{address: \"127.0.0.1:1\"}}}}, suspend: true}}\n"
        )
    };
    (0..count).map(one).collect::<Vec<_>>().join("---\n")
}

#[tokio::test]
async fn a_commit_that_removes_nearly_everything_waits_for_a_person_who_names_it() -> Result<()> {
    let scene = Scene::running("guard", &[]).await?;
    let grown = scene.commit(&[("many.yaml", &many(12))])?;
    let source = scene.applied(&grown).await?;
    assert_eq!(source["status"]["objects"]["total"], 15, "{}", source["status"]);

    let shrunk = scene.commit(&[("many.yaml", &many(1))])?;
    let status = scene.refused(&shrunk, "PruneFailed").await?;
    let message = ready(&status)["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("11 of 15 objects would be removed"), "{message}");
    assert!(message.contains(&format!("spec.prune.approve: {shrunk}")), "{message}");
    assert_eq!(scene.stage.list("svcmonitors").await?.len(), 14);

    // To name another commit is not enough.
    let approve = async |commit: &str| {
        let patch = json!({"spec": {"prune": {"approve": commit}}}).to_string();
        let patch = ["-n", SYSTEM, "patch", "gitsource", "acme", "--type=merge", "-p", &patch];
        scene.stage.plane.kubectl(&patch).await?.ok()
    };
    approve(&grown).await?;
    scene
        .source("has seen the other approval and still refuses", |status| {
            status["observedGeneration"] == 2 && ready(status)["reason"] == "PruneFailed"
        })
        .await?;
    assert_eq!(scene.stage.list("svcmonitors").await?.len(), 14);
    approve(&shrunk).await?;
    let source = scene.applied(&shrunk).await?;
    assert_eq!(source["status"]["objects"]["pruned"], 11, "{}", source["status"]);
    assert_eq!(scene.stage.list("svcmonitors").await?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_repository_that_vanishes_is_named_and_found_again() -> Result<()> {
    let scene = Scene::running("vanish", &[]).await?;
    let before = specs(&scene).await?;
    scene.stage.git.vanish()?;
    let source = scene
        .source("says that the repository is gone", |status| ready(status)["reason"] == "GitOperationFailed")
        .await?;
    let status = &source["status"];
    let message = ready(status)["message"].as_str().unwrap_or_default();
    assert_eq!(message, format!("no folder is at {}", scene.stage.git.path().display()));
    assert_eq!(ready(status)["status"], "False");
    assert!(status["lastAppliedRevision"].is_string(), "what was applied stays known: {status}");
    scene.event(SYSTEM, "acme", "GitOperationFailed").await?;
    assert_eq!(specs(&scene).await?, before, "what was applied stays");
    scene.break_shop();
    scene.paged("ada").await?;

    scene.stage.git.reappear()?;
    let monitors = scene.stage.git.read("monitors.yaml")?;
    let commit = scene.commit(&[("monitors.yaml", &monitors.replace("down: 2", "down: 3"))])?;
    scene.applied(&commit).await?;
    let checkout = scene.stage.get("svcmonitors", "checkout").await?;
    assert_eq!(checkout["spec"]["thresholds"]["down"], 3);
    Ok(())
}
