//! A month of a busy team, in one test on simulated time.

use tests::rules::incidents::{Tally, Told, history::History, reckoning, team::Team};

#[test]
fn in_a_month_of_a_busy_team_everybody_is_told_in_time_and_nobody_twice() {
    let history = History::of(2026, 600);
    let tally = Tally::of(&Team::new(), &history);
    let counts = [tally.lost, tally.unwanted, tally.duplicates, tally.forgotten, tally.worst_lateness];
    assert_eq!(counts, [0; 5], "lost, unwanted, duplicates, forgotten, worst lateness of {tally:#?}");
    assert_eq!(tally.sent_by_name, tally.expected_by_name);
    for name in ["ada", "bob", "carol", "dave", "head", "chat", "ops"] {
        assert!(
            tally.sent_by_name.get(name).is_some_and(|count| *count > 20),
            "{name} is hardly ever told: {tally:#?}"
        );
    }
}

#[test]
fn the_night_of_the_clock_change_hands_over_at_nine_by_the_clock_on_the_wall() {
    let history = History { incidents: Vec::new(), overrides: Vec::new(), silences: Vec::new() };
    let sunday = 24 * 24 * 60;
    let at = |minute| reckoning::on_call(&history, "secondary", minute);
    // 09:00 in Berlin is 07:00Z on Saturday and 08:00Z on Sunday.
    assert_ne!(at(sunday - 24 * 60 + 7 * 60 - 1), at(sunday - 24 * 60 + 7 * 60));
    assert_eq!(at(sunday + 7 * 60), at(sunday - 1));
    assert_ne!(at(sunday + 8 * 60 - 1), at(sunday + 8 * 60));
}

#[test]
fn a_page_that_is_lost_late_or_unwanted_is_noticed() {
    // The yardstick itself: without this a comparison that compares nothing would look perfect.
    let told: Vec<Told> = vec![(0, 1, "ada", "chat"), (5, 1, "ada", "sms")];
    let judged = |sent: Vec<Told>| {
        let mut tally = Tally::default();
        tally.compare(told.clone(), sent);
        [tally.lost, tally.unwanted, tally.worst_lateness]
    };
    assert_eq!(judged(told.clone()), [0, 0, 0]);
    assert_eq!(judged(vec![told[0]]), [1, 0, 0]);
    assert_eq!(judged(vec![told[0], (7, 1, "ada", "sms")]), [0, 0, 2]);
    assert_eq!(judged(vec![told[0], told[1], (6, 1, "bob", "sms")]), [0, 1, 0]);
}
