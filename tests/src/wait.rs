//! Waiting for a condition, and names that no other test uses.

use std::{
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

/// How often a condition is looked at.
pub const POLL: Duration = Duration::from_millis(50);

/// Looks every 50 ms until `look` answers `Ok`, and gives its value.
///
/// An `Err` means "not yet" and should say what was seen instead: the last one
/// becomes the message when `deadline` passes.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use std::time::Duration;
/// let mut looks = 0;
/// let value = tests::eventually(Duration::from_secs(5), "the third look", || {
///     looks += 1;
///     async move { if looks < 3 { anyhow::bail!("look {looks}") } else { Ok(looks) } }
/// })
/// .await
/// .unwrap();
/// assert_eq!(value, 3);
/// # });
/// ```
///
/// # Errors
/// After `deadline`, with `what` was awaited and what was seen last. A look that
/// itself takes longer than the rest of the deadline is cut off.
pub async fn eventually<T, F, Fut>(deadline: Duration, what: &str, mut look: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let end = Instant::now() + deadline;
    let mut last: Option<anyhow::Error> = None;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left.max(POLL), look()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last = Some(seen),
            Err(_) => last = Some(last.unwrap_or_else(|| anyhow!("nothing: the look itself did not end"))),
        }
        if Instant::now() >= end {
            let seen = last.map_or_else(String::new, |e| format!("{e:#}"));
            return Err(anyhow!("waited {deadline:?} for {what}; last seen: {seen}"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// `prefix-` and a suffix that is new in this run, a valid DNS label when the
/// prefix is one.
pub fn unique_name(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn giving_up_says_what_was_awaited_and_what_was_seen_last() {
        let error =
            eventually::<(), _, _>(Duration::from_millis(1), "a green light", || async { anyhow::bail!("it is red") })
                .await
                .unwrap_err();
        assert_eq!(error.to_string(), "waited 1ms for a green light; last seen: it is red");
    }

    #[tokio::test]
    async fn a_look_that_never_ends_is_cut_off() {
        let error =
            eventually::<(), _, _>(Duration::from_millis(60), "an answer", || async { std::future::pending().await })
                .await
                .unwrap_err();
        assert!(error.to_string().contains("did not end"), "{error}");
    }
}
