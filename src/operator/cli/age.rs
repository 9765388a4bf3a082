//! Times for people: how long ago, and when, in UTC. No local time is guessed.

use std::time::Duration;

use domain::time::{between, shown};
use jiff::{Timestamp, tz::TimeZone};

/// How long, as kubectl writes ages: `45s`, `5m30s`, `100m`, `5h12m`, `30h`, `3d4h`, `100d`, `2y30d`.
/// The rule is HumanDuration of k8s.io/apimachinery/pkg/util/duration.
pub fn length(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{small_unit}") }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () if days < 365 * 8 => two(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

/// The age of something at `now`; `0s` for what has not begun.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    length(between(since, now))
}

/// `4m ago` or `in 4m`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    if at > now { format!("in {}", length(between(now, at))) } else { format!("{} ago", length(between(at, now))) }
}

/// `2026-11-23T03:02:12Z`.
pub fn clock(at: Timestamp) -> String {
    shown(at, &TimeZone::UTC)
}

/// `2026-11-23T03:02:12Z (4m ago)`.
pub fn clock_and_age(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", clock(at), relative(at, now))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "0s")]
    #[case(119, "119s")]
    #[case(120, "2m")]
    #[case(330, "5m30s")]
    #[case(6_000, "100m")]
    #[case(10_800, "3h")]
    #[case(18_720, "5h12m")]
    #[case(108_000, "30h")]
    #[case(273_600, "3d4h")]
    #[case(8_640_000, "100d")]
    #[case(65_664_000, "2y30d")]
    #[case(315_360_000, "10y")]
    fn ages_read_as_kubectl_writes_them(#[case] seconds: u64, #[case] expected: &str) {
        assert_eq!(length(Duration::from_secs(seconds)), expected);
    }

    #[test]
    fn a_time_comes_with_how_far_it_is() {
        let now: Timestamp = "2026-11-23T03:12:00Z".parse().unwrap();
        assert_eq!(clock_and_age("2026-11-23T03:02:00Z".parse().unwrap(), now), "2026-11-23T03:02:00Z (10m ago)");
        assert_eq!(relative("2026-11-23T03:17:00Z".parse().unwrap(), now), "in 5m");
    }
}
