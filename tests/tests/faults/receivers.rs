//! Receivers that refuse, hang, lie about who they are, or ask for patience.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    receiver::{Answer, Received},
    stage::PATIENCE,
};

use crate::scene::{BOTH_AT_ONCE, LATENESS, Scene, TWO_STEPS, page, page_to, pages};

impl Scene {
    /// The error of what is planned for a channel contains this.
    async fn error(&self, channel: &str, words: &str) -> Result<Value> {
        let what = format!("the error for {channel} says {words:?}");
        let says =
            |ticket: &Value| page_to(ticket, channel)["error"].as_str().is_some_and(|error| error.contains(words));
        self.ticket(&what, says).await
    }
}

/// One page meets every way in which a mail server can fail, says so each time, and arrives in the end.
#[tokio::test]
async fn a_mail_server_in_trouble_is_named_and_tried_again_and_delays_nobody_else() -> Result<()> {
    let (scene, _, operator) = Scene::running_with("mail-trouble", "mail", BOTH_AT_ONCE).await?;
    let mail = &scene.stage.mail;
    mail.stop();
    scene.break_shop();
    let healthy = page(&scene.bob).await?;
    let ticket = scene.error("mail", "refused").await?;
    let planned = page_to(&ticket, "mail").clone();
    ensure!(planned["state"] == "Planned", "{planned}");

    mail.start_again().await?;
    mail.pause();
    scene.error("mail", "within 3s").await?;
    mail.resume();
    mail.refuse_recipients(Some(451)).await?;
    scene.error("mail", "451").await?;
    mail.refuse_recipients(None).await?;
    let ticket = scene.told("mail", "Accepted").await?;

    let accepted = page_to(&ticket, "mail");
    ensure!(accepted["id"] == planned["id"] && accepted["attempts"].as_u64() >= Some(4), "{accepted}");
    ensure!(accepted["error"].is_null(), "what is over is no longer an error: {accepted}");
    crate::scene::assert_in_time(&healthy, page_to(&ticket, "bob-hook"))?;
    let mails = mail.messages().await?;
    assert_eq!(mails.iter().filter(|mail| mail.to == ["ada@acme.example"]).count(), 1, "{}", operator.tail());
    Ok(())
}

#[tokio::test]
async fn a_mail_server_with_a_strange_certificate_gets_nothing_until_the_policy_names_its_issuer() -> Result<()> {
    let scene = Scene::build("mail-stranger", "mail", BOTH_AT_ONCE).await?;
    let good = scene.policy("mail", BOTH_AT_ONCE);
    let careless: String =
        good.lines().filter(|line| !line.contains("caSecretRef")).map(|line| format!("{line}\n")).collect();
    scene.apply(&careless).await?;
    let (_, operator) = scene.stage.start("mail-stranger").await?;
    scene.stage.wait_for_state("checkout", "Up").await?;
    scene.break_shop();
    page(&scene.bob).await?;
    let ticket = scene.error("mail", "signed by nobody trusted here").await?;
    ensure!(page_to(&ticket, "mail")["state"] == "Planned", "{}", ticket["status"]);
    ensure!(scene.stage.mail.messages().await?.is_empty(), "a mail went to a server that nobody knows");

    // Mended in the policy, it goes out without a new page.
    scene.apply(&good).await?;
    let ticket = scene.told("mail", "Accepted").await?;
    assert_eq!(scene.stage.mail.messages().await?.len(), 1, "{}; {}", ticket["status"], operator.tail());
    Ok(())
}

#[tokio::test]
async fn a_webhook_is_signed_waits_as_long_as_it_is_asked_to_and_fails_when_its_receiver_is_gone() -> Result<()> {
    let (scene, _, operator) = Scene::running_with("webhooks", "ada-hook", TWO_STEPS).await?;
    scene.ada.script([Answer::RetryAfter(429, 4)]);
    scene.bob.always(Some(Answer::Status(410)));
    scene.break_shop();
    scene.error("ada-hook", "429").await?;
    let ticket = scene.told("ada-hook", "Accepted").await?;
    let [first, second]: [Received; 2] = pages(&scene.ada).try_into().ok().context("expected two attempts")?;
    ensure!(second.at - first.at >= Duration::from_secs(4), "it came again after {:?}", second.at - first.at);
    for request in [&first, &second] {
        scene.ada.verify(request)?;
        ensure!(request.id() == page_to(&ticket, "ada-hook")["id"].as_str(), "{:?}", request.headers);
    }
    ensure!(scene.bob.verify(&first).is_err(), "a signature with another receiver's key counts");

    let ticket = scene.told("bob-hook", "Failed").await?;
    let failed = page_to(&ticket, "bob-hook");
    ensure!(
        failed["error"].as_str().is_some_and(|error| error.contains("410") && error.contains("gone for good")),
        "{failed}"
    );
    assert_eq!((pages(&scene.bob).len(), failed["attempts"].as_u64()), (1, Some(1)), "{}", operator.tail());
    Ok(())
}

/// A receiver that hangs costs its own messages an attempt's timeout each, and others nothing.
#[tokio::test]
async fn a_webhook_that_never_answers_is_uncertain_and_repeated_with_the_same_id() -> Result<()> {
    let (scene, _, operator) = Scene::running_with("hook-hangs", "ada-hook", BOTH_AT_ONCE).await?;
    scene.ada.script([Answer::Hang, Answer::Cut]);
    let began = Instant::now();
    scene.break_shop();
    page(&scene.bob).await?;
    ensure!(began.elapsed() < LATENESS, "the healthy one waited {:?}", began.elapsed());
    scene.ticket("uncertain", |ticket| page_to(ticket, "ada-hook")["state"] == "Uncertain").await?;
    let ticket = scene.told("ada-hook", "Accepted").await?;
    let received = pages(&scene.ada);
    let ids: Vec<_> = received.iter().map(Received::id).collect();
    let id = page_to(&ticket, "ada-hook")["id"].as_str();
    assert_eq!(ids, [id; 3], "{}", operator.tail());
    scene.ada.wait_for(PATIENCE, "the first page", |_| true).await?;
    Ok(())
}
