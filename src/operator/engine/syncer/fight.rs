//! Two that write the same object against each other: when the one that is ours gives way.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// More corrections than this within [`WITHIN`] are a fight.
const CORRECTIONS: usize = 5;
/// The time in which they are counted.
const WITHIN: Duration = Duration::from_secs(60);
/// First and longest wait in a fight; doubled with each correction that did not hold.
const WAIT: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));

/// The corrections of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fight {
    /// The last ones, the latest at the end.
    recent: VecDeque<Instant>,
    /// How many waits there were; 0: no fight.
    round: u32,
    /// When the object is put back, or has to be found as it was put back, next.
    next: Option<Instant>,
}

impl Fight {
    /// Whether the object may be put back now; else when. The wish that is one too many begins a fight.
    pub fn turn(&mut self, now: Instant) -> Result<(), Instant> {
        if let Some(next) = self.next {
            return if next <= now { Ok(()) } else { Err(next) };
        }
        self.recent.retain(|at| now.saturating_duration_since(*at) < WITHIN);
        if self.recent.len() < CORRECTIONS {
            return Ok(());
        }
        Err(self.wait(now))
    }

    /// The object was put back.
    pub fn corrected(&mut self, now: Instant) {
        if self.next.is_some() {
            self.wait(now);
            return;
        }
        self.recent.push_back(now);
        if self.recent.len() > CORRECTIONS {
            self.recent.pop_front();
        }
    }

    /// The object was found as Git has it. A fight is over when that is so at the end of a wait.
    pub fn held(&mut self, now: Instant) {
        if self.next.is_some_and(|next| next <= now) {
            *self = Self::default();
        }
    }

    /// Until when the object is left alone; `None` without a fight.
    pub fn until(&self) -> Option<Instant> {
        self.next
    }

    fn wait(&mut self, now: Instant) -> Instant {
        let (first, longest) = WAIT;
        let wait = first.saturating_mul(1 << self.round.min(16)).min(longest);
        self.round = self.round.saturating_add(1);
        let next = now + wait;
        self.next = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody changes the object every `every` seconds, and we look when told, for `seconds`; the seconds at which it
    /// was put back.
    fn corrections(every: u64, seconds: u64) -> Vec<u64> {
        let (began, mut fight) = (Instant::now(), Fight::default());
        let (mut differs, mut done) = (false, Vec::new());
        for second in 0..seconds {
            let now = began + Duration::from_secs(second);
            differs |= second.is_multiple_of(every);
            if !differs {
                fight.held(now);
            } else if fight.turn(now).is_ok() {
                fight.corrected(now);
                done.push(second);
                differs = false;
            }
        }
        done
    }

    #[test]
    fn now_and_then_is_no_fight() {
        assert_eq!(corrections(20, 200).len(), 10);
        assert_eq!(corrections(12, 121).len(), 11, "five in a minute are still put back");
    }

    #[test]
    fn the_sixth_correction_within_a_minute_waits_ever_longer() {
        let done = corrections(1, 3_600);
        assert_eq!(done.get(..9), Some(&[0, 1, 2, 3, 4, 65, 185, 425, 905][..]));
        assert!(done.windows(2).skip(8).all(|pair| pair[1] - pair[0] == 600), "{done:?}");
    }

    #[test]
    fn a_fight_is_over_when_a_correction_holds() {
        let (began, mut fight) = (Instant::now(), Fight::default());
        let at = |second| began + Duration::from_secs(second);
        for second in 0..5 {
            assert_eq!(fight.turn(at(second)), Ok(()));
            fight.corrected(at(second));
        }
        assert_eq!(fight.turn(at(5)), Err(at(65)));
        assert_eq!(fight.turn(at(65)), Ok(()));
        fight.corrected(at(65));
        fight.held(at(66));
        assert_eq!(fight.until(), Some(at(185)), "it has not held long");
        fight.held(at(185));
        assert_eq!(fight, Fight::default());
        assert_eq!(fight.turn(at(186)), Ok(()));
    }
}
