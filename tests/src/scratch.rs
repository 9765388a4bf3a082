//! One folder for everything a run writes. It is removed when the process ends
//! well; after a failure it stays and its place is printed, because the logs of
//! the servers are in it.
//!
//! The folder of a run that was killed is found by its lock, which no living
//! process holds any more, and removed by the next run; one that a failed run
//! left on purpose is kept for a day.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use crate::child;

const PREFIX: &str = "firstline-run-";
const LOCK: &str = ".lock";
const KEPT: &str = ".kept";
const KEEP_FOR: Duration = Duration::from_secs(24 * 3600);

struct Root {
    path: PathBuf,
    /// Held as long as this process lives: the sign that the folder is in use.
    _lock: File,
}

static ROOT: OnceLock<Root> = OnceLock::new();

// glibc's atexit that is told the exit status. libtest ends a failed run by
// `exit(101)`, so the status is the only place that knows of every failure,
// also of tests that return an error instead of panicking.
#[expect(unsafe_code, reason = "declares glibc's on_exit, which the libc crate does not")]
unsafe extern "C" {
    fn on_exit(function: extern "C" fn(libc::c_int, *mut libc::c_void), argument: *mut libc::c_void) -> libc::c_int;
}

/// The folder of this run, made by the first caller.
pub fn root() -> &'static Path {
    &ROOT
        .get_or_init(|| {
            let temp = std::env::temp_dir();
            sweep(&temp);
            let path = temp.join(format!("{PREFIX}{}-{}", std::process::id(), uuid::Uuid::new_v4().simple()));
            fs::create_dir(&path).unwrap_or_else(|e| panic!("no scratch folder {}: {e}", path.display()));
            // Locked before it has its name: another run's sweep must not see it free.
            let unnamed = path.join(".new");
            let lock = File::create(&unnamed).expect("a new folder takes a file");
            lock.lock().expect("nobody else locks a new file");
            fs::rename(unnamed, path.join(LOCK)).expect("a file can be renamed");
            #[expect(unsafe_code, reason = "registers a function that lives as long as the program")]
            unsafe {
                on_exit(at_exit, std::ptr::null_mut());
            }
            Root { path, _lock: lock }
        })
        .path
}

/// A new folder `name` (numbered when it is not the first) under [`root`].
pub fn folder(name: &str) -> PathBuf {
    let path = root().join(crate::unique_name(name));
    fs::create_dir(&path).unwrap_or_else(|e| panic!("no scratch folder {}: {e}", path.display()));
    path
}

/// Removes what dead runs left under `temp`.
fn sweep(temp: &Path) {
    for entry in fs::read_dir(temp).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let path = entry.path();
        // No lock file yet: made this instant, so not ours to judge.
        let Ok(lock) = File::open(path.join(LOCK)) else { continue };
        let kept_since = fs::metadata(path.join(KEPT)).and_then(|m| m.modified()).ok();
        let too_young = kept_since.is_some_and(|t| t.elapsed().is_ok_and(|age| age < KEEP_FOR));
        if lock.try_lock().is_ok() && !too_young {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

extern "C" fn at_exit(status: libc::c_int, _: *mut libc::c_void) {
    // Statics are not dropped in Rust: what they hold ends here, not only by
    // the parent-death signal, so that nothing writes into a vanishing folder.
    child::end_all();
    let Some(root) = ROOT.get() else { return };
    if status == 0 {
        let _ = fs::remove_dir_all(&root.path);
    } else {
        let _ = File::create(root.path.join(KEPT));
        eprintln!("logs of this run are kept for a day in {}", root.path.display());
    }
}
