//! Which alerts share a ticket.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case("service=checkout alertname=X", r#"service="checkout""#)]
#[case("alertname=X zone=a", r#"pages:{alertname="X",zone="a"}"#)]
#[case("alertname=X", r#"pages:{alertname="X"}"#)]
fn alerts_share_a_ticket_by_correlate_and_else_by_the_route(#[case] text: &str, #[case] expected: &str) {
    let grouped = Route { group_by: Some(vec!["zone".into(), "alertname".into()]), ..bare("pages", "") };
    let policy = with_routes([grouped]);
    assert_eq!(group_key(&policy, &decide(&policy, text), &labels(text)), expected);
}

#[test]
fn the_root_groups_by_alertname_and_service_and_three_dots_by_everything() {
    let by = |group_by: Option<Vec<String>>, correlate: &[&str]| {
        let correlate = correlate.iter().map(|name| (*name).to_owned()).collect();
        let routes = group_by.map(|group_by| Route { group_by: Some(group_by), ..bare("all", "") });
        let policy = Policy { correlate, ..with_routes(routes) };
        let alert = labels("alertname=X service=s pod=p");
        group_key(&policy, &decide(&policy, "alertname=X service=s pod=p"), &alert)
    };
    assert_eq!(by(None, &["cluster"]), r#"(root):{alertname="X",service="s"}"#);
    assert_eq!(by(Some(vec!["...".into()]), &[]), r#"all:{alertname="X",pod="p",service="s"}"#);
    assert_eq!(by(None, &["service", "alertname"]), by(None, &["alertname", "service"]));
}

proptest! {
    #[test]
    fn different_values_never_share_a_group(
        one in prop::collection::btree_map("[a-c,\"=]{1,2}", "[xy\",={}\\\\\n:]{0,4}", 0..4),
        other in prop::collection::btree_map("[a-c,\"=]{1,2}", "[xy\",={}\\\\\n:]{0,4}", 0..4),
        names in ("[rs:{\"]{1,3}", "[rs:{\"]{1,3}"),
        correlate in prop::collection::vec("[a-c,\"=]{1,2}", 0..2),
    ) {
        let key = |name: &str, labels: &Labels| {
            let routes = [Route { group_by: Some(vec!["...".into()]), ..bare(name, "") }];
            let policy = Policy { correlate: correlate.clone(), ..with_routes(routes) };
            let decision = route(&policy, labels, Severity::Ticket);
            // What the key stands for: the correlated values, else the route and all that is set.
            let wanted: Vec<_> = correlate.iter().map(|l| labels.get(l).cloned().unwrap_or_default()).collect();
            let set: Vec<_> = labels.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.clone(), v.clone())).collect();
            let complete = !wanted.is_empty() && wanted.iter().all(|v| !v.is_empty());
            let meaning = if complete { (wanted, None) } else { (Vec::new(), Some((name.to_owned(), set))) };
            (meaning, group_key(&policy, &decision, labels))
        };
        let (meaning, text) = key(&names.0, &one);
        let (other_meaning, other_text) = key(&names.1, &other);
        prop_assert_eq!(meaning == other_meaning, text == other_text);
    }
}
