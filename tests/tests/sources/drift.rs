//! What others change is put back, told of, or left alone, as the source and the object's freeze say.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{eventually, stage::SYSTEM};
use tokio::time::Instant;

use crate::scene::{Scene, commit_monitors, condition, monitor, operator};

/// What is promised, and what a machine that does other things meanwhile may add to a single repair; that the promise itself
/// holds is shown over hundreds of repairs in `every_field`.
pub(crate) const REPAIRED: Duration = Duration::from_secs(2);
pub(crate) const MARGIN: Duration = Duration::from_secs(8);

impl Scene {
    /// Writes a monitor as this field manager.
    pub(crate) async fn tamper(&self, name: &str, manager: &str, patch: &Value) -> Result<()> {
        let arguments = ["patch", "svcmonitors.firstline.dev", name, "--type=merge", "--field-manager", manager, "-p"];
        self.kubectl(&[&arguments[..], &[&patch.to_string()]].concat()).await.map(drop)
    }

    pub(crate) async fn annotate(&self, name: &str, annotations: &[String]) -> Result<()> {
        let arguments: Vec<&str> = ["annotate", "--overwrite", "svcmonitors.firstline.dev", name]
            .into_iter()
            .chain(annotations.iter().map(String::as_str))
            .collect();
        self.kubectl(&arguments).await.map(drop)
    }

    /// Waits until a monitor is as it was, and says how long that took.
    pub(crate) async fn repaired(&self, name: &str, as_it_was: impl Fn(&Value) -> bool) -> Result<Duration> {
        let began = Instant::now();
        eventually(REPAIRED + MARGIN, &format!("{name} is as Git has it"), || async {
            let found = self.monitor(name).await?.context("it is not there")?;
            ensure!(as_it_was(&found), "it is {}", serde_json::to_string(&found["spec"])?);
            Ok(())
        })
        .await?;
        Ok(began.elapsed())
    }

    /// Waits for an Event on a monitor.
    async fn told(&self, name: &str, reason: &str, words: &[&str]) -> Result<String> {
        eventually(Duration::from_secs(20), &format!("an Event {reason} on {name}"), || async {
            let text = self.kubectl(&["get", "events.events.k8s.io", "-o", "json"]).await?;
            let list: Value = serde_json::from_str(&text)?;
            let of = |one: &&Value| one["regarding"]["name"] == name && one["reason"] == reason;
            let notes: Vec<_> = list["items"].as_array().context("no items")?.iter().filter(of).collect();
            let found = notes.iter().filter_map(|one| one["note"].as_str());
            let found = found.into_iter().find(|note| words.iter().all(|word| note.contains(word)));
            found.map(str::to_owned).with_context(|| format!("only {notes:#?}"))
        })
        .await
    }

    /// The status once it lists this object in this state.
    pub(crate) async fn listed(&self, object: &str, state: &str) -> Result<Value> {
        let object = format!("ServiceMonitor {}/{object}", self.namespace);
        let of = |status: &Value| {
            let all = status["drift"].as_array().map(Vec::as_slice).unwrap_or_default();
            all.iter().find(|one| one["object"] == object.as_str() && one["state"] == state).cloned()
        };
        let status = self.wait_for(&format!("{object} is {state}"), |status| of(status).is_some()).await?;
        of(&status).context("it is listed")
    }

    async fn nothing_listed(&self) -> Result<Value> {
        self.wait_for("nothing is listed", |status| {
            status["drift"].is_null() && status["driftCount"] == 0 && condition(status, "Drifted").is_empty()
        })
        .await
    }
}

#[tokio::test]
async fn an_edit_a_label_and_a_deletion_are_put_back_at_once_and_the_writer_is_named() -> Result<()> {
    let scene = Scene::new("drift").await?;
    let commit = commit_monitors(&scene.git, 3)?;
    scene.follow(|_| {}).await?;
    scene.applied(&commit).await?;

    // Two fields that Git does not mention, one that it does.
    let edit = json!({"spec": {"suspend": true, "alert": {"summary": "x"}, "service": "other"}});
    scene.tamper("m00", "kubectl-edit", &edit).await?;
    let restored = |found: &Value| {
        let spec = &found["spec"];
        spec["suspend"] == false && spec["alert"]["summary"].is_null() && spec["service"] == "shop"
    };
    println!("an edit was put back after {:?}", scene.repaired("m00", restored).await?);
    let text = scene.told("m00", "DriftCorrected", &["kubectl-edit changed", "spec.suspend"]).await?;
    assert!(text.contains(&format!("put back as main@sha1:{commit} has it")), "{text}");

    let labels = json!({"metadata": {"labels": {"applyset.kubernetes.io/part-of": null, "app.kubernetes.io/managed-by": "helm", "mine": "stays"}}});
    scene.tamper("m01", "labeller", &labels).await?;
    let labelled = |found: &Value| {
        let labels = &found["metadata"]["labels"];
        labels["applyset.kubernetes.io/part-of"].is_string() && labels["app.kubernetes.io/managed-by"] == "firstline"
    };
    println!("labels were put back after {:?}", scene.repaired("m01", labelled).await?);
    assert_eq!(scene.monitor("m01").await?.context("m01")?["metadata"]["labels"]["mine"], "stays");
    scene.told("m01", "DriftCorrected", &["labeller changed metadata.labels."]).await?;

    let before = scene.monitor("m02").await?.context("m02")?;
    scene.kubectl(&["delete", "svcmonitors.firstline.dev", "m02"]).await?;
    let again =
        |found: &Value| found["metadata"]["uid"] != before["metadata"]["uid"] && found["spec"] == before["spec"];
    println!("a deleted object was there again after {:?}", scene.repaired("m02", again).await?);
    scene.told("m02", "DriftCorrected", &["it was deleted; made again"]).await?;

    let status = scene.nothing_listed().await?;
    assert!(condition(&status, "Ready").starts_with("True"), "{status:#}");
    let source = format!("{SYSTEM}/{}", scene.source);
    let counted = [("kubectl", 1.0), ("other", 1.0), ("unknown", 1.0)];
    let metrics = operator().await?.metrics().await?;
    for (by, times) in counted {
        let labels = [("source", source.as_str()), ("kind", "ServiceMonitor"), ("by", by), ("action", "corrected")];
        assert_eq!(metrics.sum("firstline_drift_total", &labels), times, "by {by}");
    }
    Ok(())
}

#[tokio::test]
async fn a_source_that_only_reports_lists_what_differs_until_the_next_commit() -> Result<()> {
    let scene = Scene::new("report").await?;
    let commit = commit_monitors(&scene.git, 3)?;
    scene.follow(|source| source["spec"]["apply"]["drift"] = json!("Report")).await?;
    scene.applied(&commit).await?;
    scene.tamper("m00", "kubectl-edit", &json!({"spec": {"suspend": true}})).await?;
    scene.kubectl(&["delete", "svcmonitors.firstline.dev", "m01"]).await?;
    let one = scene.listed("m00", "Reported").await?;
    assert_eq!((&one["fields"], &one["by"]), (&json!(["spec.suspend"]), &json!("kubectl-edit")));
    let gone = scene.listed("m01", "Reported").await?;
    assert_eq!(gone["message"], "it was deleted");
    let status = scene.wait_for("both are counted", |status| status["driftCount"] == 2).await?;
    assert!(condition(&status, "Ready").starts_with("True"), "the commit is applied: {status:#}");
    assert!(condition(&status, "Drifted").starts_with("True Reported"), "{status:#}");
    scene.told("m00", "DriftReported", &["kubectl-edit changed spec.suspend"]).await?;
    assert_eq!(scene.monitor("m00").await?.context("m00")?["spec"]["suspend"], true);

    // Put right by hand, it is not listed any more.
    scene.tamper("m00", "kubectl-edit", &json!({"spec": {"suspend": false}})).await?;
    scene.wait_for("one is left", |status| status["driftCount"] == 1).await?;
    scene.tamper("m00", "kubectl-edit", &json!({"spec": {"suspend": true}})).await?;
    scene.listed("m00", "Reported").await?;
    let next = scene.git.commit(&[("monitors/m02.yaml", &monitor("m02", "other"))], "m02 changes")?;
    scene.applied(&next).await?;
    scene.nothing_listed().await?;
    assert_eq!(scene.monitor("m00").await?.context("m00")?["spec"]["suspend"], false);
    assert_eq!(scene.monitors().await?, ["m00", "m01", "m02"]);
    Ok(())
}

/// An instant so many seconds from now, as an annotation.
#[expect(clippy::disallowed_methods, reason = "a freeze is read against the real clock")]
pub(crate) fn freeze(seconds: i64) -> String {
    let until = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + seconds).unwrap_or_default();
    format!("firstline.dev/freeze-until={until}")
}

pub(crate) fn reason() -> String {
    "firstline.dev/freeze-reason=hotfix of 03:00".to_owned()
}

#[tokio::test]
async fn a_frozen_object_is_left_alone_by_everything_until_its_time() -> Result<()> {
    let scene = Scene::new("freeze").await?;
    let commit = commit_monitors(&scene.git, 12)?;
    scene.follow(|_| {}).await?;
    scene.applied(&commit).await?;
    for name in ["m00", "m01"] {
        scene.annotate(name, &[freeze(25), reason()]).await?;
    }
    scene.tamper("m00", "kubectl-edit", &json!({"spec": {"suspend": true}})).await?;
    let one = eventually(Duration::from_secs(10), "the edit is listed", || async {
        let one = scene.listed("m00", "Frozen").await?;
        ensure!(one["fields"] == json!(["spec.suspend"]), "{one}");
        Ok(one)
    })
    .await?;
    assert_eq!((&one["by"], &one["message"]), (&json!("kubectl-edit"), &json!("hotfix of 03:00")));
    assert!(one["until"].is_string(), "{one}");

    // A commit changes the one and removes the other; both wait, the rest is applied.
    scene
        .git
        .commit(&[("monitors/m00.yaml", &monitor("m00", "new")), ("new.yaml", &monitor("new", "new"))], "change")?;
    let next = scene.git.remove(&["monitors/m01.yaml"], "remove")?;
    let status = scene.applied(&next).await?;
    assert!(condition(&status, "Drifted").starts_with("True Frozen"), "{status:#}");
    let frozen = scene.monitor("m00").await?.context("m00")?;
    assert_eq!((&frozen["spec"]["service"], &frozen["spec"]["suspend"]), (&json!("shop"), &json!(true)));
    assert!(scene.monitor("m01").await?.is_some() && scene.monitor("new").await?.is_some());
    let leaving = scene.listed("m01", "Frozen").await?;
    assert_eq!(leaving["message"], "it left Git; hotfix of 03:00");

    // Then nobody has to do anything.
    eventually(Duration::from_secs(60), "the commit comes through", || async {
        let thawed = scene.monitor("m00").await?.context("m00")?;
        ensure!(thawed["spec"]["service"] == "new" && thawed["spec"]["suspend"] == false, "{}", thawed["spec"]);
        ensure!(scene.monitor("m01").await?.is_none(), "m01 is still there");
        Ok(())
    })
    .await?;
    scene.nothing_listed().await.map(drop)
}

#[tokio::test]
async fn a_freeze_that_is_over_or_cannot_be_read_or_has_no_reason_is_told_of_and_not_obeyed() -> Result<()> {
    let scene = Scene::new("badfreeze").await?;
    let commit = commit_monitors(&scene.git, 3)?;
    scene.follow(|_| {}).await?;
    scene.applied(&commit).await?;
    scene.annotate("m00", &["firstline.dev/freeze-until=tomorrow".to_owned(), reason()]).await?;
    scene.annotate("m01", &[freeze(600)]).await?;
    let one = scene.listed("m00", "BadFreeze").await?;
    let said = one["message"].as_str().unwrap_or_default();
    assert!(said.contains("such as 2026-12-01T12:00:00Z, found `tomorrow`"), "{said}");
    scene.listed("m01", "BadFreeze").await?;
    scene.told("m01", "BadFreeze", &["firstline.dev/freeze-reason: expected why"]).await?;
    scene.annotate("m02", &[freeze(-600), reason()]).await?;
    scene.listed("m02", "BadFreeze").await?;
    scene.told("m02", "BadFreeze", &["was over already when it was written, so nothing was frozen"]).await?;
    for name in ["m00", "m01", "m02"] {
        scene.tamper(name, "kubectl-edit", &json!({"spec": {"suspend": true}})).await?;
        scene.repaired(name, |found| found["spec"]["suspend"] == false).await?;
        scene.listed(name, "BadFreeze").await?;
    }
    for name in ["m00", "m02"] {
        scene.annotate(name, &["firstline.dev/freeze-until-".to_owned()]).await?;
    }
    scene.annotate("m01", &[reason()]).await?;
    scene.listed("m01", "Frozen").await?;
    scene.wait_for("one is left", |status| status["driftCount"] == 1).await.map(drop)
}

#[tokio::test]
async fn who_writes_against_git_again_and_again_is_told_of_and_left_alone_for_a_while() -> Result<()> {
    let scene = Scene::new("fight").await?;
    let commit = commit_monitors(&scene.git, 2)?;
    scene.follow(|_| {}).await?;
    scene.applied(&commit).await?;
    let started = Instant::now();
    for _ in 0..5 {
        scene.tamper("m00", "rival", &json!({"spec": {"suspend": true}})).await?;
        scene.repaired("m00", |found| found["spec"]["suspend"] == false).await?;
    }
    scene.tamper("m00", "rival", &json!({"spec": {"suspend": true}})).await?;
    ensure!(started.elapsed() < Duration::from_secs(55), "the machine is too slow for this test");
    let one = scene.listed("m00", "Fighting").await?;
    assert_eq!((&one["by"], &one["fields"]), (&json!("rival"), &json!(["spec.suspend"])));
    assert!(one["until"].is_string(), "{one}");
    scene.told("m00", "DriftFight", &["rival changed spec.suspend, again and again"]).await?;
    let status = scene.status().await?;
    assert!(condition(&status, "Drifted").starts_with("True Fighting"), "{status:#}");

    // Others are put back meanwhile, and the fight is not: seen for as long as five corrections took.
    scene.tamper("m01", "rival", &json!({"spec": {"suspend": true}})).await?;
    scene.repaired("m01", |found| found["spec"]["suspend"] == false).await?;
    assert_eq!(scene.monitor("m00").await?.context("m00")?["spec"]["suspend"], true);

    // It is put back when its time has come. That the fight is over when it is found so at the end of the next wait, which is two
    // minutes, is shown by the tests of `syncer/fight`.
    eventually(Duration::from_secs(90), "it is put back once more", || async {
        let found = scene.monitor("m00").await?.context("m00")?;
        ensure!(found["spec"]["suspend"] == false, "not yet");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_suspended_source_corrects_nothing_and_catches_up_when_it_is_resumed() -> Result<()> {
    let scene = Scene::new("suspended").await?;
    let commit = commit_monitors(&scene.git, 2)?;
    scene.follow(|_| {}).await?;
    scene.applied(&commit).await?;
    scene.patch_spec(&json!({"suspend": true})).await?;
    scene.wait_for("it rests", |status| condition(status, "Ready").contains("Suspended")).await?;
    scene.tamper("m00", "kubectl-edit", &json!({"spec": {"suspend": true, "timeout": "1s"}})).await?;
    scene.tamper("m01", "kubectl-edit", &json!({"spec": {"service": "other"}})).await?;
    // Of what a source that works does, the operator does not even the reading.
    let mark = scene.mark().await?;
    let watched = Scene::new("working").await?;
    let other = commit_monitors(&watched.git, 1)?;
    watched.follow(|_| {}).await?;
    watched.applied(&other).await?;
    watched.tamper("m00", "kubectl-edit", &json!({"spec": {"suspend": true}})).await?;
    watched.repaired("m00", |found| found["spec"]["suspend"] == false).await?;
    let calls = scene.calls(mark).await?;
    assert_eq!(calls.count(), 0, "{calls}");
    assert_eq!(scene.monitor("m00").await?.context("m00")?["spec"]["suspend"], true);

    scene.patch_spec(&json!({"suspend": false})).await?;
    let status = scene.wait_for("it has caught up", |status| status["objects"]["updated"] == 2).await?;
    assert!(condition(&status, "Ready").starts_with("True"), "{status:#}");
    let restored = scene.monitor("m00").await?.context("m00")?;
    assert_eq!((&restored["spec"]["suspend"], &restored["spec"]["timeout"]), (&json!(false), &json!("10s")));
    assert_eq!(scene.monitor("m01").await?.context("m01")?["spec"]["service"], "shop");
    let mark = scene.mark().await?;
    scene.sync().await?;
    let calls = scene.calls(mark).await?;
    assert_eq!(calls.clone().writes().count(), 0, "once restored it stays: {calls}");
    Ok(())
}

#[tokio::test]
async fn a_repository_that_is_gone_does_not_stop_corrections() -> Result<()> {
    let scene = Scene::new("offline").await?;
    let commit = commit_monitors(&scene.git, 2)?;
    scene.follow(|_| {}).await?;
    scene.applied(&commit).await?;
    scene.git.vanish()?;
    scene.wait_for("it is gone", |status| condition(status, "Stalled").contains("GitOperationFailed")).await?;
    scene.tamper("m00", "kubectl-edit", &json!({"spec": {"suspend": true}})).await?;
    scene.repaired("m00", |found| found["spec"]["suspend"] == false).await?;
    scene.git.reappear()?;
    scene.applied(&commit).await.map(drop)
}
