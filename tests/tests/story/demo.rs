//! The demo leaves nothing behind, whatever ends it; on a cluster that was there before it touches no Firstline in use.

use std::{cell::RefCell, path::Path, process::Command};

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
    let roles = plane.kubectl(&["get", "clusterroles,clusterrolebindings", "-o", "name"]).await?.ok()?;
    let ours: Vec<_> = roles.lines().filter(|role| role.contains("firstline") || role.contains("acme")).collect();
    ensure!(ours.is_empty(), "left: {ours:?}");
    let left =
        plane.kubectl(&["get", "namespaces", "-o", "custom-columns=:.metadata.name,:.metadata.deletionTimestamp"]);
    let left = left.await?.ok()?;
    let ours = left.lines().filter(|line| line.contains("payments") || line.contains("firstline-system"));
    for namespace in ours {
        ensure!(!namespace.contains("<none>"), "{namespace} is not being deleted");
    }
    Ok(())
}

#[test]
fn the_demo_says_what_it_is_and_starts_nothing_for_arguments() -> Result<()> {
    let run = |argument: &str| Command::new(env!("CARGO_BIN_EXE_demo")).arg(argument).output();
    let help = run("--help")?;
    let text = String::from_utf8(help.stdout)?;
    ensure!(help.status.success() && text.contains("KUBECONTEXT"), "{text}");
    let unknown = run("now")?;
    let text = String::from_utf8(unknown.stderr)?;
    ensure!(unknown.status.code() == Some(2) && text.starts_with("expected no arguments, found `now`"), "{text}");
    Ok(())
}

#[tokio::test]
async fn the_demo_removes_its_folder_and_children_when_it_is_terminated() -> Result<()> {
    let folder = scratch::folder("demo-terminated");
    let (log, temp) = (folder.join("demo.log"), folder.join("temp"));
    std::fs::create_dir(&temp)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.env_remove("KUBECONTEXT").env("TMPDIR", &temp);
    let mut running = Running::start("demo", command, &log)?;
    eventually(PATIENCE, "a cluster of its own", || async {
        ensure!(running_in(&temp)? > 1, "{}", std::fs::read_to_string(&log)?);
        Ok(())
    })
    .await?;
    let exit = running.terminate(PATIENCE).await?;
    ensure!(exit.status.success(), "it ended with {}; {}", exit.status, running.tail(20));
    let left: Vec<_> = std::fs::read_dir(&temp)?.flatten().map(|entry| entry.path()).collect();
    ensure!(left.is_empty(), "left: {left:?}");
    ensure!(running_in(&temp)? == 0, "children of it still run");
    Ok(())
}

/// How many processes name the folder in their arguments.
fn running_in(folder: &Path) -> Result<usize> {
    let folder = folder.to_string_lossy();
    let arguments = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    let all = std::fs::read_dir("/proc")?.flatten().filter_map(arguments);
    Ok(all.filter(|arguments| String::from_utf8_lossy(arguments).contains(&*folder)).count())
}
