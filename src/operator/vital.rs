//! What must run as long as the process does. Should it end, by a panic or by itself, so does the process: another replica
//! takes over, where one that merely went on would look well from outside.

use std::{future::Future, panic::AssertUnwindSafe};

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::context::Context;

/// Runs `work`, which ends only after the process was asked to stop.
pub(crate) fn spawn(ctx: &Context, what: impl Into<String>, work: impl Future<Output = ()> + Send + 'static) {
    let (what, stop, fatal) = (what.into(), ctx.stop.clone(), ctx.fatal.clone());
    ctx.tasks.spawn(run(what, stop, fatal, work));
}

/// Runs `work`, which starts what lasts and ends when it has: only a panic in it ends the process.
pub(crate) fn begin(ctx: &Context, what: impl Into<String>, work: impl Future<Output = ()> + Send + 'static) {
    spawn(ctx, what, then_rest(work, ctx.stop.clone()));
}

async fn then_rest(work: impl Future<Output = ()>, stop: CancellationToken) {
    work.await;
    stop.cancelled().await;
}

async fn run(what: String, stop: CancellationToken, fatal: CancellationToken, work: impl Future<Output = ()>) {
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    if ended.is_err() || !stop.is_cancelled() {
        tracing::error!(what, panicked = ended.is_err(), "what must always run has ended");
        fatal.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the process ends when that does, asked to stop before or not.
    async fn is_fatal(asked: bool, work: impl Future<Output = ()>) -> bool {
        let (stop, fatal) = (CancellationToken::new(), CancellationToken::new());
        if asked {
            stop.cancel();
        }
        run("the prober".to_owned(), stop, fatal.clone(), work).await;
        fatal.is_cancelled()
    }

    #[tokio::test]
    async fn what_ends_or_panics_takes_the_process_and_what_was_asked_to_stop_does_not() {
        assert!(is_fatal(false, async {}).await);
        assert!(is_fatal(false, async { panic!("as a test") }).await);
        assert!(!is_fatal(true, async {}).await);
    }

    #[tokio::test]
    async fn what_only_begins_may_end_when_it_has_begun_and_takes_the_process_when_it_panics() {
        let (stop, fatal) = (CancellationToken::new(), CancellationToken::new());
        let begun = run("the start".to_owned(), stop.clone(), fatal.clone(), then_rest(async {}, stop.clone()));
        assert!(begun.now_or_never().is_none() && !fatal.is_cancelled(), "it rests until the process stops");
        stop.cancel();
        assert!(!is_fatal(true, then_rest(async {}, stop.clone())).await);
        assert!(is_fatal(false, then_rest(async { panic!("as a test") }, stop)).await);
    }
}
