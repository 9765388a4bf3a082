//! Times for people: how long ago, and when: in the zone of a policy where one is known, else in UTC, never in a guessed one.

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

/// `2026-11-23T03:02:12Z`, for what belongs to no policy or to several.
pub fn clock(at: Timestamp) -> String {
    shown(at, &TimeZone::UTC)
}

/// How the times of one answer are written: in one zone, with its offset, so that what is read there can be put after `--at`.
#[derive(Debug, Clone)]
pub struct Times {
    /// The policy's zone; UTC where there is none.
    pub zone: TimeZone,
    /// From when ages are counted.
    pub now: Timestamp,
}

impl Times {
    /// `2026-11-23T04:02:12+01:00`.
    pub fn clock(&self, at: Timestamp) -> String {
        shown(at, &self.zone)
    }

    /// `2026-11-23T04:02:12+01:00 (4m ago)`.
    pub fn clock_and_age(&self, at: Timestamp) -> String {
        format!("{} ({})", self.clock(at), relative(at, self.now))
    }

    /// What the operator wrote down, in which instants stand in UTC, with those in this zone.
    pub fn retold(&self, text: &str) -> String {
        let mut told = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('Z') {
            let (before, after) = rest.split_at(at + 1);
            let start = before.len().checked_sub(INSTANT.len()).filter(|start| before.is_char_boundary(*start));
            let instant = start.and_then(|start| Some((start, before.get(start..)?.parse::<Timestamp>().ok()?)));
            match instant {
                Some((start, instant)) => {
                    told.push_str(before.get(..start).unwrap_or_default());
                    told.push_str(&self.clock(instant));
                }
                None => told.push_str(before),
            }
            rest = after;
        }
        told.push_str(rest);
        told
    }
}

/// The form of an instant of whole seconds in UTC.
const INSTANT: &str = "2026-11-23T03:02:12Z";

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

    fn berlin() -> Times {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        Times { zone, now: "2026-11-23T03:12:00Z".parse().unwrap() }
    }

    #[test]
    fn a_time_comes_in_its_zone_with_how_far_it_is() {
        let (times, at) = (berlin(), "2026-11-23T03:02:00Z".parse().unwrap());
        assert_eq!(times.clock_and_age(at), "2026-11-23T04:02:00+01:00 (10m ago)");
        assert_eq!(Times { zone: TimeZone::UTC, ..times }.clock_and_age(at), "2026-11-23T03:02:00Z (10m ago)");
        assert_eq!(relative("2026-11-23T03:17:00Z".parse().unwrap(), berlin().now), "in 5m");
    }

    #[rstest]
    #[case("nothing fires since 2026-11-23T03:02:00Z", "nothing fires since 2026-11-23T04:02:00+01:00")]
    #[case("2026-06-01T03:02:00Z–2026-06-02T03:02:00Z", "2026-06-01T05:02:00+02:00–2026-06-02T05:02:00+02:00")]
    #[case("Zone Z of äöüäöüäöüäöZ", "Zone Z of äöüäöüäöüäöZ")]
    #[case("2026-13-23T03:02:00Z", "2026-13-23T03:02:00Z")]
    #[case("", "")]
    fn instants_in_a_text_are_told_in_the_zone(#[case] written: &str, #[case] expected: &str) {
        assert_eq!(berlin().retold(written), expected);
    }
}
