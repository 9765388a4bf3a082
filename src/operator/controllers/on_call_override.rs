//! OnCallOverrides: whether they count, and what keeps them from it.
//!
//! Who is on call is not decided here: whoever needs to know asks with all overrides of the policy. When one begins or
//! ends, the tickets that live by its policy are looked at again, so that a step nobody has answered tells the next person
//! at once, and so is the policy, whose status says who is on call.

use api::{OnCallOverride, conditions, oncall_override::OnCallOverrideStatus};
use domain::{
    conditions::{Condition as Said, Standing},
    problem::Problem,
};
use jiff::Timestamp;

use crate::{
    context::Context,
    index::{OverrideEntry, World},
    kube::{events::Note, meta::Key},
    queue::{Looked, Outcome},
};

/// Looks at one override.
pub async fn reconcile(ctx: &Context, key: Key) -> Option<Looked> {
    let (entry, standing) = {
        let world = ctx.world.read();
        let Some(entry) = world.on_call_override(&key).cloned() else {
            ctx.statuses.forget("oncalloverrides", &key);
            return Some(Looked { outcome: Outcome::Unchanged, again: None });
        };
        let standing = standing(&world, &entry);
        (entry, standing)
    };
    let now = ctx.clock.now();
    let before = entry.object.status.clone().unwrap_or_default();
    let status = status(&entry, &standing, now);
    if before.active.unwrap_or(false) != status.active.unwrap_or(false) {
        let affected = ctx.world.read().affected_by_override(&entry.policy());
        ctx.queues.add(affected);
    }
    let again = next_change(&entry, now).map(|at| ctx.clock.until(at));
    if before == status {
        return Some(Looked { outcome: Outcome::Unchanged, again });
    }
    if let Standing::Stalled { message, .. } = &standing
        && !conditions::is_true(&before.conditions, "Stalled")
    {
        let note = Note { warning: true, reason: "NotReady", action: "Validate", text: message.clone() };
        ctx.events.note(entry.object.as_ref(), note);
    }
    Some(Looked { outcome: ctx.statuses.write::<OnCallOverride>(&key, &status), again })
}

/// Whether the override can count: its own spec, then the names in it, by its policy as it is now.
fn standing(world: &World, entry: &OverrideEntry) -> Standing {
    let words = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let missing = |message| Standing::Stalled { reason: "ReferenceMissing", message };
    let Some(compiled) = &entry.compiled else {
        return Standing::Stalled { reason: "InvalidSpec", message: words(entry.problems.clone()) };
    };
    let key = entry.policy();
    let Some(policy) = world.policy(&key) else {
        let message = format!("no SupportPolicy of namespace {} is called `{}`", key.namespace, key.name);
        let known = world.policies().filter(|(known, _)| known.namespace == key.namespace);
        let problem = Problem::error("spec.policy", message);
        return missing(problem.suggest_from(&key.name, known.map(|(known, _)| known.name.as_str())).to_string());
    };
    let Some(policy) = &policy.compiled else {
        return missing(format!("spec.policy: policy {} has no valid version yet; see its condition Ready", key.name));
    };
    let unknown: Vec<Problem> =
        compiled.unknown_names(policy).into_iter().map(|problem| problem.under("spec")).collect();
    if unknown.is_empty() {
        Standing::Ready { reason: "Accepted", message: String::new() }
    } else {
        missing(words(unknown))
    }
}

fn status(entry: &OverrideEntry, standing: &Standing, now: Timestamp) -> OnCallOverrideStatus {
    let before = entry.object.status.clone().unwrap_or_default();
    let generation = entry.object.metadata.generation;
    let counts = matches!(standing, Standing::Ready { .. });
    let (active, reason) = match &entry.compiled {
        Some(one) if counts && one.covers(now) => (true, "InForce"),
        Some(one) if counts && now < one.from => (false, "NotYet"),
        Some(one) if counts && now >= one.until => (false, "Over"),
        _ => (false, "NotReady"),
    };
    let message = match (&entry.object.spec.replaces, active) {
        (Some(replaced), true) => format!("counts whenever {replaced} would be on call"),
        _ => String::new(),
    };
    let own = Said { type_: "Active", status: active, reason: reason.to_owned(), message };
    OnCallOverrideStatus {
        observed_generation: generation.unwrap_or(0),
        conditions: conditions::conditions(&before.conditions, standing, &[own], generation, now),
        active: Some(active),
    }
}

fn next_change(entry: &OverrideEntry, now: Timestamp) -> Option<Timestamp> {
    let one = entry.compiled.as_ref()?;
    [one.from, one.until].into_iter().filter(|at| *at > now).min()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn world(spec: &Value) -> World {
        let mut world = World::new("firstline-system");
        let policy = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy",
            "metadata": {"name": "payments", "namespace": "payments", "uid": "p"},
            "spec": {
                "lastResort": [{"schedule": "primary"}],
                "people": [{"name": "ada", "email": "ada@acme.example"}, {"name": "bob", "email": "bob@acme.example"}],
                "channels": [{"name": "mail", "email": {"from": "a@acme.example", "smarthost": "smtp.acme.example:587"}}],
                "schedules": [{"name": "primary", "timeZone": "UTC", "layers": [
                    {"name": "week", "people": ["ada"], "start": "2026-11-02", "handover": "09:00", "every": "1w"},
                ]}],
            },
        });
        world.apply_policy(serde_json::from_value(policy).unwrap());
        let mut whole = json!({
            "policy": "payments", "schedule": "primary", "person": "bob", "reason": "swap",
            "from": "2026-11-23T10:00:00Z", "until": "2026-11-23T12:00:00Z",
        });
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let object = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "OnCallOverride",
            "metadata": {"name": "swap", "namespace": "payments", "uid": "o", "generation": 1}, "spec": whole,
        });
        world.apply_override(serde_json::from_value(object).unwrap());
        world
    }

    fn looked(spec: &Value, now: &str) -> (String, OnCallOverrideStatus) {
        let world = world(spec);
        let entry = world.on_call_override(&Key::new("payments", "swap")).unwrap();
        let standing = standing(&world, entry);
        let words = match &standing {
            Standing::Ready { reason, message }
            | Standing::Stalled { reason, message }
            | Standing::Reconciling { reason, message } => format!("{reason} {message}").trim().to_owned(),
        };
        (words, status(entry, &standing, at(now)))
    }

    #[rstest::rstest]
    #[case::before("2026-11-23T09:59:59Z", false, Some("2026-11-23T10:00:00Z"))]
    #[case::from_its_first_second("2026-11-23T10:00:00Z", true, Some("2026-11-23T12:00:00Z"))]
    #[case::not_at_its_end("2026-11-23T12:00:00Z", false, None)]
    fn it_is_active_from_its_beginning_up_to_its_end(
        #[case] now: &str,
        #[case] active: bool,
        #[case] again: Option<&str>,
    ) {
        let world = world(&json!({}));
        let entry = world.on_call_override(&Key::new("payments", "swap")).unwrap();
        assert_eq!(status(entry, &standing(&world, entry), at(now)).active, Some(active));
        assert_eq!(next_change(entry, at(now)), again.map(at));
    }

    #[rstest::rstest]
    #[case(json!({"person": "bop"}), "ReferenceMissing spec.person: no person of policy payments is called `bop`; did you mean `bob`?")]
    #[case(json!({"replaces": "eve"}), "ReferenceMissing spec.replaces: no person of policy payments is called `eve`; known: ada, bob")]
    #[case(json!({"schedule": "primry"}), "ReferenceMissing spec.schedule: no schedule of policy payments is called `primry`; did you mean `primary`?")]
    #[case(json!({"policy": "payment"}), "ReferenceMissing spec.policy: no SupportPolicy of namespace payments is called `payment`; did you mean `payments`?")]
    #[case(json!({"until": "2026-11-23T10:00:00Z"}), "InvalidSpec spec.until: expected until after from")]
    fn what_names_nobody_says_who_may_be_meant_and_counts_for_nothing(#[case] spec: Value, #[case] words: &str) {
        let (found, status) = looked(&spec, "2026-11-23T11:00:00Z");
        assert_eq!((found.as_str(), status.active), (words, Some(false)));
        let world = world(&spec);
        let policy = world.usable_policies().next().unwrap().clone();
        assert!(world.overrides_of(&policy).is_empty());
    }

    #[test]
    fn a_policy_that_learns_the_name_lets_it_count() {
        let mut world = world(&json!({"person": "carol"}));
        let mut policy = (*world.policy(&Key::new("payments", "payments")).unwrap().object).clone();
        let carol = json!({"name": "carol", "email": "carol@acme.example"});
        policy.spec.people.push(serde_json::from_value(carol).unwrap());
        let affected = world.apply_policy(policy);
        assert_eq!(affected.overrides, [Key::new("payments", "swap")]);
        let policy = world.usable_policies().next().unwrap().clone();
        assert_eq!(world.overrides_of(&policy).len(), 1);
    }
}
