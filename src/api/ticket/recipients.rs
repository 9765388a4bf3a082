//! A mail to several people, of whom some have it and some have not.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Notification, NotificationState};
use crate::schema;

/// Recipients of each sort that are listed; a channel has no more.
const LISTED: usize = 50;

/// A recipient whom the mail server refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedRecipient {
    /// The address.
    #[schemars(schema_with = "schema::text::<254>")]
    pub recipient: String,
    /// The server's own word.
    #[schemars(schema_with = "schema::text::<256>")]
    pub word: String,
}

impl Notification {
    /// These have it.
    pub fn reach(&mut self, recipients: &[String]) {
        let new: Vec<_> = recipients.iter().filter(|one| !self.reached.contains(one)).cloned().collect();
        self.reached.extend(new);
        self.reached.truncate(LISTED);
    }

    /// These will never get it this way.
    pub fn refuse(&mut self, recipients: impl IntoIterator<Item = RefusedRecipient>) {
        self.refused.extend(recipients);
        self.refused.truncate(LISTED);
    }

    /// It is not tried any more. What has reached some of its recipients counts as accepted, else it is as `state` says.
    pub fn end_as(&mut self, state: NotificationState) {
        self.state = if self.reached.is_empty() { state } else { NotificationState::Accepted };
        self.retry_at = None;
    }
}
