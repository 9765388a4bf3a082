//! One run of one clock in the making: closed lines, and the stretch it is in.
//!
//! Within a stretch nothing changes: one state, one calendar, one target. So its due time and its warnings are known
//! at its start, and whatever ends it only has to ask whether they came before.

use std::{rc::Rc, time::Duration};

use jiff::Timestamp;

use super::{
    ClockName, Targets,
    clock::{Clock, Deadline, Line, Mark, Pace, Standing, Warning},
};

/// What counts in a stretch.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) pace: Pace,
    pub(super) targets: Rc<Targets>,
    /// A due time set by hand; it does not move with pauses or priorities.
    pub(super) fixed: Option<Timestamp>,
}

impl Terms {
    fn same(&self, other: &Self) -> bool {
        self.pace == other.pace && self.fixed == other.fixed && Rc::ptr_eq(&self.targets, &other.targets)
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
struct End {
    at: Timestamp,
    standing: Standing,
    /// Whether nobody answered, so that reopening the ticket makes the answer due again.
    silent: bool,
}

/// What ends a run.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    /// What was promised was done.
    Done,
    /// The ticket was resolved without an answer.
    Silent(String),
    /// Somebody said why no answer is due.
    NotNeeded(String),
    /// The ticket became part of another.
    Merged,
}

/// A run of a clock.
#[derive(Debug)]
pub(super) struct Cycle {
    name: ClockName,
    run: usize,
    began: Timestamp,
    terms: Terms,
    /// When the present stretch began.
    since: Timestamp,
    /// What about the targets changed then.
    changed: String,
    lines: Vec<Line>,
    /// The sum of the lines.
    counted: Duration,
    breached_at: Option<Timestamp>,
    warnings: Vec<Warning>,
    end: Option<End>,
}

impl Cycle {
    pub(super) fn new(name: ClockName, run: usize, at: Timestamp, terms: Terms) -> Self {
        Self {
            name,
            run,
            began: at,
            terms,
            since: at,
            changed: String::new(),
            lines: Vec::new(),
            counted: Duration::ZERO,
            breached_at: None,
            warnings: Vec::new(),
            end: None,
        }
    }

    pub(super) fn run(&self) -> usize {
        self.run
    }

    pub(super) fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// Whether it ended because the ticket was resolved without an answer.
    pub(super) fn ended_silently(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.silent)
    }

    /// From `at` on, these terms count.
    pub(super) fn change(&mut self, at: Timestamp, terms: Terms, changed: &str) {
        if self.terms.same(&terms) {
            return;
        }
        let stood = self.since < at;
        self.close(at);
        self.terms = terms;
        if stood || !changed.is_empty() {
            self.changed = changed.to_owned();
        }
    }

    pub(super) fn stop(&mut self, at: Timestamp, stop: Stop) {
        self.close(at);
        let silent = matches!(stop, Stop::Silent(_));
        let standing = match stop {
            Stop::Merged => Standing::Cancelled { why: "merged into another ticket".to_owned() },
            _ if self.breached_at.is_some() => Standing::Missed,
            Stop::Done => Standing::Met,
            Stop::Silent(why) | Stop::NotNeeded(why) => Standing::Cancelled { why },
        };
        self.end = Some(End { at, standing, silent });
    }

    /// It goes on with the time it had; what lies between does not count.
    pub(super) fn resume(&mut self, at: Timestamp, while_over: Pace, terms: Terms) {
        if let Some(end) = self.end.take() {
            self.since = end.at;
            self.terms.pace = while_over;
            self.changed.clear();
            self.close(at);
            self.terms = terms;
        }
    }

    /// Ends the present stretch before `to`, with what was reached in it.
    fn close(&mut self, to: Timestamp) {
        let counted = self.counted_until(to);
        // What is reached exactly at `to` belongs to what comes then: to be in time, or to be late.
        self.note_reached(|at| at < to);
        if self.since < to {
            self.lines.push(self.line(to, counted));
            self.counted += counted;
        }
        self.since = to;
    }

    fn line(&self, to: Timestamp, counted: Duration) -> Line {
        Line {
            from: self.since,
            to,
            pace: self.terms.pace,
            calendar: self.terms.targets.calendar_name.clone(),
            counted,
            changed: self.changed.clone(),
        }
    }

    fn runs(&self) -> bool {
        matches!(self.terms.pace, Pace::Runs(_))
    }

    fn counted_until(&self, to: Timestamp) -> Duration {
        if self.runs() { self.terms.targets.calendar.elapsed(self.since, to) } else { Duration::ZERO }
    }

    fn note_reached(&mut self, reached: impl Fn(Timestamp) -> bool) {
        if !self.runs() {
            return;
        }
        if self.breached_at.is_none() {
            let levels = self.levels();
            self.warnings.extend(levels.into_iter().filter(|warning| reached(warning.at)));
            self.breached_at = self.due().filter(|due| reached(*due));
        }
    }

    /// When the whole target is used up, at the earliest now that this stretch counts.
    fn due(&self) -> Option<Timestamp> {
        match self.terms.fixed {
            Some(fixed) => Some(fixed.max(self.since)),
            None => self.reaches(self.target()?),
        }
    }

    fn target(&self) -> Option<Duration> {
        self.terms.targets.of(self.name)
    }

    fn reaches(&self, amount: Duration) -> Option<Timestamp> {
        self.terms.targets.calendar.due(self.since, amount.saturating_sub(self.counted))
    }

    /// The working time up to the due time.
    fn promised(&self) -> Option<Duration> {
        match self.terms.fixed {
            Some(fixed) => Some(self.counted + self.terms.targets.calendar.elapsed(self.since, fixed)),
            None => self.target(),
        }
    }

    /// The warnings that were not reached before this stretch.
    fn levels(&self) -> Vec<Warning> {
        let Some(promised) = self.promised() else { return Vec::new() };
        let known = |percent: u8| self.warnings.iter().any(|warning| warning.percent == percent);
        let levels = self.terms.targets.warn_at.iter().filter(|percent| !known(**percent));
        levels
            .filter_map(|percent| Some(Warning { percent: *percent, at: self.reaches(share(promised, *percent))? }))
            .collect()
    }

    /// As it stands at `now`; `None` when nothing was promised.
    pub(super) fn clock(mut self, now: Timestamp) -> Option<Clock> {
        if self.is_open() {
            self.note_reached(|at| at <= now);
        }
        let promised = self.terms.fixed.is_some() || self.target().is_some();
        if !promised && self.breached_at.is_none() {
            return None;
        }
        let standing = match &self.end {
            Some(end) => end.standing.clone(),
            None if !promised => Standing::Cancelled { why: "nothing is promised any more".to_owned() },
            None if self.runs() => Standing::Running,
            None => Standing::Paused,
        };
        let running = standing == Standing::Running;
        let due = self.terms.fixed.or_else(|| self.due()).filter(|_| running);
        let first = self.terms.targets.warn_at.first().zip(self.promised());
        let first = first.and_then(|(percent, promised)| self.reaches(share(promised, *percent)));
        Some(Clock {
            name: self.name,
            run: self.run,
            began: self.began,
            since: self.since,
            elapsed: self.counted,
            target: self.target(),
            remaining: self
                .promised()
                .filter(|_| standing == Standing::Paused)
                .map(|all| all.saturating_sub(self.counted)),
            breached_at: self.breached_at,
            next: self.next(due.filter(|_| running), now),
            at_risk: running && first.is_some_and(|first| first <= now),
            calendar_empty: running && due.is_none(),
            present: standing.is_open().then(|| self.line(now, self.counted_until(now))),
            due,
            standing,
            warnings: self.warnings,
            ledger: self.lines,
        })
    }

    fn next(&self, due: Option<Timestamp>, now: Timestamp) -> Option<Deadline> {
        if !self.is_open() || !self.runs() || self.breached_at.is_some() {
            return None;
        }
        let warnings = self.levels().into_iter().map(|warning| (warning.at, Mark::Warning(warning.percent)));
        let marks = warnings.chain(due.map(|due| (due, Mark::Due))).filter(|(at, _)| *at > now);
        marks.min_by_key(|(at, _)| *at).map(|(at, mark)| Deadline { at, clock: self.name, mark })
    }
}

/// So many percent, rounded up to whole seconds.
fn share(whole: Duration, percent: u8) -> Duration {
    Duration::from_secs(whole.as_secs().saturating_mul(u64::from(percent)).div_ceil(100))
}
