//! What a group's notices have told, as it is stored on the ticket: all of [`domain::routing::timing::Notices`], flat
//! enough to read.

use domain::routing::timing::{Due, Held, Notices, Why};
use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// What those were told, and will be, whom one route notifies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoticesStatus {
    /// The route; "(acknowledged)" for the updates to the one who acknowledged.
    #[schemars(schema_with = "schema::text::<64>")]
    pub route: String,
    /// How many notices went out.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub count: u32,
    /// When the last went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub last_at: Option<Timestamp>,
    /// When the next is due because something is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub due_at: Option<Timestamp>,
    /// What the next one is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NoticeReason")]
    pub due: Option<NoticeReason>,
    /// Why what is due waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<1024>")]
    pub held_by: Option<String>,
    /// How long it waits on after that has ended, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64", range(min = 0, max = 86400))]
    pub settle_seconds: Option<u32>,
    /// What held it has ended: when it goes out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub free_at: Option<Timestamp>,
    /// Whether nothing fires any more.
    #[serde(default)]
    pub over: bool,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum NoticeReason {
    /// The group began.
    First,
    /// Another alert joined it.
    Changed,
    /// Nothing is new, and it still fires.
    Again,
}

impl NoticesStatus {
    /// As it is stored.
    pub fn new(route: &str, notices: &Notices) -> Self {
        let held = notices.held.as_ref();
        Self {
            route: route.to_owned(),
            count: notices.count,
            last_at: notices.last,
            due_at: notices.due.map(|due| due.at),
            due: notices.due.map(|due| match due.why {
                Why::First => NoticeReason::First,
                Why::Changed => NoticeReason::Changed,
                Why::Again => NoticeReason::Again,
            }),
            held_by: held.map(|held| held.by.chars().take(1_024).collect()),
            settle_seconds: held.map(|held| u32::try_from(held.settle).unwrap_or(u32::MAX)),
            free_at: held.and_then(|held| held.until),
            over: notices.over,
        }
    }

    /// As it is decided on.
    pub fn notices(&self) -> Notices {
        let why = self.due.map_or(Why::First, |due| match due {
            NoticeReason::First => Why::First,
            NoticeReason::Changed => Why::Changed,
            NoticeReason::Again => Why::Again,
        });
        Notices {
            count: self.count,
            last: self.last_at,
            due: self.due_at.map(|at| Due { at, why }),
            held: self.held_by.clone().map(|by| Held {
                by,
                settle: self.settle_seconds.unwrap_or(0).into(),
                until: self.free_at,
            }),
            over: self.over,
        }
    }
}
