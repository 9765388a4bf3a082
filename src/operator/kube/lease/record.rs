//! What a lease says of who leads, and what we write. Pure.

use domain::ticket::Lead;
use k8s_openapi::{api::coordination::v1::LeaseSpec, apimachinery::pkg::apis::meta::v1::MicroTime};

use super::{Predecessor, VALID_FOR};

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

/// Whether the lease shows that somebody has led since a process died, even if the lease was given back.
pub(super) fn has_led_since(dead: &Predecessor, me: &str, holder: &str, transitions: i64) -> bool {
    holder != me && (!["", &*dead.holder].contains(&holder) || transitions != dead.epoch)
}

/// The lead of which a lease tells; `None` when nobody holds it.
pub(super) fn lead(spec: &LeaseSpec) -> Option<Lead> {
    let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty())?;
    let (MicroTime(acquired), MicroTime(renewed)) = (spec.acquire_time.clone()?, spec.renew_time.clone()?);
    Some(Lead { holder, acquired, renewed })
}

/// Which leader in the row holds it.
pub(super) fn number(spec: &LeaseSpec) -> i64 {
    i64::from(spec.lease_transitions.unwrap_or(0))
}
