//! How fast an error budget burns, and when that is an alert.
//!
//! The rules are those of the Google SRE workbook, chapter 5, "Multiwindow, multi-burn-rate alerts"
//! (<https://sre.google/workbook/alerting-on-slos/>): an alert fires while the budget burns faster than a factor over a
//! long window *and* over a short one of a twelfth of it, so that it ends soon after the trouble does. The factors are
//! those that use up 2, 5, 10 and 10 percent of a budget of 30 days within the long window (table 5-8):
//!
//! | severity | long | short | factor over 30 d |
//! |---|---|---|---|
//! | page | 1 h | 5 min | 14.4 |
//! | page | 6 h | 30 min | 6 |
//! | ticket | 1 d | 2 h | 3 |
//! | ticket | 3 d | 6 h | 1 |
//!
//! Over another window the factors are scaled so that the same share of the budget is used up: half of them over 15
//! days. They never fall below 1, since a budget that burns at less than 1 is not used up at all.
//!
//! Added to the book: a minimum of looks and of bad ones, because a probe makes a few looks a minute where a service
//! answers thousands of requests, and one lost packet must not wake a person (Pyrra issue 1925, Sloth issue 504).
//!
//! Everything is compared in whole numbers; nothing is rounded.

use std::time::Duration;

use jiff::Timestamp;

use super::{Objective, Slo, Tracks};
use crate::{
    alert::Severity,
    probe::{counters::Tally, decimal},
};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// The window that the factors are written for: 30 days.
const BASE: u64 = 30 * 24 * HOUR;

/// A window with fewer looks says nothing: 1 h at an interval of 6 min has 10.
pub const LEAST_LOOKS: u64 = 10;

/// One of the four pairs of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Long enough that the budget is in danger.
    pub long: Duration,
    /// Short enough that it still burns now.
    pub short: Duration,
    /// In tenths, over 30 days.
    factor: u64,
    /// How urgent it is.
    pub severity: Severity,
}

/// The pairs, from fast to slow.
pub const PAIRS: [Pair; 4] = [
    Pair::of(HOUR, 5 * MINUTE, 144, Severity::Page),
    Pair::of(6 * HOUR, 30 * MINUTE, 60, Severity::Page),
    Pair::of(24 * HOUR, 2 * HOUR, 30, Severity::Ticket),
    Pair::of(72 * HOUR, 6 * HOUR, 10, Severity::Ticket),
];

/// Every window of [`PAIRS`] once, from short to long.
pub const WINDOWS: [Duration; 7] =
    [PAIRS[0].short, PAIRS[1].short, PAIRS[0].long, PAIRS[2].short, PAIRS[1].long, PAIRS[2].long, PAIRS[3].long];

impl Pair {
    const fn of(long: u64, short: u64, factor: u64, severity: Severity) -> Self {
        Self { long: Duration::from_secs(long), short: Duration::from_secs(short), factor, severity }
    }

    /// The factor over an objective's window, as numerator and denominator; at least 1.
    pub fn factor(&self, window: Duration) -> (u64, u64) {
        let (numerator, denominator) = (self.factor.saturating_mul(window.as_secs()), 10 * BASE);
        if numerator < denominator { (1, 1) } else { (numerator, denominator) }
    }

    /// Whether the budget can burn as fast as this at all: where nothing else but bad looks is seen.
    pub fn can_fire(&self, objective: Objective, window: Duration) -> bool {
        let all_bad = Rate { tally: Tally { all: LEAST_LOOKS, bad: LEAST_LOOKS }, objective };
        all_bad.exceeds(self.factor(window))
    }
}

/// How many times faster than allowed the budget burns: 1 uses it up exactly within the objective's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The looks it is computed from.
    pub tally: Tally,
    objective: Objective,
}

impl Rate {
    /// The rate of these looks.
    pub fn new(tally: Tally, objective: Objective) -> Self {
        Self { tally, objective }
    }

    /// Bad looks and allowed bad looks, in parts of a million looks.
    fn parts(self) -> (u128, u128) {
        let bad = u128::from(self.tally.bad) * u128::from(Objective::WHOLE);
        (bad, u128::from(self.tally.all) * u128::from(self.objective.allowed()))
    }

    /// Whether it burns faster than a factor, given as numerator and denominator. Never without a look.
    pub fn exceeds(self, (numerator, denominator): (u64, u64)) -> bool {
        let (bad, allowed) = self.parts();
        bad * u128::from(denominator) > allowed * u128::from(numerator)
    }

    /// With one decimal that is cut: `14.4`; `None` without a look.
    pub fn text(self) -> Option<String> {
        let (bad, allowed) = self.parts();
        (allowed > 0).then(|| decimal::fixed(bad * 10 / allowed.max(1), 1))
    }

    /// For metrics; `None` without a look.
    #[expect(clippy::cast_precision_loss, reason = "a gauge shows a few digits")]
    pub fn value(self) -> Option<f64> {
        let (bad, allowed) = self.parts();
        (allowed > 0).then(|| bad as f64 / allowed as f64)
    }
}

/// Whether an objective's budget burns too fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burn {
    /// Too fast, by this pair: the fastest of its severity that does.
    Fast(Pair),
    /// Not too fast.
    Fine,
    /// The short window of a pair has no look: nothing is known of now, and what fires stays.
    Unseen,
}

/// Whether the budget burns too fast by a pair of this severity. `least_bad` bad looks must be in the long window.
pub fn burn(slo: &Slo, tracks: &Tracks, severity: Severity, least_bad: u64, now: Timestamp) -> Burn {
    let mut seen = false;
    for pair in PAIRS.iter().filter(|pair| pair.severity == severity) {
        let short = Rate::new(tracks.tally(slo, pair.short, now), slo.objective);
        if short.tally.all == 0 {
            continue;
        }
        seen = true;
        // Most looks are good, so that most of the time this is all there is to do.
        if short.tally.bad == 0 || !short.exceeds(pair.factor(slo.window)) {
            continue;
        }
        let long = Rate::new(tracks.tally(slo, pair.long, now), slo.objective);
        let enough = long.tally.all >= LEAST_LOOKS && long.tally.bad >= least_bad;
        if enough && long.exceeds(pair.factor(slo.window)) {
            return Burn::Fast(*pair);
        }
    }
    if seen { Burn::Fine } else { Burn::Unseen }
}
