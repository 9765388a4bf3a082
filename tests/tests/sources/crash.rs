//! kill -9 in the middle of a commit: the next process finishes it, and leaves neither an orphan nor a gap.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tests::{
    control_plane::ControlPlane,
    eventually,
    operator::{Operator, Setup},
    stage::PATIENCE,
};

use crate::scene::{Scene, commit_monitors, install, monitor};

/// Enough that a kill falls between two writes.
const OBJECTS: usize = 120;

/// Waits until at least so many monitors are there, then kills.
async fn kill_at(scene: &Scene, operator: &Operator, there: impl Fn(usize) -> bool) -> Result<()> {
    eventually(PATIENCE, "the commit is half written", || async {
        let count = scene.monitors().await?.len();
        ensure!(there(count), "{count} monitors");
        Ok(())
    })
    .await?;
    operator.kill9();
    Ok(())
}

pub(crate) async fn start(setup: &Setup) -> Result<Operator> {
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    Ok(operator)
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_commit_leaves_no_gap_and_no_orphan() -> Result<()> {
    kill_twice("Correct").await
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_commit_that_only_reports_drift_leaves_no_gap_and_no_orphan() -> Result<()> {
    kill_twice("Report").await
}

async fn kill_twice(drift: &str) -> Result<()> {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await?));
    let setup = install(plane).await?;
    let scene = Scene::on(plane, "crash").await?;
    let first = commit_monitors(&scene.git, OBJECTS)?;
    scene.follow(|source| source["spec"]["apply"]["drift"] = json!(drift)).await?;

    let operator = start(&setup).await?;
    kill_at(&scene, &operator, |count| count >= 20).await?;
    let left = scene.monitors().await?.len();
    ensure!(left < OBJECTS, "the kill came too late: {left} monitors are there");
    assert_eq!(scene.status().await?["transaction"], "Applying");
    let operator = start(&setup).await?;
    scene.applied(&first).await?;
    assert_eq!(scene.monitors().await?.len(), OBJECTS);

    // What the new process has finished it looks after; a commit applies all of Git, whoever finishes it.
    scene.tamper("m119", "kubectl-edit", &json!({"spec": {"suspend": true}})).await?;
    if drift == "Report" {
        scene.listed("m119", "Reported").await?;
    }
    // Twenty leave, twenty come, and all others but one change: killed again when the first has come, and finished again.
    let gone: Vec<String> = (0..20).map(|n| format!("monitors/m{n:02}.yaml")).collect();
    let changed: Vec<(String, String)> = (20..OBJECTS - 1)
        .map(|n| (format!("m{n:02}"), "other"))
        .chain((0..20).map(|n| (format!("added{n:02}"), "shop")))
        .map(|(name, service)| (format!("monitors/{name}.yaml"), monitor(&name, service)))
        .collect();
    scene
        .git
        .commit(&changed.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>(), "change")?;
    let second = scene.git.remove(&gone.iter().map(String::as_str).collect::<Vec<_>>(), "remove")?;
    kill_at(&scene, &operator, |count| count > OBJECTS).await?;
    assert_eq!(scene.status().await?["transaction"], "Applying");
    let _operator = start(&setup).await?;
    let status = tokio::time::timeout(Duration::from_secs(90), scene.applied(&second)).await??;
    assert_eq!(status["transaction"], "Committed");
    let expected: BTreeSet<String> =
        (20..OBJECTS).map(|n| format!("m{n:02}")).chain((0..20).map(|n| format!("added{n:02}"))).collect();
    assert_eq!(scene.monitors().await?.into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(scene.monitor("m119").await?.context("m119")?["spec"]["suspend"], false);
    Ok(())
}
