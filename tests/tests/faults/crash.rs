//! `kill -9` of the only operator, at each place where a page could be lost or sent twice.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use tests::{
    eventually,
    receiver::{Answer, Received},
    stage::{PATIENCE, TEAM},
};

use crate::scene::{Scene, TWO_STEPS, assert_in_time, let_pass, metric, page, page_to, pages, second_step_at};

#[tokio::test]
async fn an_acknowledgement_made_while_the_operator_was_dead_counts() -> Result<()> {
    let (scene, setup, operator) = Scene::running("dead-ack").await?;
    scene.break_shop();
    page(&scene.ada).await?;
    let ticket = scene.told("ada-hook", "Accepted").await?;
    operator.kill9();
    scene.acknowledge(&ticket).await?;

    let again = setup.start()?;
    again.wait_ready(PATIENCE).await?;
    let ticket =
        scene.ticket("acknowledged by ada", |ticket| ticket["status"]["escalation"]["acknowledgedBy"] == "ada").await?;
    let_pass(second_step_at(&ticket)?).await?;
    assert_eq!((pages(&scene.ada).len(), pages(&scene.bob).len()), (1, 0), "{}", again.tail());

    scene.stage.shop.repair().await?;
    scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    let told = |request: &Received| request.json().is_ok_and(|body| body["data"]["kind"] == "resolved");
    scene.ada.wait_for(PATIENCE, "the end", told).await?;
    Ok(())
}

#[tokio::test]
async fn an_escalation_goes_on_at_its_planned_time_after_a_crash() -> Result<()> {
    let (scene, setup, operator) = Scene::running("dead-page").await?;
    scene.break_shop();
    page(&scene.ada).await?;
    scene.told("ada-hook", "Accepted").await?;
    operator.kill9();
    // As if the crash had come after the ticket and before the monitor's own status: no recovery may be read from it.
    let up = r#"{"status":{"state":"Up"}}"#;
    let patch = ["-n", TEAM, "patch", "svcmonitors", "checkout", "--subresource=status", "--type=merge", "-p", up];
    scene.stage.plane.kubectl(&patch).await?.ok()?;

    let again = setup.start()?;
    again.wait_ready(PATIENCE).await?;
    let second = page(&scene.bob).await?;
    let ticket = scene.told("bob-hook", "Accepted").await?;
    assert_in_time(&second, page_to(&ticket, "bob-hook"))?;
    assert_eq!((pages(&scene.ada).len(), pages(&scene.bob).len()), (1, 1), "{}", again.tail());
    Ok(())
}

#[tokio::test]
async fn a_page_that_was_planned_and_not_sent_goes_out_once_after_a_crash() -> Result<()> {
    let (scene, setup, operator) = Scene::running_with("dead-intent", "mail", TWO_STEPS).await?;
    // The server takes connections and never says a word: the page is written down and cannot be sent.
    scene.stage.mail.pause();
    scene.break_shop();
    let ticket = scene.told("mail", "Planned").await?;
    let planned = page_to(&ticket, "mail").clone();
    operator.kill9();
    scene.stage.mail.resume();

    let again = setup.start()?;
    again.wait_ready(PATIENCE).await?;
    let ticket = scene.told("mail", "Accepted").await?;
    let accepted = page_to(&ticket, "mail").clone();
    ensure!(accepted["id"] == planned["id"], "planned {planned}, accepted {accepted}");
    page(&scene.bob).await?;
    let mails = scene.stage.mail.messages().await?;
    let to_ada: Vec<&str> = mails
        .iter()
        .filter(|mail| mail.to == ["ada@acme.example"] && mail.header("X-Firstline-Kind") == Some("page"))
        .map(|mail| mail.message_id.as_str())
        .collect();
    let id = planned["id"].as_str().unwrap_or_default();
    ensure!(to_ada.len() == 1 && to_ada[0].starts_with(id), "expected one mail of {id}, found {to_ada:?}");
    Ok(())
}

#[tokio::test]
async fn a_page_whose_outcome_was_not_written_comes_at_most_twice_with_the_same_id() -> Result<()> {
    let (scene, setup, operator) = Scene::running("dead-outcome").await?;
    scene.ada.script([Answer::After(Duration::from_secs(1))]);
    scene.break_shop();
    page(&scene.ada).await?;
    // The receiver has it and is about to say so; nobody will be able to write that down.
    scene.stage.plane.pause_apiserver();
    metric(&operator, "firstline_notifications_total", &[("outcome", "accepted")], |n| n >= 1.0).await?;
    operator.kill9();
    scene.stage.plane.resume_apiserver();

    let again = setup.start()?;
    again.wait_ready(PATIENCE).await?;
    let ticket = scene.told("ada-hook", "Accepted").await?;
    page(&scene.bob).await?;
    once_or_twice(&pages(&scene.ada), &page_to(&ticket, "ada-hook")["id"])
}

#[tokio::test]
async fn a_page_that_was_under_way_in_a_crash_is_sent_again_with_the_same_id() -> Result<()> {
    let (scene, setup, operator) = Scene::running("dead-send").await?;
    scene.ada.script([Answer::Hang]);
    scene.break_shop();
    page(&scene.ada).await?;
    operator.kill9();
    let ticket = scene.told("ada-hook", "Planned").await?;

    let again = setup.start()?;
    again.wait_ready(PATIENCE).await?;
    eventually(PATIENCE, "the page again", || async {
        ensure!(pages(&scene.ada).len() == 2, "{} came", pages(&scene.ada).len());
        Ok(())
    })
    .await?;
    scene.told("ada-hook", "Accepted").await?;
    page(&scene.bob).await?;
    let received = pages(&scene.ada);
    assert_eq!(received.len(), 2, "{}", again.tail());
    once_or_twice(&received, &page_to(&ticket, "ada-hook")["id"])
}

/// Asked to stop in the middle of a send, the operator ends it, writes its outcome, and nobody sends it again.
#[tokio::test]
async fn a_page_that_was_under_way_at_a_stop_is_finished_and_not_repeated() -> Result<()> {
    let (scene, setup, operator) = Scene::running("stop-send").await?;
    scene.ada.script([Answer::After(Duration::from_millis(1_200))]);
    scene.break_shop();
    page(&scene.ada).await?;
    let exit = operator.terminate().await?;
    ensure!(exit.status.success() && exit.took < Duration::from_secs(5), "{:?} after {:?}", exit.status, exit.took);
    let ticket = scene.told("ada-hook", "Accepted").await?;
    assert_eq!(page_to(&ticket, "ada-hook")["attempts"], 1);

    let again = setup.start()?;
    again.wait_ready(PATIENCE).await?;
    page(&scene.bob).await?;
    assert_eq!(pages(&scene.ada).len(), 1, "{}", again.tail());
    Ok(())
}

/// Nothing is lost, and a repetition is recognisable as one.
fn once_or_twice(received: &[Received], id: &serde_json::Value) -> Result<()> {
    let ids: BTreeSet<&str> = received.iter().filter_map(Received::id).collect();
    ensure!((1..=2).contains(&received.len()), "{} pages came", received.len());
    ensure!(ids.len() == 1 && ids.first().copied() == id.as_str(), "expected the id {id}, found {ids:?}");
    Ok(())
}
