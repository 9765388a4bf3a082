//! What is said on a ticket: replies, messages, notes, and what they start and stop.

use rstest::rstest;

use super::*;

/// Answered at 5, waiting for Mia since 6.
fn waiting() -> Vec<TicketEvent> {
    vec![event(5, "ada", reply()), event(6, "ada", to("PendingRequester"))]
}

#[test]
fn the_requesters_answer_opens_the_ticket_again() {
    let events = [waiting(), vec![event(60, "intake", message())]].concat();
    let folded = told(&asked(), &events, &[], 60);
    assert_eq!((folded.state, folded.waits_until), (TicketState::Open, None));
    assert_eq!(folded.messages.last().unwrap().from, "mia@acme.example");
}

#[test]
fn an_out_of_office_notice_is_kept_and_changes_nothing() {
    let events = [waiting(), vec![event(60, "intake", out_of_office())]].concat();
    let folded = told(&asked(), &events, &[], 60);
    assert_eq!(folded.state, TicketState::PendingRequester);
    assert_eq!(folded.messages.len(), 2);
    assert_eq!(folded.happenings, told(&asked(), &waiting(), &[], 60).happenings);
}

#[rstest]
#[case::resolved("Resolved", TicketState::Resolved)]
#[case::closed("Closed", TicketState::Closed)]
fn an_out_of_office_notice_neither_reopens_nor_asks_for_a_follow_up(
    #[case] state: &str,
    #[case] expected: TicketState,
) {
    let folded = told(&asked(), &[event(5, "ada", to(state)), event(60, "intake", out_of_office())], &[], 60);
    assert_eq!(folded.state, expected);
    assert_eq!(folded.verdicts.last(), Some(&Verdict::Accepted));
}

#[test]
fn an_automatic_acknowledgement_of_receipt_is_no_answer() {
    let robot = Act::Reply { text: "We got your mail.".into(), hand: Hand::Automatic };
    let folded = told(&asked(), &[event(5, "robot", robot), event(6, "ada", to("PendingRequester"))], &[], 6);
    assert_eq!(folded.state, TicketState::New);
    assert!(refusal(&folded).contains("reply first"));
}

#[rstest]
#[case::in_the_window(7 * DAY, TicketState::Open, 1)]
#[case::one_second_later(7 * DAY + 1, TicketState::Resolved, 0)]
fn a_message_reopens_a_resolved_ticket_for_seven_days(
    #[case] after: i64,
    #[case] state: TicketState,
    #[case] reopens: u32,
) {
    let events = [event(5, "ada", to("Resolved")), event(5 + after, "intake", message())];
    let folded = told(&asked(), &events, &[], 5 + after);
    assert_eq!((folded.state, folded.reopens), (state, reopens));
    let expected = if reopens == 1 { Verdict::Accepted } else { Verdict::AcceptedWith(Consequence::FollowUp) };
    assert_eq!(folded.verdicts[1], expected);
}

#[test]
fn a_message_to_a_closed_ticket_asks_for_a_follow_up_and_is_not_appended() {
    let folded = told(&asked(), &[event(5, "ada", to("Closed")), event(60, "intake", message())], &[], 60);
    assert_eq!(folded.verdicts[1], Verdict::AcceptedWith(Consequence::FollowUp));
    assert!(folded.messages.is_empty());
}

#[test]
fn a_message_to_a_merged_ticket_belongs_to_the_one_that_carries_it_on() {
    let merge = Act::Merge { into: "inc-b".into() };
    let folded = told(&asked(), &[event(5, "ada", merge), event(60, "intake", message())], &[], 60);
    assert_eq!(folded.verdicts[1], Verdict::AcceptedWith(Consequence::PassOn { into: "inc-b".into() }));
}

#[test]
fn what_the_requester_wrote_can_become_a_ticket_of_its_own_and_a_reply_cannot() {
    let split = |message| Act::Split { message, title: "Printer".into() };
    let events = [event(5, "intake", message()), event(6, "ada", reply()), event(7, "ada", split(1))];
    let folded = told(&asked(), &events, &[], 7);
    let Verdict::AcceptedWith(Consequence::Split { message: spoken, title }) = &folded.verdicts[2] else {
        panic!("{:?}", folded.verdicts[2])
    };
    assert_eq!((spoken.at, spoken.text.as_str(), title.as_str()), (at(5), "Firefox.", "Printer"));
    let folded = told(&asked(), &[events[0].clone(), events[1].clone(), event(7, "ada", split(2))], &[], 7);
    assert!(refusal(&folded).contains("not the requester's"));
    let folded = told(&asked(), &[events[0].clone(), events[1].clone(), event(7, "ada", split(3))], &[], 7);
    assert_eq!(refusal(&folded), "expected a message from 1 to 2, found 3");
}

#[test]
fn a_message_can_be_declared_to_need_no_answer_once() {
    let thanks = Act::NoAnswerNeeded { why: "says thanks".into() };
    let events = [event(5, "intake", message()), event(6, "ada", thanks.clone()), event(7, "ada", thanks)];
    let folded = told(&asked(), &events, &[], 7);
    assert_eq!(folded.verdicts[1], Verdict::Accepted);
    assert!(refusal(&folded).contains("no message"));
}

#[test]
fn feedback_counts_as_said_last() {
    let feedback = |score| Act::Feedback(Feedback { score, effort: Some(1), comment: String::new() });
    let events = [event(5, "ada", to("Resolved")), event(6, "mia", feedback(2)), event(7, "mia", feedback(5))];
    assert_eq!(told(&asked(), &events, &[], 7).feedback.unwrap().score, 5);
}

#[test]
fn the_clocks_of_a_mail_start_when_it_was_received_not_when_its_ticket_was_written() {
    let received = TicketEvent { created: at(1), ..event(-300, "intake", message()) };
    let folded = told(&asked(), &[received], &[], 1);
    assert_eq!(folded.happenings[0].at, at(-300));
}
