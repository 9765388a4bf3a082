//! The API server goes away and comes back.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tests::{eventually, operator::Operator, stage::PATIENCE};

use crate::scene::{Scene, TWO_STEPS, metric, page, page_to, pages};

/// Three times as long as a lease is valid.
const OUTAGE: Duration = Duration::from_secs(12);

#[tokio::test]
async fn an_operator_that_holds_without_api_server_lives_probes_and_says_so_and_pages_afterwards() -> Result<()> {
    let (scene, operator) = watching("api-gone", &["--when-api-is-down", "Hold"]).await?;
    let pid = operator.pid();
    metric(&operator, "firstline_api_reachable", &[], |value| value == 1.0).await?;

    scene.stage.plane.stop_apiserver();
    let began = Instant::now();
    metric(&operator, "firstline_api_reachable", &[], |value| value == 0.0).await?;
    scene.break_shop();
    outage(&operator, began).await?;
    let state = [("monitor", "checkout"), ("state", "Down")];
    metric(&operator, "firstline_monitor_state", &state, |value| value == 1.0).await?;

    scene.stage.plane.start_apiserver().await?;
    metric(&operator, "firstline_api_reachable", &[], |value| value == 1.0).await?;
    page(&scene.ada).await?;
    let ticket = scene.told("ada-hook", "Accepted").await?;
    scene.stage.wait_for_state("checkout", "Down").await?;
    ensure!(operator.is_running() && operator.pid() == pid, "{}", operator.tail());
    ensure!(
        ticket["status"]["state"] == "New" && page_to(&ticket, "ada-hook")["attempts"] == 1,
        "{}",
        ticket["status"]
    );
    assert_eq!(pages(&scene.ada).len(), 1);
    Ok(())
}

/// While it lasts, looks go on and both health pages answer.
async fn outage(operator: &Operator, began: Instant) -> Result<()> {
    let looks = operator.metrics().await?.sum("firstline_probe_results_total", &[]);
    eventually(PATIENCE, "twelve seconds without API server", || async {
        for health in ["/livez", "/readyz"] {
            let (code, text) = operator.get(health).await?;
            ensure!(code == 200, "{health} answers {code} {text}");
        }
        ensure!(began.elapsed() >= OUTAGE, "{:?} have passed", began.elapsed());
        Ok(())
    })
    .await?;
    // Two monitors a second, some of them cut by the time the first count was taken.
    metric(operator, "firstline_probe_results_total", &[], |value| value >= looks + 12.0).await.map(drop)
}

/// From the break of the shop, or from the answer of the API server, to the page on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// An API server that takes connections and never answers is the worse case: nothing fails by itself.
#[tokio::test]
async fn an_api_server_that_hangs_delays_a_page_until_it_answers_where_pages_wait_for_it() -> Result<()> {
    let (scene, operator) = watching("api-hangs-hold", &["--when-api-is-down", "Hold"]).await?;
    scene.stage.plane.pause_apiserver();
    let began = Instant::now();
    scene.break_shop();
    outage(&operator, began).await?;
    ensure!(pages(&scene.ada).is_empty(), "it did not wait: {}", operator.tail());
    scene.stage.plane.resume_apiserver();
    let resumed = Instant::now();
    let page = page(&scene.ada).await?;
    let waited = resumed.elapsed();
    ensure!(waited < SOON, "the page came {waited:?} after the API server; {}", operator.tail());
    ensure!(page.json()?["data"]["possibleDuplicate"].is_null(), "{}", page.json()?);
    scene.told("ada-hook", "Accepted").await?;
    assert_eq!(pages(&scene.ada).len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_api_server_that_hangs_delays_a_page_only_until_the_leader_goes_on_by_itself() -> Result<()> {
    let alone = Duration::from_secs(5);
    let (scene, operator) = watching("api-hangs", &["--island-after", "5s"]).await?;
    scene.stage.plane.pause_apiserver();
    let began = Instant::now();
    scene.break_shop();
    let page = page(&scene.ada).await?;
    let waited = began.elapsed();
    ensure!(waited < alone + SOON, "the page took {waited:?}; {}", operator.tail());
    ensure!(page.json()?["data"]["possibleDuplicate"] == true, "{}", page.json()?);
    scene.stage.plane.resume_apiserver();
    let ticket = scene.told("ada-hook", "Accepted").await?;
    ensure!(page_to(&ticket, "ada-hook")["id"].as_str() == page.id(), "{}", ticket["status"]);
    metric(&operator, "firstline_islanded", &[], |value| value == 0.0).await?;
    assert_eq!(pages(&scene.ada).len(), 1, "{}", operator.tail());
    Ok(())
}

/// Without a flag: the leader waits for ten seconds since it last heard from the server, which is once a second and may be
/// twice that on a busy machine.
#[tokio::test]
async fn without_any_flag_a_page_waits_ten_seconds_for_an_api_server_that_is_gone() -> Result<()> {
    let (alone, heard_before) = (Duration::from_secs(10), Duration::from_secs(2));
    let (scene, operator) = watching("api-gone-default", &[]).await?;
    scene.stage.plane.stop_apiserver();
    let began = Instant::now();
    scene.break_shop();
    let page = page(&scene.ada).await?;
    let waited = page.at.duration_since(began);
    ensure!(waited > alone - heard_before, "the page came after {waited:?} already; {}", operator.tail());
    ensure!(waited < alone + SOON, "the page took {waited:?}; {}", operator.tail());
    ensure!(page.json()?["data"]["possibleDuplicate"] == true, "{}", page.json()?);
    scene.stage.plane.start_apiserver().await?;
    let ticket = scene.told("ada-hook", "Accepted").await?;
    ensure!(page_to(&ticket, "ada-hook")["id"].as_str() == page.id(), "{}", ticket["status"]);
    metric(&operator, "firstline_islanded", &[], |value| value == 0.0).await?;
    assert_eq!(pages(&scene.ada).len(), 1, "{}", operator.tail());
    Ok(())
}

/// An operator with these flags that sees both monitors Up.
async fn watching(name: &str, flags: &[&str]) -> Result<(Scene, Operator)> {
    let scene = Scene::build(name, "ada-hook", TWO_STEPS).await?;
    let operator = scene.stage.setup(name).await?.arguments(flags).start()?;
    operator.wait_ready(PATIENCE).await?;
    scene.stage.wait_for_state("checkout", "Up").await?;
    scene.stage.wait_for_state("checkout-port", "Up").await?;
    Ok((scene, operator))
}
