//! How values on the command line are read.

use std::time::Duration;

use domain::time::parse_duration;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_as_everywhere_else_and_an_empty_one_is_refused_where_it_makes_no_sense() {
        assert_eq!(some_span("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(span("0s"), Ok(Duration::ZERO));
        assert_eq!(some_span("0s"), Err("expected more than 0s".to_owned()));
        assert!(span("2 hours").is_err());
    }
}
