//! Planned times: steps, personal rules, cycles, the last resort and the hour after it.

use super::*;
use crate::policy::example::minutes;

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
fn a_personal_rule_runs_on_past_later_steps() {
    let mut story = Story::begin();
    story.policy.people.get_mut("ada").unwrap().rules[1].after = minutes(20);
    story.run(0, 29);
    assert_eq!(story.told.last().unwrap(), "20: ada by sms (step 1)");
}

#[test]
fn a_personal_rule_longer_than_a_cycle_runs_on_past_the_next_one_and_is_not_doubled_by_it() {
    let mut story = Story::begin();
    story.policy.people.get_mut("ada").unwrap().rules[1].after = minutes(90);
    story.run(0, 180);
    let sms: Vec<_> = story.told.iter().filter(|told| told.contains("ada by sms")).collect();
    assert_eq!(sms, ["90: ada by sms (step 1)"]);
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
    assert_eq!(story.next(8), Some(10));
}

#[test]
fn lateness_does_not_move_the_hourly_repetitions() {
    let mut story = Story::begin();
    story.run(0, 120);
    story.advance(None, 187);
    assert_eq!(story.told.last().unwrap(), "187: carol by sms (step 3)");
    assert_eq!(story.next(187), Some(240));
    story.advance(None, 500);
    assert_eq!(story.chain.cycle, 4, "of the hours that were missed only the latest counts");
    assert_eq!(story.next(500), Some(540));
}

#[test]
fn the_next_cycle_counts_from_the_planned_last_step() {
    let mut story = Story::begin();
    story.run(0, 25);
    story.advance(None, 42);
    assert_eq!(story.told.last().unwrap(), "42: carol by sms (step 3)");
    assert_eq!(story.next(42), Some(60));
}

#[test]
fn the_last_cycle_ends_with_the_last_resort_and_then_an_hourly_reminder() {
    let mut story = Story::begin();
    let effects = story.run(0, 240);
    assert_eq!(story.chain.cycle, 4, "two of the policy, two hourly repetitions");
    assert_eq!(effects.iter().filter(|e| **e == Effect::Exhausted).count(), 1);
    assert_eq!(
        story.told_from(10),
        ["120: - by ops (step 0)", "180: carol by sms (step 3)", "240: carol by sms (step 3)"]
    );
}

#[test]
fn a_step_that_reaches_nobody_passes_to_the_next_at_once_and_says_why() {
    let mut story = Story::begin();
    story.policy.people.remove("ada");
    let effects = story.advance(None, 0);
    assert_eq!(story.told, ["0: - by chat (step 2)", "0: bob by chat (step 2)"]);
    assert_eq!(
        begun(&effects),
        ["step 1: ada is no longer in the policy", "step 2: bob (on call in secondary), channel chat"]
    );
    let Effect::StepBegan { reached, .. } = &effects[0] else { panic!("{effects:?}") };
    let Reach::Nobody(missing) = &reached.0[0] else { panic!("{reached:?}") };
    assert_eq!(missing.reason(), "PersonRemoved");
    story.run(1, 29);
    assert_eq!(story.told.len(), 2, "step 2 does not run again at its planned time");
    assert_eq!(story.next(29), Some(30), "step 3 stays where it was planned");
}

#[test]
fn the_rules_of_a_step_that_ran_early_count_from_when_it_was_to_run() {
    let mut story = Story::begin();
    story.escalation.steps[0].notify = vec![NotifyTarget::Person("nobody".into())];
    story.escalation.steps[1].notify = vec![NotifyTarget::Person("ada".into())];
    story.advance(None, 3);
    assert_eq!(story.told, ["3: ada by chat (step 2)"]);
    assert_eq!(story.next(3), Some(5), "five minutes after step 1 found nobody, not after somebody looked");
}

#[test]
fn when_no_step_reaches_anybody_the_last_resort_is_told_at_once() {
    let mut story = Story::begin();
    story.policy.people.clear();
    story.policy.channels.remove("chat");
    let effects = story.advance(None, 0);
    assert_eq!(remarkable(&effects), [&Effect::NobodyFound]);
    assert_eq!(story.told, ["0: - by ops (step 0)"]);
    assert_eq!(story.next(0), Some(60), "the next cycle looks for people anew");
}

#[test]
fn the_last_resort_is_told_of_nobody_found_and_again_when_all_cycles_have_passed() {
    let mut story = Story::begin();
    story.policy.people.clear();
    story.policy.channels.remove("chat");
    story.escalation.repeat.times = 0;
    let effects = story.run(0, 60);
    let pages: Vec<_> =
        effects.iter().filter_map(|e| if let Effect::Page(page) = e { Some(page) } else { None }).collect();
    assert_eq!(pages.len(), 2);
    assert_ne!(pages[0].sequence, pages[1].sequence, "a receiver must not take the second for a repeat of the first");
}

#[test]
fn where_even_the_last_resort_reaches_nobody_only_the_operator_is_left() {
    let mut story = Story::begin();
    story.policy.people.clear();
    story.policy.channels.clear();
    let effects = story.advance(None, 0);
    assert_eq!(remarkable(&effects), [&Effect::NobodyFound, &Effect::LastResortFoundNobody]);
}

#[test]
fn an_escalation_without_steps_finds_nobody_and_never_falls_silent() {
    let mut story = Story::begin();
    story.escalation = EscalationPolicy::empty();
    let effects = story.run(0, 90);
    assert_eq!(remarkable(&effects), [&Effect::NobodyFound, &Effect::Exhausted]);
    assert_eq!(story.told, ["0: - by ops (step 0)", "30: - by ops (step 0)", "90: - by ops (step 0)"]);
}

#[test]
fn a_person_reached_twice_in_a_step_is_told_once() {
    let mut story = Story::begin();
    story.escalation.steps[0].notify.push(NotifyTarget::Person("ada".into()));
    story.run(0, 9);
    assert_eq!(story.told, ["0: ada by chat (step 1)", "5: ada by sms (step 1)"]);
}

#[test]
fn a_person_without_a_rule_for_the_severity_is_nobody() {
    let mut story = Story::begin();
    for rule in &mut story.policy.people.get_mut("ada").unwrap().rules {
        rule.severity = Some(Severity::Ticket);
    }
    let effects = story.advance(None, 0);
    assert_eq!(begun(&effects)[0], "step 1: ada has no rule for severity page");
}

#[test]
fn a_person_who_leaves_before_the_first_message_makes_the_next_step_come_early() {
    let mut story = Story::begin();
    story.policy.people.get_mut("ada").unwrap().rules.remove(0);
    story.advance(None, 0);
    assert!(story.told.is_empty(), "ada's only rule is sms after five minutes");
    story.policy.people.remove("ada");
    let effects = story.advance(None, 5);
    assert_eq!(remarkable(&effects), [&Effect::RuleMissed { step: 1, missing: Missing::PersonRemoved("ada".into()) }]);
    assert_eq!(story.told, ["5: - by chat (step 2)", "5: bob by chat (step 2)"]);
    assert_eq!(story.next(5), Some(30));
}

#[test]
fn a_day_of_absence_gives_one_message_per_step_person_and_channel_what_is_overdue_first() {
    let mut story = Story::begin();
    let effects = story.advance(None, 24 * 60);
    let pages: Vec<_> =
        effects.iter().filter_map(|e| if let Effect::Page(page) = e { Some(page) } else { None }).collect();
    let mut unique: Vec<_> = pages.iter().map(|page| (page.step, &page.person, &page.channel)).collect();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), pages.len());
    assert_eq!(pages.len(), 6);
    assert!(pages.is_sorted_by_key(|page| page.planned));
}
