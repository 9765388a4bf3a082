//! Break-glass: two annotations on an object that keep Git away from it until a time.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Until when nothing of Git is applied to the object.
pub const UNTIL: &str = "firstline.dev/freeze-until";
/// Why; a freeze without a reason is not obeyed.
pub const REASON: &str = "firstline.dev/freeze-reason";
/// The longest reason that is shown, in characters.
const LONGEST: usize = 500;

/// The two annotations as they stand on the object: until, reason.
pub type Written = (Option<String>, Option<String>);

/// A freeze that is obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Until then.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

/// What stands on an object.
pub fn written(annotations: Option<&BTreeMap<String, String>>) -> Written {
    let of = |name: &str| annotations.and_then(|annotations| annotations.get(name)).cloned();
    (of(UNTIL), of(REASON))
}

/// The freeze that is in force now. One that is over is none; whether it ever was in force is another question ([`missed`]).
///
/// # Errors
/// What is wrong with it and what to write instead. It is not obeyed then.
pub fn in_force(written: &Written, now: Timestamp) -> Result<Option<Freeze>, String> {
    let (until, reason) = written;
    let Some(until) = until else { return Ok(None) };
    let Ok(instant) = until.trim().parse::<Timestamp>() else {
        let until: String = until.chars().take(64).collect();
        return Err(format!(
            "{UNTIL}: expected an instant with its zone, such as 2026-12-01T12:00:00Z, found `{until}`; the freeze is not obeyed"
        ));
    };
    if instant <= now {
        return Ok(None);
    }
    match reason.as_deref().map(str::trim) {
        Some(reason) if !reason.is_empty() => {
            Ok(Some(Freeze { until: instant, reason: reason.chars().take(LONGEST).collect() }))
        }
        _ => Err(format!("{REASON}: expected why the object is frozen; until that is there the freeze is not obeyed")),
    }
}

/// What is wrong with a freeze that was over already when it was written; `None` for one that is not over.
pub fn missed(written: &Written, now: Timestamp) -> Option<String> {
    let until = written.0.as_deref()?.trim();
    until.parse::<Timestamp>().ok().filter(|instant| *instant <= now)?;
    Some(format!(
        "{UNTIL}: {until} was over already when it was written, so nothing was frozen; write an instant to come, or remove it"
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::none(None, Some("hotfix"), Ok(None))]
    #[case::until_then(Some("2026-12-01T12:00:00Z"), Some(" hotfix "), Ok(Some("hotfix")))]
    #[case::another_zone(Some("2026-12-01T12:00:00+01:00"), Some("hotfix"), Ok(Some("hotfix")))]
    #[case::over(Some("2026-11-23T09:59:59Z"), Some("hotfix"), Ok(None))]
    #[case::over_at_the_second(Some("2026-11-23T10:00:00Z"), Some("hotfix"), Ok(None))]
    #[case::over_without_a_reason(Some("2026-11-23T09:00:00Z"), None, Ok(None))]
    #[case::no_reason(Some("2026-12-01T12:00:00Z"), None, Err("firstline.dev/freeze-reason: expected why"))]
    #[case::an_empty_reason(Some("2026-12-01T12:00:00Z"), Some(" "), Err("firstline.dev/freeze-reason: expected why"))]
    #[case::no_instant(Some("tomorrow"), Some("hotfix"), Err("such as 2026-12-01T12:00:00Z, found `tomorrow`"))]
    #[case::no_zone(Some("2026-12-01T12:00:00"), Some("hotfix"), Err("expected an instant with its zone"))]
    #[case::a_duration(Some("2h"), Some("hotfix"), Err("found `2h`"))]
    #[case::empty(Some(""), Some("hotfix"), Err("found ``"))]
    fn a_freeze_is_obeyed_until_its_time_when_it_says_why(
        #[case] until: Option<&str>,
        #[case] reason: Option<&str>,
        #[case] expected: Result<Option<&str>, &str>,
    ) {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let written = (until.map(str::to_owned), reason.map(str::to_owned));
        match (in_force(&written, now), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.map(|freeze| freeze.reason).as_deref(), expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }

    #[rstest]
    #[case::over("2026-11-23T09:59:59Z", true)]
    #[case::over_in_another_zone("2026-11-23T10:59:59+01:00", true)]
    #[case::to_come("2026-11-23T10:00:01Z", false)]
    #[case::no_instant("tomorrow", false)]
    fn a_freeze_that_is_over_can_have_been_missed(#[case] until: &str, #[case] expected: bool) {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let said = missed(&(Some(until.to_owned()), None), now);
        assert_eq!(said.as_ref().map(|said| said.contains(until)), expected.then_some(true), "{said:?}");
        assert_eq!(missed(&(None, Some("hotfix".to_owned())), now), None);
    }
}
