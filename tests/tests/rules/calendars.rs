//! Calendars and clocks against working time counted minute by minute.

use tests::rules::{calendars, clocks};

#[test]
fn working_time_is_what_counting_every_minute_gives() {
    let (asked, wrong) = calendars::compare(1, 20_000);
    assert!(asked >= 20_000);
    assert!(wrong.is_empty(), "{} of {asked} differ, first: {}", wrong.len(), wrong[0]);
}

#[test]
fn clocks_show_what_living_through_every_minute_gives() {
    let (lived, wrong) = clocks::compare(2, 1_000);
    assert!(lived >= 1_000);
    assert!(wrong.is_empty(), "{} of {lived} differ, first: {}", wrong.len(), wrong[0]);
}
