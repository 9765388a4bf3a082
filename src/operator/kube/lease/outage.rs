//! What the log says while the lease cannot be renewed or looked at: that it begins, ever more rarely that it goes on, and
//! that it is over. Pure.
//!
//! The lease is asked for every second, by every replica, so its loop is the one that says it for everything that calls
//! the API; an outage of an hour is seven lines, not three thousand.

use std::time::Duration;

use super::Leadership;

/// How long it has gone on when that is said again.
const AGAIN: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(300)];
/// And after those this often.
const THEN_EVERY: Duration = Duration::from_secs(900);

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody answers, or what stands in front of the API says that it is not there.
    Silent,
    /// The API answers, and refuses the lease.
    Refused,
}

/// What there is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It begins.
    Begins,
    /// It has gone on for so long.
    GoesOn(Duration),
}

/// One trouble from its beginning to its end.
#[derive(Debug, Default)]
pub(super) struct Outage(Option<Now>);

#[derive(Debug)]
struct Now {
    trouble: Trouble,
    since: Duration,
    /// How long it has gone on when that is said next.
    next: Duration,
}

impl Outage {
    /// A look has failed at this moment, on our time since boot. What went on as another trouble has [`ended`](Self::ended)
    /// before.
    pub(super) fn failed(&mut self, trouble: Trouble, now: Duration) -> Option<Word> {
        let Some(known) = &mut self.0 else {
            self.0 = Some(Now { trouble, since: now, next: AGAIN[0] });
            return Some(Word::Begins);
        };
        let gone = now.saturating_sub(known.since);
        if gone < known.next {
            return None;
        }
        known.next = AGAIN.into_iter().find(|at| *at > gone).unwrap_or(gone + THEN_EVERY);
        Some(Word::GoesOn(gone))
    }

    /// What is over when a look comes to this (`None`: it has succeeded), and how long it was. A server that starts refuses for a
    /// moment, and is there.
    pub(super) fn ended(&mut self, now_is: Option<Trouble>, now: Duration) -> Option<(Trouble, Duration)> {
        let over = self.0.take_if(|known| Some(known.trouble) != now_is)?;
        Some((over.trouble, now.saturating_sub(over.since)))
    }
}

/// Says it.
pub(super) fn say(trouble: Trouble, word: Word, why: &str, leadership: &Leadership) {
    let leads = leadership.is_valid();
    match (trouble, word) {
        (Trouble::Silent, Word::Begins) => {
            tracing::warn!(leads, why, "the Kubernetes API does not answer; trying on every second");
        }
        (Trouble::Silent, Word::GoesOn(gone)) => {
            tracing::warn!(leads, why, gone_s = gone.as_secs(), "the Kubernetes API still does not answer");
        }
        (Trouble::Refused, Word::Begins) => {
            tracing::warn!(leads, why, "the Kubernetes API refuses the lease; trying on every second");
        }
        (Trouble::Refused, Word::GoesOn(gone)) => {
            tracing::warn!(leads, why, refused_s = gone.as_secs(), "the Kubernetes API still refuses the lease");
        }
    }
}

/// Says that it is over, when it is.
pub(super) fn say_over(ended: Option<(Trouble, Duration)>) {
    match ended {
        Some((Trouble::Silent, gone)) => tracing::info!(gone_s = gone.as_secs(), "the Kubernetes API answers again"),
        Some((Trouble::Refused, refused)) => {
            tracing::info!(refused_s = refused.as_secs(), "the Kubernetes API takes the lease again");
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: Duration = Duration::from_secs(1_000);

    /// The seconds at which something is said, of a trouble that is seen every second.
    fn said(outage: &mut Outage, seconds: std::ops::Range<u64>) -> Vec<u64> {
        let failed = |second: &u64| {
            let word = outage.failed(Trouble::Silent, BOOT + Duration::from_secs(*second))?;
            assert_eq!(word == Word::Begins, *second == 0, "{word:?} at {second}");
            Some(*second)
        };
        seconds.collect::<Vec<_>>().iter().filter_map(failed).collect()
    }

    #[test]
    fn an_hour_is_said_ever_more_rarely_and_its_end_with_how_long_it_was() {
        let mut outage = Outage::default();
        assert_eq!(said(&mut outage, 0..3_601), [0, 60, 300, 1_200, 2_100, 3_000]);
        let end = BOOT + Duration::from_secs(3_601);
        assert_eq!(outage.ended(None, end), Some((Trouble::Silent, Duration::from_secs(3_601))));
        assert_eq!(outage.ended(None, end), None);
    }

    #[test]
    fn a_second_outage_begins_anew() {
        let mut outage = Outage::default();
        assert_eq!(said(&mut outage, 0..100), [0, 60]);
        outage.ended(None, BOOT);
        assert_eq!(said(&mut outage, 0..100), [0, 60]);
    }

    #[test]
    fn what_is_looked_at_late_is_said_once() {
        let mut outage = Outage::default();
        let at = |seconds| BOOT + Duration::from_secs(seconds);
        assert_eq!(outage.failed(Trouble::Silent, at(0)), Some(Word::Begins));
        assert_eq!(outage.failed(Trouble::Silent, at(400)), Some(Word::GoesOn(Duration::from_secs(400))));
        assert_eq!(outage.failed(Trouble::Silent, at(401)), None);
    }

    #[test]
    fn an_api_that_answers_with_a_refusal_is_there_again_and_that_is_another_trouble() {
        let mut outage = Outage::default();
        assert_eq!(outage.failed(Trouble::Silent, BOOT), Some(Word::Begins));
        assert_eq!(outage.ended(Some(Trouble::Silent), BOOT), None);
        let later = BOOT + Duration::from_secs(7);
        assert_eq!(outage.ended(Some(Trouble::Refused), later), Some((Trouble::Silent, Duration::from_secs(7))));
        assert_eq!(outage.failed(Trouble::Refused, later), Some(Word::Begins));
        assert_eq!(outage.failed(Trouble::Refused, later), None);
        assert_eq!(outage.ended(None, later), Some((Trouble::Refused, Duration::ZERO)));
    }
}
