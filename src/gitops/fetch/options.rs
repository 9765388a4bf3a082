//! The options of libgit2 that hold for the whole process, set once and before its first use.

use std::sync::OnceLock;

use git2::{ConfigLevel, opts};

use super::error::{FetchError, FetchFailure};
use super::transport;

/// Packs are mapped into memory in windows; together they stay below this many bytes.
const MAPPED_PACK_BYTES: usize = 256 << 20;

/// One such window. libgit2's own default is 1 GiB, all that the child has.
const WINDOW_BYTES: usize = 32 << 20;

/// Decoded objects that libgit2 keeps, in bytes.
const OBJECT_CACHE_BYTES: isize = 32 << 20;

/// Sets the options on the first call; later calls repeat its outcome.
pub(crate) fn apply_once() -> Result<(), FetchError> {
    static OUTCOME: OnceLock<Result<(), String>> = OnceLock::new();
    OUTCOME
        .get_or_init(|| apply().map_err(|error| error.message().to_owned()))
        .clone()
        .map_err(|message| FetchError::new(FetchFailure::Mirror, format!("libgit2 could not be set up: {message}")))
}

fn apply() -> Result<(), git2::Error> {
    // Objects are re-hashed when read: what is parsed is what was named by its id.
    opts::strict_hash_verification(true);
    opts::strict_object_creation(true);
    #[expect(unsafe_code, reason = "global options of libgit2; the OnceLock makes this the only writer")]
    // SAFETY: called once per process, before any other use of libgit2 in this crate.
    unsafe {
        for level in [ConfigLevel::ProgramData, ConfigLevel::System, ConfigLevel::XDG, ConfigLevel::Global] {
            opts::set_search_path(level, "")?;
        }
        // A mounted repository belongs to another user than ours. The check protects those who run hooks and filters
        // of a repository; nothing of a repository is ever run here.
        opts::set_verify_owner_validation(false)?;
        opts::set_mwindow_size(WINDOW_BYTES)?;
        opts::set_mwindow_mapped_limit(MAPPED_PACK_BYTES)?;
        opts::set_cache_max_size(OBJECT_CACHE_BYTES)?;
        transport::register()?;
    }
    Ok(())
}
