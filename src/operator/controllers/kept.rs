//! Kinds that are kept and checked and that nothing acts on yet: ComplianceRule and VendorContact.
//!
//! Each version is judged once, when the watch brings it; Ready says only that the object is valid.

use api::{ComplianceRule, VendorContact, compliance_rule, conditions, conditions::Condition, vendor_contact};
use domain::{conditions::Standing, problem::Problem};
use serde_json::json;

use crate::{
    context::Context,
    kube::{events::Note, meta::Key, watch::Seen},
};

/// A kind that is only kept and checked.
pub trait Kept: ::kube::Resource<DynamicType = ()> {
    /// What is wrong with this version, and whether it is valid all the same.
    fn findings(&self) -> (bool, Vec<Problem>);
    /// The generation and the conditions that its status is about.
    fn judged(&self) -> (i64, Vec<Condition>);
}

impl Kept for ComplianceRule {
    fn findings(&self) -> (bool, Vec<Problem>) {
        match compliance_rule::validate(self) {
            Ok(valid) => (true, valid.warnings),
            Err(problems) => (false, problems),
        }
    }

    fn judged(&self) -> (i64, Vec<Condition>) {
        self.status.as_ref().map_or((-1, Vec::new()), |status| (status.observed_generation, status.conditions.clone()))
    }
}

impl Kept for VendorContact {
    fn findings(&self) -> (bool, Vec<Problem>) {
        match vendor_contact::validate(self) {
            Ok(valid) => (true, valid.warnings),
            Err(problems) => (false, problems),
        }
    }

    fn judged(&self) -> (i64, Vec<Condition>) {
        self.status.as_ref().map_or((-1, Vec::new()), |status| (status.observed_generation, status.conditions.clone()))
    }
}

/// Judges what the watch brought. A follower's verdict waits with the status writer and is dropped when the
/// leader's arrives.
pub fn take<K: Kept>(ctx: &Context, seen: Seen<K>) {
    let plural = K::plural(&());
    let object = match seen {
        Seen::There(object) => object,
        Seen::Gone(key, _) => return ctx.statuses.forget(&plural, &key),
        Seen::Unreadable(key, error) => {
            tracing::warn!(kind = %K::kind(&()), object = %key, error, "the object cannot be read and is left alone; the others go on");
            return;
        }
    };
    let key = Key::of(object.as_ref());
    let generation = object.meta().generation;
    let (judged, before) = object.judged();
    if Some(judged) == generation {
        return ctx.statuses.forget(&plural, &key);
    }
    let (valid, problems) = object.findings();
    let words = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let standing = if valid {
        Standing::Ready { reason: "Accepted", message: words }
    } else {
        ctx.events.note(
            object.as_ref(),
            Note { warning: true, reason: "InvalidSpec", action: "Validate", text: words.clone() },
        );
        Standing::Stalled { reason: "InvalidSpec", message: words }
    };
    let conditions = conditions::conditions(&before, &standing, &[], generation, ctx.clock.now());
    let status = json!({"observedGeneration": generation.unwrap_or(0), "conditions": conditions});
    ctx.statuses.write::<K>(&key, &status);
}
