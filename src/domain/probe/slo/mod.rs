//! Objectives: what share of looks must be good ([`Slo`]), what was counted ([`Tracks`]), how fast the error budget
//! burns and when that is an alert ([`burn`]), and what people are told ([`Report`]).
//!
//! The objective is a ratio of whole numbers, counts are exact, and nothing here rounds or remembers an average.
//! Absent on purpose: whether a burn pages somebody while the monitor is down; that is decided with the other alerts
//! of the monitor ([`super::alerts`]).

pub mod burn;
mod objective;
mod tracks;

use std::time::Duration;

use jiff::Timestamp;

pub use objective::{Objective, ObjectiveError, Slo};
pub use tracks::{KeptTracks, Tracks};

use super::{counters::Tally, decimal};
use burn::{Rate, WINDOWS};

/// How an objective stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The looks of its window.
    pub window: Tally,
    /// The burn rate over each of [`WINDOWS`], in that order.
    pub rates: [Rate; 7],
    objective: Objective,
}

impl Report {
    /// How `slo` stands at `now`.
    pub fn new(slo: &Slo, tracks: &Tracks, now: Timestamp) -> Self {
        Self {
            window: tracks.tally(slo, slo.window, now),
            rates: WINDOWS.map(|window| Rate::new(tracks.tally(slo, window, now), slo.objective)),
            objective: slo.objective,
        }
    }

    /// The burn rate over one of [`WINDOWS`] with one decimal; `None` without a look.
    pub fn rate_text(&self, window: Duration) -> Option<String> {
        WINDOWS.iter().zip(self.rates).find(|(known, _)| **known == window).and_then(|(_, rate)| rate.text())
    }

    /// The good looks of the window in percent, with two decimals that are cut; `None` without a look.
    pub fn sli(&self) -> Option<String> {
        decimal::percent_cut(self.window.good(), self.window.all, 2)
    }

    /// What is left of the error budget in tenths of a percent: 1,000 with no bad look, 0 when as many or more were bad
    /// as the objective allows of those that were taken; `None` without a look.
    pub fn budget_left(&self) -> Option<u32> {
        if self.window.all == 0 {
            return None;
        }
        let allowed = u128::from(self.window.all) * u128::from(self.objective.allowed());
        let bad = u128::from(self.window.bad) * u128::from(Objective::WHOLE);
        let left = allowed.saturating_sub(bad) * 1_000 / allowed.max(1);
        Some(u32::try_from(left).unwrap_or(1_000).min(1_000))
    }

    /// [`Report::budget_left`] as people read it: `48.1`.
    pub fn budget_left_text(&self) -> Option<String> {
        self.budget_left().map(|tenths| decimal::fixed(u128::from(tenths), 1))
    }

    /// The objective.
    pub fn objective(&self) -> Objective {
        self.objective
    }
}

#[cfg(test)]
mod tests;
