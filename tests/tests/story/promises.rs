//! A promise of seconds: who hears that it nears its end, and that it is broken.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tests::{
    eventually,
    stage::{PATIENCE, TEAM},
};

use crate::scene::{ADA, BOB, Scene, lines, unix};

/// What a busy machine may add to a due time.
const LATENESS: Duration = Duration::from_secs(5);

const ROUTES: &str = "  routes:\n";
const PROMISES: &str = "  sla:
    - {priority: P2, calendar: always, resolution: 8s, onWarn: [{person: bob}], onBreach: [{channel: mail}]}
  warnAt: [\"50%\"]
  routes:
";

#[tokio::test]
async fn bob_hears_of_half_the_time_and_the_team_of_a_broken_promise_once_each() -> Result<()> {
    let scene = Scene::running("promises", &[(ROUTES, PROMISES)]).await?;
    let ticket = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"name": "invoice", "namespace": TEAM},
        "spec": {"title": "An invoice is missing", "priority": "P2", "requester": {"name": "Mia"}},
    });
    scene.stage.plane.apply(&ticket.to_string()).await?;
    let broken = eventually(PATIENCE, "the team to hear of the breach", || async {
        let ticket = scene.stage.get("tickets", "invoice").await?;
        let all = notifications(&ticket);
        ensure!(all.len() == 2 && all.iter().all(|n| n["state"] == "Accepted"), "{}", ticket["status"]);
        Ok(ticket)
    })
    .await?;
    let status = &broken["status"];
    let created = unix(&broken["metadata"]["creationTimestamp"])?;
    let breach = &status["breaches"][0];
    let (due, found) = (unix(&breach["breachedAt"])?, unix(&breach["detectedAt"])?);
    assert_eq!(
        (&breach["clock"], due, &status["sla"]),
        (&json!("resolution"), created + Duration::from_secs(8), &json!("Breached"))
    );
    assert!(found <= due + LATENESS, "{breach}");
    assert_eq!(
        (lines(&broken, "Warned"), lines(&broken, "Breach").len()),
        (vec!["resolution 50% (run 1): told bob", "resolution due (run 1): told mail"], 1)
    );
    let metrics = scene.operator.metrics().await?;
    let of_resolution = [("clock", "resolution")];
    assert_eq!(metrics.value("firstline_sla_breaches_total", &of_resolution), Some(1.0));
    assert_eq!(metrics.value("firstline_sla_warnings_total", &of_resolution), Some(1.0));
    eprintln!("lag of a warning and a breach together: {} s", metrics.sum("firstline_sla_lag_seconds_sum", &[]));

    let explained = scene.plugin(&["explain", "invoice"]).await?;
    for part in [
        "ticket payments/invoice, #1: An invoice is missing\npolicy payments/payments, revision payments-",
        ": Opened: for Mia\n",
        ": Warned: resolution 50% (run 1): told bob\n",
        ": slaWarning to bob through mail: Accepted, resolution 50% (run 1)",
        ": Breach: resolution due (run 1): the promise was not kept",
        "\n  resolution of 8s: Running, due 20",
        "s of working time (calendar always), New\n",
    ] {
        ensure!(explained.contains(part), "{part}\nin\n{explained}");
    }

    // A new process knows what was said.
    let Scene { stage, operator, setup, .. } = scene;
    operator.terminate().await?;
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    stage.plane.kubectl(&["-n", TEAM, "label", "ticket", "invoice", "seen=again"]).await?.ok()?;
    stage.plane.apply(&note("later").to_string()).await?;
    let later = eventually(PATIENCE, "the note to count", || async {
        let event = stage.get("ticketevents", "later").await?;
        ensure!(event["status"]["accepted"] == true, "{event}");
        stage.get("tickets", "invoice").await
    })
    .await?;
    assert_eq!(notifications(&later).len(), 2, "{}", later["status"]["notifications"]);
    let mails = stage.mail.messages().await?;
    let about = |address: &str| {
        mails
            .iter()
            .filter(|mail| mail.to.iter().any(|to| to == address))
            .map(|mail| mail.subject.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(about(BOB), ["SLA: [P2] An invoice is missing (payments/invoice)"]);
    assert_eq!(about("ops@acme.example"), about(BOB));
    assert_eq!(about(ADA), Vec::<&str>::new());
    Ok(())
}

fn notifications(ticket: &Value) -> Vec<&Value> {
    ticket["status"]["notifications"].as_array().map(|all| all.iter().collect()).unwrap_or_default()
}

fn note(name: &str) -> Value {
    json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "TicketEvent",
        "metadata": {"name": name, "namespace": TEAM},
        "spec": {"ticket": "invoice", "author": "system:admin", "note": {"text": "It was in the other folder."}},
    })
}
