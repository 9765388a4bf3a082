//! On a folder with a case that passes, one that fails and a fixture that is wrong.

use std::fs;

use super::{super::fixtures, *};

const POLICY: &str = r#"apiVersion: firstline.dev/v1alpha1
kind: SupportPolicy
metadata: {name: payments, namespace: payments}
spec:
  lastResort: [{channel: ops}]
  people:
    - {name: ada, email: ada@acme.example}
    - {name: bob, email: bob@acme.example}
  channels:
    - {name: ops, email: {from: a@acme.example, to: [ops@acme.example], smarthost: "smtp.acme.example:587", tls: Required}}
  escalations:
    - {name: page, steps: [{after: 0s, notify: [{person: ada}]}]}
  routes:
    - {name: pages, match: ['severity="page"'], escalation: page}
    - {name: rest, notify: [{channel: ops}]}
"#;

const GOOD_AND_BAD: &str = r#"tests:
  - name: a page goes to ada
    alert: {at: "2026-11-23T03:00:00Z", labels: {severity: page, service: "a<b"}}
    expect: {pages: [{after: 0s, to: ada, channel: ops}], until: 20m}
  - name: a page goes to bob & nobody else
    alert: {at: "2026-11-23T03:00:00Z", labels: {severity: page, service: "a<b"}}
    expect: {pages: [{after: 0s, to: bob, channel: ops}], until: 20m}
"#;

fn run(files: &[(&str, &str)], output: TestForm, only: Option<&str>) -> (Exit, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let args = TestArgs {
        paths: vec![folder.path().to_owned()],
        namespace: "default".into(),
        only: only.map(str::to_owned),
        output,
    };
    let (mut results, mut progress) = (Vec::new(), Vec::new());
    let exit = test(&args, fixtures::now(), &mut Output::new(&mut results, &mut progress)).unwrap();
    let prefix = format!("{}/", folder.path().display());
    (exit, String::from_utf8([results, progress].concat()).unwrap().replace(&prefix, ""))
}

const FILES: [(&str, &str); 3] = [
    ("policy.yaml", POLICY),
    ("policy.test.yaml", GOOD_AND_BAD),
    ("wrong.test.yaml", "tests:\n  - {name: nothing, expect: {}}\n"),
];

#[test]
fn a_failed_case_shows_expected_and_got_side_by_side_and_why() {
    let (exit, text) = run(&FILES, TestForm::Human, None);
    insta::assert_snapshot!(text);
    assert_eq!(exit, Exit::No);
}

#[test]
fn the_form_for_machines_is_stable() {
    let (exit, text) = run(&FILES, TestForm::Json, None);
    insta::assert_snapshot!(text);
    assert_eq!(exit, Exit::No);
}

#[test]
fn junit_has_a_suite_for_each_file_and_escapes_what_xml_needs() {
    let (exit, text) = run(&FILES, TestForm::Junit, None);
    insta::assert_snapshot!(text);
    assert_eq!(exit, Exit::No);
}

#[test]
fn all_passed_is_a_yes() {
    let (exit, text) = run(&FILES[..2], TestForm::Human, Some("to ada"));
    assert_eq!((exit, text.as_str()), (Exit::Done, "1 passed, 0 failed\n"));
}

#[test]
fn who_runs_one_case_is_not_told_what_is_wrong_with_another() {
    let (exit, text) = run(&FILES, TestForm::Human, Some("to ada"));
    assert_eq!((exit, text.as_str()), (Exit::Done, "1 passed, 0 failed\n"));
}

#[test]
fn a_folder_without_tests_is_no_green_light() {
    let (exit, text) = run(&FILES[..1], TestForm::Human, None);
    assert_eq!(exit, Exit::No);
    assert!(text.contains("expected fixtures in files called NAME.test.yaml, found none there"), "{text}");
    let (exit, text) = run(&FILES[..2], TestForm::Human, Some("no such words"));
    assert_eq!(exit, Exit::No);
    assert!(text.contains("expected cases with `no such words` in their name, found none"), "{text}");
}

#[test]
fn no_case_is_run_without_a_policy_that_is_wrong() {
    let wrong = POLICY.replace("page, steps", "pgae, steps");
    let (exit, text) = run(&[("policy.yaml", &wrong), FILES[1]], TestForm::Human, None);
    assert_eq!(exit, Exit::No);
    assert!(text.contains("no escalation is called `page`"), "{text}");
    assert!(text.contains("0 passed, 0 failed, 1 error in the files\nno case was run"), "{text}");
}
