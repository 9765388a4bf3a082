//! Waiting for what the operator says of an object that a verb has written, and the words for when it says nothing.
//!
//! What was written is recorded: that nobody answered in time is never a failure.

use std::{fmt::Debug, time::Duration};

use api::conditions::Condition;
use domain::time::format_duration;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use uuid::Uuid;

/// From one look for the operator's answer to the next.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks until `done` or the time is up; what was seen last.
pub async fn settled<K>(api: &Api<K>, first: K, wait: Duration, done: impl Fn(&K) -> bool) -> K
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let deadline = Instant::now() + wait;
    let (name, mut last) = (first.name_any(), first);
    while !done(&last) && Instant::now() < deadline {
        tokio::time::sleep(PAUSE.min(deadline - Instant::now())).await;
        // It is recorded: an answer that fails is only a later answer.
        if let Ok(Ok(seen)) = tokio::time::timeout_at(deadline, api.get(&name)).await {
            last = seen;
        }
    }
    last
}

/// Why the operator does not act on it, where only a person can mend that.
pub fn refusal(conditions: &[Condition]) -> Option<&str> {
    let stalled = conditions.iter().find(|condition| condition.type_ == "Stalled" && condition.status == "True")?;
    Some(&stalled.message)
}

/// That nobody answered, and what the object does when the operator is back: `mute`, `end`, `count`.
pub fn unconfirmed(name: &str, waited: Duration, what: &str) -> String {
    format!(
        "{name} unconfirmed: the operator did not answer within {}. It is recorded and will {what} when the operator is back",
        format_duration(waited)
    )
}

/// `PREFIX-1a2b3c4d`: chosen before the call, so that a retried one cannot make the object twice.
pub fn fresh_name(prefix: &str) -> String {
    let random: String = Uuid::new_v4().simple().to_string().chars().take(8).collect();
    format!("{prefix}-{random}")
}
