//! Who leads is in doubt: the network parts the leader from the API, sends hang over a takeover, replicas die in turn.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::{Context, Result, ensure};
use tests::{
    eventually,
    operator::Operator,
    proxy::{Proxy, Rules},
    receiver::{Answer, Received},
    stage::PATIENCE,
};

use crate::{
    replicas::{leads, wait_leads},
    scene::{Scene, TWO_STEPS, metric, page, page_to, pages},
};

/// The leader that is cut off and the one that took over know the same ticket: whatever both send has the same id.
#[tokio::test]
async fn a_leader_parted_from_the_api_repeats_at_most_one_page_with_its_id_and_ends_when_it_sees_its_heir() -> Result<()>
{
    let scene = Scene::build("parted", "ada-hook", TWO_STEPS).await?;
    let proxy = Proxy::start(&scene.stage.plane, None, Arc::new(Rules::default())).await?;
    let mut setup = scene.stage.setup("parted").await?.arguments(&["--island-after", "5s"]);
    setup.kubeconfig = proxy.kubeconfig(&setup.kubeconfig)?;
    let leader = setup.start()?;
    leader.wait_ready(PATIENCE).await?;
    scene.stage.wait_for_state("checkout", "Up").await?;
    let (_, follower) = scene.stage.start("heir").await?;
    scene.break_shop();
    page(&scene.ada).await?;
    scene.told("ada-hook", "Accepted").await?;

    proxy.swallow();
    wait_leads(&follower).await?;
    metric(&leader, "firstline_islanded", &[], |value| value == 1.0).await?;
    page(&scene.bob).await?;
    let ticket = scene.told("bob-hook", "Accepted").await?;
    proxy.heal();
    let ended = leader.wait_exit(PATIENCE).await?;
    ensure!(ended.code().is_some_and(|code| code != 0), "it ended with {ended}; {}", leader.tail());
    ensure!(leader.logs().contains("another replica has taken the lease"), "{}", leader.tail());

    let of = |receiver, channel: &str| -> Result<usize> {
        let received: Vec<Received> = pages(receiver);
        let ids: BTreeSet<_> = received.iter().filter_map(Received::id).collect();
        let id = page_to(&ticket, channel)["id"].as_str().context("an id")?;
        ensure!(ids == BTreeSet::from([id]), "expected {id} alone, found {ids:?}");
        Ok(received.len())
    };
    let (ada, bob) = (of(&scene.ada, "ada-hook")?, of(&scene.bob, "bob-hook")?);
    ensure!(ada == 1 && (1..=2).contains(&bob), "Ada got {ada}, Bob {bob}; {}", follower.tail());
    Ok(())
}

/// The receiver has the page and says nothing for a minute; meanwhile another replica leads.
#[tokio::test]
async fn a_send_that_hangs_over_a_takeover_is_repeated_once_with_the_same_id() -> Result<()> {
    let scene = Scene::build("hangs-over", "ada-hook", TWO_STEPS).await?;
    scene.apply(&scene.policy("ada-hook", TWO_STEPS).replace("timeout: 5s", "timeout: 1m")).await?;
    let (_, leader) = scene.stage.start("hangs-over").await?;
    scene.stage.wait_for_state("checkout", "Up").await?;
    let (_, follower) = scene.stage.start("hangs-heir").await?;
    scene.ada.script([Answer::Hang]);
    scene.break_shop();
    page(&scene.ada).await?;
    leader.pause();
    wait_leads(&follower).await?;
    let ticket = scene.told("ada-hook", "Accepted").await?;
    leader.resume();
    let ended = leader.wait_exit(PATIENCE).await?;
    ensure!(ended.code().is_some_and(|code| code != 0), "it ended with {ended}; {}", leader.tail());
    page(&scene.bob).await?;
    scene.told("bob-hook", "Accepted").await?;

    let id = page_to(&ticket, "ada-hook")["id"].as_str();
    let received = pages(&scene.ada);
    let ids: Vec<_> = received.iter().map(Received::id).collect();
    assert_eq!(ids, [id; 2], "{}", follower.tail());
    assert_eq!(pages(&scene.bob).len(), 1, "{}", follower.tail());
    Ok(())
}

#[tokio::test]
async fn three_replicas_that_die_in_turn_page_each_person_once_and_the_last_one_ends_the_incident() -> Result<()> {
    let scene = Scene::build("three", "ada-hook", TWO_STEPS).await?;
    let mut replicas: Vec<Operator> = Vec::new();
    for name in ["three-a", "three-b", "three-c"] {
        replicas.push(scene.stage.start(name).await?.1);
    }
    scene.stage.wait_for_state("checkout", "Up").await?;
    scene.break_shop();
    page(&scene.ada).await?;
    scene.told("ada-hook", "Accepted").await?;
    kill_leader(&mut replicas).await?;
    page(&scene.bob).await?;
    scene.told("bob-hook", "Accepted").await?;
    kill_leader(&mut replicas).await?;
    let [last] = replicas.as_slice() else { anyhow::bail!("{} replicas are left", replicas.len()) };
    wait_leads(last).await?;
    scene.stage.shop.repair().await?;
    scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    assert_eq!((pages(&scene.ada).len(), pages(&scene.bob).len()), (1, 1), "{}", last.tail());
    Ok(())
}

/// Exactly one of them leads; it is killed.
async fn kill_leader(replicas: &mut Vec<Operator>) -> Result<()> {
    let place = eventually(PATIENCE, "one leader", || async {
        let mut leaders = Vec::new();
        for (place, replica) in replicas.iter().enumerate() {
            if leads(replica).await? {
                leaders.push(place);
            }
        }
        let [leader] = leaders.as_slice() else { anyhow::bail!("{} lead", leaders.len()) };
        Ok(*leader)
    })
    .await?;
    replicas.remove(place).kill9();
    Ok(())
}
