//! The promises: where each clock stands, and which were broken.

use api::ticket::{BreachLine, ClockLine, TicketStatus};
use jiff::Timestamp;

use super::super::{
    age::clock_and_age,
    output::{Colour, Paint, plain},
};

/// One line for each clock, with what was broken beside it.
pub(super) fn lines(status: &TicketStatus, now: Timestamp, colour: Colour) -> Vec<String> {
    let width = status.clocks.iter().map(|clock| clock.name.len()).max().unwrap_or(0);
    let clocks = status.clocks.iter().map(|clock| {
        let name = plain(&clock.name);
        format!("{name:width$}  {}", standing(clock, now, colour))
    });
    clocks.chain(status.breaches.iter().map(|breach| broken(breach, now, colour))).collect()
}

fn standing(clock: &ClockLine, now: Timestamp, colour: Colour) -> String {
    let used = format!("{} of working time used", plain(&clock.elapsed));
    match (clock.state.as_str(), clock.due, &clock.remaining) {
        ("Running", Some(due), _) => {
            let paint = if due <= now { Paint::Bad } else { Paint::Warn };
            format!("{}, {used}", colour.paint(paint, format!("due at {}", clock_and_age(due, now))))
        }
        ("Paused", _, Some(left)) => {
            format!("{}, {} of working time left", colour.paint(Paint::Faint, "paused"), plain(left))
        }
        ("Met", ..) => format!("{}, {used}", colour.paint(Paint::Good, "met")),
        ("Missed", ..) => format!("{}, {used}", colour.paint(Paint::Bad, "missed")),
        (other, ..) => format!("{}, {used}", plain(&other.to_lowercase())),
    }
}

fn broken(breach: &BreachLine, now: Timestamp, colour: Colour) -> String {
    let at = clock_and_age(breach.breached_at, now);
    let found = if breach.detected_at > breach.breached_at {
        format!(", found at {}", clock_and_age(breach.detected_at, now))
    } else {
        String::new()
    };
    format!("{} ran out at {at}{found}", colour.paint(Paint::Bad, plain(&breach.clock)))
}
