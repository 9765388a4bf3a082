//! Durations as users write them: `90s`, `15m`, `1h30m`, `2d`, `1w`, `250ms`.
//!
//! Days and weeks here are 24 h and 7 × 24 h. Where local days are meant (rotations), the
//! field says so and has a type of its own.

use std::time::Duration;

use thiserror::Error;

/// Units from large to small, in milliseconds.
const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The longest duration a field may hold: ten years of 365 days.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DurationError {
    /// Nothing was written.
    #[error("expected a duration such as `30s`, `15m` or `1h30m`, found nothing")]
    Empty,
    /// A number without a unit.
    #[error("expected a unit after `{0}` (ms, s, m, h, d or w), for example `{0}s`")]
    NoUnit(String),
    /// Something that is neither a number nor a unit.
    #[error("expected a duration such as `30s`, `15m` or `1h30m`, found `{0}`")]
    NotADuration(String),
    /// A unit that is written twice or after a smaller one.
    #[error("expected the units of `{0}` once each and from large to small (w d h m s ms)")]
    Order(String),
    /// Longer than ten years.
    #[error("expected at most ten years (3650d), found `{0}`")]
    TooLong(String),
}

/// Reads a duration.
///
/// # Errors
/// When the text is empty, has an unknown or missing unit, units out of order, or is longer than ten years.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut smallest = usize::MAX;
    while !rest.is_empty() {
        let (number, after_number) = split_while(rest, |c| c.is_ascii_digit());
        if number.is_empty() {
            return Err(DurationError::NotADuration(text.to_owned()));
        }
        let (unit, after_unit) = split_while(after_number, |c| c.is_ascii_alphabetic());
        if unit.is_empty() {
            return Err(DurationError::NoUnit(number.to_owned()));
        }
        let Some((rank, (_, factor))) = UNITS.iter().enumerate().find(|(_, (name, _))| *name == unit) else {
            return Err(DurationError::NotADuration(text.to_owned()));
        };
        if smallest != usize::MAX && rank <= smallest {
            return Err(DurationError::Order(text.to_owned()));
        }
        smallest = rank;
        let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor));
        total = part.and_then(|p| total.checked_add(p)).ok_or_else(|| DurationError::TooLong(text.to_owned()))?;
        rest = after_unit;
    }
    let span = Duration::from_millis(total);
    if span > LONGEST { Err(DurationError::TooLong(text.to_owned())) } else { Ok(span) }
}

/// Writes a duration in the shortest form that [`parse_duration`] reads back to the same value (to the millisecond).
pub fn format_duration(span: Duration) -> String {
    let mut rest = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, factor) in UNITS {
        let count = rest / factor;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
            rest %= factor;
        }
    }
    text
}

fn split_while(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !keep(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("90s", 90_000)]
    #[case("1h30m", 5_400_000)]
    #[case("250ms", 250)]
    #[case("0s", 0)]
    #[case("1w2d", 777_600_000)]
    fn a_duration_reads_as_milliseconds(#[case] text: &str, #[case] millis: u64) {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)));
    }

    #[rstest]
    #[case("", "found nothing")]
    #[case("30", "expected a unit after `30`")]
    #[case("soon", "found `soon`")]
    #[case("1.5h", "expected a unit after `1`")]
    #[case("1m1h", "from large to small")]
    #[case("1m1m", "once each")]
    #[case("99999999999999999999d", "at most ten years")]
    #[case("-5m", "found `-5m`")]
    fn what_is_no_duration_is_refused_with_what_to_write(#[case] text: &str, #[case] expected: &str) {
        let error = parse_duration(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    proptest! {
        #[test]
        fn writing_and_reading_gives_the_same(millis in 0u64..300_000_000_000) {
            let span = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(span)), Ok(span));
        }
    }
}
