//! Keeps a mirror small and fast over months: every fetch leaves a pack, a look-up asks one pack after the other, and a
//! fetch that is killed leaves what it had received.
//!
//! Must not run beside a reader of the same mirror; the caller fetches and reads a source in turn.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use git2::{Repository, Sort};

/// More packs than this are made into one.
const MAX_PACKS: usize = 50;

/// Makes one pack of many, unless `is_late` says that there is no time; then the next fetch tries again.
///
/// # Errors
/// The mirror is as good as before after an error: old packs go only after the new one is complete.
pub(super) fn compact<'a>(mirror: &'a Repository, is_late: impl Fn() -> bool + 'a) -> Result<(), git2::Error> {
    let folder = mirror.path().join("objects/pack");
    let old = packs(&folder);
    if old.len() <= MAX_PACKS {
        return Ok(());
    }
    let mut walk = mirror.revwalk()?;
    walk.set_sorting(Sort::TIME)?;
    walk.push_glob("refs/*")?;
    let mut builder = mirror.packbuilder()?;
    builder.set_progress_callback(move |_, _, _| !is_late())?;
    builder.insert_walk(&mut walk)?;
    builder.write(&folder, 0)?;
    let Some(name) = builder.name()? else { return Ok(()) };
    let new = folder.join(format!("pack-{name}.pack"));
    if !new.exists() {
        return Ok(());
    }
    for pack in old.iter().filter(|pack| **pack != new) {
        // The index goes first: without it a pack is not looked into. What cannot be removed is only in the way.
        let _ = std::fs::remove_file(pack.with_extension("idx"));
        let _ = std::fs::remove_file(pack);
    }
    Ok(())
}

/// Removes what killed fetches left behind: packs that are not complete, and the lock on the branch.
pub(super) fn remove_leftovers(mirror: &Repository, reference: &str) {
    let _ = std::fs::remove_file(mirror.path().join(format!("{reference}.lock")));
    let Ok(entries) = std::fs::read_dir(mirror.path().join("objects/pack")) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        // The name that libgit2 gives to a pack that is not complete.
        if path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("pack_git2_")) {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn packs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|path| path.extension() == Some(OsStr::new("pack"))).collect()
}
