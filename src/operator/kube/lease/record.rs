//! What a lease says of who leads, and what we write. Pure.

use std::{collections::BTreeMap, time::Duration};

use domain::ticket::Lead;
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};

use super::{Predecessor, VALID_FOR};

/// On the lease: which follower asks for it, because it has a journal to merge.
const ASKED_BY: &str = "firstline.dev/asked-by";
/// On the lease: when it was handed over last to one that had asked.
const HANDED_OVER: &str = "firstline.dev/handed-over";
/// On the lease: the lead whose holder went on without the API, as long as the journal of that is not merged. See [`unmerged`].
const UNMERGED: &str = "firstline.dev/unmerged-lead";
/// On the lease: the lead on which its holder follows, as long as that has opened no ticket. See [`follows`].
const FOLLOWS: &str = "firstline.dev/follows-on-lead";
/// It is handed over no more often than this: one that asks and dies again and again leaves the others time to work.
const NOT_BEFORE: Duration = Duration::from_secs(30);

/// The lease, taken or renewed by us. Whoever has gone on without the API in between has it anew: what was opened meanwhile
/// belongs to that outage alone (see [`domain::ticket::identity`]).
pub(super) fn written_over(old: LeaseSpec, me: &str, was_cut_off: bool, now: MicroTime) -> LeaseSpec {
    let ours = old.holder_identity.as_deref() == Some(me);
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: i32::try_from(VALID_FOR.as_secs()).ok(),
        acquire_time: if ours && !was_cut_off { old.acquire_time } else { Some(now.clone()) },
        renew_time: Some(now),
        lease_transitions: Some(old.lease_transitions.unwrap_or(0) + i32::from(!ours)),
        ..LeaseSpec::default()
    }
}

/// Whether the lease shows that somebody has led since a process died, even if the lease was given back. An heir that died in
/// turn before its journal said so has not: it merged and decided nothing.
pub(super) fn has_led_since(dead: &Predecessor, me: &str, lease: &Lease) -> bool {
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    let is_theirs = ["", &*dead.holder].contains(&holder) && number(&spec) == dead.epoch;
    holder != me && !is_theirs && unmerged(lease).is_none_or(|lead| lead.holder != dead.holder)
}

/// The lead of which a lease tells; `None` when nobody holds it.
pub(super) fn lead(spec: &LeaseSpec) -> Option<Lead> {
    let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty())?;
    let (MicroTime(acquired), MicroTime(renewed)) = (spec.acquire_time.clone()?, spec.renew_time.clone()?);
    Some(Lead { holder, acquired, renewed })
}

/// The lead whose journal the holder of this lease has still to merge: as it was before its holder went on without the API. What
/// was opened under it is not in the API yet, so whoever takes this lease follows on that one.
pub(super) fn unmerged(lease: &Lease) -> Option<Lead> {
    told(lease, UNMERGED)
}

/// The lease, saying that this lead is still to be merged; `None`: that none is.
pub(super) fn saying_unmerged(lease: Lease, unmerged: Option<&Lead>) -> Lease {
    telling(lease, UNMERGED, unmerged)
}

/// The lead from which the holder of this lease took it, whose holder may go on by itself, while the API has no ticket that was
/// opened since. Whoever takes the lease before that follows on that lead as well.
pub(super) fn follows(lease: &Lease) -> Option<Lead> {
    told(lease, FOLLOWS)
}

/// The lease, saying that its holder follows on this lead and has opened nothing; `None`: that it is a lead of its own.
pub(super) fn saying_follows(lease: Lease, follows: Option<&Lead>) -> Lease {
    telling(lease, FOLLOWS, follows)
}

fn told(lease: &Lease, name: &str) -> Option<Lead> {
    let mut parts = annotation(lease, name)?.splitn(3, ' ');
    let mut time = || parts.next()?.parse().ok();
    let (acquired, renewed) = (time()?, time()?);
    Some(Lead { holder: parts.next()?.to_owned(), acquired, renewed })
}

fn telling(lease: Lease, name: &str, lead: Option<&Lead>) -> Lease {
    let Some(Lead { holder, acquired, renewed }) = lead else { return without(lease, name) };
    annotated(lease, |all| drop(all.insert(name.to_owned(), format!("{acquired} {renewed} {holder}"))))
}

/// The lead of which the journal is that the holder of this lease has, or may have soon.
pub(super) fn going_on(lease: &Lease) -> Option<Lead> {
    unmerged(lease).or_else(|| lease.spec.as_ref().and_then(lead))
}

/// The lead on which whoever takes this lease follows.
pub(super) fn left(lease: &Lease) -> Option<Lead> {
    follows(lease).or_else(|| going_on(lease))
}

/// As which lead the holder of this lease opens tickets when the API is gone: what whoever takes it follows on. `None` where the
/// journal is not all its own.
pub(super) fn own(lease: &Lease) -> Option<Lead> {
    let held = lease.spec.as_ref().and_then(lead)?;
    left(lease).filter(|_| going_on(lease).is_some_and(|going_on| going_on.holder == held.holder))
}

/// The lease with our wish to have it; `None` when it is there already.
pub(super) fn asked_for(lease: &Lease, me: &str) -> Option<Lease> {
    let known = annotation(lease, ASKED_BY);
    (known != Some(me)).then(|| annotated(lease.clone(), |all| drop(all.insert(ASKED_BY.to_owned(), me.to_owned()))))
}

/// Who else asks for a lease of ours, unless it was handed over a moment ago.
pub(super) fn asked_by<'a>(lease: &'a Lease, me: &str, now: Timestamp) -> Option<&'a str> {
    let handed_over = annotation(lease, HANDED_OVER).and_then(|at| at.parse::<Timestamp>().ok());
    let is_recent = |at: Timestamp| domain::time::between(at, now) < NOT_BEFORE && at <= now;
    annotation(lease, ASKED_BY).filter(|by| *by != me && !handed_over.is_some_and(is_recent))
}

/// Our lease, as that of another one from now on.
pub(super) fn handed_over(lease: Lease, to: &str, now: Timestamp) -> Lease {
    let spec = lease.spec.clone().unwrap_or_default();
    let spec = written_over(spec, to, false, MicroTime(now));
    let lease = annotated([ASKED_BY, UNMERGED, FOLLOWS].into_iter().fold(lease, without), |all| {
        all.insert(HANDED_OVER.to_owned(), domain::time::whole_seconds(now).to_string());
    });
    Lease { spec: Some(spec), ..lease }
}

fn annotation<'a>(lease: &'a Lease, name: &str) -> Option<&'a str> {
    lease.metadata.annotations.as_ref()?.get(name).map(String::as_str).filter(|it| !it.is_empty())
}

fn without(mut lease: Lease, name: &str) -> Lease {
    if let Some(all) = &mut lease.metadata.annotations {
        all.remove(name);
    }
    lease
}

fn annotated(mut lease: Lease, edit: impl FnOnce(&mut BTreeMap<String, String>)) -> Lease {
    edit(lease.metadata.annotations.get_or_insert_default());
    lease
}

/// Which leader in the row holds it.
pub(super) fn number(spec: &LeaseSpec) -> i64 {
    i64::from(spec.lease_transitions.unwrap_or(0))
}
