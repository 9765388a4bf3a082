//! What the operator itself saw and did to a ticket: the lines of `status.timeline`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::subject::SpecFacts;
use crate::sla::{ClockName, Reached};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
    /// For people.
    pub detail: String,
}

/// What happened, as a stable word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum What {
    /// An alert of the ticket began to fire.
    Fired,
    /// An alert of the ticket ended by itself.
    Recovered,
    /// The source of an alert was removed or suspended.
    SourceRemoved,
    /// It fires again before the ticket was resolved.
    Refired,
    /// Nothing fired for `resolveAfter`.
    Resolved,
    /// It fires again on a resolved ticket.
    Reopened,
    /// A more severe alert joined.
    SeverityRose,
    /// A step of the escalation began.
    Step,
    /// Due steps wait.
    Held,
    /// What held the steps ended.
    Released,
    /// No step reached anybody.
    NobodyFound,
    /// Every cycle has passed without an acknowledgement.
    Exhausted,
    /// Nothing happened after the acknowledgement.
    AcknowledgementWithdrawn,
    /// Nobody was paged, on purpose: a restored backup.
    NotPaged,
    /// Fields of the spec that matter to the course of the ticket: what they became, and what they were.
    SpecChanged,
    /// The priority that the route of the most severe alert gives.
    PrioritySet,
    /// A clock ran past its due time; the line stands where that was.
    Breach,
    /// Somebody was told that a clock nears its due time, or ran past it; or there was nobody to tell.
    Warned,
    /// Something that came in late shows that a clock had not run past its due time.
    BreachWithdrawn,
    /// What was decided and sent while the cluster's API was gone has come to the ticket.
    Islanded,
    /// A ticket that this one is linked to as its cause was resolved.
    CauseResolved,
    /// The promises of another version of the policy count from here on.
    PromisesChanged,
}

impl What {
    /// Every word.
    pub const ALL: [Self; 22] = [
        Self::Fired,
        Self::Recovered,
        Self::SourceRemoved,
        Self::Refired,
        Self::Resolved,
        Self::Reopened,
        Self::SeverityRose,
        Self::Step,
        Self::Held,
        Self::Released,
        Self::NobodyFound,
        Self::Exhausted,
        Self::AcknowledgementWithdrawn,
        Self::NotPaged,
        Self::SpecChanged,
        Self::PrioritySet,
        Self::Breach,
        Self::Warned,
        Self::BreachWithdrawn,
        Self::Islanded,
        Self::CauseResolved,
        Self::PromisesChanged,
    ];

    /// The word in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "Fired",
            Self::Recovered => "Recovered",
            Self::SourceRemoved => "SourceRemoved",
            Self::Refired => "Refired",
            Self::Resolved => "Resolved",
            Self::Reopened => "Reopened",
            Self::SeverityRose => "SeverityRose",
            Self::Step => "Step",
            Self::Held => "Held",
            Self::Released => "Released",
            Self::NobodyFound => "NobodyFound",
            Self::Exhausted => "Exhausted",
            Self::AcknowledgementWithdrawn => "AcknowledgementWithdrawn",
            Self::NotPaged => "NotPaged",
            Self::SpecChanged => "SpecChanged",
            Self::PrioritySet => "PrioritySet",
            Self::Breach => "Breach",
            Self::Warned => "Warned",
            Self::BreachWithdrawn => "BreachWithdrawn",
            Self::Islanded => "Islanded",
            Self::CauseResolved => "CauseResolved",
            Self::PromisesChanged => "PromisesChanged",
        }
    }

    /// One of our own words.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.as_str() == word)
    }

    /// Whether a clock's message rests on it: what was recorded or told once is not told again.
    fn is_about_a_clock(self) -> bool {
        matches!(self, Self::Breach | Self::Warned | Self::BreachWithdrawn)
    }

    /// Whether the fold reads it; such a line is never evicted for its age alone.
    pub fn is_read_by_the_fold(self) -> bool {
        matches!(
            self,
            Self::Resolved
                | Self::Reopened
                | Self::SeverityRose
                | Self::AcknowledgementWithdrawn
                | Self::SpecChanged
                | Self::PrioritySet
                | Self::CauseResolved
                | Self::PromisesChanged
        )
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many lines of each sort are kept, the latest ones.
const KEPT: usize = 100;

/// How many changes of each sort are kept apart.
const CHANGES: usize = 50;

/// Drops the oldest lines beyond the last hundred of each sort that can do without them. Returns how many were dropped.
///
/// - Of the lines that only tell people something, the last hundred.
/// - Of the lines that only take an acknowledgement away: whatever an older one took away, a later one takes away too.
/// - Of the lines about each clock: those of its oldest runs, which are long over (see [`crate::sla::untold`]).
/// - Of what changed the course of the ticket more than fifty times, the changes before the last are taken as one with
///   it: what was written in between counts for nothing from then on. A ticket that is edited so often has no exact
///   clocks; its recorded breaches stay.
pub fn evict(timeline: &mut Vec<Line>) -> usize {
    let joined = [What::SpecChanged, What::PrioritySet, What::PromisesChanged, What::CauseResolved]
        .into_iter()
        .map(|what| join_the_last(timeline, what))
        .sum::<usize>();
    let withdraws = |line: &Line| matches!(line.what, What::SeverityRose | What::AcknowledgementWithdrawn);
    let tells = |line: &Line| !line.what.is_read_by_the_fold() && !line.what.is_about_a_clock();
    let about = |what: What, clock: ClockName| {
        move |line: &Line| {
            line.what == what && Reached::parse(&line.detail).is_some_and(|reached| reached.clock == clock)
        }
    };
    let clocks = [What::Breach, What::Warned, What::BreachWithdrawn]
        .into_iter()
        .flat_map(|what| ClockName::ALL.map(|clock| keep_the_last(timeline, KEPT, about(what, clock))))
        .sum::<usize>();
    joined + clocks + keep_the_last(timeline, KEPT, tells) + keep_the_last(timeline, KEPT, withdraws)
}

/// Takes the last lines of a sort together until only so many are left. Returns how many went.
fn join_the_last(timeline: &mut Vec<Line>, what: What) -> usize {
    let mut gone = 0;
    loop {
        let places: Vec<usize> =
            timeline.iter().enumerate().filter(|(_, line)| line.what == what).map(|(place, _)| place).collect();
        let [.., before, last] = places.as_slice() else { return gone };
        if places.len() <= CHANGES {
            return gone;
        }
        if what == What::SpecChanged {
            let mut old = SpecFacts::default();
            let earlier = places.iter().take(places.len() - 2).filter_map(|place| timeline.get(*place));
            earlier.for_each(|line| old.apply(&line.detail));
            let mut new = old.clone();
            [before, last]
                .into_iter()
                .filter_map(|place| timeline.get(*place))
                .for_each(|line| new.apply(&line.detail));
            if let Some(line) = timeline.get_mut(*last) {
                line.detail = old.change_to(&new).unwrap_or_default();
            }
        }
        timeline.remove(*before);
        gone += 1;
    }
}

fn keep_the_last(timeline: &mut Vec<Line>, most: usize, which: impl Fn(&Line) -> bool) -> usize {
    let mut surplus = timeline.iter().filter(|line| which(line)).count().saturating_sub(most);
    let dropped = surplus;
    if surplus > 0 {
        timeline.retain(|line| {
            let goes = surplus > 0 && which(line);
            surplus -= usize::from(goes);
            !goes
        });
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_oldest_lines_that_no_decision_rests_on_are_dropped() {
        let line = |what, second| Line { at: Timestamp::from_second(second).unwrap(), what, detail: String::new() };
        let mut timeline = vec![line(What::Resolved, 0)];
        timeline.extend((1..=102).map(|second| line(What::Step, second)));
        assert_eq!(evict(&mut timeline), 2);
        assert_eq!(timeline.len(), 101);
        assert_eq!(timeline[0].what, What::Resolved);
        assert_eq!(timeline[1].at.as_second(), 3);
    }

    #[test]
    fn what_is_edited_without_end_keeps_its_beginning_and_what_holds_now() {
        let line = |what, second, detail: String| Line { at: Timestamp::from_second(second).unwrap(), what, detail };
        let mut timeline = Vec::new();
        let mut known = SpecFacts::default();
        for second in 0..1_000 {
            let mut next = known.clone();
            next.queue = Some(format!("queue-{}", second / 7));
            next.priority = Some(if second % 2 == 0 { "P1" } else { "P2" }.to_owned());
            if let Some(detail) = known.change_to(&next) {
                timeline.push(line(What::SpecChanged, second, detail));
            }
            timeline.push(line(What::PrioritySet, second, format!("P{} by route", second % 5 + 1)));
            known = next;
            evict(&mut timeline);
        }
        assert_eq!(timeline.len(), 2 * CHANGES);
        let mut read = SpecFacts::default();
        timeline.iter().filter(|line| line.what == What::SpecChanged).for_each(|line| read.apply(&line.detail));
        assert_eq!(read, known);
        assert_eq!(timeline[0].at.as_second(), 0);
        assert_eq!(timeline.last().unwrap().detail, "P5 by route");
    }

    #[test]
    fn every_word_reads_back() {
        for what in What::ALL {
            assert_eq!(What::parse(what.as_str()), Some(what));
        }
    }
}
