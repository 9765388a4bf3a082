//! Whether it is a source's turn.

use std::{sync::Arc, time::Duration};

use api::git_source::Source;
use domain::{conditions::Standing, problem::Problem};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::{engine::syncer::Known, index::SourceEntry};

/// First and longest wait after a failure that passes.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// A commit that only something in the cluster keeps out is attempted again after at most this long.
const REFUSED_AGAIN: Duration = Duration::from_secs(600);

/// What the operator allows.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct House<'a> {
    /// Its own namespace.
    pub(in super::super) namespace: &'a str,
    /// Whether `file://` may be read.
    pub(in super::super) file_sources: bool,
}

/// What to do about a source now.
#[derive(Debug, Clone)]
pub(in super::super) enum Turn {
    /// It is not served, or rests; this says why.
    NotServed(Standing),
    /// Nothing for so long.
    Rest(Duration),
    /// Ask the repository.
    Fetch {
        /// What to fetch.
        source: Arc<Source>,
        /// Whether an earlier verdict on the same commit is void: the spec changed, or somebody asked.
        anew: bool,
    },
}

pub(in super::super) fn turn(entry: &SourceEntry, known: &Known, house: House<'_>, now: Instant) -> Turn {
    let Some(source) = &entry.compiled else {
        return Turn::NotServed(Standing::Stalled { reason: "InvalidSpec", message: words(&entry.problems) });
    };
    if source.suspended {
        let message = "spec.suspend is true: nothing is fetched or applied, what was applied stays".to_owned();
        return Turn::NotServed(Standing::Ready { reason: "Suspended", message });
    }
    if source.service_account.is_none() && source.namespace != house.namespace {
        let message = format!(
            "outside {} a GitSource writes as a ServiceAccount of its own namespace; create one that may write the kinds in the repository, and set spec.apply.serviceAccountName",
            house.namespace
        );
        return Turn::NotServed(Standing::Stalled { reason: "AccessDenied", message });
    }
    if source.url.scheme() == "file" && !house.file_sources {
        let message =
            "file:// is allowed only when the operator is started with --allow-file-sources; use https".to_owned();
        return Turn::NotServed(Standing::Stalled { reason: "URLInvalid", message });
    }
    let anew = known.generation != entry.object.metadata.generation || known.request != entry.requested();
    let due = known.next.is_none_or(|next| next <= now);
    match known.next {
        Some(next) if !anew && !due => Turn::Rest(next - now),
        _ => Turn::Fetch { source: source.clone(), anew },
    }
}

fn words(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The interval, less up to a tenth by the source's uid, so that sources made together do not stay together.
pub(in super::super) fn interval(interval: Duration, uid: &str) -> Duration {
    let first = Sha256::digest(uid.as_bytes()).first().copied().unwrap_or_default();
    interval - interval.mul_f64(0.1 * f64::from(first) / 255.0)
}

/// 1 s, 2 s, 4 s …, never longer than five minutes or the interval.
pub(in super::super) fn after_failures(failures: u32, interval: Duration) -> Duration {
    let (first, longest) = BACKOFF;
    first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest).min(interval)
}

/// The interval, then twice and four times that …, never longer than ten minutes or, if it is longer, the interval.
pub(in super::super) fn after_refusals(refusals: u32, interval: Duration) -> Duration {
    interval.saturating_mul(1 << refusals.saturating_sub(1).min(16)).min(REFUSED_AGAIN.max(interval))
}

#[cfg(test)]
mod tests {
    use api::GitSource;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::{engine::syncer::Sources, index::World, kube::meta::Key};

    const HOUSE: House<'static> = House { namespace: "firstline-system", file_sources: false };

    fn source(change: impl FnOnce(&mut Value)) -> (SourceEntry, Known) {
        let mut value = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "GitSource",
            "metadata": {"name": "support", "namespace": "firstline-system", "uid": "1", "generation": 1},
            "spec": {"url": "https://git.acme.example/support.git", "ref": {"branch": "main"}},
        });
        change(&mut value);
        let object: GitSource = serde_json::from_value(value).unwrap();
        let key = Key::of(&object);
        let mut world = World::new("firstline-system");
        world.apply_source(object);
        let entry = world.source(&key).unwrap().clone();
        let known = Sources::default().recall(&key, &entry.object);
        (entry, known)
    }

    fn word(turn: &Turn) -> String {
        match turn {
            Turn::NotServed(
                Standing::Stalled { reason, .. }
                | Standing::Ready { reason, .. }
                | Standing::Reconciling { reason, .. },
            ) => (*reason).to_owned(),
            Turn::Rest(wait) => format!("rest {}", wait.as_secs()),
            Turn::Fetch { anew, .. } => format!("fetch {anew}"),
        }
    }

    #[rstest]
    #[case::one_that_is_new("", json!(null), "fetch true")]
    #[case::invalid("/spec/path", json!("../x"), "InvalidSpec")]
    #[case::suspended("/spec/suspend", json!(true), "Suspended")]
    #[case::a_file("/spec/url", json!("file:///srv/support.git"), "URLInvalid")]
    #[case::elsewhere("/metadata/namespace", json!("payments"), "AccessDenied")]
    fn a_source_is_served_where_it_may_be(#[case] at: &str, #[case] written: Value, #[case] expected: &str) {
        let (entry, known) = source(|value| {
            value["spec"]["suspend"] = json!(false);
            value["spec"]["path"] = json!("./");
            if let Some(field) = value.pointer_mut(at).filter(|_| !at.is_empty()) {
                *field = written;
            }
        });
        assert_eq!(word(&turn(&entry, &known, HOUSE, Instant::now())), expected);
    }

    #[test]
    fn another_namespace_is_served_with_an_account_of_its_own() {
        let (entry, known) = source(|value| {
            value["metadata"]["namespace"] = json!("payments");
            value["spec"]["apply"] = json!({"serviceAccountName": "support-sync"});
        });
        assert_eq!(word(&turn(&entry, &known, HOUSE, Instant::now())), "fetch true");
    }

    #[rstest]
    #[case::early(Some(1), None, 30, "rest 30")]
    #[case::due(Some(1), None, 0, "fetch false")]
    #[case::a_new_spec(Some(0), None, 30, "fetch true")]
    #[case::asked_for(Some(1), Some("now"), 30, "fetch true")]
    fn it_rests_until_its_time_unless_something_is_new(
        #[case] seen: Option<i64>,
        #[case] request: Option<&str>,
        #[case] wait: u64,
        #[case] expected: &str,
    ) {
        let (entry, mut known) = source(|value| {
            if let Some(request) = request {
                value["metadata"]["annotations"] = json!({"firstline.dev/requestedAt": request});
            }
        });
        let now = Instant::now();
        known.generation = seen;
        known.next = Some(now + Duration::from_secs(wait));
        assert_eq!(word(&turn(&entry, &known, HOUSE, now)), expected);
    }

    #[test]
    fn the_interval_is_shortened_by_at_most_a_tenth_and_always_alike() {
        let minute = Duration::from_secs(60);
        let all: Vec<_> = (0..100).map(|n| interval(minute, &format!("uid-{n}"))).collect();
        assert!(all.iter().all(|one| *one <= minute && *one >= Duration::from_secs(54)));
        assert!(all.iter().max() > all.iter().min(), "two sources differ");
        assert_eq!(interval(minute, "uid-1"), interval(minute, "uid-1"));
    }

    #[rstest]
    #[case(1, 1)]
    #[case(3, 4)]
    #[case(7, 60)]
    #[case(90, 60)]
    fn failures_are_tried_again_sooner_than_the_interval(#[case] failures: u32, #[case] seconds: u64) {
        assert_eq!(after_failures(failures, Duration::from_secs(60)).as_secs(), seconds);
    }

    #[rstest]
    #[case(1, 60, 60)]
    #[case(3, 60, 240)]
    #[case(9, 60, 600)]
    #[case(1, 3_600, 3_600)]
    fn refusals_are_tried_again_ever_later(#[case] refusals: u32, #[case] interval: u64, #[case] seconds: u64) {
        assert_eq!(after_refusals(refusals, Duration::from_secs(interval)).as_secs(), seconds);
    }
}
