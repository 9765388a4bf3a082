//! A fetch in a child process of the same binary.
//!
//! C code reads what strangers send, a name server may hang, a pack may unfold to gigabytes: none of that may hurt the
//! operator. The child gets its request on stdin (so that no credential is on a command line or in an environment),
//! limits its own memory and life, writes one report to stdout and ends. The parent starts it with an empty
//! environment and kills it at the deadline.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::fetch::{Budget, FetchError, FetchFailure, FetchReport, FetchRequest, fetch};

/// How much longer than the fetch itself the child may live: the time to say in its own words what it waited for.
const GRACE: Duration = Duration::from_secs(2);

/// A request holds at most a bundle of certificates; a report is a few lines.
const MAX_MESSAGE_BYTES: u64 = 4 << 20;

/// What the child writes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Fetched(FetchReport),
    Failed(FetchError),
}

/// The whole life of the child: reads a [`FetchRequest`] from stdin, fetches, writes the outcome to stdout.
///
/// The process is given up to the fetch: its address space and lifetime are limited for good. So it is called first
/// thing, before a runtime with its threads has taken up address space. It ends with success when the outcome was
/// written, whatever that is.
pub fn main() -> ExitCode {
    let outcome = match answer() {
        Ok(report) => Outcome::Fetched(report),
        Err(error) => Outcome::Failed(error),
    };
    let mut stdout = std::io::stdout().lock();
    let written = serde_json::to_vec(&outcome).map_err(std::io::Error::from).and_then(|bytes| {
        stdout.write_all(&bytes)?;
        stdout.flush()
    });
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn answer() -> Result<FetchReport, FetchError> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(MAX_MESSAGE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| FetchError::new(FetchFailure::Child, format!("the request could not be read: {error}")))?;
    // The parser's message could quote a credential, so only the place is told.
    let request: FetchRequest = serde_json::from_slice(&bytes).map_err(|error| {
        FetchError::new(FetchFailure::Child, format!("the request is malformed at column {}", error.column()))
    })?;
    limit(&request)?;
    fetch(&request)
}

/// Limits memory, and ends this process even where its parent is gone and nobody is left to kill it.
fn limit(request: &FetchRequest) -> Result<(), FetchError> {
    let bytes = request.budgets.memory_bytes;
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    let seconds = u32::try_from((request.timeout + GRACE).as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    #[expect(unsafe_code, reason = "limits of a process are set by system calls")]
    // SAFETY: both calls take plain values; the pointer lives across the call.
    let refused = unsafe {
        libc::alarm(seconds);
        libc::setrlimit(libc::RLIMIT_AS, &raw const limit) != 0
    };
    if refused {
        let error = std::io::Error::last_os_error();
        return Err(FetchError::new(
            FetchFailure::Child,
            format!("memory could not be limited to {bytes} bytes: {error}"),
        ));
    }
    Ok(())
}

/// Fetches in a child process: `program` with `args`, which must end up in [`main`].
///
/// # Errors
/// Those of [`fetch`]; [`FetchFailure::Timeout`] when the child had to be killed, [`FetchFailure::Child`] when it could
/// not be started or ended without a report.
pub async fn fetch_in_child(program: &Path, args: &[&str], request: &FetchRequest) -> Result<FetchReport, FetchError> {
    let no_child =
        |error: std::io::Error| FetchError::new(FetchFailure::Child, format!("{}: {error}", program.display()));
    let message = serde_json::to_vec(request).map_err(|error| no_child(error.into()))?;
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(no_child)?;
    let ended = tokio::time::timeout(request.timeout + GRACE, converse(&mut child, &message)).await;
    let Ok(ended) = ended else {
        // It holds nothing that a kill could break: the mirror's branch moves by a rename.
        child.kill().await.map_err(no_child)?;
        return Err(FetchError::new(
            FetchFailure::Timeout,
            format!("{}: the fetch did not end within {} s and was killed", request.url, request.timeout.as_secs_f32()),
        ));
    };
    let (status, bytes) = ended.map_err(no_child)?;
    match serde_json::from_slice(&bytes) {
        Ok(Outcome::Fetched(report)) => Ok(report),
        Ok(Outcome::Failed(error)) => Err(error),
        Err(_) => Err(ended_without_report(status, request)),
    }
}

async fn converse(child: &mut Child, message: &[u8]) -> std::io::Result<(ExitStatus, Vec<u8>)> {
    if let Some(mut stdin) = child.stdin.take() {
        // A child that ends without reading is told by its status, not by a broken pipe.
        let _ = stdin.write_all(message).await;
    }
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_MESSAGE_BYTES).read_to_end(&mut bytes).await?;
    }
    Ok((child.wait().await?, bytes))
}

/// A process that runs out of memory aborts itself, or is killed by the kernel.
fn ended_without_report(status: ExitStatus, request: &FetchRequest) -> FetchError {
    use std::os::unix::process::ExitStatusExt;
    let out_of_memory = matches!(status.signal(), Some(libc::SIGABRT | libc::SIGSEGV | libc::SIGKILL | libc::SIGBUS));
    if out_of_memory {
        return FetchError::new(
            FetchFailure::BudgetExceeded(Budget::Memory),
            format!(
                "{}: the fetch was ended ({status}), most likely by its limit of {} bytes of memory",
                request.url, request.budgets.memory_bytes
            ),
        );
    }
    FetchError::new(FetchFailure::Child, format!("{}: the fetch ended without a report ({status})", request.url))
}
