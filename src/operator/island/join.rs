//! What becomes of a ticket's status when the API answers again. Pure.

use api::ticket::{Notification, NotificationState, TicketStatus, TimelineLine};
use domain::ticket::timeline::What;
use jiff::Timestamp;

use super::state::doubt_what_was_due;

/// What the API has of a ticket as long as nobody else has decided about it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expected<'a> {
    /// The status that our decisions rest on.
    pub base: Option<&'a TicketStatus>,
    /// What an earlier merge was about to write when it was cut short.
    pub written: Option<&'a TicketStatus>,
}

/// Whose decisions a status holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hand {
    /// Nobody has decided since.
    Nobodys,
    /// Ours from before the outage: the API took it, and its answer was lost.
    OursUnheard,
    /// Another leader's.
    Anothers,
}

impl Expected<'_> {
    /// Whose hand has written what the API has now. Whoever changes a status puts their epoch into it, and a later leader's is
    /// greater: what has none above ours is our own doing.
    pub(super) fn hand(self, ours: &TicketStatus, theirs: Option<&TicketStatus>) -> Hand {
        let Some(there) = theirs else { return Hand::Nobodys };
        let is_new = there.epoch.is_none() && self.base.is_none();
        if is_new || theirs == self.base || theirs == self.written {
            return Hand::Nobodys;
        }
        if there.epoch <= ours.epoch { Hand::OursUnheard } else { Hand::Anothers }
    }
}

/// What was decided without the API goes to it whole, unless somebody else has decided meanwhile: then the status that is
/// there wins, and what we sent is added to it as fact, so that nothing of it is sent again. `None`: it is there already,
/// by a merge that was cut short after it, or there is nothing to say.
///
/// `theirs` is the status that is there now. `epoch` is that of the leader who merges.
pub(super) fn join(
    expected: Expected<'_>,
    ours: &TicketStatus,
    theirs: Option<&TicketStatus>,
    epoch: i64,
    now: Timestamp,
) -> Option<TicketStatus> {
    // Opened, and nothing was decided before this process died: the first look at it is yet to come, as at any new ticket.
    ours.epoch?;
    let again = expected.written == Some(ours);
    if again && theirs == expected.written {
        return None;
    }
    let hand = expected.hand(ours, theirs);
    let nobody_decided = hand != Hand::Anothers;
    let mut joined = match (theirs, hand) {
        (Some(theirs), Hand::Anothers) => {
            let joined = with_facts(theirs.clone(), ours);
            if again && joined == *theirs {
                return None;
            }
            joined
        }
        (Some(theirs), Hand::OursUnheard) => with_facts(ours.clone(), theirs),
        _ => ours.clone(),
    };
    if hand == Hand::Anothers && joined.epoch < Some(epoch) {
        // Whoever decides next takes it for this leader's, and sees no more that another one has planned it.
        doubt_what_was_due(&mut joined, now);
    }
    joined.epoch = joined.epoch.max(Some(epoch));
    joined.observed_generation = theirs.map_or(-1, |theirs| theirs.observed_generation);
    if again && nobody_decided {
        // It says so already.
        return Some(joined);
    }
    let sent = ours.notifications.iter().filter(|n| n.attempts > 0).count();
    let whose = match sent_by_both(expected.base, ours, theirs.filter(|_| !nobody_decided)) {
        None => String::new(),
        Some(0) => "; another leader's decisions stand".to_owned(),
        Some(both) => {
            format!(", {both} of them by another leader too, with the same id; another leader's decisions stand")
        }
    };
    joined.timeline.push(TimelineLine {
        at: domain::time::whole_seconds(now),
        what: What::Islanded.as_str().to_owned(),
        detail: format!(
            "the API answers again after an outage; what was decided from memory is here, {sent} of its messages were sent{whose}"
        ),
    });
    Some(joined)
}

/// How many messages both we and another leader have sent since we parted; `None`: nobody else has decided.
fn sent_by_both(base: Option<&TicketStatus>, ours: &TicketStatus, theirs: Option<&TicketStatus>) -> Option<usize> {
    let has_sent = |status: &TicketStatus, id: &str| status.notifications.iter().any(|n| n.id == id && n.attempts > 0);
    let theirs = theirs?;
    let sent = ours.notifications.iter().filter(|n| n.attempts > 0 && has_sent(theirs, &n.id));
    Some(sent.filter(|n| base.is_none_or(|base| !has_sent(base, &n.id))).count())
}

/// A status whose decisions stand knows of the messages that the other one tried to send, with what came of them. Whom an
/// alarm among them has reached is told of the end by that.
fn with_facts(mut stands: TicketStatus, other: &TicketStatus) -> TicketStatus {
    for fact in other.notifications.iter().filter(|fact| is_fact(fact)) {
        if let Some(place) = stands.notifications.iter().position(|known| known.id == fact.id) {
            let mut known = stands.notifications.remove(place);
            let said = known.at;
            learn(&mut known, fact);
            // An end that was said earlier than this status knows is no answer to what alarmed somebody since.
            let since = |n: &Notification| n.is_alarm() && Some(n.planned_at) > known.at;
            let earlier = stands.notifications.iter().position(since).filter(|_| known.at < said);
            stands.notifications.insert(earlier.unwrap_or(place).min(place), known);
            continue;
        }
        let mut fact = fact.clone();
        if !fact.state.is_finished() {
            // It may have arrived; whether it is still needed is decided where it is not listed.
            fact.end_as(NotificationState::Superseded);
        }
        stands.notifications.push(fact);
    }
    stands
}

/// Whether it was tried. So may it have been by a process that died and could not count that, and nobody withdraws it as never
/// sent.
fn is_fact(notification: &Notification) -> bool {
    notification.attempts > 0 || notification.may_have_arrived
}

/// A message that both know by one id: nobody gets it by one of them who has it by the other. That it did not get through
/// from where we were, or that we needed it no more, takes nothing from anybody.
fn learn(known: &mut Notification, fact: &Notification) {
    let attempts = known.attempts.max(fact.attempts);
    let may_have_arrived = known.may_have_arrived || fact.may_have_arrived;
    known.reach(&fact.reached);
    if fact.state == NotificationState::Accepted && known.state != NotificationState::Accepted {
        let reached = std::mem::take(&mut known.reached);
        *known = Notification { reached, attempts, ..fact.clone() };
    } else if known.state.is_finished() {
        known.end_as(known.state);
        // Its receiver has taken what came second for a repeat.
        if known.is_end() && fact.state == NotificationState::Accepted && fact.at < known.at {
            (known.at, known.planned_at) = (fact.at, fact.planned_at);
        }
    }
    known.may_have_arrived = may_have_arrived;
}

#[cfg(test)]
mod tests {
    use api::ticket::NotificationKind;
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn status(epoch: i64, notifications: &[(&str, &str, u32)]) -> TicketStatus {
        let list: Vec<_> = notifications
            .iter()
            .map(|(id, state, attempts)| {
                json!({"id": id, "kind": "page", "channel": "chat", "state": state, "attempts": attempts, "plannedAt": at(60)})
            })
            .collect();
        serde_json::from_value(json!({"observedGeneration": 1, "epoch": epoch, "notifications": list})).unwrap()
    }

    fn told(status: &TicketStatus) -> Vec<(&str, NotificationState, u32)> {
        status.notifications.iter().map(|n| (n.id.as_str(), n.state, n.attempts)).collect()
    }

    fn merged(
        base: Option<&TicketStatus>,
        ours: &TicketStatus,
        theirs: Option<&TicketStatus>,
        epoch: i64,
    ) -> TicketStatus {
        join(Expected { base, written: None }, ours, theirs, epoch, at(600)).unwrap()
    }

    #[test]
    fn who_of_several_has_a_mail_by_us_is_not_sent_it_by_the_other_leader() {
        let reached = |id, address: &[&str]| {
            let mut status = status(6, &[(id, "Planned", 1)]);
            status.notifications[0].reach(&address.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
            status
        };
        let (base, ours) = (status(5, &[]), reached("a", &["ops", "cto"]));
        let theirs = TicketStatus { epoch: Some(7), ..reached("a", &["ops"]) };
        let joined = merged(Some(&base), &ours, Some(&theirs), 8);
        assert_eq!(joined.notifications[0].reached, ["ops", "cto"]);
        let joined = merged(Some(&base), &ours, Some(&status(7, &[("b", "Planned", 0)])), 8);
        assert_eq!(told(&joined)[1], ("a", NotificationState::Accepted, 1), "not withdrawn: some have it");
    }

    /// How often it says that an outage is over, and how often that another leader's decisions stand.
    fn said(status: &TicketStatus) -> (usize, usize) {
        let lines: Vec<_> = status.timeline.iter().filter(|line| line.what == "Islanded").collect();
        (lines.len(), lines.iter().filter(|line| line.detail.ends_with("another leader's decisions stand")).count())
    }

    #[test]
    fn what_nobody_else_touched_becomes_ours_whole() {
        let (base, ours) = (status(7, &[("a", "Planned", 0)]), status(7, &[("a", "Accepted", 1), ("b", "Planned", 0)]));
        let joined = merged(Some(&base), &ours, Some(&base), 8);
        assert_eq!(told(&joined), told(&ours));
        assert_eq!(joined.epoch, Some(8));
        assert_eq!((joined.timeline[0].what.as_str(), joined.timeline[0].at), ("Islanded", at(600)));
    }

    #[test]
    fn a_ticket_that_was_just_created_has_an_empty_status_and_becomes_ours() {
        let ours = status(7, &[("a", "Accepted", 1)]);
        let empty = TicketStatus { observed_generation: -1, ..TicketStatus::default() };
        assert_eq!(told(&merged(None, &ours, Some(&empty), 7)), told(&ours));
        assert_eq!(told(&merged(None, &ours, None, 7)), told(&ours));
    }

    #[test]
    fn a_ticket_on_which_nothing_was_decided_before_the_island_died_is_left_to_its_first_look() {
        let empty = TicketStatus { observed_generation: -1, ..TicketStatus::default() };
        for theirs in [None, Some(&empty), Some(&status(8, &[("a", "Accepted", 1)]))] {
            assert_eq!(join(Expected::default(), &TicketStatus::default(), theirs, 9, at(600)), None);
        }
    }

    #[test]
    fn another_leaders_ticket_wins_and_knows_what_we_have_sent() {
        let base = status(7, &[("a", "Planned", 0)]);
        let ours = status(7, &[("a", "Accepted", 1), ("b", "Accepted", 2), ("c", "Uncertain", 1), ("d", "Planned", 0)]);
        let theirs = status(8, &[("a", "Planned", 0), ("x", "Accepted", 1)]);
        let joined = merged(Some(&base), &ours, Some(&theirs), 9);
        use NotificationState::{Accepted, Superseded};
        assert_eq!(told(&joined), [("a", Accepted, 1), ("x", Accepted, 1), ("b", Accepted, 2), ("c", Superseded, 1)]);
        assert_eq!(joined.epoch, Some(9));
        assert_eq!(said(&joined), (1, 1), "{:?}", joined.timeline);
    }

    #[test]
    fn what_another_leader_had_planned_and_was_due_may_have_been_sent_by_it_before_it_was_gone() {
        let mut theirs = status(8, &[("ada", "Planned", 0), ("bob", "Planned", 0), ("cto", "Accepted", 1)]);
        theirs.notifications[1].planned_at = at(900);
        let doubted = |epoch| {
            let joined = merged(None, &status(7, &[]), Some(&theirs), epoch);
            joined.notifications.iter().map(|n| n.may_have_arrived).collect::<Vec<_>>()
        };
        assert_eq!(doubted(9), [true, false, false], "bob's was not due yet, and what came of the last is known");
        assert_eq!(doubted(8), [false; 3], "this leader's own");
    }

    #[test]
    fn a_page_that_a_killed_island_may_have_sent_is_known_to_another_leaders_ticket_as_that_and_is_not_sent_again() {
        let mut ours = status(7, &[("ada", "Planned", 0), ("not-due", "Planned", 0), ("the-end", "Planned", 0)]);
        ours.notifications[0].may_have_arrived = true;
        ours.notifications[2].may_have_arrived = true;
        ours.notifications[2].kind = NotificationKind::Resolved;
        let joined = merged(Some(&status(7, &[])), &ours, Some(&status(8, &[("x", "Accepted", 1)])), 9);
        use NotificationState::{Accepted, Superseded};
        assert_eq!(told(&joined), [("x", Accepted, 1), ("ada", Superseded, 0), ("the-end", Superseded, 0)]);
        assert!(joined.notifications[1].may_have_arrived && joined.notifications[2].may_have_arrived);
    }

    #[test]
    fn an_end_that_we_have_said_before_another_leader_with_the_same_id_answers_no_alarm_of_after_it() {
        let said = |epoch, ids: &[&str], end: i64| {
            let all: Vec<_> = ids.iter().map(|id| (*id, "Accepted", 1)).collect();
            let mut status = status(epoch, &all);
            for one in status.notifications.iter_mut().filter(|one| one.id == "end") {
                one.kind = NotificationKind::Resolved;
                (one.planned_at, one.at) = (at(end), Some(at(end)));
            }
            status.notifications.iter_mut().filter(|one| one.id == "relapse").for_each(|one| one.planned_at = at(110));
            status
        };
        let (ours, theirs) = (said(7, &["ada", "end"], 100), said(8, &["ada", "relapse", "end"], 130));
        let joined = merged(None, &ours, Some(&theirs), 9);
        let order: Vec<_> = joined.notifications.iter().map(|n| (n.id.as_str(), n.planned_at.as_second())).collect();
        assert_eq!(order, [("ada", 60), ("end", 100), ("relapse", 110)], "the receiver took theirs for a repeat");
        // Theirs was first: nothing changes.
        let joined = merged(None, &said(7, &["ada", "end"], 150), Some(&theirs), 9);
        assert_eq!(joined.notifications, theirs.notifications);
    }

    #[test]
    fn that_a_page_may_have_arrived_by_one_of_two_leaders_is_known_whatever_the_other_one_knows_of_it() {
        let doubted = |epoch, state, attempts| {
            let mut status = status(epoch, &[("ada", state, attempts)]);
            status.notifications[0].may_have_arrived = true;
            status
        };
        use NotificationState::{Accepted, Superseded};
        let ours_in_doubt = (doubted(7, "Planned", 0), status(8, &[("ada", "Superseded", 0)]), ("ada", Superseded, 0));
        let theirs_in_doubt = (status(7, &[("ada", "Accepted", 1)]), doubted(8, "Superseded", 2), ("ada", Accepted, 2));
        for (ours, theirs, expected) in [ours_in_doubt, theirs_in_doubt] {
            let joined = merged(None, &ours, Some(&theirs), 9);
            assert_eq!(told(&joined), [expected]);
            assert!(joined.notifications[0].may_have_arrived, "{expected:?}");
        }
    }

    #[test]
    fn whom_only_the_island_has_paged_is_known_to_another_leaders_ticket_with_the_way_and_the_time() {
        let mut ours = status(7, &[("bob", "Accepted", 1)]);
        ours.notifications[0].person = Some("bob".to_owned());
        ours.notifications[0].at = Some(at(120));
        for theirs in [status(8, &[]), status(8, &[("bob", "Superseded", 0)])] {
            let over = TicketStatus { recovered_at: Some(at(300)), ..theirs };
            assert_eq!(merged(None, &ours, Some(&over), 9).notifications, ours.notifications);
        }
    }

    #[test]
    fn a_ticket_that_both_have_opened_knows_each_message_once_with_what_each_of_them_knows() {
        use NotificationState::{Accepted, Planned};
        let ours = status(
            7,
            &[("ada", "Accepted", 1), ("bob", "Superseded", 2), ("cto", "Failed", 1), ("dan", "Accepted", 3)],
        );
        let theirs = status(
            8,
            &[("ada", "Accepted", 1), ("bob", "Planned", 1), ("cto", "Planned", 0), ("dan", "Superseded", 1)],
        );
        let joined = merged(None, &ours, Some(&theirs), 9);
        let expected = [("ada", Accepted, 1), ("bob", Planned, 1), ("cto", Planned, 0), ("dan", Accepted, 3)];
        assert_eq!(
            told(&joined),
            expected,
            "that it has reached nobody by us, or was over for us, ends no page of theirs"
        );
        let said = joined.timeline.last().unwrap().detail.clone();
        assert!(
            said.contains("4 of its messages were sent, 3 of them by another leader too, with the same id"),
            "{said}"
        );
    }

    #[test]
    fn of_a_mail_that_each_has_brought_to_another_recipient_both_are_known() {
        let reached = |state, address: &str| {
            let mut status = status(7, &[("a", state, 1)]);
            status.notifications[0].reach(&[address.to_owned()]);
            status
        };
        let by_another = |state, address: &str| TicketStatus { epoch: Some(8), ..reached(state, address) };
        for (ours, theirs) in [("Accepted", "Uncertain"), ("Uncertain", "Superseded"), ("Accepted", "Accepted")] {
            let joined = merged(None, &reached(ours, "cto"), Some(&by_another(theirs, "ops")), 9);
            assert_eq!(told(&joined), [("a", NotificationState::Accepted, 1)], "{ours}, {theirs}");
            assert_eq!(joined.notifications[0].reached, ["ops", "cto"], "{ours}, {theirs}");
        }
    }

    #[test]
    fn what_we_wrote_ourselves_before_the_outage_and_never_heard_of_is_not_another_leaders() {
        let base = status(7, &[("a", "Planned", 0)]);
        let unheard = status(7, &[("a", "Accepted", 1), ("b", "Uncertain", 1), ("c", "Planned", 0)]);
        let mut ours = status(7, &[("a", "Uncertain", 1), ("over", "Accepted", 1)]);
        ours.timeline =
            vec![TimelineLine { at: at(300), what: What::Recovered.as_str().to_owned(), detail: String::new() }];
        let joined = merged(Some(&base), &ours, Some(&unheard), 8);
        // What was sent then is known; what was only planned then is not needed.
        use NotificationState::{Accepted, Superseded};
        assert_eq!(told(&joined), [("a", Accepted, 1), ("over", Accepted, 1), ("b", Superseded, 1)]);
        assert_eq!((joined.timeline[0].what.as_str(), said(&joined)), ("Recovered", (1, 0)));
    }

    #[test]
    fn what_the_other_leader_knows_to_have_arrived_stays_so() {
        let ours = status(7, &[("a", "Failed", 3)]);
        let theirs = status(8, &[("a", "Accepted", 1)]);
        assert_eq!(told(&merged(None, &ours, Some(&theirs), 8)), [("a", NotificationState::Accepted, 1)]);
    }

    /// The first merge of these, as the journal keeps it before it is written.
    fn cut_short(theirs: &TicketStatus) -> (TicketStatus, TicketStatus) {
        let base = status(7, &[("a", "Planned", 0)]);
        let ours = status(7, &[("a", "Accepted", 1), ("b", "Planned", 0)]);
        (base.clone(), merged(Some(&base), &ours, Some(theirs), 8))
    }

    #[test]
    fn a_merge_that_was_cut_short_after_its_write_has_nothing_more_to_write() {
        let (base, written) = cut_short(&status(7, &[("a", "Planned", 0)]));
        let expected = Expected { base: Some(&base), written: Some(&written) };
        assert_eq!(join(expected, &written, Some(&written), 9, at(700)), None);
    }

    #[test]
    fn a_merge_that_was_cut_short_before_its_write_writes_the_same_and_says_it_once() {
        let (base, written) = cut_short(&status(7, &[("a", "Planned", 0)]));
        let expected = Expected { base: Some(&base), written: Some(&written) };
        let joined = join(expected, &written, Some(&base), 9, at(700)).unwrap();
        assert_eq!((told(&joined), said(&joined), joined.epoch), (told(&written), (1, 0), Some(9)));
    }

    #[test]
    fn that_a_page_may_have_arrived_is_written_too_after_a_merge_that_was_cut_short_and_the_outage_is_said_once() {
        let (base, written) = cut_short(&status(7, &[("a", "Planned", 0)]));
        let mut ours = written.clone();
        ours.notifications[1].may_have_arrived = true;
        for there in [&base, &written] {
            let expected = Expected { base: Some(&base), written: Some(&ours) };
            let joined = join(expected, &ours, Some(there), 9, at(700)).unwrap();
            assert_eq!((&joined.notifications, said(&joined)), (&ours.notifications, (1, 0)));
        }
    }

    #[test]
    fn what_a_second_outage_added_to_a_merge_that_was_cut_short_is_ours_too() {
        let (base, written) = cut_short(&status(7, &[("a", "Planned", 0)]));
        let mut ours = written.clone();
        ours.notifications[1].state = NotificationState::Accepted;
        for there in [&base, &written] {
            let expected = Expected { base: Some(&base), written: Some(&written) };
            let joined = join(expected, &ours, Some(there), 9, at(700)).unwrap();
            assert_eq!((told(&joined), said(&joined)), (told(&ours), (2, 0)));
        }
    }

    #[test]
    fn what_another_leader_decided_on_top_of_a_merge_that_was_cut_short_is_not_ours() {
        let (base, written) = cut_short(&status(7, &[("a", "Planned", 0)]));
        let mut theirs = TicketStatus { epoch: Some(9), ..written.clone() };
        theirs.notifications[1].state = NotificationState::Superseded;
        let expected = Expected { base: Some(&base), written: Some(&written) };
        assert_eq!(join(expected, &written, Some(&theirs), 10, at(700)), None);
    }

    #[test]
    fn another_leaders_decisions_stand_also_when_their_merge_was_cut_short() {
        let theirs = status(8, &[("a", "Planned", 0), ("x", "Accepted", 1)]);
        let (_, written) = cut_short(&theirs);
        let expected = Expected { base: Some(&theirs), written: Some(&written) };
        let joined = join(expected, &written, Some(&theirs), 9, at(700)).unwrap();
        assert_eq!((told(&joined), said(&joined)), (told(&written), (1, 1)));
        assert_eq!(join(expected, &written, Some(&written), 9, at(700)), None);
    }
}
