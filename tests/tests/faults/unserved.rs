//! What fires where no policy serves it: who learns of that, what can be done with its ticket, and how it goes on when a policy
//! comes.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{
    eventually,
    serve::Behaviour,
    stage::{PATIENCE, SYSTEM, TEAM},
};

use crate::{
    scene::{Scene, TWO_STEPS, page},
    self_watch::{ORPHANS, orphan, ticket_without_policy},
};

/// The verdict on an act of Ada's on a ticket of the operator's namespace.
async fn verdict(scene: &Scene, ticket: &Value, name: &str, act: Value) -> Result<Value> {
    let mut event = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "TicketEvent", "metadata": {"name": name, "namespace": SYSTEM},
        "spec": {"ticket": ticket["metadata"]["name"], "author": "ada@acme.example"},
    });
    event["spec"].as_object_mut().context("no spec")?.extend(act.as_object().cloned().unwrap_or_default());
    scene.apply(&event.to_string()).await?;
    eventually(PATIENCE, "a verdict", || async {
        let event = scene.stage.get_in(SYSTEM, "ticketevents", name).await?;
        ensure!(!event["status"]["accepted"].is_null(), "{event}");
        Ok(event["status"].clone())
    })
    .await
}

#[tokio::test]
async fn its_monitor_says_so_and_its_ticket_and_the_one_that_a_policy_opens_later_name_each_other() -> Result<()> {
    let scene = Scene::build("unserved", "ada-hook", TWO_STEPS).await?;
    let (_setup, _operator) = scene.stage.start("unserved").await?;
    let lost = orphan(&scene, "lost").await?;
    lost.break_with(Behaviour::Status(500));
    let old = eventually(PATIENCE, "its priority", || async {
        let ticket = ticket_without_policy(&scene, "lost").await?;
        ensure!(ticket["status"]["priority"] == "P1", "{ticket}");
        Ok(ticket)
    })
    .await?;
    let name = old["metadata"]["name"].as_str().context("no name")?.to_owned();
    eventually(PATIENCE, "the monitor says that no policy serves it", || async {
        let monitor = scene.stage.get_in(ORPHANS, "svcmonitors", "lost").await?;
        let conditions = monitor["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let said = conditions.iter().find(|one| one["type"] == "NoPolicy").context("no condition")?;
        let words = said["message"].as_str().unwrap_or_default();
        ensure!(
            words.contains(&format!("{SYSTEM}/{name}")) && words.contains("create one in namespace orphans"),
            "{said}"
        );
        Ok(())
    })
    .await?;
    eventually(PATIENCE, "an Event says so too", || async {
        let events = ["-n", ORPHANS, "get", "events.events.k8s.io", "-o", "json"];
        let events: Value = serde_json::from_str(&scene.stage.plane.kubectl(&events).await?.ok()?)?;
        let all = events["items"].as_array().context("no items")?;
        ensure!(
            all.iter().any(|event| event["reason"] == "NoPolicy" && event["regarding"]["name"] == "lost"),
            "{events}"
        );
        Ok(())
    })
    .await?;

    let refused = verdict(&scene, &old, "step", json!({"escalate": {"step": 1}})).await?;
    let words = refused["reason"].as_str().unwrap_or_default();
    ensure!(refused["accepted"] == false && words.contains("take it with `ack`, or create a policy"), "{refused}");
    let taken = verdict(&scene, &old, "taken", json!({"acknowledge": true})).await?;
    ensure!(taken["accepted"] == true, "{taken}");

    // The team's policy, for the orphans too.
    let policy = scene.policy("ada-hook", TWO_STEPS).replace(&format!("namespace: {TEAM}"), "namespace: orphans");
    for person in ["ada", "bob"] {
        let secret = scene.stage.plane.kubectl(&["-n", TEAM, "get", "secret", person, "-o", "json"]).await?.ok()?;
        let secret: Value = serde_json::from_str(&secret)?;
        let copy = json!({
            "apiVersion": "v1", "kind": "Secret", "data": secret["data"],
            "metadata": {"name": person, "namespace": ORPHANS, "labels": secret["metadata"]["labels"]},
        });
        scene.apply(&copy.to_string()).await?;
    }
    scene.apply(&policy).await?;
    page(&scene.ada).await?;
    let new = eventually(PATIENCE, "a ticket by the policy", || async {
        let text = scene.stage.plane.kubectl(&["-n", ORPHANS, "get", "tickets", "-o", "json"]).await?.ok()?;
        let list: Value = serde_json::from_str(&text)?;
        list["items"][0].as_object().context("there is none")?;
        Ok(list["items"][0].clone())
    })
    .await?;
    let link = &new["spec"]["links"][0];
    ensure!(link["relation"] == "relatesTo" && link["ticket"] == name.as_str(), "{link}");
    ensure!(link["title"].as_str().is_some_and(|title| title.contains(SYSTEM)), "{link}");
    eventually(PATIENCE, "the old one says as what it goes on", || async {
        let old = ticket_without_policy(&scene, "lost").await?;
        let lines = old["status"]["timeline"].as_array().cloned().unwrap_or_default();
        let goes_on = format!(
            "goes on as orphans/{} under policy orphans/payments",
            new["metadata"]["name"].as_str().unwrap_or_default()
        );
        ensure!(lines.iter().any(|line| line["detail"].as_str().is_some_and(|it| it.ends_with(&goes_on))), "{lines:?}");
        ensure!(old["status"]["alerts"]["firing"] == 0, "{old}");
        Ok(())
    })
    .await?;
    eventually(PATIENCE, "the monitor has a policy now", || async {
        let monitor = scene.stage.get_in(ORPHANS, "svcmonitors", "lost").await?;
        let conditions = monitor["status"]["conditions"].as_array().cloned().unwrap_or_default();
        ensure!(conditions.iter().all(|one| one["type"] != "NoPolicy"), "{conditions:?}");
        ensure!(monitor["status"]["ticket"] == new["metadata"]["name"], "{monitor}");
        Ok(())
    })
    .await
}
