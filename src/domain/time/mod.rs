//! Time as users write it. Instants come from outside and are truncated to whole seconds where they enter.

mod boundary;
mod duration;
mod local;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

pub use boundary::{first_instant, last_instant};
pub use duration::{DurationError, format_duration, parse_duration};
pub use local::{LocalTime, zone};

/// `at` without its fraction of a second. Every instant that is stored or folded passes here,
/// because the API keeps whole seconds and a sum of fractions would not survive a restart.
pub fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second() - i64::from(at.subsec_nanosecond() < 0)).unwrap_or(at)
}

/// An instant as people read it, with the offset of a zone: `2026-06-03T15:00:00+02:00`, in UTC `2026-06-03T13:00:00Z`. That
/// is also how it is written in fixtures and after `--at`, so that what is read can be put there.
pub fn shown(at: Timestamp, zone: &TimeZone) -> String {
    let local = at.to_zoned(zone.clone());
    let form = if *zone == TimeZone::UTC { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
    local.strftime(form).to_string()
}

/// `at + span`, held at the end of representable time rather than overflowing.
pub fn after(at: Timestamp, span: std::time::Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| at.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}

/// How long from `from` to `to`; zero when `to` is not later.
pub fn between(from: Timestamp, to: Timestamp) -> std::time::Duration {
    std::time::Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_cut_towards_the_past_on_both_sides_of_1970() {
        let late: Timestamp = "2026-11-23T10:00:00.9Z".parse().unwrap();
        assert_eq!(whole_seconds(late).to_string(), "2026-11-23T10:00:00Z");
        let early: Timestamp = "1969-12-31T23:59:58.1Z".parse().unwrap();
        assert_eq!(whole_seconds(early).to_string(), "1969-12-31T23:59:58Z");
    }

    #[test]
    fn an_instant_is_shown_in_the_form_in_which_it_can_be_written() {
        let at: Timestamp = "2026-06-03T15:00:00+02:00".parse().unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(shown(at, &berlin), "2026-06-03T15:00:00+02:00");
        assert_eq!(shown(at, &TimeZone::UTC), "2026-06-03T13:00:00Z");
        assert_eq!(shown(at, &berlin).parse::<Timestamp>().unwrap(), at);
    }

    #[test]
    fn adding_past_the_end_of_time_stays_at_its_end() {
        assert_eq!(after(Timestamp::MAX, std::time::Duration::from_secs(1)), Timestamp::MAX);
    }
}
