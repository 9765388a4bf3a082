//! What both come to, and what nobody comes to twice.

mod model;

use std::collections::HashSet;

use rstest::rstest;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The lead that was cut off at second 1000.
fn lead() -> Lead {
    Lead { holder: "a".to_owned(), acquired: at(100), renewed: at(1000) }
}

fn opening(epoch: i64, began: i64) -> Opening<'static> {
    Opening { namespace: "payments", name: "inc-a", epoch, began: at(began), at: at(began + 3) }
}

#[rstest]
#[case::by_clocks_that_are_far_apart(879, false)]
#[case::by_clocks_that_are_a_little_apart(990, true)]
#[case::two_minutes(1119, true)]
#[case::more(1120, false)]
fn a_successor_leaves_the_lead_before_it_to_the_next_one_for_two_minutes(#[case] now: i64, #[case] is: bool) {
    assert_eq!(is_recent(&lead(), at(now)), is);
}

fn nothing(_: Uuid) -> bool {
    false
}

fn by_the_island(began: i64) -> Option<Uuid> {
    identity(&opening(7, began), &Opener::Island(lead()), nothing)
}

fn by_its_successor(began: i64) -> Option<Uuid> {
    identity(&opening(8, began), &Opener::Successor(lead()), nothing)
}

#[rstest]
#[case::it_began_before_the_outage_and_had_no_ticket_yet(970, 1005)]
#[case::the_outage_brought_it_and_one_looks_half_a_minute_later(1005, 1030)]
#[case::an_hour_later_both_find_it_with_the_same_look(4605, 4605)]
#[case::a_moment_apart(4605, 4606)]
fn both_sides_give_the_ticket_of_a_trouble_the_same_identity(#[case] island: i64, #[case] successor: i64) {
    assert!(by_the_island(island).is_some());
    assert_eq!(by_the_island(island), by_its_successor(successor));
}

#[rstest]
#[case::one_saw_something_minutes_before_the_other(1010, 1130)]
#[case::a_minute_apart(4605, 4665)]
fn what_begins_at_another_time_is_another_trouble(#[case] island: i64, #[case] successor: i64) {
    assert_ne!(by_the_island(island), by_its_successor(successor));
}

#[test]
fn every_part_makes_another_identity() {
    let ids = [
        (opening(8, 1005), lead()),
        (Opening { namespace: "shop", ..opening(8, 1005) }, lead()),
        (Opening { name: "inc-b", ..opening(8, 1005) }, lead()),
        (opening(8, 1005), Lead { holder: "b".to_owned(), ..lead() }),
        (opening(8, 1005), Lead { acquired: at(101), ..lead() }),
    ]
    .map(|(opening, lead)| identity(&opening, &Opener::Successor(lead), nothing));
    assert_eq!(HashSet::from(ids).len(), ids.len(), "{ids:?}");
}

#[test]
fn a_leader_that_followed_on_nobody_who_may_live_on_leaves_it_to_the_uid() {
    assert_eq!(identity(&opening(8, 1005), &Opener::Leader, nothing), None);
}

#[test]
fn a_ticket_that_was_deleted_by_hand_gets_its_uid_when_it_is_opened_again_by_the_successor() {
    let first = by_its_successor(1005).unwrap();
    assert_eq!(identity(&opening(8, 1005), &Opener::Successor(lead()), |id| id == first), None);
}

#[test]
fn an_island_that_knows_it_already_takes_one_of_its_own() {
    let first = by_the_island(1005).unwrap();
    let own = |at: i64| {
        identity(&Opening { at: self::at(at), ..opening(7, 1005) }, &Opener::Island(lead()), |id| id == first)
    };
    assert!(own(2000).is_some_and(|id| id != first));
    assert_ne!(own(2000), own(2001));
}

#[test]
fn an_heir_does_not_know_what_was_sent_and_takes_one_of_its_own() {
    let id = identity(&opening(7, 1005), &Opener::Heir, nothing);
    assert!(id.is_some() && id != by_the_island(1005));
}
