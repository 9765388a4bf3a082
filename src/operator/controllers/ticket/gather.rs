//! Reads what a decision about a ticket rests on.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use api::{Ticket, TicketEvent, ticket::PolicyInForce};
use domain::{
    alert::{Alert, AlertState},
    labels::Labels,
    policy::{ApplyTo, LastResort, Policy},
    routing,
    ticket::timeline::What,
};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    act::Error,
    decide::{OwnLastResort, Seen},
};
use crate::{
    context::Context,
    inbox::Inbox,
    index::{PolicyEntry, World, monitors_of},
    kube::{lease::Ground, meta::Key},
};

/// `None` when the ticket is gone: whoever waits in its inbox is told so.
pub(super) async fn read(ctx: &Context, key: &Key, ground: Ground) -> Result<Option<(Seen, Inbox)>, Error> {
    let Some(ticket) = ctx.world.read().ticket(key).cloned() else {
        ctx.inboxes.take(key).gone();
        return Ok(None);
    };
    let number = match (ticket.status.as_ref().and_then(|status| status.number), ground) {
        (Some(_), _) => None,
        (None, Ground::Api) => Some(ctx.numbers.draw().await?),
        (None, Ground::Memory) => ctx.numbers.draw_without_api(),
    };
    let chosen = match ground {
        Ground::Api => choose(ctx, key, &ticket).await?,
        // A policy is frozen by the API; a ticket that somebody has just made waits for it.
        Ground::Memory => None,
    };
    let policy = policy_key(&ticket).or_else(|| chosen.as_ref().map(|it| Key::new(&*it.namespace, &*it.name)));
    let frozen = match revision(&ticket).or(chosen.as_ref().map(|it| it.revision.as_str())) {
        Some(name) => version(ctx, key, name, ground).await?,
        None => None,
    };
    let entry = policy.as_ref().and_then(|policy| ctx.world.read().policy(policy).cloned());
    let (revisions, moves_to) = promises(ctx, key, &ticket, frozen.as_deref(), entry.as_ref(), ground).await?;
    let inbox = ctx.inboxes.take(key);
    let world = ctx.world.read();
    let entry = policy.and_then(|policy| world.policy(&policy));
    let policy_exists = entry.is_some();
    let live = entry.and_then(|entry| entry.compiled.clone());
    let mut events = world.events_of(key);
    if ground == Ground::Memory {
        // What was not judged yet is judged when its verdict can be written.
        events.retain(|event| event.status.as_ref().is_some_and(|status| status.accepted.is_some()));
    }
    let last_resort = match ctx.config.last_resort.as_ref().map(|name| world.last_resort(name)) {
        None => OwnLastResort::None,
        Some(Err(_)) => OwnLastResort::Missing,
        Some(Ok(last)) => OwnLastResort::There(Box::new(last)),
    };
    let mended = mended(ctx, live.as_deref().or(frozen.as_deref()), last_resort.usable());
    let nobody = live.is_none() && frozen.is_none() && ticket.spec.origin.is_some();
    let alerts = inbox.alerts();
    let coming = alerts.iter().filter_map(|alert| alert.labels.get("monitor")).map(String::as_str);
    let monitors = monitors_of(&ticket).chain(coming);
    let monitors = world.standings(&key.namespace, monitors, |monitor| ctx.probed.down_since(monitor));
    let seen = Seen {
        ambiguous: ambiguous(&world, key, &ticket),
        monitors,
        overrides: live.as_deref().or(frozen.as_deref()).map(|it| world.overrides_of(it)).unwrap_or_default(),
        others: others(&world, key, &events),
        causes: causes(&world, key, &ticket, &events),
        revisions,
        moves_to,
        events,
        chosen,
        frozen,
        policy_exists,
        substitute: last_resort.usable().filter(|_| nobody).map(|last| Arc::new(last.as_policy())),
        last_resort,
        mended,
        goes_on: goes_on(&world, key, &alerts),
        silences: world.silences_for(&key.namespace),
        firing: live.as_deref().map(|policy| world.inhibiting(policy, &key.namespace, Some(key))).unwrap_or_default(),
        live,
        operator_namespace: world.operator_namespace.clone(),
        epoch: ctx.leadership.epoch(),
        ahead_of_server: ctx.clock.ahead_of_server(),
        number,
        alerts,
        reports: inbox.reports(),
        awaits_monitors: ctx.island.awaits_a_look(&ticket),
        ticket,
    };
    Ok(Some((seen, inbox)))
}

/// The other tickets on which alerts fire that end on this one, in words.
fn goes_on(world: &World, key: &Key, alerts: &[Alert]) -> BTreeMap<String, String> {
    let ended = alerts.iter().filter(|alert| alert.state != AlertState::Firing);
    let of = |alert: &Alert| {
        let fingerprint = alert.fingerprint().to_string();
        let other =
            world.ticket_of_alert(&alert.namespace, &fingerprint).filter(|other| Key::of(other.as_ref()) != *key)?;
        let origin = other.spec.origin.as_ref()?;
        let words = format!("{} under policy {}/{}", Key::of(other.as_ref()), origin.policy_namespace, origin.policy);
        Some((fingerprint, words))
    };
    ended.filter_map(of).collect()
}

/// Since when the channels are as they are through which its messages go, by their names on tickets.
fn mended(ctx: &Context, policy: Option<&Policy>, last_resort: Option<&LastResort>) -> BTreeMap<String, Timestamp> {
    let own = policy.map(|policy| ctx.channels.since(&Key::new(&*policy.namespace, &*policy.name)));
    let mut since = own.unwrap_or_default();
    if let Some(last) = last_resort {
        let of_its_policy = ctx.channels.since(&Key::new(&*last.namespace, &*last.policy));
        since.extend(of_its_policy.get(&last.channel).map(|at| (LastResort::NAME.to_owned(), *at)));
    }
    since
}

/// The policy a ticket lives by: its origin's, or what was chosen for it.
fn policy_key(ticket: &Ticket) -> Option<Key> {
    if let Some(origin) = &ticket.spec.origin {
        return Some(Key::new(&*origin.policy_namespace, &*origin.policy)).filter(|key| !key.name.is_empty());
    }
    let policy = ticket.status.as_ref()?.policy.as_ref()?;
    Some(Key::new(&*policy.namespace, &*policy.name))
}

/// Why another policy could as well have been the one that an alert's ticket lives by: it stands at the same place.
fn ambiguous(world: &World, key: &Key, ticket: &Ticket) -> Option<String> {
    let origin = ticket.spec.origin.as_ref()?;
    let policies = world.usable_policies().map(AsRef::as_ref);
    let choice = routing::choose_policy(policies, &key.namespace, &origin.alerts.first()?.labels)?;
    let is_its_own = choice.policy.name == origin.policy && choice.policy.namespace == origin.policy_namespace;
    // The first one that was not chosen is the one nearest to it.
    choice.reasons.into_iter().nth(1).filter(|_| choice.ambiguous && is_its_own)
}

fn revision(ticket: &Ticket) -> Option<&str> {
    let of_origin = ticket.spec.origin.as_ref().map(|origin| origin.policy_revision.as_str());
    let of_status = || Some(ticket.status.as_ref()?.policy.as_ref()?.revision.as_str());
    of_origin.or_else(of_status).filter(|name| !name.is_empty())
}

/// For a ticket that no alert opened and that has no policy yet: the one it names, else the one that its labels
/// choose, frozen before anything is decided by it.
async fn choose(ctx: &Context, key: &Key, ticket: &Ticket) -> Result<Option<PolicyInForce>, Error> {
    let has_policy = ticket.status.as_ref().is_some_and(|status| status.policy.is_some());
    if ticket.spec.origin.is_some() || has_policy {
        return Ok(None);
    }
    let entry = {
        let world = ctx.world.read();
        let chosen = match &ticket.spec.policy {
            Some(name) => Some(Key::new(&*key.namespace, &**name)),
            None => {
                let policies = world.usable_policies().map(AsRef::as_ref);
                routing::choose_policy(policies, &key.namespace, &labels(ticket))
                    .map(|choice| Key::new(&*choice.policy.namespace, &*choice.policy.name))
            }
        };
        chosen.and_then(|key| world.policy(&key).cloned()).filter(|entry| entry.compiled.is_some())
    };
    let Some(entry) = entry else { return Ok(None) };
    let revision = ctx.revisions.keep(&key.namespace, &entry).await?;
    let policy = Key::of(entry.object.as_ref());
    Ok(Some(PolicyInForce { namespace: policy.namespace, name: policy.name, revision }))
}

/// A version of a ticket's policy; without the API as far as this process knows it.
async fn version(ctx: &Context, key: &Key, name: &str, ground: Ground) -> Result<Option<Arc<Policy>>, Error> {
    match ground {
        Ground::Api => Ok(ctx.revisions.read(&key.namespace, name).await?),
        Ground::Memory => Ok(ctx.revisions.recall(&key.namespace, name)),
    }
}

/// The versions of the policy whose promises the ticket lived by after it began, by revision; and the one it moves to,
/// where the policy says that an edit concerns running tickets. That one is kept before anything is decided by it, so that an
/// edit waits for the API.
async fn promises(
    ctx: &Context,
    key: &Key,
    ticket: &Ticket,
    frozen: Option<&Policy>,
    entry: Option<&PolicyEntry>,
    ground: Ground,
) -> Result<(BTreeMap<String, Arc<Policy>>, Option<String>), Error> {
    let mut revisions = BTreeMap::new();
    let mut last = None;
    let status = ticket.status.as_ref();
    let moved = What::PromisesChanged.as_str();
    for line in status.iter().flat_map(|status| &status.timeline).filter(|line| line.what == moved) {
        let Some(name) = line.detail.split(' ').next() else { continue };
        // An heir knows only what its journal kept: the version that was in force.
        let in_force = || entry.filter(|entry| entry.revision().as_deref() == Some(name))?.compiled.clone();
        if let Some(policy) = version(ctx, key, name, ground).await?.or_else(in_force) {
            last = Some(policy.clone());
            revisions.insert(name.to_owned(), policy);
        }
    }
    let over =
        status.and_then(|status| status.state).is_some_and(|state| domain::ticket::TicketState::from(state).is_over());
    let live = entry.and_then(|entry| entry.compiled.as_ref()).filter(|live| live.sla.apply_to == ApplyTo::Running);
    let (Some(entry), Some(live), Some(present), false) = (entry, live, last.as_deref().or(frozen), over) else {
        return Ok((revisions, None));
    };
    if ground == Ground::Memory || live.promises_as(present) {
        return Ok((revisions, None));
    }
    let name = ctx.revisions.keep(&key.namespace, entry).await?;
    revisions.insert(name.clone(), live.clone());
    Ok((revisions, Some(name)))
}

/// The tickets that this one is linked to as its causes: in its spec, by events that count, and by those that may.
fn causes(world: &World, key: &Key, ticket: &Ticket, events: &[Arc<TicketEvent>]) -> Vec<Arc<Ticket>> {
    let counts = |event: &&Arc<TicketEvent>| event.status.as_ref().is_none_or(|status| status.accepted != Some(false));
    let by_events = events.iter().filter(counts).filter_map(|event| event.spec.link.as_ref());
    let names: BTreeSet<&String> = api::ticket::causes(ticket.spec.links.iter().chain(by_events)).collect();
    names.into_iter().filter_map(|name| world.ticket(&Key::new(&*key.namespace, &**name)).cloned()).collect()
}

/// What a policy matches on: the object's labels, and queue, type, service and priority of its spec.
pub(super) fn labels(ticket: &Ticket) -> Labels {
    let spec = &ticket.spec;
    let type_ = serde_json::to_value(spec.type_).ok().and_then(|word| word.as_str().map(str::to_owned));
    let own = [
        ("queue", spec.queue.clone()),
        ("type", type_),
        ("service", spec.affects.iter().find_map(|affected| affected.service.clone())),
        ("priority", spec.priority.clone()),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    ticket.labels().clone().into_iter().chain(own).collect()
}

/// The tickets that events which are not judged yet name.
fn others(world: &World, key: &Key, events: &[Arc<TicketEvent>]) -> HashMap<String, Arc<Ticket>> {
    let open = events.iter().filter(|event| event.status.as_ref().is_none_or(|status| status.accepted.is_none()));
    let acts = open.filter_map(|event| api::ticket_event::act(&event.spec));
    let names = acts.filter_map(|act| domain::ticket::objection::other_ticket(&act).map(str::to_owned));
    names.filter_map(|name| Some((name.clone(), world.ticket(&Key::new(&*key.namespace, &*name))?.clone()))).collect()
}
