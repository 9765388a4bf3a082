//! Where a local time lies among the instants, when clocks go forward or back.
//!
//! Both answers are the same except in the hour that comes twice. In a gap both are its end, however many changes of
//! the clocks the gap is made of (a whole day in Pacific/Apia, 2011-12-30).

use jiff::{
    Timestamp, civil,
    tz::{AmbiguousOffset, AmbiguousTimestamp, TimeZone},
};

/// The first instant at which the zone's clocks show `local` or later: of a time that comes twice the first.
/// `None` beyond the year 9999.
pub fn first_instant(zone: &TimeZone, local: civil::DateTime) -> Option<Timestamp> {
    let found = zone.to_ambiguous_timestamp(local);
    end_of_gap(zone, local, &found).unwrap_or_else(|| found.earlier().ok())
}

/// The instant from which on the zone's clocks never again show less than `local`: of a time that comes twice the second.
/// `None` beyond the year 9999.
pub fn last_instant(zone: &TimeZone, local: civil::DateTime) -> Option<Timestamp> {
    let found = zone.to_ambiguous_timestamp(local);
    end_of_gap(zone, local, &found).unwrap_or_else(|| found.later().ok())
}

/// `None` when `local` is in no gap.
fn end_of_gap(zone: &TimeZone, local: civil::DateTime, found: &AmbiguousTimestamp) -> Option<Option<Timestamp>> {
    if !matches!(found.offset(), AmbiguousOffset::Gap { .. }) {
        return None;
    }
    // The earlier reading lies before the transition and the later one at or after it.
    let (Ok(before), Ok(latest)) = (found.earlier(), found.later()) else { return Some(None) };
    let ends_gap = |at: &Timestamp| *at > latest || zone.to_datetime(*at) >= local;
    Some(zone.following(before).map(|transition| transition.timestamp()).find(ends_gap).map(|end| end.min(latest)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("Europe/Berlin", "2026-06-01T09:00", "2026-06-01T07:00:00Z", "2026-06-01T07:00:00Z")]
    #[case::gap("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z")]
    #[case::twice("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z")]
    #[case::half_hour_twice("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z")]
    #[case::no_midnight("America/Sao_Paulo", "2018-11-04T00:00", "2018-11-04T03:00:00Z", "2018-11-04T03:00:00Z")]
    #[case::skipped_day("Pacific/Apia", "2011-12-30T09:00", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z")]
    fn a_local_time_has_a_first_and_a_last_instant(
        #[case] zone: &str,
        #[case] local: &str,
        #[case] first: &str,
        #[case] last: &str,
    ) {
        let (zone, local) = (crate::time::zone(zone).unwrap(), local.parse().unwrap());
        assert_eq!(first_instant(&zone, local).unwrap().to_string(), first);
        assert_eq!(last_instant(&zone, local).unwrap().to_string(), last);
    }
}
