//! Which route decides; random trees are compared with a plain recursion.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::routing::timing::Timing;

/// Pages and below them the database's; everything else to chat; an audit trail of all.
fn acme() -> Policy {
    with_routes([
        goes_on(told("audit", bare("audit", ""))),
        escalated("page", bare("pages", "severity=page")),
        under("pages", escalated("db", bare("db", "service=database"))),
        under("db", told("chat", bare("db-eu", "zone=~eu-.*"))),
        told("chat", bare("rest", "severity=ticket")),
        told("mail", bare("late", "")),
    ])
}

#[rstest]
#[case::first_match_wins("severity=ticket", "audit")]
#[case::also_with_continue("severity=page service=web", "audit")]
fn the_first_route_that_matches_owns_the_ticket_even_with_continue(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(decide(&acme(), text).name, expected);
}

#[rstest]
#[case::the_parent_where_no_child_matches("severity=page service=web", "pages")]
#[case::the_child("severity=page service=database", "db")]
#[case::the_childs_child("severity=page service=database zone=eu-1", "db-eu")]
#[case::the_next_sibling("severity=ticket service=database", "rest")]
#[case::the_last("severity=info", "late")]
fn the_deepest_first_match_decides(#[case] text: &str, #[case] expected: &str) {
    let mut policy = acme();
    policy.routes = policy.routes.iter().skip(1).cloned().collect();
    assert_eq!(decide(&policy, text).name, expected);
}

#[test]
fn routes_reached_by_continue_only_add_those_they_notify_each_once() {
    let policy = with_routes([
        goes_on(escalated("page", told("chat", bare("first", "")))),
        goes_on(escalated("db", told("chat", bare("second", "")))),
        goes_on(told("audit", bare("third", "team=no"))),
        told("mail", Route { priority: Some("P5".into()), ..bare("fourth", "") }),
        told("never", bare("fifth", "")),
    ]);
    let decision = decide(&policy, "severity=page");
    assert_eq!(decision.name, "first");
    assert_eq!(decision.escalation.as_deref(), Some("page"));
    assert_eq!(decision.notify, [channel("chat"), channel("mail")]);
    assert_eq!(decision.priority, "P1");
}

#[test]
fn continue_on_a_child_goes_on_to_its_siblings_only() {
    let policy = with_routes([
        bare("parent", ""),
        under("parent", goes_on(told("one", bare("a", "")))),
        under("parent", told("two", bare("b", ""))),
        told("three", bare("outside", "")),
    ]);
    assert_eq!(decide(&policy, "").notify, [channel("one"), channel("two")]);
}

#[test]
fn a_child_inherits_what_it_does_not_set() {
    let parent = Route {
        group_by: Some(vec!["cluster".into()]),
        group_wait: Some(Duration::from_secs(7)),
        priority: Some("P2".into()),
        resolve_after: Some(Duration::from_secs(8)),
        refire_within: Some(Duration::from_secs(9)),
        ..escalated("page", bare("parent", ""))
    };
    let child = Route { priority: Some("P5".into()), ..under("parent", bare("child", "")) };
    let decision = decide(&with_routes([parent, child]), "severity=ticket");
    assert_eq!((decision.name.as_str(), decision.is_root), ("child", false));
    assert_eq!(decision.group_by, ["cluster"]);
    assert_eq!(decision.escalation.as_deref(), Some("page"));
    assert_eq!(decision.priority, "P5");
    let spans = [decision.group_wait(), decision.resolve_after, decision.refire_within];
    assert_eq!(spans, [7, 8, 9].map(Duration::from_secs));
}

#[test]
fn a_child_that_names_nobody_tells_those_its_parent_tells() {
    let policy = with_routes([
        told("chat", bare("parent", "")),
        under("parent", bare("quiet", "a=1")),
        under("parent", escalated("page", bare("own", "a=2"))),
        under("parent", told("mail", bare("other", "a=3"))),
    ]);
    assert_eq!(decide(&policy, "a=1").notify, [channel("chat")]);
    assert_eq!(decide(&policy, "a=2").notify, []);
    assert_eq!(decide(&policy, "a=3").notify, [channel("mail")]);
}

#[rstest]
#[case("severity=page", "P1", Duration::ZERO)]
#[case("severity=ticket", "P3", GROUP_WAIT)]
#[case("severity=info", "P4", GROUP_WAIT)]
fn without_a_matching_route_the_root_decides(#[case] text: &str, #[case] priority: &str, #[case] wait: Duration) {
    let decision = decide(&with_routes([told("chat", bare("db", "service=database"))]), text);
    assert_eq!((decision.name.as_str(), decision.is_root, decision.escalation.as_deref()), (ROOT, true, None));
    assert_eq!((decision.priority.as_str(), decision.group_wait()), (priority, wait));
    assert_eq!((decision.resolve_after, decision.refire_within), (RESOLVE_AFTER, REFIRE_WITHIN));
    let last_resort = [channel("ops")];
    let expected: &[NotifyTarget] = if priority == "P1" { &last_resort } else { &[] };
    assert_eq!(decision.notify, expected);
}

#[test]
fn a_page_on_a_route_that_tells_nobody_goes_to_the_last_resort() {
    let policy =
        with_routes([goes_on(bare("silent", "")), goes_on(bare("also-silent", "")), told("chat", bare("more", ""))]);
    assert_eq!(decide(&policy, "severity=page").notify, [channel("ops"), channel("chat")]);
    assert_eq!(decide(&policy, "severity=ticket").notify, [channel("chat")]);
}

#[test]
fn a_page_never_waits_for_its_group() {
    let policy = with_routes([Route { group_wait: Some(Duration::from_secs(60)), ..bare("all", "") }]);
    assert_eq!(decide(&policy, "severity=page").group_wait(), Duration::ZERO);
    assert_eq!(decide(&policy, "severity=ticket").group_wait(), Duration::from_secs(60));
}

#[test]
fn the_reasons_follow_the_walk() {
    let mut policy = acme();
    let mut routes = policy.routes.to_vec();
    routes.rotate_left(1);
    routes[0].continues = true;
    policy.routes = Tree::new(routes);
    let (labels, severity) = normalise(&policy, &labels("severity=critical service=database"));
    assert_eq!(
        route(&policy, &labels, severity).reasons(&policy, &labels),
        [
            r#"route pages matches severity="page", and so does a route under it"#,
            r#"route db-eu skipped: zone=~"eu-.*" does not hold, zone is not set"#,
            r#"route db matches service="database": it owns the ticket"#,
            r#"route rest skipped: severity="ticket" does not hold, severity is "page""#,
            "route late matches everything, reached by `continue`: it adds its `notify`",
        ]
    );
}

prop_compose! {
    /// Up to eight routes; parents by place, possibly none, itself or later.
    fn any_routes()(raw in prop::collection::vec((0usize..10, 0usize..4, any::<bool>()), 0..8)) -> Vec<Route> {
        let matching = ["", "a=1", "b=~1|2", "a!=1"];
        let route = |(index, (parent, matcher, continues)): (usize, (usize, usize, bool))| Route {
            under: (parent < 7).then(|| format!("r{parent}")),
            continues,
            ..told(&format!("c{index}"), bare(&format!("r{index}"), matching[matcher]))
        };
        raw.into_iter().enumerate().map(route).collect()
    }
}

/// Alertmanager's `Route.Match`, word for word, on names.
fn plain_match(routes: &[Route], route: &Route, labels: &Labels) -> Vec<String> {
    if !route.matchers.iter().all(|matcher| matcher.matches(labels)) {
        return Vec::new();
    }
    let found = plain_children(routes, Some(&route.name), labels);
    if found.is_empty() { vec![route.name.clone()] } else { found }
}

fn plain_children(routes: &[Route], parent: Option<&str>, labels: &Labels) -> Vec<String> {
    let mut all = Vec::new();
    for child in routes.iter().filter(|route| route.under.as_deref() == parent) {
        let found = plain_match(routes, child, labels);
        let matched = !found.is_empty();
        all.extend(found);
        if matched && !child.continues {
            break;
        }
    }
    all
}

proptest! {
    #[test]
    fn a_sound_tree_is_walked_as_alertmanager_walks_it(mut routes in any_routes(), a in 0..3, b in 0..3) {
        while let Some(problem) = check_tree(&routes).first() {
            let index: usize = problem.path["routes[".len()..].split(']').next().unwrap().parse().unwrap();
            routes[index].under = None;
        }
        let policy = with_routes(routes.clone());
        let labels = labels(&format!("a={a} b={b}"));
        let decision = route(&policy, &labels, Severity::Ticket);
        let expected = plain_children(&routes, None, &labels);
        prop_assert_eq!(decision.is_root, expected.is_empty());
        prop_assert_eq!(decision.name.as_str(), expected.first().map_or(ROOT, String::as_str));
        let notified: Vec<_> = expected.iter().map(|name| channel(&name.replace('r', "c"))).collect();
        prop_assert_eq!(decision.notify, notified);
    }

    #[test]
    fn routing_answers_for_every_list_of_routes_and_always_the_same(routes in any_routes(), a in 0..3) {
        let policy = with_routes(routes);
        let labels = labels(&format!("a={a}"));
        let decision = route(&policy, &labels, Severity::Page);
        prop_assert_eq!(&decision, &route(&policy, &labels, Severity::Page));
        prop_assert!(!decision.notify.is_empty());
        prop_assert!(!decision.reasons(&policy, &labels).is_empty());
    }
}

#[test]
fn each_route_that_notifies_does_so_in_its_own_rhythm() {
    let seconds = |count| Some(Duration::from_secs(count));
    let policy = with_routes([
        goes_on(Route { group_wait: seconds(1), group_interval: seconds(2), ..told("chat", bare("first", "")) }),
        Route { repeat_interval: seconds(3), active: vec!["office".into()], ..told("mail", bare("parent", "")) },
        under("parent", Route { group_interval: seconds(4), mute: vec!["freeze".into()], ..bare("second", "a=1") }),
    ]);
    let decision = decide(&policy, "severity=ticket a=1");
    let rhythm = |branch: &Branch| {
        let Timing { group_wait, group_interval, repeat_interval } = branch.timing;
        let seconds = [Some(group_wait), Some(group_interval), repeat_interval].map(|span| span.map(|s| s.as_secs()));
        (branch.route.clone(), branch.notify.clone(), seconds)
    };
    let branches: Vec<_> = decision.branches.iter().map(rhythm).collect();
    let expected = [
        ("first".to_owned(), vec![channel("chat")], [Some(1), Some(2), None]),
        ("second".to_owned(), vec![channel("mail")], [Some(30), Some(4), Some(3)]),
    ];
    assert_eq!(branches, expected);
    assert_eq!(decision.branches[1].mute, ["freeze"]);
    assert!(decision.branches[1].active.is_empty(), "calendars hold for their own route alone, as in Alertmanager");
}

#[test]
fn a_route_with_an_escalation_has_no_use_for_the_interval_in_which_its_parent_repeats() {
    let parent = Route { repeat_interval: Some(Duration::from_secs(60)), ..told("chat", bare("parent", "")) };
    let policy = with_routes([parent, under("parent", escalated("page", bare("child", "a=1")))]);
    assert_eq!(decide(&policy, "a=1").branches[0].timing.repeat_interval, None);
    assert_eq!(decide(&policy, "a=2").branches[0].timing.repeat_interval, Some(Duration::from_secs(60)));
}

#[rstest]
#[case("severity=info", false)]
#[case("severity=info noisy=1", true)]
#[case("severity=info noisy=1 quiet=1", false)]
#[case("severity=ticket quiet=1", true)]
fn info_makes_a_ticket_only_where_its_route_says_so(#[case] text: &str, #[case] expected: bool) {
    let policy = with_routes([
        Route { ticket: Some(true), ..bare("noisy", "noisy=1") },
        under("noisy", Route { ticket: Some(false), ..bare("quiet", "quiet=1") }),
    ]);
    assert_eq!(decide(&policy, text).opens_ticket, expected);
}

#[test]
fn an_empty_list_of_labels_groups_as_the_parent_does() {
    let grouped = Route { group_by: Some(vec!["cluster".into()]), ..bare("parent", "") };
    let policy = with_routes([grouped, under("parent", Route { group_by: Some(Vec::new()), ..bare("child", "") })]);
    assert_eq!(decide(&policy, "").group_by, ["cluster"]);
}
