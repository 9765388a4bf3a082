use api::GitSource;
use gitops::{
    applyset,
    load::{Namespaces, Rules, load},
    tree::SourceFile,
    yaml::Limits,
};
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::engine::syncer::kinds::ALLOWED;

const SET: &str = "applyset-ours-v1";

fn source() -> Arc<Source> {
    let object: GitSource = serde_json::from_value(json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "GitSource", "metadata": {"name": "acme", "namespace": "ops"},
        "spec": {"url": "https://git.acme.example/support.git", "ref": {"branch": "main"}},
    }))
    .unwrap();
    Arc::new(api::git_source::validate(&object).unwrap().value)
}

fn monitor() -> Arc<Object> {
    let text = "apiVersion: firstline.dev/v1alpha1\nkind: ServiceMonitor\nmetadata: {name: m, labels: {team: payments}}\nspec: {}\n";
    let rules = Rules {
        namespaces: Namespaces::Any { default: "payments" },
        kinds: &ALLOWED,
        check: &|_| Vec::new(),
        limits: Limits::default(),
    };
    let files = [SourceFile { path: "m.yaml".to_owned(), bytes: text.into() }];
    Arc::new(load(&files, &rules).objects.remove(0))
}

fn us() -> Key {
    Key::new("ops", "acme")
}

fn key() -> ObjectKey {
    monitor().key.clone()
}

/// As the watch brings it at this version.
fn metadata(version: u64, change: impl FnOnce(&mut Value)) -> ObjectMeta {
    let mut value = json!({
        "name": "m", "namespace": "payments", "uid": "1", "generation": 1, "resourceVersion": version.to_string(),
        "labels": {"team": "payments", applyset::PART_OF: SET, "app.kubernetes.io/managed-by": "firstline"},
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

/// Applied at version 10.
fn applied() -> Applied {
    let member =
        Member { wanted: Some(monitor()), known: Some(Version::of(&metadata(10, |_| {}))), ..Member::default() };
    Applied {
        set: SET.to_owned(),
        revision: "main@sha1:9c2f".to_owned(),
        source: source(),
        members: [(key(), member)].into(),
    }
}

async fn settled() -> Members {
    let members = Members::default();
    drop(members.begin(&us()).await);
    assert_eq!(members.end(&us(), Left::Applied(applied())), []);
    members
}

#[rstest]
#[case::our_own_write(10, json!({}), false)]
#[case::older(9, json!({"generation": 0}), false)]
#[case::its_status(11, json!({}), false)]
#[case::labels_of_others(11, json!({"labels": {"team": "payments", "other": "x", applyset::PART_OF: SET, "app.kubernetes.io/managed-by": "firstline"}}), false)]
#[case::its_spec(11, json!({"generation": 2}), true)]
#[case::made_anew(11, json!({"uid": "2"}), true)]
#[case::a_label_of_git(11, json!({"labels": {"team": "identity", applyset::PART_OF: SET, "app.kubernetes.io/managed-by": "firstline"}}), true)]
#[case::the_label_of_the_set(11, json!({"labels": {"team": "payments", "app.kubernetes.io/managed-by": "firstline"}}), true)]
#[case::a_freeze(11, json!({"annotations": {"firstline.dev/freeze-until": "x"}}), true)]
#[case::another_annotation(11, json!({"annotations": {"note": "x"}}), false)]
#[tokio::test]
async fn what_others_changed_is_worth_a_look(#[case] version: u64, #[case] change: Value, #[case] expected: bool) {
    let members = settled().await;
    let seen = metadata(version, |value| {
        value.as_object_mut().unwrap().extend(change.as_object().cloned().unwrap());
    });
    assert_eq!(members.sight(&key(), Some(&seen)), expected);
    assert!(members.sight(&key(), None), "one that is gone always is");
}

#[tokio::test]
async fn what_belongs_to_no_source_is_nobodys_drift() {
    let members = settled().await;
    let other = ObjectKey { name: "by-hand".to_owned(), ..key() };
    assert!(!members.sight(&other, Some(&metadata(11, |_| {}))));
    assert!(members.charge(&other).is_none());
    members.forget(&us());
    assert!(!members.sight(&key(), None) && members.charge(&key()).is_none());
}

#[tokio::test]
async fn what_happens_during_an_attempt_is_looked_at_when_it_ends() {
    let members = Members::default();
    let guard = members.begin(&us()).await;
    // Before anything of the source is known: our own write, and somebody else's after it.
    assert!(!members.sight(&key(), Some(&metadata(10, |_| {}))));
    assert!(!members.sight(&key(), Some(&metadata(12, |value| value["generation"] = json!(2)))));
    assert!(members.charge(&key()).is_none());
    drop(guard);
    assert_eq!(members.end(&us(), Left::Applied(applied())), [key()]);

    // The same when the next attempt writes nothing.
    let members = settled().await;
    let guard = members.begin(&us()).await;
    assert!(!members.sight(&key(), None));
    drop(guard);
    assert_eq!(members.end(&us(), Left::Untouched), [key()]);
    assert!(members.charge(&key()).is_some());
}

#[tokio::test]
async fn a_commit_written_in_part_is_corrected_to_neither_side() {
    let members = settled().await;
    drop(members.begin(&us()).await);
    assert_eq!(members.end(&us(), Left::Mixed), []);
    assert!(!members.sight(&key(), None) && members.charge(&key()).is_none());
    drop(members.begin(&us()).await);
    assert_eq!(members.end(&us(), Left::Applied(applied())), [key()], "the deletion was not lost");
}

#[tokio::test]
async fn no_attempt_begins_while_an_object_is_looked_at() {
    let members = settled().await;
    let charge = members.charge(&key()).unwrap();
    let us = us();
    let mut begin = Box::pin(members.begin(&us));
    assert!(futures::poll!(&mut begin).is_pending());
    assert!(!members.judged(&charge, &key(), Judged { known: charge.member.known.clone(), ..Judged::default() }));
    drop(charge);
    drop(begin.await);
    assert_eq!(members.differing(&us).deviations, []);
}

#[tokio::test]
async fn what_a_commit_owes_is_told_until_a_look_has_done_it_and_not_where_nothing_is_known() {
    let members = Members::default();
    assert_eq!(members.differing(&us()).owed, None);
    drop(members.begin(&us()).await);
    assert_eq!(members.differing(&us()).owed, None, "the commit is being written");
    let mut applied = applied();
    applied.members.values_mut().for_each(|member| (member.known, member.owed) = (None, true));
    assert_eq!(members.end(&us(), Left::Applied(applied)), [key()]);
    assert_eq!(members.differing(&us()).owed, Some(vec!["ServiceMonitor payments/m".to_owned()]));

    let charge = members.charge(&key()).unwrap();
    let written = Judged { known: Some(Version::default()), ..Judged::default() };
    assert!(members.judged(&charge, &key(), written), "the status is to say so");
    assert_eq!(members.differing(&us()).owed, Some(Vec::new()));
    drop(charge);
    drop(members.begin(&us()).await);
    members.end(&us(), Left::Mixed);
    assert_eq!(members.differing(&us()).owed, None);
}
