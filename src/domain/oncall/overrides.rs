//! Overrides: somebody takes over for a while, above all layers.
//!
//! Absent on purpose: who may create one. That is the API server's to say.

use jiff::Timestamp;

use crate::{
    policy::{Policy, Schedule},
    problem::Problem,
};

/// Somebody is on call in a schedule from … to …, whatever its layers say.
///
/// Of two, the later-created wins. With `replaces` it counts only where that person would be on call: by the
/// layers, or by overrides created earlier. Whom an earlier override replaced is still one who would be on call,
/// so that of two overrides that replace ada the later wins, and one that replaces the first one's person
/// follows it:
///
/// | layers | created first | created second | on call |
/// |---|---|---|---|
/// | ada | bob replaces ada | carol replaces ada | carol |
/// | ada | bob replaces ada | carol replaces bob | carol |
/// | ada | bob | carol replaces ada | bob |
/// | ada | bob | carol | carol |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Its name, for explanations; of two created in the same second the higher name counts as the later.
    pub name: String,
    /// The schedule.
    pub schedule: String,
    /// Who takes over.
    pub person: String,
    /// Only while this person would be on call.
    pub replaces: Option<String>,
    /// From here, in whole seconds.
    pub from: Timestamp,
    /// Up to but not including here, in whole seconds.
    pub until: Timestamp,
    /// When it was made.
    pub created: Timestamp,
}

impl Override {
    /// Whether it is for this schedule.
    pub fn concerns(&self, schedule: &Schedule) -> bool {
        self.schedule == schedule.name
    }

    /// The names in it that the policy does not know, each with its field and what may be meant. An override with such a
    /// name counts for nothing: a typing error must not take somebody off call and put nobody in their place.
    pub fn unknown_names(&self, policy: &Policy) -> Vec<Problem> {
        let people = [("person", Some(&self.person)), ("replaces", self.replaces.as_ref())];
        let mut found: Vec<Problem> = people
            .into_iter()
            .filter_map(|(field, person)| Some((field, person.filter(|name| !policy.people.contains_key(*name))?)))
            .map(|(field, name)| {
                let message = format!("no person of policy {} is called `{name}`", policy.name);
                Problem::error(field, message).suggest_from(name, policy.people.keys().map(String::as_str))
            })
            .collect();
        if !policy.schedules.contains_key(&self.schedule) {
            let message = format!("no schedule of policy {} is called `{}`", policy.name, self.schedule);
            let known = policy.schedules.keys().map(String::as_str);
            found.push(Problem::error("schedule", message).suggest_from(&self.schedule, known));
        }
        found
    }

    /// Whether its time includes `at`.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// Those for this schedule, in order of creation.
pub(super) fn of<'a>(schedule: &Schedule, overrides: &'a [Override]) -> Vec<&'a Override> {
    let mut found: Vec<&Override> = overrides.iter().filter(|one| one.concerns(schedule)).collect();
    in_order_of_creation(&mut found);
    found
}

pub(super) fn in_order_of_creation(overrides: &mut [&Override]) {
    overrides.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
}

/// What became of an override in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It put its person on call.
    Counts,
    /// The person it replaces would not be on call.
    Misses,
}

/// Those who would be on call one after the other, if each override but the first few did not exist.
///
/// The last is on call. An override with `replaces` cuts the chain behind that person and appends its own;
/// one without begins a new chain.
#[derive(Debug, Default)]
pub(super) struct Standing<'a> {
    chain: Vec<(&'a str, Option<&'a Override>)>,
}

impl<'a> Standing<'a> {
    pub(super) fn on(below: Option<&'a str>) -> Self {
        Self { chain: below.map(|person| (person, None)).into_iter().collect() }
    }

    /// Puts one above all so far.
    pub(super) fn put(&mut self, above: &'a Override) -> Fate {
        let kept = match &above.replaces {
            None => 0,
            // The first: in a circle (bob replaces ada, ada replaces bob) the one before all of it.
            Some(replaced) => match self.chain.iter().position(|(person, _)| person == replaced) {
                None => return Fate::Misses,
                Some(place) => place + 1,
            },
        };
        self.chain.truncate(kept);
        self.chain.push((&above.person, Some(above)));
        Fate::Counts
    }

    /// Who is on call, and by which override.
    pub(super) fn last(&self) -> Option<(&'a str, Option<&'a Override>)> {
        self.chain.last().copied()
    }
}

/// Who is on call above `below`, by the overrides in force in order of creation.
pub(super) fn person_above<'a>(
    below: Option<&'a str>,
    in_force: impl IntoIterator<Item = &'a Override>,
) -> Option<&'a str> {
    let mut standing = Standing::on(below);
    for one in in_force {
        standing.put(one);
    }
    standing.last().map(|(person, _)| person)
}
