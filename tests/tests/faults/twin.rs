//! A trouble begins while two lead: one that is cut off from the API and goes on by itself, and the one that took the lease
//! from it. Both page, and what they send is the same to every receiver.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    eventually,
    operator::{Operator, Setup},
    proxy::{Fault, Proxy, Rules},
    receiver::{Received, Receiver},
    stage::{PATIENCE, TEAM},
};

use crate::{
    island::{data, decisions},
    replicas::wait_leads,
    scene::{Scene, TWO_STEPS, metric, page, page_to, pages},
};

/// A leader that is cut off and goes on by itself, and another replica that leads.
struct Parted {
    scene: Scene,
    proxy: Proxy,
    setup: Setup,
    island: Operator,
    heir: Operator,
}

impl Parted {
    async fn build(name: &str) -> Result<Self> {
        let scene = Scene::build(name, "ada-hook", TWO_STEPS).await?;
        let (proxy, setup, island) =
            scene.behind_proxy(name, Arc::new(Rules::default()), &["--island-after", "5s"]).await?;
        let (_, heir) = scene.stage.start(&format!("{name}-heir")).await?;
        proxy.swallow();
        wait_leads(&heir).await?;
        metric(&island, "firstline_islanded", &[], |value| value == 1.0).await?;
        Ok(Self { scene, proxy, setup, island, heir })
    }

    /// One page from each of the two, of one id, which is that of the ticket's only page through this channel.
    fn came_twice(&self, ticket: &Value, receiver: &Receiver, channel: &str) -> Result<()> {
        let all = ticket["status"]["notifications"].as_array().context("no notifications")?;
        let planned: Vec<_> = all.iter().filter(|one| one["channel"] == channel && one["kind"] == "page").collect();
        ensure!(planned.len() == 1 && planned[0]["state"] == "Accepted", "{channel}: {planned:?}");
        let received = pages(receiver);
        let ids: BTreeSet<_> = received.iter().filter_map(Received::id).collect();
        ensure!(received.len() == 2, "{channel}: {} came; {}", received.len(), self.island.tail());
        ensure!(ids == planned[0]["id"].as_str().into_iter().collect(), "{channel}: {ids:?}, {planned:?}");
        let marked =
            received.iter().filter(|page| page.json().is_ok_and(|body| body["data"]["possibleDuplicate"] == true));
        assert_eq!(marked.count(), 1, "{channel}: that of the one that is cut off says that it may be a repeat");
        Ok(())
    }
}

async fn twice(receiver: &Receiver, all: &Parted) -> Result<()> {
    eventually(PATIENCE, "a page from each of the two", || async {
        let came = pages(receiver).len();
        ensure!(came == 2, "{came} came; {}\n{}", all.island.tail(), all.heir.tail());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_trouble_that_begins_while_two_lead_pages_each_person_once_from_each_with_one_id_and_has_one_ticket()
-> Result<()> {
    let mut all = Parted::build("twin").await?;
    all.scene.break_shop();
    twice(&all.scene.ada, &all).await?;
    twice(&all.scene.bob, &all).await?;
    all.scene.told("ada-hook", "Accepted").await?;
    let ticket = all.scene.told("bob-hook", "Accepted").await?;
    all.came_twice(&ticket, &all.scene.ada, "ada-hook")?;
    all.came_twice(&ticket, &all.scene.bob, "bob-hook")?;

    let folder = data(&all.scene, "twin");
    eventually(PATIENCE, "both receipts in the journal", || async {
        let kept = decisions(&folder)?;
        let told =
            |ticket: &Value| ["ada-hook", "bob-hook"].iter().all(|it| page_to(ticket, it)["state"] == "Accepted");
        ensure!(kept.iter().any(|one| told(one) && one["metadata"]["name"] == ticket["metadata"]["name"]), "{kept:?}");
        Ok(())
    })
    .await?;
    all.proxy.heal();
    let ended = all.island.wait_exit(PATIENCE).await?;
    ensure!(ended.code().is_some_and(|code| code != 0), "it ended with {ended}; {}", all.island.tail());

    // What the first one has sent reaches the ticket when its replica leads again.
    let again = all.setup.start()?;
    again.wait_ready(PATIENCE).await?;
    let heir = std::mem::replace(&mut all.heir, again);
    heir.kill9();
    wait_leads(&all.heir).await?;
    let is_merged = |ticket: &Value| {
        let timeline = ticket["status"]["timeline"].to_string();
        timeline.contains("2 of them by another leader too, with the same id")
    };
    let merged = all.scene.ticket("its journal is merged", is_merged).await?;
    ensure!(merged["metadata"]["uid"] == ticket["metadata"]["uid"], "{merged}");
    all.came_twice(&merged, &all.scene.ada, "ada-hook")?;
    all.came_twice(&merged, &all.scene.bob, "bob-hook")?;
    all.scene.stage.shop.repair().await?;
    all.scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    Ok(())
}

/// The first one to take the lease may not open tickets, as by a quota, and dies.
#[tokio::test]
async fn a_successor_that_dies_before_it_has_opened_a_ticket_leaves_the_ids_of_the_island_to_the_next_one() -> Result<()>
{
    let name = "twin-unopened";
    let scene = Scene::build(name, "ada-hook", TWO_STEPS).await?;
    let (proxy, setup, island) =
        scene.behind_proxy(name, Arc::new(Rules::default()), &["--island-after", "5s"]).await?;
    let rules = Arc::new(Rules::default());
    rules.set(|call| if call.is("POST tickets") { Fault::Answer(403, None) } else { Fault::Pass });
    let (_to_the_first, first) = scene.proxied("twin-first", rules, &[]).await?;
    let first = first.start()?;
    first.wait_ready(PATIENCE).await?;
    proxy.swallow();
    wait_leads(&first).await?;
    metric(&island, "firstline_islanded", &[], |value| value == 1.0).await?;
    scene.break_shop();
    page(&scene.ada).await?;
    page(&scene.bob).await?;
    metric(&first, "firstline_page_oldest_untried_seconds", &[], |waited| waited > 0.0).await?;
    first.kill9();

    let (_, heir) = scene.stage.start("twin-second").await?;
    let all = Parted { scene, proxy, setup, island, heir };
    twice(&all.scene.ada, &all).await?;
    twice(&all.scene.bob, &all).await?;
    all.scene.told("ada-hook", "Accepted").await?;
    let ticket = all.scene.told("bob-hook", "Accepted").await?;
    all.came_twice(&ticket, &all.scene.ada, "ada-hook")?;
    all.came_twice(&ticket, &all.scene.bob, "bob-hook")
}

/// The old leader is dead, which its successor cannot know. What it pages for must not look like a repeat to the receivers.
#[tokio::test]
async fn a_ticket_that_is_deleted_by_hand_under_a_successor_pages_anew_with_ids_that_nobody_has_seen() -> Result<()> {
    let (scene, _, leader) = Scene::running("twin-deleted").await?;
    let (_, successor) = scene.stage.start("twin-successor").await?;
    leader.kill9();
    wait_leads(&successor).await?;
    scene.break_shop();
    let told_of = page(&scene.ada).await?.json()?["data"]["ticketUid"].clone();
    let first = scene.told("bob-hook", "Accepted").await?;
    ensure!(first["spec"]["origin"]["island"]["id"].is_string(), "another may have opened it too: {first}");

    ensure!(first["metadata"]["uid"] == told_of, "an act that names {told_of} as its owner is refused: {first}");

    let name = first["metadata"]["name"].as_str().context("no name")?;
    scene.stage.plane.kubectl(&["-n", TEAM, "delete", "ticket", name]).await?.ok()?;
    let another = |ticket: &Value| ticket["metadata"]["uid"] != first["metadata"]["uid"];
    let told = |ticket: &Value| ["ada-hook", "bob-hook"].iter().all(|it| page_to(ticket, it)["state"] == "Accepted");
    let second = scene.ticket("another one, of which both are told", |one| another(one) && told(one)).await?;
    ensure!(second["metadata"]["name"] == name && second["spec"]["origin"]["island"].is_null(), "{second}");
    for (channel, receiver) in [("ada-hook", &scene.ada), ("bob-hook", &scene.bob)] {
        let ids: Vec<_> = [&first, &second].map(|ticket| page_to(ticket, channel)["id"].clone()).into();
        let received: Vec<_> = pages(receiver).iter().map(|page| Value::from(page.id())).collect();
        assert_eq!(received, ids, "{channel}; {}", successor.tail());
        ensure!(ids[0] != ids[1], "{channel}: {ids:?}");
    }
    scene.stage.shop.repair().await?;
    scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    Ok(())
}
