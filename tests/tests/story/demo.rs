//! The demo on a cluster that was there before: it leaves nothing behind, and touches no Firstline that is in use.

use std::{cell::RefCell, process::Command};

use anyhow::{Result, ensure};
use tests::{child::Running, control_plane::ControlPlane, eventually, scratch, stage::PATIENCE};

fn demo(plane: &ControlPlane) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.env("KUBECONTEXT", "local").env("KUBECONFIG", plane.admin_kubeconfig());
    command
}

#[tokio::test]
async fn the_demo_runs_on_another_cluster_and_removes_what_it_installed() -> Result<()> {
    let plane = ControlPlane::start().await?;
    let log = scratch::folder("demo-elsewhere").join("demo.log");
    let mut running = Running::start("demo", demo(&plane), &log)?;
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    eventually(PATIENCE * 2, "the story's end", || async {
        ensure!(said().contains("The story took "), "it says {}", said());
        Ok(())
    })
    .await?;

    let second = tokio::process::Command::from(demo(&plane)).output().await?;
    let refused = String::from_utf8_lossy(&second.stderr).into_owned();
    ensure!(!second.status.success() && refused.contains("context local has namespace/payments"), "{refused}");

    running.signal(libc::SIGINT);
    let running = RefCell::new(running);
    eventually(PATIENCE, "the demo's end", || async {
        ensure!(running.borrow_mut().exited().is_some_and(|status| status.success()), "{}", said());
        Ok(())
    })
    .await?;
    let crds = plane.kubectl(&["get", "crd", "-o", "name"]).await?.ok()?;
    ensure!(!crds.contains("firstline.dev"), "left: {crds}");
    let left =
        plane.kubectl(&["get", "namespaces", "-o", "custom-columns=:.metadata.name,:.metadata.deletionTimestamp"]);
    let left = left.await?.ok()?;
    let ours = left.lines().filter(|line| line.contains("payments") || line.contains("firstline-system"));
    for namespace in ours {
        ensure!(!namespace.contains("<none>"), "{namespace} is not being deleted");
    }
    Ok(())
}
