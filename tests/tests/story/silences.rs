//! Silences: what they hold, what they say about it, and that what is still broken comes through at their end.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tests::stage::{PATIENCE, TEAM};

use crate::scene::{BOB, Scene, condition, let_pass, lines, page_of, unix};

/// Silences the shop with the plugin; gives the silence's name.
async fn silence(scene: &Scene) -> Result<String> {
    let said = scene.plugin(&["silence", "service=checkout", "--for", "1h", "--reason", "deploy 42"]).await?;
    let name = said.split_whitespace().next().context("no name")?.to_owned();
    assert!(said.contains(" is active in namespace payments until "), "{said}");
    Ok(name)
}

async fn held(scene: &Scene, silence: &str) -> Result<Value> {
    tests::eventually(PATIENCE, "the silence to have held something", || async {
        let object = scene.stage.get("silences", silence).await?;
        anyhow::ensure!(object["status"]["suppressed"].as_i64() >= Some(1), "{}", object["status"]);
        Ok(object)
    })
    .await
}

/// What silences have held back, as the operator counts it.
async fn suppressed(scene: &Scene) -> Result<f64> {
    Ok(scene.operator.metrics().await?.sum("firstline_suppressed_total", &[("by", "silence")]))
}

#[tokio::test]
async fn what_breaks_under_a_silence_opens_no_ticket_until_it_ends() -> Result<()> {
    let scene = Scene::running("silence", &[]).await?;
    let name = silence(&scene).await?;
    let object = scene.stage.get("silences", &name).await?;
    assert_eq!(object["spec"]["author"], "ada@acme.example");
    scene.wait_condition(TEAM, "Active", &format!("silence/{name}")).await?;
    scene.wait_condition(TEAM, "Ready", &format!("silence/{name}")).await?;

    scene.break_shop();
    let down = scene.stage.wait_for_state("checkout", "Down").await?;
    assert_eq!(condition(&down["status"], "Healthy")["status"], "False");
    let holding = held(&scene, &name).await?;
    let last = &holding["status"]["last"][0];
    assert!(last["alert"].as_str().is_some_and(|alert| alert.contains("Checkout is down")), "{last}");
    assert!(last["wouldHave"].as_str().is_some_and(|text| text.contains("ticket")), "{last}");
    assert_eq!(scene.stage.list("tickets").await?.len(), 0);
    assert!(scene.stage.mail.messages().await?.is_empty());
    assert_eq!(suppressed(&scene).await?, 1.0, "one alert, however often it is handed in");

    // It ends while the shop is still broken: now it counts.
    let said = scene.plugin(&["silence", "--expire", &name]).await?;
    assert!(said.contains(&format!("{name} ended at")), "{said}");
    scene.paged("ada").await?;
    Ok(())
}

#[tokio::test]
async fn a_silence_on_an_open_ticket_holds_its_next_step_and_the_ticket_says_why() -> Result<()> {
    let scene = Scene::running("hold", &[("after: 20s", "after: 6s")]).await?;
    scene.break_shop();
    let ticket = scene.paged("ada").await?;
    let name = silence(&scene).await?;
    let holding = scene.ticket("its step is held", |ticket| !lines(ticket, "Held").is_empty()).await?;
    let why = lines(&holding, "Held").join("\n");
    for words in [name.as_str(), "deploy 42"] {
        assert!(why.contains(words), "no {words:?} in {why:?}");
    }
    let_pass(unix(&ticket["status"]["escalation"]["cycleStart"])? + Duration::from_secs(6)).await?;
    assert!(scene.mails(BOB).await?.is_empty(), "Bob was paged under a silence");
    let silence = held(&scene, &name).await?;
    assert!(silence["status"]["last"][0]["wouldHave"].is_string(), "{}", silence["status"]);
    assert!(suppressed(&scene).await? >= 1.0, "Bob's step is not counted");

    // Its end releases the step within a second or so.
    scene.plugin(&["silence", "--expire", &name]).await?;
    let released = scene.paged("bob").await?;
    assert!(!lines(&released, "Released").is_empty(), "{}", released["status"]["timeline"]);
    assert_eq!(page_of(&released, "bob")["cycle"], 1, "the cycle goes on, it does not start again");
    Ok(())
}
