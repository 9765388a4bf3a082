//! Routes that contradict themselves or each other, or that nothing reaches; and alerts of which nobody is told.
//!
//! What each finding says, word for word, stands in the samples; here is when it is said and when it is not.

use super::*;

/// What is said of these routes, without the escalation's own lines.
fn said(routes: Value) -> Vec<String> {
    said_of("/spec/routes", routes)
}

fn says(routes: Value, part: &str) -> bool {
    said(routes).iter().any(|line| line.contains(part))
}

/// A route for everything, so that nothing is said of tickets that nobody hears of.
fn rest() -> Value {
    json!({"name": "rest", "notify": [{"channel": "chat"}]})
}

fn route(name: &str, matchers: &[&str]) -> Value {
    json!({"name": name, "match": matchers, "escalation": "page"})
}

fn under(parent: &str, mut route: Value) -> Value {
    route["under"] = json!(parent);
    route
}

fn with(mut route: Value, field: &str, value: Value) -> Value {
    route[field] = value;
    route
}

const PAGE: &str = "severity=\"page\"";
const TICKET: &str = "severity=\"ticket\"";
const INFO: &str = "severity=\"info\"";
const DB: &str = "service=\"db\"";

#[test]
fn a_contradiction_is_said_once_and_not_again_of_the_routes_under_it() {
    let routes = json!([
        route("pages", &[PAGE]),
        under("pages", route("tickets", &[TICKET])),
        under("tickets", route("db", &[DB])),
        under("tickets", route("infos", &[INFO])),
        rest(),
    ]);
    assert_eq!(
        said(routes),
        [
            "spec.routes[1].match[0]: severity=\"ticket\" cannot hold together with severity=\"page\" of `pages`, under which \
             `tickets` stands: nothing ever gets here; put `tickets` beside `pages`, or leave one of them out"
        ]
    );
}

#[test]
fn a_contradiction_with_a_route_far_above_names_that_one() {
    let routes = json!([
        route("pages", &[PAGE]),
        under("pages", route("db", &[DB])),
        under("db", route("tickets", &[TICKET])),
        rest(),
    ]);
    assert!(says(routes, "of `pages`, under which `tickets` stands"));
}

#[test]
fn with_a_matcher_that_cannot_be_read_nothing_is_said_of_the_tree() {
    let routes = json!([route("pages", &["severity"]), under("pages", route("tickets", &[TICKET, PAGE])), rest()]);
    let lines = said(routes);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].starts_with("spec.routes[0].match[0]: expected `=`"), "{lines:#?}");
    assert!(lines[1].starts_with("spec.routes[1].match[1]: severity=\"ticket\" and severity=\"page\""), "{lines:#?}");
}

#[rstest]
#[case::those_before_take_one_severity_each(json!([route("a", &[PAGE]), route("b", &[TICKET]), route("c", &[INFO]), rest()]), true)]
#[case::one_severity_is_left(json!([route("a", &[PAGE]), route("b", &[TICKET]), rest()]), false)]
#[case::the_one_that_is_left_is_not_meant(json!([route("a", &[PAGE]), route("b", &[TICKET]), route("c", &["severity!=\"info\""]), rest()]), true)]
#[case::one_of_them_continues(json!([route("a", &[PAGE]), with(route("b", &[TICKET]), "continue", json!(true)), route("c", &[INFO]), rest()]), false)]
#[case::under_a_parent_that_asks_for_it(json!([route("a", &[PAGE]), under("a", route("b", &[PAGE])), under("a", route("c", &[DB])), rest()]), true)]
#[case::all_severities_by_an_expression(json!([route("a", &["severity=~\"page|ticket|info\""]), rest()]), true)]
#[case::alternatives(json!([route("a", &["service=~\"db|cache\""]), route("b", &[DB]), rest()]), true)]
fn a_route_is_never_reached_when_those_before_it_take_all_that_it_could(#[case] routes: Value, #[case] never: bool) {
    assert_eq!(says(routes.clone(), "never reached"), never, "{:#?}", said(routes));
}

#[rstest]
#[case::a_last_route_without_matchers(json!([route("a", &[PAGE]), rest()]), None)]
#[case::a_route_for_all_tickets(json!([route("a", &[PAGE]), route("b", &[TICKET])]), None)]
#[case::a_route_for_what_the_policy_takes(json!([route("a", &["team=\"payments\""])]), None)]
#[case::no_routes_at_all(json!([]), None)]
#[case::only_pages(json!([route("a", &[PAGE])]), Some("spec.routes: no route takes an alert of severity ticket"))]
#[case::some_tickets(json!([route("a", &[PAGE]), route("b", &[TICKET, DB])]), Some("spec.routes: an alert of severity ticket that matches none"))]
#[case::a_mistake_is_said_alone(json!([route("a", &["severity=\"critical\""])]), None)]
fn a_ticket_of_which_nobody_is_told_is_a_warning(#[case] routes: Value, #[case] expected: Option<&str>) {
    let lines = said(routes);
    let found = lines.iter().find(|line| line.contains("of which nobody is told"));
    assert_eq!(found.is_some(), expected.is_some(), "{lines:#?}");
    assert!(found.zip(expected).is_none_or(|(found, part)| found.starts_with(part)), "{lines:#?}");
}

#[rstest]
#[case::nobody_named(json!([{"name": "a", "match": [PAGE]}, rest()]), Some("only the last resort is told"))]
#[case::a_channel(json!([{"name": "a", "match": [PAGE], "notify": [{"channel": "chat"}]}, rest()]), Some("`chat` is told, and nobody else when nobody reacts"))]
#[case::by_an_expression(json!([{"name": "a", "match": ["severity=~\"page|ticket\""], "notify": [{"channel": "chat"}, {"person": "bob"}]}, rest()]), Some("`chat` and `bob`"))]
#[case::an_escalation(json!([route("a", &[PAGE]), rest()]), None)]
#[case::an_inherited_escalation(json!([route("a", &[DB]), under("a", json!({"name": "b", "match": [PAGE]})), rest()]), None)]
#[case::not_for_pages(json!([{"name": "a", "match": [TICKET]}, rest()]), None)]
#[case::not_made_for_pages(json!([rest()]), None)]
#[case::another_owns_them(json!([with(route("a", &[PAGE]), "continue", json!(true)), {"name": "b", "match": [PAGE], "notify": [{"channel": "chat"}]}, rest()]), None)]
#[case::its_children_own_them(json!([{"name": "a", "match": [PAGE]}, under("a", route("b", &[])), rest()]), None)]
fn a_route_made_for_pages_that_starts_no_escalation_is_a_warning(
    #[case] routes: Value,
    #[case] expected: Option<&str>,
) {
    let lines = said(routes);
    let found: Vec<&String> = lines.iter().filter(|line| line.contains("starts no escalation")).collect();
    assert_eq!(found.len(), usize::from(expected.is_some()), "{lines:#?}");
    assert!(expected.is_none_or(|part| found[0].contains(part)), "{lines:#?}");
}

#[test]
fn a_page_that_starts_no_escalation_is_not_said_again_of_the_routes_under_it() {
    let routes = json!([{"name": "a", "match": [PAGE]}, under("a", json!({"name": "b", "match": [DB]})), rest()]);
    assert_eq!(said(routes).iter().filter(|line| line.contains("starts no escalation")).count(), 1);
}

#[rstest]
#[case::alone(json!([with(rest(), "continue", json!(true))]), true)]
#[case::the_last_under_its_parent(json!([route("a", &[DB]), under("a", with(route("b", &[PAGE]), "continue", json!(true))), rest()]), true)]
#[case::another_follows(json!([with(route("a", &[DB]), "continue", json!(true)), rest()]), false)]
#[case::written_last_under_another(json!([with(route("a", &[DB]), "continue", json!(true)), rest(), under("rest", route("b", &[DB]))]), false)]
fn continuing_where_nothing_follows_is_a_warning(#[case] routes: Value, #[case] in_vain: bool) {
    assert_eq!(says(routes.clone(), "none to go on to"), in_vain, "{:#?}", said(routes));
}

#[rstest]
#[case::the_other_way_round("1h", "5m", true)]
#[case::as_long("5m", "5m", false)]
#[case::shorter("5m", "4h", false)]
fn news_later_than_repetitions_are_a_warning(#[case] interval: &str, #[case] repeat: &str, #[case] odd: bool) {
    let own = with(with(rest(), "groupInterval", json!(interval)), "repeatInterval", json!(repeat));
    assert_eq!(says(json!([own]), "spec.routes[0].groupInterval: "), odd);
    let parent = with(rest(), "groupInterval", json!(interval));
    let child = json!({"name": "child", "under": "rest", "match": [DB], "repeatInterval": repeat});
    assert_eq!(says(json!([parent, child]), "spec.routes[1].repeatInterval: "), odd);
}

#[test]
fn a_route_under_one_that_is_written_later_is_an_error_since_nothing_would_reach_it() {
    let lines = said(json!([under("pages", route("db", &[DB])), route("pages", &[PAGE]), rest()]));
    assert_eq!(
        lines,
        [
            "spec.routes[0].under: expected a route written before this one, and `pages` comes after it; move `db` below `pages`"
        ]
    );
}

#[test]
fn a_route_behind_one_that_takes_everything_is_never_reached() {
    let mut value = right();
    value["spec"]["routes"] = json!([{"name": "all", "escalation": "page"}, {"name": "late", "match": ["a=\"b\""]}]);
    let valid = validate(&serde_json::from_value(value).unwrap()).unwrap();
    assert_eq!(
        valid.warnings[0].to_string(),
        "spec.routes[1]: never reached: `all` stands before it, matches everything and does not continue; move `late` above `all`, or give that one `continue: true`"
    );
}

#[rstest]
#[case::label(
    "severty=\"page\"",
    &["spec.routes[0].match[0]: no alert of ours has a label `severty`; did you mean `severity`?"]
)]
#[case::own_label("team=\"payments\"", &[])]
fn a_label_that_is_nearly_one_of_ours_is_a_warning(#[case] matcher: &str, #[case] expected: &[&str]) {
    let mut said = said_of("/spec/routes/0/match", json!([matcher]));
    said.retain(|line| line.contains("match["));
    assert_eq!(said, expected);
}

#[rstest]
#[case::the_same_matchers(json!(["team=\"a\""]), json!(["team=\"a\""]), true)]
#[case::more_matchers(json!(["team=\"a\""]), json!(["zone=\"b\"", "team=\"a\""]), true)]
#[case::an_expression_that_takes_the_value(json!(["team=~\"a|b\""]), json!(["team=\"a\""]), true)]
#[case::fewer_matchers(json!(["team=\"a\"", "zone=\"b\""]), json!(["team=\"a\""]), false)]
#[case::another_value(json!(["team=\"a\""]), json!(["team=\"b\""]), false)]
fn a_route_behind_one_that_takes_all_it_could_is_never_reached(
    #[case] first: Value,
    #[case] second: Value,
    #[case] never: bool,
) {
    let routes = json!([{"name": "first", "match": first, "escalation": "page"}, {"name": "second", "match": second}]);
    let said = said_of("/spec/routes", routes);
    let wanted = "spec.routes[1]: never reached: `first` stands before it, matches all that it could match and does not continue; move `second` above `first`, or give that one `continue: true`";
    assert_eq!(said.iter().any(|line| line == wanted), never, "{said:#?}");
}
