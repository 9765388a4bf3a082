//! Targets that hang, and objects that vanish while something depends on them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tests::{
    eventually,
    proxy::Rules,
    serve::Behaviour,
    stage::{PATIENCE, TEAM},
    web::WebService,
};

use crate::scene::{Scene, TWO_STEPS, let_pass, metric, page, page_to, pages, second_step_at};

fn monitor(name: &str, url: &str) -> String {
    json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor",
        "metadata": {"name": name, "namespace": TEAM},
        "spec": {
            "service": name, "severity": "info", "interval": "1s", "timeout": "1s",
            "probe": {"http": {"url": url}}, "thresholds": {"down": 2, "up": 2, "confirmEvery": "500ms"},
        },
    })
    .to_string()
}

/// Twenty targets hang, each look for its whole timeout; the one that answers is looked at every second.
#[tokio::test]
async fn a_target_that_never_answers_is_down_for_that_reason_and_delays_no_other() -> Result<()> {
    let (scene, _, operator) = Scene::running("hang").await?;
    let steady = WebService::start().await?;
    let hanging: Vec<String> = (1..=20).map(|n| monitor(&format!("hanging-{n}"), &scene.stage.shop.url())).collect();
    scene.stage.shop.break_with(Behaviour::Hang);
    scene.apply(&format!("{}\n---\n{}", hanging.join("\n---\n"), monitor("steady", &steady.url()))).await?;
    let checkout = scene.stage.wait_for_state("checkout", "Down").await?;
    let status = &checkout["status"];
    assert_eq!(status["reason"], "FirstByteTimeout", "{status}");
    ensure!(status["message"].as_str().is_some_and(|message| !message.is_empty()), "{status}");
    scene.stage.wait_for_state("hanging-20", "Down").await?;
    scene.stage.wait_for_state("steady", "Up").await?;

    let (began, before) = (Instant::now(), steady.requests());
    eventually(PATIENCE, "eight looks at the steady service", || async {
        let looks = steady.requests() - before;
        ensure!(looks >= 8, "{looks}");
        Ok(())
    })
    .await?;
    ensure!(began.elapsed() < Duration::from_secs(12), "eight looks took {:?}; {}", began.elapsed(), operator.tail());
    metric(&operator, "firstline_probe_skipped_total", &[("monitor", "steady")], |value| value == 0.0).await?;
    page(&scene.ada).await?;
    Ok(())
}

/// Nothing collects Ada's acknowledgement of the old ticket here, and the new one bears the old name: only the uid differs.
#[tokio::test]
async fn a_ticket_deleted_by_hand_while_its_alert_fires_is_opened_anew_and_pages_anew() -> Result<()> {
    let (scene, _, operator) = Scene::running("deleted-ticket").await?;
    scene.break_shop();
    page(&scene.ada).await?;
    let first = scene.told("ada-hook", "Accepted").await?;
    scene.acknowledge(&first).await?;
    let by_ada = |ticket: &Value| ticket["status"]["escalation"]["acknowledgedBy"] == "ada";
    let first = scene.ticket("acknowledged by ada", by_ada).await?;
    let name = first["metadata"]["name"].as_str().unwrap_or_default();
    scene.stage.plane.kubectl(&["-n", TEAM, "delete", "ticket", name]).await?.ok()?;

    let another = |ticket: &Value| ticket["metadata"]["uid"] != first["metadata"]["uid"];
    let told =
        |ticket: &Value| ["ada-hook", "bob-hook"].iter().all(|channel| page_to(ticket, channel)["state"] == "Accepted");
    let second = scene.ticket("another one, of which Ada and Bob are told", |one| another(one) && told(one)).await?;
    ensure!(second["metadata"]["name"] == name, "its name is decided by its content");
    let status = &second["status"];
    ensure!(status["escalation"]["acknowledgedBy"].is_null(), "{status}; {}", operator.tail());
    ensure!(status["state"] == "New", "{status}; {}", operator.tail());
    ensure!(first["status"]["number"] != status["number"], "a number is not given twice");
    for (channel, receiver) in [("ada-hook", &scene.ada), ("bob-hook", &scene.bob)] {
        let (old, new) = (page_to(&first, channel)["id"].as_str(), page_to(&second, channel)["id"].as_str());
        ensure!(
            new.is_some() && old != new,
            "{channel}: the new ticket's page is a message of its own: {old:?}, {new:?}"
        );
        let received = pages(receiver).iter().filter(|page| page.id() == new).count();
        assert_eq!(received, 1, "{channel}: {new:?}; {}", operator.tail());
    }
    assert_eq!(pages(&scene.ada).len(), 2, "{}", operator.tail());
    scene.stage.shop.repair().await?;
    scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    Ok(())
}

#[tokio::test]
async fn a_page_that_waits_is_not_sent_any_more_once_its_ticket_is_deleted() -> Result<()> {
    let (scene, _, operator) = Scene::running("deleted-waiting").await?;
    scene.ada.go_away().await;
    scene.break_shop();
    let tried = |ticket: &Value| page_to(ticket, "ada-hook")["attempts"].as_u64() >= Some(1);
    let first = scene.ticket("a page that was tried", tried).await?;
    let name = first["metadata"]["name"].as_str().unwrap_or_default();
    scene.stage.plane.kubectl(&["-n", TEAM, "delete", "ticket", name]).await?.ok()?;
    let another = |ticket: &Value| ticket["metadata"]["uid"] != first["metadata"]["uid"];
    let second = scene.ticket("another one, tried", |ticket| another(ticket) && tried(ticket)).await?;

    let oldest = "firstline_notification_oldest_pending_seconds";
    metric(&operator, oldest, &[], |age| age > 0.0).await?;
    scene.ada.come_back().await?;
    scene.ticket("the new page accepted", |ticket| page_to(ticket, "ada-hook")["state"] == "Accepted").await?;
    // Then nothing is left that could be sent.
    metric(&operator, oldest, &[], |age| age == 0.0).await?;
    let id = page_to(&second, "ada-hook")["id"].clone();
    let ids: Vec<Value> = pages(&scene.ada).into_iter().map(|page| json!(page.id())).collect();
    assert!(
        ids.iter().all(|one| *one == id) && !ids.is_empty(),
        "expected only {id}, got {ids:?}; {}",
        operator.tail()
    );
    scene.stage.shop.repair().await?;
    Ok(())
}

/// The same while the operator goes on without the API: it learns of it when the network is whole again.
#[tokio::test]
async fn a_page_that_waits_is_not_sent_any_more_once_its_ticket_was_deleted_in_an_outage() -> Result<()> {
    let (name, scene) = ("deleted-outage", Scene::build("deleted-outage", "ada-hook", TWO_STEPS).await?);
    let (proxy, _setup, operator) =
        scene.behind_proxy(name, Arc::new(Rules::default()), &["--island-after", "5s"]).await?;
    scene.ada.go_away().await;
    scene.break_shop();
    let tried = |ticket: &Value| page_to(ticket, "ada-hook")["attempts"].as_u64() >= Some(1);
    let first = scene.ticket("a page that was tried", tried).await?;
    proxy.swallow();
    metric(&operator, "firstline_islanded", &[], |value| value == 1.0).await?;
    // Bob's step is decided without the API, so that there is something to merge.
    page(&scene.bob).await?;
    let ticket = first["metadata"]["name"].as_str().unwrap_or_default();
    scene.stage.plane.kubectl(&["-n", TEAM, "delete", "ticket", ticket]).await?.ok()?;
    proxy.heal();
    let another = |ticket: &Value| ticket["metadata"]["uid"] != first["metadata"]["uid"];
    scene.ticket("another one, tried", |ticket| another(ticket) && tried(ticket)).await?;

    scene.ada.come_back().await?;
    scene.ticket("the new page accepted", |ticket| page_to(ticket, "ada-hook")["state"] == "Accepted").await?;
    // Then nothing is left that could be sent.
    metric(&operator, "firstline_notification_oldest_pending_seconds", &[], |age| age == 0.0).await?;
    let (old, came) = (page_to(&first, "ada-hook")["id"].as_str(), pages(&scene.ada));
    assert!(came.iter().all(|page| page.id() != old) && !came.is_empty(), "{old:?} came; {}", operator.tail());
    Ok(())
}

#[tokio::test]
async fn a_monitor_that_is_deleted_or_suspended_ends_its_alert_and_leaves_the_ticket_open() -> Result<()> {
    let (scene, _, operator) = Scene::running("no-source").await?;
    scene.stage.shop.refuse_connections().await;
    page(&scene.ada).await?;
    scene.told("ada-hook", "Accepted").await?;
    scene
        .stage
        .wait_for_ticket("checkout-port", "told", |ticket| ticket["status"]["notifications"][0]["state"] == "Accepted")
        .await?;
    scene.stage.wait_for_state("checkout", "Down").await?;
    scene.stage.wait_for_state("checkout-port", "Down").await?;

    let kubectl = async |arguments: &[&str]| scene.stage.plane.kubectl(arguments).await?.ok();
    kubectl(&["-n", TEAM, "delete", "svcmonitors", "checkout"]).await?;
    kubectl(&[
        "-n",
        TEAM,
        "patch",
        "svcmonitors",
        "checkout-port",
        "--type=merge",
        "-p",
        r#"{"spec":{"suspend":true}}"#,
    ])
    .await?;
    for service in ["checkout", "checkout-port"] {
        let gone = |ticket: &Value| ticket["status"]["alerts"]["list"][0]["state"] == "SourceRemoved";
        let ticket = scene.stage.wait_for_ticket(service, "its source is gone", gone).await?;
        let status = &ticket["status"];
        ensure!(
            status["state"] != "Resolved" && status["alerts"]["firing"] == 0,
            "{service}: {status}; {}",
            operator.tail()
        );
    }
    scene.stage.wait_for_state("checkout-port", "Suspended").await?;
    let ticket =
        scene.ticket("its chain has stopped", |ticket| !ticket["status"]["escalation"]["stoppedAt"].is_null()).await?;
    let told = scene
        .ada
        .wait_for(PATIENCE, "the end", |request| request.json().is_ok_and(|body| body["data"]["kind"] == "update"))
        .await?;
    let why = told.json()?["data"]["why"].as_str().unwrap_or_default().to_owned();
    ensure!(why.contains("removed or suspended"), "{why}; {}", ticket["status"]);
    let_pass(second_step_at(&ticket)?).await?;
    ensure!(pages(&scene.bob).is_empty(), "nobody is told of what has no source");
    Ok(())
}

/// The last version of a policy that was valid stays in force when the next is not, also for an operator that never
/// saw it; a monitor that went while no operator ran ends its alert.
#[tokio::test]
async fn an_invalid_policy_pages_by_its_last_valid_version_even_after_a_restart() -> Result<()> {
    let (scene, setup, operator) = Scene::running("invalid-policy").await?;
    let dangling = json!({"spec": {"lastResort": [{"channel": "nowhere"}]}}).to_string();
    let patch = ["-n", TEAM, "patch", "supportpolicy", "payments", "--type", "merge", "-p", &dangling];
    scene.stage.plane.kubectl(&patch).await?.ok()?;
    eventually(PATIENCE, "the policy says what is wrong", || async {
        let policy = scene.stage.get("supportpolicies", "payments").await?;
        let text = policy["status"]["conditions"].to_string();
        ensure!(text.contains("nowhere") && text.contains("the last valid version stays in force"), "{text}");
        Ok(())
    })
    .await?;
    operator.terminate().await?;
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    scene.break_shop();
    page(&scene.ada).await?;
    let ticket = scene.told("ada-hook", "Accepted").await?;
    assert_eq!(ticket["spec"]["origin"]["policy"], "payments", "{}", operator.tail());

    operator.terminate().await?;
    scene.stage.plane.kubectl(&["-n", TEAM, "delete", "svcmonitors", "checkout"]).await?.ok()?;
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    let ended = |ticket: &Value| ticket["status"]["alerts"]["list"][0]["state"] == "SourceRemoved";
    scene.ticket("its source is gone", ended).await?;
    assert!(operator.is_running());
    Ok(())
}

/// A ticket lives by the policy as it stood when it began, which is kept beside it: also in a namespace that was deleted
/// with everything in it, and made anew, while the same operator led.
#[tokio::test]
async fn a_namespace_that_is_deleted_and_made_anew_gets_the_revision_that_its_tickets_name() -> Result<()> {
    let (scene, _, operator) = Scene::running("anew").await?;
    let shared = scene
        .policy("ada-hook", TWO_STEPS)
        .replace("  lastResort:", "  shareWith: {namespaces: [books]}\n  lastResort:");
    scene.apply(&shared).await?;
    let kubectl = async |arguments: &[&str]| scene.stage.plane.kubectl(arguments).await?.ok();
    let shelf = WebService::start().await?;
    shelf.break_with(Behaviour::Status(500));
    let told = async || {
        kubectl(&["create", "namespace", "books"]).await?;
        scene.watch_shelf(&shelf).await?;
        eventually(PATIENCE, "the ticket of the shelf is told", || async {
            let list: Value = serde_json::from_str(&kubectl(&["-n", "books", "get", "tickets", "-o", "json"]).await?)?;
            let ticket = list["items"][0].clone();
            ensure!(page_to(&ticket, "ada-hook")["state"] == "Accepted", "{ticket}; {}", operator.tail());
            Ok(ticket)
        })
        .await
    };
    let first = told().await?;

    // What the namespace controller does; there is none here.
    kubectl(&["delete", "namespace", "books", "--wait=false"]).await?;
    for kind in ["svcmonitors", "tickets", "controllerrevisions"] {
        kubectl(&["-n", "books", "delete", kind, "--all"]).await?;
    }
    let mut ending: Value = serde_json::from_str(&kubectl(&["get", "namespace", "books", "-o", "json"]).await?)?;
    ending["spec"]["finalizers"] = json!([]);
    let finalize = ["replace", "--raw", "/api/v1/namespaces/books/finalize", "-f", "-"];
    let admin = scene.stage.plane.kubectl_with(&scene.stage.plane.admin_kubeconfig());
    admin.run_with_input(&finalize, &ending.to_string()).await?.ok()?;
    eventually(PATIENCE, "the namespace is gone", || async {
        ensure!(kubectl(&["get", "namespace", "books"]).await.is_err(), "it is there");
        Ok(())
    })
    .await?;

    let second = told().await?;
    ensure!(first["metadata"]["uid"] != second["metadata"]["uid"], "{second}");
    let revision = second["spec"]["origin"]["policyRevision"].as_str().unwrap_or_default();
    ensure!(first["spec"]["origin"]["policyRevision"] == revision, "{first}");
    kubectl(&["-n", "books", "get", "controllerrevision", revision]).await?;
    Ok(())
}
