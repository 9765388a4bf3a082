//! Which policy decides.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case::a_matching_one_before_the_default("team=db", "payments/db")]
#[case::the_default_where_none_matches("team=other", "payments/default")]
#[case::the_lower_order_of_two_that_match("team=db env=prod", "payments/prod")]
#[case::own_ones_before_shared_ones("team=core", "payments/default")]
fn the_nearest_policy_decides(#[case] text: &str, #[case] expected: &str) {
    let policies = [
        policy("payments/default", 0, ""),
        policy("payments/db", 100, "team=db"),
        policy("payments/prod", 50, "env=prod"),
        shared(policy("core/core", 0, "team=core")),
        policy("shop/db", 0, "team=db"),
    ];
    let choice = choose_policy(&policies, "payments", &labels(text)).unwrap();
    assert_eq!(format!("{}/{}", choice.policy.namespace, choice.policy.name), expected);
    assert!(!choice.ambiguous);
}

#[test]
fn a_namespace_without_policies_gets_a_shared_one_that_matches_before_a_shared_default() {
    let policies = [
        shared(policy("core/all", 0, "")),
        shared(policy("core/db", 500, "team=db")),
        Policy { share_with: ShareWith::Namespaces(vec!["payments".into()]), ..policy("core/pay", 0, "team=db") },
    ];
    let name = |text: &str| choose_policy(&policies, "shop", &labels(text)).unwrap().policy.name.clone();
    assert_eq!((name("team=db"), name("team=x")), ("db".into(), "all".into()));
    assert!(choose_policy(&policies[2..], "shop", &labels("team=db")).is_none());
}

#[test]
fn of_equal_order_the_lower_name_wins_and_it_is_said() {
    let policies = [policy("payments/b", 7, "team=db"), policy("payments/a", 7, "team=~d.")];
    let choice = choose_policy(&policies, "payments", &labels("team=db")).unwrap();
    assert_eq!(choice.policy.name, "a");
    assert!(choice.ambiguous);
    assert_eq!(
        choice.reasons,
        [
            r#"policy a: matches team=~"d.""#,
            "policy b skipped: it has the same order 7 as a, which comes first by name"
        ]
    );
}

#[test]
fn equal_order_among_policies_that_do_not_both_match_is_not_ambiguous() {
    let policies =
        [policy("payments/a", 7, "team=db"), policy("payments/b", 7, "team=web"), policy("payments/c", 7, "")];
    assert!(!choose_policy(&policies, "payments", &labels("team=db")).unwrap().ambiguous);
}

#[test]
fn the_reasons_name_every_policy_that_serves_the_namespace() {
    let policies = [
        shared(policy("core/all", 0, "")),
        policy("payments/default", 0, ""),
        policy("payments/late", 200, "team=db"),
        policy("payments/web", 0, "team=web env=prod"),
        policy("payments/db", 100, r#"team="db" severity="page""#),
        policy("shop/db", 0, ""),
    ];
    let choice = choose_policy(&policies, "payments", &labels("team=db severity=critical")).unwrap();
    assert_eq!(
        choice.reasons,
        [
            r#"policy db: matches team="db", severity="page""#,
            "policy late skipped: db has the lower order 100",
            "policy default skipped: it is only a default, and db matches",
            "policy all (shared from core) skipped: db is the namespace's own",
            r#"policy web skipped: team="web" does not hold, team is "db""#,
        ]
    );
}

#[rstest]
#[case("severity=critical", Severity::Page)]
#[case("severity=warning", Severity::Ticket)]
#[case("severity=none", Severity::Info)]
#[case("severity=frightful", Severity::Ticket)]
#[case("service=x", Severity::Ticket)]
fn the_senders_word_becomes_ours_in_the_labels(#[case] text: &str, #[case] expected: Severity) {
    let (labels, severity) = normalise(&example::policy(), &labels(text));
    assert_eq!((severity, labels["severity"].as_str()), (expected, expected.as_str()));
}

proptest! {
    #[test]
    fn the_order_in_which_policies_arrive_does_not_show(
        raw in prop::collection::vec((0u32..3, 0usize..3, any::<bool>()), 0..6).prop_shuffle(),
        swap in any::<prop::sample::Index>(),
    ) {
        let make = |(index, (order, matcher, is_shared)): (usize, &(u32, usize, bool))| {
            let namespace = if *is_shared { "core" } else { "payments" };
            shared(policy(&format!("{namespace}/p{index}"), *order, ["", "team=a", "team=b"][*matcher]))
        };
        let policies: Vec<Policy> = raw.iter().enumerate().map(make).collect();
        let mut others: Vec<&Policy> = policies.iter().collect();
        if !others.is_empty() {
            let middle = swap.index(others.len());
            others.rotate_left(middle);
        }
        let answer = |choice: Option<PolicyChoice<'_>>| choice.map(|c| (c.policy.name.clone(), c.ambiguous, c.reasons));
        let labels = labels("team=a");
        let one = answer(choose_policy(&policies, "payments", &labels));
        prop_assert_eq!(one, answer(choose_policy(others, "payments", &labels)));
    }
}
