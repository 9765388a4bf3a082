//! Overrides: who takes a shift over is paged for it, at once where somebody waits for an answer already, and everything
//! that says who is on call says so.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::{
    eventually,
    stage::{PATIENCE, TEAM},
};

use crate::scene::{ADA, BOB, Scene, condition, lines, now, page_of};

/// Bob takes ada's shift with the plugin, for an hour; gives the override's name.
async fn bob_takes_over(scene: &Scene) -> Result<String> {
    let take = ["override", "bob", "--schedule", "primary", "--replaces", "ada", "--for", "1h", "--reason", "swap"];
    let said = scene.plugin(&take).await?;
    let name = said.split(':').next().context("no name")?.to_owned();
    assert!(said.contains(": bob is on call in primary whenever ada would be from "), "{said}");
    Ok(name)
}

/// So many seconds from now, as Kubernetes writes it.
fn time(seconds: i64) -> Result<String> {
    Ok(jiff::Timestamp::from_second(i64::try_from(now()?.as_secs())? + seconds)?.to_string())
}

/// The policy's summary of who is on call, once it says this.
async fn summary_says(scene: &Scene, words: &str) -> Result<()> {
    eventually(PATIENCE, &format!("the policy to say {words:?}"), || async {
        let policy = scene.stage.get("supportpolicies", "payments").await?;
        let summary = &policy["status"]["onCallSummary"];
        anyhow::ensure!(summary.as_str().is_some_and(|summary| summary.contains(words)), "{summary}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn who_takes_over_while_nobody_has_answered_is_paged_at_once() -> Result<()> {
    let scene = Scene::running("override", &[("after: 20s", "after: 120s")]).await?;
    scene.break_shop();
    scene.paged("ada").await?;
    let name = bob_takes_over(&scene).await?;
    let paged = scene.paged("bob").await?;
    assert_eq!(page_of(&paged, "bob")["step"], 1, "it is ada's step that comes to bob, not his own");
    let steps = lines(&paged, "Step");
    assert_eq!(steps, ["cycle 1, step 1: ada (on call in primary)", "cycle 1, step 1: bob (took over primary)"]);

    summary_says(&scene, "primary: bob").await?;
    let said = scene.plugin(&["oncall", "--schedule", "primary", "-o", "wide"]).await?;
    assert!(said.contains("bob") && said.contains(&name), "{said}");
    let object = scene.stage.get("oncalloverrides", &name).await?;
    assert_eq!(object["spec"]["author"], ADA);
    scene.wait_condition(TEAM, "Active", &format!("oncalloverride/{name}")).await?;

    // The shift goes back, and with it the trouble that nobody has taken yet.
    let said = scene.plugin(&["override", "--expire", &name]).await?;
    assert!(said.contains(&format!("{name} ended at")), "{said}");
    scene
        .ticket("ada is paged again", |ticket| {
            lines(ticket, "Step").last() == Some(&"cycle 1, step 1: ada (took over primary)")
        })
        .await?;
    summary_says(&scene, "primary: ada").await
}

#[tokio::test]
async fn what_breaks_while_bob_has_the_shift_is_bobs_and_a_wrong_name_takes_nobody_off_call() -> Result<()> {
    let scene = Scene::running("swap", &[("after: 20s", "after: 120s")]).await?;
    // Newer than bob's and without `replaces`, it would win; but the policy knows no such person.
    bob_takes_over(&scene).await?;
    let (from, until) = (time(-60)?, time(3_600)?);
    let wrong = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "OnCallOverride", "metadata": {"name": "typo", "namespace": TEAM},
        "spec": {"policy": "payments", "schedule": "primary", "person": "bop", "reason": "swap",
            "from": from, "until": until},
    });
    scene.ada.run_with_input(&["-n", TEAM, "create", "-f", "-"], &wrong.to_string()).await?.ok()?;
    let ready = eventually(PATIENCE, "the override to be refused", || async {
        let object = scene.stage.get("oncalloverrides", "typo").await?;
        let ready: Value = condition(&object["status"], "Ready").clone();
        anyhow::ensure!(ready["reason"] == "ReferenceMissing", "{}", object["status"]);
        Ok(ready)
    })
    .await?;
    let message = ready["message"].as_str().unwrap_or_default();
    assert!(message.contains("no person of policy payments is called `bop`; did you mean `bob`?"), "{message}");

    scene.break_shop();
    scene.paged("bob").await?;
    assert_eq!((scene.mails(ADA).await?.len(), scene.mails(BOB).await?.len()), (0, 1));
    Ok(())
}
