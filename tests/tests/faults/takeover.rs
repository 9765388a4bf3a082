//! A replica has the lease, or could take it, and has not seen yet all that the API has.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    eventually,
    operator::{Operator, Setup},
    proxy::{Call, Fault, Proxy, Rules},
    stage::{PATIENCE, SYSTEM, TEAM},
};

use crate::{
    island::ADA_ALONE,
    replicas::{leads, wait_leads},
    scene::{Scene, metric, page, pages},
};

/// How long the API is silent before these replicas go on by themselves.
const ISLAND_AFTER: Duration = Duration::from_secs(5);

/// A leader that reaches the API, and a second replica whose calls all pass through a proxy.
struct Two {
    scene: Scene,
    setup: Setup,
    leader: Operator,
    proxy: Proxy,
    rules: Arc<Rules>,
    second: Operator,
}

impl Two {
    /// The shop is Up. The second replica is started with its calls under this rule.
    async fn running(name: &str, rule: impl Fn(&Call) -> Fault + Send + 'static) -> Result<Self> {
        let scene = Scene::build(name, "ada-hook", ADA_ALONE).await?;
        let (setup, leader) = scene.stage.start(name).await?;
        scene.stage.wait_for_state("checkout", "Up").await?;
        let rules = Arc::new(Rules::default());
        rules.set(rule);
        let second = format!("{name}-second");
        let (proxy, behind) = scene.proxied(&second, rules.clone(), &["--island-after", "5s"]).await?;
        let second = behind.start()?;
        Ok(Self { scene, setup, leader, proxy, rules, second })
    }
}

/// As long as another replica needs to take a lease, or this one to go on by itself, and half as long again.
async fn long_enough() -> Result<()> {
    let began = Instant::now();
    eventually(PATIENCE, "nine seconds", || async {
        ensure!(began.elapsed() > Duration::from_secs(9), "{:?}", began.elapsed());
        Ok(())
    })
    .await
}

/// A list of a kind over all namespaces.
fn lists(call: &Call, plural: &str) -> bool {
    call.verb == "GET" && call.resource == plural && !call.uri.contains("/namespaces/")
}

/// The API takes the lease, then answers no list that a new leader needs, then is gone: nobody but it can page.
#[tokio::test]
async fn a_new_leader_that_loses_the_api_during_its_first_lists_goes_on_by_itself_and_pages() -> Result<()> {
    let two = Two::running("takeover-gone", |_| Fault::Pass).await?;
    two.second.wait_ready(PATIENCE).await?;
    two.rules.set(|call| if lists(call, "tickets") { Fault::Answer(503, None) } else { Fault::Pass });
    let taken = Instant::now();
    two.leader.kill9();
    wait_leads(&two.second).await?;
    eventually(PATIENCE, "the Secrets of three channels are read", || async {
        let read = two.proxy.calls_since(taken).iter().filter(|call| call.is("GET secrets")).count();
        ensure!(read >= 3, "{read}");
        Ok(())
    })
    .await?;
    two.proxy.swallow();
    let gone = Instant::now();
    two.scene.break_shop();
    eventually(ISLAND_AFTER + Duration::from_secs(15), "Ada's page", || async {
        ensure!(pages(&two.scene.ada).len() == 1, "none came; {}", two.second.tail());
        Ok(())
    })
    .await?;
    ensure!(gone.elapsed() >= ISLAND_AFTER, "{:?}", gone.elapsed());

    two.rules.clear();
    two.proxy.heal();
    two.scene.told("ada-hook", "Accepted").await?;
    assert_eq!(pages(&two.scene.ada).len(), 1, "{}", two.second.tail());
    Ok(())
}

/// An API that flaps, or an upgrade whose CRD is missing: by half of the index a trouble that somebody has acknowledged is
/// new, and while such a replica held the lease nobody else could page.
#[tokio::test]
async fn a_replica_that_has_not_listed_every_kind_neither_leads_nor_goes_on_by_itself() -> Result<()> {
    let refuse = |call: &Call| if lists(call, "tickets") { Fault::Answer(503, None) } else { Fault::Pass };
    let two = Two::running("half-listed", refuse).await?;
    eventually(PATIENCE, "a second replica that has listed all but the tickets", || async {
        let (code, text) = two.second.get("/readyz").await?;
        ensure!((code, text.as_str()) == (503, "waiting for tickets\n"), "{code} {text}");
        Ok(())
    })
    .await?;
    two.leader.kill9();
    long_enough().await?;
    ensure!(!leads(&two.second).await?, "{}", two.second.tail());
    two.proxy.swallow();
    long_enough().await?;
    metric(&two.second, "firstline_islanded", &[], |value| value == 0.0).await?;

    let again = two.setup.start()?;
    two.scene.break_shop();
    wait_leads(&again).await?;
    page(&two.scene.ada).await?;
    two.scene.told("ada-hook", "Accepted").await?;

    two.rules.clear();
    two.proxy.heal();
    two.second.wait_ready(PATIENCE).await?;
    again.kill9();
    wait_leads(&two.second).await?;
    two.scene.stage.shop.repair().await?;
    two.scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    assert_eq!(pages(&two.scene.ada).len(), 1, "{}", two.second.tail());
    Ok(())
}

#[tokio::test]
async fn a_lease_that_is_deleted_stays_its_holders_and_the_next_leader_counts_on() -> Result<()> {
    let two = Two::running("lease-deleted", |_| Fault::Pass).await?;
    two.second.wait_ready(PATIENCE).await?;
    two.scene.break_shop();
    page(&two.scene.ada).await?;
    let ticket = two.scene.told("ada-hook", "Accepted").await?;
    let lease = || two.scene.stage.get_in(SYSTEM, "leases.coordination.k8s.io", "firstline");
    let kept = |lease: &Value| (lease["spec"]["holderIdentity"].clone(), lease["spec"]["leaseTransitions"].clone());
    let before = kept(&lease().await?);
    let delete = ["-n", SYSTEM, "delete", "leases.coordination.k8s.io", "firstline"];

    two.scene.stage.plane.kubectl(&delete).await?.ok()?;
    long_enough().await?;
    ensure!(leads(&two.leader).await?, "{}", two.leader.tail());
    ensure!(!two.second.logs().contains("leading"), "{}", two.second.tail());
    ensure!(kept(&lease().await?) == before, "{}, before {before:?}", lease().await?);

    two.leader.kill9();
    two.scene.stage.plane.kubectl(&delete).await?.ok()?;
    let deleted = Instant::now();
    wait_leads(&two.second).await?;
    ensure!(deleted.elapsed() > Duration::from_secs(3), "after {:?}", deleted.elapsed());
    let (_, number) = kept(&lease().await?);
    let epoch = ticket["status"]["epoch"].as_i64().context("no epoch")?;
    ensure!(number.as_i64().is_some_and(|number| number > epoch), "{number}, the ticket's is {epoch}");
    two.scene.stage.shop.repair().await?;
    two.scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    assert_eq!(pages(&two.scene.ada).len(), 1, "{}", two.second.tail());
    Ok(())
}

/// The list has it still and the watch has said already that it is gone: it would hold pages until its end, and no kubectl
/// would show it.
#[tokio::test]
async fn a_silence_that_is_deleted_while_a_new_leader_lists_holds_no_page() -> Result<()> {
    let two = Two::running("deleted-meanwhile", |_| Fault::Pass).await?;
    two.second.wait_ready(PATIENCE).await?;
    let now = jiff::Timestamp::now();
    let silence = serde_json::json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Silence",
        "metadata": {"name": "deploy-42", "namespace": TEAM},
        "spec": {
            "matchers": ["service=\"checkout\""], "reason": "deploy 42",
            "startsAt": now, "endsAt": now + jiff::SignedDuration::from_hours(1),
        },
    });
    two.scene.apply(&silence.to_string()).await?;
    let answered = Arc::new(AtomicBool::new(false));
    let answers = answered.clone();
    two.rules.set_answers(move |call| {
        if !lists(call, "silences") {
            return Fault::Pass;
        }
        answers.store(true, Ordering::SeqCst);
        Fault::Delay(Duration::from_secs(3))
    });
    two.leader.kill9();
    eventually(PATIENCE, "a list of silences that is on its way", || async {
        ensure!(answered.load(Ordering::SeqCst), "nobody has asked; {}", two.second.tail());
        Ok(())
    })
    .await?;
    two.scene.stage.plane.kubectl(&["-n", TEAM, "delete", "silences", "deploy-42"]).await?.ok()?;
    two.scene.break_shop();
    page(&two.scene.ada).await?;
    two.scene.told("ada-hook", "Accepted").await?;
    Ok(())
}
