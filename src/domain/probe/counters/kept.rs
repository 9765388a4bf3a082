//! Counters as text, so that they survive a restart in the monitor's status.
//!
//! `29422320 2x58 3/1 0x12 2x1370` is: the newest bucket's number; 58 buckets of two looks, one of three looks of
//! which one was bad, 12 without a look, 1,370 of two; older ones are empty. A month of a healthy target is some 20
//! characters, the worst that can be is cut at its oldest end to [`LONGEST`].

use serde::{Deserialize, Serialize};

use super::{Counters, MINUTES, Ring, WIDTHS};

/// Characters of one ring.
const LONGEST: usize = 16_384;

/// What is kept of [`Counters`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptCounters {
    /// A day of minutes.
    pub minutes: String,
    /// Hours, as many as the longest objective asks.
    pub hours: String,
}

impl Counters {
    /// As text.
    pub fn keep(&self) -> KeptCounters {
        KeptCounters { minutes: write(&self.minutes), hours: write(&self.hours) }
    }

    /// Goes on from what was kept. What cannot be read is left out: it was written by another version or by hand.
    pub fn restore(kept: &KeptCounters, hours: usize) -> Self {
        let mut counters = Self::new(hours);
        let length = usize::try_from(counters.hours.length()).unwrap_or(0);
        if let Some(minutes) = read(&kept.minutes, WIDTHS.0, MINUTES) {
            counters.minutes = minutes;
        }
        if let Some(hours) = read(&kept.hours, WIDTHS.1, length) {
            counters.hours = hours;
        }
        counters
    }
}

/// Looks, and how many buckets in a row have them.
struct Run {
    all: u16,
    bad: u16,
    times: i64,
}

fn write(ring: &Ring) -> String {
    let Some(newest) = ring.newest() else { return String::new() };
    let mut text = newest.to_string();
    let mut run = Run { all: 0, bad: 0, times: 0 };
    let mut next = newest;
    for (number, all, bad) in ring.filled() {
        let empty = next - number;
        if empty > 0 {
            end_run(&mut text, &run);
            run = Run { all: 0, bad: 0, times: empty };
        }
        if run.times > 0 && (run.all, run.bad) == (all, bad) {
            run.times += 1;
        } else {
            end_run(&mut text, &run);
            run = Run { all, bad, times: 1 };
        }
        next = number - 1;
    }
    end_run(&mut text, &run);
    text
}

fn end_run(text: &mut String, run: &Run) {
    if run.times == 0 {
        return;
    }
    let bad = if run.bad > 0 { format!("/{}", run.bad) } else { String::new() };
    let times = if run.times > 1 { format!("x{}", run.times) } else { String::new() };
    let word = format!(" {}{bad}{times}", run.all);
    if text.len() + word.len() <= LONGEST {
        text.push_str(&word);
    } else if !text.ends_with(' ') {
        // Everything older is left out; a shorter word must not take the place of a longer one.
        text.push_str(&" ".repeat(LONGEST.saturating_sub(text.len())));
    }
}

fn read(text: &str, width: i64, length: usize) -> Option<Ring> {
    let mut words = text.split_ascii_whitespace();
    let newest: i64 = words.next()?.parse().ok()?;
    // A second that no clock shows must not become a bucket.
    jiff::Timestamp::from_second(newest.checked_mul(width)?).ok()?;
    let most = i64::try_from(length).ok()?;
    let (mut back, mut buckets) = (0, Vec::new());
    for word in words {
        let Run { all, bad, times } = read_run(word)?;
        for _ in 0..times.min(most - back) {
            if all > 0 {
                buckets.push((newest - back, all, bad));
            }
            back += 1;
        }
    }
    let mut ring = Ring::new(width, length);
    for (number, all, bad) in buckets.into_iter().rev() {
        ring.restore(number, all, bad);
    }
    // The newest bucket may be empty: the looks of it had not begun.
    ring.restore(newest, 0, 0);
    Some(ring)
}

fn read_run(word: &str) -> Option<Run> {
    let (counts, times) = match word.split_once('x') {
        Some((counts, times)) => (counts, times.parse().ok().filter(|times| *times > 0)?),
        None => (word, 1),
    };
    let (all, bad) = match counts.split_once('/') {
        Some((all, bad)) => (all.parse().ok()?, bad.parse().ok()?),
        None => (counts.parse().ok()?, 0),
    };
    (bad <= all).then_some(Run { all, bad, times })
}
