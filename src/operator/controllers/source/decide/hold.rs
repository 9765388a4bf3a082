//! What an attempt leaves as it is for now, and what of that is done later without being asked for. Pure.
//!
//! In mode Report a commit that is there already is not written over what others did since. What that commit changes or
//! removes and a freeze keeps back is another matter: it is owed, and the status lists it, so that a new process knows
//! the one from the other.

use std::collections::HashSet;

use gitops::{load::ObjectKey, plan::Live};
use jiff::Timestamp;

use crate::engine::syncer::{freeze, members::Version};

/// What decides it.
#[derive(Debug, Clone)]
pub(in super::super) struct Hold {
    /// Whether the commit is there already and differences are only reported.
    pub(in super::super) report: bool,
    /// The objects to which that commit is owed, as the status lists them.
    pub(in super::super) owed: HashSet<String>,
    /// Now.
    pub(in super::super) time: Timestamp,
}

impl Hold {
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
    let written = Version::of_value(&live.value).unwrap_or_default().freeze;
    matches!(freeze::in_force(&written, time), Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn key() -> ObjectKey {
        ObjectKey { kind: "ServiceMonitor".into(), namespace: "payments".into(), name: "m".into() }
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
        let owed = listed.then(|| key().to_string()).into_iter().collect();
        let hold = Hold { report, owed, time: "2026-11-23T10:00:00Z".parse().unwrap() };
        assert_eq!((hold.holds(&key(), Some(&live(until))), hold.owes(&key())), expected);
    }

    #[test]
    fn a_deleted_object_is_made_again_only_when_a_commit_is_owed_to_it() {
        let hold = |owed: &[ObjectKey]| {
            let owed = owed.iter().map(ToString::to_string).collect();
            Hold { report: true, owed, time: Timestamp::UNIX_EPOCH }
        };
        assert!(hold(&[]).holds(&key(), None));
        assert!(!hold(&[key()]).holds(&key(), None));
    }
}
