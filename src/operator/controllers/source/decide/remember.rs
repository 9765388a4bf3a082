//! What to keep in mind after an outcome: when to look again, and whether the same commit is attempted again.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Attempt, End, Outcome, status,
    turn::{after_failures, after_refusals},
};
use crate::engine::syncer::{Known, Verdict, refusal::Mend};

/// Notes an outcome in `known`. `interval` is the source's own. Returns the wait until the next look, if one is due
/// without being asked for.
pub(in super::super) fn remember(
    known: &mut Known,
    outcome: &Outcome,
    interval: Duration,
    now: Instant,
) -> Option<Duration> {
    let wait = match outcome {
        Outcome::NotServed(_) => {
            known.verdict = None;
            known.next = None;
            return None;
        }
        Outcome::Known(_) => passed(known, interval),
        Outcome::NotFetched(failure) if failure.needs_a_person => passed(known, interval),
        Outcome::NotFetched(_) => failed(known, interval),
        Outcome::Attempted(attempt) => {
            known.verdict = verdict(known.verdict.as_ref(), outcome, attempt, interval, now);
            match attempt.end {
                End::Interrupted { .. } => failed(known, interval),
                _ => passed(known, interval),
            }
        }
    };
    known.next = Some(now + wait);
    Some(wait)
}

fn passed(known: &mut Known, interval: Duration) -> Duration {
    known.failures = 0;
    interval
}

fn failed(known: &mut Known, interval: Duration) -> Duration {
    known.failures = known.failures.saturating_add(1);
    after_failures(known.failures, interval)
}

fn verdict(
    before: Option<&Verdict>,
    outcome: &Outcome,
    attempt: &Attempt,
    interval: Duration,
    now: Instant,
) -> Option<Verdict> {
    let (refusals, again) = match &attempt.end {
        End::Interrupted { .. } => return None,
        End::Applied { .. } => (0, None),
        End::Refused(refusal) | End::Partial(refusal) => {
            let before =
                before.filter(|verdict| verdict.commit == attempt.commit).map_or(0, |verdict| verdict.refusals);
            let refusals = before.saturating_add(1);
            let again = (refusal.mend == Mend::Cluster).then(|| now + after_refusals(refusals, interval));
            (refusals, again)
        }
    };
    Some(Verdict { commit: attempt.commit.clone(), standing: status::standing(outcome), again, refusals })
}

#[cfg(test)]
mod tests {
    use api::git_source::{GitSourceStatus, ObjectCounts};
    use domain::conditions::Standing;
    use rstest::rstest;

    use super::*;
    use crate::{controllers::source::decide::Refusal, engine::syncer::fetch::NotFetched};

    const MINUTE: Duration = Duration::from_secs(60);

    fn fresh() -> Known {
        Known {
            uid: "1".into(),
            status: GitSourceStatus::default(),
            generation: None,
            request: None,
            next: None,
            failures: 0,
            verdict: None,
        }
    }

    fn attempted(end: End) -> Outcome {
        let now = jiff::Timestamp::UNIX_EPOCH;
        Outcome::Attempted(Attempt {
            commit: "9c2f".into(),
            revision: "main@sha1:9c2f".into(),
            at: now,
            took: Duration::ZERO,
            counts: ObjectCounts::default(),
            end,
        })
    }

    fn refused(mend: Mend) -> Outcome {
        attempted(End::Refused(Refusal { reason: "BuildFailed", message: String::new(), errors: Vec::new(), mend }))
    }

    #[rstest]
    #[case::applied(attempted(End::Applied { remarks: Vec::new(), adopted: Vec::new(), rewritten: None }), None)]
    #[case::wrong_in_git(refused(Mend::Commit), None)]
    #[case::wrong_in_the_cluster(refused(Mend::Cluster), Some(MINUTE))]
    fn a_commit_is_attempted_again_only_when_something_else_can_mend_it(
        #[case] outcome: Outcome,
        #[case] expected: Option<Duration>,
    ) {
        let (mut known, now) = (fresh(), Instant::now());
        assert_eq!(remember(&mut known, &outcome, MINUTE, now), Some(MINUTE));
        let verdict = known.verdict.unwrap();
        assert_eq!(verdict.commit, "9c2f");
        assert_eq!(verdict.again.map(|again| again - now), expected);
    }

    #[test]
    fn the_third_refusal_waits_four_intervals() {
        let (mut known, now) = (fresh(), Instant::now());
        for _ in 0..3 {
            remember(&mut known, &refused(Mend::Cluster), MINUTE, now);
        }
        assert_eq!(known.verdict.unwrap().again, Some(now + 4 * MINUTE));
    }

    #[test]
    fn failures_that_pass_are_tried_soon_and_leave_no_verdict() {
        let (mut known, now) = (fresh(), Instant::now());
        let failure = NotFetched { reason: "GitOperationFailed", message: String::new(), needs_a_person: false };
        assert_eq!(remember(&mut known, &Outcome::NotFetched(failure), MINUTE, now), Some(Duration::from_secs(1)));
        let interrupted = attempted(End::Interrupted { reason: "ReconciliationFailed", message: String::new() });
        assert_eq!(remember(&mut known, &interrupted, MINUTE, now), Some(Duration::from_secs(2)));
        assert_eq!(known.verdict, None);
        remember(&mut known, &Outcome::Known(Standing::Ready { reason: "x", message: String::new() }), MINUTE, now);
        assert_eq!(known.failures, 0);
    }

    #[test]
    fn a_failed_fetch_does_not_take_a_verdict_back() {
        let (mut known, now) = (fresh(), Instant::now());
        remember(&mut known, &refused(Mend::Commit), MINUTE, now);
        let before = known.verdict.clone();
        let failure = NotFetched { reason: "GitOperationFailed", message: String::new(), needs_a_person: true };
        remember(&mut known, &Outcome::NotFetched(failure), MINUTE, now);
        assert_eq!(known.verdict, before);
    }

    #[test]
    fn a_source_that_is_not_served_is_not_looked_at_by_itself() {
        let (mut known, now) = (fresh(), Instant::now());
        let suspended = Outcome::NotServed(Standing::Ready { reason: "Suspended", message: String::new() });
        assert_eq!(remember(&mut known, &suspended, MINUTE, now), None);
    }
}
