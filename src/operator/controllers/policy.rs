//! SupportPolicies: what was understood of them, who is on call, and until when.

use std::time::Duration;

use api::{
    SupportPolicy, conditions,
    support_policy::{Accepted, Gap, OnCall, SupportPolicyStatus, hours_that_never_come},
};
use domain::{
    conditions::Standing,
    oncall::{self, Override},
    policy::{Policy, Schedule},
    problem::Problem,
    time::{after, between},
};
use jiff::Timestamp;

use crate::{
    channels::{Look, Looks, Seen},
    context::Context,
    engine::{
        post,
        secrets::{SecretError, SecretReader, Use},
    },
    index::PolicyEntry,
    kube::{events::Note, meta::Key},
    queue::{Looked, Outcome},
    revisions::RevisionError,
};

/// How far ahead gaps are looked for.
const HORIZON: Duration = Duration::from_secs(90 * 86_400);
/// How soon Secrets are looked at again that are missing, or through which a page has failed: nobody watches them.
const SECRETS_AGAIN: Duration = Duration::from_secs(10);
/// How old the Secrets may be that are kept for an outage of the API.
const SECRETS_KEPT: Duration = Duration::from_secs(600);
/// Gaps that are listed.
const LISTED: usize = 20;

/// Looks at one policy.
pub async fn reconcile(ctx: &Context, key: Key) -> Option<Looked> {
    let entry = ctx.world.read().policy(&key).cloned();
    let Some(entry) = entry else {
        ctx.statuses.forget("supportpolicies", &key);
        ctx.channels.forget(&key);
        return Some(Looked { outcome: Outcome::Unchanged, again: None });
    };
    let entry = match keep(ctx, &key, entry).await {
        Ok(entry) => entry,
        Err(_) if ctx.leadership.is_api_silent() => return None,
        Err(error) => {
            tracing::warn!(policy = %key, %error, "could not keep or find the policy's last valid version; trying again");
            return None;
        }
    };
    let looks = look_at_channels(ctx, &entry).await;
    let now = ctx.clock.now();
    let missing: Vec<String> = looks.values().filter_map(|look| look.wrong().map(str::to_owned)).collect();
    let mended = ctx.channels.take(&key, looks, now);
    if !mended.is_empty() {
        ctx.outbox.hurry(&key, &mended);
        let told = ctx.world.read().tickets_told_by(&key);
        told.into_iter().for_each(|ticket| ctx.queues.tickets.add(ticket));
    }
    let overrides = entry.compiled.as_deref().map(|policy| ctx.world.read().overrides_of(policy)).unwrap_or_default();
    let status = status(&entry, &missing, &overrides, now);
    let change = entry.compiled.as_deref().and_then(|policy| next_change(policy, &overrides, now));
    let again = change.map(|at| ctx.clock.until(at));
    let awaited = !missing.is_empty() || ctx.world.read().waits_for_a_channel_of(&key);
    let look = if awaited { SECRETS_AGAIN } else { SECRETS_KEPT };
    let again = Some(again.unwrap_or(look).min(look));
    if entry.object.status.as_ref() == Some(&status) {
        return Some(Looked { outcome: Outcome::Unchanged, again });
    }
    if !conditions::is_true(&status.conditions, "Ready") {
        let text = status.conditions.first().map(|condition| condition.message.clone()).unwrap_or_default();
        ctx.events.note(entry.object.as_ref(), Note { warning: true, reason: "NotReady", action: "Validate", text });
    }
    Some(Looked { outcome: ctx.statuses.write::<SupportPolicy>(&key, &status), again })
}

/// Keeps a valid version for a restart; finds the one that was kept when this version is invalid.
async fn keep(ctx: &Context, key: &Key, entry: PolicyEntry) -> Result<PolicyEntry, RevisionError> {
    if entry.compiled.is_some() {
        ctx.revisions.keep(&key.namespace, &entry).await?;
        return Ok(entry);
    }
    let Some(kept) = ctx.revisions.newest(&entry.object).await? else { return Ok(entry) };
    let affected = ctx.world.write().restore_policy(key, kept);
    ctx.queues.add(affected);
    Ok(ctx.world.read().policy(key).cloned().unwrap_or(entry))
}

/// Reads the Secrets of every channel for a leader that has just begun: should the API go before its policies are looked at,
/// it can send all the same.
pub(crate) async fn remember_secrets(ctx: Context) {
    let policies: Vec<PolicyEntry> = ctx.world.read().policies().map(|(_, entry)| entry.clone()).collect();
    for policy in policies {
        look_at_channels(&ctx, &policy).await;
    }
}

/// Looks at each channel: what keeps it from sending, before the first page is lost on it.
async fn look_at_channels(ctx: &Context, entry: &PolicyEntry) -> Looks {
    let Some(policy) = entry.compiled.as_deref() else { return Looks::new() };
    let mut looks = Looks::new();
    // A reader of its own: what the outbox sends with is not prolonged by looking here.
    let fresh = SecretReader::new(ctx.client.clone());
    for (name, channel) in &policy.channels {
        let (namespace, references) = (&policy.namespace, channel.secrets());
        let read = fresh.values(namespace, &references, Use::Notify, post::host(channel).as_deref()).await;
        let unread = matches!(read, Err(SecretError::Unreachable { .. }));
        let checked = match read {
            Ok(values) => notify::check(channel, &values.into_iter().collect()),
            Err(error) => Err(error.to_string()),
        };
        let wrong = checked.err().map(|error| format!("channel {name} cannot send: {error}"));
        let (secrets, changed) = fresh.versions(namespace, &references);
        let changed = changed.map(|at| at.saturating_add(ctx.clock.ahead_of_server()).unwrap_or(at));
        let look = match wrong {
            Some(why) if unread => Look::Unread(why),
            wrong => Look::Seen(Box::new(Seen { channel: channel.clone(), secrets, changed, wrong })),
        };
        looks.insert(name.clone(), look);
    }
    ctx.secrets.remember(&fresh);
    looks
}

fn status(entry: &PolicyEntry, missing: &[String], overrides: &[Override], now: Timestamp) -> SupportPolicyStatus {
    let before = entry.object.status.clone().unwrap_or_default();
    let generation = entry.object.metadata.generation;
    let standing = standing(entry, missing, now);
    let mut status = SupportPolicyStatus {
        observed_generation: generation.unwrap_or(0),
        conditions: conditions::conditions(&before.conditions, &standing, &[], generation, now),
        ..SupportPolicyStatus::default()
    };
    let Some(policy) = entry.compiled.as_deref() else { return status };
    status.on_call = policy.schedules.keys().take(50).map(|name| on_call(policy, name, overrides, now)).collect();
    let line = |one: &OnCall| format!("{}: {}", one.schedule, one.now.as_deref().unwrap_or("nobody"));
    let summary: String = status.on_call.iter().map(line).collect::<Vec<_>>().join(", ").chars().take(1_024).collect();
    status.on_call_summary = (!summary.is_empty()).then_some(summary);
    let mut gaps = Vec::new();
    for (name, schedule) in &policy.schedules {
        let found = oncall::gaps(schedule, overrides, now, after(now, HORIZON));
        gaps.extend(found.into_iter().map(|(from, to)| Gap {
            schedule: name.clone(),
            from: domain::time::whole_seconds(from),
            to: domain::time::whole_seconds(to),
        }));
    }
    status.gap_count = u32::try_from(gaps.len()).unwrap_or(u32::MAX);
    gaps.truncate(LISTED);
    // A gap that has begun keeps the time it was first seen with, else every look would change the status.
    for gap in &mut gaps {
        if let Some(known) = before
            .gaps
            .iter()
            .find(|known| known.schedule == gap.schedule && known.to == gap.to && known.from <= gap.from)
        {
            gap.from = known.from;
        }
    }
    // The far end of a gap that lasts beyond the horizon moves with every look.
    for (gap, known) in gaps.iter_mut().zip(&before.gaps) {
        if gap.schedule == known.schedule
            && gap.from == known.from
            && between(known.to, gap.to) < Duration::from_secs(86_400)
        {
            gap.to = known.to;
        }
    }
    status.gaps = gaps;
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    status.accepted = Some(Accepted {
        routes: count(policy.routes.len()),
        schedules: count(policy.schedules.len()),
        escalations: count(policy.escalations.len()),
    });
    status
}

fn standing(entry: &PolicyEntry, missing: &[String], now: Timestamp) -> Standing {
    // Hours that have run out stop nothing that is in force; that they have is said beside the other warnings.
    let closed = entry.compiled.as_deref().map(|policy| hours_that_never_come(&entry.object.spec, policy, now));
    let words: Vec<String> = entry.problems.iter().chain(closed.iter().flatten()).map(ToString::to_string).collect();
    let words = words.join("; ");
    let invalid = entry.problems.iter().any(Problem::is_error);
    match (invalid, &entry.compiled) {
        (true, Some(_)) => Standing::Stalled {
            reason: "InvalidSpec",
            message: format!("the last valid version stays in force: {words}"),
        },
        (true, None) => Standing::Stalled { reason: "InvalidSpec", message: words },
        (false, _) if !missing.is_empty() => {
            Standing::Stalled { reason: "ReferenceMissing", message: missing.join("; ") }
        }
        (false, _) => Standing::Ready { reason: "Accepted", message: words },
    }
}

fn on_call(policy: &Policy, name: &str, overrides: &[Override], now: Timestamp) -> OnCall {
    let Some(schedule) = policy.schedules.get(name) else { return OnCall::default() };
    let shift = oncall::on_call(schedule, overrides, now);
    let next = shift.until.and_then(|at| oncall::who(schedule, overrides, at)).map(str::to_owned);
    OnCall { schedule: name.to_owned(), now: shift.person.map(str::to_owned), until: shift.until, next }
}

/// When the status is next another one: somebody else is on call, a gap has passed, or one comes within the horizon.
fn next_change(policy: &Policy, overrides: &[Override], now: Timestamp) -> Option<Timestamp> {
    let horizon = after(now, HORIZON);
    let of_schedule = |schedule: &Schedule| {
        let gaps = oncall::gaps(schedule, overrides, now, horizon);
        let ends = gaps.into_iter().map(|(_, to)| to).find(|to| *to < horizon);
        // One that reaches over the horizon is listed already.
        let beyond = oncall::gaps(schedule, overrides, horizon, after(horizon, HORIZON));
        let comes = beyond.into_iter().map(|(from, _)| from).find(|from| *from > horizon);
        let comes = comes.map(|from| after(now, between(horizon, from)));
        // Whether there is a later one is looked at when this horizon is reached.
        let look = comes.unwrap_or(horizon);
        [oncall::next_change(schedule, overrides, now), ends, Some(look)].into_iter().flatten().min()
    };
    policy.schedules.values().filter_map(of_schedule).min()
}

#[cfg(test)]
mod tests;
