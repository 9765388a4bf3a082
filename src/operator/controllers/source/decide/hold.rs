//! What an attempt leaves as it is for now, and what of that is done later without being asked for. Pure.
//!
//! In mode Report a commit that is there already is not written over what others did since. What that commit changes or
//! removes and a freeze keeps back is another matter: it is owed, and the status lists it, so that a new process knows
//! the one from the other. A status that has no room for all of them owes the commit to every object with a freeze: better
//! that what others did there is undone than that a commit never comes.

use std::collections::HashSet;

use api::git_source::GitSourceStatus;
use gitops::{load::ObjectKey, plan::Live};
use jiff::Timestamp;

use crate::engine::syncer::{freeze, members::Version};

/// What decides it.
#[derive(Debug, Clone)]
pub(in super::super) struct Hold {
    /// Whether the commit is there already and differences are only reported.
    pub(in super::super) report: bool,
    /// The objects to which that commit is owed, as the status lists them.
    owed: HashSet<String>,
    /// Now.
    pub(in super::super) time: Timestamp,
}

impl Hold {
    /// By what the status says of the commit that was applied last, and by the objects that are there.
    pub(in super::super) fn of(status: &GitSourceStatus, report: bool, live: &[Live], time: Timestamp) -> Self {
        let mut owed: HashSet<String> = status.owed.iter().cloned().collect();
        if usize::try_from(status.owed_count).is_ok_and(|all| all > status.owed.len()) {
            // A freeze may have ended while no operator ran.
            owed.extend(live.iter().filter(|live| freeze_of(live).0.is_some()).map(|live| live.key.to_string()));
        }
        Self { report, owed, time }
    }

    /// Whether an object that differs from Git, or left it, stays as it is for now.
    pub(in super::super) fn holds(&self, key: &ObjectKey, live: Option<&Live>) -> bool {
        live.is_some_and(|live| is_frozen(live, self.time)) || !self.owes(key)
    }

    /// Whether an object that is held back is written once its freeze ends.
    pub(in super::super) fn owes(&self, key: &ObjectKey) -> bool {
        !self.report || self.owed.contains(&key.to_string())
    }
}

/// Whether a freeze keeps Git away from it.
pub(in super::super) fn is_frozen(live: &Live, time: Timestamp) -> bool {
    matches!(freeze::in_force(&freeze_of(live), time), Ok(Some(_)))
}

fn freeze_of(live: &Live) -> freeze::Written {
    Version::of_value(&live.value).unwrap_or_default().freeze
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn key() -> ObjectKey {
        ObjectKey { kind: "ServiceMonitor".into(), namespace: "payments".into(), name: "m".into() }
    }

    fn owing(owed: &[ObjectKey]) -> GitSourceStatus {
        let owed: Vec<String> = owed.iter().map(ToString::to_string).collect();
        GitSourceStatus { owed_count: u32::try_from(owed.len()).unwrap(), owed, ..GitSourceStatus::default() }
    }

    fn live(until: &str) -> Live {
        let annotations = json!({"firstline.dev/freeze-until": until, "firstline.dev/freeze-reason": "hotfix"});
        Live { key: key(), uid: "1".into(), value: json!({"metadata": {"uid": "1", "annotations": annotations}}) }
    }

    #[rstest]
    // A new commit goes to everything but what is frozen, and to that later.
    #[case::a_new_commit(false, false, "2026-11-23T09:00:00Z", (false, true))]
    #[case::a_new_commit_and_a_freeze(false, false, "2026-11-23T11:00:00Z", (true, true))]
    // One that is there already leaves what others did.
    #[case::changed_since(true, false, "2026-11-23T09:00:00Z", (true, false))]
    #[case::changed_since_and_frozen(true, false, "2026-11-23T11:00:00Z", (true, false))]
    // Also for a process that did not see the freeze begin, or end.
    #[case::owed_and_frozen(true, true, "2026-11-23T11:00:00Z", (true, true))]
    #[case::owed_and_thawed(true, true, "2026-11-23T09:00:00Z", (false, true))]
    fn what_a_freeze_keeps_back_is_owed_and_what_others_did_is_not_undone(
        #[case] report: bool,
        #[case] listed: bool,
        #[case] until: &str,
        #[case] expected: (bool, bool),
    ) {
        let status = owing(&listed.then(key).into_iter().collect::<Vec<_>>());
        let hold = Hold::of(&status, report, &[live(until)], "2026-11-23T10:00:00Z".parse().unwrap());
        assert_eq!((hold.holds(&key(), Some(&live(until))), hold.owes(&key())), expected);
    }

    #[test]
    fn a_deleted_object_is_made_again_only_when_a_commit_is_owed_to_it() {
        let hold = |owed: &[ObjectKey]| Hold::of(&owing(owed), true, &[], Timestamp::UNIX_EPOCH);
        assert!(hold(&[]).holds(&key(), None));
        assert!(!hold(&[key()]).holds(&key(), None));
    }

    /// The status lists another object and counts two.
    #[rstest]
    #[case::frozen("2026-11-23T11:00:00Z", (true, true))]
    #[case::thawed_while_no_operator_ran("2026-11-23T09:00:00Z", (false, true))]
    fn a_list_that_was_cut_owes_the_commit_to_every_object_with_a_freeze(
        #[case] until: &str,
        #[case] expected: (bool, bool),
    ) {
        let named = |name: &str| ObjectKey { name: name.into(), ..key() };
        let status = GitSourceStatus { owed_count: 2, ..owing(&[named("listed")]) };
        let never_frozen = Live { key: named("free"), uid: "2".into(), value: json!({"metadata": {"uid": "2"}}) };
        let there = [live(until), never_frozen.clone()];
        let hold = Hold::of(&status, true, &there, "2026-11-23T10:00:00Z".parse().unwrap());
        assert_eq!((hold.holds(&key(), Some(&there[0])), hold.owes(&key())), expected);
        assert!(hold.owes(&named("listed")));
        let changed_since = (hold.holds(&never_frozen.key, Some(&never_frozen)), hold.owes(&never_frozen.key));
        assert_eq!(changed_since, (true, false), "what others did elsewhere is only reported");
    }
}
