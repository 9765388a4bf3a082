//! A channel that was wrong and is mended while somebody still waits for what failed through it.

use super::*;

/// A page to ada that her channel refuses for good in second 2.
fn refused() -> Desk {
    let mut desk = Desk::open("page");
    desk.look(1);
    let id = desk.status().notifications[0].id.clone();
    desk.report(&id, Delivery::Failed { error: "401; check the signing secret".into() }, 2);
    desk.look(2);
    assert_eq!(desk.told()[0], "page ada by chat: Failed");
    desk
}

fn mend(desk: &mut Desk, second: i64) {
    desk.mended.insert("chat".into(), second);
}

#[test]
fn what_failed_through_it_is_tried_again_with_the_same_id() {
    let mut desk = refused();
    let before = desk.status().notifications[0].clone();
    mend(&mut desk, 60);
    let anew = desk.look(60).anew.clone();
    let after = desk.status().notifications[0].clone();
    assert_eq!((after.state, &after.id), (NotificationState::Planned, &before.id));
    assert_eq!(anew, [NotificationId::parse(&before.id).unwrap()]);
    let line = desk.status().timeline.last().unwrap().detail.clone();
    assert_eq!(line, "channel chat was mended: what had failed through it is tried again");
    desk.deliver(61);
    assert_eq!(desk.told()[0], "page ada by chat: Accepted");
}

#[test]
fn it_is_tried_when_the_second_has_begun_and_once_for_each_change() {
    let mut desk = refused();
    mend(&mut desk, 60);
    assert_eq!(desk.look(59).next, Some(at(60)), "looked at again in time");
    assert_eq!(desk.told()[0], "page ada by chat: Failed");
    desk.look(60);
    let id = desk.status().notifications[0].id.clone();
    desk.report(&id, Delivery::Failed { error: "401".into() }, 60);
    desk.look(60);
    assert_eq!(desk.told()[0], "page ada by chat: Failed", "what fails anew in that second has failed");
    mend(&mut desk, 90);
    desk.look(90);
    assert_eq!(desk.told()[0], "page ada by chat: Planned");
}

#[test]
fn nobody_waits_for_it_any_more() {
    let mut desk = refused();
    desk.event("oidc:ada", &json!({"acknowledge": true}), 30);
    desk.look(31);
    mend(&mut desk, 60);
    desk.look(60);
    assert_eq!(desk.told()[0], "page ada by chat: Failed");
}

#[test]
fn what_a_silence_holds_is_tried_when_that_ends() {
    let mut desk = refused();
    let silence: api::Silence = serde_json::from_value(json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Silence", "metadata": {"name": "deploy", "namespace": "payments"},
        "spec": {"matchers": ["service=\"checkout\""], "startsAt": at(30), "endsAt": at(120), "reason": "a deployment", "author": "oidc:ada"},
    }))
    .unwrap();
    desk.silences = vec![api::silence::validate(&silence).unwrap().value];
    mend(&mut desk, 60);
    desk.look(60);
    assert_eq!(desk.told()[0], "page ada by chat: Failed");
    desk.look(120);
    assert_eq!(desk.told()[0], "page ada by chat: Planned");
}

#[test]
fn of_several_pages_to_one_receiver_only_the_newest_is_tried_again() {
    let mut desk = refused();
    // The second cycle, an hour later.
    desk.run(3, 5_000);
    let mut status = desk.status();
    let to_ada = |n: &Notification| n.channel == "chat" && n.person.as_deref() == Some("ada");
    let pages: Vec<usize> = (0..status.notifications.len()).filter(|at| to_ada(&status.notifications[*at])).collect();
    assert!(pages.len() > 1, "{:?}", desk.told());
    pages.iter().for_each(|place| status.notifications[*place].state = NotificationState::Failed);
    desk.ticket.status = Some(status);
    mend(&mut desk, 5_100);
    desk.look(5_100);
    let tried = pages.iter().filter(|place| desk.status().notifications[**place].state == NotificationState::Planned);
    assert_eq!(tried.collect::<Vec<_>>(), [pages.last().unwrap()]);
}

#[test]
fn the_word_of_an_end_that_a_channel_refused_is_said_once_that_is_mended_unless_it_fires_again_by_then() {
    let refused = || {
        let (mut desk, _) = paged();
        desk.deliver(1);
        desk.alert("page", AlertState::Recovered, 60);
        desk.look(60);
        let end = desk.status().notifications.last().unwrap().id.clone();
        desk.report(&end, Delivery::Failed { error: "401".into() }, 61);
        desk.run(61, 500);
        assert_eq!(desk.told().last().unwrap(), "resolved ada by chat: Failed");
        desk
    };
    let mut desk = refused();
    mend(&mut desk, 600);
    desk.look(600);
    assert_eq!(desk.told().last().unwrap(), "resolved ada by chat: Planned");

    let mut desk = refused();
    mend(&mut desk, 100_000);
    desk.look(100_000);
    assert_eq!(desk.told().last().unwrap(), "resolved ada by chat: Failed", "of yesterday");

    let mut desk = refused();
    desk.alert("page", AlertState::Firing, 600);
    desk.look(600);
    mend(&mut desk, 601);
    desk.look(601);
    assert!(desk.told().contains(&"resolved ada by chat: Failed".to_owned()), "{:?}", desk.told());
}
