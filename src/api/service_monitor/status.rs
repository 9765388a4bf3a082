//! What was seen of a monitor's target.

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::slo::{Checkpoint, SloStatus};
use crate::{conditions::Condition, schema};

/// What was seen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitorStatus {
    /// The generation of the spec that this status is about.
    #[serde(default = "crate::unobserved")]
    #[schemars(range(min = -1, max = schema::MAX_INT64))]
    pub observed_generation: i64,
    /// Ready, Reconciling, Stalled (whether we probe) and Healthy (whether the target is well).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// How the target is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "State")]
    pub state: Option<State>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub since: Option<Timestamp>,
    /// Why the last probe failed, as a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<63>")]
    pub reason: Option<String>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<1024>")]
    pub message: Option<String>,
    /// What is probed: the URL or host:port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<2048>")]
    pub target: Option<String>,
    /// The sample of the last transition. Live values are metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LastSample")]
    pub last: Option<LastSample>,
    /// Percent of the looks that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Uptime")]
    pub uptime: Option<Uptime>,
    /// The certificate the target showed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Certificate")]
    pub certificate: Option<Certificate>,
    /// How each promise stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub slo: Vec<SloStatus>,
    /// The least that is left of an error budget, in percent, and of which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<128>")]
    pub slo_left: Option<String>,
    /// What the next process goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Checkpoint")]
    pub checkpoint: Option<Checkpoint>,
    /// The open ticket about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<253>")]
    pub ticket: Option<String>,
}

/// How a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum State {
    /// It does what is expected.
    Up,
    /// It does, but slowly.
    Degraded,
    /// It does not.
    Down,
    /// It changes back and forth.
    Flapping,
    /// We could not look, or have not looked yet.
    Unknown,
    /// What happens to it was announced; nothing new is said until that ends.
    Maintenance,
    /// The monitor is suspended.
    Suspended,
}

impl From<domain::probe::verdict::State> for State {
    fn from(state: domain::probe::verdict::State) -> Self {
        use domain::probe::verdict::State as Word;
        match state {
            Word::Up => Self::Up,
            Word::Degraded => Self::Degraded,
            Word::Down => Self::Down,
            Word::Flapping => Self::Flapping,
            Word::Unknown => Self::Unknown,
            Word::Maintenance => Self::Maintenance,
            Word::Suspended => Self::Suspended,
        }
    }
}

impl From<State> for domain::probe::verdict::State {
    fn from(state: State) -> Self {
        match state {
            State::Up => Self::Up,
            State::Degraded => Self::Degraded,
            State::Down => Self::Down,
            State::Flapping => Self::Flapping,
            State::Unknown => Self::Unknown,
            State::Maintenance => Self::Maintenance,
            State::Suspended => Self::Suspended,
        }
    }
}

/// One look at a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastSample {
    /// When the probe began.
    #[schemars(schema_with = "schema::instant")]
    pub at: Timestamp,
    /// How long it took.
    #[schemars(schema_with = "schema::duration")]
    pub duration: String,
    /// How long each phase took that was reached.
    #[serde(default)]
    pub phases: PhaseTimes,
    /// The address that was connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<128>")]
    pub address: Option<String>,
    /// The status code of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 100, max = 999))]
    pub http_status: Option<u32>,
}

/// How long each phase of a probe took.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseTimes {
    /// Name resolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub dns: Option<String>,
    /// TCP connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub connect: Option<String>,
    /// TLS handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub tls: Option<String>,
    /// Request sent until the first byte of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub first_byte: Option<String>,
    /// First byte until the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub transfer: Option<String>,
}

/// Percent of the looks that succeeded, such as 99.98; absent while nothing is known of that long.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
pub struct Uptime {
    /// The last hour.
    #[serde(rename = "1h", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<16>")]
    pub hour: Option<String>,
    /// The last 24 hours.
    #[serde(rename = "24h", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<16>")]
    pub day: Option<String>,
    /// The last 7 days.
    #[serde(rename = "7d", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<16>")]
    pub week: Option<String>,
    /// The last 30 days.
    #[serde(rename = "30d", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<16>")]
    pub month: Option<String>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// The earliest end of validity in the chain.
    #[schemars(schema_with = "schema::instant")]
    pub not_after: Timestamp,
    /// Who issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<512>")]
    pub issuer: Option<String>,
}
