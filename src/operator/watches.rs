//! What each watch does with what it sees: the index is brought up to date, and whoever is affected is looked at.

mod catch_up;

use std::sync::Arc;

use domain::message::NotificationId;
use gitops::load::ObjectKey;

use api::{
    ComplianceRule, GitSource, OnCallOverride, ServiceMonitor, Silence, SupportPolicy, Ticket, TicketEvent,
    VendorContact,
};

use crate::{
    context::Context,
    controllers::{kept, monitor},
    index::monitors_of,
    island::Kept,
    kube::{
        gates::Gates,
        meta::Key,
        watch::{self, Seen},
    },
    vital,
};

pub(crate) use catch_up::{Deletions, catch_up};

/// The gates of readiness, by the plural of each kind.
pub(crate) const GATES: [&str; 9] = [
    "supportpolicies",
    "svcmonitors",
    "tickets",
    "ticketevents",
    "silences",
    "oncalloverrides",
    "gitsources",
    "compliancerules",
    "vendorcontacts",
];

/// Starts one watch per kind.
pub(crate) fn start(ctx: &Context, gates: &Gates) {
    spawn::<SupportPolicy>(ctx, gates, "supportpolicies", take_policy);
    spawn::<ServiceMonitor>(ctx, gates, "svcmonitors", take_monitor);
    spawn::<Ticket>(ctx, gates, "tickets", take_ticket);
    spawn::<TicketEvent>(ctx, gates, "ticketevents", take_event);
    spawn::<Silence>(ctx, gates, "silences", take_silence);
    spawn::<OnCallOverride>(ctx, gates, "oncalloverrides", take_override);
    spawn::<GitSource>(ctx, gates, "gitsources", take_source);
    spawn::<ComplianceRule>(ctx, gates, "compliancerules", kept::take);
    spawn::<VendorContact>(ctx, gates, "vendorcontacts", kept::take);
}

fn spawn<K>(ctx: &Context, gates: &Gates, name: &'static str, take: fn(&Context, Seen<K>))
where
    K: ::kube::Resource<DynamicType = ()>
        + ::kube::CustomResourceExt
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    let watching = {
        let (ctx, gates) = (ctx.clone(), gates.clone());
        async move {
            let (client, stop) = (ctx.client.clone(), ctx.stop.clone());
            let deleted = ctx.deletions.of::<K>();
            let notice = |seen| {
                notice_drift(&ctx, &seen);
                // Held until the index has it, so that no list comes in between.
                let mut deleted = deleted.lock();
                deleted.note(&seen);
                take(&ctx, seen);
            };
            watch::run::<K>(client, &ctx.leadership, (name, gates), stop, notice).await;
        }
    };
    // A kind that nobody watches any more would go stale behind a green /livez.
    vital::spawn(ctx, format!("the watch of {name}"), watching);
}

/// An object that a source applied and that is not as it left it is looked at.
fn notice_drift<K: ::kube::Resource<DynamicType = ()>>(ctx: &Context, seen: &Seen<K>) {
    let (key, metadata) = match seen {
        Seen::There(object) => (Key::of(object.as_ref()), Some(object.meta())),
        Seen::Unreadable(key, _) | Seen::Gone(key, _) => (key.clone(), None),
    };
    let key = ObjectKey { kind: K::kind(&()).into_owned(), namespace: key.namespace, name: key.name };
    if ctx.members.sight(&key, metadata) {
        ctx.queues.drift.add(key);
    }
}

/// Fills the index with what a journal kept, for a process that starts while the API is gone.
pub(crate) fn restore(ctx: &Context, kept: Kept) {
    kept.policies.into_iter().for_each(|object| take_policy(ctx, Seen::There(Box::new(object))));
    kept.silences.into_iter().for_each(|object| take_silence(ctx, Seen::There(Box::new(object))));
    kept.overrides.into_iter().for_each(|object| take_override(ctx, Seen::There(Box::new(object))));
    kept.tickets.into_iter().for_each(|object| take_ticket(ctx, Seen::There(Box::new(object))));
    kept.events.into_iter().for_each(|object| take_event(ctx, Seen::There(Box::new(object))));
    kept.monitors.into_iter().for_each(|object| take_monitor(ctx, Seen::There(Box::new(object))));
}

fn unreadable(kind: &str, key: &Key, error: &str) {
    tracing::warn!(kind, object = %key, error, "the object cannot be read and is left alone; the others go on");
}

fn take_policy(ctx: &Context, seen: Seen<SupportPolicy>) {
    let mut world = ctx.world.write();
    let (key, affected) = match seen {
        Seen::There(policy) => {
            let key = Key::of(policy.as_ref());
            let changed = world.policy(&key).is_none_or(|known| {
                known.object.metadata.generation != policy.metadata.generation
                    || known.object.metadata.uid != policy.metadata.uid
            });
            let affected = world.apply_policy(*policy);
            (key, changed.then_some(affected))
        }
        Seen::Gone(key, _) => {
            ctx.revisions.doubt(&key.namespace);
            let affected = world.delete_policy(&key);
            (key, Some(affected))
        }
        Seen::Unreadable(key, error) => return unreadable("SupportPolicy", &key, &error),
    };
    drop(world);
    if let Some(affected) = affected {
        ctx.queues.add(affected);
        ctx.queues.policies.add(key);
    }
}

fn take_monitor(ctx: &Context, seen: Seen<ServiceMonitor>) {
    match seen {
        Seen::There(object) => {
            let key = Key::of(object.as_ref());
            let before = object.status.as_ref().and_then(monitor::decide::stored);
            let mut world = ctx.world.write();
            let changed = world.apply_monitor(*object);
            let compiled = world.monitor(&key).and_then(|entry| entry.compiled.clone());
            drop(world);
            if !changed {
                if let Some(kept) = before {
                    ctx.probed.follow(&key, &kept, ctx.clock.now());
                }
                return;
            }
            wake_below(ctx, &key);
            match compiled {
                Some(compiled) => ctx.probed.watch(&key, &compiled, before, ctx.clock.now()),
                None => ctx.probed.forget(&key),
            }
            ctx.queues.monitors.add(key);
        }
        Seen::Gone(key, _) => {
            ctx.world.write().delete_monitor(&key);
            ctx.revisions.doubt(&key.namespace);
            ctx.probed.forget(&key);
            wake_below(ctx, &key);
            ctx.queues.monitors.add(key);
        }
        Seen::Unreadable(key, error) => unreadable("ServiceMonitor", &key, &error),
    }
}

/// A monitor came, went or has other dependencies: those that depend on it may be right now, or wrong.
fn wake_below(ctx: &Context, monitor: &Key) {
    let below = ctx.world.read().below(&monitor.namespace, [monitor.name.as_str()]);
    ctx.queues.add(below);
}

fn take_ticket(ctx: &Context, seen: Seen<Ticket>) {
    if let Seen::There(ticket) = &seen
        && ctx.island.holds(&Key::of(ticket.as_ref()))
    {
        // What was decided without the API is merged with the newest version first.
        return;
    }
    if let Seen::Gone(key, _) = &seen
        && ctx.island.holds(key)
    {
        return;
    }
    match seen {
        Seen::There(ticket) => {
            let key = Key::of(ticket.as_ref());
            // One of the same name that was made anew is another ticket: its predecessor was deleted unseen.
            let before =
                ctx.world.read().ticket(&key).filter(|before| before.metadata.uid != ticket.metadata.uid).cloned();
            if let Some(before) = &before {
                send_no_more(ctx, before);
                ctx.revisions.doubt(&key.namespace);
            }
            if ctx.world.write().apply_ticket(Arc::from(ticket)) {
                ctx.queues.tickets.add(key);
            }
        }
        Seen::Gone(key, _) => {
            let gone = {
                let mut world = ctx.world.write();
                let gone = world.ticket(&key).cloned();
                world.delete_ticket(&key);
                gone
            };
            gone.iter().for_each(|ticket| send_no_more(ctx, ticket));
            ctx.revisions.doubt(&key.namespace);
            // A monitor whose alert fired on it opens a new one; whoever waits in its inbox is told that it is gone.
            let monitors =
                gone.iter().flat_map(|ticket| &ticket.spec.affects).filter_map(|affected| affected.monitor.as_deref());
            for monitor in monitors {
                ctx.queues.monitors.add(Key::new(&*key.namespace, monitor));
            }
            // What fired on it inhibits nothing any more, and nobody is told of it.
            gone.iter().for_each(|ticket| wake_those_held_by(ctx, ticket));
            ctx.queues.tickets.add(key);
        }
        Seen::Unreadable(key, error) => unreadable("Ticket", &key, &error),
    }
}

/// Takes back what a deleted ticket still had to say: its attempts would go on for a day, and nobody could stop them.
pub(crate) fn send_no_more(ctx: &Context, ticket: &Ticket) {
    let planned = ticket.status.iter().flat_map(|status| &status.notifications).filter(|one| !one.state.is_finished());
    let ids: Vec<NotificationId> = planned.filter_map(|one| NotificationId::parse(&one.id)).collect();
    ctx.outbox.cancel(&ids);
}

/// What fires on a ticket, or whether it tells somebody, is another: tickets and alerts that this may hold are judged anew.
pub(crate) fn wake_those_held_by(ctx: &Context, ticket: &Ticket) {
    let namespace = ticket.metadata.namespace.as_deref().unwrap_or_default();
    let (neighbours, below) = {
        let world = ctx.world.read();
        (world.neighbours(ticket), world.below(namespace, monitors_of(ticket)))
    };
    neighbours.into_iter().for_each(|key| ctx.queues.tickets.add(key));
    ctx.queues.add(below);
    ctx.alerts.waiting.monitors(namespace).into_iter().for_each(|key| ctx.queues.monitors.add(key));
}

fn take_event(ctx: &Context, seen: Seen<TicketEvent>) {
    match seen {
        Seen::There(event) => {
            let judged = event.status.as_ref().is_some_and(|status| status.accepted.is_some());
            let ticket = ctx.world.write().apply_event(*event);
            if !judged {
                ctx.queues.tickets.add(ticket);
            }
        }
        Seen::Gone(key, _) => {
            let ticket = ctx.world.write().delete_event(&key);
            if let Some(ticket) = ticket {
                ctx.queues.tickets.add(ticket);
            }
        }
        Seen::Unreadable(key, error) => unreadable("TicketEvent", &key, &error),
    }
}

fn take_silence(ctx: &Context, seen: Seen<Silence>) {
    let mut world = ctx.world.write();
    let (key, affected) = match seen {
        Seen::There(silence) => {
            let key = Key::of(silence.as_ref());
            let changed = world.silence(&key).is_none_or(|known| {
                known.object.metadata.generation != silence.metadata.generation
                    || known.object.metadata.uid != silence.metadata.uid
            });
            let affected = world.apply_silence(*silence);
            (key, changed.then_some(affected))
        }
        Seen::Gone(key, _) => {
            let affected = world.delete_silence(&key);
            (key, Some(affected))
        }
        Seen::Unreadable(key, error) => return unreadable("Silence", &key, &error),
    };
    drop(world);
    if let Some(affected) = affected {
        ctx.queues.add(affected);
        ctx.queues.silences.add(key);
    }
}

fn take_override(ctx: &Context, seen: Seen<OnCallOverride>) {
    let mut world = ctx.world.write();
    let (key, affected) = match seen {
        Seen::There(object) => {
            let key = Key::of(object.as_ref());
            let changed = world.on_call_override(&key).is_none_or(|known| {
                known.object.metadata.generation != object.metadata.generation
                    || known.object.metadata.uid != object.metadata.uid
            });
            let affected = world.apply_override(*object);
            (key, changed.then_some(affected))
        }
        Seen::Gone(key, _) => {
            let affected = world.delete_override(&key);
            (key, Some(affected))
        }
        Seen::Unreadable(key, error) => return unreadable("OnCallOverride", &key, &error),
    };
    drop(world);
    if let Some(affected) = affected {
        ctx.queues.add(affected);
        ctx.queues.overrides.add(key);
    }
}

fn take_source(ctx: &Context, seen: Seen<GitSource>) {
    match seen {
        Seen::There(source) => {
            let key = Key::of(source.as_ref());
            if ctx.world.write().apply_source(*source) {
                ctx.queues.sources.add(key);
            }
        }
        Seen::Gone(key, _) => {
            ctx.world.write().delete_source(&key);
            ctx.queues.sources.add(key);
        }
        Seen::Unreadable(key, error) => unreadable("GitSource", &key, &error),
    }
}
