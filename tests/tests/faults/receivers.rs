//! Receivers that refuse, hang, lie about who they are, or ask for patience.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{
    receiver::{Answer, Received, Receiver},
    stage::PATIENCE,
};

use crate::{
    scene::{BOTH_AT_ONCE, Scene, TWO_STEPS, WITHOUT_WAITING, assert_in_time, page, page_to, pages},
    smtp::{person, policy_of, webhook},
};

/// The waits between the first attempts at a message, in seconds.
const HEAD: [u64; 6] = [1, 2, 5, 10, 30, 60];
/// How long a receiver of a test answers 500.
const OUTAGE: Duration = Duration::from_secs(63);
/// What a receiver of a test asks for with Retry-After, in seconds: more than the 30 s that a person is left without the
/// next rule.
const PATIENT: u64 = 40;
/// What a busy machine may add to a wait between two attempts.
const MARGIN: Duration = Duration::from_secs(3);

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
    assert_in_time(&healthy, page_to(&ticket, "bob-hook"))?;
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
    scene.break_shop();
    let (hung, healthy) = (page(&scene.ada).await?.at, page(&scene.bob).await?.at);
    ensure!(healthy < hung + WITHOUT_WAITING, "the healthy one waited for the one that hangs; {}", operator.tail());
    scene.ticket("uncertain", |ticket| page_to(ticket, "ada-hook")["state"] == "Uncertain").await?;
    let ticket = scene.told("ada-hook", "Accepted").await?;
    let received = pages(&scene.ada);
    let ids: Vec<_> = received.iter().map(Received::id).collect();
    let id = page_to(&ticket, "ada-hook")["id"].as_str();
    assert_eq!(ids, [id; 3], "{}", operator.tail());
    scene.ada.wait_for(PATIENCE, "the first page", |_| true).await?;
    Ok(())
}

/// So long between two requests, and no more than a busy machine adds. Retry-After is promised to the second.
fn ensure_apart(requests: &[Received], wait: Duration, promise: Duration) -> Result<()> {
    let [first, second] = requests else { anyhow::bail!("{} requests", requests.len()) };
    let apart = second.at - first.at;
    ensure!(apart >= wait && apart <= wait + promise + MARGIN, "{apart:?} instead of {wait:?}");
    Ok(())
}

/// Three people are told at once: the first by a webhook that answers 500 for a minute, the second by one that asks for
/// patience, the third by one that is well.
#[tokio::test]
async fn a_long_outage_and_a_long_retry_after_cost_the_next_rule_and_nobody_elses_time() -> Result<()> {
    let scene = Scene::build("patience", "ada-hook", TWO_STEPS).await?;
    let (failing, busy) = tokio::try_join!(Receiver::start(), Receiver::start())?;
    let (ada_next, bob_next) = tokio::try_join!(Receiver::start(), Receiver::start())?;
    let healthy = &scene.ada;
    let all = [
        ("healthy", healthy),
        ("failing", &failing),
        ("busy", &busy),
        ("ada-next", &ada_next),
        ("bob-next", &bob_next),
    ];
    let channels = all.map(|(name, receiver)| webhook(name, receiver));
    let people = [person("ada", "failing", "ada-next"), person("bob", "busy", "bob-next")];
    let step = json!({"after": "0s", "notify": [{"person": "ada"}, {"person": "bob"}, {"channel": "healthy"}]});
    scene.apply(&policy_of(&channels, &people, &[step])).await?;
    failing.always(Some(Answer::Status(500)));
    busy.script([Answer::RetryAfter(429, PATIENT)]);
    let (_, operator) = scene.stage.start("patience").await?;
    scene.stage.wait_for_state("checkout", "Up").await?;
    scene.break_shop();

    let began = page(&failing).await?.at;
    let next = page(&bob_next).await?.at;
    let asked = pages(&busy).first().context("no page")?.at;
    ensure!(
        next >= asked && next - asked <= MARGIN,
        "Bob's next rule came {:?} after he asked for patience",
        next - asked
    );
    let next = page(&ada_next).await?.at;
    let second = pages(&failing).get(1).context("one attempt")?.at;
    ensure!(
        next >= second && next - second <= MARGIN,
        "Ada's next rule came {:?} after the second failure",
        next - second
    );
    assert_in_time(&page(healthy).await?, page_to(&scene.told("healthy", "Accepted").await?, "healthy"))?;

    tokio::time::sleep_until((began + OUTAGE).into()).await;
    failing.always(None);
    scene.told("busy", "Accepted").await?;
    let ticket = scene.told("failing", "Accepted").await?;
    ensure_apart(&pages(&busy), Duration::from_secs(PATIENT), Duration::from_secs(1))?;
    let attempts = pages(&failing);
    assert_eq!(attempts.len(), HEAD.len() + 1, "{}", operator.tail());
    for (pair, wait) in attempts.windows(2).zip(HEAD) {
        ensure_apart(pair, Duration::from_secs(wait), Duration::ZERO)?;
    }
    let id = page_to(&ticket, "failing")["id"].as_str();
    ensure!(id.is_some() && attempts.iter().all(|attempt| attempt.id() == id), "{attempts:?}");
    // The others have heard of it once.
    assert_eq!([healthy, &ada_next, &bob_next].map(|receiver| pages(receiver).len()), [1; 3], "{}", operator.tail());
    Ok(())
}

#[tokio::test]
async fn the_patience_that_a_receiver_asked_for_outlives_the_operator() -> Result<()> {
    let (scene, setup, operator) = Scene::running_with("patience-kept", "ada-hook", TWO_STEPS).await?;
    scene.ada.script([Answer::RetryAfter(429, PATIENT)]);
    scene.break_shop();
    let asked = page(&scene.ada).await?.at;
    let ticket = scene.ticket("the wait is on it", |ticket| page_to(ticket, "ada-hook")["retryAt"].is_string()).await?;
    operator.kill9();
    let operator = setup.start()?;
    // Bob's step comes after the kill: the new process has looked at the ticket.
    page(&scene.bob).await?;
    scene.told("bob-hook", "Accepted").await?;
    ensure!(asked.elapsed() < Duration::from_secs(PATIENT - 5), "the machine is too slow for this test");
    ensure!(pages(&scene.ada).len() == 1, "it came too early; {}", operator.tail());

    let told = scene.told("ada-hook", "Accepted").await?;
    // The ticket keeps whole seconds.
    ensure_apart(&pages(&scene.ada), Duration::from_secs(PATIENT), Duration::from_secs(2))?;
    let (before, after) = (page_to(&ticket, "ada-hook"), page_to(&told, "ada-hook"));
    ensure!(before["id"] == after["id"] && after["retryAt"].is_null(), "{before} {after}");
    Ok(())
}
