//! Statuses of tickets that were sent to the API and of which no answer has come: it may have them. Should this process go on
//! without it, such a ticket is decided on as it was known before, and the merge must take what it finds there for our own
//! hand, not for another leader's.

use std::collections::HashMap;

use api::{Ticket, ticket::TicketStatus};
use parking_lot::Mutex;

use crate::kube::meta::{Key, version};

/// Writes under way, and those of which nothing was heard, until the next one of the same ticket is answered.
#[derive(Debug, Default)]
pub struct Unanswered(Mutex<HashMap<Key, Write>>);

#[derive(Debug)]
struct Write {
    /// The version over which it is written.
    over: u64,
    status: TicketStatus,
}

impl Unanswered {
    /// This status is about to be sent, over the version that was read.
    pub fn sends(&self, key: &Key, read: &Ticket, status: &TicketStatus) {
        self.0.lock().insert(key.clone(), Write { over: version(read), status: status.clone() });
    }

    /// The API has said yes or no.
    pub fn answered(&self, key: &Key) {
        self.0.lock().remove(key);
    }

    /// What the API may have in the place of the status that is known.
    pub(super) fn over(&self, key: &Key, known: &Ticket) -> Option<TicketStatus> {
        self.0.lock().remove(key).filter(|write| write.over == version(known)).map(|write| write.status)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ticket(version: u64) -> Ticket {
        let object = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket", "spec": {"title": "Checkout is down"},
            "metadata": {"name": "inc-a", "namespace": "payments", "resourceVersion": version.to_string()},
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn the_api_may_have_what_was_sent_over_what_is_known_until_it_answers() {
        let (unanswered, key) = (Unanswered::default(), Key::new("payments", "inc-a"));
        let status = TicketStatus { epoch: Some(7), ..TicketStatus::default() };
        unanswered.sends(&key, &ticket(5), &status);
        assert_eq!(unanswered.over(&key, &ticket(5)), Some(status.clone()));
        unanswered.sends(&key, &ticket(5), &status);
        assert_eq!(unanswered.over(&key, &ticket(6)), None, "what was written since is known");
        unanswered.sends(&key, &ticket(5), &status);
        unanswered.answered(&key);
        assert_eq!(unanswered.over(&key, &ticket(5)), None);
    }
}
