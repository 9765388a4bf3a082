//! Lists of tickets that teams work off, and how important a ticket is.

use std::time::Duration;

/// A list of tickets that a team works off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The channel that hears of new tickets, and of warnings about tickets that nobody owns.
    pub channel: Option<String>,
    /// How long after Resolved a requester's message reopens the ticket; later it opens a follow-up. Above zero.
    pub reopen_within: Duration,
    /// How long after Resolved the ticket is Closed; longer than `reopen_within`.
    pub close_after: Duration,
}

impl Default for Queue {
    /// The queue of a ticket that names none: seven days to reopen, closed after eight.
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self { channel: None, reopen_within: Duration::from_secs(7 * DAY), close_after: Duration::from_secs(8 * DAY) }
    }
}

/// How much is broken, or how soon it must be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    /// Little; it can wait.
    Low,
    /// Some; it is in somebody's way.
    #[default]
    Medium,
    /// Much; work stands still.
    High,
}

impl Level {
    /// Every level, the least first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The word in specs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// One of our own words.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == word)
    }
}

/// Every priority, the most urgent first.
pub const PRIORITIES: [&str; 5] = ["P1", "P2", "P3", "P4", "P5"];

/// One cell of a policy's priority matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// How much is broken.
    pub impact: Level,
    /// How soon it must be mended.
    pub urgency: Level,
    /// `P1` … `P5`.
    pub priority: String,
}

/// The priority of a ticket by ITIL's matrix: high and high are P1, each level less is one more, so that the middle is
/// P3 and low and low P5. `cells` overrule it.
pub fn priority_of(cells: &[Cell], impact: Level, urgency: Level) -> String {
    let own = cells.iter().find(|cell| cell.impact == impact && cell.urgency == urgency);
    own.map_or_else(
        || {
            let below = |level: Level| match level {
                Level::High => 0_u8,
                Level::Medium => 1,
                Level::Low => 2,
            };
            format!("P{}", 1 + below(impact) + below(urgency))
        },
        |cell| cell.priority.clone(),
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Level::High, Level::High, "P1")]
    #[case(Level::High, Level::Medium, "P2")]
    #[case(Level::Medium, Level::Medium, "P3")]
    #[case(Level::Low, Level::High, "P3")]
    #[case(Level::Low, Level::Low, "P5")]
    fn what_is_broken_and_how_soon_it_is_needed_give_the_priority(
        #[case] impact: Level,
        #[case] urgency: Level,
        #[case] expected: &str,
    ) {
        assert_eq!(priority_of(&[], impact, urgency), expected);
    }

    #[test]
    fn a_policy_may_say_otherwise_for_one_cell() {
        let cells = [Cell { impact: Level::Low, urgency: Level::High, priority: "P2".into() }];
        assert_eq!(priority_of(&cells, Level::Low, Level::High), "P2");
        assert_eq!(priority_of(&cells, Level::High, Level::Low), "P3");
    }
}
