//! A mail to several people, of whom some have it and some have not.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Notification, NotificationState};
use crate::schema;

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
    /// It is not tried any more. What has reached some of its recipients counts as accepted, else it is as `state` says.
    pub fn end_as(&mut self, state: NotificationState) {
        self.state = if self.reached.is_empty() { state } else { NotificationState::Accepted };
        self.retry_at = None;
    }
}
