//! What is promised of a target, and how it stands.

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// A promise: of the looks of a window, so many percent are good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slo {
    /// What it is called; becomes the label slo of its alerts.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
    /// The percentage of looks that must be good, as text such as "99". It is read exactly, from 50 to 99.9999.
    #[schemars(schema_with = "schema::percentage")]
    pub objective: String,
    /// Over how long (7d to 90d).
    #[serde(default = "window")]
    #[schemars(schema_with = "schema::duration")]
    pub window: String,
    /// Makes it a promise about latency: a look is good when it is as expected and took no longer than this. Absent: a look
    /// is good when it is as expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub below: Option<String>,
}

/// How a promise stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SloStatus {
    /// Its name.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
    /// The percentage of looks of its window that were good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<16>")]
    pub sli: Option<String>,
    /// What is left of the error budget, in percent: 100 without a bad look, 0 when it is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<16>")]
    pub budget_left: Option<String>,
    /// How many times faster than allowed the error budget was used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BurnRate")]
    pub burn_rate: Option<BurnRate>,
}

/// How many times faster than allowed an error budget was used up; at 1 it lasts exactly for its window.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
pub struct BurnRate {
    /// Over the last hour.
    #[serde(rename = "1h", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<16>")]
    pub hour: Option<String>,
    /// Over the last 6 hours.
    #[serde(rename = "6h", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<16>")]
    pub six_hours: Option<String>,
    /// Over the last day.
    #[serde(rename = "1d", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<16>")]
    pub day: Option<String>,
    /// Over the last 3 days.
    #[serde(rename = "3d", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<16>")]
    pub three_days: Option<String>,
}

/// What the next process goes on from: written and read by Firstline, at most every ten minutes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Looks, counted by whether they failed.
    #[serde(default)]
    pub failures: Counted,
    /// Looks, counted by whether they were slower than so many milliseconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub slower: Vec<CountedSlower>,
    /// When MonitorDown fired last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub last_down: Option<Timestamp>,
    /// When a certificate was seen last that ends too soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub last_expiring: Option<Timestamp>,
}

/// Looks in a row of equal times, newest first: the number of the newest (its time divided by its length), then for each
/// run all looks, `/` the bad ones, `x` how often in a row.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// Of the minutes of a day.
    #[serde(default)]
    #[schemars(schema_with = "schema::text::<16384>")]
    pub minutes: String,
    /// Of the hours of the longest promise.
    #[serde(default)]
    #[schemars(schema_with = "schema::text::<16384>")]
    pub hours: String,
}

/// Looks that were slower than a promise about latency allows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountedSlower {
    /// The longest time that is good, in milliseconds.
    #[schemars(range(min = 1, max = 120_000))]
    pub than: u32,
    /// The looks.
    #[serde(default)]
    pub looks: Counted,
}

impl Checkpoint {
    /// From what is kept of counters and marks.
    pub fn new(tracks: domain::probe::slo::KeptTracks, memory: domain::probe::alerts::KeptMemory) -> Self {
        let slower = tracks
            .slower
            .into_iter()
            .filter_map(|(than, looks)| Some(CountedSlower { than: u32::try_from(than).ok()?, looks: looks.into() }));
        Self {
            failures: tracks.failures.into(),
            slower: slower.collect(),
            last_down: memory.last_down,
            last_expiring: memory.last_expiring,
        }
    }

    /// The counters.
    pub fn tracks(&self) -> domain::probe::slo::KeptTracks {
        let slower = self.slower.iter().map(|slower| (u64::from(slower.than), (&slower.looks).into()));
        domain::probe::slo::KeptTracks { failures: (&self.failures).into(), slower: slower.collect() }
    }

    /// The marks.
    pub fn memory(&self) -> domain::probe::alerts::KeptMemory {
        domain::probe::alerts::KeptMemory { last_down: self.last_down, last_expiring: self.last_expiring }
    }
}

impl From<domain::probe::counters::KeptCounters> for Counted {
    fn from(kept: domain::probe::counters::KeptCounters) -> Self {
        Self { minutes: kept.minutes, hours: kept.hours }
    }
}

impl From<&Counted> for domain::probe::counters::KeptCounters {
    fn from(counted: &Counted) -> Self {
        Self { minutes: counted.minutes.clone(), hours: counted.hours.clone() }
    }
}

fn window() -> String {
    "30d".into()
}
