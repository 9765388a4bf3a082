//! On a folder with one policy.

use super::{super::fixtures::now, *};

const POLICY: &str = r#"apiVersion: firstline.dev/v1alpha1
kind: SupportPolicy
metadata: {name: payments, namespace: payments}
spec:
  lastResort: [{schedule: primary}]
  people:
    - {name: ada, email: ada@acme.example}
    - {name: bob, email: bob@acme.example}
  channels:
    - {name: mail, email: {from: support@acme.example, smarthost: "smtp.acme.example:587"}}
  schedules:
    - name: primary
      timeZone: Europe/Berlin
      layers:
        - {name: week, people: [ada, bob], start: "2026-11-02", handover: "09:00", every: 1w}
    - name: late
      timeZone: America/New_York
      layers:
        - {name: day, people: [bob], start: "2026-11-25", handover: "08:00", every: 1d}
  escalations:
    - {name: page, steps: [{after: 0s, notify: [{schedule: primary}, {schedule: late}]}]}
  routes:
    - {name: pages, match: ['severity="page"'], escalation: page}
"#;

/// What is printed, and how it ends. `now` is Monday 23 November 2026, 03:12 UTC.
async fn run(words: &[&str]) -> (Result<Exit, String>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), POLICY).unwrap();
    let path = folder.path().to_string_lossy().into_owned();
    let words = ["firstline", "oncall", "-f", &path].into_iter().chain(words.iter().copied());
    let cli = super::super::Cli::read(words.map(std::ffi::OsString::from)).unwrap();
    let super::super::Verb::Oncall(args) = cli.verb else { panic!("expected oncall") };
    let (mut results, mut progress) = (Vec::new(), Vec::new());
    let exit = oncall(&args, now(), &mut Output::new(&mut results, &mut progress)).await;
    let exit = exit.map_err(|failure| format!("{:?}: {failure}", failure.exit()));
    (exit, String::from_utf8(results).unwrap(), String::from_utf8(progress).unwrap())
}

#[tokio::test]
async fn a_schedule_is_a_line_with_times_in_its_own_zone() {
    let (exit, text, said) = run(&["--at", "2026-11-26T12:00:00Z"]).await;
    assert_eq!((exit, said.as_str()), (Ok(Exit::Done), ""));
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn wide_says_why() {
    let (_, text, _) = run(&["--at", "3d", "-o", "wide", "--schedule", "primary"]).await;
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn until_lists_the_shifts_and_the_gaps_and_a_gap_is_a_no() {
    let (exit, text, _) = run(&["--until", "14d"]).await;
    assert_eq!(exit, Ok(Exit::No));
    insta::assert_snapshot!(text);
    let (exit, ..) = run(&["--until", "14d", "--schedule", "primary"]).await;
    assert_eq!(exit, Ok(Exit::Done));
}

#[tokio::test]
async fn json_has_everything_in_utc() {
    let (_, text, _) = run(&["payments/payments", "--until", "2026-11-27T00:00:00+01:00", "-o", "json"]).await;
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn ical_is_a_calendar_of_ninety_days() {
    let (exit, text, _) = run(&["--schedule", "primary", "-o", "ical"]).await;
    assert_eq!(exit, Ok(Exit::Done));
    assert!(text.starts_with("BEGIN:VCALENDAR\r\n") && text.ends_with("END:VCALENDAR\r\n"), "{text}");
    assert_eq!(text.matches("BEGIN:VEVENT").count(), 14);
}

#[tokio::test]
async fn what_is_not_there_is_answered_with_what_is_meant() {
    let fails = async |words: &[&str]| run(words).await.0.unwrap_err();
    assert_eq!(fails(&["paymnts"]).await, "Usage: no valid policy is called `paymnts` there; did you mean `payments`?");
    assert_eq!(
        fails(&["--schedule", "primry"]).await,
        "Usage: no schedule is called `primry` there; did you mean `primary`?"
    );
    assert_eq!(fails(&["--until", "0s"]).await, "Usage: expected --until to be later than --at");
    assert_eq!(fails(&["--until", "200w"]).await, "Usage: expected --until to be at most three years after --at");
}
