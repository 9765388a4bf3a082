//! What is written over a lease that somebody else, or we, have written.

use jiff::Timestamp;

use super::*;

/// A follower in a cluster whose tickets name no leader above this one.
fn follower(last_epoch: Option<i64>) -> Elector {
    let (client, clock) = (crate::kube::silent(), Clock::simulated(Timestamp::UNIX_EPOCH));
    let lists =
        Lists { gates: Gates::closed([]), last_epoch: Box::new(move || last_epoch), last_twin: Box::new(|| None) };
    let lease = ("firstline-system", "firstline");
    Elector::new(client, lease, "me".to_owned(), clock, Leadership::default(), lists)
}

fn held(number: i32) -> Lease {
    let (holder_identity, lease_transitions) = (Some("other".to_owned()), Some(number));
    Lease {
        metadata: ObjectMeta::default(),
        spec: Some(LeaseSpec { holder_identity, lease_transitions, ..LeaseSpec::default() }),
    }
}

fn number_over(elector: &Elector, old: Option<&Lease>) -> Option<i32> {
    elector.record(old).spec.and_then(|spec| spec.lease_transitions)
}

#[tokio::test]
async fn numbers_go_on_from_a_lease_that_was_seen_and_is_deleted_or_made_anew_since() {
    let mut elector = follower(Some(40));
    assert_eq!(number_over(&elector, None), Some(41), "all that is known are the tickets");
    elector.unchanged_for(Some(&held(57)));
    assert_eq!(number_over(&elector, Some(&held(57))), Some(58));
    elector.unchanged_for(None);
    assert_eq!(number_over(&elector, None), Some(58), "the leader that is cut off decides as the 57th");
    elector.unchanged_for(Some(&held(1)));
    assert_eq!(number_over(&elector, Some(&held(1))), Some(58));
}

/// Taken at second 10 and renewed at second 20.
fn held_by(holder: &str) -> Lease {
    let spec = LeaseSpec { lease_transitions: Some(7), ..LeaseSpec::default() };
    let at = |second| MicroTime(Timestamp::from_second(second).unwrap());
    let spec = written_over(written_over(spec, holder, false, at(10)), holder, false, at(20));
    Lease { spec: Some(spec), ..held(8) }
}

#[tokio::test]
async fn the_lease_says_from_the_first_write_after_an_outage_until_the_merge_which_lead_is_unmerged() {
    let (elector, before) = (follower(None), held_by("me"));
    let lead = left(&before);
    elector.leadership.hold(8, boottime(), "me");
    assert_eq!(unmerged(&elector.record(Some(&before))), None, "nothing was decided without the API");
    elector.leadership.cut_off(8, "me");
    elector.leadership.go_islanded();
    let back = elector.record(Some(&before));
    assert_eq!(unmerged(&back), lead);
    elector.leadership.hold(8, boottime(), "me");
    let merging = elector.record(Some(&back));
    assert_eq!(unmerged(&merging), lead);
    elector.leadership.cut_off(8, "me");
    assert_eq!(unmerged(&elector.record(Some(&merging))), lead, "also when it was cut off again in between");
    elector.leadership.hold(8, boottime(), "me");
    elector.leadership.merged();
    let merged = elector.record(Some(&merging));
    assert_eq!(unmerged(&merged), None);
    assert_eq!(left(&merged).map(|lead| lead.acquired), Some(Timestamp::UNIX_EPOCH), "another lead than before");
}

#[tokio::test]
async fn an_heir_keeps_the_unmerged_lead_of_the_one_before_and_another_leader_does_not() {
    let mut heir = follower(None);
    heir.predecessor = Some(Predecessor { holder: "dead".to_owned(), epoch: 8, at: Timestamp::UNIX_EPOCH });
    heir.leadership.journal_waits();
    let (died_cut_off, lead) = (held_by("dead"), left(&held_by("dead")));
    assert_eq!(unmerged(&heir.record(Some(&died_cut_off))), lead);
    let died_merging = saying_unmerged(held_by("dead"), left(&held_by("earlier")).as_ref());
    assert_eq!(unmerged(&heir.record(Some(&died_merging))), left(&held_by("earlier")));
    heir.leadership.hold(9, boottime(), "me");
    heir.leadership.merged();
    assert_eq!(unmerged(&heir.record(Some(&died_merging))), None);
    assert_eq!(unmerged(&follower(None).record(Some(&died_merging))), None);
}

/// The API shows it a ticket that was opened at this second, and that two may have opened.
fn sees_a_ticket_of(elector: &mut Elector, second: i64) {
    elector.lists.last_twin = Box::new(move || Timestamp::from_second(second).ok());
}

/// `elector` has taken this lease from a leader that had fallen silent.
fn taken(elector: &mut Elector, silent: &Lease) -> Lease {
    elector.before = elector.follows_on(silent);
    let lease = elector.record(Some(silent));
    elector.leadership.hold(9, boottime(), "me");
    lease
}

#[tokio::test]
async fn the_lease_says_on_whom_its_holder_follows_until_that_opens_a_ticket() {
    let (mut first, mut second) = (follower(None), follower(None));
    let silent = taken(&mut first, &held_by("silent"));
    assert_eq!(follows(&silent), left(&held_by("silent")));
    assert_eq!(follows(&first.record(Some(&silent))), left(&held_by("silent")), "it renews it");

    let dead = Lease { spec: held_by("dead").spec, ..silent };
    let lease = taken(&mut second, &dead);
    assert_eq!((second.before.as_ref(), follows(&lease)), (left(&held_by("silent")).as_ref(), left(&dead)));
    sees_a_ticket_of(&mut second, 20);
    let renewed = second.record(Some(&lease));
    assert_eq!((follows(&renewed), left(&renewed).map(|lead| lead.holder)), (None, Some("me".to_owned())));

    let mut third = follower(None);
    sees_a_ticket_of(&mut third, 19);
    assert!(follows(&taken(&mut third, &dead)).is_some(), "one of an earlier outage");
    sees_a_ticket_of(&mut third, 20);
    assert_eq!(follows(&taken(&mut third, &dead)), None, "nor does whoever has seen it and takes the lease");
    assert_eq!(third.before, left(&dead), "for what is not open yet it follows on that lead itself");
}

#[tokio::test]
async fn a_lease_that_nobody_has_renewed_for_a_minute_does_not_tell_on_whom_its_holder_followed() {
    let (mut first, second) = (follower(None), follower(None));
    let silent = taken(&mut first, &held_by("silent"));
    let dead = Lease { spec: held_by("dead").spec, ..silent };
    for (now, holder) in [(79, "silent"), (80, "dead")] {
        second.clock.set(Timestamp::from_second(now).unwrap());
        assert_eq!(second.follows_on(&dead).map(|lead| lead.holder).as_deref(), Some(holder), "at {now}");
    }
}

#[tokio::test]
async fn it_says_so_for_two_minutes_at_most() {
    let mut elector = follower(None);
    let lease = taken(&mut elector, &held_by("silent"));
    elector.clock.set(Timestamp::from_second(139).unwrap());
    assert!(follows(&elector.record(Some(&lease))).is_some());
    elector.clock.set(Timestamp::from_second(140).unwrap());
    assert_eq!(follows(&elector.record(Some(&lease))), None);
}

#[tokio::test]
async fn what_it_opens_without_the_api_is_not_there_before_its_merge_so_until_then_it_goes_on_saying_so() {
    let mut elector = follower(None);
    let lease = taken(&mut elector, &held_by("silent"));
    sees_a_ticket_of(&mut elector, 30);
    elector.leadership.cut_off(9, "me");
    elector.leadership.go_islanded();
    let back = elector.record(Some(&lease));
    assert_eq!((follows(&back), unmerged(&back).map(|lead| lead.holder)), (left(&lease), Some("me".to_owned())));
    elector.leadership.hold(9, boottime(), "me");
    elector.leadership.merged();
    assert_eq!(follows(&elector.record(Some(&back))), None);
}

#[tokio::test]
async fn who_has_the_journal_of_another_outage_leaves_nothing_to_the_next_of_that_on_which_it_follows() {
    let (mut first, mut merging) = (follower(None), follower(None));
    let silent = taken(&mut first, &held_by("silent"));
    merging.leadership.journal_waits();
    let lease = taken(&mut merging, &Lease { spec: held_by("dead").spec, ..silent });
    assert_eq!(merging.before.map(|lead| lead.holder), Some("silent".to_owned()));
    assert_eq!(follows(&lease), None);
}

#[tokio::test]
async fn the_first_leader_of_a_cluster_is_the_first() {
    assert_eq!(number_over(&follower(None), None), Some(1));
}
