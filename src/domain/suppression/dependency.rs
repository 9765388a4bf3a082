//! Dependencies between monitors: what is down because something it needs is down tells nobody, as long as somebody is
//! told of the cause.
//!
//! The cause is looked for upwards, through monitors that are down themselves: a gateway that is held by its database
//! passes that on to the shop behind it. A monitor that is up passes nothing on.
//!
//! What breaks long after a monitor did is no cause of it: see [`FOUND_WITHIN`].

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use jiff::Timestamp;

use crate::{alert::Severity, time::after};

/// How long the page of a monitor that has dependencies may wait for a look at them: the page of the cause is the better
/// one, but none may come noticeably later for it.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long after an alert began to fire a monitor above may go down and still be its cause: so long it may take until
/// slower looks have found out.
pub const FOUND_WITHIN: Duration = Duration::from_secs(120);

/// A monitor as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// The monitors it depends on, as written.
    pub depends_on: Vec<String>,
    /// Since when it is down; `None` while it is not.
    pub down_since: Option<Timestamp>,
    /// Its open ticket, when that tells somebody: its name and severity.
    pub told: Option<(String, Severity)>,
}

/// The monitors of one namespace that matter, by name.
pub type Standings = BTreeMap<String, Standing>;

/// What a monitor is down for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause<'a> {
    /// The monitor that is the cause.
    pub monitor: &'a str,
    /// Its ticket.
    pub ticket: &'a str,
    /// What its ticket is worth.
    pub severity: Severity,
}

impl Cause<'_> {
    /// "depends on database, which is down (ticket inc-…, page)".
    pub fn sentence(&self) -> String {
        format!("depends on {}, which is down (ticket {}, {})", self.monitor, self.ticket, self.severity)
    }
}

/// The nearest monitor above this one that is down and of which somebody is told at `severity` or higher, for an alert that
/// fires since then. A monitor that leads back to itself is no cause of its own.
pub fn cause<'a>(standings: &'a Standings, monitor: &str, severity: Severity, since: Timestamp) -> Option<Cause<'a>> {
    let latest = after(since, FOUND_WITHIN);
    let mut seen = BTreeSet::from([monitor]);
    let mut ahead: VecDeque<&'a str> = above(standings, monitor);
    while let Some(name) = ahead.pop_front() {
        let Some((name, standing)) = standings.get_key_value(name) else { continue };
        if !seen.insert(name) || standing.down_since.is_none_or(|down| down > latest) {
            continue;
        }
        match &standing.told {
            Some((ticket, told)) if *told >= severity => {
                return Some(Cause { monitor: name, ticket, severity: *told });
            }
            _ => ahead.extend(above(standings, name)),
        }
    }
    None
}

fn above<'a>(standings: &'a Standings, monitor: &str) -> VecDeque<&'a str> {
    standings.get(monitor).into_iter().flat_map(|standing| &standing.depends_on).map(String::as_str).collect()
}

/// Stands between the monitors of a circle.
pub const ARROW: &str = " → ";

/// "shop → gateway → shop", when a monitor depends on itself in the end. `above` gives what a monitor depends on.
pub fn circle<'a>(monitor: &'a str, above: impl Fn(&str) -> &'a [String]) -> Option<String> {
    // The path back is found breadth first: the shortest circle is the easiest to mend.
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut ahead = VecDeque::from([monitor]);
    while let Some(name) = ahead.pop_front() {
        for next in above(name) {
            if next == monitor {
                let mut path = vec![monitor];
                let mut place = name;
                while place != monitor {
                    path.push(place);
                    place = came_from.get(place).copied().unwrap_or(monitor);
                }
                path.push(monitor);
                path.reverse();
                return Some(path.join(ARROW));
            }
            if !came_from.contains_key(next.as_str()) {
                came_from.insert(next, name);
                ahead.push_back(next);
            }
        }
    }
    None
}
