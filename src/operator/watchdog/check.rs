//! What must hold of every ticket at every moment, as one pure function over what was seen of them.
//!
//! Four invariants: **deadlines**, whoever waits for a person is looked at when the next step is due; **intents**, every
//! message that a ticket lists as planned and due is on its way, or what became of it waits to be written down; **alerts**,
//! whatever fires has a ticket, or is held from its start; **told**, of whatever waits for a person a receiver has accepted a
//! page within five minutes, in each cycle anew.
//! What is found is not mended here: whoever asked has the ticket looked at again, and counts what is found twice running.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use domain::time::between;
use jiff::Timestamp;

use crate::{failing::Failure, kube::meta::Key, queue::Standing};

/// How much later than its deadline a look may be planned: the longest back-off of a ticket whose looks fail, and a
/// little more. That it fails shows as lateness.
const SLACK: Duration = Duration::from_secs(35);
/// Deadlines may be late by this before no sign of life goes out.
const LATE: Duration = Duration::from_secs(5);
/// A page that is due may wait so long for its first attempt, and an alert for its ticket.
const UNTRIED: Duration = Duration::from_secs(60);
/// A monitor may wait so long for its look: every probe that takes its whole timeout holds up others.
const PROBES_LATE: Duration = Duration::from_secs(60);
/// So soon after its first page somebody should have heard of a ticket.
const TOLD_WITHIN: Duration = Duration::from_secs(300);
/// So many checks running say that all is well: what the first sees in hand, the second may suspect and the third confirm.
const CONCLUSIVE: u32 = 3;

/// An invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Invariant {
    /// Whoever waits for a person has a next deadline, and is looked at by then.
    Deadlines,
    /// What is planned and due is on its way, or has ended.
    Intents,
    /// What fires has a ticket, unless something holds it.
    Alerts,
    /// Of each ticket that waits for a person some page has been accepted.
    Told,
}

impl Invariant {
    pub(super) const ALL: [Self; 4] = [Self::Deadlines, Self::Intents, Self::Alerts, Self::Told];

    /// The word in metrics and in the log.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Deadlines => "deadlines",
            Self::Intents => "intents",
            Self::Alerts => "alerts",
            Self::Told => "told",
        }
    }
}

/// When something is due on a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    /// Nobody waits.
    Nothing,
    /// Then.
    At(Timestamp),
    /// When what holds it ends, which nobody knows beforehand: it is woken then.
    Held,
    /// It waits for a person, and nothing says when it goes on.
    Missing,
}

/// Where a message is that is planned and due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// On its way to its receiver, or what became of it on its way to the ticket.
    Going,
    /// Nowhere.
    Lost,
}

/// A message that is planned and due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Intent {
    /// Whether it is a page.
    pub(super) is_page: bool,
    /// Since when it is due.
    pub(super) due: Timestamp,
    /// Where it is.
    pub(super) way: Way,
    /// Whether an attempt has begun, by whichever leader.
    pub(super) tried: bool,
}

/// One ticket as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) ticket: Key,
    /// When it is looked at next.
    pub(super) look: Standing,
    pub(super) deadline: Deadline,
    pub(super) intents: Vec<Intent>,
    /// Since when it waits for a person without anybody being told.
    pub(super) untold: Option<Untold>,
}

/// A ticket that pages and of which nobody has heard yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Untold {
    /// Since when it pages.
    pub(super) since: Timestamp,
    /// Whether some page is tried still, or a step may still have somebody to tell.
    pub(super) hopes: bool,
}

/// How late the queues are: how long what is due longest has waited for its turn.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lags {
    /// A look at a ticket or a monitor.
    pub(super) looks: Duration,
    /// A probe.
    pub(super) probes: Duration,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Findings {
    /// What does not hold, and how: of tickets by their keys, of alerts by namespace and title.
    pub(super) broken: BTreeMap<(Key, Invariant), String>,
    /// Tickets of which nothing was found because they are being looked at, or are about to be.
    pub(super) in_hand: BTreeSet<Key>,
    /// How long the most overdue deadline has waited.
    pub(super) overdue: Duration,
    /// How long the oldest page that is due has waited for its first attempt, or the oldest alert for its ticket.
    pub(super) untried: Duration,
    /// How long the probe that is due longest has waited.
    pub(super) probes: Duration,
}

/// Examines every ticket, and the alerts that should have one.
pub(super) fn examine(cases: &[Case], failing: &[Failure], lags: Lags, now: Timestamp) -> Findings {
    let mut found = Findings { overdue: lags.looks, probes: lags.probes, ..Findings::default() };
    for case in cases {
        if let Deadline::At(at) = case.deadline {
            found.overdue = found.overdue.max(between(at, now));
        }
        let untried = case.intents.iter().filter(|intent| intent.is_page && !intent.tried);
        let oldest = untried.map(|intent| between(intent.due, now)).max();
        found.untried = found.untried.max(oldest.unwrap_or_default());
        if let Some(Untold { since, hopes }) = case.untold
            && between(since, now) > if hopes { TOLD_WITHIN } else { UNTRIED }
        {
            let words = format!("it waits for a person since {since}, and no receiver has accepted a page of it");
            found.broken.insert((case.ticket.clone(), Invariant::Told), words);
        }
        // What is looked at right now, or next, is about to be another. That it is late shows all the same.
        if matches!(case.look, Standing::Running | Standing::In(Duration::ZERO)) {
            found.in_hand.insert(case.ticket.clone());
            continue;
        }
        if let Some(words) = deadline_broken(case, now) {
            found.broken.insert((case.ticket.clone(), Invariant::Deadlines), words);
        }
        let lost = case.intents.iter().filter(|intent| intent.way == Way::Lost).count();
        if lost > 0 {
            let words = format!("{lost} planned message(s) are due and on their way to nobody");
            found.broken.insert((case.ticket.clone(), Invariant::Intents), words);
        }
    }
    for failure in failing {
        let waited = between(failure.since, now);
        found.untried = found.untried.max(waited);
        if waited > UNTRIED {
            let words = format!("it fires, and no ticket of it could be written since {}", failure.since);
            found.broken.insert((failure.alert.clone(), Invariant::Alerts), words);
        }
    }
    found
}

fn deadline_broken(case: &Case, now: Timestamp) -> Option<String> {
    let at = match (case.deadline, case.look) {
        (Deadline::Nothing, _) => return None,
        (Deadline::Missing, _) => return Some("somebody must act, and nothing says when it goes on".to_owned()),
        (_, Standing::Never) => return Some("somebody must act, and no look at it is planned".to_owned()),
        (Deadline::Held, _) => return None,
        (Deadline::At(at), _) => at,
    };
    let Standing::In(wait) = case.look else { return None };
    let late = wait.saturating_sub(between(now, at));
    let words = || match at > now {
        true => format!("something is due at {at}, and it is looked at {}s after that", late.as_secs()),
        false => format!("what was due at {at} has not happened, and it is looked at in {}s", late.as_secs()),
    };
    (late > SLACK).then(words)
}

impl Findings {
    /// Why no sign of life may go out, with so many violations confirmed.
    pub(super) fn withheld(&self, violations: usize) -> Option<Withheld> {
        if violations > 0 {
            return Some(Withheld::Violations(violations));
        }
        if self.overdue >= LATE {
            return Some(Withheld::Overdue(self.overdue));
        }
        if self.untried > UNTRIED {
            return Some(Withheld::Untried(self.untried));
        }
        (self.probes > PROBES_LATE).then_some(Withheld::Probes(self.probes))
    }
}

/// Why no sign of life goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Withheld {
    /// This replica does not lead, or not yet.
    NotDeciding,
    /// Nothing was examined for a while.
    NotExamined,
    /// Too little was examined since this replica decides to say that all is well.
    NotYet,
    /// So many invariants do not hold.
    Violations(usize),
    /// A deadline is overdue by so much.
    Overdue(Duration),
    /// A page waits for its first attempt, or an alert for its ticket, since so long.
    Untried(Duration),
    /// A monitor waits for its look since so long.
    Probes(Duration),
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |span: &Duration| domain::time::format_duration(Duration::from_secs(span.as_secs()));
        match self {
            Self::NotDeciding => f.write_str("this replica may not decide anything at the moment"),
            Self::NotExamined => f.write_str("nothing was examined for a while"),
            Self::NotYet => f.write_str("this replica has only just begun to decide"),
            Self::Violations(count) => write!(f, "{count} invariant(s) do not hold; the log says which"),
            Self::Overdue(span) => write!(f, "a deadline is overdue by {}", whole(span)),
            Self::Untried(span) => {
                write!(f, "a page waits for its first attempt, or an alert for its ticket, since {}", whole(span))
            }
            Self::Probes(span) => write!(f, "a monitor waits for its look since {}", whole(span)),
        }
    }
}

/// What was found until now.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Broken the last time.
    suspected: BTreeSet<(Key, Invariant)>,
    /// Broken twice running.
    confirmed: BTreeSet<(Key, Invariant)>,
    /// How many checks there were since this replica decides, up to [`CONCLUSIVE`].
    checks: u32,
}

/// What is known anew by a check.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Broken twice running for the first time: it did not heal although its ticket was looked at again.
    pub(super) broken: Vec<(Key, Invariant, String)>,
    /// Holds again.
    pub(super) healed: Vec<(Key, Invariant)>,
}

impl Suspects {
    /// This replica may not decide: what is confirmed is no better for that, and what was suspected had no chance to heal.
    pub(super) fn pause(&mut self) {
        self.suspected.clone_from(&self.confirmed);
        self.checks = 0;
    }

    /// Whether nothing that does not hold can have been overlooked for want of checks.
    pub(super) fn are_known(&self) -> bool {
        self.checks >= CONCLUSIVE
    }

    /// Takes what a check has found.
    pub(super) fn take(&mut self, found: &Findings) -> News {
        self.checks = CONCLUSIVE.min(self.checks + 1);
        let before = std::mem::take(&mut self.suspected);
        let known = std::mem::take(&mut self.confirmed);
        // A look that hangs is no reason to forget what was found before it.
        let open = |(ticket, _): &&(Key, Invariant)| found.in_hand.contains(ticket);
        self.suspected = found.broken.keys().chain(before.iter().filter(open)).cloned().collect();
        self.confirmed = found.broken.keys().filter(|which| before.contains(*which)).cloned().collect();
        self.confirmed.extend(known.iter().filter(open).cloned());
        let words = |which: &(Key, Invariant)| found.broken.get(which).cloned().unwrap_or_default();
        let fresh = self.confirmed.difference(&known);
        News {
            broken: fresh.map(|which| (which.0.clone(), which.1, words(which))).collect(),
            healed: known.difference(&self.confirmed).cloned().collect(),
        }
    }

    /// How many violations of an invariant there are.
    pub(super) fn violations(&self, invariant: Invariant) -> usize {
        self.confirmed.iter().filter(|(_, other)| *other == invariant).count()
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
