//! The fold: a ticket's events and timeline in, its state out. Pure, and the same bytes at every replay.
//!
//! The escalation, the notifications and the alerts are not folded; they are carried on the ticket.

use jiff::Timestamp;

use super::{
    CloseReason, TicketState,
    event::{Act, TicketEvent},
    timeline::{Line, What},
};

/// How many events a ticket takes; later ones are refused.
pub const MOST_EVENTS: usize = 1_000;

/// What the fold needs to know of the ticket itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The ticket's uid.
    pub uid: String,
    /// When its object was created.
    pub created: Timestamp,
    /// Whether somebody asked for it; a ticket that alerts opened has no requester.
    pub has_requester: bool,
    /// The assignee that the spec pins.
    pub pinned_assignee: Option<String>,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Accepted,
    /// It does not, for this reason.
    Refused(String),
}

/// Who works on the ticket, as the events say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The Kubernetes user.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A remark on the ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// When.
    pub at: Timestamp,
    /// The Kubernetes user.
    pub from: String,
    /// What was said.
    pub text: String,
}

/// A ticket's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Folded {
    /// Where it stands.
    pub state: TicketState,
    /// Why it is over.
    pub reason: Option<CloseReason>,
    /// Whose it is: a person's name, or the Kubernetes user who took it.
    pub assignee: Option<String>,
    /// Who works on it.
    pub acknowledged: Option<Acknowledged>,
    /// All remarks, oldest first.
    pub remarks: Vec<Remark>,
    /// When it was resolved, while it is.
    pub resolved_at: Option<Timestamp>,
    /// For each event, by its place in the input.
    pub verdicts: Vec<Verdict>,
}

/// Computes a ticket's state. Events and lines may come in any order; time, then the operator's own lines
/// before people's acts, then the sequence decide.
pub fn fold(subject: &Subject, events: &[TicketEvent], timeline: &[Line]) -> Folded {
    let mut folded = Folded {
        assignee: subject.pinned_assignee.clone(),
        verdicts: vec![Verdict::Accepted; events.len()],
        ..Folded::default()
    };
    for item in in_order(events, timeline) {
        match item {
            Item::Line(line) => folded.take_line(line),
            Item::Event(index, event) => {
                let verdict = match admissible(subject, index, event) {
                    Ok(()) => folded.take_event(subject, event),
                    Err(reason) => Verdict::Refused(reason),
                };
                if let Some(slot) = folded.verdicts.get_mut(index) {
                    *slot = verdict;
                }
            }
        }
    }
    folded
}

enum Item<'a> {
    Line(&'a Line),
    Event(usize, &'a TicketEvent),
}

fn in_order<'a>(events: &'a [TicketEvent], timeline: &'a [Line]) -> Vec<Item<'a>> {
    let lines = timeline.iter().filter(|line| line.what.is_read_by_the_fold());
    let lines = lines.enumerate().map(|(i, line)| ((line.at, 0, i as u64), Item::Line(line)));
    let events = events.iter().enumerate().map(|(i, event)| ((event.at, 1, event.sequence), Item::Event(i, event)));
    let mut items: Vec<_> = lines.chain(events).collect();
    items.sort_by_key(|(key, _)| *key);
    items.into_iter().map(|(_, item)| item).collect()
}

/// Whether an event may touch this ticket at all.
fn admissible(subject: &Subject, index: usize, event: &TicketEvent) -> Result<(), String> {
    if index >= MOST_EVENTS {
        return Err(format!("TooMany: a ticket takes {MOST_EVENTS} events; open a follow-up ticket"));
    }
    if let Some(reason) = &event.refused {
        return Err(reason.clone());
    }
    if event.created < subject.created {
        return Err("the event is older than the ticket: it was meant for an earlier ticket of this name".to_owned());
    }
    match &event.owner {
        Some(owner) if *owner != subject.uid => {
            Err("the event's owner reference names another ticket's uid; create the event anew without it".to_owned())
        }
        _ => Ok(()),
    }
}

impl Folded {
    fn take_line(&mut self, line: &Line) {
        match line.what {
            What::Resolved if !self.state.is_over() => self.end(TicketState::Resolved, CloseReason::Recovered, line.at),
            What::Reopened if self.state == TicketState::Resolved => {
                self.reopen();
                self.acknowledged = None;
            }
            What::SeverityRose | What::AcknowledgementWithdrawn => self.acknowledged = None,
            _ => {}
        }
    }

    fn take_event(&mut self, subject: &Subject, event: &TicketEvent) -> Verdict {
        let taken = match &event.act {
            Act::Acknowledge => self.acknowledge(event),
            Act::Unacknowledge => self.unacknowledge(),
            Act::Note { text } => {
                self.remarks.push(Remark { at: event.at, from: event.author.clone(), text: text.clone() });
                Ok(())
            }
            Act::Assign { to } => self.assign(subject, to),
            Act::State { to, reason } => self.move_to(subject, event, to, reason),
        };
        match taken {
            Ok(()) => Verdict::Accepted,
            Err(reason) => Verdict::Refused(reason),
        }
    }

    fn acknowledge(&mut self, event: &TicketEvent) -> Result<(), String> {
        self.must_be_open("acknowledged")?;
        if self.acknowledged.as_ref().is_none_or(|ack| ack.by != event.author) {
            self.acknowledged = Some(Acknowledged { by: event.author.clone(), at: event.at });
        }
        if self.assignee.is_none() {
            self.assignee = Some(event.author.clone());
        }
        self.touched();
        Ok(())
    }

    fn unacknowledge(&mut self) -> Result<(), String> {
        match self.acknowledged.take() {
            Some(_) => Ok(()),
            None => Err("nobody has acknowledged the ticket".to_owned()),
        }
    }

    fn assign(&mut self, subject: &Subject, to: &str) -> Result<(), String> {
        if let Some(pinned) = &subject.pinned_assignee {
            return Err(format!("spec.assignee pins the ticket to {pinned}; change it there"));
        }
        self.must_be_open("assigned")?;
        self.assignee = Some(to.to_owned());
        self.touched();
        Ok(())
    }

    fn move_to(&mut self, subject: &Subject, event: &TicketEvent, to: &str, reason: &str) -> Result<(), String> {
        let known = TicketState::ALL.map(TicketState::as_str).join(", ");
        let target = TicketState::parse(to).ok_or_else(|| format!("expected one of {known}, found `{to}`"))?;
        match target {
            TicketState::New => return Err("a ticket never becomes New again; use Open".to_owned()),
            TicketState::PendingRequester if !subject.has_requester => {
                return Err("the ticket has no requester to wait for; use PendingVendor or Open".to_owned());
            }
            _ => {}
        }
        if self.state == TicketState::Closed {
            return Err("the ticket is Closed; open a new one".to_owned());
        }
        if self.state == TicketState::Resolved && !matches!(target, TicketState::Open | TicketState::Closed) {
            return Err(format!("the ticket is Resolved; move it to Open before {target}"));
        }
        if !target.is_over() {
            if self.state == TicketState::Resolved {
                self.reopen();
            }
            self.state = target;
            return Ok(());
        }
        let reason = match reason {
            "" if self.state == TicketState::Resolved => self.reason.unwrap_or(CloseReason::Completed),
            "" => CloseReason::Completed,
            word => CloseReason::parse_by_people(word).ok_or_else(|| {
                let known = CloseReason::BY_PEOPLE.map(CloseReason::as_str).join(", ");
                format!("expected a reason among {known}, found `{word}`")
            })?,
        };
        self.end(target, reason, event.at);
        Ok(())
    }

    fn must_be_open(&self, verb: &str) -> Result<(), String> {
        if self.state.is_over() {
            return Err(format!("the ticket is {} and cannot be {verb}; move it to Open first", self.state));
        }
        Ok(())
    }

    fn touched(&mut self) {
        if self.state == TicketState::New {
            self.state = TicketState::Open;
        }
    }

    fn end(&mut self, state: TicketState, reason: CloseReason, at: Timestamp) {
        let already = self.resolved_at.filter(|_| self.state == TicketState::Resolved);
        self.state = state;
        self.reason = Some(reason);
        self.resolved_at = Some(already.unwrap_or(at));
    }

    fn reopen(&mut self) {
        self.state = TicketState::Open;
        self.reason = None;
        self.resolved_at = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn subject() -> Subject {
        Subject { uid: "uid".into(), created: at(0), has_requester: false, pinned_assignee: None }
    }

    fn event(second: i64, author: &str, act: Act) -> TicketEvent {
        let sequence = second.unsigned_abs();
        let name = format!("{author}-{second}");
        TicketEvent {
            name,
            sequence,
            at: at(second),
            created: at(second),
            owner: None,
            author: author.into(),
            act,
            refused: None,
        }
    }

    fn line(second: i64, what: What) -> Line {
        Line { at: at(second), what, detail: String::new() }
    }

    fn to(state: &str) -> Act {
        Act::State { to: state.into(), reason: String::new() }
    }

    #[test]
    fn an_untouched_ticket_is_new() {
        assert_eq!(fold(&subject(), &[], &[]).state, TicketState::New);
    }

    #[test]
    fn who_acknowledges_first_gets_the_ticket_and_keeps_it_until_somebody_else_does() {
        let folded = fold(&subject(), &[event(5, "ada", Act::Acknowledge), event(9, "bob", Act::Acknowledge)], &[]);
        assert_eq!(folded.state, TicketState::Open);
        assert_eq!(folded.assignee.as_deref(), Some("ada"));
        assert_eq!(folded.acknowledged, Some(Acknowledged { by: "bob".into(), at: at(9) }));
    }

    #[test]
    fn recovery_resolves_and_firing_again_reopens_without_the_old_acknowledgement() {
        let events = [event(5, "ada", Act::Acknowledge)];
        let resolved = fold(&subject(), &events, &[line(60, What::Resolved)]);
        assert_eq!((resolved.state, resolved.reason), (TicketState::Resolved, Some(CloseReason::Recovered)));
        assert_eq!(resolved.resolved_at, Some(at(60)));
        let reopened = fold(&subject(), &events, &[line(60, What::Resolved), line(70, What::Reopened)]);
        assert_eq!((reopened.state, reopened.reason), (TicketState::Open, None));
        assert_eq!(reopened.acknowledged, None);
        assert_eq!(reopened.assignee.as_deref(), Some("ada"));
    }

    #[test]
    fn a_person_who_resolves_first_keeps_the_reason() {
        let folded = fold(&subject(), &[event(5, "ada", to("Resolved"))], &[line(60, What::Resolved)]);
        assert_eq!(folded.reason, Some(CloseReason::Completed));
        assert_eq!(folded.resolved_at, Some(at(5)));
    }

    #[test]
    fn closing_a_resolved_ticket_keeps_its_reason_and_its_time() {
        let folded = fold(&subject(), &[event(90, "ada", to("Closed"))], &[line(60, What::Resolved)]);
        assert_eq!((folded.state, folded.reason), (TicketState::Closed, Some(CloseReason::Recovered)));
        assert_eq!(folded.resolved_at, Some(at(60)));
    }

    #[rstest]
    #[case::unknown_state(to("Done"), "expected one of New, Open")]
    #[case::back_to_new(to("New"), "use Open")]
    #[case::nobody_to_wait_for(to("PendingRequester"), "no requester")]
    #[case::unknown_reason(Act::State { to: "Resolved".into(), reason: "Tired".into() }, "found `Tired`")]
    #[case::never_acknowledged(Act::Unacknowledge, "nobody has acknowledged")]
    fn what_makes_no_sense_is_refused_with_the_cause(#[case] act: Act, #[case] cause: &str) {
        let folded = fold(&subject(), &[event(5, "ada", act)], &[]);
        let Verdict::Refused(reason) = &folded.verdicts[0] else { panic!("accepted") };
        assert!(reason.contains(cause), "{reason}");
        assert_eq!(Folded { verdicts: vec![], ..folded }, Folded::default());
    }

    #[rstest]
    #[case::acknowledge(Act::Acknowledge)]
    #[case::assign(Act::Assign { to: "bob".into() })]
    #[case::open(to("Open"))]
    fn a_closed_ticket_takes_no_more(#[case] act: Act) {
        let folded = fold(&subject(), &[event(5, "ada", to("Closed")), event(6, "ada", act)], &[]);
        assert!(matches!(folded.verdicts[1], Verdict::Refused(_)));
        assert_eq!(folded.state, TicketState::Closed);
    }

    #[test]
    fn an_event_for_an_earlier_ticket_of_the_name_is_refused() {
        let early = event(-1, "ada", Act::Acknowledge);
        let foreign = TicketEvent { owner: Some("other".into()), ..event(5, "ada", Act::Acknowledge) };
        let folded = fold(&subject(), &[early, foreign], &[]);
        assert!(folded.verdicts.iter().all(|v| matches!(v, Verdict::Refused(_))));
        assert_eq!(folded.acknowledged, None);
    }

    #[test]
    fn an_event_that_was_refused_when_it_was_judged_stays_refused() {
        let event = TicketEvent { refused: Some("no such person".into()), ..event(5, "ada", Act::Acknowledge) };
        let folded = fold(&subject(), &[event], &[]);
        assert_eq!(folded.verdicts, [Verdict::Refused("no such person".into())]);
        assert_eq!(folded.acknowledged, None);
    }

    #[test]
    fn a_pinned_assignee_is_not_changed_by_events() {
        let subject = Subject { pinned_assignee: Some("carol".into()), ..subject() };
        let folded = fold(&subject, &[event(5, "ada", Act::Assign { to: "bob".into() })], &[]);
        assert_eq!(folded.assignee.as_deref(), Some("carol"));
    }

    #[test]
    fn the_thousand_and_first_event_is_refused() {
        let note = |second| event(second, "ada", Act::Note { text: "x".into() });
        let events: Vec<_> = (1..=1_001).map(note).collect();
        let folded = fold(&subject(), &events, &[]);
        assert_eq!(folded.remarks.len(), MOST_EVENTS);
        assert!(matches!(&folded.verdicts[1_000], Verdict::Refused(reason) if reason.starts_with("TooMany")));
    }

    fn acts() -> impl Strategy<Value = Act> {
        prop_oneof![
            Just(Act::Acknowledge),
            Just(Act::Unacknowledge),
            Just(Act::Note { text: "n".into() }),
            Just(Act::Assign { to: "bob".into() }),
            prop::sample::select(vec!["Open", "PendingVendor", "Resolved", "Closed"]).prop_map(to),
        ]
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            stories in prop::collection::vec((acts(), 1i64..50), 0..20),
            shuffled in any::<prop::sample::Index>(),
        ) {
            let mut events: Vec<_> =
                stories.into_iter().enumerate().map(|(i, (act, second))| TicketEvent { sequence: i as u64, ..event(second, "ada", act) }).collect();
            let lines = [line(20, What::Resolved), line(30, What::Reopened)];
            let straight = Folded { verdicts: vec![], ..fold(&subject(), &events, &lines) };
            if !events.is_empty() {
                let middle = shuffled.index(events.len());
                events.rotate_left(middle);
            }
            prop_assert_eq!(Folded { verdicts: vec![], ..fold(&subject(), &events, &lines) }, straight);
        }
    }
}
