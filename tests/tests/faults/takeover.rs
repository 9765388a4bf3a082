//! A replica has the lease, or could take it, and has not seen yet all that the API has.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tests::{
    eventually,
    operator::Operator,
    proxy::{Call, Fault, Proxy, Rules},
    stage::PATIENCE,
};

use crate::{
    island::ADA_ALONE,
    replicas::wait_leads,
    scene::{Scene, pages},
};

/// How long the API is silent before these replicas go on by themselves.
const ISLAND_AFTER: Duration = Duration::from_secs(5);

/// A leader that reaches the API, and a second replica whose calls all pass through a proxy.
struct Two {
    scene: Scene,
    leader: Operator,
    proxy: Proxy,
    rules: Arc<Rules>,
    second: Operator,
}

impl Two {
    /// The shop is Up. The second replica is started with its calls under this rule.
    async fn running(name: &str, rule: impl Fn(&Call) -> Fault + Send + 'static) -> Result<Self> {
        let scene = Scene::build(name, "ada-hook", ADA_ALONE).await?;
        let (_, leader) = scene.stage.start(name).await?;
        scene.stage.wait_for_state("checkout", "Up").await?;
        let rules = Arc::new(Rules::default());
        rules.set(rule);
        let proxy = Proxy::start(&scene.stage.plane, None, rules.clone()).await?;
        let mut setup = scene.stage.setup(&format!("{name}-second")).await?.arguments(&["--island-after", "5s"]);
        setup.kubeconfig = proxy.kubeconfig(&setup.kubeconfig)?;
        let second = setup.start()?;
        Ok(Self { scene, leader, proxy, rules, second })
    }
}

/// A list of all tickets.
fn lists_tickets(call: &Call) -> bool {
    call.is("GET tickets") && !call.uri.contains("/namespaces/")
}

/// The API takes the lease, then answers no list that a new leader needs, then is gone: nobody but it can page.
#[tokio::test]
async fn a_new_leader_that_loses_the_api_during_its_first_lists_goes_on_by_itself_and_pages() -> Result<()> {
    let two = Two::running("takeover-gone", |_| Fault::Pass).await?;
    two.second.wait_ready(PATIENCE).await?;
    two.rules.set(|call| if lists_tickets(call) { Fault::Answer(503, None) } else { Fault::Pass });
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
