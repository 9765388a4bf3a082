//! The bare mirror of one source: a cache that can be thrown away at any time.

use std::cell::Cell;
use std::path::Path;

use git2::{Direction, ErrorClass, ErrorCode, FetchOptions, Oid, RemoteCallbacks, Repository, RepositoryOpenFlags};

use super::compact;
use super::error::{Budget, FetchError, FetchFailure};
use super::request::{FetchReport, FetchRequest, History, Source};
use super::transport::{self, Exchange};

/// Brings the mirror up to the server's branch.
pub(super) fn update(request: &FetchRequest, exchange: &Exchange) -> Result<FetchReport, FetchError> {
    if let Source::File(path) = &exchange.source
        && !path.is_dir()
    {
        return Err(FetchError::new(FetchFailure::RepositoryNotFound, format!("no folder is at {}", path.display())));
    }
    let mirror = open(&request.mirror)?;
    let reference = format!("refs/heads/{}", request.branch);
    compact::remove_leftovers(&mirror, &reference);
    let before = mirror.refname_to_id(&reference).ok();

    let progress = Progress::default();
    let mut remote = mirror.remote_anonymous(&request.url).map_err(|error| on_disk(&request.mirror, &error))?;
    let mut connection = remote
        .connect_auth(Direction::Fetch, None, None)
        .map_err(|error| failed(&error, exchange, &progress, "list the branches"))?;
    let heads = connection.list().map_err(|error| failed(&error, exchange, &progress, "list the branches"))?;
    let Some(tip) = heads.iter().find(|head| name_of(head) == Some(&reference)).map(git2::RemoteHead::oid) else {
        return Err(branch_not_found(&request.branch, heads));
    };

    if mirror.find_commit(tip).is_err() {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.transfer_progress(|seen| {
            progress.objects.set(seen.total_objects() as u64);
            progress.bytes.set(seen.received_bytes() as u64);
            let limit = request.budgets.objects;
            if progress.objects.get() > limit {
                exchange.fail(FetchError::new(
                    FetchFailure::BudgetExceeded(Budget::Objects),
                    format!(
                        "the server sends {} objects, more than the {limit} that one fetch may receive",
                        progress.objects.get()
                    ),
                ));
            } else if progress.bytes.get() > request.budgets.received_bytes {
                exchange.fail(transport::too_many_bytes(request.budgets.received_bytes));
            } else if exchange.is_late() {
                exchange.fail(FetchError::new(
                    FetchFailure::Timeout,
                    format!("the transfer did not end within {} s", request.timeout.as_secs_f32()),
                ));
            } else {
                return true;
            }
            false
        });
        let mut options = FetchOptions::new();
        options.remote_callbacks(callbacks);
        connection
            .remote()
            .download(&[format!("+{reference}:{reference}")], Some(&mut options))
            .map_err(|error| failed(&error, exchange, &progress, "receive the objects"))?;
    }
    drop(connection);

    // The branch moves only once its commit can be read: a broken transfer leaves the mirror as it was.
    mirror.find_commit(tip).map_err(|error| failed(&error, exchange, &progress, "read the commit it names"))?;
    let since = request.since.as_deref().and_then(|commit| commit.parse().ok());
    let history = relation(&mirror, since.or(before), tip);
    if before != Some(tip) {
        mirror.reference(&reference, tip, true, "fetched").map_err(|error| on_disk(&request.mirror, &error))?;
    }
    // The fetch has succeeded; a mirror that stays slow for another round does not change that.
    let _ = compact::compact(&mirror, || exchange.is_half_over());
    Ok(FetchReport {
        commit: tip.to_string(),
        branch: request.branch.clone(),
        history,
        received_objects: progress.objects.get(),
        received_bytes: exchange.received_bytes().max(progress.bytes.get()),
    })
}

/// What libgit2 reported of the transfer.
#[derive(Default)]
struct Progress {
    objects: Cell<u64>,
    bytes: Cell<u64>,
}

fn open(path: &Path) -> Result<Repository, FetchError> {
    let flags = RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_SEARCH;
    match Repository::open_ext(path, flags, std::iter::empty::<&str>()) {
        Ok(mirror) => Ok(mirror),
        Err(error) if error.code() == ErrorCode::NotFound => make(path, flags),
        Err(error) => Err(on_disk(path, &error)),
    }
}

/// Makes it beside its place and moves it there whole, so that a kill at any moment leaves nothing half made.
fn make(path: &Path, flags: RepositoryOpenFlags) -> Result<Repository, FetchError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let made = match std::fs::remove_dir_all(beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    made.and_then(|()| Repository::init_bare(beside).map_err(std::io::Error::other))
        .and_then(|_| std::fs::rename(beside, path))
        .map_err(|error| FetchError::new(FetchFailure::Mirror, format!("the mirror at {}: {error}", path.display())))?;
    Repository::open_ext(path, flags, std::iter::empty::<&str>()).map_err(|error| on_disk(path, &error))
}

fn relation(mirror: &Repository, before: Option<Oid>, now: Oid) -> History {
    let Some(before) = before else { return History::First };
    if before == now {
        return History::Same;
    }
    // A walk that fails has nothing to say for the new commit: the whole branch is fetched, so an earlier commit that is
    // not there is no part of it.
    if mirror.graph_descendant_of(now, before).unwrap_or(false) {
        History::Forward
    } else if mirror.graph_descendant_of(before, now).unwrap_or(false) {
        History::Backward
    } else {
        History::Rewritten
    }
}

/// The name of a ref, where it is UTF-8: git2 panics on one that is not, and a server may send it.
fn name_of<'a>(head: &'a git2::RemoteHead<'_>) -> Option<&'a str> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| head.name())).ok()
}

fn branch_not_found(branch: &str, heads: &[git2::RemoteHead<'_>]) -> FetchError {
    let mut known: Vec<&str> = heads.iter().filter_map(|head| name_of(head)?.strip_prefix("refs/heads/")).collect();
    known.sort_unstable();
    let known = match known.as_slice() {
        [] => "the repository has no branches yet".to_owned(),
        [first @ .., _] if first.len() >= 5 => {
            format!(
                "it has {} branches, among them {}",
                known.len(),
                known.iter().take(5).copied().collect::<Vec<_>>().join(", ")
            )
        }
        known => format!("it has {}", known.join(", ")),
    };
    FetchError::new(FetchFailure::BranchNotFound, format!("the repository has no branch `{branch}`; {known}"))
}

fn on_disk(path: &Path, error: &git2::Error) -> FetchError {
    FetchError::new(FetchFailure::Mirror, format!("the mirror at {}: {}", path.display(), error.message()))
}

/// The failure that the exchange noted, else what libgit2 says.
fn failed(error: &git2::Error, exchange: &Exchange, progress: &Progress, doing: &str) -> FetchError {
    if let Some(noted) = exchange.failure() {
        return noted;
    }
    let failure = match (error.class(), error.code()) {
        (ErrorClass::NoMemory, _) => FetchFailure::BudgetExceeded(Budget::Memory),
        (ErrorClass::Net, ErrorCode::Eof) => FetchFailure::Unreachable,
        (ErrorClass::Repository, _) => FetchFailure::RepositoryNotFound,
        (ErrorClass::Os | ErrorClass::Filesystem, _) => FetchFailure::Mirror,
        _ => FetchFailure::Protocol,
    };
    let so_far = match progress.objects.get() {
        0 => String::new(),
        objects => format!(" (after {objects} objects were announced)"),
    };
    FetchError::new(failure, format!("could not {doing}{so_far}: {}", error.message()))
}
