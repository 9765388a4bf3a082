//! The promises: where each clock stands, and which were broken.

use super::super::{
    age::Times,
    output::{Colour, Paint, plain},
};
use api::ticket::{BreachLine, ClockLine, TicketStatus};

/// One line for each clock, with what was broken beside it.
pub(super) fn lines(status: &TicketStatus, times: &Times, colour: Colour) -> Vec<String> {
    let width = status.clocks.iter().map(|clock| clock.name.len()).max().unwrap_or(0);
    let clocks = status.clocks.iter().map(|clock| {
        let name = plain(&clock.name);
        format!("{name:width$}  {}", standing(clock, times, colour))
    });
    clocks.chain(status.breaches.iter().map(|breach| broken(breach, times, colour))).collect()
}

fn standing(clock: &ClockLine, times: &Times, colour: Colour) -> String {
    let used = format!("{} of working time used", plain(&clock.elapsed));
    match (clock.state.as_str(), clock.due, &clock.remaining) {
        ("Running", Some(due), _) => {
            let paint = if due <= times.now { Paint::Bad } else { Paint::Warn };
            format!("{}, {used}", colour.paint(paint, format!("due at {}", times.clock_and_age(due))))
        }
        ("Paused", _, Some(left)) => {
            format!("{}, {} of working time left", colour.paint(Paint::Faint, "paused"), plain(left))
        }
        ("Met", ..) => format!("{}, {used}", colour.paint(Paint::Good, "met")),
        ("Missed", ..) => format!("{}, {used}", colour.paint(Paint::Bad, "missed")),
        (other, ..) => format!("{}, {used}", plain(&other.to_lowercase())),
    }
}

fn broken(breach: &BreachLine, times: &Times, colour: Colour) -> String {
    let at = times.clock_and_age(breach.breached_at);
    let found = if breach.detected_at > breach.breached_at {
        format!(", found at {}", times.clock_and_age(breach.detected_at))
    } else {
        String::new()
    };
    format!("{} ran out at {at}{found}", colour.paint(Paint::Bad, plain(&breach.clock)))
}
