//! Who leads is in doubt: the network parts the leader from the API, sends hang over a takeover, replicas die in turn.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    eventually,
    operator::{Operator, Setup},
    proxy::{Call, Fault, Proxy, Rules},
    receiver::{Answer, Received, Receiver},
    stage::PATIENCE,
};

use crate::{
    replicas::{leads, wait_leads},
    scene::{Scene, TWO_STEPS, metric, page, page_to, pages},
};

/// Longer than the lease, the outage that makes an island, and a chain of two steps together.
const HANG: Duration = Duration::from_secs(63);

/// The leader that is cut off and the one that took over know the same ticket: whatever both send has the same id.
#[tokio::test]
async fn a_leader_parted_from_the_api_repeats_at_most_one_page_with_its_id_and_ends_when_it_sees_its_heir() -> Result<()>
{
    let scene = Scene::build("parted", "ada-hook", TWO_STEPS).await?;
    let (proxy, _setup, leader) =
        scene.behind_proxy("parted", Arc::new(Rules::default()), &["--island-after", "5s"]).await?;
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

/// Three replicas. The receiver has the first one's page and answers it only after [`HANG`]; meanwhile that replica, parted
/// from the API, lives on, and another one leads.
struct Hanging {
    scene: Scene,
    proxy: Proxy,
    setup: Setup,
    parted: Operator,
    others: Vec<Operator>,
}

impl Hanging {
    /// Until the other leader has told everybody.
    async fn over_a_takeover(name: &str, flags: &[&str]) -> Result<Self> {
        let scene = Scene::build(name, "ada-hook", TWO_STEPS).await?;
        scene.apply(&scene.policy("ada-hook", TWO_STEPS).replace("timeout: 5s", "timeout: 90s")).await?;
        let (proxy, setup, parted) = scene.behind_proxy(name, Arc::new(Rules::default()), flags).await?;
        let mut others = Vec::new();
        for other in ["b", "c"] {
            others.push(scene.stage.start(&format!("{name}-{other}")).await?.1);
        }
        scene.ada.script([Answer::After(HANG)]);
        scene.break_shop();
        page(&scene.ada).await?;
        proxy.swallow();
        let all = Self { scene, proxy, setup, parted, others };
        all.another_leads().await?;
        all.scene.told("ada-hook", "Accepted").await?;
        page(&all.scene.bob).await?;
        all.scene.told("bob-hook", "Accepted").await?;
        Ok(all)
    }

    async fn another_leads(&self) -> Result<()> {
        eventually(PATIENCE, "another leader", || async {
            let (one, other) = (leads(&self.others[0]).await?, leads(&self.others[1]).await?);
            ensure!(one || other, "nobody leads; {}", self.others[0].tail());
            Ok(())
        })
        .await
    }

    /// The receiver has answered, and the one that is cut off has heard it.
    async fn answered(&self) -> Result<()> {
        let accepted = [("outcome", "accepted")];
        let sent_to_ada = |n: f64| n >= 1.0 && self.scene.ada.received()[0].at.elapsed() >= HANG;
        metric(&self.parted, "firstline_notifications_total", &accepted, sent_to_ada).await.map(drop)
    }

    /// It sees the API again, finds that another leads, and ends.
    async fn ends_when_it_sees_the_lease(&self) -> Result<()> {
        self.proxy.heal();
        let ended = self.parted.wait_exit(PATIENCE).await?;
        ensure!(ended.code().is_some_and(|code| code != 0), "it ended with {ended}; {}", self.parted.tail());
        ensure!(self.parted.logs().contains("another replica has taken the lease"), "{}", self.parted.tail());
        Ok(())
    }

    /// How many pages Ada and Bob got: each of one id, which the ticket knows once and as Accepted.
    async fn counted(&self) -> Result<(usize, usize)> {
        let ticket = self.scene.ticket("any", |_| true).await?;
        let count = |receiver: &Receiver, channel: &str| {
            let all = ticket["status"]["notifications"].as_array().context("no notifications")?;
            let planned: Vec<_> = all.iter().filter(|one| one["channel"] == channel && one["kind"] == "page").collect();
            ensure!(planned.len() == 1 && planned[0]["state"] == "Accepted", "{channel}: {planned:?}");
            let received = pages(receiver);
            let ids: BTreeSet<_> = received.iter().filter_map(Received::id).collect();
            ensure!(ids.len() == 1 && planned[0]["id"] == **ids.first().context("none")?, "{ids:?}, {planned:?}");
            Ok(received.len())
        };
        Ok((count(&self.scene.ada, "ada-hook")?, count(&self.scene.bob, "bob-hook")?))
    }
}

/// Both at once, since most of it is waiting.
#[tokio::test]
async fn a_leader_that_is_cut_off_while_its_send_hangs_for_a_minute_repeats_nothing_and_ends_when_it_sees_its_heir()
-> Result<()> {
    tokio::try_join!(one_that_holds(), one_that_goes_on_by_itself()).map(drop)
}

/// Without a lease it sends nothing new at all.
async fn one_that_holds() -> Result<()> {
    let all = Hanging::over_a_takeover("hangs-hold", &["--when-api-is-down", "Hold"]).await?;
    all.answered().await?;
    ensure!(all.parted.is_running(), "it ended; {}", all.parted.tail());
    assert_eq!(all.counted().await?, (2, 1), "{}", all.parted.tail());
    all.ends_when_it_sees_the_lease().await?;
    assert_eq!(all.counted().await?, (2, 1), "{}", all.parted.tail());
    ensure!(all.others.iter().all(Operator::is_running), "{}", all.others[0].tail());
    Ok(())
}

/// It cannot know that another leads, and tells Bob too, with the same id. What it knows reaches the ticket when it leads
/// again; until then it is nobody's heir.
async fn one_that_goes_on_by_itself() -> Result<()> {
    let mut all = Hanging::over_a_takeover("hangs-island", &["--island-after", "5s"]).await?;
    metric(&all.parted, "firstline_islanded", &[], |value| value == 1.0).await?;
    all.answered().await?;
    all.ends_when_it_sees_the_lease().await?;
    let (ada, bob) = all.counted().await?;
    ensure!(ada == 2 && (1..=2).contains(&bob), "Ada got {ada}, Bob {bob}; {}", all.parted.tail());

    let started = Instant::now();
    let again = all.setup.start()?;
    again.wait_ready(PATIENCE).await?;
    eventually(PATIENCE, "it has seen who leads", || async {
        let looks = all.proxy.calls_since(started).iter().filter(|call| call.is("GET leases")).count();
        ensure!(looks > 1, "{looks}");
        Ok(())
    })
    .await?;
    stays_a_follower_without_the_api(&all.proxy, &again).await?;
    // Whoever starts after it cannot see that, and finds it in the journal.
    again.kill9();
    let again = all.setup.start()?;
    stays_a_follower_without_the_api(&all.proxy, &again).await?;
    all.proxy.heal();

    all.others.drain(..).for_each(|other| other.kill9());
    wait_leads(&again).await?;
    let merged = |ticket: &Value| ticket["status"]["timeline"].to_string().contains("Islanded");
    all.scene.ticket("its journal is merged", merged).await?;
    assert_eq!(all.counted().await?, (ada, bob), "{}", again.tail());
    Ok(())
}

async fn stays_a_follower_without_the_api(proxy: &Proxy, operator: &Operator) -> Result<()> {
    let parted = Instant::now();
    proxy.swallow();
    eventually(PATIENCE, "an outage that makes an island of the last holder", || async {
        ensure!(parted.elapsed() > Duration::from_secs(9), "{:?}", parted.elapsed());
        Ok(())
    })
    .await?;
    metric(operator, "firstline_islanded", &[], |value| value == 0.0).await.map(drop)
}

/// Nothing was heard of the API while the process stood still; that is no outage. The first calls after it fail, because
/// their connections are long dead.
#[tokio::test]
async fn a_leader_that_was_stopped_does_not_go_on_by_itself_when_its_connections_are_dead() -> Result<()> {
    let scene = Scene::build("stopped", "ada-hook", TWO_STEPS).await?;
    let rules = Arc::new(Rules::default());
    let (_proxy, _setup, leader) = scene.behind_proxy("stopped", rules.clone(), &["--island-after", "7s"]).await?;
    let (_, follower) = scene.stage.start("stopped-heir").await?;
    scene.break_shop();
    page(&scene.ada).await?;
    scene.told("ada-hook", "Accepted").await?;
    leader.pause();
    wait_leads(&follower).await?;
    page(&scene.bob).await?;
    scene.told("bob-hook", "Accepted").await?;

    let failed = AtomicU32::new(0);
    rules.set(move |call: &Call| match call.resource.as_str() {
        "leases" if failed.fetch_add(1, Ordering::Relaxed) < 2 => Fault::Cut,
        _ => Fault::Pass,
    });
    leader.resume();
    let ended = leader.wait_exit(PATIENCE).await?;
    ensure!(ended.code().is_some_and(|code| code != 0), "it ended with {ended}; {}", leader.tail());
    ensure!(!leader.logs().contains("going on from memory"), "{}", leader.tail());
    assert_eq!((pages(&scene.ada).len(), pages(&scene.bob).len()), (1, 1), "{}", leader.tail());
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
