//! What an HTTP answer means for a message. Pure.

use std::time::Duration;

use domain::message::Delivery;
use jiff::{Timestamp, civil::DateTime, fmt::rfc2822, tz::TimeZone};
use reqwest::{Response, StatusCode, header::RETRY_AFTER};

use crate::outcome::NotAccepted;

/// A receiver cannot put a message off longer than the sender keeps trying.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The part of an answer that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<String>,
}

impl Answer {
    pub(super) fn of(response: &Response) -> Self {
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Self { status: response.status(), retry_after: retry_after.map(str::to_owned) }
    }

    pub(super) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// `place` names the receiver without secrets, `words` are its own, already fit to be shown.
    pub(super) fn judge(&self, place: &str, words: &str, now: Timestamp) -> Delivery {
        if self.status.is_success() {
            return Delivery::Accepted { receipt: format!("HTTP {}", self.status) };
        }
        let said = if words.is_empty() { String::new() } else { format!(" ({words})") };
        let error = format!("{place} answered HTTP {}{said}", self.status);
        match self.status.as_u16() {
            408 | 425 | 429 | 500..=599 => {
                let after = self.retry_after.as_deref().and_then(|value| wait(value, now));
                NotAccepted::Retry { after, error }
            }
            300..=399 => NotAccepted::Failed(format!("{error}; redirects are not followed: write the final address")),
            401 | 403 => NotAccepted::Failed(format!("{error}; check the address and the signing secret")),
            404 => NotAccepted::Failed(format!("{error}; check the address")),
            410 => {
                NotAccepted::Failed(format!("{error}: the receiver is gone for good; remove or replace the channel"))
            }
            _ => NotAccepted::Failed(error),
        }
        .into()
    }
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds or a date. What cannot be read counts as not said.
fn wait(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => Duration::try_from(http_date(value)?.duration_since(now)).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The three forms of RFC 9110, 5.6.7.
fn http_date(value: &str) -> Option<Timestamp> {
    if let Ok(timestamp) = rfc2822::DateTimeParser::new().parse_timestamp(value) {
        return Some(timestamp);
    }
    let obsolete = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let local = obsolete.iter().find_map(|format| DateTime::strptime(format, value).ok())?;
    local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// 37 seconds before the date that RFC 9110 uses in its examples.
    fn now() -> Timestamp {
        "1994-11-06T08:49:00Z".parse().unwrap()
    }

    fn judged(status: u16, retry_after: Option<&str>) -> Delivery {
        let answer =
            Answer { status: StatusCode::from_u16(status).unwrap(), retry_after: retry_after.map(str::to_owned) };
        answer.judge("https://hooks.example", "no such hook", now())
    }

    #[rstest]
    #[case(200)]
    #[case(202)]
    #[case(204)]
    fn any_2xx_accepts(#[case] status: u16) {
        assert!(matches!(judged(status, None), Delivery::Accepted { .. }));
    }

    #[rstest]
    #[case(408)]
    #[case(425)]
    #[case(429)]
    #[case(500)]
    #[case(503)]
    #[case(599)]
    fn a_receiver_in_trouble_is_tried_again(#[case] status: u16) {
        assert!(matches!(judged(status, None), Delivery::Retry { after: None, .. }));
    }

    #[rstest]
    #[case(301)]
    #[case(304)]
    #[case(400)]
    #[case(401)]
    #[case(404)]
    #[case(410)]
    #[case(422)]
    fn what_repeating_cannot_mend_has_failed(#[case] status: u16) {
        assert!(matches!(judged(status, Some("5")), Delivery::Failed { .. }));
    }

    #[test]
    fn a_refusal_says_who_what_and_what_to_do() {
        let Delivery::Failed { error } = judged(404, None) else { panic!("a 404 is permanent") };
        assert_eq!(error, "https://hooks.example answered HTTP 404 Not Found (no such hook); check the address");
    }

    #[rstest]
    #[case::seconds("7", Some(7))]
    #[case::none_at_all("0", Some(0))]
    #[case::date("Sun, 06 Nov 1994 08:49:37 GMT", Some(37))]
    #[case::obsolete_date("Sunday, 06-Nov-94 08:49:37 GMT", Some(37))]
    #[case::c_date("Sun Nov  6 08:49:37 1994", Some(37))]
    #[case::a_date_that_has_passed("Sun, 06 Nov 1994 08:48:00 GMT", Some(0))]
    #[case::longer_than_we_try("9999999999", Some(86_400))]
    #[case::more_than_any_number("99999999999999999999999", None)]
    #[case::nonsense("soon", None)]
    #[case::negative("-1", None)]
    fn retry_after_is_read_as_rfc_9110_writes_it(#[case] value: &str, #[case] seconds: Option<u64>) {
        for status in [429, 503] {
            let Delivery::Retry { after, .. } = judged(status, Some(value)) else { panic!("{status} is transient") };
            assert_eq!(after, seconds.map(Duration::from_secs));
        }
    }
}
