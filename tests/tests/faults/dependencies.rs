//! A shop that needs a database: who is told when both break, in which order they break and are mended.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{
    eventually,
    operator::{Operator, Setup},
    serve::Behaviour,
    stage::{PATIENCE, TEAM},
    web::WebService,
};

use crate::scene::{Scene, let_pass, page_to, pages, second_step_at, unix};

/// From the end of a cause to the page of what it had held, and what a busy machine adds.
const SETTLED: Duration = Duration::from_secs(110);

fn monitor(name: &str, url: &str, interval: &str, depends_on: &[&str]) -> String {
    let depends_on: Vec<Value> = depends_on.iter().map(|name| json!({"monitor": name})).collect();
    json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor",
        "metadata": {"name": name, "namespace": TEAM},
        "spec": {
            "service": name, "severity": "page", "interval": interval, "timeout": "1s", "dependsOn": depends_on,
            "probe": {"http": {"url": url}}, "thresholds": {"down": 2, "up": 2, "confirmEvery": "500ms"},
        },
    })
    .to_string()
}

/// The scene, with a database on which the shop depends and that is looked at in this interval.
async fn with_database(name: &str, interval: &str) -> Result<(Scene, Setup, Operator, WebService)> {
    let (scene, setup, operator) = Scene::running(name).await?;
    let database = WebService::start().await?;
    scene.apply(&monitor("database", &database.url(), interval, &[])).await?;
    scene.apply(&monitor("checkout", &scene.stage.shop.url(), "1s", &["database"])).await?;
    scene.stage.wait_for_state("database", "Up").await?;
    eventually(PATIENCE, "the monitor of the shop to be probed by its new spec", || async {
        let monitor = scene.stage.get("svcmonitors.firstline.dev", "checkout").await?;
        let status = &monitor["status"];
        ensure!(status["observedGeneration"] == monitor["metadata"]["generation"], "{status}");
        Ok(())
    })
    .await?;
    Ok((scene, setup, operator, database))
}

async fn paged(scene: &Scene, service: &str) -> Result<Value> {
    let is_told = |ticket: &Value| page_to(ticket, "ada-hook")["state"] == "Accepted";
    scene.stage.wait_for_ticket(service, "ada is paged", is_told).await
}

/// The condition Held of a monitor, once its reason is this.
async fn held(scene: &Scene, monitor: &str, reason: &str) -> Result<String> {
    eventually(PATIENCE, &format!("{monitor} to be held by {reason}"), || async {
        let object = scene.stage.get("svcmonitors.firstline.dev", monitor).await?;
        let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let held = all.iter().find(|condition| condition["type"] == "Held" && condition["reason"] == reason);
        let held = held.with_context(|| format!("its status is {}", object["status"]))?;
        Ok(held["message"].as_str().unwrap_or_default().to_owned())
    })
    .await
}

async fn tickets_of(scene: &Scene, service: &str) -> Result<Vec<Value>> {
    let mut all = scene.stage.list("tickets").await?;
    all.retain(|ticket| ticket["metadata"]["labels"]["service"] == service);
    Ok(all)
}

/// The database is looked at twice a minute only: that the shop is down asks for a look at once.
#[tokio::test]
async fn what_breaks_together_with_its_cause_pages_once_and_again_when_only_the_cause_is_mended() -> Result<()> {
    let (scene, _setup, operator, database) = with_database("together", "30s").await?;
    database.break_with(Behaviour::Status(503));
    scene.break_shop();
    let cause = paged(&scene, "database").await?;
    let name = cause["metadata"]["name"].as_str().unwrap_or_default();
    let why = held(&scene, "checkout", "Dependency").await?;
    assert_eq!(why, format!("depends on database, which is down (ticket {name}, page)"));
    scene.stage.wait_for_state("checkout", "Down").await?;
    scene.acknowledge(&cause).await?;
    let_pass(unix(&cause["spec"]["origin"]["firstStart"])? + Duration::from_secs(10)).await?;
    assert_eq!(tickets_of(&scene, "checkout").await?, [] as [Value; 0], "{}", operator.tail());
    assert_eq!(pages(&scene.ada).len(), 1, "only the cause pages");

    // The database is mended, the shop is not: a minute later it is a trouble of its own.
    scene.apply(&monitor("database", &database.url(), "1s", &[])).await?;
    database.repair().await?;
    let up = scene.stage.wait_for_state("database", "Up").await?;
    let ticket = eventually(SETTLED, "a page for the shop", || async {
        let found = tickets_of(&scene, "checkout").await?.pop().context("no ticket")?;
        ensure!(page_to(&found, "ada-hook")["state"] == "Accepted", "{}", found["status"]["notifications"]);
        Ok(found)
    })
    .await?;
    let since = unix(&up["status"]["since"])?;
    let opened = unix(&ticket["metadata"]["creationTimestamp"])?;
    let waited = opened.saturating_sub(since);
    ensure!(waited >= Duration::from_secs(59) && waited <= Duration::from_secs(65), "it settled for {waited:?}");
    assert_eq!(ticket["status"]["escalation"]["cycle"], 1);
    Ok(())
}

#[tokio::test]
async fn a_cause_that_is_found_after_the_page_is_told_to_those_paged_and_the_next_step_waits() -> Result<()> {
    let (scene, _setup, _operator, database) = with_database("later", "1s").await?;
    scene.break_shop();
    let ticket = paged(&scene, "checkout").await?;
    database.break_with(Behaviour::Status(503));
    let cause = paged(&scene, "database").await?;
    scene.acknowledge(&cause).await?;

    let name = cause["metadata"]["name"].as_str().unwrap_or_default();
    let by = format!("depends on database, which is down (ticket {name}, page)");
    let told = |ticket: &Value| {
        let all = ticket["status"]["notifications"].as_array().cloned().unwrap_or_default();
        let update = all.into_iter().find(|n| n["kind"] == "update" && n["state"] == "Accepted");
        update.is_some_and(|n| n["why"].as_str().is_some_and(|why| why.contains(&by)))
    };
    let explained = scene.ticket("ada is told the cause", told).await?;
    assert_eq!(explained["status"]["cause"]["by"], by.as_str());
    let_pass(second_step_at(&ticket)?).await?;
    let waiting = scene.ticket("its second step waits", |_| true).await?;
    assert_eq!(*page_to(&waiting, "bob-hook"), Value::Null, "{}", waiting["status"]["notifications"]);
    assert!(pages(&scene.bob).is_empty());

    // Both are mended: nothing of it pages anybody again.
    database.repair().await?;
    scene.stage.shop.repair().await?;
    let over = scene.ticket("it is resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    assert_eq!(over["status"]["cause"], Value::Null);
    assert_eq!((pages(&scene.ada).len(), pages(&scene.bob).len()), (2, 0));
    Ok(())
}

#[tokio::test]
async fn a_circle_and_a_missing_dependency_are_said_and_hold_nothing() -> Result<()> {
    let (scene, _setup, _operator, database) = with_database("circle", "1s").await?;
    scene.apply(&monitor("database", &database.url(), "1s", &["checkout"])).await?;
    let stalled = |name: &'static str, reason: &'static str, words: &'static str| {
        let scene = &scene;
        async move {
            eventually(PATIENCE, &format!("{name} to be {reason}"), || async {
                let object = scene.stage.get("svcmonitors.firstline.dev", name).await?;
                let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
                let found = all.iter().any(|condition| {
                    let message = condition["message"].as_str().unwrap_or_default();
                    condition["type"] == "Ready" && condition["reason"] == reason && message.contains(words)
                });
                ensure!(found, "{}", object["status"]["conditions"]);
                Ok(())
            })
            .await
        }
    };
    stalled("database", "InvalidSpec", "found database → checkout → database").await?;
    stalled("checkout", "InvalidSpec", "found checkout → database → checkout").await?;
    database.break_with(Behaviour::Status(503));
    scene.break_shop();
    paged(&scene, "database").await?;
    paged(&scene, "checkout").await?;

    scene.apply(&monitor("database", &database.url(), "1s", &["databse"])).await?;
    stalled("database", "ReferenceMissing", "no ServiceMonitor of namespace payments is called `databse`").await?;
    eventually(PATIENCE, "the shop to be right again", || async {
        let object = scene.stage.get("svcmonitors.firstline.dev", "checkout").await?;
        let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        ensure!(all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"), "{}", object["status"]);
        Ok(())
    })
    .await
}

/// While the database is down, what is wrong with the shop tells nobody; none of them names the other.
const INHIBIT: &str = "  inhibit:
    - {name: database, source: ['service=\"database\"'], target: ['service=\"checkout\"']}
";

async fn with_inhibition(name: &str) -> Result<(Scene, Setup, Operator, WebService)> {
    let (scene, setup, operator) = Scene::running(name).await?;
    let database = WebService::start().await?;
    let policy = format!("{}{INHIBIT}", scene.policy("ada-hook", crate::scene::TWO_STEPS));
    scene.apply(&policy).await?;
    scene.apply(&monitor("database", &database.url(), "1s", &[])).await?;
    scene.stage.wait_for_state("database", "Up").await?;
    Ok((scene, setup, operator, database))
}

#[tokio::test]
async fn what_an_inhibition_held_from_its_start_opens_its_ticket_a_minute_after_the_end_of_the_cause() -> Result<()> {
    let (scene, _setup, operator, database) = with_inhibition("inhibited").await?;
    database.break_with(Behaviour::Status(503));
    let cause = paged(&scene, "database").await?;
    scene.acknowledge(&cause).await?;
    scene.break_shop();
    let why = held(&scene, "checkout", "Inhibition").await?;
    assert!(why.contains("inhibited by") && why.contains("rule database"), "{why}");
    assert_eq!(tickets_of(&scene, "checkout").await?, [] as [Value; 0], "{}", operator.tail());

    database.repair().await?;
    let recovered = |ticket: &Value| ticket["status"]["recoveredAt"].is_string();
    let cause = scene.stage.wait_for_ticket("database", "its alert has ended", recovered).await?;
    let ticket = eventually(SETTLED, "a page for the shop", || async {
        let found = tickets_of(&scene, "checkout").await?.pop().context("no ticket")?;
        ensure!(page_to(&found, "ada-hook")["state"] == "Accepted", "{}", found["status"]["notifications"]);
        Ok(found)
    })
    .await?;
    let opened = unix(&ticket["metadata"]["creationTimestamp"])?;
    let waited = opened.saturating_sub(unix(&cause["status"]["recoveredAt"])?);
    ensure!(waited >= Duration::from_secs(59) && waited <= Duration::from_secs(64), "it settled for {waited:?}");
    Ok(())
}

/// Nothing of the shop's ticket changes when the database breaks: it is woken because its neighbour fires.
#[tokio::test]
async fn a_step_that_an_inhibition_holds_runs_a_minute_after_its_neighbour_has_ended() -> Result<()> {
    let (scene, _setup, _operator, database) = with_inhibition("neighbour").await?;
    scene.break_shop();
    let ticket = paged(&scene, "checkout").await?;
    database.break_with(Behaviour::Status(503));
    let cause = paged(&scene, "database").await?;
    scene.acknowledge(&cause).await?;
    let_pass(second_step_at(&ticket)?).await?;
    let waiting = scene
        .ticket("its second step is held", |ticket| {
            let held = ticket["status"]["escalation"]["held"]["by"].as_str().unwrap_or_default();
            held.contains("inhibited by") && held.contains("rule database")
        })
        .await?;
    assert_eq!(*page_to(&waiting, "bob-hook"), Value::Null, "{}", waiting["status"]["notifications"]);

    database.repair().await?;
    let recovered = |ticket: &Value| ticket["status"]["recoveredAt"].is_string();
    let cause = scene.stage.wait_for_ticket("database", "its alert has ended", recovered).await?;
    let bob = eventually(SETTLED, "the page of the second step", || async {
        let found = tickets_of(&scene, "checkout").await?.pop().context("no ticket")?;
        let page = page_to(&found, "bob-hook").clone();
        ensure!(page["state"] == "Accepted", "{}", found["status"]["notifications"]);
        Ok(page)
    })
    .await?;
    let waited = unix(&bob["at"])?.saturating_sub(unix(&cause["status"]["recoveredAt"])?);
    ensure!(waited >= Duration::from_secs(59) && waited <= Duration::from_secs(64), "it settled for {waited:?}");
    assert_eq!(bob["cycle"], 1, "the cycle goes on, it does not start again");
    Ok(())
}
