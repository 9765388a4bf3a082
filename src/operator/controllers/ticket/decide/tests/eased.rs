//! What woke somebody ends, and something that can wait still fires.

use super::*;

/// Down at second 0, and at second 60 only slow: the one alert takes the place of the other in one write.
fn down_and_then_slow() -> Desk {
    let mut desk = Desk::open("page");
    desk.look(1);
    desk.deliver(1);
    desk.alert("ticket", AlertState::Firing, 60);
    desk.alert("page", AlertState::Recovered, 60);
    let before = desk.writes;
    desk.look(60);
    assert_eq!(desk.writes, before + 1);
    desk
}

#[test]
fn nobody_is_woken_further_for_what_can_wait() {
    let mut desk = down_and_then_slow();
    desk.run(61, 3_600);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "update ada by chat: Accepted"], "neither her sms nor bob");
    assert_eq!(desk.status().state, Some(TicketState::New), "it stays open");
}

#[test]
fn it_is_over_when_that_ends_too() {
    let mut desk = down_and_then_slow();
    desk.run(61, 100);
    desk.alert("ticket", AlertState::Recovered, 120);
    desk.run(120, 600);
    assert_eq!(desk.status().state, Some(TicketState::Resolved));
    assert_eq!(desk.told().last().unwrap(), "resolved ada by chat: Accepted");
}

#[test]
fn the_chain_goes_on_when_it_is_down_again() {
    let mut desk = down_and_then_slow();
    desk.run(61, 100);
    desk.alert("page", AlertState::Firing, 120);
    desk.run(120, 3_600);
    let pages = desk.told().iter().filter(|told| told.starts_with("page ada by chat")).count();
    assert!(pages >= 2, "{:?}", desk.told());
    assert!(desk.told().iter().any(|told| told.starts_with("page bob")), "{:?}", desk.told());
}
