//! Stories of fixtures: what passes, what fails and how that reads, what is wrong with a fixture.

use gitops::{
    load::Namespaces,
    tree::{SourceFile, Tree},
};
use rstest::rstest;

use super::*;
use crate::load;

mod mistakes;

const POLICY: &str = "
apiVersion: firstline.dev/v1alpha1
kind: SupportPolicy
metadata: {name: payments, namespace: payments}
spec:
  lastResort: [{channel: ops}]
  people:
    - {name: ada, users: ['oidc:ada@acme.example'], email: ada@acme.example}
    - {name: bob, email: bob@acme.example}
  channels:
    - name: ops
      email: {from: support@acme.example, to: [ops@acme.example], smarthost: 'smtp.acme.example:587', tls: Required}
  schedules:
    - name: primary
      timeZone: Europe/Berlin
      layers: [{name: week, people: [ada, bob], start: '2026-11-02', handover: '09:00', every: 1w}]
  escalations:
    - name: page
      steps: [{after: 0s, notify: [{schedule: primary}]}, {after: 10m, notify: [{channel: ops}]}]
      repeat: {times: 0, every: 1h}
  routes:
    - {name: pages, match: ['severity=\"page\"'], escalation: page, priority: P1}
";

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn world(fixture: &str) -> World {
    let tree = Tree {
        files: vec![file("policy.yaml", POLICY)],
        fixtures: vec![file("policy.test.yaml", fixture)],
        ..Tree::default()
    };
    load::compile(tree, Namespaces::Any { default: "default" }, "2026-11-23T00:00:00Z".parse().unwrap())
}

/// `field: expected … got …` of all cases that can be run.
fn differences(fixture: &str) -> Vec<String> {
    let world = world(fixture);
    let problems: Vec<String> = world.problems.iter().filter(|p| p.is_error()).map(ToString::to_string).collect();
    assert_eq!(problems, [] as [String; 0]);
    let (outcomes, wrong) = run(&world, None);
    assert_eq!(wrong, []);
    assert!(!outcomes.is_empty(), "nothing was run");
    let all = outcomes.into_iter().flat_map(|outcome| outcome.differences);
    all.map(|d| format!("{}: expected {} got {}", d.field, d.expected, d.got)).collect()
}

/// Everything that is wrong with a fixture, read or run.
fn problems(fixture: &str) -> Vec<String> {
    let world = world(fixture);
    let (_, of_running) = run(&world, None);
    let all = world.problems.iter().filter(|problem| problem.is_error()).chain(&of_running);
    all.map(ToString::to_string).collect()
}

const PAGE: &str = "
tests:
  - name: a page wakes the primary
    alert: {at: '2026-11-23T03:00:00+01:00', labels: {alertname: Down, service: checkout, severity: critical}}
";

#[test]
fn a_policy_that_does_what_is_expected_passes() {
    let expect = "
    expect:
      policy: payments
      route: pages
      escalation: page
      severity: page
      priority: P1
      ticket: true
      suppressedBy: null
      pages: [{after: 0s, to: ada, channel: ops}, {after: 10m, channel: ops}]
      until: 30m
";
    assert_eq!(differences(&format!("{PAGE}{expect}")), [] as [String; 0]);
}

#[test]
fn every_field_that_differs_is_named_with_what_was_expected_and_what_it_is() {
    let expect = "
    expect:
      policy: null
      route: (root)
      escalation: null
      severity: ticket
      priority: P2
      ticket: false
      suppressedBy: deploy
      pages: [{after: 0s, to: bob, channel: ops}]
      until: 30m
";
    assert_eq!(
        differences(&format!("{PAGE}{expect}")),
        [
            "policy: expected none got payments",
            "route: expected (root) got pages",
            "escalation: expected none got page",
            "severity: expected ticket got page",
            "priority: expected P2 got P1",
            "ticket: expected false got true",
            "suppressedBy: expected deploy got none",
            "pages[0]: expected after 0s to bob through ops got after 0s to ada through ops",
            "pages[1]: expected none got after 10m into ops",
        ]
    );
}

#[test]
fn a_failed_case_explains_itself_and_knows_its_line() {
    let world = world(&format!("{PAGE}    expect: {{route: (root)}}\n"));
    let (outcomes, _) = run(&world, None);
    assert_eq!((outcomes[0].file.as_str(), outcomes[0].line), ("policy.test.yaml", 3));
    let told = outcomes[0].explanation.join("\n");
    for part in [
        "policy payments: is the default of the namespace",
        "route pages matches severity=\"page\": it owns the ticket",
        "0s: page to ada through ops: step 1 of escalation page, cycle 1",
    ] {
        assert!(told.contains(part), "{part}\nin\n{told}");
    }
}

#[rstest]
#[case::by_the_person("acknowledge: {at: '2026-11-23T03:05:00+01:00', by: ada}")]
#[case::as_an_event("events: [{at: '2026-11-23T03:05:00+01:00', by: ada, acknowledge: true}]")]
#[case::by_a_kubernetes_user("acknowledge: {at: '2026-11-23T03:05:00+01:00', by: 'oidc:ada@acme.example'}")]
fn an_acknowledgement_stops_the_pages(#[case] act: &str) {
    let expect = "expect: {pages: [{after: 0s, to: ada, channel: ops}]}";
    assert_eq!(differences(&format!("{PAGE}    {act}\n    {expect}\n")), [] as [String; 0]);
}

#[test]
fn an_alert_that_ends_pages_nobody_any_more_and_resolves_by_itself() {
    let fixture = "
tests:
  - name: a short trouble
    alert: {at: '2026-11-23T03:00:00+01:00', ends: '2026-11-23T03:02:00+01:00', labels: {severity: page, service: a}}
    expect: {pages: [{after: 0s, to: ada, channel: ops}]}
";
    assert_eq!(differences(fixture), [] as [String; 0]);
}

#[test]
fn a_silenced_alert_opens_its_ticket_when_the_silence_ends() {
    let fixture = "
tests:
  - name: silenced during the deployment
    alert: {at: '2026-11-23T03:00:00+01:00', labels: {severity: page, service: a}}
    silences:
      - {name: deploy, matchers: ['service=\"a\"'], startsAt: '2026-11-23T02:00:00+01:00', endsAt: '2026-11-23T04:00:00+01:00'}
    expect: {suppressedBy: silence deploy, pages: [{after: 1h, to: ada, channel: ops}], until: 65m}
";
    assert_eq!(differences(fixture), [] as [String; 0]);
}

#[rstest]
#[case::who("2026-11-23T08:59:59+01:00", "{person: ada, until: '2026-11-23T09:00:00+01:00'}")]
#[case::after_the_handover("2026-11-23T09:00:00+01:00", "{person: bob, until: '2026-11-30T09:00:00+01:00'}")]
#[case::before_the_schedule_begins("2026-11-01T09:00:00+01:00", "{person: null}")]
fn a_schedule_is_asked_at_an_instant(#[case] at: &str, #[case] expect: &str) {
    let fixture = format!("tests: [{{name: on call, oncall: {{schedule: primary, at: '{at}'}}, expect: {expect}}}]");
    assert_eq!(differences(&fixture), [] as [String; 0]);
}

#[rstest]
#[case::no_tests("cases: []", &["expected only `tests` in a fixture, found `cases`; known: tests", "expected `tests:` with a list of cases"])]
#[case::a_manifest("apiVersion: v1\ntests: []", &["a manifest is a file whose name does not end with .test.yaml"])]
#[case::no_name("tests: [{alert: {at: '2026-11-23T03:00:00Z', labels: {}}, expect: {route: x}}]", &["missing field `name`"])]
#[case::unknown_field("tests: [{name: a, alrt: {}, expect: {}}]", &["unknown field `alrt`", "did you mean `alert`?"])]
#[case::no_question("tests: [{name: a, expect: {route: x}}]", &["expected exactly one of `alert`, `ticket` and `oncall`"])]
#[case::nothing_expected("tests: [{name: a, oncall: {schedule: primary, at: '2026-11-23T03:00:00Z'}, expect: {}}]", &["such a case cannot fail"])]
#[case::wrong_expectation("tests: [{name: a, oncall: {schedule: primary, at: '2026-11-23T03:00:00Z'}, expect: {persn: ada}}]", &["tests[0].expect", "did you mean `person`?"])]
#[case::wrong_time("tests: [{name: a, oncall: {schedule: primary, at: monday}, expect: {person: ada}}]", &["tests[0].oncall.at"])]
#[case::wrong_duration("tests: [{name: a, alert: {at: '2026-11-23T03:00:00Z', labels: {a: b}}, expect: {pages: [{after: soon, channel: ops}]}}]", &["tests[0].expect.pages[0].after"])]
#[case::misplaced("tests: [{name: a, acknowledge: never, oncall: {schedule: primary, at: '2026-11-23T03:00:00Z'}, expect: {person: ada}}]", &["tests[0].acknowledge: belongs to a case with `alert`"])]
#[case::unknown_schedule("tests: [{name: a, oncall: {schedule: primry, at: '2026-11-23T03:00:00Z'}, expect: {person: ada}}]", &["did you mean `primary`?"])]
#[case::unknown_person("tests: [{name: a, acknowledge: {at: '2026-11-23T03:00:00Z', by: adda}, alert: {at: '2026-11-23T03:00:00Z', labels: {a: b}}, expect: {ticket: true}}]", &["tests[0].acknowledge.by: no person is called `adda`; did you mean `ada`?"])]
#[case::unknown_act("tests: [{name: a, events: [{at: '2026-11-23T03:00:00Z', acknwledge: true}], alert: {at: '2026-11-23T03:00:00Z', labels: {a: b}}, expect: {ticket: true}}]", &["tests[0].events[0].acknwledge"])]
#[case::twice("tests: [{name: a, oncall: {schedule: primary, at: '2026-11-23T03:00:00Z'}, expect: {person: ada}}, {name: a, oncall: {schedule: primary, at: '2026-11-23T03:00:00Z'}, expect: {person: ada}}]", &["tests[1].name: another case of this file is called so, in line 1"])]
fn a_wrong_fixture_is_answered_with_the_place_and_what_to_write(#[case] fixture: &str, #[case] expected: &[&str]) {
    let found = problems(fixture).join("\n");
    for part in expected {
        assert!(found.contains(part), "{part}\nin\n{found}");
    }
    assert!(found.contains("policy.test.yaml:"), "{found}");
}

#[test]
fn acmes_own_fixtures_pass() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/acme/production");
    let world = load::load(&[folder], "default", "2026-11-23T00:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(world.problems.iter().filter(|problem| problem.is_error()).collect::<Vec<_>>(), [] as [&FileError; 0]);
    let (outcomes, wrong) = run(&world, None);
    assert_eq!(wrong, []);
    assert!(outcomes.len() > 10, "{} cases were run", outcomes.len());
    assert_eq!(outcomes.iter().filter(|outcome| !outcome.passed).collect::<Vec<_>>(), [] as [&Outcome; 0]);
}

const PROMISES: &str = "
  calendars:
    - name: office
      timeZone: Europe/Berlin
      week: {monday: ['09:00-17:00'], tuesday: ['09:00-17:00'], wednesday: ['09:00-17:00'], thursday: ['09:00-17:00'], friday: ['09:00-17:00']}
  sla:
    - {priority: P3, calendar: office, firstResponse: 4h, resolution: 8h}
";

fn of_ticket(text: &str) -> (Vec<String>, Vec<String>) {
    let tree = Tree {
        files: vec![file("policy.yaml", &format!("{}{PROMISES}", POLICY.trim_end()))],
        fixtures: vec![file("policy.test.yaml", text)],
        ..Tree::default()
    };
    let world = load::compile(tree, Namespaces::Any { default: "default" }, "2026-11-23T00:00:00Z".parse().unwrap());
    let wrong = world.problems.iter().filter(|problem| problem.is_error());
    let (outcomes, of_running) = run(&world, None);
    let wrong: Vec<String> = wrong.chain(&of_running).map(ToString::to_string).collect();
    let differences = outcomes.iter().flat_map(|outcome| &outcome.differences);
    (differences.map(|d| format!("{}: expected {} got {}", d.field, d.expected, d.got)).collect(), wrong)
}

#[test]
fn a_ticket_is_compared_by_state_clocks_and_refusals() {
    let fixture = "
tests:
  - name: what differs is said in the zone of the policy
    ticket: {created: '2026-06-01T10:00:00+02:00', priority: P3}
    events:
      - {at: '2026-06-01T11:00:00+02:00', by: ada, state: {to: PendingRequester}}
      - {at: '2026-06-01T11:30:00+02:00', agentReply: true, refused: nonsense}
    expect:
      at: '2026-06-01T12:00:00+02:00'
      policy: null
      state: Closed
      due: {resolution: null, firstResponse: null}
      remaining: {resolution: 5h}
      results: {firstResponse: Missed}
      breachedAt: {resolution: '2026-06-01T11:00:00+02:00'}
";
    let (differences, wrong) = of_ticket(fixture);
    assert_eq!(wrong, [] as [String; 0]);
    let told = differences.join("\n");
    for part in [
        "policy: expected none got payments",
        "state: expected Closed got Open",
        "due.resolution: expected none got 2026-06-02T10:00:00+02:00",
        "remaining.resolution: expected 5h got 6h",
        "results.firstResponse: expected Missed got Met",
        "breachedAt.resolution: expected 2026-06-01T11:00:00+02:00 got none",
        // To ask the requester is the first response, so it comes with a reply.
        "events[0]: expected accepted got refused:",
        "events[1]: expected refused: nonsense got accepted",
    ] {
        assert!(told.contains(part), "{part}\nin\n{told}");
    }
    assert!(!told.contains("due.firstResponse"), "{told}");
}

#[rstest]
#[case::clock("expect: {due: {resolve: null}}", "tests[0].expect.due.resolve: no clock is called `resolve`")]
#[case::field(
    "ticket: {created: '2026-06-01T10:00:00+02:00', prioritty: P3}\n    expect: {state: New}",
    "did you mean `priority`?"
)]
#[case::policy(
    "ticket: {created: '2026-06-01T10:00:00+02:00', policy: paymnts}\n    expect: {state: New}",
    "did you mean `payments`?"
)]
fn a_wrong_ticket_is_answered_with_what_to_write(#[case] rest: &str, #[case] expected: &str) {
    let given = if rest.starts_with("ticket") { "" } else { "    ticket: {created: '2026-06-01T10:00:00+02:00'}\n" };
    let (_, wrong) = of_ticket(&format!("tests:\n  - name: a\n{given}    {rest}\n"));
    assert!(wrong.join("\n").contains(expected), "{expected}\nin\n{}", wrong.join("\n"));
}

#[test]
fn who_takes_over_is_paged_in_place_of_the_one_on_call_and_at_once_when_it_begins() {
    let fixture = "
tests:
  - name: bob has taken the night
    alert: {at: '2026-11-23T03:00:00+01:00', labels: {service: checkout, severity: critical}}
    overrides:
      - {schedule: primary, person: bob, replaces: ada, from: '2026-11-22T18:00:00+01:00', until: '2026-11-23T09:00:00+01:00'}
    expect: {pages: [{after: 0s, to: bob, channel: ops}], until: 5m}
  - name: bob takes over while nobody has answered
    alert: {at: '2026-11-23T03:00:00+01:00', labels: {service: checkout, severity: critical}}
    overrides:
      - {schedule: primary, person: bob, from: '2026-11-23T03:02:00+01:00', until: '2026-11-23T09:00:00+01:00'}
    expect: {pages: [{after: 0s, to: ada, channel: ops}, {after: 2m, to: bob, channel: ops}], until: 5m}
";
    assert_eq!(differences(fixture), [] as [String; 0]);
}

#[test]
fn an_override_of_nobody_is_a_mistake_of_the_fixture() {
    let fixture = format!(
        "{PAGE}    overrides: [{{schedule: primary, person: bop, from: '2026-11-22T18:00:00Z', until: '2026-11-23T09:00:00Z'}}]
    expect: {{ticket: true}}
"
    );
    let found = problems(&fixture);
    let words = "overrides[0].person: no person of policy payments is called `bop`; did you mean `bob`?";
    assert!(found.iter().any(|problem| problem.contains(words)), "{found:?}");
}

const MONITORS: &str = "
apiVersion: firstline.dev/v1alpha1
kind: ServiceMonitor
metadata: {name: database, namespace: payments}
spec: {service: database, severity: page, probe: {tcp: {address: 'db.example:5432'}}}
---
apiVersion: firstline.dev/v1alpha1
kind: ServiceMonitor
metadata: {name: checkout, namespace: payments}
spec: {service: checkout, severity: page, probe: {tcp: {address: 'shop.example:443'}}, dependsOn: [{monitor: database}]}
";

/// The same with monitors beside the policy.
fn differences_with_monitors(fixture: &str) -> Vec<String> {
    let tree = Tree {
        files: vec![file("policy.yaml", POLICY), file("monitors.yaml", MONITORS)],
        fixtures: vec![file("policy.test.yaml", fixture)],
        ..Tree::default()
    };
    let now = "2026-11-23T00:00:00Z".parse().unwrap();
    let (outcomes, wrong) = run(&load::compile(tree, Namespaces::Any { default: "default" }, now), None);
    let wrong = wrong.iter().map(ToString::to_string);
    let all = outcomes.into_iter().flat_map(|outcome| outcome.differences);
    wrong.chain(all.map(|d| format!("{}: expected {} got {}", d.field, d.expected, d.got))).collect()
}

const DOWN: &str =
    "alert: {at: '2026-11-23T03:00:00+01:00', labels: {service: checkout, monitor: checkout, severity: page}}";

#[test]
fn what_depends_on_a_monitor_that_is_down_opens_no_ticket_until_a_minute_after_its_end() {
    let fixture = format!(
        "
tests:
  - name: the database is down all the while
    {DOWN}
    down: [database]
    expect: {{ticket: false, suppressedBy: 'depends on database, which is down (ticket of database, page)', pages: []}}
  - name: the database is mended, checkout is not
    {DOWN}
    down: [{{monitor: database, until: '2026-11-23T03:10:00+01:00'}}]
    expect: {{ticket: true, pages: [{{after: 11m, to: ada, channel: ops}}], until: 15m}}
  - name: both are mended
    {}
    down: [{{monitor: database, until: '2026-11-23T03:10:00+01:00'}}]
    expect: {{ticket: false, pages: []}}
",
        DOWN.replace("at:", "ends: '2026-11-23T03:10:30+01:00', at:")
    );
    assert_eq!(differences_with_monitors(&fixture), [] as [String; 0]);
}

#[test]
fn a_cause_that_is_found_within_two_minutes_holds_the_chain_and_its_end_begins_it_anew() {
    let fixture = format!(
        "
tests:
  - name: found after a minute
    {DOWN}
    down: [{{monitor: database, from: '2026-11-23T03:01:00+01:00', until: '2026-11-23T03:20:00+01:00'}}]
    expect:
      suppressedBy: depends on database
      pages: [{{after: 0s, to: ada, channel: ops}}, {{after: 21m, to: ada, channel: ops}}, {{after: 31m, channel: ops}}]
      until: 40m
  - name: found too late
    {DOWN}
    down: [{{monitor: database, from: '2026-11-23T03:02:01+01:00'}}]
    expect: {{suppressedBy: null, pages: [{{after: 0s, to: ada, channel: ops}}, {{after: 10m, channel: ops}}], until: 30m}}
"
    );
    assert_eq!(differences_with_monitors(&fixture), [] as [String; 0]);
}

#[test]
fn a_monitor_that_is_not_there_cannot_be_down() {
    let fixture =
        format!("\ntests:\n  - name: a typing error\n    {DOWN}\n    down: [databse]\n    expect: {{ticket: true}}\n");
    let found = differences_with_monitors(&fixture);
    let words =
        "down[0]: no ServiceMonitor of namespace payments is called `databse` in these files; did you mean `database`?";
    assert!(found.iter().any(|problem| problem.contains(words)), "{found:?}");
}

#[test]
fn an_inhibition_that_begins_while_a_step_waits_holds_it_and_lets_it_go_a_minute_after_its_end() {
    let rule = "  inhibit: [{name: region, source: ['alertname=\"RegionDown\"'], target: ['service=\"checkout\"']}]\n";
    let fixture = "
tests:
  - name: the region goes down after the page
    alert: {at: '2026-11-23T03:00:00+01:00', labels: {alertname: Down, service: checkout, severity: page}}
    firing:
      - {labels: {alertname: RegionDown}, from: '2026-11-23T03:05:00+01:00', until: '2026-11-23T03:15:00+01:00'}
    expect:
      suppressedBy: inhibited by RegionDown
      pages: [{after: 0s, to: ada, channel: ops}, {after: 16m, channel: ops}]
      until: 30m
  - name: the region is down from the start
    alert: {at: '2026-11-23T03:00:00+01:00', labels: {alertname: Down, service: checkout, severity: page}}
    firing:
      - {labels: {alertname: RegionDown}, until: '2026-11-23T03:15:00+01:00'}
    expect: {ticket: true, pages: [{after: 16m, to: ada, channel: ops}], until: 20m}
  - name: another region is down all the while
    alert: {at: '2026-11-23T03:00:00+01:00', labels: {alertname: Down, service: checkout, severity: page}}
    firing: [{alertname: RegionDown}]
    expect: {ticket: false, pages: []}
";
    let tree = Tree {
        files: vec![file("policy.yaml", &format!("{POLICY}{rule}"))],
        fixtures: vec![file("policy.test.yaml", fixture)],
        ..Tree::default()
    };
    let now = "2026-11-23T00:00:00Z".parse().unwrap();
    let (outcomes, wrong) = run(&load::compile(tree, Namespaces::Any { default: "default" }, now), None);
    assert_eq!((outcomes.len(), wrong.len()), (3, 0), "{wrong:?}");
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn a_ticket_that_opens_when_its_silence_ends_is_a_ticket_within_the_time_that_is_looked_at() {
    let fixture = |ticket: bool, until: &str| {
        format!(
            "tests:\n- name: held for ten minutes\n  alert: {{at: 2026-11-23T03:00:00Z, labels: {{alertname: Down, service: checkout, severity: page}}}}\n  silences: [{{matchers: ['service=\"checkout\"'], startsAt: 2026-11-23T02:00:00Z, endsAt: 2026-11-23T03:10:00Z}}]\n  expect: {{ticket: {ticket}, until: {until}}}\n"
        )
    };
    assert_eq!(differences(&fixture(true, "1h")), [] as [String; 0]);
    assert_eq!(differences(&fixture(false, "5m")), [] as [String; 0]);
    assert_eq!(differences(&fixture(false, "1h")), ["ticket: expected false got true"]);
}

#[test]
fn an_act_on_an_alerts_ticket_that_is_refused_fails_the_case_unless_that_is_expected() {
    let fixture = |refused: &str| {
        format!(
            "tests:\n- name: given to a stranger\n  alert: {{at: 2026-11-23T03:00:00Z, labels: {{alertname: Down, service: checkout, severity: page}}}}\n  events: [{{at: 2026-11-23T03:01:00Z, {refused}assign: {{to: nobody}}}}]\n  expect: {{ticket: true}}\n"
        )
    };
    assert_eq!(differences(&fixture("refused: 'is called `nobody`', ")), [] as [String; 0]);
    let found = differences(&fixture(""));
    assert!(found.len() == 1 && found[0].starts_with("events[0]: expected accepted got refused: "), "{found:?}");
}

#[test]
fn times_that_cannot_be_meant_and_words_that_nobody_reads_are_errors() {
    let wrong = |more: &str, expect: &str| {
        let alert = "{at: 2026-11-23T03:00:00Z, labels: {alertname: Down, service: checkout, severity: page}}";
        let fixture = format!("tests:\n- name: one\n  alert: {alert}\n  {more}\n  expect: {expect}\n");
        world(&fixture).problems.iter().filter(|p| p.is_error()).map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let one = "{ticket: true}";
    assert!(
        wrong("acknowledge: {at: 2026-11-23T02:00:00Z, by: ada}", one)
            .contains("acknowledge.at: expected a time from `alert.at`")
    );
    assert!(wrong("acknowledge: {at: 2026-11-23T04:00:00Z, by: ada, untill: x}", one).contains("acknowledge"));
    assert!(wrong("firing: [{labels: {a: b}, form: 2026-11-23T04:00:00Z}]", one).contains("firing[0]"));
    let silence = "silences: [{matchers: [], startsAt: 2026-11-23T04:00:00Z, endsAt: 2026-11-23T03:00:00Z}]";
    let said = wrong(silence, one);
    assert!(
        said.contains("silences[0].endsAt: expected endsAt after startsAt")
            && said.contains("silences[0].matchers: expected at least one"),
        "{said}"
    );
    assert!(wrong("", "{until: 1m}").contains("such a case cannot fail"));
}

#[test]
fn what_is_promised_for_an_alert_is_compared_as_for_any_other_ticket() {
    let fixture = "
tests:
  - name: nobody mends it in time
    alert: {at: '2026-06-01T10:00:00+02:00', labels: {alertname: Slow, service: checkout, severity: ticket}}
    events: [{at: '2026-06-01T10:30:00+02:00', by: ada, assign: {to: ada}}]
    expect:
      breachedAt: {resolution: '2026-06-02T10:00:00+02:00'}
      warnings:
        - {at: '2026-06-01T14:00:00+02:00', about: resolution 50%, to: ada, channel: ops}
        - {at: '2026-06-01T16:00:00+02:00', about: resolution 75%, to: ada, channel: ops}
        - {at: '2026-06-02T09:12:00+02:00', about: resolution 90%, to: ada, channel: ops}
        - {at: '2026-06-02T10:00:00+02:00', about: resolution due, to: ada, channel: ops}
      until: 1d
  - name: it opens no ticket
    alert: {at: '2026-06-01T10:00:00+02:00', labels: {alertname: Slow, service: checkout, severity: info}}
    expect: {route: null, priority: null, breachedAt: {}, warnings: []}
";
    let (differences, wrong) = of_ticket(fixture);
    assert_eq!((differences, wrong), (Vec::new(), Vec::new()));
    let last = "        - {at: '2026-06-02T10:00:00+02:00', about: resolution due, to: ada, channel: ops}\n";
    let (differences, wrong) = of_ticket(&fixture.replace(last, "").replace("until: 1d", "until: 23h30m"));
    assert_eq!(wrong, [] as [String; 0]);
    assert_eq!(differences, ["breachedAt.resolution: expected 2026-06-02T10:00:00+02:00 got none"]);
    let (differences, _) = of_ticket(&fixture.replace(last, ""));
    let got = "resolution due to ada through ops at 2026-06-02T10:00:00+02:00";
    assert_eq!(differences, [format!("warnings[3]: expected none got {got}")]);
}
