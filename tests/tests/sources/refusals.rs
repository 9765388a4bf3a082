//! What a person reads when a commit cannot be applied, and that nothing was written then.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::scene::{Scene, commit_monitors, condition, monitor};

/// `file:line:column` of each error.
fn places(status: &Value) -> Vec<String> {
    let errors = status["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors
        .iter()
        .map(|one| format!("{}:{}:{}", one["file"].as_str().unwrap_or_default(), one["line"], one["column"]))
        .collect()
}

#[tokio::test]
async fn an_invalid_commit_writes_nothing_and_names_every_error() -> Result<()> {
    let scene = Scene::new("invalid").await?;
    let good = commit_monitors(&scene.git, 2)?;
    scene.follow(|_| {}).await?;
    scene.applied(&good).await?;
    let before = scene.monitor("m00").await?.context("m00")?;
    let mark = scene.mark().await?;

    let misspelt = monitor("m00", "shop").replace("interval:", "intervall:");
    let files = [
        ("monitors/m00.yaml", misspelt.as_str()),
        ("new.yaml", &monitor("new", "shop")),
        ("broken.yaml", "kind: ServiceMonitor\n  bad: [indent\n"),
        ("elsewhere.yaml", &monitor("x", "shop").replace("name: x", "name: x\n  namespace: kube-system")),
        ("odd.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"),
    ];
    let bad = scene.git.commit(&files, "all of this is wrong")?;
    let status = scene.wait_for("it is refused", |status| condition(status, "Stalled").contains("BuildFailed")).await?;
    let places = places(&status);
    for expected in ["monitors/m00.yaml:7:3", "broken.yaml:", "elsewhere.yaml:5:3", "odd.yaml:2:1"] {
        assert!(places.iter().any(|place| place.starts_with(expected)), "{expected} is not among {places:?}");
    }
    assert_eq!(status["errorCount"], json!(places.len()));
    assert!(status["lastAppliedRevision"].as_str().unwrap_or_default().ends_with(&good));
    assert!(status["lastAttemptedRevision"].as_str().unwrap_or_default().ends_with(&bad));
    assert_eq!(scene.calls(mark).await?.count(), 0);
    let after = scene.monitor("m00").await?.context("m00")?;
    assert_eq!(
        (&after["spec"], &after["metadata"]["generation"]),
        (&before["spec"], &before["metadata"]["generation"])
    );
    assert_eq!(scene.monitors().await?, ["m00", "m01"]);
    tests::eventually(Duration::from_secs(20), "the Event", || async {
        let events = scene.events().await?;
        let named = |event: &String| event.starts_with("BuildFailed:") && event.contains("monitors/m00.yaml:7:3");
        ensure!(events.iter().any(named), "{events:?}");
        Ok(())
    })
    .await?;

    scene.git.remove(&["broken.yaml", "elsewhere.yaml", "odd.yaml"], "mended")?;
    let mended = scene.git.commit(&[("monitors/m00.yaml", &monitor("m00", "shop"))], "mended")?;
    let status = scene.applied(&mended).await?;
    assert_eq!(status["errorCount"], 0);
    assert_eq!(scene.monitors().await?, ["m00", "m01", "new"]);
    Ok(())
}

#[tokio::test]
async fn too_many_removals_wait_for_approval_by_commit() -> Result<()> {
    let scene = Scene::new("guard").await?;
    let first = commit_monitors(&scene.git, 10)?;
    scene.follow(|_| {}).await?;
    scene.applied(&first).await?;
    let files: Vec<String> = (0..5).map(|n| format!("monitors/m{n:02}.yaml")).collect();
    let second = scene.git.remove(&files.iter().map(String::as_str).collect::<Vec<_>>(), "half of them")?;
    let status =
        scene.wait_for("the guard holds", |status| condition(status, "Stalled").contains("PruneFailed")).await?;
    let said = condition(&status, "Stalled");
    assert!(said.contains("5 of 10 objects") && said.contains(&format!("spec.prune.approve: {second}")), "{said}");
    assert_eq!(scene.monitors().await?.len(), 10);

    scene.patch_spec(&json!({"prune": {"approve": second}})).await?;
    let status = scene.applied(&second).await?;
    assert_eq!(status["objects"]["pruned"], 5);
    assert_eq!(scene.monitors().await?.len(), 5);
    Ok(())
}

#[tokio::test]
async fn an_object_of_another_source_is_left_to_it() -> Result<()> {
    let (one, mut two) = (Scene::new("first").await?, Scene::new("second").await?);
    two.namespace.clone_from(&one.namespace);
    let commit = one.git.commit(&[("a.yaml", &monitor("shared", "one"))], "one")?;
    one.follow(|_| {}).await?;
    one.applied(&commit).await?;
    two.git.commit(&[("b.yaml", &monitor("shared", "two")), ("c.yaml", &monitor("own", "two"))], "two")?;
    two.follow(|_| {}).await?;
    let status = two
        .wait_for("the conflict is told", |status| condition(status, "Stalled").contains("ReconciliationFailed"))
        .await?;
    assert_eq!(places(&status), ["b.yaml:4:3"]);
    let message = status["errors"][0]["message"].as_str().context("no message")?;
    assert!(message.contains(&one.source), "{message}");
    assert_eq!(one.monitor("shared").await?.context("shared")?["spec"]["service"], "one");
    assert_eq!(one.monitors().await?, ["shared"]);
    Ok(())
}

#[tokio::test]
async fn a_missing_namespace_and_a_missing_permission_are_named_and_mended_without_a_commit() -> Result<()> {
    let scene = Scene::new("absent").await?;
    let missing = format!("{}-later", scene.namespace);
    let elsewhere = monitor("there", "shop").replace("name: there", &format!("name: there\n  namespace: {missing}"));
    let here = monitor("here", "shop").replace("name: here", &format!("name: here\n  namespace: {}", scene.namespace));
    let commit = scene.git.commit(&[("there.yaml", &elsewhere), ("here.yaml", &here)], "two namespaces")?;
    scene.follow(|source| source["spec"]["apply"]["namespaces"] = json!([scene.namespace, missing])).await?;
    let status = scene
        .wait_for("the namespace is missed", |status| condition(status, "Stalled").contains("ReconciliationFailed"))
        .await?;
    assert_eq!(places(&status), ["there.yaml:5:3"]);
    let said = condition(&status, "Stalled");
    assert!(
        said.contains(&format!("the namespace `{missing}` does not exist; kubectl create namespace {missing}")),
        "{said}"
    );
    assert_eq!(scene.monitors().await?, [] as [&str; 0], "nothing is written unless everything would be");

    scene.plane.kubectl(&["create", "namespace", &missing]).await?.ok()?;
    scene.applied(&commit).await?;

    scene.plane.kubectl(&["create", "serviceaccount", "-n", "firstline-system", &scene.source]).await?.ok()?;
    scene.patch_spec(&json!({"apply": {"serviceAccountName": scene.source}})).await?;
    let status = scene
        .wait_for("the permission is missed", |status| condition(status, "Stalled").contains("AccessDenied"))
        .await?;
    assert!(
        condition(&status, "Stalled")
            .contains(&format!("ServiceAccount firstline-system/{} may not list", scene.source))
    );
    Ok(())
}

#[tokio::test]
async fn a_repository_that_vanishes_takes_nothing_with_it() -> Result<()> {
    let scene = Scene::new("vanish").await?;
    let commit = commit_monitors(&scene.git, 2)?;
    scene.follow(|_| {}).await?;
    scene.applied(&commit).await?;
    scene.git.vanish()?;
    let status = scene.sync().await?;
    assert!(condition(&status, "Stalled").contains("GitOperationFailed"), "{status:#}");
    assert!(status["lastAppliedRevision"].as_str().unwrap_or_default().ends_with(&commit));
    assert_eq!(scene.monitors().await?.len(), 2);
    scene.git.reappear()?;
    scene.applied(&commit).await.map(drop)
}

#[tokio::test]
async fn outside_the_operators_namespace_a_source_needs_an_account() -> Result<()> {
    let scene = Scene::new("outside").await?;
    let source = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "GitSource", "metadata": {"name": "mine", "namespace": scene.namespace},
        "spec": {"url": scene.git.file_url(), "ref": {"branch": "main"}},
    });
    scene.plane.apply(&source.to_string()).await?;
    scene.kubectl(&["wait", "--for=condition=Stalled", "--timeout=30s", "gitsource/mine"]).await?;
    let text = scene
        .kubectl(&["get", "gitsource", "mine", "-o", "jsonpath={.status.conditions[?(@.type==\"Ready\")].message}"])
        .await?;
    assert!(text.contains("set spec.apply.serviceAccountName"), "{text}");
    Ok(())
}
