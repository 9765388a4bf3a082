//! From a commit to a page and back.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tests::{
    control_plane::Requests,
    stage::{ACCOUNT, PATIENCE, SYSTEM, TEAM},
};

use crate::scene::{ADA, BOB, Scene, condition, let_pass, name, page_of, ready, unix};

/// One page, one acknowledgement, recovery, the first ticket of its policy: the operator's own writes.
const WRITES: usize = 12;

#[tokio::test]
async fn a_commit_becomes_a_page_and_a_repair_ends_it() -> Result<()> {
    let scene = Scene::open("story").await?;

    // A commit is applied.
    let commit = scene.stage.commit_acme().await?;
    let source = scene.applied(&commit).await?;
    assert_eq!(source["status"]["lastAppliedRevision"], format!("main@sha1:{commit}"));
    assert_eq!(source["status"]["transaction"], "Committed");
    assert_eq!(source["status"]["objects"]["created"], 3, "{}", source["status"]);
    let up = scene.stage.wait_for_state("checkout", "Up").await?;
    assert_eq!(condition(&up["status"], "Healthy")["status"], "True", "{}", up["status"]);
    assert_eq!(up["metadata"]["labels"]["app.kubernetes.io/managed-by"], "firstline");
    scene.stage.wait_for_state("checkout-port", "Up").await?;
    scene.wait_condition(SYSTEM, "Ready", "gitsource/acme").await?;
    scene.wait_condition(TEAM, "Ready", "supportpolicy/payments").await?;
    scene.wait_condition(TEAM, "Ready", "svcmonitor/checkout").await?;

    // The shop breaks.
    let audit = scene.stage.plane.audit()?;
    let broken = audit.mark().await?;
    scene.break_shop();
    let ticket = scene.paged("ada").await?;
    is_an_incident(&ticket);
    let incident = name(&ticket).to_owned();
    let down = scene.stage.wait_for_state("checkout", "Down").await?;
    assert_eq!(ready(&down["status"])["status"], "True", "Ready never says whether the target is up");
    assert_eq!(down["status"]["ticket"], name(&ticket), "{}", down["status"]);

    // Ada is paged, by name, and nobody else.
    let mails = scene.stage.mail.messages().await?;
    assert_eq!(mails.len(), 1, "{mails:#?}");
    let page = &mails[0];
    assert_eq!((page.from.as_str(), page.to.as_slice()), ("support@acme.example", &[ADA.to_owned()][..]));
    assert_eq!(page.subject, format!("[P1] Checkout is down (payments/{incident})"));
    let sent = page_of(&ticket, "ada");
    let id = sent["id"].as_str().unwrap_or_default();
    assert!(
        page.message_id.starts_with(id),
        "Message-ID {} is not made of the notification's id {id}",
        page.message_id
    );
    assert_eq!(page.header("Auto-Submitted"), Some("auto-generated"));
    assert_eq!(page.header("X-Firstline-Ticket"), Some(incident.as_str()));
    assert!(page.text.contains(&format!("kubectl firstline ack {incident} -n payments")), "{}", page.text);
    assert!(page.text.contains("https://wiki.acme.example/runbooks/checkout"), "{}", page.text);

    // She takes it, with the command from the mail.
    let said = scene.plugin(&["ack", &incident]).await?;
    assert!(said.contains("acknowledged by ada@acme.example"), "{said}");
    let open = scene.ticket("Ada has it", |ticket| ticket["status"]["assignee"] == "ada").await?;
    assert_eq!(open["status"]["state"], "Open");
    assert_eq!(open["status"]["escalation"]["acknowledgedBy"], "ada", "{}", open["status"]);
    let noting = audit.mark().await?;
    note(&scene, &incident).await?;
    let noted = cost(audit.since(noting).await?);

    // The escalation has stopped: its next step would have been Bob's, 20 s after the first.
    let_pass(unix(&ticket["status"]["escalation"]["cycleStart"])? + Duration::from_secs(20)).await?;
    assert!(scene.mails(BOB).await?.is_empty(), "Bob was paged although Ada had acknowledged");

    // The shop is repaired.
    scene.stage.shop.repair().await?;
    let over = scene.ticket("it is resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    assert_eq!(over["status"]["reason"], "Recovered");
    let resolved =
        scene.stage.mail.wait_for(PATIENCE, "the end", |mail| mail.subject.starts_with("Resolved: ")).await?;
    assert_eq!(resolved.to, [ADA]);
    let thread = page.header("In-Reply-To");
    assert!(thread.is_some() && resolved.header("In-Reply-To") == thread, "one thread: {:#?}", resolved.headers);
    let up = tests::eventually(PATIENCE, "the monitor to be Up without ticket", || async {
        let monitor = scene.stage.get("svcmonitors", "checkout").await?;
        anyhow::ensure!(
            monitor["status"]["state"] == "Up" && monitor["status"]["ticket"].is_null(),
            "{}",
            monitor["status"]
        );
        Ok(monitor)
    })
    .await?;
    assert_eq!(condition(&up["status"], "Healthy")["status"], "True");
    scene.wait_condition(TEAM, "Ready", &format!("ticket/{incident}")).await?;
    scene.wait_condition(TEAM, "Ready", "ticketevent/what-ada-found").await?;
    let shown = scene.plugin(&["show", &incident]).await?;
    for words in ["Resolved", "Recovered", "The database is full", "ada"] {
        assert!(shown.contains(words), "no {words:?} in:\n{shown}");
    }

    // What it cost.
    let own = cost(audit.since(broken).await?);
    eprintln!("from the break to Resolved: {own}; the note's part of it: {noted}");
    assert!(
        own.count() - noted.count() <= WRITES,
        "expected at most {WRITES} writes, found {own}, {noted} for the note"
    );
    assert_eq!(scene.stage.mail.messages().await?.len(), 2, "one page, one notice of its end");

    // Everything a person cares about is an Event.
    for (object, reason) in
        [("checkout", "Down"), ("checkout", "Up"), (&*incident, "Acknowledged"), (&incident, "Resolved")]
    {
        scene.event(TEAM, object, reason).await?;
    }
    Ok(())
}

/// The operator's own writes: no lease, no Events, nothing of the Git sync.
fn cost(requests: Requests) -> Requests {
    let own = requests.by_service_account(SYSTEM, ACCOUNT).writes();
    own.filter(|request| request.acting_as.is_none()).except(&["leases", "events", "gitsources"])
}

/// The ticket that an alert opened.
fn is_an_incident(ticket: &Value) {
    let name = name(ticket);
    let suffix = name.strip_prefix("inc-").unwrap_or_default();
    assert!(suffix.len() == 26 && suffix.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')), "{name}");
    let (origin, status) = (&ticket["spec"]["origin"], &ticket["status"]);
    assert_eq!((&origin["policy"], &origin["policyNamespace"]), (&json!("payments"), &json!("payments")));
    assert_eq!((&origin["route"], &origin["severity"]), (&json!("pages"), &json!("page")));
    assert_eq!(origin["alerts"][0]["labels"]["alertname"], "MonitorDown");
    assert_eq!(origin["alerts"][0]["labels"]["monitor"], "checkout");
    assert_eq!(ticket["spec"]["title"], "Checkout is down");
    assert!(status["number"].as_i64().is_some_and(|number| number > 0), "{status}");
    assert_eq!((&status["state"], &status["priority"]), (&json!("New"), &json!("P1")), "{status}");
    assert_eq!(status["alerts"]["firing"], 1);
    assert_eq!(status["policy"]["revision"], origin["policyRevision"]);
    assert!(status["epoch"].is_i64(), "{status}");
}

/// A note with kubectl alone. The author is filled in.
async fn note(scene: &Scene, incident: &str) -> Result<()> {
    let event = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "TicketEvent",
        "metadata": {"name": "what-ada-found", "namespace": TEAM},
        "spec": {"ticket": incident, "note": {"text": "The database is full; making room."}},
    });
    scene.ada.run_with_input(&["create", "-f", "-"], &event.to_string()).await?.ok()?;
    scene.wait_condition(TEAM, "Ready", "ticketevent/what-ada-found").await?;
    let event = scene.stage.get("ticketevents", "what-ada-found").await?;
    assert_eq!(event["spec"]["author"], ADA);
    assert_eq!(event["status"]["accepted"], true, "{}", event["status"]);
    let ticket = scene.ticket("it has the note", |ticket| ticket["status"]["messages"]["total"] == 1).await?;
    let line = &ticket["status"]["messages"]["last"][0];
    assert_eq!(
        (&line["text"], &line["public"]),
        (&json!("The database is full; making room."), &json!(false)),
        "{line}"
    );
    Ok(())
}
