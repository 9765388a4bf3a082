//! What the objectives of one monitor count: whether looks failed, and for each latency objective whether they were
//! slower than it allows. Two objectives over the same question share their counters, and an edit of an objective's
//! number loses no history.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Slo;
use crate::probe::{
    Sample,
    counters::{Count, Counters, KeptCounters, Tally},
};

/// The counters of one monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracks {
    failures: Counters,
    /// By the longest time that is good, each once.
    slower: Vec<(Duration, Counters)>,
}

/// What is kept of [`Tracks`] across a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptTracks {
    /// Looks that failed.
    pub failures: KeptCounters,
    /// Looks that were slower than so many milliseconds, or failed.
    pub slower: Vec<(u64, KeptCounters)>,
}

impl Tracks {
    /// Nothing is counted yet.
    pub fn new(slos: &[Slo]) -> Self {
        let mut tracks = Self { failures: Counters::new(0), slower: Vec::new() };
        tracks.adapt(slos);
        tracks
    }

    /// Goes on with other objectives: counters of the same question go on, those of another begin anew.
    pub fn adapt(&mut self, slos: &[Slo]) {
        let hours =
            |below: Option<Duration>| slos.iter().filter(|slo| slo.below == below).map(Slo::hours).max().unwrap_or(0);
        self.failures.keep_hours(hours(None));
        let mut asked: Vec<Duration> = slos.iter().filter_map(|slo| slo.below).collect();
        asked.sort_unstable();
        asked.dedup();
        let mut before = std::mem::take(&mut self.slower);
        let track = |below: Duration| {
            let place = before.iter().position(|(known, _)| *known == below);
            let mut counters = place.map_or_else(|| Counters::new(0), |place| before.swap_remove(place).1);
            counters.keep_hours(hours(Some(below)));
            (below, counters)
        };
        self.slower = asked.into_iter().map(track).collect();
    }

    /// Counts a look. One that could not be taken says nothing and is not counted.
    pub fn record(&mut self, sample: &Sample) {
        if sample.failure.as_ref().is_some_and(|failure| failure.reason.is_blind()) {
            return;
        }
        let count = |good: bool| if good { Count::Good } else { Count::Bad };
        self.failures.record(sample.at, count(sample.ok()));
        for (below, counters) in &mut self.slower {
            counters.record(sample.at, count(sample.ok() && sample.duration <= *below));
        }
    }

    /// Looks by whether they failed: what uptime is made of.
    pub fn failures(&self) -> &Counters {
        &self.failures
    }

    /// The looks of the window that ends at `now`, as this objective judges them.
    pub fn tally(&self, slo: &Slo, window: Duration, now: Timestamp) -> Tally {
        let counters = match slo.below {
            None => Some(&self.failures),
            Some(below) => self.slower.iter().find(|(known, _)| *known == below).map(|(_, counters)| counters),
        };
        counters.map_or_else(Tally::default, |counters| counters.tally(window, now))
    }

    /// What must survive a restart.
    pub fn keep(&self) -> KeptTracks {
        let millis = |span: &Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        KeptTracks {
            failures: self.failures.keep(),
            slower: self.slower.iter().map(|(below, counters)| (millis(below), counters.keep())).collect(),
        }
    }

    /// Goes on from what was kept, with the objectives of now.
    pub fn restore(kept: &KeptTracks, slos: &[Slo]) -> Self {
        let hours = crate::probe::counters::MOST_HOURS;
        let slower = kept.slower.iter();
        let mut tracks = Self {
            failures: Counters::restore(&kept.failures, hours),
            slower: slower
                .map(|(below, kept)| (Duration::from_millis(*below), Counters::restore(kept, hours)))
                .collect(),
        };
        tracks.adapt(slos);
        tracks
    }

    /// Bytes of memory, without the struct itself.
    pub fn bytes(&self) -> usize {
        self.failures.bytes() + self.slower.iter().map(|(_, counters)| counters.bytes()).sum::<usize>()
    }
}
