//! What a commit would change: desired objects against live ones.
//!
//! Pure: no I/O, no clock. The whole body of a live object must equal the desired one with its defaults filled in. There
//! is no "fields we own only", because the dangerous edits (`suspend: true` on a field that Git does not mention) are
//! exactly the others. Labels and annotations are compared where Git sets them: others may add theirs.

mod compare;

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::applyset;
use crate::load::{Object, ObjectKey};

/// A prune of fewer members than this is not measured in percent: one of three is 33 %.
const MIN_MEMBERS_FOR_PERCENT: usize = 10;

/// An object in the cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Kind, namespace and name.
    pub key: ObjectKey,
    /// Its uid, which every later write must carry.
    pub uid: String,
    /// The whole object; `metadata.managedFields` and `status` may be left out.
    pub value: Value,
}

impl Live {
    /// The id of the set it belongs to, by its label.
    pub fn member_of(&self) -> Option<&str> {
        self.value.get("metadata")?.get("labels")?.get(applyset::PART_OF)?.as_str()
    }
}

/// All that a plan depends on.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The [`applyset::id`] of the source.
    pub set: &'a str,
    /// The commit the desired objects come from: 40 hex digits.
    pub commit: &'a str,
    /// What Git asks for.
    pub desired: &'a [Object],
    /// Objects that Git holds but that may not be applied; they are left as they are.
    pub refused: &'a [ObjectKey],
    /// What the cluster holds of the kinds in question: the members, and whatever else has a desired name.
    pub live: &'a [Live],
    /// An object with its defaults filled in, as the API server would.
    pub defaults: &'a dyn Fn(&str, &Value) -> Value,
    /// What may be removed.
    pub prune: PruneRule<'a>,
    /// Which objects are to be left as they are for now, whatever Git says; gets the live one, where there is one.
    pub hold: &'a dyn Fn(&ObjectKey, Option<&Live>) -> bool,
}

/// For [`Question::hold`]: nothing is left as it is.
pub fn hold_nothing(_: &ObjectKey, _: Option<&Live>) -> bool {
    false
}

/// What may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PruneRule<'a> {
    /// Nothing: pruning is off, or the files could not all be read.
    Never,
    /// What left Git, within limits.
    Within {
        /// Of ten or more members, not more than this share (0 to 100).
        max_percent: u8,
        /// The commit that a person approved beyond the limits, in full.
        approved: Option<&'a str>,
    },
}

/// What is to be done, each list in the order of doing.
#[derive(Debug, Clone, Default)]
pub struct Plan<'a> {
    /// Objects that are not there, policies before monitors.
    pub create: Vec<&'a Object>,
    /// Objects that differ, in the same order.
    pub update: Vec<Update<'a>>,
    /// How many are as they should be.
    pub unchanged: usize,
    /// Members that left Git, monitors before policies.
    pub prune: Vec<&'a Live>,
    /// Why nothing is pruned although something left Git.
    pub prune_refused: Option<PruneRefusal>,
    /// Members that left Git and stay: a Ticket is a record of what happened, and is archived, not deleted.
    pub kept: Vec<&'a Live>,
    /// Objects of this name that belong to another source. They are not touched.
    pub conflicts: Vec<Conflict<'a>>,
    /// Objects that differ from Git and are held back by [`Question::hold`].
    pub held: Vec<ObjectKey>,
    /// Objects that left Git and stay for now for the same reason.
    pub staying: Vec<ObjectKey>,
}

impl Plan<'_> {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.create.is_empty() && self.update.is_empty() && self.prune.is_empty()
    }
}

/// An object that differs.
#[derive(Debug, Clone)]
pub struct Update<'a> {
    /// As it should be.
    pub object: &'a Object,
    /// The uid of the live object.
    pub uid: &'a str,
    /// The fields that differ, at most five: `spec.suspend`.
    pub differs: Vec<String>,
    /// Whether it belonged to no source before.
    pub adopted: bool,
}

/// An object that two sources claim.
#[derive(Debug, Clone)]
pub struct Conflict<'a> {
    /// The object of this source.
    pub object: &'a Object,
    /// The set that holds it.
    pub held_by: &'a str,
}

/// A prune that would take too much away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PruneRefusal {
    /// How many would be removed.
    pub count: usize,
    /// Of how many.
    pub members: usize,
    /// The limit in percent.
    pub max_percent: u8,
    /// What to write into `spec.prune.approve` to have it done.
    pub approve: String,
}

impl fmt::Display for PruneRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, members, max_percent, approve } = self;
        if count == members {
            write!(f, "all {members} objects of this source would be removed")?;
        } else {
            write!(f, "{count} of {members} objects would be removed, more than {max_percent} %")?;
        }
        write!(f, "; if that is meant, set `spec.prune.approve: {approve}`")
    }
}

/// Whether a live object is as a wanted one, its defaults filled in, asks for.
pub fn equal(wanted: &Value, live: &Value) -> bool {
    compare::differences(wanted, live).is_empty()
}

/// Compares what Git asks for with what is there.
pub fn plan<'a>(question: &Question<'a>) -> Plan<'a> {
    let live: HashMap<&ObjectKey, &'a Live> = question.live.iter().map(|live| (&live.key, live)).collect();
    let mut plan = Plan::default();
    for object in question.desired {
        let Some(live) = live.get(&object.key) else {
            if (question.hold)(&object.key, None) {
                plan.held.push(object.key.clone());
            } else {
                plan.create.push(object);
            }
            continue;
        };
        let held_by = live.member_of();
        if let Some(held_by) = held_by.filter(|held_by| *held_by != question.set) {
            plan.conflicts.push(Conflict { object, held_by });
            continue;
        }
        let wanted = (question.defaults)(&object.key.kind, object.value());
        let mut differs = compare::differences(&wanted, &live.value);
        if held_by.is_none() {
            differs.push(format!("metadata.labels.{}", applyset::PART_OF));
        }
        if differs.is_empty() {
            plan.unchanged += 1;
        } else if (question.hold)(&object.key, Some(live)) {
            plan.held.push(object.key.clone());
        } else {
            plan.update.push(Update { object, uid: &live.uid, differs, adopted: held_by.is_none() });
        }
    }
    remove(question, &mut plan);
    plan.create.sort_by_key(|object| (rank(&object.key.kind), &object.key));
    plan.update.sort_by_key(|update| (rank(&update.object.key.kind), &update.object.key));
    plan
}

fn remove<'a>(question: &Question<'a>, plan: &mut Plan<'a>) {
    let PruneRule::Within { max_percent, approved } = question.prune else { return };
    let stay: HashSet<&ObjectKey> = question.desired.iter().map(|object| &object.key).chain(question.refused).collect();
    let members: Vec<&Live> = question.live.iter().filter(|live| live.member_of() == Some(question.set)).collect();
    let left: Vec<&Live> = members.iter().filter(|live| !stay.contains(&live.key)).copied().collect();
    let (kept, mut prune): (Vec<_>, Vec<_>) = left.into_iter().partition(|live| live.key.kind == "Ticket");
    plan.kept = kept;
    let (count, members) = (prune.len(), members.len());
    let too_many =
        count == members || members >= MIN_MEMBERS_FOR_PERCENT && count * 100 > members * usize::from(max_percent);
    if count > 0 && too_many && approved != Some(question.commit) {
        plan.prune_refused = Some(PruneRefusal { count, members, max_percent, approve: question.commit.to_owned() });
        return;
    }
    prune.retain(|live| {
        let held = (question.hold)(&live.key, Some(live));
        if held {
            plan.staying.push(live.key.clone());
        }
        !held
    });
    prune.sort_by(|a, b| (rank(&b.key.kind), &b.key).cmp(&(rank(&a.key.kind), &a.key)));
    plan.prune = prune;
}

/// What is named by others comes first: a monitor without its policy would page nobody.
fn rank(kind: &str) -> u8 {
    match kind {
        "Namespace" => 0,
        "ConfigMap" => 1,
        "SupportPolicy" | "VendorContact" => 2,
        "ServiceMonitor" => 4,
        "Ticket" => 5,
        _ => 3,
    }
}

#[cfg(test)]
mod tests;
