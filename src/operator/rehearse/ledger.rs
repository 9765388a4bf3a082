//! How each clock of a ticket came to its number: the ledger, interval by interval, as text.

use std::time::Duration;

use domain::{
    sla::{Clock, Clocks, Line, Pace, Standing},
    time::shown,
};
use jiff::{Timestamp, tz::TimeZone};

/// Every run of every clock: where it stands, then its intervals, then their sum.
pub(crate) fn lines(clocks: &Clocks, zone: &TimeZone) -> Vec<String> {
    clocks.runs.iter().flat_map(|clock| of_clock(clock, zone)).collect()
}

fn of_clock(clock: &Clock, zone: &TimeZone) -> Vec<String> {
    let mut lines = vec![head(clock, zone)];
    let intervals: Vec<&Line> = clock.ledger.iter().chain(&clock.present).collect();
    lines.extend(intervals.iter().map(|line| interval(line, zone)));
    let sum: Duration = intervals.iter().map(|line| line.counted).sum();
    let up_to: Timestamp = intervals.last().map_or(clock.since, |line| line.to);
    lines.push(format!("  {} of working time in all, up to {}", worked(sum), shown(up_to, zone)));
    lines
}

/// `resolution of 8h: Missed, broken at 2026-06-02T10:00:00+02:00`.
fn head(clock: &Clock, zone: &TimeZone) -> String {
    let run = if clock.run > 1 { format!(" (run {})", clock.run) } else { String::new() };
    let target = clock.target.map(|target| format!(" of {}", worked(target))).unwrap_or_default();
    let outlook = match (&clock.standing, clock.due, clock.remaining) {
        (Standing::Cancelled { why }, ..) => format!(": {why}"),
        (_, Some(due), _) => format!(", due {}", shown(due, zone)),
        (_, _, Some(remaining)) => format!(", {} of working time left", worked(remaining)),
        _ if clock.calendar_empty => ", never due: its calendar has no working time in the next 400 days".to_owned(),
        _ => String::new(),
    };
    let broken = clock.breached_at.map(|at| format!(", broken at {}", shown(at, zone))).unwrap_or_default();
    format!("{}{run}{target}: {}{outlook}{broken}", clock.name, clock.standing.as_str())
}

/// `  2026-06-01T10:00:00+02:00 to 2026-06-02T11:00:00+02:00: 9h of working time (calendar office), Open`. What lies
/// between the two is time on a wall; what counts of it is less.
fn interval(line: &Line, zone: &TimeZone) -> String {
    let counted = match line.pace {
        Pace::Runs(state) => format!("{} of working time (calendar {}), {state}", worked(line.counted), line.calendar),
        Pace::Pauses(state) => format!("nothing counts, {state}"),
        Pace::NoTarget => "nothing counts, as nothing is promised".to_owned(),
    };
    let changed = if line.changed.is_empty() { String::new() } else { format!("; {}", line.changed) };
    format!("  {} to {}: {counted}{changed}", shown(line.from, zone), shown(line.to, zone))
}

/// In hours and less: a day of working time is no day.
fn worked(span: Duration) -> String {
    let seconds = span.as_secs();
    let parts = [(seconds / 3_600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let text: String =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}
