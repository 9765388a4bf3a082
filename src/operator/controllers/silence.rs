//! Silences: whether they are in force, and what they have held.
//!
//! When one begins or ends, the tickets and monitors it reaches are looked at again: a held step runs within a
//! second, and a monitor that is still down gets its ticket then.

use api::{Silence, conditions, silence::SilenceStatus};
use domain::conditions::{Condition as Said, Standing};
use jiff::Timestamp;

use crate::{
    context::Context,
    index::SilenceEntry,
    kube::meta::Key,
    queue::{Looked, Outcome},
};

/// Looks at one silence.
pub async fn reconcile(ctx: &Context, key: Key) -> Option<Looked> {
    let entry = ctx.world.read().silence(&key).cloned();
    let Some(entry) = entry else {
        ctx.statuses.forget("silences", &key);
        ctx.held.forget(&key);
        return Some(Looked { outcome: Outcome::Unchanged, again: None });
    };
    let now = ctx.clock.now();
    let before = entry.object.status.clone().unwrap_or_default();
    let (suppressed, last) = ctx.held.totals(&key, &before);
    let status = SilenceStatus { suppressed, last, ..status(&entry, now) };
    if before.active.unwrap_or(false) != status.active.unwrap_or(false) {
        let affected = ctx.world.read().affected_by_silence(&key);
        ctx.queues.add(affected);
    }
    let again = next_change(&entry, now).map(|at| ctx.clock.until(at));
    if before == status {
        return Some(Looked { outcome: Outcome::Unchanged, again });
    }
    Some(Looked { outcome: ctx.statuses.write::<Silence>(&key, &status), again })
}

fn status(entry: &SilenceEntry, now: Timestamp) -> SilenceStatus {
    let before = entry.object.status.clone().unwrap_or_default();
    let generation = entry.object.metadata.generation;
    let active = entry.compiled.as_ref().is_some_and(|silence| silence.is_active(now));
    let standing = match &entry.compiled {
        Some(_) => Standing::Ready { reason: "Accepted", message: String::new() },
        None => {
            let words = entry.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            Standing::Stalled { reason: "InvalidSpec", message: words }
        }
    };
    let word = if active { "InForce" } else { "NotInForce" };
    let own = Said { type_: "Active", status: active, reason: word.to_owned(), message: String::new() };
    SilenceStatus {
        observed_generation: generation.unwrap_or(0),
        conditions: conditions::conditions(&before.conditions, &standing, &[own], generation, now),
        active: Some(active),
        until: Some(entry.object.spec.ends_at),
        suppressed: 0,
        last: Vec::new(),
    }
}

fn next_change(entry: &SilenceEntry, now: Timestamp) -> Option<Timestamp> {
    let silence = entry.compiled.as_ref()?;
    [silence.starts_at, silence.ends_at].into_iter().filter(|at| *at > now).min()
}
