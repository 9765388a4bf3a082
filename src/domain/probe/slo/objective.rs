//! What is promised, as users write it, kept as a ratio of whole numbers.

use std::{fmt, time::Duration};

use thiserror::Error;

/// Parts of a whole: an objective is kept in parts per million, which holds four decimals of a percentage exactly.
const WHOLE: u32 = 1_000_000;

/// Decimals of a percentage.
const DECIMALS: usize = 4;

/// The share of looks that must be good, such as `99.9` percent: at least 50, less than 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Objective {
    good: u32,
}

/// Why a text is not an objective.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ObjectiveError {
    /// No decimal number.
    #[error("expected a percentage such as `99.9`, found `{0}`")]
    NotANumber(String),
    /// More digits than are kept.
    #[error("expected a percentage with at most four decimals, found `{0}`")]
    TooFine(String),
    /// Nothing may fail.
    #[error("expected less than 100, found `{0}`: a budget of nothing is used up by the first failure; write `99.99`")]
    Whole(String),
    /// A ratio where a percentage is meant.
    #[error("expected a percentage from 50 to 99.9999, found `{found}`; did you mean `{meant}`?")]
    Ratio {
        /// What was written.
        found: String,
        /// The same in percent.
        meant: Objective,
    },
    /// Too low to be a promise.
    #[error("expected a percentage from 50 to 99.9999, found `{0}`")]
    TooLow(String),
}

impl Objective {
    /// Reads a percentage such as `99.9`, exactly.
    ///
    /// # Errors
    /// When it is no decimal number from 50 to 99.9999 with at most four decimals.
    pub fn parse(text: &str) -> Result<Self, ObjectiveError> {
        let not_a_number = || ObjectiveError::NotANumber(text.to_owned());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(not_a_number());
        }
        let fraction = fraction.trim_end_matches('0');
        if whole.trim_start_matches('0').is_empty() && fraction.len() <= DECIMALS + 2 {
            // `0.999`: the point is two places further to the right in percent.
            let parts: u32 = format!("{fraction:0<6}").parse().map_err(|_| not_a_number())?;
            let meant = Self { good: parts };
            let is_ratio = (WHOLE / 2..WHOLE).contains(&parts);
            return Err(if is_ratio {
                ObjectiveError::Ratio { found: text.to_owned(), meant }
            } else {
                ObjectiveError::TooLow(text.to_owned())
            });
        }
        if fraction.len() > DECIMALS {
            return Err(ObjectiveError::TooFine(text.to_owned()));
        }
        let percent: u32 = whole.parse().map_err(|_| not_a_number())?;
        let parts: u32 = format!("{fraction:0<DECIMALS$}").parse().map_err(|_| not_a_number())?;
        match percent {
            0..50 => Err(ObjectiveError::TooLow(text.to_owned())),
            50..100 => Ok(Self { good: percent * (WHOLE / 100) + parts }),
            _ => Err(ObjectiveError::Whole(text.to_owned())),
        }
    }

    /// How many of [`Objective::WHOLE`] looks may be bad: 1,000 of a million for `99.9`. Never 0.
    pub fn allowed(self) -> u64 {
        u64::from(WHOLE - self.good)
    }

    /// What [`Objective::allowed`] is a part of.
    pub const WHOLE: u64 = WHOLE as u64;

    /// The good share as a ratio, for metrics.
    pub fn ratio(self) -> f64 {
        f64::from(self.good) / f64::from(WHOLE)
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (percent, parts) = (self.good / (WHOLE / 100), self.good % (WHOLE / 100));
        if parts == 0 {
            return write!(f, "{percent}");
        }
        let fraction = format!("{parts:04}");
        write!(f, "{percent}.{}", fraction.trim_end_matches('0'))
    }
}

/// One promise about a monitored target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slo {
    /// What it is called; the alert label `slo`.
    pub name: String,
    /// The share of looks that must be good.
    pub objective: Objective,
    /// Over how long (7 to 90 days).
    pub window: Duration,
    /// A good look is as expected; with this, it is as expected *and* took no longer. A look that failed was not fast, so
    /// that an outage is never good for a latency objective.
    pub below: Option<Duration>,
}

impl Slo {
    /// The hours of its window.
    pub fn hours(&self) -> usize {
        usize::try_from(self.window.as_secs().div_ceil(3600)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("99.9", 1_000)]
    #[case("99", 10_000)]
    #[case("99.95", 500)]
    #[case("99.9999", 1)]
    #[case("99.90000", 1_000)]
    #[case("50", 500_000)]
    #[case("099.9", 1_000)]
    fn an_objective_allows_exactly_so_many_bad_looks_of_a_million(#[case] text: &str, #[case] allowed: u64) {
        assert_eq!(Objective::parse(text).unwrap().allowed(), allowed);
    }

    #[rstest]
    #[case("100", "less than 100")]
    #[case("100.0", "less than 100")]
    #[case("250", "less than 100")]
    #[case("0.999", "did you mean `99.9`?")]
    #[case("0.99995", "did you mean `99.995`?")]
    #[case("0.3", "from 50 to 99.9999")]
    #[case("0", "from 50 to 99.9999")]
    #[case("49.9999", "from 50 to 99.9999")]
    #[case("99.99999", "at most four decimals")]
    #[case("99.9%", "a percentage such as `99.9`")]
    #[case("99,9", "a percentage such as `99.9`")]
    #[case("-99", "a percentage such as `99.9`")]
    #[case("99.", "a percentage such as `99.9`")]
    #[case(".9", "a percentage such as `99.9`")]
    #[case("", "a percentage such as `99.9`")]
    #[case("99999999999999999999", "a percentage such as `99.9`")]
    #[case("three nines", "a percentage such as `99.9`")]
    fn what_is_no_objective_is_refused_with_what_to_write(#[case] text: &str, #[case] expected: &str) {
        let error = Objective::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    proptest! {
        #[test]
        fn writing_and_reading_gives_the_same(good in 500_000u32..1_000_000) {
            let objective = Objective { good };
            prop_assert_eq!(Objective::parse(&objective.to_string()), Ok(objective));
        }

        #[test]
        fn no_text_is_too_strange_to_be_answered(text in ".{0,30}") {
            let _ = Objective::parse(&text);
        }
    }
}
