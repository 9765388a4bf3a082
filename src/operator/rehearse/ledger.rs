//! How each clock of a ticket came to its number: the ledger, interval by interval, as text.

use domain::{
    sla::{Clock, Clocks, Line, Standing},
    time::format_duration,
};
use jiff::tz::TimeZone;

use super::difference::in_zone;

/// Every run of every clock: where it stands, then its intervals, then their sum.
pub(crate) fn lines(clocks: &Clocks, zone: &TimeZone) -> Vec<String> {
    clocks.runs.iter().flat_map(|clock| of_clock(clock, zone)).collect()
}

fn of_clock(clock: &Clock, zone: &TimeZone) -> Vec<String> {
    let mut lines = vec![head(clock, zone)];
    lines.extend(clock.ledger.iter().map(|line| interval(line, zone)));
    lines.extend(clock.present.iter().map(|line| format!("{} so far", interval(line, zone))));
    let sum: std::time::Duration = clock.ledger.iter().map(|line| line.counted).sum();
    lines.push(format!("  sum {} as of {}", format_duration(sum), in_zone(clock.since, zone)));
    if let Some(at) = clock.breached_at {
        lines.push(format!("  breached at {}", in_zone(at, zone)));
    }
    lines
}

fn head(clock: &Clock, zone: &TimeZone) -> String {
    let run = if clock.run > 1 { format!(" (run {})", clock.run) } else { String::new() };
    let target = clock.target.map(|target| format!(" of {}", format_duration(target))).unwrap_or_default();
    let outlook = match (&clock.standing, clock.due, clock.remaining) {
        (Standing::Cancelled { why }, ..) => format!(": {why}"),
        (_, Some(due), _) => format!(", due {}", in_zone(due, zone)),
        (_, _, Some(remaining)) => format!(", {} remaining", format_duration(remaining)),
        _ if clock.calendar_empty => ", never due: its calendar has no working time in the next 400 days".to_owned(),
        _ => String::new(),
    };
    format!("{}{run}{target}: {}{outlook}", clock.name, clock.standing.as_str())
}

/// `  2026-06-01T10:00:00+02:00 to 2026-06-01T12:00:00+02:00  2h  running, Open (office)`
fn interval(line: &Line, zone: &TimeZone) -> String {
    let changed = if line.changed.is_empty() { String::new() } else { format!("; {}", line.changed) };
    format!(
        "  {} to {}  {}  {} ({}){changed}",
        in_zone(line.from, zone),
        in_zone(line.to, zone),
        format_duration(line.counted),
        line.pace,
        line.calendar
    )
}
