//! Tickets that are well, and tickets that are not.

use rstest::rstest;

use super::*;

fn now() -> Timestamp {
    "2026-11-23T03:00:00Z".parse().unwrap()
}

/// So many seconds from now.
fn at(second: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_secs(second)
}

fn within(seconds: u64) -> Standing {
    Standing::In(Duration::from_secs(seconds))
}

fn ticket(look: Standing, deadline: Deadline, intents: &[Intent]) -> Case {
    Case { ticket: Key::new("payments", "inc-a"), look, deadline, intents: intents.to_vec(), untold: None }
}

/// A page that is due since so many seconds and on its way.
fn page(since: i64, tried: bool) -> Intent {
    Intent { is_page: true, due: at(-since), way: Way::Going, tried }
}

/// One that is nowhere.
fn lost(since: i64) -> Intent {
    Intent { way: Way::Lost, ..page(since, false) }
}

fn examined(case: Case) -> Findings {
    examine(&[case], &[], Lags::default(), now())
}

fn broken(case: Case) -> Vec<(&'static str, String)> {
    examined(case).broken.into_iter().map(|((_, which), words)| (which.as_str(), words)).collect()
}

#[rstest]
#[case::nobody_waits(Standing::Never, Deadline::Nothing)]
#[case::looked_at_in_time(within(300), Deadline::At(at(300)))]
#[case::looked_at_before(within(0), Deadline::At(at(300)))]
#[case::no_wait_is_longer_than_ten_minutes(within(600), Deadline::At(at(3_600)))]
#[case::a_failed_look_comes_again_after_its_back_off(within(30), Deadline::At(at(-20)))]
#[case::held_by_what_ends_some_day(within(600), Deadline::Held)]
#[case::being_looked_at(Standing::Running, Deadline::Missing)]
fn these_are_well(#[case] look: Standing, #[case] deadline: Deadline) {
    assert_eq!(broken(ticket(look, deadline, &[])), []);
}

#[rstest]
#[case::nothing_says_when(within(600), Deadline::Missing, "nothing says when it goes on")]
#[case::forgotten(Standing::Never, Deadline::At(at(300)), "no look at it is planned")]
#[case::held_and_forgotten(Standing::Never, Deadline::Held, "no look at it is planned")]
#[case::looked_at_too_late(within(600), Deadline::At(at(300)), "looked at 300s after that")]
#[case::the_clock_was_set_forward(within(290), Deadline::At(at(-3_310)), "has not happened, and it is looked at in 290s")]
fn these_nobody_would_be_told_of_in_time(#[case] look: Standing, #[case] deadline: Deadline, #[case] words: &str) {
    let found = broken(ticket(look, deadline, &[]));
    assert!(found.len() == 1 && found[0].0 == "deadlines" && found[0].1.contains(words), "{found:?}");
}

#[test]
fn a_message_on_its_way_is_well_and_one_that_is_nowhere_is_not() {
    let intents = [page(5, true), page(5, false)];
    assert_eq!(broken(ticket(within(9), Deadline::At(at(9)), &intents)), []);
    let found = broken(ticket(within(9), Deadline::At(at(9)), &[page(5, true), lost(5)]));
    assert_eq!(found, [("intents", "1 planned message(s) are due and on their way to nobody".to_owned())]);
}

#[test]
fn lateness_is_that_of_the_most_overdue_deadline_and_of_the_queue() {
    let late = |deadline| examined(ticket(within(0), deadline, &[])).overdue.as_secs();
    assert_eq!((late(Deadline::At(at(-7))), late(Deadline::At(at(7))), late(Deadline::Held)), (7, 0, 0));
    assert_eq!(
        examine(&[], &[], Lags { looks: Duration::from_secs(9), ..Lags::default() }, now()).overdue.as_secs(),
        9
    );
}

#[test]
fn a_page_waits_for_its_first_attempt_only() {
    let untried = |intents: &[Intent]| examined(ticket(within(9), Deadline::At(at(9)), intents)).untried.as_secs();
    assert_eq!(untried(&[page(90, true), page(40, false)]), 40);
    assert_eq!(untried(&[lost(70)]), 70);
    assert_eq!(untried(&[Intent { tried: true, ..lost(70) }]), 0, "the last leader has tried it");
    assert_eq!(untried(&[Intent { is_page: false, ..page(90, false) }]), 0, "updates may wait");
}

#[rstest]
#[case(0, 4, 60, 60, None)]
#[case(1, 0, 0, 0, Some("1 invariant(s) do not hold; the log says which"))]
#[case(0, 5, 0, 0, Some("a deadline is overdue by 5s"))]
#[case(0, 0, 61, 0, Some("a page waits for its first attempt, or an alert for its ticket, since 1m1s"))]
#[case(0, 0, 0, 61, Some("a monitor waits for its look since 1m1s"))]
fn a_sign_of_life_goes_out_only_when_all_is_well(
    #[case] violations: usize,
    #[case] overdue: u64,
    #[case] untried: u64,
    #[case] probes: u64,
    #[case] expected: Option<&str>,
) {
    let [looks, untried, probes] = [overdue, untried, probes].map(Duration::from_secs);
    let found = Findings { untried, ..examine(&[], &[], Lags { looks, probes }, now()) };
    assert_eq!(found.withheld(violations).map(|why| why.to_string()).as_deref(), expected);
}

#[test]
fn what_heals_by_the_next_check_is_no_violation() {
    let ill = examined(ticket(Standing::Never, Deadline::At(at(300)), &[]));
    let well = Findings::default();
    let mut suspects = Suspects::default();
    let mut take = |found| {
        let news = suspects.take(found);
        (suspects.violations(Invariant::Deadlines), news.broken.len(), news.healed.len())
    };
    assert_eq!(take(&ill), (0, 0, 0));
    assert_eq!(take(&well), (0, 0, 0));
    assert_eq!(take(&ill), (0, 0, 0));
    assert_eq!(take(&ill), (1, 1, 0));
    assert_eq!(take(&ill), (1, 0, 0), "said once");
    assert_eq!(take(&well), (0, 0, 1));
    assert_eq!(suspects.violations(Invariant::Intents), 0);
}

#[test]
fn a_lease_that_is_lost_for_a_moment_forgets_no_violation_and_confirms_none() {
    let ill = examined(ticket(Standing::Never, Deadline::At(at(300)), &[]));
    let mut suspects = Suspects::default();
    suspects.take(&ill);
    suspects.pause();
    assert_eq!(suspects.take(&ill), News::default(), "it had no chance to heal in between");
    assert_eq!(suspects.violations(Invariant::Deadlines), 0);
    assert_eq!(suspects.take(&ill).broken.len(), 1);
    suspects.pause();
    assert_eq!(suspects.take(&ill), News::default(), "it is the same violation");
    assert_eq!(suspects.violations(Invariant::Deadlines), 1);
    suspects.pause();
    assert_eq!(suspects.take(&Findings::default()).healed.len(), 1);
}

#[test]
fn a_new_leader_says_that_all_is_well_when_a_violation_that_it_has_come_upon_would_be_known() {
    let of = |look| examined(ticket(look, Deadline::Missing, &[]));
    let mut suspects = Suspects::default();
    let mut known = |look| {
        suspects.take(&of(look));
        (suspects.are_known(), suspects.violations(Invariant::Deadlines))
    };
    let seen = [Standing::Running, within(600), within(600)].map(&mut known);
    assert_eq!(seen, [(false, 0), (false, 0), (true, 1)]);
    suspects.pause();
    assert!(!suspects.are_known());
}

#[test]
fn a_look_that_hangs_or_waits_for_its_turn_hides_nothing_that_was_found_before() {
    let seen_at = |look| examined(ticket(look, Deadline::At(at(300)), &[lost(20)]));
    let mut suspects = Suspects::default();
    let mut confirmed = |look| {
        suspects.take(&seen_at(look));
        suspects.violations(Invariant::Intents)
    };
    let seen =
        [Standing::Running, within(9), Standing::Running, within(0), within(9), Standing::Running].map(&mut confirmed);
    assert_eq!(seen, [0, 0, 0, 0, 1, 1]);
    assert_eq!(seen_at(Standing::Running).untried.as_secs(), 20, "and the page is not tried for all that");
}

#[test]
fn an_alert_that_fires_without_a_ticket_for_a_minute_is_found() {
    let failing = crate::failing::Failing::default();
    let alert = domain::alert::Alert {
        namespace: "payments".into(),
        labels: [("alertname".to_owned(), "MonitorDown".to_owned())].into(),
        annotations: domain::labels::Labels::new(),
        state: domain::alert::AlertState::Firing,
        starts_at: now(),
        at: now(),
    };
    failing.failed(&alert, at(0));
    failing.failed(&alert, at(60));
    let found = |second| examine(&[], &failing.all(at(second)), Lags::default(), at(second));
    assert_eq!((found(59).broken.len(), found(59).untried.as_secs()), (0, 59));
    let (of, words) = found(61).broken.into_iter().next().unwrap();
    assert_eq!((of.0.to_string().as_str(), of.1), ("payments/MonitorDown", Invariant::Alerts));
    assert!(words.starts_with("it fires, and no ticket of it could be written since 2026-11-23T03:00:00Z"), "{words}");
}

#[rstest]
#[case::tried_for_a_while(300, true, false)]
#[case::tried_for_long(301, true, true)]
#[case::given_up_just_now(60, false, false)]
#[case::given_up(61, false, true)]
fn a_ticket_that_pages_and_reaches_nobody_is_found(#[case] since: i64, #[case] hopes: bool, #[case] expected: bool) {
    let untold = Some(Untold { since: at(-since), hopes });
    let found = broken(Case { untold, ..ticket(within(9), Deadline::At(at(9)), &[]) });
    assert_eq!(found.iter().any(|(which, _)| *which == "told"), expected, "{found:?}");
}
