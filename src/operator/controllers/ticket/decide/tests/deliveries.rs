//! Receivers that ask for patience, and mails that reach some of their recipients.

use std::time::Duration;

use domain::message::Refused;

use super::*;

fn refused(recipient: &str, word: &str, for_good: bool) -> Refused {
    Refused { recipient: recipient.into(), word: word.into(), for_good }
}

fn partly(reached: &[&str], refused: &[Refused]) -> Delivery {
    let reached = reached.iter().map(|address| (*address).to_owned()).collect();
    Delivery::Partly { receipt: "250 queued".into(), reached, refused: refused.to_vec() }
}

impl Desk {
    fn noted(&self) -> Vec<(&'static str, String)> {
        let notes = &self.last.as_ref().unwrap().notes;
        notes.iter().filter(|note| note.action == "Send").map(|note| (note.reason, note.text.clone())).collect()
    }
}

#[test]
fn when_a_receiver_asked_to_be_left_alone_until_then_is_on_the_ticket_until_it_is_tried_again() {
    let (mut desk, id) = paged();
    let busy = |after: Option<u64>| Delivery::Retry { after: after.map(Duration::from_secs), error: "429".into() };
    assert_eq!(desk.hears(&id, busy(Some(40)), 1).retry_at, Some(at(41)));
    assert_eq!(desk.hears(&id, busy(None), 42).retry_at, None, "what only we wait for is forgotten by a restart");
    desk.report(&id, busy(Some(40)), 50);
    desk.reports[0].at = at(50) + jiff::SignedDuration::from_millis(1);
    desk.look(51);
    assert_eq!(desk.status().notifications[0].retry_at, Some(at(91)), "never too early");
    assert_eq!(desk.hears(&id, Delivery::Accepted { receipt: "200".into() }, 92).retry_at, None);
}

#[test]
fn a_step_for_which_an_island_may_have_sent_a_page_that_was_withdrawn_when_it_was_merged_sends_the_same_again() {
    let pages = |desk: &Desk| -> Vec<_> {
        let all = desk.status().notifications;
        all.into_iter().map(|n| (n.id, n.state, n.attempts, n.may_have_arrived)).collect()
    };
    let (mut alone, _) = paged();
    alone.run(0, 300);
    let [first, second] = &alone.status().notifications[..] else { panic!("{:?}", pages(&alone)) };

    let (mut desk, _) = paged();
    desk.run(0, 10);
    use NotificationState::{Accepted, Planned, Superseded};
    for (state, attempts) in [(Superseded, 0), (Superseded, 2), (Accepted, 1)] {
        let merged = Notification { state, attempts, may_have_arrived: true, at: None, ..second.clone() };
        let mut desk = Desk { ticket: desk.ticket.clone(), ..Desk::open("page") };
        desk.ticket.status.as_mut().unwrap().notifications.insert(0, merged);
        let anew = desk.look(300).anew.len();
        let expected = if state == Accepted { Accepted } else { Planned };
        let found = pages(&desk);
        assert!(found.contains(&(second.id.clone(), expected, attempts, true)), "{found:?}");
        assert_eq!((found.len(), anew), (2, usize::from(state == Superseded)), "{found:?}");
        assert!(found.iter().any(|page| page.0 == first.id), "{found:?}");
    }
}

#[test]
fn the_last_page_that_was_accepted_stays_listed_however_many_fail_after_it() {
    let (mut desk, id) = paged();
    let told = desk.hears(&id, Delivery::Accepted { receipt: "200".into() }, 1);
    let failed = |n: u128| {
        let id = Uuid::from_u128(n).to_string();
        Notification { id, state: NotificationState::Failed, ..told.clone() }
    };
    desk.ticket.status.as_mut().unwrap().notifications.extend((1..=60).map(failed));
    desk.look(2);
    let status = desk.status();
    assert_eq!((status.notifications.len(), status.notification_counts.unwrap().failed), (50, 11));
    assert_eq!(status.notifications[0].id, id);

    // Also where one of them may have arrived.
    let (mut desk, id) = paged();
    let told = desk.hears(&id, Delivery::Accepted { receipt: "200".into() }, 1);
    let doubted = Notification { may_have_arrived: true, ..failed(61) };
    let all = &mut desk.ticket.status.as_mut().unwrap().notifications;
    all.extend((1..=60).map(failed).chain([doubted]));
    desk.look(2);
    assert_eq!(desk.status().notifications[0], told);
}

#[test]
fn a_recipient_who_is_refused_for_now_is_tried_on_and_the_others_are_known_to_have_it() {
    let (mut desk, id) = paged();
    let told = desk.hears(&id, partly(&["ops@a", "cfo@a"], &[refused("cto@a", "450 greylisted", false)]), 1);
    assert_eq!((told.state, told.receipt.as_deref()), (NotificationState::Planned, Some("250 queued")));
    assert_eq!(told.reached, ["ops@a", "cfo@a"]);
    assert_eq!(told.error.as_deref(), Some("tried again for cto@a: 450 greylisted; the others have it"));
    assert_eq!(desk.noted()[0].0, "DeliveryRetried");
    let told = desk.hears(&id, Delivery::Accepted { receipt: "250 queued too".into() }, 2);
    assert_eq!((told.state, told.error, told.reached.len()), (NotificationState::Accepted, None, 0));
}

#[test]
fn a_recipient_who_is_refused_for_good_stays_visible_and_the_message_counts_as_accepted() {
    let (mut desk, id) = paged();
    let both = [refused("cto@a", "550 no such user", true), refused("ceo@a", "450 greylisted", false)];
    desk.hears(&id, partly(&["ops@a"], &both), 1);
    let words = "chat: the server refuses cto@a: 550 no such user; check the addresses; tried again for ceo@a: 450 greylisted; the others have it";
    assert_eq!(desk.noted(), [("DeliveryFailed", words.to_owned())]);
    let told = desk.hears(&id, Delivery::Accepted { receipt: "250".into() }, 2);
    let words = "the server refuses cto@a: 550 no such user; check the addresses; the others have it";
    assert_eq!((told.state, told.error.as_deref()), (NotificationState::Accepted, Some(words)));
    assert_eq!(told.refused.iter().map(|one| one.recipient.as_str()).collect::<Vec<_>>(), ["cto@a"]);
}

#[test]
fn what_has_reached_somebody_never_counts_as_failed_or_withdrawn() {
    let (mut desk, id) = paged();
    let waits = partly(&["ops@a"], &[refused("cto@a", "450 greylisted", false)]);
    desk.hears(&id, waits.clone(), 1);
    let told = desk.hears(&id, Delivery::Failed { error: "refused every recipient: cto@a: 550".into() }, 2);
    assert_eq!(told.state, NotificationState::Accepted);
    assert_eq!(told.error.as_deref(), Some("refused every recipient: cto@a: 550"));
    assert_eq!(desk.noted()[0].0, "DeliveryFailed");

    // Acknowledged while one recipient waits: it is not tried any more, whatever an attempt under way says.
    let (mut desk, id) = paged();
    desk.hears(&id, waits, 1);
    desk.event("oidc:ada", &json!({"acknowledge": true}), 2);
    assert_eq!(desk.look(2).cancel.len(), 1);
    let told = desk.hears(&id, Delivery::Retry { after: Some(Duration::from_secs(9)), error: "450".into() }, 3);
    assert_eq!((told.state, told.retry_at), (NotificationState::Accepted, None));
}

#[test]
fn a_page_that_was_withdrawn_and_reached_some_all_the_same_is_ended_for_them() {
    let (mut desk, id) = paged();
    desk.alert("page", AlertState::Recovered, 2);
    desk.look(2);
    assert_eq!(desk.told(), ["page ada by chat: Superseded"]);
    let told = desk.hears(&id, partly(&["ops@a"], &[refused("cto@a", "450 greylisted", false)]), 3);
    assert_eq!(told.state, NotificationState::Accepted);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "resolved ada by chat: Planned"]);
}
