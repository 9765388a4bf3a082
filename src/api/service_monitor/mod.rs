//! ServiceMonitor: one thing that is probed, and what counts as up, degraded and down.

mod probe;
mod slo;
mod status;
mod validate;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use probe::{
    BodyExpect, Expect, Header, HeaderExpect, HttpProbe, Method, Probe, Redirects, ScriptLine, TcpProbe, Tls,
};
pub use slo::{BurnRate, Checkpoint, Counted, CountedSlower, Slo, SloStatus};
pub use status::{Certificate, LastSample, PhaseTimes, ServiceMonitorStatus, State, Uptime};

pub use validate::validate;

use crate::schema;

/// One thing that is probed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "firstline.dev",
    version = "v1alpha1",
    kind = "ServiceMonitor",
    plural = "svcmonitors",
    singular = "svcmonitor",
    shortname = "svcmon",
    category = "firstline",
    namespaced,
    status = "ServiceMonitorStatus",
    derive = "PartialEq",
    doc = "One thing that is probed, and what counts as up, degraded and down.",
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.service"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.since"),
    printcolumn(name = "Uptime 24h", type_ = "string", json_path = ".status.uptime.24h"),
    printcolumn(name = "Ticket", type_ = "string", json_path = ".status.ticket"),
    printcolumn(name = "Target", type_ = "string", json_path = ".status.target", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason", priority = 1),
    printcolumn(name = "Cert expires", type_ = "string", json_path = ".status.certificate.notAfter", priority = 1),
    printcolumn(name = "SLO left", type_ = "string", json_path = ".status.sloLeft", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitorSpec {
    /// What users call the thing; becomes the alert label service.
    #[schemars(schema_with = "schema::some_text::<63>")]
    pub service: String,
    /// How urgent it is when it is down; becomes the alert label severity.
    #[serde(default)]
    pub severity: Severity,
    /// From the start of one probe to the start of the next (1s to 24h).
    #[serde(default = "interval")]
    #[schemars(schema_with = "schema::duration")]
    pub interval: String,
    /// For the whole probe with all its redirects (100ms to 2m).
    #[serde(default = "timeout")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: String,
    /// What is looked at: exactly one of http and tcp.
    pub probe: Probe,
    /// How many looks make a state.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// What is promised of it. An error budget that is used up too fast raises SloBurn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub slo: Vec<Slo>,
    /// What it needs. While one of these is down and somebody is told of that, as loudly at least, this monitor tells
    /// nobody; what is still broken a minute after it has recovered does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.monitor == a.monitor))").message("expected each monitor once"))]
    pub depends_on: Vec<Dependency>,
    /// What the alert says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AlertText")]
    pub alert: Option<AlertText>,
    /// Stops probing. An open ticket stays open.
    #[serde(default)]
    pub suspend: bool,
}

/// Something that a monitor needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// A ServiceMonitor of the same namespace.
    #[schemars(schema_with = "schema::object_name")]
    pub monitor: String,
}

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Recorded; makes no ticket unless its route says so.
    Info,
    /// Work for the next working hours.
    #[default]
    Ticket,
    /// Wakes a person.
    Page,
}

impl From<Severity> for domain::alert::Severity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Ticket => Self::Ticket,
            Severity::Page => Self::Page,
        }
    }
}

impl From<domain::alert::Severity> for Severity {
    fn from(severity: domain::alert::Severity) -> Self {
        match severity {
            domain::alert::Severity::Info => Self::Info,
            domain::alert::Severity::Ticket => Self::Ticket,
            domain::alert::Severity::Page => Self::Page,
        }
    }
}

/// How many looks make a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Thresholds {
    /// So many failures in a row are Down.
    #[serde(default = "down")]
    #[schemars(range(min = 1, max = 100))]
    pub down: u32,
    /// So many successes in a row are Up again.
    #[serde(default = "up")]
    #[schemars(range(min = 1, max = 100))]
    pub up: u32,
    /// After a first failure the next tries come at this pace instead of the interval (100ms to 24h).
    #[serde(default = "confirm_every")]
    #[schemars(schema_with = "schema::duration")]
    pub confirm_every: String,
    /// A success that takes longer is slow (1ms to 2m): `down` of them in a row are Degraded. Absent: nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub degraded_above: Option<String>,
    /// When going up and down counts as Flapping. Absent: it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Flapping")]
    pub flapping: Option<Flapping>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { down: down(), up: up(), confirm_every: confirm_every(), degraded_above: None, flapping: None }
    }
}

/// When going up and down counts as Flapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Flapping {
    /// So many changes between answering and Down within the window; it ends when one window passes without a change.
    #[schemars(range(min = 2, max = 100))]
    pub changes: u32,
    /// The time in which the changes are counted (1m to 24h).
    #[schemars(schema_with = "schema::duration")]
    pub window: String,
}

/// What the alert says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertText {
    /// One line that becomes the title of a ticket that MonitorDown opens. Absent: the service and what is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<500>")]
    pub summary: Option<String>,
    /// What a person should know who is woken by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<4096>")]
    pub description: Option<String>,
    /// The guide that says what to do: its name, or a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<2048>")]
    pub guide: Option<String>,
    /// More labels, for matching and grouping. They cannot replace alertname, namespace, monitor, service, severity and slo.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: BTreeMap<String, String>,
}

fn interval() -> String {
    "30s".into()
}

fn timeout() -> String {
    "10s".into()
}

fn down() -> u32 {
    3
}

fn up() -> u32 {
    2
}

fn confirm_every() -> String {
    "2s".into()
}
