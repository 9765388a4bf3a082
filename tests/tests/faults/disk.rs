//! The disk of `--data` is full while the API is gone: pages go on, it is said, and the journal is whole when there is room.
//!
//! The operator gets a file system of a few megabytes in a mount namespace of its own, which ends with it. That takes
//! root, or a kernel that gives user namespaces to everybody, and `unshare` of util-linux.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, ensure};
use tests::operator::{Operator, Setup, binary};

use crate::{
    island::{ADA_ALONE, SERVICES, all_paged, cut_off, data, decisions, running_as, tickets},
    scene::{Scene, metric, page_to, pages},
};

/// Mounts the disk over the folder `$0`, and becomes the operator.
const ON_A_SMALL_DISK: &str = "#!/bin/sh
[ \"$(id -u)\" = 0 ] || user='--user --map-root-user'
exec unshare $user --mount sh -c 'mount -t tmpfs -o size=4m tmpfs \"$0\" && exec \"$@\"' 'DATA' 'BINARY' \"$@\"
";

/// What to look at first when it does not start.
const NEEDS: &str =
    "an operator on a disk of its own takes root or unprivileged user namespaces, and unshare (util-linux)";

/// An operator whose disk can be filled and emptied.
struct Small {
    scene: Scene,
    operator: Operator,
    /// Its data as it sees it.
    data: PathBuf,
    _setup: Setup,
}

impl Small {
    async fn running(name: &str) -> Result<Self> {
        let scene = Scene::build(name, "ada-hook", ADA_ALONE).await?;
        let folder = data(&scene, name);
        std::fs::create_dir_all(&folder)?;
        let mut setup = scene.stage.setup(name).await?;
        let text = ON_A_SMALL_DISK.replace("DATA", &folder.to_string_lossy());
        setup.program = Some(script(&folder, &text.replace("BINARY", &binary()?.to_string_lossy()))?);
        let (setup, operator) = running_as(&scene, setup).await.context(NEEDS)?;
        let data = PathBuf::from(format!("/proc/{}/root{}", operator.pid(), folder.display()));
        Ok(Self { scene, operator, data, _setup: setup })
    }

    /// Not a byte is left.
    fn fill(&self) -> Result<()> {
        let mut file = File::create(self.data.join("filler"))?;
        loop {
            match file.write_all(&[0; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn unwritten(&self, wish: f64) -> Result<()> {
        metric(&self.operator, "firstline_island_unwritten", &[], |value| value == wish).await.map(drop)
    }

    /// All six services fail, each pages once, and it is said that nothing of that is on disk.
    async fn pages_from_memory(&self) -> Result<()> {
        self.scene.break_shop();
        all_paged(&self.scene.ada, &self.operator).await?;
        self.unwritten(1.0).await?;
        let log = self.operator.logs();
        ensure!(log.contains("the journal cannot be written") && log.contains("No space left"), "{log}");
        ensure!(!self.data.join("island.new").exists(), "half a journal takes the room of a whole one");
        Ok(())
    }

    /// There is room again. Nothing more is decided, and all the same everything is on disk soon; then it is merged.
    async fn is_whole_when_there_is_room(&self) -> Result<()> {
        std::fs::remove_file(self.data.join("filler"))?;
        self.unwritten(0.0).await?;
        let whole = decisions(&self.data)?;
        assert_eq!(whole.len(), SERVICES.len() + 1, "{}", self.operator.tail());
        ensure!(whole.iter().all(|ticket| page_to(ticket, "ada-hook")["state"] == "Accepted"), "{whole:?}");

        self.scene.stage.plane.start_apiserver().await?;
        tickets(&self.scene, "ada-hook").await?;
        self.scene.stage.shop.repair().await?;
        self.scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
        assert_eq!(pages(&self.scene.ada).len(), SERVICES.len() + 1, "{}", self.operator.tail());
        ensure!(!self.data.join("island.journal").exists(), "the journal is still there");
        Ok(())
    }
}

/// A program of this text. Written by a child: a fork in another test would inherit our open file, and a program that is
/// open for writing cannot be run.
fn script(folder: &std::path::Path, text: &str) -> Result<PathBuf> {
    let path = folder.with_extension("sh");
    let write = "printf '%s' \"$1\" > \"$2\" && chmod 755 \"$2\"";
    let written = Command::new("sh").args(["-c", write, "sh", text]).arg(&path).status()?;
    ensure!(written.success(), "{} cannot be written", path.display());
    Ok(path)
}

#[tokio::test]
async fn a_disk_that_is_full_when_the_outage_begins_stops_no_page_and_is_written_when_there_is_room() -> Result<()> {
    let small = Small::running("disk-full").await?;
    small.fill()?;
    cut_off(&small.scene, &small.operator).await?;
    small.unwritten(1.0).await?;
    small.pages_from_memory().await?;
    ensure!(!small.data.join("island.journal").exists(), "there is a journal");
    small.is_whole_when_there_is_room().await
}

#[tokio::test]
async fn a_disk_that_fills_up_in_the_middle_of_an_outage_stops_no_page_and_its_torn_journal_is_mended() -> Result<()> {
    let small = Small::running("disk-fills").await?;
    cut_off(&small.scene, &small.operator).await?;
    small.unwritten(0.0).await?;
    small.fill()?;
    small.pages_from_memory().await?;
    let text = std::fs::read(small.data.join("island.journal"))?;
    let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    ensure!(serde_json::from_slice::<serde_json::Value>(last).is_err(), "{}", String::from_utf8_lossy(last));
    small.is_whole_when_there_is_room().await
}
