//! Pages that reach nobody, and pages that nobody tries: no sign of life is given, although everything else goes on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::{
    eventually,
    operator::Operator,
    receiver::{Answer, Receiver},
    serve::Behaviour,
    stage::PATIENCE,
    web::WebService,
};

use crate::{
    scene::{Scene, metric, monitor, page, pages},
    self_watch::sign_of_life,
};

/// Ada alone.
const ONLY_ADA: &str = "
        - {after: 0s, notify: [{schedule: primary}]}";

/// The bound of a minute, two checks, and what a busy machine adds.
const NOTICED: Duration = Duration::from_secs(110);

/// Waits until a number of the operator's has come to a wish, for longer than for most.
async fn in_time(operator: &Operator, name: &str, labels: &[(&str, &str)], wish: impl Fn(f64) -> bool) -> Result<()> {
    eventually(NOTICED, &format!("metric {name}"), || async {
        let value = operator.metrics().await?.sum(name, labels);
        ensure!(wish(value), "it is {value}; {}", operator.tail());
        Ok(())
    })
    .await
}

/// A scene with a watcher of signs of life, which have begun, and Ada's channel with this timeout.
async fn watched(name: &str, timeout: &str) -> Result<(Scene, Receiver, Operator)> {
    let watcher = Receiver::start().await?;
    let scene = Scene::build(name, "ada-hook", ONLY_ADA).await?;
    scene.apply(&scene.policy("ada-hook", ONLY_ADA).replace("timeout: 5s", &format!("timeout: {timeout}"))).await?;
    let setup = scene.stage.setup(name).await?.arguments(&["--watchdog-url", &watcher.url("/alive")]);
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    scene.stage.wait_for_state("checkout", "Up").await?;
    sign_of_life(&watcher, Instant::now() - PATIENCE, &operator).await?;
    Ok((scene, watcher, operator))
}

/// Waits until so many seconds have passed: what was to come in them would have come.
async fn let_pass(since: Instant, seconds: u64) -> Result<()> {
    eventually(PATIENCE, "some time", || async {
        ensure!(since.elapsed() > Duration::from_secs(seconds), "{:?} have passed", since.elapsed());
        Ok(())
    })
    .await
}

/// How many signs of life came to `watcher` after a moment.
fn signs_since(watcher: &Receiver, moment: Instant) -> usize {
    watcher.received().into_iter().filter(|sign| sign.at > moment).count()
}

#[tokio::test]
async fn a_page_that_is_refused_for_good_withholds_the_sign_of_life_until_its_channel_is_mended() -> Result<()> {
    let (scene, watcher, operator) = watched("untold", "5s").await?;
    scene.ada.always(Some(Answer::Status(410)));
    scene.break_shop();
    scene.told("ada-hook", "Failed").await?;
    let label = [("invariant", "told")];
    in_time(&operator, "firstline_invariant_violations", &label, |count| count == 1.0).await?;
    metric(&operator, "firstline_watchdog_pings_total", &[("result", "withheld")], |count| count >= 1.0).await?;
    ensure!(operator.logs().contains("no sign of life is given: 1 invariant(s) do not hold"), "{}", operator.tail());
    let withheld = Instant::now();
    let_pass(withheld, 35).await?;
    assert_eq!(signs_since(&watcher, withheld), 0, "longer than the interval of signs; {}", operator.tail());

    // The receiver that is gone has another address.
    scene.ada.always(None);
    let other = scene.policy("ada-hook", ONLY_ADA).replace(&scene.ada.url("/ada"), &scene.ada.url("/moved"));
    scene.apply(&other).await?;
    scene.told("ada-hook", "Accepted").await?;
    let told = pages(&scene.ada).pop().context("no page")?;
    assert_eq!(told.path, "/moved");
    assert_eq!(told.id(), pages(&scene.ada).first().and_then(|first| first.id()), "the same message");
    metric(&operator, "firstline_invariant_violations", &label, |count| count == 0.0).await?;
    sign_of_life(&watcher, told.at, &operator).await
}

#[tokio::test]
async fn a_page_that_waits_behind_one_that_hangs_withholds_the_sign_of_life_after_a_minute() -> Result<()> {
    // A channel may take its time, and its messages are sent one after the other.
    let (scene, watcher, operator) = watched("untried", "150s").await?;
    let till = WebService::start().await?;
    scene.apply(&monitor("till", &till.url())).await?;
    scene.stage.wait_for_state("till", "Up").await?;
    scene.ada.script([Answer::After(Duration::from_secs(120))]);
    scene.break_shop();
    page(&scene.ada).await?;
    till.break_with(Behaviour::Status(500));
    metric(&operator, "firstline_page_oldest_untried_seconds", &[], |waited| waited > 0.0).await?;
    in_time(&operator, "firstline_page_oldest_untried_seconds", &[], |waited| waited > 60.0).await?;
    metric(&operator, "firstline_watchdog_pings_total", &[("result", "withheld")], |count| count >= 1.0).await?;
    ensure!(operator.logs().contains("a page waits for its first attempt"), "{}", operator.tail());
    let withheld = Instant::now();
    let waits = pages(&scene.ada).len() == 1;
    let_pass(withheld, 20).await?;
    ensure!(waits && signs_since(&watcher, withheld) == 0, "{}", operator.tail());

    eventually(NOTICED, "the page of the till", || async {
        let of_till = |page: &tests::receiver::Received| {
            page.json().is_ok_and(|body| body["data"]["labels"]["service"] == "till")
        };
        ensure!(pages(&scene.ada).iter().any(of_till), "none came; {}", operator.tail());
        Ok(())
    })
    .await?;
    metric(&operator, "firstline_page_oldest_untried_seconds", &[], |waited| waited < 60.0).await?;
    sign_of_life(&watcher, Instant::now(), &operator).await
}
