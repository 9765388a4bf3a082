//! The wall clock of an operator is stepped by an hour while an escalation waits, as a time service does that has been
//! wrong, or puts right what was.
//!
//! Bob's step is planned [`SECOND_STEP`] after Ada's. It may take twice as long by a clock that was stepped back, and
//! may come in half of that by one that was stepped forward; an hour it must never take.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    eventually,
    faketime::FakeTime,
    operator::Operator,
    proxy::{Fault, Rules},
    receiver::{Received, Receiver},
    stage::{PATIENCE, SYSTEM},
};

use crate::{
    replicas::{leads, wait_leads},
    scene::{LATENESS, SECOND_STEP, Scene, TWO_STEPS, metric, page, page_to, pages, unix},
};

const HOUR: i64 = 3_600;

/// Bob so long after Ada that half of it can be told from the whole.
const BOB_LATER: &str = "
        - {after: 0s, notify: [{schedule: primary}]}
        - {after: 40s, notify: [{person: bob}]}";

/// Whoever acknowledges and is silent for half an hour is believed no more: no clock that is an hour off may think so.
async fn scene(name: &str, steps: &str) -> Result<Scene> {
    let scene = Scene::build(name, "ada-hook", steps).await?;
    let policy = scene.policy("ada-hook", steps);
    let with_timeout = policy.replace("    - name: page\n", "    - name: page\n      ackTimeout: 30m\n");
    ensure!(with_timeout != policy, "there is no escalation `page`");
    scene.apply(&with_timeout).await?;
    Ok(scene)
}

/// An operator whose clock is off by so much, ready, with both monitors Up.
async fn operator(scene: &Scene, name: &str, offset: i64) -> Result<(FakeTime, Operator)> {
    let clock = FakeTime::new(name, offset)?;
    let operator = clock.given(scene.stage.setup(name).await?).start()?;
    operator.wait_ready(PATIENCE).await?;
    for monitor in ["checkout", "checkout-port"] {
        scene.stage.wait_for_state(monitor, "Up").await?;
    }
    Ok((clock, operator))
}

async fn saw_steps(operator: &Operator, back: f64, forward: f64) -> Result<()> {
    metric(operator, "firstline_clock_steps_total", &[("direction", "back")], |count| count == back).await?;
    metric(operator, "firstline_clock_steps_total", &[("direction", "forward")], |count| count == forward).await?;
    Ok(())
}

/// Who holds the lease, and how often it went from one to another.
async fn lease(scene: &Scene) -> Result<(Value, Value)> {
    let lease = scene.stage.get_in(SYSTEM, "leases.coordination.k8s.io", "firstline").await?;
    Ok((lease["spec"]["holderIdentity"].clone(), lease["spec"]["leaseTransitions"].clone()))
}

/// Bob's page, and how long it came after Ada's.
async fn bobs_page(scene: &Scene, first: &Received) -> Result<Duration> {
    let second = page(&scene.bob).await?;
    Ok(second.at.saturating_duration_since(first.at))
}

fn in_twice_its_time(waited: Duration, operator: &Operator) -> Result<()> {
    let bound = SECOND_STEP * 2 + LATENESS;
    ensure!(waited <= bound, "Bob was paged {waited:?} after Ada, at most {bound:?} was promised; {}", operator.tail());
    ensure!(
        waited + Duration::from_secs(1) >= SECOND_STEP,
        "Bob was paged {waited:?} after Ada, too early; {}",
        operator.tail()
    );
    Ok(())
}

/// The end of it: the shop recovers, the ticket is resolved, and whoever was paged hears it once. Over the whole story no
/// message came more often than once, and nobody was paged for a step under two ids.
async fn ends_well(scene: &Scene, operator: &Operator) -> Result<()> {
    scene.stage.shop.repair().await?;
    let ticket = scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    for receiver in [&scene.ada, &scene.bob] {
        eventually(PATIENCE, "the word that it is over", || async {
            let words = kinds(receiver)?;
            ensure!(words == ["page", "resolved"], "{words:?} came; {}", operator.tail());
            Ok(())
        })
        .await?;
    }
    let tickets = scene.stage.list("tickets").await?;
    let of_shop = tickets.iter().filter(|ticket| ticket["metadata"]["labels"]["service"] == "checkout").count();
    ensure!(of_shop == 1, "{of_shop} tickets of one trouble");
    let mut ids: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for sent in ticket["status"]["notifications"].as_array().context("no notifications")? {
        let step = format!("{} {} {} {}", sent["kind"], sent["cycle"], sent["step"], sent["person"]);
        ids.entry(step).or_default().insert(sent["id"].as_str().unwrap_or_default());
    }
    ensure!(ids.values().all(|ids| ids.len() == 1), "{ids:?}");
    let known: BTreeSet<&str> = ids.into_values().flatten().collect();
    let received = [scene.ada.received(), scene.bob.received()].concat();
    ensure!(received.iter().all(|one| one.id().is_some_and(|id| known.contains(id))), "unknown ids came");
    Ok(())
}

/// Ada's act is dated by the API server, an hour before or after what the operator thinks the time is.
async fn acknowledge(scene: &Scene, ticket: &Value) -> Result<()> {
    scene.acknowledge(ticket).await?;
    scene.ticket("acknowledged", |ticket| ticket["status"]["escalation"]["acknowledgedBy"] == "ada").await?;
    Ok(())
}

/// What a receiver got, in order.
fn kinds(receiver: &Receiver) -> Result<Vec<String>> {
    let kind = |one: &Received| Ok(one.json()?["data"]["kind"].as_str().unwrap_or_default().to_owned());
    receiver.received().iter().map(kind).collect()
}

#[tokio::test]
async fn a_clock_that_is_stepped_an_hour_forward_repeats_nothing_and_costs_no_lease() -> Result<()> {
    let scene = scene("clock-forward", BOB_LATER).await?;
    let (clock, operator) = operator(&scene, "clock-forward", 0).await?;
    scene.break_shop();
    let first = page(&scene.ada).await?;
    scene.told("ada-hook", "Accepted").await?;
    let before = lease(&scene).await?;
    clock.step(HOUR)?;
    saw_steps(&operator, 0.0, 1.0).await?;
    // By the wall clock Bob's step is long due; by the timer that was set for it he would come after forty seconds.
    let waited = bobs_page(&scene, &first).await?.as_secs();
    ensure!((19..35).contains(&waited), "Bob was paged {waited}s after Ada; {}", operator.tail());
    let ticket = scene.told("bob-hook", "Accepted").await?;
    assert_eq!(lease(&scene).await?, before, "{}", operator.tail());
    acknowledge(&scene, &ticket).await?;
    ends_well(&scene, &operator).await
}

/// Ada's half hour is over by the wall clock.
#[tokio::test]
async fn a_clock_that_is_stepped_an_hour_forward_pages_nobody_again_for_what_somebody_has_taken() -> Result<()> {
    let scene = scene("clock-taken", TWO_STEPS).await?;
    let (clock, operator) = operator(&scene, "clock-taken", 0).await?;
    scene.break_shop();
    page(&scene.bob).await?;
    let ticket = scene.told("bob-hook", "Accepted").await?;
    acknowledge(&scene, &ticket).await?;
    clock.step(HOUR)?;
    saw_steps(&operator, 0.0, 1.0).await?;
    metric(&operator, "firstline_clock_ahead_seconds", &[], |ahead| (-3_600.0..=-3_400.0).contains(&ahead)).await?;
    ends_well(&scene, &operator).await
}

#[tokio::test]
async fn a_clock_that_is_stepped_an_hour_back_makes_no_step_an_hour_late_and_an_acknowledgement_counts() -> Result<()> {
    let scene = scene("clock-back", TWO_STEPS).await?;
    let (clock, operator) = operator(&scene, "clock-back", 0).await?;
    scene.break_shop();
    let first = page(&scene.ada).await?;
    scene.told("ada-hook", "Accepted").await?;
    let before = lease(&scene).await?;
    clock.step(-HOUR)?;
    saw_steps(&operator, 1.0, 0.0).await?;
    metric(&operator, "firstline_clock_ahead_seconds", &[], |ahead| (3_500.0..=3_600.0).contains(&ahead)).await?;
    in_twice_its_time(bobs_page(&scene, &first).await?, &operator)?;
    let ticket = scene.told("bob-hook", "Accepted").await?;
    acknowledge(&scene, &ticket).await?;

    clock.step(0)?;
    saw_steps(&operator, 1.0, 1.0).await?;
    metric(&operator, "firstline_clock_ahead_seconds", &[], |ahead| ahead == 0.0).await?;
    assert_eq!(lease(&scene).await?, before, "{}", operator.tail());
    ends_well(&scene, &operator).await
}

/// It was an hour ahead when it opened the ticket, and is put right before Bob's step.
#[tokio::test]
async fn a_clock_that_was_an_hour_ahead_from_the_start_and_is_put_right_makes_no_step_an_hour_late() -> Result<()> {
    let scene = scene("clock-right", TWO_STEPS).await?;
    let (clock, operator) = operator(&scene, "clock-right", HOUR).await?;
    scene.break_shop();
    let first = page(&scene.ada).await?;
    clock.step(0)?;
    saw_steps(&operator, 1.0, 0.0).await?;
    in_twice_its_time(bobs_page(&scene, &first).await?, &operator)?;
    let verified = scene.bob.verify(&page(&scene.bob).await?);
    ensure!(verified.is_ok(), "what is signed goes by the wall clock: {verified:?}");
    let ticket = scene.told("bob-hook", "Accepted").await?;
    acknowledge(&scene, &ticket).await?;
    ends_well(&scene, &operator).await
}

/// One replica leads and is killed, the other takes over; their clocks are off by so much: the leader's always, the follower's
/// from its start, and after a step.
async fn handed_over(
    name: &str,
    steps: &str,
    leader: i64,
    [follower, stepped]: [i64; 2],
) -> Result<(Scene, Duration, Operator)> {
    let scene = scene(name, steps).await?;
    let (_, first) = operator(&scene, name, leader).await?;
    let (clock, second) = operator(&scene, &format!("{name}-heir"), follower).await?;
    if stepped != follower {
        clock.step(stepped)?;
        metric(&second, "firstline_clock_steps_total", &[], |count| count == 1.0).await?;
    }
    scene.break_shop();
    let paged = page(&scene.ada).await?;
    scene.told("ada-hook", "Accepted").await?;
    ensure!(leads(&first).await? && !leads(&second).await?, "the lease went by the clock: {}", second.tail());
    let killed = Instant::now();
    first.kill9();
    wait_leads(&second).await?;
    ensure!(killed.elapsed() < LATENESS, "it led after {:?}; {}", killed.elapsed(), second.tail());
    let waited = bobs_page(&scene, &paged).await?;
    let ticket = scene.told("bob-hook", "Accepted").await?;
    for (receiver, channel) in [(&scene.ada, "ada-hook"), (&scene.bob, "bob-hook")] {
        let received = pages(receiver);
        let ids: Vec<_> = received.iter().map(Received::id).collect();
        ensure!(ids == [page_to(&ticket, channel)["id"].as_str()], "{channel} got {ids:?}; {}", second.tail());
    }
    Ok((scene, waited, second))
}

/// An heir that is behind, one whose predecessor was ahead, and one that is itself ahead; at once, since each waits for most
/// of its time.
#[tokio::test]
async fn replicas_whose_clocks_are_an_hour_apart_take_over_by_the_lease_alone_and_are_not_an_hour_late_or_early()
-> Result<()> {
    let late = async |name: &str, leader, follower| {
        let (scene, waited, operator) = handed_over(name, TWO_STEPS, leader, follower).await?;
        in_twice_its_time(waited, &operator)?;
        ends_well(&scene, &operator).await
    };
    let early = async || {
        let (scene, waited, operator) = handed_over("clock-eager", BOB_LATER, 0, [HOUR, HOUR]).await?;
        ensure!((19..52).contains(&waited.as_secs()), "Bob was paged {waited:?} after Ada; {}", operator.tail());
        ends_well(&scene, &operator).await
    };
    let (behind, ahead, eager) =
        tokio::join!(late("clock-behind", 0, [0, -HOUR]), late("clock-ahead", HOUR, [0, 0]), early());
    behind.context("an heir an hour behind")?;
    ahead.context("an heir of one an hour ahead")?;
    eager.context("an heir an hour ahead")
}

/// By its own clock Ada has been silent for an hour.
#[tokio::test]
async fn an_heir_whose_clock_is_an_hour_ahead_pages_nobody_again_for_what_somebody_has_taken() -> Result<()> {
    let (name, scene) = ("clock-heir-taken", scene("clock-heir-taken", BOB_LATER).await?);
    let (_, first) = operator(&scene, name, 0).await?;
    let (_, second) = operator(&scene, "clock-heir-ahead", HOUR).await?;
    scene.break_shop();
    page(&scene.ada).await?;
    acknowledge(&scene, &scene.told("ada-hook", "Accepted").await?).await?;
    first.kill9();
    wait_leads(&second).await?;
    metric(&second, "firstline_clock_ahead_seconds", &[], |ahead| (-3_600.0..=-3_400.0).contains(&ahead)).await?;
    let looks = second.metrics().await?.sum("firstline_probe_results_total", &[]);
    metric(&second, "firstline_probe_results_total", &[], |value| value > looks + 10.0).await?;
    scene.stage.shop.repair().await?;
    scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    eventually(PATIENCE, "the word that it is over", || async {
        let words = kinds(&scene.ada)?;
        ensure!(words == ["page", "resolved"], "{words:?} came; {}", second.tail());
        Ok(())
    })
    .await?;
    assert_eq!(kinds(&scene.bob)?.len(), 0, "{}", second.tail());
    Ok(())
}

/// The leader is killed when it is about to write the first status; the next one's clock is more than an hour ahead.
#[tokio::test]
async fn a_ticket_at_which_nobody_has_looked_is_no_backup_to_a_leader_whose_clock_is_an_hour_ahead() -> Result<()> {
    let (name, scene) = ("clock-unseen", Scene::build("clock-unseen", "ada-hook", TWO_STEPS).await?);
    let rules = Arc::new(Rules::default());
    let (_proxy, setup, first) = scene.behind_proxy(name, rules.clone(), &[]).await?;
    let first = Arc::new(first);
    let dying = first.clone();
    rules.set(move |call| {
        if !call.is("PATCH tickets/status") {
            return Fault::Pass;
        }
        dying.kill9();
        Fault::Cut
    });
    scene.break_shop();
    first.wait_exit(PATIENCE).await?;
    rules.clear();

    let heir = FakeTime::new(name, HOUR + 60)?.given(setup).start()?;
    page(&scene.ada).await?;
    let ticket = scene.told("ada-hook", "Accepted").await?;
    ensure!(!ticket["status"]["timeline"].to_string().contains("NotPaged"), "{ticket}");
    // It was opened a moment ago, whatever the heir thinks the time is.
    let began = unix(&ticket["status"]["escalation"]["cycleStart"])?;
    let by_heirs_clock = began - unix(&ticket["spec"]["origin"]["openedAt"])?;
    ensure!((3_650..=3_670).contains(&by_heirs_clock.as_secs()), "{by_heirs_clock:?}: {ticket}; {}", heir.tail());
    Ok(())
}
