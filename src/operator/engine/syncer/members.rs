//! What each source has applied, and what the watches have seen of it since.
//!
//! The operator watches every kind that comes out of Git anyway, so drift needs no watch of its own: an object whose
//! uid, generation, labels of ours or freeze differ from what was compared last is worth a look. Specs are not compared
//! here: the look reads the object itself, as the API has it.
//!
//! Absent: what to do about a difference; `controllers::drift` decides that.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use api::git_source::{Deviation, Source};
use gitops::load::{Object, ObjectKey};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::{fight::Fight, freeze, write};
use crate::kube::meta::Key;

/// Everything that was applied, by source.
#[derive(Default)]
pub struct Members(Mutex<State>);

#[derive(Default)]
struct State {
    sets: HashMap<Key, Set>,
    /// Whose each object is.
    owners: HashMap<ObjectKey, Key>,
}

#[derive(Default)]
struct Set {
    /// Attempts hold it for writing, looks at single objects for reading.
    gate: Arc<RwLock<()>>,
    phase: Phase,
    applied: Option<Applied>,
    /// What the watches said while nobody could look; `None`: gone, or not to be read.
    missed: HashMap<ObjectKey, Option<Sighting>>,
    deviations: BTreeMap<ObjectKey, Deviation>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The cluster has what `applied` says.
    #[default]
    Settled,
    /// A commit is being attempted.
    Attempting,
    /// A commit was written in part and is tried again: neither it nor the one before is what the cluster has.
    Mixed,
}

/// What the cluster has of a source.
#[derive(Debug)]
pub struct Applied {
    /// The id of its set.
    pub set: String,
    /// `main@sha1:9c2f…`.
    pub revision: String,
    /// The spec under which it was read.
    pub source: Arc<Source>,
    /// Its objects, and those that left Git and are frozen.
    pub members: HashMap<ObjectKey, Member>,
}

/// One object of a source.
#[derive(Debug, Clone, Default)]
pub struct Member {
    /// As Git has it; `None`: it left Git.
    pub wanted: Option<Arc<Object>>,
    /// The version that was compared last.
    pub known: Option<Version>,
    /// Whether a commit waits for the end of its freeze.
    pub owed: bool,
    /// How often it was put back of late.
    pub fight: Fight,
}

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    /// The object's uid.
    pub uid: String,
    /// Changes with its spec.
    pub generation: i64,
    /// The resourceVersion, which grows with every write of anything.
    pub version: u64,
    /// The annotations of a freeze, as written.
    pub freeze: freeze::Written,
}

impl Version {
    /// Of the object with this metadata.
    pub fn of(metadata: &ObjectMeta) -> Self {
        let version = metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0);
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or(0),
            version,
            freeze: freeze::written(metadata.annotations.as_ref()),
        }
    }

    /// Of a whole object.
    pub fn of_value(object: &Value) -> Option<Self> {
        let metadata: ObjectMeta = serde_json::from_value(object.get("metadata")?.clone()).ok()?;
        Some(Self::of(&metadata))
    }
}

/// What a watch said of an object.
#[derive(Debug, Clone)]
struct Sighting {
    version: Version,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

impl Sighting {
    fn of(metadata: &ObjectMeta) -> Self {
        Self {
            version: Version::of(metadata),
            labels: metadata.labels.clone().unwrap_or_default(),
            annotations: metadata.annotations.clone().unwrap_or_default(),
        }
    }
}

/// How an attempt ended, for what is known of the cluster.
#[derive(Debug)]
pub enum Left {
    /// Nothing was written.
    Untouched,
    /// It broke off between two writes.
    Mixed,
    /// The commit is there, but for what was refused.
    Applied(Applied),
}

/// What of a source is not as Git has it, for its status.
#[derive(Debug, Clone, Default)]
pub struct Differing {
    /// By object.
    pub deviations: Vec<Deviation>,
    /// The objects that its commit changed or removed and that wait for the end of a freeze; `None` when this process does
    /// not know what the cluster has: the status is right then.
    pub owed: Option<Vec<String>>,
}

/// All that a look at one object rests on. No attempt begins while it is held.
pub struct Charge {
    /// Whose it is.
    pub source: Key,
    /// The id of the set.
    pub set: String,
    /// `main@sha1:9c2f…`.
    pub revision: String,
    /// The spec under which it was read.
    pub read_as: Arc<Source>,
    /// What is known of it.
    pub member: Member,
    /// What its status says of it.
    pub deviation: Option<Deviation>,
    _gate: OwnedRwLockReadGuard<()>,
}

/// What came of a look at one object.
#[derive(Debug, Default)]
pub struct Judged {
    /// The version that was compared.
    pub known: Option<Version>,
    /// Whether a commit still waits for the end of its freeze.
    pub owed: bool,
    /// How often it was put back.
    pub fight: Fight,
    /// What the source's status is to say.
    pub deviation: Option<Deviation>,
}

impl Members {
    /// Takes in what a watch says: the metadata, or `None` for an object that is gone or cannot be read. Returns whether
    /// the object is worth a look now.
    pub fn sight(&self, key: &ObjectKey, metadata: Option<&ObjectMeta>) -> bool {
        let mut state = self.0.lock();
        let State { sets, owners } = &mut *state;
        if let Some(set) = owners.get(key).and_then(|owner| sets.get_mut(owner))
            && set.phase == Phase::Settled
        {
            let Some(applied) = &set.applied else { return false };
            let Some(member) = applied.members.get(key) else { return false };
            return is_worth_a_look(&applied.set, member, metadata.map(Sighting::of).as_ref());
        }
        // It may be an object that is just being applied for the first time.
        for set in sets.values_mut().filter(|set| set.phase != Phase::Settled) {
            set.missed.insert(key.clone(), metadata.map(Sighting::of));
        }
        false
    }

    /// An attempt begins: looks at single objects have ended, and none begins until the guard is dropped.
    pub async fn begin(&self, source: &Key) -> OwnedRwLockWriteGuard<()> {
        let gate = self.0.lock().sets.entry(source.clone()).or_default().gate.clone();
        let guard = gate.write_owned().await;
        self.0.lock().sets.entry(source.clone()).or_default().phase = Phase::Attempting;
        guard
    }

    /// An attempt has ended. Returns the objects that are worth a look.
    pub fn end(&self, source: &Key, left: Left) -> Vec<ObjectKey> {
        let mut state = self.0.lock();
        let State { sets, owners } = &mut *state;
        let set = sets.entry(source.clone()).or_default();
        match left {
            // What was mixed before stays so until a commit is applied.
            Left::Untouched if set.applied.is_none() => {
                set.phase = Phase::Settled;
                set.missed.clear();
                return Vec::new();
            }
            Left::Untouched => {}
            Left::Mixed => {
                set.phase = Phase::Mixed;
                set.applied = None;
                owners.retain(|_, owner| owner != source);
                return Vec::new();
            }
            Left::Applied(mut applied) => {
                owners.retain(|_, owner| owner != source);
                owners.extend(applied.members.keys().map(|key| (key.clone(), source.clone())));
                for (key, before) in set.applied.iter_mut().flat_map(|before| before.members.drain()) {
                    if let Some(member) = applied.members.get_mut(&key) {
                        member.fight = before.fight;
                    }
                }
                set.deviations.retain(|key, _| applied.members.contains_key(key));
                set.applied = Some(applied);
            }
        }
        set.phase = Phase::Settled;
        let missed = std::mem::take(&mut set.missed);
        let Some(applied) = &set.applied else { return Vec::new() };
        let worth = |key: &ObjectKey, seen: Option<&Sighting>| {
            applied.members.get(key).is_some_and(|member| is_worth_a_look(&applied.set, member, seen))
        };
        let mut look: Vec<ObjectKey> =
            missed.iter().filter(|(key, seen)| worth(key, seen.as_ref())).map(|(key, _)| key.clone()).collect();
        // What differs, is frozen or was listed before is judged anew.
        look.extend(set.deviations.keys().cloned());
        look.extend(applied.members.iter().filter(|(_, member)| member.known.is_none()).map(|(key, _)| key.clone()));
        look
    }

    /// What a look at this object rests on; `None` when it belongs to no source, or when an attempt runs, which has it
    /// looked at when it ends.
    pub fn charge(&self, key: &ObjectKey) -> Option<Charge> {
        let mut state = self.0.lock();
        let source = state.owners.get(key)?.clone();
        let set = state.sets.get_mut(&source)?;
        let gate = set.gate.clone().try_read_owned().ok().filter(|_| set.phase == Phase::Settled);
        let Some(gate) = gate else {
            set.missed.entry(key.clone()).or_insert(None);
            return None;
        };
        let applied = set.applied.as_ref()?;
        Some(Charge {
            set: applied.set.clone(),
            revision: applied.revision.clone(),
            read_as: applied.source.clone(),
            member: applied.members.get(key)?.clone(),
            deviation: set.deviations.get(key).cloned(),
            source,
            _gate: gate,
        })
    }

    /// Notes what came of a look. Returns whether the source's status is to say something else.
    pub fn judged(&self, charge: &Charge, key: &ObjectKey, judged: Judged) -> bool {
        let mut state = self.0.lock();
        let Some(set) = state.sets.get_mut(&charge.source) else { return false };
        let Some(member) = set.applied.as_mut().and_then(|applied| applied.members.get_mut(key)) else { return false };
        member.known = judged.known;
        let settled = std::mem::replace(&mut member.owed, judged.owed) != judged.owed;
        member.fight = judged.fight;
        let before = match &judged.deviation {
            Some(deviation) => set.deviations.insert(key.clone(), deviation.clone()),
            None => set.deviations.remove(key),
        };
        settled || before != judged.deviation
    }

    /// What is not as Git has it.
    pub fn differing(&self, source: &Key) -> Differing {
        let state = self.0.lock();
        let Some(set) = state.sets.get(source) else { return Differing::default() };
        let owed = set.applied.as_ref().map(|applied| {
            let waiting = applied.members.iter().filter(|(_, member)| member.owed);
            let mut owed: Vec<String> = waiting.map(|(key, _)| key.to_string()).collect();
            owed.sort_unstable();
            owed
        });
        Differing { deviations: set.deviations.values().cloned().collect(), owed }
    }

    /// A source that rests says nothing of drift.
    pub fn rest(&self, source: &Key) {
        if let Some(set) = self.0.lock().sets.get_mut(source) {
            set.deviations.clear();
        }
    }

    /// The spec under which the present objects were read; `None` when this process knows of none.
    pub fn read_as(&self, source: &Key) -> Option<Arc<Source>> {
        let state = self.0.lock();
        state.sets.get(source)?.applied.as_ref().map(|applied| applied.source.clone())
    }

    /// A source is gone. What it applied is left to people.
    pub fn forget(&self, source: &Key) {
        let mut state = self.0.lock();
        state.sets.remove(source);
        state.owners.retain(|_, owner| owner != source);
    }
}

fn is_worth_a_look(set: &str, member: &Member, seen: Option<&Sighting>) -> bool {
    let (Some(seen), Some(known)) = (seen, &member.known) else { return true };
    // The watch may be behind what was compared.
    if seen.version.version <= known.version {
        return false;
    }
    let same = (&seen.version.uid, seen.version.generation, &seen.version.freeze)
        == (&known.uid, known.generation, &known.freeze);
    !same || !carries_its_marks(set, member, seen)
}

/// Whether the labels and annotations that Git and the set ask for are there. They do not count for the generation.
fn carries_its_marks(set: &str, member: &Member, seen: &Sighting) -> bool {
    let Some(wanted) = &member.wanted else { return true };
    let wanted = write::labelled(set, wanted.value());
    let has_all = |group: &str, there: &BTreeMap<String, String>| {
        let asked = wanted.get("metadata").and_then(|metadata| metadata.get(group)).and_then(Value::as_object);
        asked.into_iter().flatten().all(|(name, value)| there.get(name).map(String::as_str) == value.as_str())
    };
    has_all("labels", &seen.labels) && has_all("annotations", &seen.annotations)
}

#[cfg(test)]
mod tests;
