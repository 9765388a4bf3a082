//! Each test is a short story on a clock of minutes. `0` is Tuesday 2026-11-03 10:00 in Berlin: ada is on call.

use proptest::prelude::*;

use super::*;
use crate::policy::example::policy;

fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-11-03T09:00:00Z".parse().unwrap();
    start + jiff::SignedDuration::from_mins(minute)
}

struct Story {
    policy: Policy,
    escalation: EscalationPolicy,
    chain: Chain,
    suppressed: Option<String>,
    told: Vec<String>,
}

impl Story {
    fn begin() -> Self {
        let policy = policy();
        let escalation = policy.escalations["page"].clone();
        Self { policy, escalation, chain: Chain::start(at(0)), suppressed: None, told: Vec::new() }
    }

    fn advance(&mut self, event: Option<Event>, minute: i64) -> Vec<Effect> {
        let s = Situation {
            escalation: &self.escalation,
            live: &self.policy,
            severity: Severity::Page,
            suppressed: self.suppressed.as_deref(),
        };
        let effects = advance(&mut self.chain, event, s, at(minute));
        for effect in &effects {
            if let Effect::Page(page) = effect {
                let who = page.person.as_deref().unwrap_or("-");
                self.told.push(format!("{minute}: {who} by {} (step {})", page.channel, page.step));
            }
        }
        effects
    }

    /// Looks every minute up to and including `until`.
    fn run(&mut self, from: i64, until: i64) -> Vec<Effect> {
        (from..=until).flat_map(|minute| self.advance(None, minute)).collect()
    }

    fn next(&self, now: i64) -> Option<Timestamp> {
        let s = Situation {
            escalation: &self.escalation,
            live: &self.policy,
            severity: Severity::Page,
            suppressed: self.suppressed.as_deref(),
        };
        next_deadline(&self.chain, s, at(now))
    }
}

fn ack(minute: i64) -> Option<Event> {
    Some(Event::Acknowledge { by: "ada".into(), at: at(minute) })
}

#[test]
fn steps_and_personal_rules_come_at_their_planned_minutes() {
    let mut story = Story::begin();
    story.run(0, 30);
    assert_eq!(
        story.told,
        [
            "0: ada by chat (step 1)",
            "5: ada by sms (step 1)",
            "10: - by chat (step 2)",
            "10: bob by chat (step 2)",
            "30: carol by sms (step 3)",
        ]
    );
}

#[test]
fn an_acknowledgement_ends_every_step_and_rule_still_to_come() {
    let mut story = Story::begin();
    story.run(0, 2);
    story.advance(ack(3), 3);
    story.run(4, 59);
    assert_eq!(story.told, ["0: ada by chat (step 1)"]);
}

#[test]
fn looking_twice_at_the_same_time_tells_nobody_twice() {
    let mut story = Story::begin();
    story.advance(None, 10);
    let told = story.told.len();
    assert!(story.advance(None, 10).is_empty());
    assert_eq!(story.told.len(), told);
}

#[test]
fn lateness_does_not_move_later_steps() {
    let mut story = Story::begin();
    story.advance(None, 8);
    assert_eq!(story.told, ["8: ada by chat (step 1)", "8: ada by sms (step 1)"]);
    assert_eq!(story.next(8), Some(at(10)));
}

#[test]
fn the_last_cycle_ends_with_the_last_resort_and_then_an_hourly_reminder() {
    let mut story = Story::begin();
    let effects = story.run(0, 240);
    assert_eq!(story.chain.cycle, 4, "two of the policy, two hourly repetitions");
    assert_eq!(effects.iter().filter(|e| **e == Effect::Exhausted).count(), 1);
    let last: Vec<_> = story.told.iter().skip(10).collect();
    assert_eq!(last, ["120: - by ops (step 0)", "180: carol by sms (step 3)", "240: carol by sms (step 3)"]);
}

#[test]
fn a_step_that_reaches_nobody_passes_to_the_next_at_once_and_says_why() {
    let mut story = Story::begin();
    story.policy.people.remove("ada");
    let effects = story.advance(None, 0);
    assert_eq!(story.told, ["0: - by chat (step 2)", "0: bob by chat (step 2)"]);
    assert_eq!(effects[0], Effect::StepBegan { cycle: 1, step: 1, detail: "ada is no longer in the policy".into() });
    story.run(1, 29);
    assert_eq!(story.told.len(), 2, "step 2 does not run again at its planned time");
    assert_eq!(story.next(29), Some(at(30)), "step 3 stays where it was planned");
}

#[test]
fn when_no_step_reaches_anybody_the_last_resort_is_told_at_once() {
    let mut story = Story::begin();
    story.policy.people.clear();
    story.policy.channels.remove("chat");
    let effects = story.advance(None, 0);
    assert!(effects.contains(&Effect::NobodyFound));
    assert_eq!(story.told, ["0: - by ops (step 0)"]);
}

#[test]
fn a_handover_during_a_step_pages_the_next_person_and_spares_the_one_who_left() {
    let mut story = Story::begin();
    // Monday 2026-11-09 09:00 in Berlin is minute 8580; the chain begins two minutes before.
    story.chain = Chain::start(at(8578));
    story.advance(None, 8578);
    assert_eq!(story.next(8578), Some(at(8580)));
    story.run(8579, 8584);
    assert_eq!(story.told, ["8578: ada by chat (step 1)", "8580: bob by chat (step 1)"]);
}

#[test]
fn a_silence_holds_what_is_due_and_shifts_what_comes_later() {
    let mut story = Story::begin();
    story.run(0, 1);
    story.suppressed = Some("silence deploy-42".into());
    let effects = story.run(2, 14);
    assert_eq!(
        effects,
        [Effect::Held { detail: "would have paged at 2026-11-03T09:05:00Z (step 2), silence deploy-42".into() }]
    );
    assert_eq!(story.next(14), None, "the end of the silence is what wakes it");
    story.suppressed = None;
    story.advance(None, 15);
    assert_eq!(story.told.last().unwrap(), "15: ada by sms (step 1)");
    assert_eq!(story.next(15), Some(at(20)), "step 2 waits its ten minutes less the five already gone");
}

#[test]
fn an_acknowledgement_nobody_follows_up_is_asked_about_and_then_withdrawn() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.advance(ack(1), 1);
    let effects = story.run(2, 61);
    assert_eq!(
        effects.iter().filter(|e| !matches!(e, Effect::StepBegan { .. } | Effect::Page(_))).collect::<Vec<_>>(),
        [&Effect::AskStillOnIt { by: "ada".into() }, &Effect::AcknowledgementWithdrawn { by: "ada".into() }]
    );
    assert_eq!(story.chain.cycle, 2);
    assert_eq!(story.told.last().unwrap(), "61: ada by chat (step 1)");
}

#[test]
fn work_on_the_ticket_keeps_the_acknowledgement() {
    let mut story = Story::begin();
    story.advance(ack(0), 0);
    story.advance(Some(Event::Activity { at: at(47) }), 47);
    story.run(48, 94);
    assert!(story.chain.acknowledged.is_some());
}

#[test]
fn the_end_of_the_trouble_stops_the_chain_and_a_refire_runs_the_current_step_again() {
    let mut story = Story::begin();
    story.run(0, 11);
    story.advance(Some(Event::Stop { at: at(12) }), 12);
    assert_eq!(story.next(12), None);
    story.run(13, 20);
    assert_eq!(story.told.len(), 4);
    story.advance(Some(Event::Refire { at: at(21) }), 21);
    assert_eq!(story.told[4..], ["21: - by chat (step 2)", "21: bob by chat (step 2)"]);
    assert_eq!(story.next(21), Some(at(39)), "step 3 keeps its distance");
}

#[test]
fn a_refire_of_an_exhausted_chain_starts_over_at_once() {
    let mut story = Story::begin();
    story.run(0, 130);
    story.advance(Some(Event::Stop { at: at(131) }), 131);
    story.advance(Some(Event::Refire { at: at(132) }), 132);
    assert_eq!(story.told.last().unwrap(), "132: ada by chat (step 1)");
    assert_eq!(story.next(132), Some(at(137)));
}

#[test]
fn a_refire_after_an_acknowledgement_is_only_an_update() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.advance(ack(1), 1);
    story.advance(Some(Event::Stop { at: at(2) }), 2);
    let effects = story.advance(Some(Event::Refire { at: at(3) }), 3);
    assert_eq!(effects, [Effect::TellRefired { by: "ada".into() }]);
}

#[test]
fn a_day_of_absence_gives_one_message_per_step_person_and_channel() {
    let mut story = Story::begin();
    story.advance(None, 24 * 60);
    let mut unique = story.told.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), story.told.len());
    assert!(story.told.len() <= 6, "{:?}", story.told);
}

proptest! {
    /// Whatever happens and however often it is looked at, a chain that waits for a person has a deadline, and
    /// storing it in between changes nothing.
    #[test]
    fn a_chain_that_waits_for_a_person_always_has_a_deadline(moves in prop::collection::vec((0u8..7, 1i64..40), 1..40)) {
        let mut story = Story::begin();
        let mut now = 0;
        for (choice, wait) in moves {
            now += wait;
            let event = match choice {
                0 => ack(now),
                1 => Some(Event::Unacknowledge { at: at(now) }),
                2 => Some(Event::Stop { at: at(now) }),
                3 => Some(Event::Refire { at: at(now) }),
                4 => Some(Event::Restart { at: at(now) }),
                5 => Some(Event::Activity { at: at(now) }),
                _ => None,
            };
            story.advance(event, now);
            let stored = serde_json::to_string(&story.chain).unwrap();
            story.chain = serde_json::from_str(&stored).unwrap();
            if story.chain.waits_for_a_person() {
                let next = story.next(now);
                prop_assert!(next.is_some_and(|next| next > at(now)), "{next:?} after {now} {:?}", story.chain);
            }
        }
    }

    /// The pages do not depend on how often somebody looks, only on what was due.
    #[test]
    fn looking_more_often_tells_the_same_people(looks in prop::collection::btree_set(0i64..120, 1..60)) {
        let mut often = Story::begin();
        often.run(0, 120);
        let mut seldom = Story::begin();
        for minute in looks.into_iter().chain([120]) {
            seldom.advance(None, minute);
        }
        let who = |story: &Story| {
            let mut who: Vec<String> = story.told.iter().map(|t| t.split_once(": ").unwrap().1.to_owned()).collect();
            who.sort();
            who.dedup();
            who
        };
        prop_assert_eq!(who(&often), who(&seldom));
        prop_assert_eq!(often.chain.cycle, seldom.chain.cycle);
    }
}
