//! What holds for every course of events.

use jiff::ToSpan;
use proptest::prelude::*;

use super::*;

fn happened() -> impl Strategy<Value = Happened> {
    prop_oneof![
        Just(Happened::Asked),
        Just(Happened::Replied),
        Just(Happened::Noted),
        Just(Happened::Taken),
        Just(Happened::NoAnswerNeeded { why: "thanks".into() }),
        prop::sample::select(TicketState::ALL.to_vec()).prop_map(state),
        (1u64..40, 1u64..40).prop_map(|(first, whole)| change(
            &format!("firstResponse {first}h, nextResponse 3h, update 2h, resolution {whole}h"),
            "changed"
        )),
        (0i64..900_000).prop_map(|second| Happened::DueSet {
            clock: ClockName::Resolution,
            due: Some(start() + second.seconds())
        }),
        Just(Happened::DueSet { clock: ClockName::Resolution, due: None }),
    ]
}

fn start() -> Timestamp {
    at("Mon 00:00")
}

/// Two weeks of events, in order.
fn stories() -> impl Strategy<Value = Vec<Happening>> {
    let one = (0i64..1_209_600, happened());
    (any::<bool>(), prop::collection::vec(one, 0..25)).prop_map(|(has_requester, mut events)| {
        events.sort_by_key(|(second, _)| *second);
        let began = Happening { at: start(), what: Happened::Began { has_requester } };
        let events = events.into_iter().map(|(second, what)| Happening { at: start() + second.seconds(), what });
        std::iter::once(began).chain(events).collect()
    })
}

fn initial() -> Targets {
    targets("firstResponse 4h, nextResponse 3h, update 2h, resolution 16h")
}

fn end() -> Timestamp {
    start() + 336.hours()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_ledger_explains_every_number(story in stories()) {
        assert_explained(&clocks(&story, &initial(), end()));
    }

    #[test]
    fn what_was_known_at_a_time_is_not_taken_back_later(story in stories(), hours in 0i64..336) {
        let then = clocks(&story, &initial(), start() + hours.hours());
        let later = clocks(&story, &initial(), end());
        for breach in then.breaches() {
            prop_assert!(later.breaches().any(|known| known == breach) || breach.breached_at == start() + hours.hours());
        }
    }

    #[test]
    fn each_deadline_comes_true_when_nothing_happens(story in stories()) {
        let last = story.last().unwrap().at;
        let mut now = last;
        // Four clocks with two warnings and a due time each.
        for _ in 0..12 {
            let before = clocks(&story, &initial(), now);
            let Some(next) = before.next() else { return Ok(()) };
            prop_assert!(next.at > now);
            let after = clocks(&story, &initial(), next.at);
            let clock = after.of(next.clock).unwrap();
            match next.mark {
                Mark::Due => prop_assert_eq!(clock.breached_at, Some(next.at)),
                Mark::Warning(percent) => {
                    let reached = Warning { percent, at: next.at };
                    prop_assert!(clock.warnings.contains(&reached));
                }
            }
            now = next.at;
        }
        prop_assert_eq!(clocks(&story, &initial(), now).next(), None);
    }

    #[test]
    fn splitting_a_pause_changes_no_number(second in 0i64..400_000, length in 2i64..400_000, cut in any::<prop::sample::Index>()) {
        let (from, to) = (start() + second.seconds(), start() + (second + length).seconds());
        let at = from + (1 + cut.index(usize::try_from(length - 1).unwrap()) as i64).seconds();
        let event = |at, what| Happening { at, what };
        let whole = [event(start(), began()), event(from, state(PendingRequester)), event(to, state(Open))];
        let split = [whole[0].clone(), whole[1].clone(), event(at, state(Open)), event(at, state(PendingRequester)), whole[2].clone()];
        let numbers = |story: &[Happening]| {
            let clocks = clocks(story, &initial(), to);
            let clock = clocks.of(ClockName::Resolution).unwrap();
            (clock.elapsed, clock.due, clock.breached_at)
        };
        prop_assert_eq!(numbers(&whole), numbers(&split));
    }

    #[test]
    fn a_pause_outside_hours_moves_nothing(day in 0i64..4, from in 0i64..57_600, length in 0i64..57_600) {
        // Between 17:00 and 09:00.
        let closes = at("Mon 17:00") + (day * 24).hours();
        let (from, to) = (closes + from.seconds(), closes + (from + length).min(57_600).seconds());
        let event = |at, what| Happening { at, what };
        let paused = [event(start(), began()), event(from, state(PendingRequester)), event(to, state(Open))];
        let due = |story: &[Happening]| {
            let targets = targets("resolution 38h");
            clocks(story, &targets, to).of(ClockName::Resolution).unwrap().due
        };
        prop_assert_eq!(due(&paused), due(&paused[..1]));
    }

    /// Time counts once: what a clock has counted is never more than the working time since it began.
    #[test]
    fn no_clock_counts_more_than_there_was(story in stories()) {
        let calendar = office();
        for clock in clocks(&story, &initial(), end()).runs {
            prop_assert!(clock.elapsed <= calendar.elapsed(clock.began, clock.since));
        }
    }
}
