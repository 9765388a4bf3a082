//! What to do about an object that somebody else may have changed. Pure.

use api::git_source::{DeviationState, Drift};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::engine::syncer::{fight::Fight, freeze::Freeze};

/// How the object compares with Git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// As it should be, or gone as it should be.
    AsGit,
    /// It was deleted.
    Missing,
    /// These fields differ, at most five.
    Differs(Vec<String>),
    /// Another source has it now.
    Foreign(String),
    /// It left Git and is still there.
    Leaving,
}

/// All that a decision depends on.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) finding: Finding,
    /// The freeze on it, or what is wrong with it.
    pub(super) freeze: Result<Option<Freeze>, String>,
    pub(super) mode: Drift,
    /// Whether a commit waits for the end of the freeze.
    pub(super) owed: bool,
    pub(super) now: Instant,
    pub(super) time: Timestamp,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: all is well.
    Rest,
    /// Put it back.
    Correct,
    /// Have the whole commit attempted again: an object that left Git is removed under the rules for that.
    Attempt,
    /// Leave it as it is for now.
    Leave(Leave),
}

/// Why an object is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leave {
    pub(super) state: DeviationState,
    pub(super) until: Option<Timestamp>,
    pub(super) message: Option<String>,
}

impl Leave {
    fn new(state: DeviationState) -> Self {
        Self { state, until: None, message: None }
    }
}

/// Decides, and begins a fight where one begins. A freeze comes before everything but another source's claim.
pub(super) fn decide(seen: &Seen, fight: &mut Fight) -> Step {
    if let Finding::Foreign(holder) = &seen.finding {
        let message = Some(format!(
            "its label says that it belongs to GitSource {holder}; remove it from one of the two repositories"
        ));
        return Step::Leave(Leave { message, ..Leave::new(DeviationState::Conflict) });
    }
    if let Ok(Some(freeze)) = &seen.freeze {
        let (until, message) = (Some(freeze.until), Some(freeze.reason.clone()));
        return Step::Leave(Leave { until, message, ..Leave::new(DeviationState::Frozen) });
    }
    let until = |instant: Instant| {
        let wait = instant.saturating_duration_since(seen.now);
        domain::time::whole_seconds(domain::time::after(seen.time, wait))
    };
    match &seen.finding {
        Finding::Foreign(_) => Step::Rest,
        Finding::Leaving => Step::Attempt,
        Finding::AsGit => {
            fight.held(seen.now);
            if let Some(next) = fight.until() {
                return Step::Leave(Leave { until: Some(until(next)), ..Leave::new(DeviationState::Fighting) });
            }
            match &seen.freeze {
                Err(problem) => {
                    Step::Leave(Leave { message: Some(problem.clone()), ..Leave::new(DeviationState::BadFreeze) })
                }
                Ok(_) => Step::Rest,
            }
        }
        Finding::Missing | Finding::Differs(_) if seen.mode == Drift::Report && !seen.owed => {
            Step::Leave(Leave { message: seen.freeze.clone().err(), ..Leave::new(DeviationState::Reported) })
        }
        Finding::Missing | Finding::Differs(_) => match fight.turn(seen.now) {
            Ok(()) => Step::Correct,
            Err(next) => Step::Leave(Leave { until: Some(until(next)), ..Leave::new(DeviationState::Fighting) }),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn seen(finding: Finding) -> Seen {
        Seen {
            finding,
            freeze: Ok(None),
            mode: Drift::Correct,
            owed: false,
            now: Instant::now(),
            time: at("2026-11-23T10:00:00Z"),
        }
    }

    fn differs() -> Finding {
        Finding::Differs(vec!["spec.suspend".into()])
    }

    fn frozen() -> Result<Option<Freeze>, String> {
        Ok(Some(Freeze { until: at("2026-11-23T12:00:00Z"), reason: "hotfix".into() }))
    }

    fn word(step: &Step) -> String {
        match step {
            Step::Leave(leave) => format!("{:?}", leave.state),
            other => format!("{other:?}"),
        }
    }

    #[rstest]
    #[case::as_git(Finding::AsGit, Ok(None), Drift::Correct, false, "Rest")]
    #[case::changed(differs(), Ok(None), Drift::Correct, false, "Correct")]
    #[case::deleted(Finding::Missing, Ok(None), Drift::Correct, false, "Correct")]
    #[case::changed_and_only_reported(differs(), Ok(None), Drift::Report, false, "Reported")]
    #[case::deleted_and_only_reported(Finding::Missing, Ok(None), Drift::Report, false, "Reported")]
    #[case::a_commit_that_waited(differs(), Ok(None), Drift::Report, true, "Correct")]
    #[case::frozen(differs(), frozen(), Drift::Correct, false, "Frozen")]
    #[case::frozen_and_as_git(Finding::AsGit, frozen(), Drift::Correct, false, "Frozen")]
    #[case::frozen_and_left_git(Finding::Leaving, frozen(), Drift::Correct, false, "Frozen")]
    #[case::frozen_and_a_commit_waits(differs(), frozen(), Drift::Report, true, "Frozen")]
    #[case::thawed_and_left_git(Finding::Leaving, Ok(None), Drift::Report, false, "Attempt")]
    #[case::a_freeze_that_is_wrong(differs(), Err("x".into()), Drift::Correct, false, "Correct")]
    #[case::a_wrong_freeze_is_told_of(Finding::AsGit, Err("x".into()), Drift::Correct, false, "BadFreeze")]
    #[case::of_another_source(Finding::Foreign("ops/x".into()), frozen(), Drift::Correct, false, "Conflict")]
    fn what_is_done_depends_on_mode_and_freeze(
        #[case] finding: Finding,
        #[case] freeze: Result<Option<Freeze>, String>,
        #[case] mode: Drift,
        #[case] owed: bool,
        #[case] expected: &str,
    ) {
        let seen = Seen { freeze, mode, owed, ..seen(finding) };
        assert_eq!(word(&decide(&seen, &mut Fight::default())), expected);
    }

    #[test]
    fn a_fight_is_left_alone_until_its_time_and_then_ends_when_the_object_held() {
        let (mut fight, began) = (Fight::default(), seen(differs()));
        for _ in 0..5 {
            assert_eq!(decide(&began, &mut fight), Step::Correct);
            fight.corrected(began.now);
        }
        let Step::Leave(leave) = decide(&began, &mut fight) else { panic!("it goes on") };
        assert_eq!((leave.state, leave.until), (DeviationState::Fighting, Some(at("2026-11-23T10:01:00Z"))));
        let early = Seen { finding: Finding::AsGit, now: began.now + Duration::from_secs(59), ..began.clone() };
        assert_eq!(word(&decide(&early, &mut fight)), "Fighting");
        let late = Seen { finding: Finding::AsGit, now: began.now + Duration::from_secs(60), ..began };
        assert_eq!(decide(&late, &mut fight), Step::Rest);
        assert_eq!(fight, Fight::default());
    }
}
