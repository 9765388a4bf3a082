//! How values on the command line are read.

use std::time::Duration;

use domain::time::{after, parse_duration, whole_seconds};
use jiff::Timestamp;

/// A duration such as `30s`, `15m`, `2h`, `3d`.
///
/// # Errors
/// What was expected, as a sentence.
pub fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// A duration that is longer than nothing.
///
/// # Errors
/// What was expected, as a sentence.
pub fn some_span(text: &str) -> Result<Duration, String> {
    match span(text)? {
        Duration::ZERO => Err("expected more than 0s".to_owned()),
        span => Ok(span),
    }
}

/// A duration that is longer than nothing and at most 366 days: how long something is lived through on simulated time.
///
/// # Errors
/// What was expected, as a sentence.
pub fn up_to_a_year(text: &str) -> Result<Duration, String> {
    let span = some_span(text)?;
    if span > Duration::from_secs(366 * 86_400) { Err("expected at most 366d".to_owned()) } else { Ok(span) }
}

/// An instant, or so long after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// With its offset, so that no zone is guessed.
    At(Timestamp),
    /// A duration.
    In(Duration),
}

impl Moment {
    /// The instant, where a duration counts from `start`.
    pub fn after(self, start: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::In(span) => after(start, span),
        }
    }
}

/// `2027-03-28T03:00:00+02:00`, or `2d`.
///
/// # Errors
/// What was expected, as a sentence.
pub fn moment(text: &str) -> Result<Moment, String> {
    instant(text).map(Moment::At).or_else(|_| parse_duration(text).map(Moment::In)).map_err(|_| {
        "expected an instant with its offset, such as 2027-03-28T03:00:00+02:00, or a duration such as 2d".to_owned()
    })
}

/// `2027-03-28T03:00:00+02:00`, in whole seconds.
///
/// # Errors
/// What was expected, as a sentence.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    let read = text.parse::<Timestamp>().map(whole_seconds);
    read.map_err(|_| "expected an instant with its offset, such as 2027-03-28T03:00:00+02:00".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_as_everywhere_else_and_an_empty_one_is_refused_where_it_makes_no_sense() {
        assert_eq!(some_span("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(span("0s"), Ok(Duration::ZERO));
        assert_eq!(some_span("0s"), Err("expected more than 0s".to_owned()));
        assert!(span("2 hours").is_err());
        assert_eq!(up_to_a_year("366d").map(|span| span.as_secs()), Ok(31_622_400));
        assert_eq!(up_to_a_year("367d"), Err("expected at most 366d".to_owned()));
    }

    #[test]
    fn a_moment_is_an_instant_or_so_long_after_another() {
        let start: Timestamp = "2026-11-23T03:12:00Z".parse().unwrap();
        let at = |text: &str| moment(text).map(|moment| moment.after(start).to_string());
        assert_eq!(at("2d").unwrap(), "2026-11-25T03:12:00Z");
        assert_eq!(at("2027-03-28T03:00:00.5+02:00").unwrap(), "2027-03-28T01:00:00Z");
        assert!(at("2027-03-28T03:00:00").unwrap_err().contains("with its offset"));
        assert_eq!(instant("2027-03-28T03:00:00.5+02:00").unwrap().to_string(), "2027-03-28T01:00:00Z");
        assert!(instant("2027-03-28").unwrap_err().contains("with its offset"));
    }
}
