//! Conditions as Kubernetes stores them, from the standing of an object.

use domain::conditions::{Condition as Said, Standing};
use jiff::Timestamp;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The conditions to write: `standing`'s and the kind's `own`. A status that stays what it was keeps its
/// `lastTransitionTime`; a type that neither names is gone.
pub fn conditions(
    before: &[Condition],
    standing: &Standing,
    own: &[Said],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let said = standing.conditions().into_iter().chain(own.iter().cloned());
    said.map(|condition| stored(before, condition, generation, now)).collect()
}

/// Puts one more condition beside those of a standing, or takes it away. `before` is where its time may come from.
pub fn put(
    conditions: &mut Vec<Condition>,
    before: &[Condition],
    type_: &str,
    said: Option<Said>,
    generation: Option<i64>,
    now: Timestamp,
) {
    conditions.retain(|condition| condition.type_ != type_);
    conditions.extend(said.map(|said| stored(before, said, generation, now)));
}

/// Whether the condition of that type is True.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == type_ && condition.status == "True")
}

fn stored(before: &[Condition], said: Said, generation: Option<i64>, now: Timestamp) -> Condition {
    let status = if said.status { "True" } else { "False" };
    let since = before
        .iter()
        .find(|condition| condition.type_ == said.type_ && condition.status == status)
        .map_or_else(|| Time(domain::time::whole_seconds(now)), |condition| condition.last_transition_time.clone());
    Condition {
        type_: said.type_.to_owned(),
        status: status.to_owned(),
        observed_generation: generation,
        last_transition_time: since,
        reason: said.reason,
        message: said.message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_status_that_stays_keeps_its_time_and_a_changed_one_gets_now() {
        let ready = Standing::Ready { reason: "Accepted", message: String::new() };
        let first = conditions(&[], &ready, &[], Some(1), at("2026-11-23T10:00:00.7Z"));
        let second = conditions(&first, &ready, &[], Some(2), at("2026-11-23T11:00:00Z"));
        assert_eq!(second[0].last_transition_time, Time(at("2026-11-23T10:00:00Z")));
        assert_eq!(second[0].observed_generation, Some(2));

        let stalled = Standing::Stalled { reason: "InvalidSpec", message: "spec.url: empty".into() };
        let third = conditions(&second, &stalled, &[], Some(3), at("2026-11-23T12:00:00Z"));
        assert_eq!(third.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(), ["Ready", "Stalled"]);
        assert_eq!(third[0].last_transition_time, Time(at("2026-11-23T12:00:00Z")));
        assert!(is_true(&third, "Stalled") && !is_true(&third, "Ready"));
    }
}
