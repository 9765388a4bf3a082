//! `make bench`: start-up time, memory, API writes and the latency of a page, of the release binary.
//!
//! One table of what was measured beside what was promised; a promise that is not kept ends it with an error.
//! The parts around the operator are the real ones and share the machine with it, so figures are upper bounds.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a bench speaks to a person and measures the real clock; an index that JSON lacks is null"
)]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{
    eventually,
    mail::Mail,
    operator::Setup,
    serve::Behaviour,
    stage::{ACCOUNT, PATIENCE, SYSTEM, Stage, TEAM},
};

/// Every figure that varies is measured so often.
const ROUNDS: usize = 5;
/// How many monitors the memory is measured with, and for how long they have been probed then.
const MONITORS: usize = 100;
const PROBED_FOR: Duration = Duration::from_secs(30);
/// From the first look that fails to the state Down: the demo's `confirmEvery`, once.
const THRESHOLD: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> Result<()> {
    eprintln!("Starting a control plane, a mail server and a shop …");
    let stage = Stage::build("bench").await?;
    let setup = stage.setup("bench").await?;
    let mut table = vec![start_up(&setup).await?];
    table.extend(incidents(&stage, &setup).await?);
    table.push(memory(&stage, &setup).await?);
    print(&table);
    ensure!(table.iter().all(Row::is_kept), "a bar was missed");
    Ok(())
}

/// One figure.
struct Row {
    what: String,
    measured: f64,
    unit: &'static str,
    /// The most it may be; `None` where nothing is promised.
    bar: Option<f64>,
}

impl Row {
    fn is_kept(&self) -> bool {
        self.bar.is_none_or(|bar| self.measured <= bar)
    }
}

fn print(table: &[Row]) {
    println!("{:<66} {:>12} {:>12}", "what", "measured", "bar");
    for row in table {
        let figure = |value: f64| {
            let text = format!("{value:.*} {}", if value.fract() == 0.0 { 0 } else { 2 }, row.unit);
            text.trim_end().to_owned()
        };
        let bar = row.bar.map_or_else(|| "-".to_owned(), |bar| format!("≤ {}", figure(bar)));
        let missed = if row.is_kept() { "" } else { "  MISSED" };
        println!("{:<66} {:>12} {bar:>12}{missed}", row.what, figure(row.measured));
    }
}

/// From the start of the process until `/readyz` says so, against an API server that does nothing else.
async fn start_up(setup: &Setup) -> Result<Row> {
    eprintln!("Starting the operator {ROUNDS} times …");
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let operator = setup.start()?;
        seconds.push(operator.wait_ready(PATIENCE).await?.as_secs_f64());
    }
    Ok(Row {
        what: format!("start to ready, median of {ROUNDS}"),
        measured: median(seconds)?,
        unit: "s",
        bar: Some(1.0),
    })
}

/// Incidents one after the other: what each costs in API writes, and how fast its page is.
async fn incidents(stage: &Stage, setup: &Setup) -> Result<[Row; 2]> {
    eprintln!("Breaking and repairing the shop {ROUNDS} times …");
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    for (_, text) in &stage.files {
        // Only the page: the second monitor would open a ticket of its own.
        let text = text.split("---\n").next().unwrap_or_default();
        stage.plane.apply(text).await?;
    }
    stage.wait_for_state("checkout", "Up").await?;
    let (mut writes, mut latencies) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let (written, latency) =
            incident(stage, round).await.with_context(|| format!("round {round}; {}", operator.tail()))?;
        writes.push(written);
        latencies.push(latency);
    }
    Ok([
        Row {
            what: format!("API writes for page, acknowledgement, recovery, median of {ROUNDS}"),
            measured: median(writes)?,
            unit: "",
            bar: Some(12.0),
        },
        Row {
            what: format!("first failed look to page accepted, less thresholds, median of {ROUNDS}"),
            measured: median(latencies)?,
            unit: "s",
            bar: None,
        },
    ])
}

async fn incident(stage: &Stage, round: usize) -> Result<(f64, f64)> {
    let audit = stage.plane.audit()?;
    let pages = |mails: &[Mail]| mails.iter().filter(|mail| mail.header("X-Firstline-Kind") == Some("page")).count();
    let before = pages(&stage.mail.messages().await?);
    let mark = audit.mark().await?;

    let looks = stage.shop.requests();
    stage.shop.break_with(Behaviour::Status(500));
    while stage.shop.requests() == looks {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let failed = Instant::now();
    let end = failed + PATIENCE;
    while pages(&stage.mail.messages().await?) == before {
        ensure!(Instant::now() < end, "no page within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let latency = failed.elapsed().saturating_sub(THRESHOLD);

    let accepted = |ticket: &Value| ticket["status"]["notifications"][0]["state"] == "Accepted";
    let ticket = stage.wait_for_ticket("checkout", "paged", accepted).await?;
    acknowledge(stage, &ticket, round).await?;
    let acknowledged = |ticket: &Value| ticket["status"]["escalation"]["acknowledgedBy"] == "ada";
    stage.wait_for_ticket("checkout", "acknowledged", acknowledged).await?;
    stage.shop.repair().await?;
    let over = |ticket: &Value| {
        let all = ticket["status"]["notifications"].as_array().map(Vec::as_slice).unwrap_or_default();
        ticket["status"]["state"] == "Resolved" && all.len() >= 2 && all.iter().all(|n| n["state"] == "Accepted")
    };
    stage.wait_for_ticket("checkout", "resolved, everybody told", over).await?;
    stage.wait_for_state("checkout", "Up").await?;
    let writes = audit.since(mark).await?.by_service_account(SYSTEM, ACCOUNT).writes().except(&["leases", "events"]);
    if round == 1 {
        eprintln!("  {writes}");
    }
    // The next round begins with a ticket of its own.
    let name = ticket["metadata"]["name"].as_str().unwrap_or_default();
    stage.plane.kubectl(&["-n", TEAM, "delete", "ticket", name]).await?.ok()?;
    Ok((writes.count() as f64, latency.as_secs_f64()))
}

async fn acknowledge(stage: &Stage, ticket: &Value, round: usize) -> Result<()> {
    let metadata = &ticket["metadata"];
    let event = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "TicketEvent",
        "metadata": {"name": format!("bench-{round}"), "namespace": TEAM, "ownerReferences": [
            {"apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket", "name": metadata["name"], "uid": metadata["uid"]},
        ]},
        "spec": {"ticket": metadata["name"], "acknowledge": true},
    });
    let ada = stage.plane.kubeconfig_as("ada@acme.example", &["system:masters"])?;
    stage.plane.kubectl_with(&ada).run_with_input(&["create", "-f", "-"], &event.to_string()).await?.ok().map(drop)
}

/// Resident memory of an operator that has probed for a while.
async fn memory(stage: &Stage, setup: &Setup) -> Result<Row> {
    eprintln!("Probing {MONITORS} monitors every second for {} s …", PROBED_FOR.as_secs());
    let monitors: Vec<String> = (1..=MONITORS).map(|n| monitor(n, &stage.shop.url())).collect();
    stage.plane.apply(&monitors.join("\n---\n")).await?;
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    let all_up = || async {
        let metrics = operator.metrics().await?;
        let up = metrics.sum("firstline_monitor_state", &[("state", "Up")]);
        ensure!(up >= MONITORS as f64, "{up} are Up");
        Ok(())
    };
    eventually(PATIENCE, "every monitor Up", all_up).await?;
    let before = operator.metrics().await?.sum("firstline_probe_results_total", &[]);
    tokio::time::sleep(PROBED_FOR).await;
    let looks = operator.metrics().await?.sum("firstline_probe_results_total", &[]) - before;
    ensure!(
        looks >= 0.9 * MONITORS as f64 * PROBED_FOR.as_secs_f64(),
        "only {looks} looks: the operator does not keep up"
    );
    let mebibytes = operator.resident_bytes()? as f64 / f64::from(1 << 20);
    Ok(Row {
        what: format!("resident memory, {MONITORS} monitors at 1 s, after {} s", PROBED_FOR.as_secs()),
        measured: mebibytes,
        unit: "MiB",
        bar: Some(40.0),
    })
}

fn monitor(number: usize, url: &str) -> String {
    json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor",
        "metadata": {"name": format!("bench-{number}"), "namespace": TEAM},
        "spec": {"service": format!("bench-{number}"), "interval": "1s", "timeout": "1s", "probe": {"http": {"url": url}}},
    })
    .to_string()
}

fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().context("nothing was measured")
}
