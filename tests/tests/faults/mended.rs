//! A channel that cannot send because of its Secret, and what was to go through it once somebody has mended that.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{
    eventually,
    receiver::{Answer, Receiver},
    serve::Behaviour,
    stage::{PATIENCE, SYSTEM, TEAM},
};

use crate::{
    scene::{Scene, TWO_STEPS, metric, page, page_to, pages},
    self_watch::{LAST_RESORT, company, orphan, ticket_without_policy},
};

/// Nobody watches Secrets: they are looked at again after ten seconds.
const NOTICED: Duration = Duration::from_secs(20);

/// A Secret `name` whose key `key` has this value, with the label for channels or without.
fn secret(namespace: &str, name: &str, key: &str, value: &str, labelled: bool) -> String {
    let labels = if labelled { json!({"firstline.dev/use": "notify"}) } else { json!({}) };
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "stringData": {key: value},
    })
    .to_string()
}

/// Waits until a policy says this of itself.
async fn policy_says(scene: &Scene, namespace: &str, policy: &str, words: &str) -> Result<()> {
    eventually(PATIENCE, &format!("policy {policy} says: {words}"), || async {
        let policy = scene.stage.get_in(namespace, "supportpolicies", policy).await?;
        let conditions = policy["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let said: Vec<&Value> = conditions.iter().map(|one| &one["message"]).collect();
        ensure!(said.iter().any(|message| message.as_str().is_some_and(|it| it.contains(words))), "it says {said:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_last_resort_cannot_be_told_until_its_secret_is_right_and_is_told_then_at_once() -> Result<()> {
    let scene = Scene::build("no-secret", "ada-hook", TWO_STEPS).await?;
    let last = Receiver::start().await?;
    company(&scene, &last).await?;
    let setup = scene.stage.setup("no-secret").await?.arguments(&LAST_RESORT);
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    metric(&operator, "firstline_last_resort_usable", &[], |usable| usable == 0.0).await?;
    eventually(PATIENCE, "the log says why", || async {
        ensure!(operator.logs().contains("Secret firstline-system/last does not exist"), "{}", operator.tail());
        Ok(())
    })
    .await?;
    let lost = orphan(&scene, "lost").await?;
    lost.break_with(Behaviour::Status(500));
    ticket_without_policy(&scene, "lost").await?;

    // One mistake after the other.
    scene.apply(&secret(SYSTEM, "last", "key", "whsec_c2hvcnQ=", false)).await?;
    policy_says(&scene, SYSTEM, "company", "is not labelled for this use").await?;
    scene.apply(&secret(SYSTEM, "last", "token", "whsec_c2hvcnQ=", true)).await?;
    scene
        .stage
        .plane
        .kubectl(&[
            "-n",
            SYSTEM,
            "patch",
            "secret",
            "last",
            "--type=json",
            "-p",
            r#"[{"op": "remove", "path": "/data/key"}]"#,
        ])
        .await?
        .ok()?;
    policy_says(&scene, SYSTEM, "company", "has no key \"key\"; it has token").await?;
    scene.apply(&secret(SYSTEM, "last", "key", "whsec_c2hvcnQ=", true)).await?;
    policy_says(&scene, SYSTEM, "company", "the signing secret in secret last").await?;
    let failed = eventually(PATIENCE, "the page has failed for good", || async {
        let page = ticket_without_policy(&scene, "lost").await?["status"]["notifications"][0].clone();
        ensure!(page["state"] == "Failed", "{page}");
        Ok(page)
    })
    .await?;
    metric(&operator, "firstline_last_resort_usable", &[], |usable| usable == 0.0).await?;
    ensure!(last.received().is_empty(), "nothing was sent without a signature");

    let mended = Instant::now();
    scene.apply(&secret(SYSTEM, "last", "key", &last.secret(), true)).await?;
    let told = page(&last).await?;
    ensure!(told.at.duration_since(mended) < NOTICED, "{:?} late", told.at.duration_since(mended));
    last.verify(&told)?;
    assert_eq!(told.id(), failed["id"].as_str(), "the same message");
    metric(&operator, "firstline_last_resort_usable", &[], |usable| usable == 1.0).await?;
    eventually(PATIENCE, "the ticket says so", || async {
        let ticket = ticket_without_policy(&scene, "lost").await?;
        ensure!(ticket["status"]["notifications"][0]["state"] == "Accepted", "{ticket}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_page_that_was_refused_for_its_key_goes_out_again_when_the_key_is_another() -> Result<()> {
    let scene = Scene::build("wrong-key", "ada-hook", TWO_STEPS).await?;
    let other = Receiver::start().await?;
    scene.apply(&secret(TEAM, "ada", "key", &other.secret(), true)).await?;
    let (_setup, operator) = scene.stage.start("wrong-key").await?;
    scene.ada.always(Some(Answer::Status(401)));
    scene.stage.wait_for_state("checkout", "Up").await?;
    scene.break_shop();
    let ticket = scene.told("ada-hook", "Failed").await?;
    let id = page_to(&ticket, "ada-hook")["id"].as_str().context("no id")?.to_owned();
    page(&scene.bob).await?;
    let refused = pages(&scene.ada).len();
    ensure!(refused == 1, "it was refused for good and tried {refused} times; {}", operator.tail());

    let mended = Instant::now();
    scene.ada.always(None);
    scene.apply(&secret(TEAM, "ada", "key", &scene.ada.secret(), true)).await?;
    scene.told("ada-hook", "Accepted").await?;
    let again = pages(&scene.ada).pop().context("no page")?;
    ensure!(again.at.duration_since(mended) < NOTICED, "{:?} late", again.at.duration_since(mended));
    scene.ada.verify(&again)?;
    assert_eq!(again.id(), Some(id.as_str()), "the same message");
    ensure!(pages(&scene.ada).len() == 2, "once");
    Ok(())
}
