//! What is found only by holding objects against each other, and against the time.

use rstest::rstest;

use super::*;

/// A policy whose primary is on call in office hours only, where nobody need be on call outside them.
const POLICY: &str = r#"apiVersion: firstline.dev/v1alpha1
kind: SupportPolicy
metadata: {name: NAME, namespace: payments}
spec:
  match: MATCH
  order: ORDER
  lastResort: [{channel: chat}]
  people: [{name: ada, users: ["oidc:ada"], notify: [{channel: chat}]}]
  channels: [{name: chat, webhook: {url: "https://chat.acme.example/hook"}}]
  calendars: [{name: office, timeZone: Europe/Berlin, week: {monday: ["09:00-17:00"], tuesday: ["09:00-17:00"]}}]
  schedules:
    - name: primary
      timeZone: Europe/Berlin
      coverage: office
      layers: [{name: week, people: [ada], start: "2026-11-02", handover: "09:00", every: 1w, during: office}]
  escalations: [{name: page, steps: STEPS}]
  routes:
    - {name: pages, match: ['severity="page"'], escalation: page}
    - {name: rest, notify: [{channel: chat}]}
"#;

fn policy(name: &str, matchers: &str, order: u32) -> String {
    let filled = POLICY.replace("NAME", name).replace("MATCH", matchers).replace("ORDER", &order.to_string());
    filled.replace("STEPS", "[{after: 0s, notify: [{person: ada}]}]")
}

/// All findings about these manifests on a Monday at noon, the file left out.
fn found(manifests: &[String]) -> Vec<String> {
    let file = |(number, text): (usize, &String)| SourceFile {
        path: format!("{number}.yaml"),
        bytes: text.clone().into_bytes(),
    };
    let tree = Tree { files: manifests.iter().enumerate().map(file).collect(), ..Tree::default() };
    let now: Timestamp = "2026-11-23T12:00:00+01:00".parse().unwrap();
    let world = compile(tree, Namespaces::Any { default: "default" }, now);
    world
        .problems
        .iter()
        .map(|problem| {
            problem.to_string().split_once("/payments").map_or_else(|| problem.to_string(), |(_, rest)| rest.to_owned())
        })
        .collect()
}

#[rstest]
#[case::both_without_matchers("[]", "[]", 100, true)]
#[case::an_alert_can_match_both(r#"['team="a"']"#, r#"['zone="eu"']"#, 100, true)]
#[case::another_order(r#"['team="a"']"#, r#"['zone="eu"']"#, 50, false)]
#[case::matchers_that_exclude_each_other(r#"['team="a"']"#, r#"['team="b"']"#, 100, false)]
#[case::one_is_the_default(r#"['team="a"']"#, "[]", 100, false)]
fn two_policies_of_which_only_the_name_decides_are_an_error(
    #[case] one: &str,
    #[case] other: &str,
    #[case] order: u32,
    #[case] ambiguous: bool,
) {
    let lines = found(&[policy("first", one, 100), policy("second", other, order)]);
    let said: Vec<&String> = lines.iter().filter(|line| line.contains("only the name decides")).collect();
    assert_eq!(said.len(), usize::from(ambiguous), "{lines:#?}");
    assert!(said.iter().all(|line| line.contains("spec.order: payments/first has the same order 100")), "{lines:#?}");
}

#[rstest]
#[case::only_those_who_are_on_call("[{after: 0s, notify: [{schedule: primary}]}]", true)]
#[case::twice_the_same(
    "[{after: 0s, notify: [{schedule: primary}]}, {after: 5m, notify: [{schedule: primary}]}]",
    true
)]
#[case::a_later_step_has_somebody(
    "[{after: 0s, notify: [{schedule: primary}]}, {after: 5m, notify: [{channel: chat}]}]",
    false
)]
#[case::beside_the_schedule_a_person("[{after: 0s, notify: [{schedule: primary}, {person: ada}]}]", false)]
fn an_escalation_that_finds_nobody_at_night_is_a_warning(#[case] steps: &str, #[case] warned: bool) {
    let lines =
        found(&[POLICY.replace("NAME", "one").replace("MATCH", "[]").replace("ORDER", "100").replace("STEPS", steps)]);
    let said: Vec<&String> = lines.iter().filter(|line| line.contains("no step of `page` finds anybody")).collect();
    assert_eq!(said.len(), usize::from(warned), "{lines:#?}");
    let night = "from 2026-11-23T17:00:00+01:00 to 2026-11-24T09:00:00+01:00";
    assert!(
        said.iter().all(|line| line.contains(night) && line.contains(" more times: only the last resort")),
        "{lines:#?}"
    );
}

#[test]
fn an_override_with_a_name_that_its_policy_does_not_know_is_an_error() {
    let given = |person: &str| {
        format!(
            "apiVersion: firstline.dev/v1alpha1\nkind: OnCallOverride\nmetadata: {{name: night, namespace: payments}}\nspec: {{policy: one, schedule: primary, person: {person}, from: \"2026-11-23T20:00:00Z\", until: \"2026-11-24T08:00:00Z\", reason: swap}}\n"
        )
    };
    let about = |person: &str| {
        let lines = found(&[policy("one", "[]", 100), given(person)]);
        lines.into_iter().filter(|line| line.contains("spec.person")).collect::<Vec<_>>()
    };
    assert_eq!(about("ada"), [] as [&str; 0]);
    let lines = about("adda");
    assert!(lines.len() == 1 && lines[0].ends_with("did you mean `ada`?"), "{lines:#?}");
}
