//! What holds whom.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;

use super::{
    dependency::{Standing, Standings, circle},
    *,
};
use crate::{
    alert::Severity,
    calendar::{Calendar, Hours, LocalInterval},
    labels::Labels,
    matcher::Matcher,
    policy::{Policy, example},
    routing,
    time::zone,
};

fn at(minutes: i64) -> Timestamp {
    "2026-11-23T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

fn labels(text: &str) -> Labels {
    text.split_whitespace().map(|pair| pair.split_once('=').unwrap()).map(|(k, v)| (k.into(), v.into())).collect()
}

fn matchers(text: &str) -> Vec<Matcher> {
    text.split_whitespace().map(|one| Matcher::parse(one).unwrap()).collect()
}

fn rule(source: &str, target: &str, equal: &[&str]) -> Inhibition {
    let equal = equal.iter().map(|name| (*name).to_owned()).collect();
    Inhibition { name: "region".into(), source: matchers(source), target: matchers(target), equal }
}

/// From 10:00 for so many minutes, for one service.
fn silence(name: &str, service: &str, minutes: i64) -> Silence {
    Silence {
        namespace: "payments".into(),
        name: name.into(),
        matchers: matchers(&format!("service={service}")),
        starts_at: at(0),
        ends_at: at(minutes),
        reason: "deploy".into(),
        author: "ada".into(),
    }
}

/// What is around a ticket of namespace payments.
struct Around {
    policy: Policy,
    silences: Vec<Silence>,
    firing: Vec<Labels>,
    monitors: Standings,
}

fn around() -> Around {
    let policy = example::policy();
    Around { policy, silences: Vec::new(), firing: Vec::new(), monitors: Standings::new() }
}

impl Around {
    fn with_rule(mut self, rule: Inhibition) -> Self {
        self.policy.inhibit.push(rule);
        self
    }

    fn firing(mut self, text: &str) -> Self {
        self.firing.push(labels(text));
        self
    }

    fn with_monitor(mut self, name: &str, depends_on: &[&str], down: bool, told: Option<Severity>) -> Self {
        let depends_on = depends_on.iter().map(|name| (*name).to_owned()).collect();
        let told = told.map(|severity| (format!("inc-{name}"), severity));
        self.monitors.insert(name.to_owned(), Standing { depends_on, down_since: down.then(|| at(0)), told });
        self
    }

    fn judge(&self, alerts: &[&str]) -> Judgement {
        let alerts: Vec<Labels> = alerts.iter().map(|text| labels(text)).collect();
        let surroundings = Surroundings {
            namespace: "payments",
            operator_namespace: "firstline-system",
            policy: Some(&self.policy),
            route: None,
            silences: &self.silences,
            firing: &self.firing.iter().collect::<Vec<_>>(),
            monitors: &self.monitors,
        };
        judge(alerts.iter().map(|labels| (labels, at(5))), &surroundings, at(5))
    }

    fn hold(&self, alert: &str) -> Option<(HoldKind, String)> {
        self.judge(&[alert]).hold.map(|hold| (hold.kind, hold.by))
    }
}

#[rstest]
#[case::the_same_region("alertname=Down region=eu severity=page", true)]
#[case::another_region("alertname=Down region=us severity=page", false)]
#[case::no_region("alertname=Down severity=page", false)]
#[case::not_a_target("alertname=Down region=eu severity=info", false)]
fn a_source_inhibits_the_targets_that_are_equal_to_it(#[case] target: &str, #[case] held: bool) {
    let around = around()
        .with_rule(rule("alertname=RegionDown", "severity=~page|ticket", &["region"]))
        .firing("alertname=RegionDown region=eu severity=page");
    assert_eq!(around.hold(target).is_some(), held);
}

#[test]
fn a_label_that_is_missing_on_both_is_equal_and_so_is_an_empty_one() {
    let around = around().with_rule(rule("a=1", "b=1", &["region"])).firing("a=1");
    assert!(around.hold("b=1").is_some());
    let mut empty = labels("b=1");
    empty.insert("region".into(), String::new());
    let source = sources(&around.policy.inhibit, &around.firing);
    assert!(source[0].inhibits(&empty));
}

#[test]
fn what_matches_both_sides_inhibits_neither_itself_nor_its_like_but_what_is_only_a_target() {
    let around = around().with_rule(rule("severity=page", "team=core", &[])).firing("severity=page team=core");
    assert_eq!(around.hold("severity=page team=core"), None);
    assert_eq!(around.hold("severity=page team=core pod=2"), None);
    assert!(around.hold("severity=ticket team=core").is_some());
}

#[test]
fn what_matches_both_sides_is_inhibited_by_what_is_only_a_source() {
    let around = around().with_rule(rule("severity=page", "team=core", &[])).firing("severity=page team=other");
    assert!(around.hold("severity=page team=core").is_some());
}

#[test]
fn severities_are_compared_in_the_policys_own_words() {
    let around = around()
        .with_rule(rule("severity=page", "severity=ticket", &["service"]))
        .firing("severity=critical service=db");
    let (kind, by) = around.hold("severity=warning service=db alertname=Slow").unwrap();
    assert_eq!(kind, HoldKind::Inhibition);
    assert_eq!(by, r#"inhibited by db (rule region, equal service="db")"#);
}

#[test]
fn a_ticket_is_held_only_when_every_alert_of_it_is() {
    let mut around = around().with_rule(rule("alertname=RegionDown", "service=b", &[])).firing("alertname=RegionDown");
    around.silences.push(silence("deploy", "a", 60));
    assert_eq!(around.judge(&["service=a", "service=c"]).hold, None);
    assert_eq!(around.judge(&["service=a"]).hold.unwrap().kind, HoldKind::Silence);
    assert_eq!(around.judge(&[]).hold, None, "a ticket on which nothing fires is held by nothing");
}

#[test]
fn where_only_some_alerts_are_held_by_what_settles_the_ticket_settles_too() {
    let mut around = around().with_rule(rule("alertname=RegionDown", "service=b", &[])).firing("alertname=RegionDown");
    around.silences.push(silence("deploy", "a", 60));
    let judgement = around.judge(&["service=a", "service=b"]);
    assert_eq!(judgement.hold.unwrap().kind, HoldKind::Inhibition);
    around.silences.push(silence("deploy-b", "b", 60));
    assert_eq!(around.judge(&["service=a", "service=b"]).hold.unwrap().kind, HoldKind::Silence);
}

#[test]
fn all_reasons_are_named_and_the_silence_that_ends_last_is_on_record() {
    let mut around = around().with_rule(rule("a=1", "service=x", &[])).firing("a=1 alertname=Cause");
    around.silences.extend([silence("short", "x", 10), silence("long", "x", 60), silence("over", "x", 2)]);
    let judgement = around.judge(&["alertname=Slow service=x"]);
    assert_eq!(
        judgement.reasons,
        [
            "Slow: x: silence long until 2026-11-23T11:00:00Z (deploy, by ada)",
            "Slow: x: silence short until 2026-11-23T10:10:00Z (deploy, by ada)",
            "Slow: x: inhibited by Cause (rule region)",
        ]
    );
    let hold = judgement.hold.unwrap();
    assert_eq!((hold.kind, hold.until), (HoldKind::Silence, Some(at(60))));
    assert_eq!(judgement.silence.as_deref(), Some("payments/long"));
    assert_eq!(around.judge(&["alertname=Fast"]).reasons, ["Fast: nothing holds it"]);
}

#[test]
fn what_is_down_for_something_that_pages_tells_nobody() {
    let around = around()
        .with_monitor("shop", &["cache", "database"], true, None)
        .with_monitor("cache", &[], false, None)
        .with_monitor("database", &[], true, Some(Severity::Page));
    let (kind, by) = around.hold("monitor=shop severity=page").unwrap();
    assert_eq!(kind, HoldKind::Dependency);
    assert_eq!(by, "depends on database, which is down (ticket inc-database, page)");
    assert_eq!(around.hold("monitor=database severity=page"), None);
}

#[rstest]
#[case::down_and_paged(true, Some(Severity::Page), true)]
#[case::up_again_although_its_ticket_is_open(false, Some(Severity::Page), false)]
#[case::down_but_nobody_is_told(true, None, false)]
#[case::down_but_only_a_ticket(true, Some(Severity::Ticket), false)]
fn a_parent_holds_only_while_it_is_down_and_somebody_is_told_at_least_as_loudly(
    #[case] down: bool,
    #[case] told: Option<Severity>,
    #[case] held: bool,
) {
    let around = around().with_monitor("shop", &["database"], true, None).with_monitor("database", &[], down, told);
    assert_eq!(around.hold("monitor=shop severity=page").is_some(), held);
}

#[rstest]
#[case::before(-60, true)]
#[case::within_two_minutes(2, true)]
#[case::later(3, false)]
fn what_goes_down_long_after_it_is_no_cause_of_it(#[case] minutes_later: i64, #[case] held: bool) {
    let mut around = around().with_monitor("shop", &["database"], true, None).with_monitor(
        "database",
        &[],
        true,
        Some(Severity::Page),
    );
    around.monitors.get_mut("database").unwrap().down_since = Some(at(5 + minutes_later));
    assert_eq!(around.hold("monitor=shop severity=page").is_some(), held);
}

#[test]
fn a_parent_that_is_held_itself_passes_its_cause_on_and_one_that_is_up_does_not() {
    let chain = |middle_down| {
        around()
            .with_monitor("shop", &["gateway"], true, None)
            .with_monitor("gateway", &["database"], middle_down, None)
            .with_monitor("database", &[], true, Some(Severity::Page))
    };
    assert!(chain(true).hold("monitor=shop severity=page").is_some());
    assert_eq!(chain(false).hold("monitor=shop severity=page"), None);
}

#[test]
fn monitors_in_a_circle_hold_nothing_for_ever() {
    let around = around().with_monitor("a", &["b"], true, None).with_monitor("b", &["a", "gone"], true, None);
    assert_eq!(around.hold("monitor=a severity=page"), None);
    let told = Some(Severity::Page);
    let around =
        super::tests::around().with_monitor("a", &["a", "b"], true, told).with_monitor("b", &["a"], true, None);
    assert_eq!(around.hold("monitor=a severity=page"), None, "nothing is held by its own ticket");
}

#[test]
fn a_circle_of_dependencies_is_named_by_its_shortest_way_back() {
    let above = |name: &str| -> &'static [String] {
        static GRAPH: std::sync::LazyLock<std::collections::BTreeMap<&str, Vec<String>>> =
            std::sync::LazyLock::new(|| {
                let all = [
                    ("a", vec!["x", "b"]),
                    ("b", vec!["c"]),
                    ("c", vec!["d", "a"]),
                    ("d", vec!["a"]),
                    ("e", vec!["a"]),
                ];
                all.map(|(name, above)| (name, above.into_iter().map(str::to_owned).collect())).into()
            });
        GRAPH.get(name).map_or(&[], Vec::as_slice)
    };
    assert_eq!(circle("a", above).as_deref(), Some("a → b → c → a"));
    assert_eq!(circle("e", above), None, "it leads into a circle and is not part of it");
}

/// Office hours of one Monday, 2026-11-23, in Berlin; asked on that day.
#[rstest]
#[case::muted_while_it_is_open(&["office"], &[], "10:00", Some(("mute calendar office of route rest", "2026-11-23T17:00:00+01:00")))]
#[case::not_before_it_opens(&["office"], &[], "08:59", None)]
#[case::not_from_its_end_on(&["office"], &[], "17:00", None)]
#[case::active_only_while_it_is_open(&[], &["office"], "10:00", None)]
#[case::outside_of_it(&[], &["office"], "08:00", Some(("outside active calendar office of route rest", "2026-11-23T09:00:00+01:00")))]
#[case::mute_counts_before_active(&["office"], &["office"], "10:00", Some(("mute calendar office of route rest", "2026-11-23T17:00:00+01:00")))]
#[case::one_open_of_several_is_enough(&[], &["office", "always"], "03:00", None)]
#[case::a_calendar_that_is_gone_says_nothing(&["gone"], &["gone"], "10:00", None)]
fn calendars_of_a_route_say_when_nobody_is_told(
    #[case] mute: &[&str],
    #[case] active: &[&str],
    #[case] time: &str,
    #[case] expected: Option<(&str, &str)>,
) {
    let mut hours = Hours {
        zone: zone("Europe/Berlin").unwrap(),
        week: std::array::from_fn(|_| Vec::new()),
        dates: BTreeMap::new(),
    };
    hours.week[0] = vec![LocalInterval::parse("09:00-17:00").unwrap()];
    let mut policy = example::policy();
    policy.calendars.insert("office".to_owned(), Calendar::new(hours));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (labels, severity) = routing::normalise(&policy, &Labels::new());
    let mut branch = routing::route(&policy, &labels, severity).branches.remove(0);
    (branch.route, branch.mute, branch.active) = ("rest".to_owned(), names(mute), names(active));
    let now: Timestamp = format!("2026-11-23T{time}:00+01:00").parse().unwrap();
    let held = muted(&policy, &branch, now);
    let expected = expected.map(|(by, until)| (by.to_owned(), Some(until.parse::<Timestamp>().unwrap())));
    assert_eq!(held.map(|hold| (hold.by, hold.until)), expected);
}
