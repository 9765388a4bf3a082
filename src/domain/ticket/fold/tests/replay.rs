//! Properties: the same bytes in any order and at any time, no panic, no ticket that nobody will look at again.

use proptest::prelude::*;

use super::*;

#[test]
fn the_thousand_and_first_event_is_refused() {
    let note = |second| event(second, "ada", Act::Note { text: "x".into() });
    let mut events: Vec<_> = (1..=1_001).map(note).collect();
    events.rotate_left(500);
    let folded = told(&subject(), &events, &[], 2_000);
    let refused: Vec<_> = events.iter().zip(&folded.verdicts).filter(|(_, verdict)| !verdict.is_accepted()).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0.sequence, 1_001, "the last in the order of arrival, wherever it stands");
    assert_eq!(folded.messages.len(), MOST_EVENTS);
}

fn acts() -> impl Strategy<Value = Act> {
    let states = prop::sample::select(TicketState::ALL.to_vec());
    let seconds = prop::option::of(-100_i64..40 * DAY);
    prop_oneof![
        Just(reply()),
        Just(message()),
        Just(out_of_office()),
        Just(Act::Note { text: "a note".into() }),
        Just(Act::Acknowledge),
        Just(Act::Unacknowledge),
        (0_i64..40 * DAY).prop_map(|second| Act::Snooze { until: at(second) }),
        Just(Act::Assign { to: "bob".into() }),
        (states, seconds).prop_map(|(state, second)| Act::State {
            to: state.as_str().into(),
            reason: String::new(),
            until: second.map(at),
        }),
        (1_u8..6).prop_map(|level| Act::Priority { to: format!("P{level}"), why: "so".into() }),
        Just(Act::Link(Link { relation: "relatesTo".into(), target: LinkTarget::Ticket("inc-b".into()) })),
        Just(Act::Merge { into: "inc-b".into() }),
        (0_u32..4).prop_map(|message| Act::Split { message, title: "Other".into() }),
        Just(Act::Queue { to: "network".into() }),
        Just(Act::NoAnswerNeeded { why: "thanks".into() }),
        (0_u32..4).prop_map(|step| Act::Escalate { step }),
        Just(Act::Feedback(Feedback { score: 4, effort: None, comment: String::new() })),
    ]
}

fn stories() -> impl Strategy<Value = (Vec<TicketEvent>, Vec<Line>)> {
    let seconds = || 0_i64..30 * DAY;
    let events = prop::collection::vec((seconds(), acts()), 0..40).prop_map(|acts| {
        let numbered = acts.into_iter().enumerate();
        numbered.map(|(i, (second, act))| TicketEvent { sequence: i as u64, ..event(second, "ada", act) }).collect()
    });
    let whats = prop::sample::select(vec![
        (What::Resolved, ""),
        (What::Reopened, ""),
        (What::SeverityRose, ""),
        (What::PrioritySet, "P2 by route rest"),
        (What::SpecChanged, "queue: - -> network"),
    ]);
    let lines = prop::collection::vec((seconds(), whats), 0..6)
        .prop_map(|lines| lines.into_iter().map(|(second, (what, detail))| said(second, what, detail)).collect());
    (events, lines)
}

proptest! {
    #[test]
    fn the_order_in_which_events_are_read_does_not_matter(
        (mut events, lines) in stories(),
        requester in any::<bool>(),
        cut in any::<prop::sample::Index>(),
        second in 0_i64..60 * DAY,
    ) {
        let subject = Subject { has_requester: requester, ..subject() };
        let straight = told(&subject, &events, &lines, second);
        let by_name = |events: &[TicketEvent], folded: &Folded| {
            let mut pairs: Vec<_> = events.iter().map(|event| event.sequence).zip(folded.verdicts.clone()).collect();
            pairs.sort_by_key(|(sequence, _)| *sequence);
            pairs
        };
        let expected = by_name(&events, &straight);
        if !events.is_empty() {
            let middle = cut.index(events.len());
            events.rotate_left(middle);
            events.reverse();
        }
        let shuffled = told(&subject, &events, &lines, second);
        prop_assert_eq!(by_name(&events, &shuffled), expected);
        prop_assert_eq!(Folded { verdicts: vec![], ..shuffled }, Folded { verdicts: vec![], ..straight });
    }

    #[test]
    fn what_was_looked_at_often_is_what_is_looked_at_once((events, lines) in stories(), requester in any::<bool>()) {
        // Live: at each deadline that the fold names it is asked again, and every answer up to then is the final one.
        let subject = Subject { has_requester: requester, ..subject() };
        let last = events.iter().map(|event| event.at).chain(lines.iter().map(|line| line.at)).max().unwrap_or(at(0));
        let end = at(120 * DAY);
        let at_the_end = fold(&subject, &events, &lines, None, end);
        let mut now = last;
        let mut looks = 0;
        loop {
            let live = fold(&subject, &events, &lines, None, now);
            prop_assert!(at_the_end.happenings.starts_with(&live.happenings));
            prop_assert_eq!(&live.verdicts, &at_the_end.verdicts);
            looks += 1;
            prop_assert!(looks < 10, "a ticket that is left alone comes to rest");
            match live.next {
                Some(next) => { prop_assert!(next > now); now = next; }
                None => {
                    prop_assert_eq!(Folded { ..live }, at_the_end);
                    break;
                }
            }
        }
    }

    #[test]
    fn a_state_that_waits_has_a_deadline((events, lines) in stories(), requester in any::<bool>(), second in 0_i64..60 * DAY) {
        let subject = Subject { has_requester: requester, ..subject() };
        let folded = told(&subject, &events, &lines, second);
        if folded.state.is_waiting() || folded.state == TicketState::Resolved {
            prop_assert!(folded.next.is_some(), "{:?}", folded.state);
        }
    }

    #[test]
    fn happenings_come_in_order((events, lines) in stories(), second in 0_i64..60 * DAY) {
        let folded = told(&asked(), &events, &lines, second);
        prop_assert!(folded.happenings.is_sorted_by_key(|happening| happening.at));
    }
}
