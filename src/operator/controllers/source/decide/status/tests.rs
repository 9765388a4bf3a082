//! What is read of a GitSource after each outcome.

use api::git_source::{Deviation, Transaction};
use rstest::rstest;

use super::*;
use crate::{
    controllers::source::decide::note::notes,
    engine::syncer::{fetch::NotFetched, refusal::Mend},
};

const FIRST: &str = "main@sha1:1111111111111111111111111111111111111111";
const SECOND: &str = "main@sha1:2222222222222222222222222222222222222222";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn after(before: &GitSourceStatus, second: i64, outcome: &Outcome) -> GitSourceStatus {
    let about = About { before, generation: Some(1), request: None, now: at(second), differing: &Differing::default() };
    status(&about, outcome)
}

fn deviation(object: &str, state: DeviationState) -> Deviation {
    Deviation {
        object: format!("ServiceMonitor payments/{object}"),
        state,
        fields: vec!["spec.suspend".into()],
        by: Some("kubectl-edit".into()),
        since: at(0),
        until: None,
        message: None,
    }
}

#[test]
fn drift_is_said_beside_how_far_the_source_is_and_is_gone_when_it_is_over() {
    let ready = after(&GitSourceStatus::default(), 0, &applied(FIRST));
    let deviations = vec![deviation("a", DeviationState::Frozen), deviation("b", DeviationState::Reported)];
    let differing = Differing { deviations, owed: Some(Vec::new()) };
    let about = About { before: &ready, generation: Some(1), request: None, now: at(5), differing: &differing };
    let drifted = refreshed(&about);
    let said = &drifted.conditions[1];
    assert_eq!((said.type_.as_str(), said.status.as_str(), said.reason.as_str()), ("Drifted", "True", "Reported"));
    assert_eq!(
        said.message,
        "ServiceMonitor payments/b (spec.suspend) is not as Git has it, written by kubectl-edit (and 1 more in status.drift)"
    );
    assert_eq!((drifted.drift_count, drifted.drift[0].object.as_str()), (2, "ServiceMonitor payments/b"));
    assert_eq!(drifted.conditions[0], ready.conditions[0], "Ready is not touched");

    let again = refreshed(&About { before: &drifted, now: at(9), ..about.clone() });
    assert_eq!(again, drifted, "its time stays");
    let over = refreshed(&About { before: &drifted, now: at(9), differing: &Differing::default(), ..about });
    assert_eq!(over, ready);
}

#[test]
fn of_many_deviations_fifty_are_listed_and_all_are_counted() {
    let deviations = (0..70).map(|n| deviation(&format!("m{n:02}"), DeviationState::Reported)).collect();
    let differing = Differing { deviations, owed: None };
    let before = GitSourceStatus::default();
    let about = About { before: &before, generation: Some(1), request: None, now: at(5), differing: &differing };
    let status = refreshed(&about);
    assert_eq!((status.drift.len(), status.drift_count), (50, 70));
}

#[test]
fn what_a_commit_owes_is_durable_with_its_being_applied_and_stays_until_it_is_known_to_be_done() {
    let owing = |owed: Option<&[&str]>| Differing {
        deviations: Vec::new(),
        owed: owed.map(|owed| owed.iter().map(|name| (*name).to_owned()).collect()),
    };
    let before = GitSourceStatus::default();
    let about = |before, differing| About { before, generation: Some(1), request: None, now: at(0), differing };
    let frozen = owing(Some(&["ServiceMonitor payments/a"]));
    let committed = status(&about(&before, &frozen), &applied(FIRST));
    assert_eq!(committed.transaction, Some(Transaction::Committed));
    assert_eq!(committed.owed, ["ServiceMonitor payments/a"]);

    // A new process, while the repository or the API gives no answer, or in the middle of the next commit.
    let nothing = owing(None);
    let failure = NotFetched { reason: "GitOperationFailed", message: String::new(), needs_a_person: false };
    let offline = status(&about(&committed, &nothing), &Outcome::NotFetched(failure));
    let next = applying(&about(&committed, &nothing), SECOND, ObjectCounts::default());
    assert_eq!((&offline.owed, &next.owed), (&committed.owed, &committed.owed));

    let thawed = refreshed(&about(&offline, &owing(Some(&[]))));
    assert_eq!(thawed.owed, Vec::<String>::new());
}

#[test]
fn of_more_owed_objects_than_fit_the_first_are_listed_and_all_are_counted() {
    let owed: Vec<String> = (0..501).map(|n| format!("ServiceMonitor payments/m{n:03}")).collect();
    let differing = Differing { deviations: Vec::new(), owed: Some(owed) };
    let before = GitSourceStatus::default();
    let about = About { before: &before, generation: Some(1), request: None, now: at(0), differing: &differing };
    let status = refreshed(&about);
    assert_eq!((status.owed.len(), status.owed_count), (500, 501));

    let unknown = Differing::default();
    let offline = refreshed(&About { before: &status, differing: &unknown, ..about.clone() });
    assert_eq!((offline.owed.len(), offline.owed_count), (500, 501), "a new process knows nothing better yet");
    let done = Differing { deviations: Vec::new(), owed: Some(Vec::new()) };
    let done = refreshed(&About { before: &status, differing: &done, ..about });
    assert_eq!((done.owed.len(), done.owed_count), (0, 0));
}

fn attempt(revision: &str, counts: ObjectCounts, end: End) -> Outcome {
    let commit = revision.rsplit(':').next().unwrap().to_owned();
    Outcome::Attempted(Attempt {
        commit,
        revision: revision.to_owned(),
        at: at(0),
        took: std::time::Duration::from_millis(1_250),
        counts,
        end,
    })
}

fn created(count: u32) -> ObjectCounts {
    ObjectCounts { total: count, created: count, ..ObjectCounts::default() }
}

fn applied(revision: &str) -> Outcome {
    attempt(revision, created(3), End::Applied { remarks: Vec::new(), adopted: Vec::new(), rewritten: None })
}

fn error(line: u32) -> SourceError {
    SourceError {
        file: Some("payments/checkout.yaml".into()),
        line: Some(line),
        column: Some(9),
        object: Some("ServiceMonitor payments/checkout".into()),
        message: "odd".into(),
    }
}

fn refused(revision: &str, errors: u32) -> Outcome {
    let refusal = Refusal {
        reason: "BuildFailed",
        message: format!("{errors} errors"),
        errors: (1..=errors).map(error).collect(),
        mend: Mend::Commit,
    };
    attempt(revision, ObjectCounts { total: 3, failed: 2, ..ObjectCounts::default() }, End::Refused(refusal))
}

fn interrupted(revision: &str) -> Outcome {
    attempt(
        revision,
        ObjectCounts::default(),
        End::Interrupted { reason: "ReconciliationFailed", message: "etcd is away".into() },
    )
}

fn said(status: &GitSourceStatus) -> Vec<String> {
    status.conditions.iter().map(|one| format!("{}={} {}", one.type_, one.status, one.reason)).collect()
}

#[test]
fn an_applied_commit_is_ready_with_revision_time_and_counts() {
    let status = after(&GitSourceStatus::default(), 5, &applied(FIRST));
    assert_eq!(said(&status), ["Ready=True ReconciliationSucceeded"]);
    assert_eq!(status.last_applied_revision.as_deref(), Some(FIRST));
    assert_eq!(status.transaction, Some(Transaction::Committed));
    assert_eq!(status.applied_at, Some(at(5)));
    assert_eq!(status.objects.map(|counts| (counts.total, counts.created)), Some((3, 3)));
    let last = &status.history[0];
    assert_eq!((last.revision.as_str(), last.result.as_str(), last.duration.as_str()), (FIRST, "Applied", "1s250ms"));
}

#[test]
fn an_invalid_commit_names_every_error_and_leaves_the_applied_revision() {
    let good = after(&GitSourceStatus::default(), 0, &applied(FIRST));
    let status = after(&good, 9, &refused(SECOND, 60));
    assert_eq!(said(&status), ["Ready=False BuildFailed", "Stalled=True BuildFailed"]);
    assert_eq!((status.errors.len(), status.error_count), (50, 60));
    assert_eq!(status.last_applied_revision.as_deref(), Some(FIRST));
    assert_eq!(status.last_attempted_revision.as_deref(), Some(SECOND));
    assert_eq!(status.transaction, Some(Transaction::Committed), "the cluster still holds all of the first commit");
    assert_eq!(status.applied_at, good.applied_at);
    let message = &status.conditions[0].message;
    assert!(message.contains("nothing was written: 60 errors: payments/checkout.yaml:1:9: ServiceMonitor payments/checkout: odd (and 59 more"), "{message}");
}

#[test]
fn errors_vanish_with_the_commit_that_mends_them() {
    let bad = after(&GitSourceStatus::default(), 0, &refused(FIRST, 2));
    let status = after(&bad, 9, &applied(SECOND));
    assert_eq!((status.errors.len(), status.error_count), (0, 0));
    assert_eq!(said(&status), ["Ready=True ReconciliationSucceeded"]);
}

#[rstest]
#[case::passing(false, &["Ready=False GitOperationFailed", "Reconciling=True GitOperationFailed"])]
#[case::for_a_person(true, &["Ready=False GitOperationFailed", "Stalled=True GitOperationFailed"])]
fn a_repository_that_cannot_be_asked_takes_nothing_back(#[case] needs_a_person: bool, #[case] expected: &[&str]) {
    let good = after(&GitSourceStatus::default(), 0, &applied(FIRST));
    let failure = NotFetched { reason: "GitOperationFailed", message: "connection refused".into(), needs_a_person };
    let status = after(&good, 9, &Outcome::NotFetched(failure));
    assert_eq!(said(&status), expected);
    assert_eq!(
        (status.last_applied_revision, status.objects, status.history),
        (good.last_applied_revision, good.objects, good.history)
    );
}

#[test]
fn an_interrupted_commit_stays_applying_until_it_is_rolled_forward() {
    let before = GitSourceStatus::default();
    let about =
        About { before: &before, generation: Some(1), request: None, now: at(0), differing: &Differing::default() };
    let applying = applying(&about, FIRST, created(3));
    assert_eq!(said(&applying), ["Ready=False Progressing", "Reconciling=True Progressing"]);
    let status = after(&applying, 1, &interrupted(FIRST));
    assert_eq!(status.transaction, Some(Transaction::Applying));
    assert_eq!(said(&status), ["Ready=False ReconciliationFailed", "Reconciling=True ReconciliationFailed"]);
    assert_eq!(status.last_applied_revision, None);
    let status = after(&status, 2, &applied(FIRST));
    assert_eq!(status.transaction, Some(Transaction::Committed));
}

#[test]
fn a_partial_commit_does_not_advance_the_revision() {
    let good = after(&GitSourceStatus::default(), 0, &applied(FIRST));
    let refusal = Refusal {
        reason: "ReconciliationFailed",
        message: "the API server refuses 1 object".into(),
        errors: vec![error(4)],
        mend: Mend::Cluster,
    };
    let status = after(&good, 1, &attempt(SECOND, created(2), End::Partial(refusal)));
    assert_eq!(status.transaction, Some(Transaction::Partial));
    assert_eq!(status.last_applied_revision.as_deref(), Some(FIRST));
    assert_eq!(status.error_count, 1);
}

#[test]
fn a_new_process_that_finds_everything_as_it_was_changes_nothing() {
    let good = after(&GitSourceStatus::default(), 0, &applied(FIRST));
    let unchanged = ObjectCounts { total: 3, unchanged: 3, ..ObjectCounts::default() };
    let again = attempt(FIRST, unchanged, End::Applied { remarks: Vec::new(), adopted: Vec::new(), rewritten: None });
    assert_eq!(after(&good, 600, &again), good);
}

#[test]
fn retries_of_one_commit_are_one_line_of_history() {
    let mut status = after(&GitSourceStatus::default(), 0, &applied(FIRST));
    for second in 1..9 {
        status = after(&status, second, &interrupted(SECOND));
    }
    let results: Vec<&str> = status.history.iter().map(|one| one.result.as_str()).collect();
    assert_eq!(results, ["Failed", "Applied"]);
}

#[test]
fn history_holds_the_last_five() {
    let mut status = GitSourceStatus::default();
    for second in 0..9 {
        status = after(&status, second, &applied(if second % 2 == 0 { FIRST } else { SECOND }));
    }
    assert_eq!(status.history.len(), 5);
    assert_eq!(status.history[0].revision, FIRST);
}

#[test]
fn a_request_is_echoed_whatever_came_of_it() {
    let before = GitSourceStatus::default();
    let about = About {
        before: &before,
        generation: Some(7),
        request: Some("now".into()),
        now: at(0),
        differing: &Differing::default(),
    };
    let status = status(&about, &refused(FIRST, 1));
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("now"));
    assert_eq!(status.observed_generation, 7);
}

#[test]
fn an_event_tells_of_a_transition_once() {
    let nothing = GitSourceStatus::default();
    let good = after(&nothing, 0, &applied(FIRST));
    let told = notes(&nothing, &good, &applied(FIRST));
    assert_eq!(
        told.iter().map(|note| (note.warning, note.reason)).collect::<Vec<_>>(),
        [(false, "ReconciliationSucceeded")]
    );
    assert_eq!(told[0].text, format!("applied {FIRST}: 3 created, 0 updated, 0 unchanged, 0 removed"));

    let bad = after(&good, 1, &refused(SECOND, 2));
    let told = notes(&good, &bad, &refused(SECOND, 2));
    assert_eq!(told.len(), 1);
    assert!(told[0].warning && told[0].text.lines().count() == 3, "{}", told[0].text);
    assert_eq!(notes(&bad, &bad, &refused(SECOND, 2)).len(), 0, "a repetition is no transition");
}

#[test]
fn what_was_taken_over_is_told() {
    let adopted = vec!["ServiceMonitor payments/checkout".to_owned()];
    let outcome = attempt(
        FIRST,
        ObjectCounts { total: 1, updated: 1, ..ObjectCounts::default() },
        End::Applied { remarks: Vec::new(), adopted, rewritten: None },
    );
    let status = after(&GitSourceStatus::default(), 0, &outcome);
    let told = notes(&GitSourceStatus::default(), &status, &outcome);
    assert_eq!(told.iter().map(|note| note.reason).collect::<Vec<_>>(), ["Adopted", "ReconciliationSucceeded"]);
    assert!(told[0].text.contains("ServiceMonitor payments/checkout"));
}
