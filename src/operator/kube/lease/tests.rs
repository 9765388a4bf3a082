//! Who takes the lease, who waits, and who gives up.

use std::collections::BTreeMap;

use futures::FutureExt;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use rstest::rstest;

use super::{
    record::{
        asked_by, asked_for, follows, handed_over, has_led_since, lead, left, number, own, saying_follows,
        saying_unmerged, unmerged, written_over,
    },
    *,
};

#[test]
fn leadership_runs_out_by_itself() {
    let leadership = Leadership::default();
    assert!(!leadership.is_valid());
    leadership.hold(3, boottime(), "me");
    assert!(leadership.is_valid());
    assert_eq!(leadership.epoch(), 3);
    leadership.hold(3, boottime().saturating_sub(VALID_FOR), "me");
    assert!(!leadership.is_valid());
    assert_eq!(leadership.gaps(), 0);
    leadership.hold(3, boottime(), "me");
    leadership.hold(3, boottime(), "me");
    assert_eq!((leadership.is_valid(), leadership.gaps()), (true, 1), "once for each time that it had run out");
}

fn role(leadership: &Leadership) -> Role {
    *leadership.watch().borrow()
}

#[test]
fn an_island_merges_before_it_leads_again() {
    let leadership = Leadership::default();
    leadership.hold(3, boottime(), "me");
    leadership.cut_off(leadership.epoch(), &leadership.holder());
    assert_eq!((role(&leadership), leadership.may_send()), (Role::CutOff, false));
    leadership.go_islanded();
    assert_eq!((leadership.ground(), leadership.epoch()), (Some(Ground::Memory), 3));
    leadership.hold(3, boottime(), "me");
    assert_eq!((role(&leadership), leadership.ground()), (Role::Merging, None));
    leadership.merged();
    assert_eq!(leadership.ground(), Some(Ground::Api));
}

#[test]
fn an_api_that_answers_while_the_journal_is_begun_makes_no_island_and_has_what_there_may_be_of_it_merged() {
    let leadership = Leadership::default();
    leadership.hold(3, boottime(), "me");
    leadership.cut_off(leadership.epoch(), &leadership.holder());
    leadership.hold(3, boottime(), "me");
    leadership.go_islanded();
    assert_eq!((role(&leadership), leadership.ground()), (Role::Merging, None));
}

#[test]
fn an_api_that_is_lost_again_as_a_merge_ends_has_the_next_journal_merged_too() {
    let leadership = Leadership::default();
    leadership.journal_waits();
    leadership.hold(3, boottime(), "me");
    leadership.cut_off(leadership.epoch(), &leadership.holder());
    leadership.merged();
    assert_eq!(role(&leadership), Role::CutOff);
    leadership.go_islanded();
    leadership.hold(3, boottime(), "me");
    assert_eq!((role(&leadership), leadership.ground()), (Role::Merging, None));
}

#[test]
fn an_island_that_has_lost_the_lease_sends_nothing_more_and_says_once_that_its_journal_makes_no_heir() {
    let leadership = Leadership::default();
    leadership.hold(3, boottime(), "me");
    leadership.cut_off(3, "me");
    leadership.go_islanded();
    leadership.lose();
    assert_eq!((role(&leadership), leadership.may_send()), (Role::Follower, false));
    assert_eq!((leadership.take_superseded(), leadership.take_superseded()), (true, false));
}

#[rstest]
#[case::nobody_took_it("dead", 7, false)]
#[case::nobody_took_what_was_given_back("", 7, false)]
#[case::we_have_taken_it("me", 8, false)]
#[case::another_holds_it("other", 8, true)]
#[case::another_held_it_and_has_given_it_back("", 8, true)]
#[case::it_was_made_anew("other", 1, true)]
fn who_has_led_since_a_process_died_is_seen_on_the_lease_also_when_it_was_given_back(
    #[case] holder: &str,
    #[case] transitions: i32,
    #[case] expected: bool,
) {
    let dead = Predecessor { holder: "dead".to_owned(), epoch: 7, at: Timestamp::UNIX_EPOCH };
    let spec = LeaseSpec { lease_transitions: Some(transitions), ..held(holder) };
    let lease = Lease { spec: Some(spec), ..Lease::default() };
    assert_eq!(has_led_since(&dead, "me", &lease), expected);
    let by_its_heir = saying_unmerged(lease.clone(), Some(&told("dead", 10, 20)));
    assert!(!has_led_since(&dead, "me", &by_its_heir), "an heir that died before its journal said so");
    let by_anothers_heir = saying_unmerged(lease, Some(&told("other", 10, 20)));
    assert_eq!(has_led_since(&dead, "me", &by_anothers_heir), expected);
}

#[test]
fn who_takes_the_lease_with_a_journal_merges_first() {
    let leadership = Leadership::default();
    leadership.journal_waits();
    leadership.hold(4, boottime(), "me");
    assert_eq!((role(&leadership), leadership.is_valid(), leadership.holds_the_lease()), (Role::Merging, false, true));
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Taken at second 10 by `holder`, and renewed since.
fn held(holder: &str) -> LeaseSpec {
    let spec = LeaseSpec { lease_transitions: Some(7), ..LeaseSpec::default() };
    let taken = written_over(spec, holder, false, MicroTime(second(10)));
    written_over(taken, holder, false, MicroTime(second(20)))
}

fn told(holder: &str, acquired: i64, renewed: i64) -> Lead {
    Lead { holder: holder.to_owned(), acquired: second(acquired), renewed: second(renewed) }
}

#[test]
fn a_lead_lasts_until_another_takes_the_lease_or_its_holder_has_gone_on_without_the_api() {
    let taken = held("a");
    assert_eq!((lead(&taken), taken.lease_transitions), (Some(told("a", 10, 20)), Some(8)));
    let back = written_over(taken.clone(), "a", true, MicroTime(second(90)));
    assert_eq!((lead(&back), back.lease_transitions), (Some(told("a", 90, 90)), Some(8)), "the same leader in the row");
    let others = written_over(taken, "b", false, MicroTime(second(90)));
    assert_eq!((lead(&others), others.lease_transitions), (Some(told("b", 90, 90)), Some(9)));
}

#[test]
fn who_takes_a_lease_whose_holder_has_a_journal_to_merge_follows_on_the_lead_before_the_outage() {
    let merging = |holder| saying_unmerged(lease(holder), Some(&told("a", 3, 7)));
    assert_eq!(left(&merging("a")), Some(told("a", 3, 7)), "what was opened under it is not in the API");
    assert_eq!(own(&merging("a")), Some(told("a", 3, 7)), "so it opens more when it is cut off again");
    assert_eq!(
        (left(&merging("heir")), own(&merging("heir"))),
        (Some(told("a", 3, 7)), None),
        "an heir does not know all"
    );
    let free = saying_unmerged(Lease { spec: None, ..lease("a") }, Some(&told("a", 3, 7)));
    assert_eq!(left(&free), Some(told("a", 3, 7)), "it was told to stop in the middle");
    let merged = saying_unmerged(merging("a"), None);
    assert_eq!(
        (unmerged(&merged), left(&merged), own(&merged)),
        (None, Some(told("a", 10, 20)), Some(told("a", 10, 20)))
    );
    assert_eq!(unmerged(&handed_over(merging("a"), "b", second(100))), None);
}

#[test]
fn who_takes_a_lease_whose_holder_has_opened_nothing_yet_follows_on_the_same_lead_as_that_one() {
    let opened_nothing = saying_follows(lease("b"), Some(&told("a", 3, 7)));
    assert_eq!(follows(&opened_nothing), Some(told("a", 3, 7)));
    assert_eq!(left(&opened_nothing), Some(told("a", 3, 7)));
    assert_eq!(own(&opened_nothing), Some(told("a", 3, 7)), "the two would not agree otherwise when it is cut off");
    let opened = saying_follows(opened_nothing.clone(), None);
    assert_eq!((left(&opened), own(&opened)), (Some(told("b", 10, 20)), Some(told("b", 10, 20))));

    let merging = saying_unmerged(opened_nothing.clone(), Some(&told("b", 10, 20)));
    assert_eq!((left(&merging), own(&merging)), (Some(told("a", 3, 7)), Some(told("a", 3, 7))));
    let heirs = saying_unmerged(opened_nothing.clone(), Some(&told("earlier", 10, 20)));
    assert_eq!((left(&heirs), own(&heirs)), (Some(told("a", 3, 7)), None), "an heir does not know all");
    assert_eq!(follows(&handed_over(opened_nothing, "c", second(100))), None, "who asks for it merges first");
}

#[test]
fn an_unmerged_lead_is_read_as_it_was_written_and_as_none_when_somebody_has_edited_it() {
    let lead = Lead { acquired: "2026-03-01T12:00:00.123456Z".parse().unwrap(), ..told("pod-1_a b", 0, 7) };
    assert_eq!(unmerged(&saying_unmerged(lease("a"), Some(&lead))), Some(lead));
    for text in ["", "yesterday", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z today a"] {
        let edited = BTreeMap::from([("firstline.dev/unmerged-lead".to_owned(), text.to_owned())]);
        let metadata = ObjectMeta { annotations: Some(edited), ..ObjectMeta::default() };
        assert_eq!(unmerged(&Lease { metadata, ..lease("a") }), None, "{text}");
    }
}

#[test]
fn a_lease_that_was_given_back_tells_of_no_lead() {
    assert_eq!(lead(&LeaseSpec { holder_identity: None, ..held("a") }), None);
    assert_eq!(lead(&LeaseSpec { holder_identity: Some(String::new()), ..held("a") }), None);
}

#[test]
fn a_ticket_is_opened_by_an_island_as_by_its_own_lead_and_by_its_successor_as_by_the_same() {
    let (island, successor) = (Leadership::default(), Leadership::default());
    assert_eq!(island.opener(Ground::Memory), Opener::Heir, "it has led nothing itself");
    island.leads(lead(&held("a")), None);
    successor.leads(lead(&held("b")), lead(&held("a")));
    assert_eq!(island.opener(Ground::Memory), Opener::Island(told("a", 10, 20)));
    assert_eq!(successor.opener(Ground::Api), Opener::Successor(told("a", 10, 20)));
    assert_eq!(island.opener(Ground::Api), Opener::Leader);
    assert_eq!(successor.opener(Ground::Memory), Opener::Island(told("b", 10, 20)), "it may be cut off in turn");
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up_when_this_process_goes_on_by_itself() {
    let leadership = Leadership::default();
    leadership.hold(3, boottime(), "me");
    let parted = async {
        leadership.cut_off(leadership.epoch(), &leadership.holder());
        leadership.go_islanded();
    };
    let (hung, ()) = tokio::join!(leadership.unless_parted(std::future::pending::<()>()), parted);
    assert_eq!(hung, None);
    assert_eq!(leadership.unless_parted(std::future::ready(7)).await, Some(7), "what is decided from memory goes on");
}

fn lease(holder: &str) -> Lease {
    Lease { spec: Some(held(holder)), ..Lease::default() }
}

#[test]
fn who_has_a_journal_asks_once_and_gets_the_lease_as_the_next_leader() {
    let wish = asked_for(&lease("them"), "me").unwrap();
    assert_eq!(wish.spec, lease("them").spec, "nothing is taken");
    assert_eq!(asked_for(&wish, "me"), None);
    assert_eq!(asked_by(&wish, "them", second(100)), Some("me"));
    assert_eq!(asked_by(&wish, "me", second(100)), None, "the one that asked leads by now");
    let ours = handed_over(wish, "me", second(100));
    let spec = ours.spec.as_ref().unwrap();
    assert_eq!((spec.holder_identity.as_deref(), number(spec)), (Some("me"), 9), "one more than theirs");
    assert_eq!(asked_by(&ours, "me", second(200)), None, "the wish is fulfilled");
}

#[test]
fn who_asks_again_and_again_gets_it_no_more_often_than_the_others_can_work() {
    let ours = handed_over(asked_for(&lease("them"), "me").unwrap(), "me", second(100));
    let wish = asked_for(&ours, "restarted").unwrap();
    assert_eq!(asked_by(&wish, "me", second(129)), None);
    assert_eq!(asked_by(&wish, "me", second(130)), Some("restarted"));
    assert_eq!(
        asked_by(&wish, "me", second(50)),
        Some("restarted"),
        "a clock that was put back makes nobody wait for ever"
    );
}

#[tokio::test]
async fn who_merges_a_journal_of_its_own_hears_of_no_wish_before_that_is_done() {
    let leadership = Leadership::default();
    leadership.journal_waits();
    leadership.hold(4, boottime(), "me");
    leadership.ask();
    assert!(leadership.wanted().now_or_never().is_none());
    leadership.merged();
    leadership.ask();
    assert!(leadership.wanted().now_or_never().is_some());
}
