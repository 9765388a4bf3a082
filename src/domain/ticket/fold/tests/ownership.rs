//! Whose a ticket is: acknowledging, snoozing, assigning, queues, links and priorities.

use rstest::rstest;

use super::*;

#[test]
fn who_acknowledges_first_gets_the_ticket_and_keeps_it_until_somebody_else_does() {
    let events = [event(5, "ada", Act::Acknowledge), event(9, "bob", Act::Acknowledge)];
    let folded = told(&subject(), &events, &[], 9);
    assert_eq!(folded.state, TicketState::Open);
    assert_eq!(folded.assignee.as_deref(), Some("ada"));
    assert_eq!(folded.acknowledged, Some(Acknowledged { by: "bob".into(), at: at(9), until: None }));
}

#[test]
fn a_snooze_is_an_acknowledgement_that_ends() {
    let events = [event(5, "ada", Act::Snooze { until: at(3_600) })];
    let asleep = told(&subject(), &events, &[], 3_599);
    assert_eq!((asleep.state, asleep.next), (TicketState::Open, Some(at(3_600))));
    assert_eq!(asleep.acknowledged.unwrap().by, "ada");
    assert_eq!(told(&subject(), &events, &[], 3_600).acknowledged, None);
}

#[test]
fn a_pinned_assignee_is_not_changed_by_events() {
    let spec = SpecFacts { assignee: Some("carol".into()), ..SpecFacts::default() };
    let subject = Subject { spec, ..subject() };
    let folded = told(&subject, &[event(5, "ada", Act::Assign { to: "bob".into() })], &[], 5);
    assert_eq!(folded.assignee.as_deref(), Some("carol"));
    assert!(refusal(&folded).contains("spec.assignee pins the ticket to carol"));
}

#[test]
fn impact_and_urgency_give_the_priority_and_a_person_overrules_them() {
    let spec = SpecFacts { impact: Some("high".into()), urgency: Some("high".into()), ..SpecFacts::default() };
    let subject = Subject { spec, ..asked() };
    assert_eq!(told(&subject, &[], &[], 0).priority, "P1");
    let calmer = Act::Priority { to: "P3".into(), why: "a workaround is known".into() };
    let folded = told(&subject, &[event(5, "ada", calmer)], &[], 5);
    assert_eq!(folded.priority, "P3");
    assert!(words(&folded).iter().any(|line| line.starts_with("5 Targets") && line.contains("priority P1 -> P3")));
}

#[rstest]
#[case::the_route_alone(None, &["P3 by route rest"], "P3")]
#[case::a_rise_overrules_a_person(Some("P4"), &["P3 by route rest", "P1 by route pages"], "P1")]
#[case::a_person_has_the_last_word_otherwise(Some("P4"), &["P3 by route rest"], "P4")]
#[case::a_fall_leaves_a_persons_word(Some("P2"), &["P1 by route pages", "P3 by route rest"], "P2")]
fn the_route_gives_the_priority_until_a_person_does(
    #[case] person: Option<&str>,
    #[case] route: &[&str],
    #[case] expected: &str,
) {
    let lines: Vec<Line> = route
        .iter()
        .enumerate()
        .map(|(i, detail)| said(10 * i64::try_from(i).unwrap(), What::PrioritySet, detail))
        .collect();
    let events: Vec<TicketEvent> =
        person.map(|to| event(5, "ada", Act::Priority { to: to.into(), why: "seen it".into() })).into_iter().collect();
    assert_eq!(told(&subject(), &events, &lines, 100).priority, expected);
}

#[test]
fn a_change_of_the_spec_counts_from_the_line_that_records_it() {
    let lines = [
        said(1, What::SpecChanged, "priority: - -> P3; queue: - -> helpdesk"),
        said(60, What::SpecChanged, "priority: P3 -> P1; queue: helpdesk -> network"),
    ];
    let spec = SpecFacts { priority: Some("P1".into()), queue: Some("network".into()), ..SpecFacts::default() };
    let subject = Subject { spec, ..asked() };
    let folded = told(&subject, &[], &lines, 60);
    assert_eq!((folded.priority.as_str(), folded.queue.as_deref()), ("P1", Some("network")));
    assert_eq!(words(&folded)[0], "0 Began { has_requester: true }");
    assert!(words(&folded).iter().any(|line| line.starts_with("60 Targets") && line.contains("priority P3 -> P1")));
}

#[test]
fn links_are_kept_once_each() {
    let link = |name: &str| Act::Link(Link { relation: "causedBy".into(), target: LinkTarget::Ticket(name.into()) });
    let events = [event(5, "ada", link("inc-b")), event(6, "bob", link("inc-b")), event(7, "bob", link("inc-c"))];
    assert_eq!(told(&subject(), &events, &[], 7).links.len(), 2);
}

#[test]
fn an_event_for_an_earlier_ticket_of_the_name_is_refused() {
    let early = TicketEvent { created: at(-1), ..event(-1, "ada", Act::Acknowledge) };
    let foreign = TicketEvent { owner: Some("other".into()), ..event(5, "ada", Act::Acknowledge) };
    let folded = told(&subject(), &[early, foreign], &[], 5);
    assert!(folded.verdicts.iter().all(|verdict| !verdict.is_accepted()));
    assert_eq!(folded.acknowledged, None);
}

#[test]
fn an_event_that_was_refused_when_it_was_judged_stays_refused() {
    let event = TicketEvent { refused: Some("no such person".into()), ..event(5, "ada", Act::Acknowledge) };
    let folded = told(&subject(), &[event], &[], 5);
    assert_eq!(folded.verdicts, [Verdict::Refused("no such person".into())]);
    assert_eq!(folded.acknowledged, None);
}
