//! What happens while nobody answers, and what people can do about it.

use std::time::Duration;

use anyhow::Result;
use tests::stage::{PATIENCE, TEAM};

use crate::scene::{ADA, BOB, Scene, let_pass, lines, name, page_of, unix};

/// What a busy machine may add to a planned time.
const LATENESS: Duration = Duration::from_secs(5);

#[tokio::test]
async fn what_nobody_acknowledges_in_any_cycle_goes_to_the_last_resort_and_is_counted() -> Result<()> {
    let changes = [("after: 20s", "after: 2s"), ("times: 2, every: 20s", "times: 1, every: 2s")];
    let scene = Scene::running("exhausted", &changes).await?;
    scene.break_shop();
    let to_ops = |mail: &tests::mail::Mail| mail.to == ["ops@acme.example"];
    scene.stage.mail.wait_for(PATIENCE, "the last resort's page", to_ops).await?;
    assert_eq!((scene.mails(ADA).await?.len(), scene.mails(BOB).await?.len()), (2, 2), "twice each, in two cycles");
    scene.ticket("every cycle has passed", |ticket| !lines(ticket, "Exhausted").is_empty()).await?;
    assert_eq!(scene.operator.metrics().await?.sum("firstline_escalations_exhausted_total", &[]), 1.0);
    Ok(())
}

#[tokio::test]
async fn nobody_answers_so_bob_is_paged_at_his_step_and_takes_it() -> Result<()> {
    let scene = Scene::running("escalation", &[("after: 20s", "after: 6s")]).await?;
    scene.break_shop();
    let ticket = scene.paged("bob").await?;
    let (ada, bob) = (page_of(&ticket, "ada"), page_of(&ticket, "bob"));
    let start = unix(&ticket["status"]["escalation"]["cycleStart"])?;
    assert_eq!((unix(&ada["plannedAt"])?, unix(&bob["plannedAt"])?), (start, start + Duration::from_secs(6)));
    assert!(unix(&bob["at"])? <= start + Duration::from_secs(6) + LATENESS, "{bob}");
    assert_eq!((scene.mails(ADA).await?.len(), scene.mails(BOB).await?.len()), (1, 1));
    let steps = lines(&ticket, "Step");
    assert_eq!(
        steps,
        ["cycle 1, step 1: ada (on call in primary)", "cycle 1, step 2: bob (on call in secondary)"],
        "the timeline says who was told and why"
    );

    // Bob takes it by its number, writes down what he did and resolves it while it still fires.
    let kubectl = scene.stage.plane.kubeconfig_as(BOB, &["acme:payments"])?;
    let bob = scene.stage.plane.kubectl_with(&kubectl);
    let number = ticket["status"]["number"].to_string();
    bob.run(&["firstline", "ack", &number, "-n", TEAM]).await?.ok()?;
    let taken = scene.ticket("Bob has it", |ticket| ticket["status"]["assignee"] == "bob").await?;
    assert_eq!(taken["status"]["state"], "Open");

    // He gives it back: a new cycle pages Ada again.
    bob.run(&["firstline", "unack", &number, "-n", TEAM]).await?.ok()?;
    let again = scene
        .ticket("Ada is paged again", |ticket| {
            page_of(ticket, "ada")["cycle"] == 2 && page_of(ticket, "ada")["state"] == "Accepted"
        })
        .await?;
    assert_ne!(page_of(&again, "ada")["id"], ada["id"], "a new page, not a repetition");

    let said = bob
        .run(&["firstline", "resolve", &number, "-n", TEAM, "--note", "Took the shop out of service."])
        .await?
        .ok()?;
    assert!(said.contains("resolved by bob@acme.example (Completed)"), "{said}");
    let done = scene.ticket("it is resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    assert_eq!(done["status"]["reason"], "Completed");
    let pages = |ticket: &serde_json::Value| ticket["status"]["notifications"].as_array().map_or(0, Vec::len);
    let so_far = pages(&done);
    let_pass(unix(&again["status"]["escalation"]["cycleStart"])? + Duration::from_secs(6)).await?;
    let later = scene.ticket("nobody is paged any more", |_| true).await?;
    assert_eq!(pages(&later), so_far, "{}", later["status"]["notifications"]);
    scene.event(TEAM, name(&later), "Escalated").await?;
    Ok(())
}
