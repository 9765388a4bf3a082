//! The API server, or the lease alone, cannot be reached just when an object is to be looked at.
//!
//! A proxy stands between the operator and the API server; people reach it all the time.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tests::{
    control_plane::ControlPlane,
    eventually,
    operator::Operator,
    proxy::{Call, Fault, Proxy, Rules},
    stage::PATIENCE,
};

use crate::{
    crash::start,
    drift::{freeze, reason},
    scene::{Scene, commit_monitors, install},
};

/// How long the freeze holds: until the operator has lost its lease, on a busy machine.
const FROZEN: i64 = 20;

async fn metric(operator: &Operator, name: &str, labels: &[(&str, &str)], wish: impl Fn(f64) -> bool) -> Result<f64> {
    eventually(PATIENCE, &format!("metric {name}"), || async {
        let value = operator.metrics().await?.sum(name, labels);
        ensure!(wish(value), "it is {value}");
        Ok(value)
    })
    .await
}

async fn leads(operator: &Operator, leads: bool) -> Result<()> {
    let wanted = f64::from(u8::from(leads));
    metric(operator, "leader_election_master_status", &[], |value| value == wanted).await.map(drop)
}

/// Looks at drift that have ended, of whatever kind.
async fn looks(operator: &Operator, wish: impl Fn(f64) -> bool) -> Result<f64> {
    metric(operator, "controller_runtime_reconcile_total", &[("controller", "drift")], wish).await
}

#[tokio::test]
async fn a_look_that_falls_into_an_outage_comes_after_it_and_nobody_has_to_ask() -> Result<()> {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await?));
    let rules = Arc::new(Rules::default());
    let proxy = Proxy::start(plane, None, rules.clone()).await?;
    let mut setup = install(plane).await?;
    setup.kubeconfig = proxy.kubeconfig(&setup.kubeconfig)?;
    let scene = Scene::on(plane, "outage").await?;
    let commit = commit_monitors(&scene.git, 2)?;
    scene.follow(|_| {}).await?;
    let operator = start(&setup).await?;
    scene.applied(&commit).await?;
    let as_git = |found: &Value| found["spec"]["suspend"] == false;
    let suspended = json!({"spec": {"suspend": true}});

    // A freeze ends while nothing can be reached.
    scene.annotate("m00", &[freeze(FROZEN), reason()]).await?;
    scene.tamper("m00", "kubectl-edit", &suspended).await?;
    scene.listed("m00", "Frozen").await?;
    let before = looks(&operator, |_| true).await?;
    rules.set(|_| Fault::Cut);
    proxy.cut_watches();
    leads(&operator, false).await?;
    ensure!(looks(&operator, |_| true).await? == before, "the freeze ended too early for this test");
    scene.thawed("m00").await?;
    looks(&operator, |looks| looks > before).await?;
    ensure!(!as_git(&scene.monitor("m00").await?.unwrap_or_default()), "it was put back without the API");
    rules.clear();
    leads(&operator, true).await?;
    println!("what was frozen was put back after {:?}", scene.repaired("m00", as_git).await?);

    // Somebody writes while only the lease cannot be renewed: the watch tells, and nobody may act.
    let before = looks(&operator, |_| true).await?;
    rules.set(|call: &Call| if call.resource == "leases" { Fault::Cut } else { Fault::Pass });
    leads(&operator, false).await?;
    scene.tamper("m01", "kubectl-edit", &suspended).await?;
    looks(&operator, |looks| looks > before).await?;
    ensure!(!as_git(&scene.monitor("m01").await?.unwrap_or_default()), "it was put back without the lease");
    rules.clear();
    leads(&operator, true).await?;
    println!("what was written without a lease was put back after {:?}", scene.repaired("m01", as_git).await?);
    Ok(())
}
