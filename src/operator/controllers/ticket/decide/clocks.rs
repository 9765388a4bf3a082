//! The clocks of a ticket in its status: where each stands, what is due next, which promises were broken.
//!
//! Nothing here is carried on: all of it is computed again from the fold, but for when a breach was found.

use api::ticket::{BreachLine, ClockLine};
use domain::{sla, ticket::fold::Folded, time::format_duration};
use jiff::Timestamp;

use super::Draft;

/// Breaches that stay listed, the latest ones.
const BREACHES: usize = 50;

impl Draft<'_> {
    pub(super) fn show_clocks(&mut self, folded: &Folded) {
        let clocks = folded.clocks(self.now);
        self.status.sla = Some(clocks.attention().as_str().to_owned());
        self.status.next_due = clocks.next_due().map(|due| due.to_string());
        self.status.clocks = clocks.latest().map(line).collect();
        self.status.breaches = self.breaches(&clocks);
        self.clocks = clocks;
    }

    /// A breach is dated when it was; that it was found later is said beside it, and said once.
    fn breaches(&mut self, clocks: &sla::Clocks) -> Vec<BreachLine> {
        let known = std::mem::take(&mut self.status.breaches);
        let all: Vec<sla::Breach> = clocks.breaches().collect();
        let listed = all.iter().skip(all.len().saturating_sub(BREACHES)).map(|breach| {
            let clock = breach.clock.as_str();
            let same = |line: &&BreachLine| line.clock == clock && line.breached_at == breach.breached_at;
            let detected_at = known.iter().find(same).map_or(self.now, |line| line.detected_at);
            BreachLine { clock: clock.to_owned(), breached_at: breach.breached_at, detected_at }
        });
        listed.collect()
    }

    /// When a clock reaches a warning or its due time.
    pub(super) fn next_mark(&self) -> Option<Timestamp> {
        self.clocks.next().map(|deadline| deadline.at)
    }

    /// Whether a clock can never be due, because its calendar has no working time.
    pub(super) fn calendar_is_empty(&self) -> bool {
        self.clocks.latest().any(|clock| clock.calendar_empty)
    }
}

fn line(clock: &sla::Clock) -> ClockLine {
    ClockLine {
        name: clock.name.as_str().to_owned(),
        state: clock.standing.as_str().to_owned(),
        since: clock.since,
        elapsed: format_duration(clock.elapsed),
        due: clock.due,
        remaining: clock.remaining.map(format_duration),
    }
}
