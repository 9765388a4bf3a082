//! What a bench row and a soak row say, and how they are printed.

use std::{
    fmt,
    hint::black_box,
    time::{Duration, Instant},
};

/// How long one figure is measured in all.
const MEASURED_FOR: Duration = Duration::from_millis(600);
/// Into how many rounds that is divided; the median round counts.
const ROUNDS: u32 = 15;

/// One row of `make bench-rules`: the median time of one call beside what was promised.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What one call does.
    pub what: &'static str,
    /// Median over the rounds, of one call.
    pub measured: Duration,
    /// The most it may take; `None` where nothing is promised.
    pub bar: Option<Duration>,
}

impl Bar {
    /// Calls `once` for about 0.6 s in rounds and keeps the median round's time per call.
    pub fn measure<T>(what: &'static str, bar: Option<Duration>, mut once: impl FnMut() -> T) -> Self {
        // Warm, and find out how many calls make a round.
        let began = Instant::now();
        let mut calls = 0u32;
        while began.elapsed() < MEASURED_FOR / ROUNDS || calls == 0 {
            black_box(once());
            calls += 1;
        }
        let mut rounds: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                let began = Instant::now();
                for _ in 0..calls {
                    black_box(once());
                }
                began.elapsed() / calls
            })
            .collect();
        rounds.sort_unstable();
        Self { what, measured: rounds[rounds.len() / 2], bar }
    }

    /// Whether the promise was kept.
    pub fn is_kept(&self) -> bool {
        self.bar.is_none_or(|bar| self.measured <= bar)
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bar = self.bar.map_or_else(|| "-".to_owned(), |bar| format!("{bar:?}"));
        let missed = if self.is_kept() { "" } else { "  MISSED" };
        write!(f, "{:<64} {:>12} {bar:>10}{missed}", self.what, format!("{:.3?}", self.measured))
    }
}

/// One row of `make soak`: a count beside what it has to be.
#[derive(Debug, Clone)]
pub struct Soak {
    /// What was counted.
    pub what: String,
    /// How many.
    pub count: u64,
    /// What it has to be; `None` for a row that only tells how much was done.
    pub expected: Option<u64>,
}

impl Soak {
    /// A row that tells how much was done.
    pub fn done(what: impl Into<String>, count: u64) -> Self {
        Self { what: what.into(), count, expected: None }
    }

    /// A row that has to be this number.
    pub fn must_be(what: impl Into<String>, count: u64, expected: u64) -> Self {
        Self { what: what.into(), count, expected: Some(expected) }
    }

    /// Whether the count is what it has to be.
    pub fn holds(&self) -> bool {
        self.expected.is_none_or(|expected| self.count == expected)
    }
}

impl fmt::Display for Soak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = self.expected.map_or_else(|| "-".to_owned(), |expected| expected.to_string());
        let wrong = if self.holds() { "" } else { "  WRONG" };
        write!(f, "{:<64} {:>14} {expected:>12}{wrong}", self.what, self.count)
    }
}
