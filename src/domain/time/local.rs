//! Local wall-clock times and zones. There is no default zone: a zone stands beside every local time.

use std::fmt;

use jiff::{civil, tz::TimeZone};

use crate::problem::Problem;

/// A time of day, `00:00` to `23:59`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTime {
    /// Hour, 0–23.
    pub hour: u8,
    /// Minute, 0–59.
    pub minute: u8,
}

impl LocalTime {
    /// Reads `HH:MM`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        let two_digits = |part: &str| if digits(part) { part.parse::<u8>().ok() } else { None };
        let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
        (hour < 24 && minute < 60).then_some(Self { hour, minute })
    }

    /// The same as jiff's civil time.
    pub fn civil(self) -> civil::Time {
        civil::Time::constant(self.hour.min(23).cast_signed(), self.minute.min(59).cast_signed(), 0, 0)
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

/// The IANA zone of that name, from the bundled database only, so that every replica and every
/// laptop gives the same answer.
///
/// # Errors
/// A [`Problem`] without path when the database has no such zone.
pub fn zone(name: &str) -> Result<TimeZone, Problem> {
    if let Ok(zone) = jiff::tz::db().get(name) {
        return Ok(zone);
    }
    let known: Vec<String> = jiff::tz::db().available().map(|n| n.as_str().to_owned()).collect();
    let problem = Problem::error("", format!("no time zone is called `{name}`"));
    // Among six hundred names a list of the first five helps nobody: the one meant, one of that city, or the form.
    let close = problem.clone().suggest_from(name, known.iter().map(String::as_str));
    if close.suggestion.as_ref().is_some_and(|text| text.starts_with("did you mean")) {
        return Err(close);
    }
    let city = |full: &str| full.rsplit('/').next().unwrap_or(full).replace('_', " ").to_lowercase();
    let of_that_city = known.iter().find(|full| city(full) == city(name));
    Err(match of_that_city {
        Some(full) => problem.suggest(format!("did you mean `{full}`?")),
        None => problem.suggest("write an IANA name such as `Europe/Berlin`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_digits_each_make_a_local_time() {
        assert_eq!(LocalTime::parse("09:05").map(|t| t.to_string()).as_deref(), Some("09:05"));
        for wrong in ["9:05", "24:00", "09:60", "0905", "", "09:5", "ab:cd", "+9:05"] {
            assert_eq!(LocalTime::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_misspelt_zone_is_answered_with_the_one_meant() {
        let problem = zone("Europe/Berln").unwrap_err();
        assert_eq!(problem.suggestion.as_deref(), Some("did you mean `Europe/Berlin`?"));
        assert!(zone("Europe/Berlin").is_ok());
        assert_eq!(zone("Asia/Kolkatta").unwrap_err().suggestion.as_deref(), Some("did you mean `Asia/Kolkata`?"));
        assert_eq!(zone("new york").unwrap_err().suggestion.as_deref(), Some("did you mean `America/New_York`?"));
        assert_eq!(
            zone("Middle-earth").unwrap_err().suggestion.as_deref(),
            Some("write an IANA name such as `Europe/Berlin`")
        );
    }
}
