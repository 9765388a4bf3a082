//! How a ticket moves from state to state, by people and by time.

use rstest::rstest;

use super::*;

#[test]
fn an_untouched_ticket_is_new() {
    assert_eq!(told(&subject(), &[], &[], 0).state, TicketState::New);
}

#[test]
fn recovery_resolves_and_firing_again_reopens_without_the_old_acknowledgement() {
    let events = [event(5, "ada", Act::Acknowledge)];
    let resolved = told(&subject(), &events, &[line(60, What::Resolved)], 60);
    assert_eq!((resolved.state, resolved.reason), (TicketState::Resolved, Some(CloseReason::Recovered)));
    assert_eq!(resolved.resolved_at, Some(at(60)));
    let reopened = told(&subject(), &events, &[line(60, What::Resolved), line(70, What::Reopened)], 70);
    assert_eq!((reopened.state, reopened.reason, reopened.reopens), (TicketState::Open, None, 1));
    assert_eq!(reopened.acknowledged, None);
    assert_eq!(reopened.assignee.as_deref(), Some("ada"));
}

#[test]
fn a_person_who_resolves_first_keeps_the_reason() {
    let folded = told(&subject(), &[event(5, "ada", to("Resolved"))], &[line(60, What::Resolved)], 60);
    assert_eq!((folded.reason, folded.resolved_at), (Some(CloseReason::Completed), Some(at(5))));
}

#[test]
fn closing_a_resolved_ticket_keeps_its_reason_and_its_time() {
    let folded = told(&subject(), &[event(90, "ada", to("Closed"))], &[line(60, What::Resolved)], 90);
    assert_eq!((folded.state, folded.reason), (TicketState::Closed, Some(CloseReason::Recovered)));
    assert_eq!(folded.resolved_at, Some(at(60)));
}

#[test]
fn to_ask_the_requester_is_an_answer_so_waiting_for_them_needs_a_reply_first() {
    let folded = told(&asked(), &[event(5, "ada", to("PendingRequester"))], &[], 5);
    assert!(refusal(&folded).contains("reply first"), "{}", refusal(&folded));
    let folded = told(&asked(), &[event(5, "ada", reply()), event(6, "ada", to("PendingRequester"))], &[], 6);
    assert_eq!(folded.state, TicketState::PendingRequester);
}

#[test]
fn a_wait_that_ends_unanswered_resolves_the_ticket_where_somebody_said_until_when() {
    let events = [event(5, "ada", reply()), event(6, "ada", until("PendingRequester", 3_600))];
    let waiting = told(&asked(), &events, &[], 3_599);
    assert_eq!((waiting.state, waiting.next), (TicketState::PendingRequester, Some(at(3_600))));
    let given_up = told(&asked(), &events, &[], 5_000);
    assert_eq!((given_up.state, given_up.reason), (TicketState::Resolved, Some(CloseReason::NoResponse)));
    assert_eq!(given_up.resolved_at, Some(at(3_600)), "at the time that was planned, not when somebody looked");
}

#[test]
fn a_wait_without_an_end_is_open_again_after_a_week() {
    let events = [event(5, "ada", reply()), event(6, "ada", to("PendingRequester"))];
    let folded = told(&asked(), &events, &[], 7 * DAY + 6);
    assert_eq!((folded.state, folded.reason), (TicketState::Open, None));
}

#[test]
fn a_scheduled_ticket_is_open_again_on_the_day_that_was_agreed() {
    let events = [event(5, "ada", until("Scheduled", DAY))];
    assert_eq!(told(&asked(), &events, &[], DAY - 1).state, TicketState::Scheduled);
    assert_eq!(told(&asked(), &events, &[], DAY).state, TicketState::Open);
}

#[test]
fn a_resolved_ticket_closes_after_eight_days_and_keeps_its_reason() {
    let events = [event(5, "ada", to("Resolved"))];
    let resolved = told(&asked(), &events, &[], 8 * DAY);
    assert_eq!((resolved.state, resolved.next), (TicketState::Resolved, Some(at(8 * DAY + 5))));
    let closed = told(&asked(), &events, &[], 9 * DAY);
    assert_eq!((closed.state, closed.reason), (TicketState::Closed, Some(CloseReason::Completed)));
    assert_eq!(closed.next, None);
}

#[test]
fn nothing_closes_by_itself_while_an_alert_fires() {
    let subject = Subject { firing: true, ..subject() };
    let folded = told(&subject, &[event(5, "ada", to("Resolved"))], &[], 30 * DAY);
    assert_eq!((folded.state, folded.next), (TicketState::Resolved, None));
}

#[test]
fn a_mail_that_comes_in_late_undoes_what_time_had_done_without_it() {
    let resolved = event(5, "ada", to("Resolved"));
    let late = TicketEvent { created: at(10 * DAY), sequence: 900, ..event(6 * DAY, "intake", message()) };
    let folded = told(&asked(), &[resolved, late], &[], 10 * DAY);
    assert_eq!((folded.state, folded.reopens), (TicketState::Open, 1));
}

#[test]
fn a_merged_ticket_is_closed_and_says_where_it_went_on() {
    let folded = told(&asked(), &[event(5, "ada", Act::Merge { into: "inc-b".into() })], &[], 5);
    assert_eq!((folded.state, folded.reason), (TicketState::Closed, Some(CloseReason::Merged)));
    assert_eq!(folded.merged_into.as_deref(), Some("inc-b"));
    assert_eq!(folded.verdicts, [Verdict::AcceptedWith(Consequence::Merge { into: "inc-b".into() })]);
}

#[rstest]
#[case::unknown_state(to("Done"), "expected one of New, Open")]
#[case::back_to_new(to("New"), "use Open")]
#[case::nobody_to_wait_for(to("PendingRequester"), "no requester")]
#[case::unknown_reason(Act::State { to: "Resolved".into(), reason: "Tired".into(), until: None }, "found `Tired`")]
#[case::no_date(to("Scheduled"), "expected `until` with Scheduled")]
#[case::a_wait_in_the_past(until("PendingVendor", 5), "expected `until` after")]
#[case::a_wait_of_years(until("PendingVendor", 400 * DAY), "within 366 days")]
#[case::open_until(until("Open", 60), "Open does not wait")]
#[case::resolved_until(until("Resolved", 60), "Resolved does not wait")]
#[case::never_acknowledged(Act::Unacknowledge, "nobody has acknowledged")]
#[case::merged_into_itself(Act::Merge { into: "inc-a".into() }, "into itself")]
#[case::nothing_to_answer(Act::NoAnswerNeeded { why: "spam".into() }, "no message of the requester waits")]
#[case::nothing_to_split(Act::Split { message: 1, title: "Other".into() }, "nothing was said")]
#[case::feedback_too_early(Act::Feedback(Feedback { score: 5, effort: None, comment: String::new() }), "once it is Resolved")]
#[case::snoozed_into_the_past(Act::Snooze { until: at(4) }, "expected `until` after")]
#[case::snoozed_for_months(Act::Snooze { until: at(31 * DAY) }, "within 30 days")]
#[case::linked_to_itself(Act::Link(Link { relation: "relatesTo".into(), target: LinkTarget::Ticket("inc-a".into()) }), "linked to itself")]
fn what_makes_no_sense_is_refused_with_the_cause_and_changes_nothing(#[case] act: Act, #[case] cause: &str) {
    let folded = told(&subject(), &[event(5, "ada", act)], &[], 5);
    assert!(refusal(&folded).contains(cause), "{}", refusal(&folded));
    assert_eq!(Folded { verdicts: vec![], ..folded }, told(&subject(), &[], &[], 5));
}

#[rstest]
#[case::acknowledge(Act::Acknowledge)]
#[case::snooze(Act::Snooze { until: at(60) })]
#[case::assign(Act::Assign { to: "bob".into() })]
#[case::open(to("Open"))]
#[case::reply(reply())]
#[case::merge(Act::Merge { into: "inc-b".into() })]
#[case::queue(Act::Queue { to: "network".into() })]
#[case::priority(Act::Priority { to: "P1".into(), why: "louder".into() })]
#[case::escalate(Act::Escalate { step: 2 })]
fn a_closed_ticket_takes_no_more(#[case] act: Act) {
    let folded = told(&subject(), &[event(5, "ada", to("Closed")), event(6, "ada", act)], &[], 6);
    assert!(refusal(&folded).contains("Closed"), "{}", refusal(&folded));
    assert_eq!(folded.state, TicketState::Closed);
}
