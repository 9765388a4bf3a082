//! What is written over a lease that somebody else, or we, have written.

use jiff::Timestamp;

use super::*;

/// A follower in a cluster whose tickets name no leader above this one.
fn follower(last_epoch: Option<i64>) -> Elector {
    let (client, clock) = (crate::kube::silent(), Clock::simulated(Timestamp::UNIX_EPOCH));
    let lists = Lists { gates: Gates::closed([]), last_epoch: Box::new(move || last_epoch) };
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

#[tokio::test]
async fn the_first_leader_of_a_cluster_is_the_first() {
    assert_eq!(number_over(&follower(None), None), Some(1));
}
