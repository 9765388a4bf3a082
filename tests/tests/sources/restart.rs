//! What a new process of the operator knows of freezes, and of drift that is only reported.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{control_plane::ControlPlane, eventually, stage::PATIENCE};
use tokio::time::Instant;

use crate::{
    crash::start,
    drift::{MARGIN, REPAIRED, freeze, reason},
    scene::{Scene, commit_monitors, install, monitor},
};

/// Ends while no operator runs.
const SHORT: i64 = 20;
/// A restart, with the old lease, falls within it.
const LONG: i64 = 60;

impl Scene {
    async fn service(&self, name: &str) -> Result<Value> {
        Ok(self.monitor(name).await?.with_context(|| format!("{name} is not there"))?["spec"]["service"].clone())
    }

    async fn is_suspended(&self, name: &str) -> Result<bool> {
        Ok(self.monitor(name).await?.with_context(|| format!("{name} is not there"))?["spec"]["suspend"] == true)
    }

    async fn owes(&self, names: &[&str]) -> Result<()> {
        let wanted: Vec<String> =
            names.iter().map(|name| format!("ServiceMonitor {}/{name}", self.namespace)).collect();
        let wanted = if wanted.is_empty() { Value::Null } else { json!(wanted) };
        self.wait_for(&format!("{names:?} are owed"), |status| status["owed"] == wanted).await.map(drop)
    }

    /// A commit changes `m00` and `m02` and removes `m01` while they are frozen; what others did to `m03`, frozen too, and
    /// to `m04` is no matter of a commit.
    async fn hold_back(&self) -> Result<()> {
        let commit = commit_monitors(&self.git, 5)?;
        self.follow(|source| source["spec"]["apply"]["drift"] = json!("Report")).await?;
        self.applied(&commit).await?;
        for (name, seconds) in [("m00", LONG), ("m01", LONG), ("m02", SHORT)] {
            self.annotate(name, &[freeze(seconds), reason()]).await?;
        }
        let changed = ["m00", "m02"].map(|name| (format!("monitors/{name}.yaml"), monitor(name, "new")));
        self.git.commit(&changed.each_ref().map(|(path, text)| (path.as_str(), text.as_str())), "change")?;
        let commit = self.git.remove(&["monitors/m01.yaml"], "remove")?;
        self.applied(&commit).await?;
        self.owes(&["m00", "m01", "m02"]).await?;
        self.annotate("m03", &[freeze(LONG), reason()]).await?;
        for (name, state) in [("m03", "Frozen"), ("m04", "Reported")] {
            self.tamper(name, "kubectl-edit", &json!({"spec": {"suspend": true}})).await?;
            self.listed(name, state).await?;
        }
        Ok(())
    }

    /// Waits for the end of a freeze.
    #[expect(clippy::disallowed_methods, reason = "a freeze is read against the real clock")]
    pub(crate) async fn thawed(&self, name: &str) -> Result<()> {
        let frozen = self.monitor(name).await?.with_context(|| format!("{name} is not there"))?;
        let until = &frozen["metadata"]["annotations"]["firstline.dev/freeze-until"];
        let until: jiff::Timestamp = until.as_str().context("it is not frozen")?.parse()?;
        eventually(PATIENCE, &format!("the freeze of {name} is over"), || async {
            ensure!(jiff::Timestamp::now() > until, "until {until}");
            Ok(())
        })
        .await
    }

    async fn has_come_through(&self, name: &str) -> Result<()> {
        eventually(PATIENCE, &format!("the commit comes through to {name}"), || async {
            let service = self.service(name).await?;
            ensure!(service == "new", "{service}");
            Ok(())
        })
        .await
    }
}

/// Of two sources that only report, the repository of one is gone when the new process starts.
#[tokio::test]
async fn a_commit_that_a_freeze_holds_back_survives_a_restart_and_so_does_drift_that_is_only_reported() -> Result<()> {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await?));
    let setup = install(plane).await?;
    let (online, offline) = (Scene::on(plane, "online").await?, Scene::on(plane, "offline").await?);
    let scenes = [&online, &offline];
    let operator = start(&setup).await?;
    tokio::try_join!(online.hold_back(), offline.hold_back())?;
    operator.kill9();
    offline.git.vanish()?;
    for scene in scenes {
        scene.thawed("m02").await?;
        ensure!(scene.service("m02").await? == "shop", "the freeze of m02 ended before the kill");
    }

    let operator = start(&setup).await?;
    tokio::try_join!(online.has_come_through("m02"), offline.has_come_through("m02"))?;
    for scene in scenes {
        ensure!(
            scene.service("m00").await? == "shop",
            "its freeze has ended too: the machine is too slow for this test"
        );
        scene.owes(&["m00", "m01"]).await?;
        scene.listed("m04", "Reported").await?;
        ensure!(scene.is_suspended("m04").await?, "drift was corrected");
    }

    for scene in scenes {
        scene.thawed("m00").await?;
        let thawed = Instant::now();
        scene.has_come_through("m00").await?;
        println!("the commit came through {:?} after its freeze had ended", thawed.elapsed());
        ensure!(thawed.elapsed() < REPAIRED + MARGIN, "it came through after {:?}", thawed.elapsed());
    }
    // Removals have guards of their own, for which the whole commit is read.
    online.owes(&[]).await?;
    ensure!(online.monitors().await? == ["m00", "m02", "m03", "m04"], "{:?}", online.monitors().await?);
    offline.owes(&["m01"]).await?;
    offline.git.reappear()?;
    offline.owes(&[]).await?;
    ensure!(offline.monitors().await? == ["m00", "m02", "m03", "m04"], "{:?}", offline.monitors().await?);
    for scene in scenes {
        for name in ["m03", "m04"] {
            scene.listed(name, "Reported").await?;
            ensure!(scene.is_suspended(name).await?, "{name} was corrected; {}", operator.tail());
        }
    }
    Ok(())
}
