//! What cannot be meant: names that do not exist, times that are never looked at. Each is an error with its place.

use rstest::rstest;

use super::{differences, of_ticket, problems, world};

fn of_alert(more: &str, expect: &str) -> String {
    let alert = "{at: 2026-11-23T03:00:00Z, labels: {alertname: Down, service: checkout, severity: page}}";
    problems(&format!("tests:\n- name: one\n  alert: {alert}\n  {more}\n  expect: {expect}\n")).join("; ")
}

fn ticket_case(more: &str, expect: &str) -> String {
    let ticket = "{created: '2026-06-01T10:00:00+02:00', priority: P3}";
    of_ticket(&format!("tests:\n- name: one\n  ticket: {ticket}\n  {more}\n  expect: {expect}\n")).1.join("; ")
}

#[rstest]
#[case::policy(
    "{policy: paymnts}",
    "expect.policy: no policy that serves payments is called `paymnts`; did you mean `payments`?"
)]
#[case::route("{route: pagse}", "expect.route: no route of policy payments is called `pagse`; did you mean `pages`?")]
#[case::escalation(
    "{escalation: pgae}",
    "expect.escalation: no escalation of policy payments is called `pgae`; did you mean `page`?"
)]
#[case::severity(
    "{severity: critical}",
    "expect.severity: no severity is called `critical`; known: info, page, ticket"
)]
#[case::priority("{priority: p1}", "expect.priority: no priority is called `p1`; did you mean `P1`?")]
#[case::person(
    "{pages: [{after: 0s, to: adda, channel: ops}]}",
    "expect.pages[0].to: no person of policy payments is called `adda`; did you mean `ada`?"
)]
#[case::channel(
    "{pages: [{after: 0s, channel: osp}]}",
    "expect.pages[0].channel: no channel of policy payments is called `osp`; did you mean `ops`?"
)]
#[case::clock(
    "{breachedAt: {resolve: null}}",
    "expect.breachedAt.resolve: no clock is called `resolve`; known: firstResponse"
)]
#[case::of_a_policy_that_does_not_exist(
    "{policy: x, route: pagse}",
    "expect.route: no route of policy payments is called `pagse`"
)]
fn a_name_that_does_not_exist_is_no_difference_of_an_alert_but_an_error(#[case] expect: &str, #[case] said: &str) {
    let found = of_alert("", expect);
    assert!(found.contains(said) && found.contains("policy.test.yaml:5:"), "{said}\nin\n{found}");
}

#[rstest]
#[case::silence(
    "silence deplyo",
    "expect.suppressedBy: no silence of this case is called `deplyo`; did you mean `deploy`?"
)]
#[case::monitor("depends on databse", "expect.suppressedBy: no monitor that is down in this case is called `databse`")]
#[case::calendar(
    "mute calendar freese",
    "expect.suppressedBy: no calendar of the policy is called `freese`; known: always"
)]
fn what_is_expected_to_hold_an_alert_is_there(#[case] expected: &str, #[case] said: &str) {
    let silence = "silences: [{name: deploy, matchers: ['a=\"b\"'], startsAt: 2026-11-01T00:00:00Z, endsAt: 2026-11-02T00:00:00Z}]";
    let found = of_alert(silence, &format!("{{suppressedBy: {expected}}}"));
    assert!(found.contains(said), "{said}\nin\n{found}");
    assert_eq!(of_alert(silence, "{suppressedBy: silence dep}"), "", "a part of the name is a part of the reason");
}

#[rstest]
#[case::state("{state: Pending}", "expect.state: no state is called `Pending`; known: ")]
#[case::reason("{reason: complete}", "expect.reason: no reason is called `complete`; did you mean `Completed`?")]
#[case::priority("{priority: P6}", "expect.priority: no priority is called `P6`; did you mean `P1`?")]
#[case::assignee(
    "{assignee: bop}",
    "expect.assignee: no person of policy payments is called `bop`; did you mean `bob`?"
)]
#[case::result(
    "{results: {resolution: Breached}}",
    "expect.results.resolution: no result is called `Breached`; known: Cancelled, Met"
)]
#[case::channel(
    "{warnings: [{at: '2026-06-01T10:00:00+02:00', about: resolution due, channel: osp}]}",
    "expect.warnings[0].channel: no channel of policy payments is called `osp`"
)]
#[case::clock(
    "{warnings: [{at: '2026-06-01T10:00:00+02:00', about: resoluton due, channel: ops}]}",
    "expect.warnings[0].about: no clock is called `resoluton`; did you mean `resolution`?"
)]
#[case::level(
    "{warnings: [{at: '2026-06-01T10:00:00+02:00', about: resolution 80%, channel: ops}]}",
    "expect.warnings[0].about: policy payments tells nobody of a level `80%`; "
)]
#[case::no_level(
    "{warnings: [{at: '2026-06-01T10:00:00+02:00', about: resolution, channel: ops}]}",
    "expect.warnings[0].about: expected a clock and a level, such as `resolution 75%` or `resolution due`, found `resolution`"
)]
fn a_name_that_does_not_exist_is_no_difference_of_a_ticket_but_an_error(#[case] expect: &str, #[case] said: &str) {
    let found = ticket_case("", expect);
    assert!(found.contains(said), "{said}\nin\n{found}");
}

#[test]
fn a_ticket_is_put_on_a_queue_and_given_to_a_person_that_the_policy_has() {
    let given = "{created: '2026-06-01T10:00:00+02:00', queue: desk, assignee: adda}";
    let found = of_ticket(&format!("tests:\n- name: one\n  ticket: {given}\n  expect: {{state: New}}\n")).1.join("; ");
    assert!(found.contains("ticket.assignee: no person of policy payments is called `adda`"), "{found}");
    assert!(found.contains("ticket.queue: no queue of policy payments is called `desk`"), "{found}");
}

#[rstest]
#[case::no_offset("2026-11-23T12:00:00")]
#[case::no_time("2026-11-23")]
#[case::a_word("yesterday")]
fn a_text_that_is_no_instant_is_told_what_one_looks_like(#[case] at: &str) {
    let alert = format!("{{at: '{at}', labels: {{alertname: Down, severity: page}}}}");
    let found = problems(&format!("tests:\n- name: one\n  alert: {alert}\n  expect: {{pages: []}}\n")).join("; ");
    assert!(found.contains("alert.at: expected an instant with its offset, such as "), "{found}");
}

#[test]
fn all_names_that_do_not_exist_are_said_at_once() {
    let found = ticket_case("", "{state: Opne, priority: P9, assignee: bop}");
    assert_eq!(found.matches("is called").count(), 3, "{found}");
}

#[test]
fn whoever_is_expected_on_call_is_a_person_of_the_policy() {
    let fixture = "tests: [{name: a, oncall: {schedule: primary, at: '2026-11-23T03:00:00Z'}, expect: {person: adda}}]";
    let found = problems(fixture).join("; ");
    let said = "tests[0].expect.person: no person of policy payments is called `adda`; did you mean `ada`?";
    assert!(found.contains(said), "{found}");
}

#[test]
fn a_namespace_that_no_policy_serves_is_an_error_unless_that_is_what_is_shown() {
    let fixture = |expect: &str| {
        format!(
            "tests: [{{name: a, namespace: paymets, alert: {{at: '2026-11-23T03:00:00Z', labels: {{a: b}}}}, expect: {expect}}}]"
        )
    };
    let found = problems(&fixture("{ticket: true}")).join("; ");
    let said =
        "tests[0].namespace: no SupportPolicy of these files serves a namespace `paymets`; did you mean `payments`?";
    assert!(found.contains(said), "{found}");
    assert_eq!(differences(&fixture("{policy: null}")), [] as [String; 0]);
}

#[rstest]
#[case::acknowledged_before(
    "acknowledge: {at: 2026-11-23T02:00:00Z, by: ada}",
    "{ticket: true}",
    "acknowledge.at: expected a time from `alert.at`, 2026-11-23T03:00:00Z, on, found 2026-11-23T02:00:00Z"
)]
#[case::acknowledged_after(
    "acknowledge: {at: 2026-11-23T05:00:00Z, by: ada}",
    "{ticket: true, until: 1h}",
    "acknowledge.at: expected a time up to 2026-11-23T04:00:00Z, when it is looked at, found 2026-11-23T05:00:00Z; leave it out, or write a later `expect.until`"
)]
#[case::an_act_after(
    "events: [{at: 2026-11-24T03:00:01Z, acknowledge: true}]",
    "{ticket: true}",
    "events[0].at: expected a time up to 2026-11-24T03:00:00Z"
)]
#[case::a_page_after(
    "",
    "{pages: [{after: 2h, channel: ops}], until: 1h}",
    "expect.pages[0].after: expected at most `expect.until`, 1h, found 2h"
)]
#[case::a_long_silence(
    "silences: [{matchers: ['a=\"b\"'], startsAt: 2026-11-01T00:00:00Z, endsAt: 2026-12-02T00:00:00Z}]",
    "{ticket: true}",
    "silences[0].endsAt: expected at most 30 days between startsAt and endsAt"
)]
#[case::a_silence_of_everything(
    "silences: [{matchers: ['a=~\".*\"'], startsAt: 2026-11-01T00:00:00Z, endsAt: 2026-11-02T00:00:00Z}]",
    "{ticket: true}",
    "silences[0].matchers: expected at least one matcher that does not match an absent label"
)]
#[case::a_long_override(
    "overrides: [{schedule: primary, person: bob, from: 2026-11-01T00:00:00Z, until: 2027-12-01T00:00:00Z}]",
    "{ticket: true}",
    "overrides[0].until: expected at most 366 days between from and until"
)]
#[case::an_override_that_ends_before_it_begins(
    "overrides: [{schedule: primary, person: bob, from: 2026-11-02T00:00:00Z, until: 2026-11-01T00:00:00Z}]",
    "{ticket: true}",
    "overrides[0].until: expected until after from"
)]
fn a_time_of_an_alert_that_cannot_be_meant_is_an_error(#[case] more: &str, #[case] expect: &str, #[case] said: &str) {
    let found = of_alert(more, expect);
    assert!(found.contains(said), "{said}\nin\n{found}");
}

#[rstest]
#[case::looked_at_too_early(
    "",
    "{at: 2026-06-01T07:00:00Z, state: New}",
    "expect.at: expected a time from `ticket.created`, 2026-06-01T08:00:00Z, on, found 2026-06-01T07:00:00Z"
)]
#[case::an_act_before(
    "events: [{at: 2026-06-01T07:00:00Z, agentReply: true}]",
    "{state: New}",
    "events[0].at: expected a time from `ticket.created`, 2026-06-01T08:00:00Z, on"
)]
#[case::an_act_after(
    "events: [{at: 2026-06-01T12:00:00Z, agentReply: true}]",
    "{at: 2026-06-01T11:00:00Z, state: New}",
    "events[0].at: expected a time up to 2026-06-01T11:00:00Z, when it is looked at, found 2026-06-01T12:00:00Z; leave it out, or write a later `expect.at`"
)]
#[case::a_warning_after(
    "",
    "{at: 2026-06-01T11:00:00Z, warnings: [{at: 2026-06-01T12:00:00Z, about: resolution due, channel: ops}]}",
    "expect.warnings[0].at: expected a time up to 2026-06-01T11:00:00Z"
)]
fn a_time_of_a_ticket_that_cannot_be_meant_is_an_error(#[case] more: &str, #[case] expect: &str, #[case] said: &str) {
    let found = ticket_case(more, expect);
    assert!(found.contains(said), "{said}\nin\n{found}");
}

#[test]
fn who_asks_for_some_cases_hears_nothing_of_the_others() {
    let fixture = "
tests:
  - name: the good one
    oncall: {schedule: primary, at: '2026-11-23T03:00:00Z'}
    expect: {person: ada}
  - name: one that cannot be read
    oncall: {schedule: primary, at: monday}
    expect: {person: ada}
  - name: one with an unknown name
    oncall: {schedule: primary, at: '2026-11-23T03:00:00Z'}
    expect: {person: adda}
";
    let world = world(fixture);
    let wrong = |only: &str| {
        let (outcomes, of_running) = super::run(&world, Some(only));
        let read = world.problems.iter().filter(|error| error.is_error() && super::concerns(error, only)).count();
        (outcomes.len(), read, of_running.len())
    };
    assert_eq!(wrong("the good one"), (1, 0, 0));
    assert_eq!(wrong("cannot be read"), (0, 1, 0));
    assert_eq!(wrong("unknown name"), (0, 0, 1));
    assert_eq!(wrong("one"), (1, 1, 1));
}
