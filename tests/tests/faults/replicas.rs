//! Two replicas: one leads, the other takes over, and what one has begun the other ends.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    operator::{Operator, Setup},
    proxy::Rules,
    stage::{PATIENCE, SYSTEM},
};

use crate::scene::{Scene, assert_in_time, metric, page, page_to, pages};

/// How fast a replica that ends on purpose hands over. The promise is 2 s; here on a machine that runs two tests at once.
const HANDOVER: Duration = Duration::from_secs(3);

/// A leader, and a second replica that is ready and follows.
async fn two(name: &str) -> Result<(Scene, Operator, Setup, Operator)> {
    let (scene, _, leader) = Scene::running(name).await?;
    let (setup, follower) = scene.stage.start("follower").await?;
    ensure!(!leads(&follower).await?, "the second replica leads: {}", follower.tail());
    Ok((scene, leader, setup, follower))
}

pub(crate) async fn leads(operator: &Operator) -> Result<bool> {
    Ok(operator.metrics().await?.value("leader_election_master_status", &[("name", "firstline")]) == Some(1.0))
}

pub(crate) async fn wait_leads(operator: &Operator) -> Result<()> {
    metric(operator, "leader_election_master_status", &[], |value| value == 1.0).await.map(drop)
}

async fn holder(scene: &Scene) -> Result<String> {
    let lease = scene.stage.get_in(SYSTEM, "leases.coordination.k8s.io", "firstline").await?;
    Ok(lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_second_replica_goes_on_with_the_escalation_of_a_killed_leader() -> Result<()> {
    let (scene, leader, _, follower) = two("killed").await?;
    scene.break_shop();
    page(&scene.ada).await?;
    let before = scene.told("ada-hook", "Accepted").await?;
    leader.kill9();
    wait_leads(&follower).await?;

    let second = page(&scene.bob).await?;
    let after = scene.told("bob-hook", "Accepted").await?;
    assert_in_time(&second, page_to(&after, "bob-hook"))?;
    assert_eq!((pages(&scene.ada).len(), pages(&scene.bob).len()), (1, 1), "{}", follower.tail());
    let epoch = |ticket: &Value| ticket["status"]["epoch"].as_i64().context("no epoch");
    ensure!(epoch(&after)? > epoch(&before)?, "the new leader is not recorded: {}", after["status"]);
    Ok(())
}

#[tokio::test]
async fn a_leader_that_is_asked_to_stop_hands_over_at_once() -> Result<()> {
    let (scene, leader, _, follower) = two("handover").await?;
    scene.break_shop();
    page(&scene.ada).await?;
    let began = Instant::now();
    let (ended, led) =
        tokio::join!(leader.terminate(), async { wait_leads(&follower).await.map(|()| began.elapsed()) });
    let (ended, led) = (ended?, led?);
    ensure!(ended.status.code() == Some(0), "it ended with {}", ended.status);
    ensure!(ended.took < Duration::from_secs(5), "it took {:?} to end", ended.took);
    ensure!(led < HANDOVER, "the follower led after {led:?}; {}", follower.tail());

    page(&scene.bob).await?;
    assert_eq!((pages(&scene.ada).len(), pages(&scene.bob).len()), (1, 1), "{}", follower.tail());
    ensure!(!holder(&scene).await?.is_empty(), "the follower leads");
    let ended = follower.terminate().await?;
    ensure!(
        ended.status.code() == Some(0) && ended.took < Duration::from_secs(5),
        "{} after {:?}",
        ended.status,
        ended.took
    );
    ensure!(holder(&scene).await?.is_empty(), "the last one gives the lease back");
    Ok(())
}

/// The page is written down and cannot be sent when the leader stalls: both know of it, only one may send it.
#[tokio::test]
async fn a_leader_that_stalls_for_longer_than_its_lease_ends_itself_and_sends_nothing_more() -> Result<()> {
    let (scene, leader, _, follower) = two("stalled").await?;
    scene.ada.go_away().await;
    scene.break_shop();
    scene.told("ada-hook", "Planned").await?;
    leader.pause();
    wait_leads(&follower).await?;
    scene.ada.come_back().await?;
    scene.told("ada-hook", "Accepted").await?;

    leader.resume();
    let ended = leader.wait_exit(PATIENCE).await?;
    ensure!(ended.code().is_some_and(|code| code != 0), "it ended with {ended}; {}", leader.tail());
    ensure!(leader.logs().contains("another replica has taken the lease"), "{}", leader.tail());

    page(&scene.bob).await?;
    let ticket = scene.told("bob-hook", "Accepted").await?;
    for (receiver, channel) in [(&scene.ada, "ada-hook"), (&scene.bob, "bob-hook")] {
        let received = pages(receiver);
        let ids: Vec<_> = received.iter().map(|page| page.id()).collect();
        ensure!(ids == [page_to(&ticket, channel)["id"].as_str()], "{channel} got {ids:?}");
    }
    Ok(())
}

/// Readers rely on it: who follows answers ready, and does nothing. All its calls pass through a proxy, so that its writes
/// are told from the leader's.
#[tokio::test]
async fn a_follower_is_ready_and_neither_probes_nor_writes_while_the_leader_does() -> Result<()> {
    let (scene, _, leader) = Scene::running("follower").await?;
    let (proxy, setup) = scene.proxied("follower-b", Arc::new(Rules::default()), &[]).await?;
    let began = Instant::now();
    let follower = setup.start()?;
    follower.wait_ready(PATIENCE).await?;

    let audit = scene.stage.plane.audit()?;
    let mark = audit.mark().await?;
    scene.break_shop();
    page(&scene.ada).await?;
    scene.acknowledge(&scene.told("ada-hook", "Accepted").await?).await?;
    scene.ticket("acknowledged", |ticket| ticket["status"]["escalation"]["acknowledgedBy"] == "ada").await?;
    scene.stage.shop.repair().await?;
    scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    let writes = audit.since(mark).await?.by_service_account(SYSTEM, "firstline").writes();
    ensure!(writes.count() > 5, "the leader has written nothing: {writes}");

    let calls = proxy.calls_since(began);
    ensure!(calls.iter().any(|call| call.verb == "WATCH" && call.resource == "tickets"), "it sees no ticket");
    let written: Vec<_> = calls.iter().filter(|call| call.is_write()).map(|call| (&call.verb, &call.uri)).collect();
    ensure!(written.is_empty(), "it has written {written:?}; {}", follower.tail());
    assert_eq!(follower.metrics().await?.sum("firstline_probe_results_total", &[]), 0.0);
    let (code, text) = follower.get("/readyz").await?;
    ensure!(code == 200 && leads(&leader).await?, "{code} {text}; {}", leader.tail());
    assert_eq!((pages(&scene.ada).len(), pages(&scene.bob).len()), (1, 0), "{}", leader.tail());
    Ok(())
}
