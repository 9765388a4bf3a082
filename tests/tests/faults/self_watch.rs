//! Firstline watches itself: a sign of life as long as nothing is late or lost, and a channel of the operator's own for what
//! no policy can tell.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{
    eventually,
    operator::Operator,
    receiver::{Answer, Receiver},
    serve::Behaviour,
    stage::{PATIENCE, SYSTEM},
    web::WebService,
};

use crate::{
    api_proxy::Proxied,
    scene::{Scene, TWO_STEPS, metric, now, page, pages},
};
use tests::proxy::Fault;

/// What the operator is started with to have a last resort.
pub(crate) const LAST_RESORT: [&str; 2] = ["--last-resort", "company/second-path"];

/// The namespace of a team that no policy serves.
pub(crate) const ORPHANS: &str = "orphans";

/// A sign of life that came to `watcher` after that moment.
pub(crate) async fn sign_of_life(watcher: &Receiver, since: Instant, operator: &Operator) -> Result<()> {
    eventually(PATIENCE, "a sign of life", || async {
        let came = watcher.received().into_iter().any(|sign| sign.at > since && sign.method == "GET");
        ensure!(came, "none came; {}", operator.tail());
        Ok(())
    })
    .await
}

/// A company-wide policy whose channel `second-path` leads to a receiver. It serves nobody.
pub(crate) async fn company(scene: &Scene, receiver: &Receiver) -> Result<()> {
    let policy = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy",
        "metadata": {"name": "company", "namespace": SYSTEM},
        "spec": {
            "match": ["team=\"company\""],
            "lastResort": [{"channel": "second-path"}],
            "channels": [{
                "name": "second-path",
                "webhook": {"url": receiver.url("/last"), "signingSecretRef": {"name": "last", "key": "key"}},
            }],
        },
    });
    scene.apply(&policy.to_string()).await
}

/// The same with the Secret of that channel.
async fn company_with_secret(scene: &Scene, receiver: &Receiver) -> Result<()> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "last", "namespace": SYSTEM, "labels": {"firstline.dev/use": "notify"}},
        "stringData": {"key": receiver.secret()},
    });
    scene.apply(&secret.to_string()).await?;
    company(scene, receiver).await
}

/// A service in a namespace that no policy serves, watched every second.
pub(crate) async fn orphan(scene: &Scene, service: &str) -> Result<WebService> {
    let web = WebService::start().await?;
    // Both may exist already.
    let _ = scene.stage.plane.kubectl(&["create", "namespace", ORPHANS]).await?;
    let yaml = crate::scene::monitor(service, &web.url()).replace("namespace: payments", "namespace: orphans");
    scene.apply(&yaml).await?;
    eventually(PATIENCE, "the orphan is Up", || async {
        let monitor = scene.stage.get_in(ORPHANS, "svcmonitors.firstline.dev", service).await?;
        ensure!(monitor["status"]["state"] == "Up", "{}", monitor["status"]);
        Ok(())
    })
    .await?;
    Ok(web)
}

/// The ticket about an orphan, which lives with the operator.
pub(crate) async fn ticket_without_policy(scene: &Scene, service: &str) -> Result<Value> {
    eventually(PATIENCE, "a ticket without policy", || async {
        let text = scene.stage.plane.kubectl(&["-n", SYSTEM, "get", "tickets", "-o", "json"]).await?.ok()?;
        let list: Value = serde_json::from_str(&text)?;
        let tickets = list["items"].as_array().context("no list")?;
        let ours = tickets.iter().find(|ticket| ticket["metadata"]["labels"]["service"] == service);
        ours.cloned().context("there is none")
    })
    .await
}

#[tokio::test]
async fn signs_of_life_go_out_while_all_is_well_stop_when_a_step_is_overdue_and_go_on_afterwards() -> Result<()> {
    let watcher = Receiver::start().await?;
    let world = Proxied::running_with("watchdog", TWO_STEPS, &["--watchdog-url", &watcher.url("/t0ken")]).await?;
    let operator = &world.operator;
    sign_of_life(&watcher, Instant::now() - PATIENCE, operator).await?;
    metric(operator, "firstline_watchdog_pings_total", &[("result", "accepted")], |count| count >= 1.0).await?;

    // Ada is paged; then nothing can be written on tickets, so that Bob's step passes without a decision. The lease holds.
    world.scene.stage.wait_for_state("checkout", "Up").await?;
    world.scene.break_shop();
    page(&world.scene.ada).await?;
    world.scene.told("ada-hook", "Accepted").await?;
    world.rules.set(|call| if call.is("PATCH tickets/status") { Fault::Answer(500, None) } else { Fault::Pass });
    metric(operator, "firstline_deadline_overdue_seconds", &[], |late| late > 5.0).await?;
    metric(operator, "firstline_watchdog_pings_total", &[("result", "withheld")], |count| count >= 1.0).await?;
    let withheld = Instant::now();
    metric(operator, "firstline_deadline_overdue_seconds", &[], |late| late > 38.0).await?;
    let signs = watcher.received().into_iter().filter(|sign| sign.at > withheld).count();
    assert_eq!(signs, 0, "who waits for a sign of life must notice that none comes; {}", operator.tail());
    ensure!(operator.metrics().await?.sum("leader_election_master_status", &[]) == 1.0, "it leads all the while");

    world.rules.clear();
    let healed = Instant::now();
    page(&world.scene.bob).await?;
    sign_of_life(&watcher, healed, operator).await?;
    numbers_of_a_late_page(operator, healed).await?;
    metric(operator, "firstline_deadline_overdue_seconds", &[], |late| late < 5.0).await?;
    ensure!(!operator.logs().contains("t0ken"), "the address is a credential");
    Ok(())
}

/// Bob's step was decided, and his page accepted, long after their planned time; then the watcher heard of it.
async fn numbers_of_a_late_page(operator: &Operator, healed: Instant) -> Result<()> {
    metric(operator, "firstline_deadline_lag_seconds_count", &[], |count| count >= 1.0).await?;
    metric(operator, "firstline_deadline_lag_seconds_sum", &[], |late| late > 38.0).await?;
    metric(operator, "firstline_page_lateness_seconds_count", &[], |count| count == 2.0).await?;
    metric(operator, "firstline_page_lateness_seconds_sum", &[], |late| late > 38.0).await?;
    let since = now()?.saturating_sub(healed.elapsed() + Duration::from_secs(1)).as_secs_f64();
    let (sign, of_now) = ("firstline_watchdog_last_success_timestamp_seconds", since..since + PATIENCE.as_secs_f64());
    metric(operator, sign, &[], |at| of_now.contains(&at)).await.map(drop)
}

#[tokio::test]
async fn a_ticket_that_nobody_would_be_told_of_any_more_is_found_and_goes_to_the_last_resort_where_there_is_one()
-> Result<()> {
    let watcher = Receiver::start().await?;
    let scene = Scene::build("violation", "ada-hook", TWO_STEPS).await?;
    let last = Receiver::start().await?;
    company_with_secret(&scene, &last).await?;
    let flags = ["--watchdog-url", &watcher.url("/alive")];
    let setup = scene.stage.setup("violation").await?.arguments(&flags);
    // Values that a template left empty count as not given.
    let setup = ["FIRSTLINE_LAST_RESORT", "FIRSTLINE_MAX_PROBES", "FIRSTLINE_ALLOW_FILE_SOURCES"]
        .into_iter()
        .fold(setup, |setup, name| setup.environment(name, ""));
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    scene.stage.wait_for_state("checkout", "Up").await?;
    scene.break_shop();
    page(&scene.ada).await?;
    scene.told("ada-hook", "Accepted").await?;
    operator.kill9();

    // The policy and everything that was kept of it are deleted while nobody runs: who is Bob?
    let team = ["-n", tests::stage::TEAM];
    let delete = async |what: &[&str]| scene.stage.plane.kubectl(&[&team[..], &["delete"], what].concat()).await?.ok();
    delete(&["supportpolicies", "--all"]).await?;
    delete(&["controllerrevisions", "--all"]).await?;
    let again = Instant::now();
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    let label = [("invariant", "deadlines")];
    metric(&operator, "firstline_invariant_violations", &label, |count| count == 1.0).await?;
    metric(&operator, "firstline_watchdog_pings_total", &[("result", "withheld")], |count| count >= 1.0).await?;
    ensure!(operator.logs().contains("somebody must act, and nothing says when it goes on"), "{}", operator.tail());
    let signs = watcher.received().into_iter().filter(|sign| sign.at > again).count();
    assert_eq!(signs, 0, "not even before the violation was confirmed; {}", operator.tail());
    operator.kill9();

    let setup = setup.arguments(&LAST_RESORT);
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    let told = page(&last).await?;
    assert_eq!(told.json()?["data"]["labels"]["service"], "checkout");
    metric(&operator, "firstline_invariant_violations", &label, |count| count == 0.0).await?;
    sign_of_life(&watcher, told.at, &operator).await
}

#[tokio::test]
async fn an_alert_that_gets_no_ticket_is_found_and_told_as_soon_as_it_gets_one() -> Result<()> {
    let watcher = Receiver::start().await?;
    watcher.always(Some(Answer::Status(503)));
    let world = Proxied::running_with("undurable", TWO_STEPS, &["--watchdog-url", &watcher.url("/alive")]).await?;
    let operator = &world.operator;
    metric(operator, "firstline_watchdog_pings_total", &[("result", "failed")], |count| count >= 1.0).await?;
    watcher.always(None);
    metric(operator, "firstline_watchdog_pings_total", &[("result", "accepted")], |count| count >= 1.0).await?;

    // As by a quota or an admission rule of the cluster's.
    world.rules.set(|call| if call.is("POST tickets") { Fault::Answer(403, None) } else { Fault::Pass });
    world.scene.stage.wait_for_state("checkout", "Up").await?;
    world.scene.break_shop();
    metric(operator, "firstline_page_oldest_untried_seconds", &[], |waited| waited > 40.0).await?;
    let label = [("invariant", "alerts")];
    metric(operator, "firstline_invariant_violations", &label, |count| count == 1.0).await?;
    metric(operator, "firstline_watchdog_pings_total", &[("result", "withheld")], |count| count >= 1.0).await?;
    ensure!(operator.logs().contains("no ticket of it could be written"), "{}", operator.tail());

    world.rules.clear();
    let page = page(&world.scene.ada).await?;
    metric(operator, "firstline_invariant_violations", &label, |count| count == 0.0).await?;
    sign_of_life(&watcher, page.at, operator).await
}

#[tokio::test]
async fn an_alert_that_ends_before_it_gets_a_ticket_is_no_alarm_any_more() -> Result<()> {
    let world = Proxied::running_with("undurable-end", TWO_STEPS, &[]).await?;
    let operator = &world.operator;
    world.rules.set(|call| if call.is("POST tickets") { Fault::Answer(403, None) } else { Fault::Pass });
    world.scene.stage.wait_for_state("checkout", "Up").await?;
    world.scene.break_shop();
    metric(operator, "firstline_page_oldest_untried_seconds", &[], |waited| waited > 3.0).await?;
    world.scene.stage.shop.repair().await?;
    world.scene.stage.wait_for_state("checkout", "Up").await?;
    metric(operator, "firstline_page_oldest_untried_seconds", &[], |waited| waited == 0.0).await?;
    world.rules.clear();
    let looks = world.scene.stage.shop.requests();
    eventually(PATIENCE, "ten looks, each of which could write a ticket", || async {
        ensure!(world.scene.stage.shop.requests() >= looks + 10, "{}", operator.tail());
        Ok(())
    })
    .await?;
    assert_eq!(world.scene.stage.list("tickets").await?.len(), 0, "{}", operator.tail());
    Ok(())
}

#[tokio::test]
async fn where_nobody_at_all_is_there_to_be_told_the_signs_of_life_stop_until_somebody_takes_it() -> Result<()> {
    let watcher = Receiver::start().await?;
    let scene = Scene::build("nobody", "ada-hook", NOBODY_ON_CALL).await?;
    let policy = scene.policy("ada-hook", NOBODY_ON_CALL);
    scene.apply(&policy.replace("- channel: mail", "- schedule: primary").replace("2026-11-02", "2099-01-05")).await?;
    let setup = scene.stage.setup("nobody").await?.arguments(&["--watchdog-url", &watcher.url("/alive")]);
    let began = now()?;
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    sign_of_life(&watcher, Instant::now() - PATIENCE, &operator).await?;
    // The gap is there already: it begins when it was first seen.
    let schedule = [("namespace", "payments"), ("policy", "payments"), ("schedule", "primary")];
    let gap = "firstline_schedule_next_gap_timestamp_seconds";
    let gap = metric(&operator, gap, &schedule, |from| from >= began.as_secs_f64() - 1.0).await?;
    ensure!(gap <= now()?.as_secs_f64(), "the gap of now begins at {gap}");

    scene.stage.wait_for_state("checkout", "Up").await?;
    scene.break_shop();
    metric(&operator, "firstline_nobody_found_total", &[], |count| count == 1.0).await?;
    let untold = [("invariant", "told")];
    eventually(2 * PATIENCE, "the violation", || async {
        let count = operator.metrics().await?.sum("firstline_invariant_violations", &untold);
        ensure!(count == 1.0, "{count}; {}", operator.tail());
        Ok(())
    })
    .await?;
    metric(&operator, "firstline_watchdog_pings_total", &[("result", "withheld")], |count| count >= 1.0).await?;

    let taken = Instant::now();
    scene.acknowledge(&scene.ticket("any", |_| true).await?).await?;
    sign_of_life(&watcher, taken, &operator).await?;
    metric(&operator, "firstline_invariant_violations", &untold, |count| count == 0.0).await.map(drop)
}

#[tokio::test]
async fn the_operators_last_resort_hears_of_what_no_policy_serves_and_of_a_last_resort_that_fails() -> Result<()> {
    let scene = Scene::build("last-resort", "ada-hook", NOBODY_ON_CALL).await?;
    let policy = scene.policy("ada-hook", NOBODY_ON_CALL);
    let policy = policy.replace("- channel: mail", "- channel: bob-hook").replace("2026-11-02", "2099-01-05");
    scene.apply(&policy).await?;
    let last = Receiver::start().await?;
    let setup = scene.stage.setup("last-resort").await?.arguments(&LAST_RESORT);
    let setup = setup.arguments(&["--island-after", "5s"]);
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    metric(&operator, "firstline_last_resort_usable", &[], |usable| usable == 0.0).await?;

    // Nobody can be told yet. The company's policy comes later than the trouble, as from Git.
    let lost = orphan(&scene, "lost").await?;
    lost.break_with(Behaviour::Status(500));
    ticket_without_policy(&scene, "lost").await?;
    metric(&operator, "firstline_tickets_without_policy", &[], |count| count == 1.0).await?;
    company_with_secret(&scene, &last).await?;
    let told = page(&last).await?;
    assert_eq!(told.json()?["data"]["labels"]["service"], "lost");
    metric(&operator, "firstline_last_resort_usable", &[], |usable| usable == 1.0).await?;
    let ticket = ticket_without_policy(&scene, "lost").await?;
    let page = &ticket["status"]["notifications"][0];
    ensure!(page["channel"] == "operator/last-resort" && page["kind"] == "page", "{ticket}");

    // The team's own last resort answers that it is gone for good.
    scene.bob.always(Some(Answer::Status(410)));
    scene.stage.wait_for_state("checkout", "Up").await?;
    scene.break_shop();
    let of_shop = || {
        pages(&last).into_iter().find(|page| page.json().is_ok_and(|it| it["data"]["labels"]["service"] == "checkout"))
    };
    let made_up = eventually(PATIENCE, "the page that is made up for", || async {
        of_shop().with_context(|| format!("none came; {}", operator.tail()))
    })
    .await?;
    let why = made_up.json()?["data"]["why"].as_str().unwrap_or_default().to_owned();
    ensure!(why.contains("the policy's last resort cannot be reached"), "{why}");

    // Without the API it is told all the same, and the page says that it may be one of two.
    let cut_off = orphan(&scene, "cut-off").await?;
    scene.stage.plane.stop_apiserver();
    metric(&operator, "firstline_islanded", &[], |islanded| islanded == 1.0).await?;
    cut_off.break_with(Behaviour::Status(500));
    let islanded = eventually(PATIENCE, "a page from the island", || async {
        let of_cut_off =
            |page: &tests::receiver::Received| page.json().is_ok_and(|it| it["data"]["labels"]["service"] == "cut-off");
        pages(&last).into_iter().find(of_cut_off).with_context(|| format!("none came; {}", operator.tail()))
    })
    .await?;
    assert_eq!(islanded.json()?["data"]["possibleDuplicate"], true);
    scene.stage.plane.start_apiserver().await?;
    eventually(PATIENCE, "the ticket of the outage lists its page", || async {
        let ticket = ticket_without_policy(&scene, "cut-off").await?;
        let id = ticket["status"]["notifications"][0]["id"].as_str();
        ensure!(id == islanded.id(), "{id:?} instead of {:?}", islanded.id());
        Ok(())
    })
    .await?;

    // Who mends it: the end of the trouble is told where the beginning was.
    lost.repair().await?;
    eventually(PATIENCE, "the end of it", || async {
        let over = |one: &tests::receiver::Received| {
            one.json().is_ok_and(|it| it["data"]["kind"] == "resolved" && it["data"]["labels"]["service"] == "lost")
        };
        ensure!(last.received().iter().any(over), "nobody was told; {}", operator.tail());
        Ok(())
    })
    .await
}

const NOBODY_ON_CALL: &str = "
        - {after: 0s, notify: [{schedule: primary}]}";
