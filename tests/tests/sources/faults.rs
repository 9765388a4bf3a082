//! The repository and other sources as they can be: gone, rewritten, emptied, wrong in one of many files. What was applied
//! stays, what is wrong is named, and when it is right again nobody has to do anything.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::stage::SYSTEM;

use crate::scene::{Scene, commit_monitors, condition, monitor};

#[tokio::test]
async fn a_branch_that_is_deleted_and_comes_back_costs_nothing() -> Result<()> {
    let scene = Scene::new("branch").await?;
    let first = commit_monitors(&scene.git, 2)?;
    scene.follow(|_| {}).await?;
    scene.applied(&first).await?;
    scene.git.git(&["branch", "kept", "main"])?;
    scene.git.git(&["update-ref", "-d", "refs/heads/main"])?;
    let status = scene
        .wait_for("the branch is missed", |status| condition(status, "Stalled").contains("GitOperationFailed"))
        .await?;
    let said = condition(&status, "Stalled");
    assert!(said.contains("the repository has no branch `main`; it has kept"), "{said}");
    assert!(status["lastAppliedRevision"].as_str().unwrap_or_default().ends_with(&first));
    assert_eq!(scene.monitors().await?, ["m00", "m01"]);
    scene.git.git(&["update-ref", "refs/heads/main", "refs/heads/kept"])?;
    scene.applied(&first).await?;
    let next = scene.git.commit(&[("new.yaml", &monitor("new", "shop"))], "it goes on")?;
    scene.applied(&next).await?;
    assert_eq!(scene.monitors().await?, ["m00", "m01", "new"]);
    Ok(())
}

/// Three commits, the last two of them thrown away for another one.
async fn rewritten(scene: &Scene, history: Option<&str>) -> Result<(String, String)> {
    let first = commit_monitors(&scene.git, 3)?;
    let second = scene.git.commit(&[("new.yaml", &monitor("new", "second"))], "second")?;
    scene
        .follow(|source| {
            if let Some(history) = history {
                source["spec"]["history"] = json!(history);
            }
        })
        .await?;
    scene.applied(&second).await?;
    scene.git.git(&["update-ref", "refs/heads/main", &first])?;
    let third = scene.git.commit(&[("new.yaml", &monitor("new", "third"))], "third")?;
    Ok((second, third))
}

#[tokio::test]
async fn a_rewritten_history_is_applied_and_told_of() -> Result<()> {
    let scene = Scene::new("rewritten").await?;
    let (second, third) = rewritten(&scene, None).await?;
    let status = scene.applied(&third).await?;
    let said = condition(&status, "Ready");
    let expected = format!("the history was rewritten: the branch no longer holds main@sha1:{second}");
    assert!(said.contains(&expected), "{said}");
    assert_eq!(scene.monitor("new").await?.context("new")?["spec"]["service"], "third");
    tests::eventually(std::time::Duration::from_secs(20), "the Event", || async {
        let events = scene.events().await?;
        let told = events.iter().any(|event| event.starts_with("HistoryRewritten:") && event.contains(&second));
        anyhow::ensure!(told, "{events:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_rewritten_history_can_be_refused_until_the_branch_is_right_again_or_a_person_agrees() -> Result<()> {
    let scene = Scene::new("refused").await?;
    let (second, third) = rewritten(&scene, Some("Refuse")).await?;
    let refused = |status: &Value| condition(status, "Stalled").contains("HistoryRewritten");
    let status = scene.wait_for("it is refused", refused).await?;
    assert!(condition(&status, "Stalled").contains("set `spec.history: Allow`"), "{status:#}");
    assert!(status["lastAppliedRevision"].as_str().unwrap_or_default().ends_with(&second));
    // Asked again, it remembers what is applied, not what was fetched.
    assert!(refused(&scene.sync().await?));
    assert_eq!(scene.monitor("new").await?.context("new")?["spec"]["service"], "second");

    // Back on the old history, nobody has to do anything; an older commit of it is not newer either.
    scene.git.git(&["update-ref", "refs/heads/main", &second])?;
    scene.applied(&second).await?;
    scene.git.git(&["update-ref", "refs/heads/main", &format!("{second}^")])?;
    let status = scene.wait_for("an older tip is refused", refused).await?;
    assert!(condition(&status, "Stalled").contains("the branch went back behind"), "{status:#}");
    scene.git.git(&["update-ref", "refs/heads/main", &third])?;
    scene.patch_spec(&json!({"history": "Allow"})).await?;
    let status = scene.applied(&third).await?;
    assert!(!condition(&status, "Ready").contains("history"), "{status:#}");
    assert_eq!(scene.monitor("new").await?.context("new")?["spec"]["service"], "third");
    Ok(())
}

#[tokio::test]
async fn a_path_that_is_emptied_or_gone_takes_nothing_with_it_without_approval() -> Result<()> {
    let scene = Scene::new("emptied").await?;
    commit_monitors(&scene.git, 3)?;
    let first = scene.git.commit(&[("elsewhere/a.txt", "x")], "beside it")?;
    scene.follow(|source| source["spec"]["path"] = json!("./monitors")).await?;
    scene.applied(&first).await?;

    // Emptied but for a file that is no manifest.
    scene.git.commit(&[("monitors/README.md", "nothing left")], "readme")?;
    let emptied = scene.git.remove(&["monitors/m00.yaml", "monitors/m01.yaml", "monitors/m02.yaml"], "empty it")?;
    let status = scene.wait_for("the guard", |status| condition(status, "Stalled").contains("PruneFailed")).await?;
    let said = condition(&status, "Stalled");
    assert!(said.contains("all 3 objects of this source would be removed"), "{said}");
    assert!(said.contains(&format!("spec.prune.approve: {emptied}")), "{said}");
    assert_eq!(scene.monitors().await?.len(), 3);

    // Gone altogether.
    scene.git.remove(&["monitors"], "remove the folder")?;
    let status = scene.wait_for("the folder", |status| condition(status, "Stalled").contains("BuildFailed")).await?;
    assert!(condition(&status, "Stalled").contains("monitors"), "{status:#}");
    assert_eq!(scene.monitors().await?.len(), 3);

    // Drift is still put back: the last good commit is known.
    scene.kubectl(&["delete", "svcmonitors.firstline.dev", "m00"]).await?;
    tests::eventually(std::time::Duration::from_secs(10), "m00 is there again", || async {
        anyhow::ensure!(scene.monitor("m00").await?.is_some(), "it is not");
        Ok(())
    })
    .await?;
    let back = commit_monitors(&scene.git, 3)?;
    scene.applied(&back).await?;
    let emptied = scene.git.remove(&["monitors/m00.yaml", "monitors/m01.yaml"], "most of it")?;
    scene.applied(&emptied).await?;
    let last = scene.git.commit(&[("monitors/m02.yaml", "# nothing\n")], "the last one")?;
    scene.wait_for("the guard", |status| condition(status, "Stalled").contains("PruneFailed")).await?;
    scene.patch_spec(&json!({"prune": {"approve": last}})).await?;
    scene.applied(&last).await?;
    assert_eq!(scene.monitors().await?, [] as [&str; 0]);
    Ok(())
}

#[tokio::test]
async fn one_file_of_five_hundred_that_is_wrong_holds_back_all_and_is_named() -> Result<()> {
    let scene = Scene::new("many").await?;
    let first = commit_monitors(&scene.git, 500)?;
    scene.follow(|_| {}).await?;
    scene.applied(&first).await?;
    let mark = scene.mark().await?;
    let wrong = monitor("m77", "shop").replace("interval: 1h", "interval: soon");
    let files: Vec<(String, String)> =
        (100..110).map(|n| (format!("monitors/m{n}.yaml"), monitor(&format!("m{n}"), "other"))).collect();
    let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.push(("monitors/m77.yaml", &wrong));
    scene.git.commit(&files, "ten changes and a mistake")?;
    let status = scene.wait_for("refused", |status| condition(status, "Stalled").contains("BuildFailed")).await?;
    let error = &status["errors"][0];
    assert_eq!(
        (&error["file"], &error["line"], &error["column"], &status["errorCount"]),
        (&json!("monitors/m77.yaml"), &json!(7), &json!(3), &json!(1)),
        "{error}"
    );
    let calls = scene.calls(mark).await?;
    assert_eq!(calls.count(), 0, "nothing was even asked: {calls}");
    // All else goes on: drift is put back as the last good commit has it.
    scene
        .kubectl(&["patch", "svcmonitors.firstline.dev", "m105", "--type=merge", "-p", r#"{"spec":{"suspend":true}}"#])
        .await?;
    tests::eventually(std::time::Duration::from_secs(10), "m105 is as the last good commit has it", || async {
        let found = scene.monitor("m105").await?.context("m105")?;
        anyhow::ensure!(found["spec"]["suspend"] == false && found["spec"]["service"] == "shop", "{}", found["spec"]);
        Ok(())
    })
    .await?;
    let mended = scene.git.commit(&[("monitors/m77.yaml", &monitor("m77", "shop"))], "mended")?;
    let status = scene.applied(&mended).await?;
    assert_eq!((&status["objects"]["updated"], &status["errorCount"]), (&json!(10), &json!(0)));
    Ok(())
}

#[tokio::test]
async fn two_sources_do_not_fight_over_an_object_and_it_passes_over_when_the_first_lets_go() -> Result<()> {
    let (one, mut two) = (Scene::new("holder").await?, Scene::new("heir").await?);
    two.namespace.clone_from(&one.namespace);
    let commit = one.git.commit(&[("a.yaml", &monitor("shared", "one")), ("b.yaml", &monitor("one", "one"))], "one")?;
    one.follow(|_| {}).await?;
    one.applied(&commit).await?;
    let wanted = two.git.commit(&[("a.yaml", &monitor("shared", "two")), ("c.yaml", &monitor("two", "two"))], "two")?;
    two.follow(|_| {}).await?;
    two.wait_for("the conflict", |status| condition(status, "Stalled").contains("ReconciliationFailed")).await?;
    let mark = one.mark().await?;
    two.sync().await?;
    one.sync().await?;
    assert_eq!(one.calls(mark).await?.writes().count(), 0, "neither writes");
    assert_eq!(one.monitor("shared").await?.context("shared")?["spec"]["service"], "one");

    let gone = one.git.remove(&["a.yaml"], "the other has it")?;
    one.applied(&gone).await?;
    two.applied(&wanted).await?;
    let passed = two.monitor("shared").await?.context("shared")?;
    assert_eq!(passed["spec"]["service"], "two");

    // A label that names another source is no edit that is put back; neither source takes what it does not hold.
    let set = one.monitor("one").await?.context("one")?["metadata"]["labels"]["applyset.kubernetes.io/part-of"].clone();
    two.patch_spec(&json!({"prune": {"enabled": false}})).await?;
    one.patch_spec(&json!({"suspend": true})).await?;
    one.wait_for("it rests", |status| condition(status, "Ready").contains("Suspended")).await?;
    let label = format!("applyset.kubernetes.io/part-of={}", set.as_str().context("a label")?);
    two.kubectl(&["label", "--overwrite", "svcmonitors.firstline.dev", "shared", &label]).await?;
    let status = two.wait_for("the hand-over", |status| status["drift"][0]["state"] == "Conflict").await?;
    let said = status["drift"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(said.contains(&format!("it belongs to GitSource {SYSTEM}/{}", one.source)), "{said}");
    assert!(condition(&status, "Drifted").starts_with("True Conflict"), "{status:#}");
    Ok(())
}
