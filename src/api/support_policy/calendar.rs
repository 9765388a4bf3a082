//! Working calendars.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Working time: a week of local hours, and the dates that are otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Calendar {
    /// The name used in SLA targets. "always" is built in: round the clock.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
    /// The IANA time zone of the hours: Europe/Berlin.
    #[schemars(schema_with = "schema::time_zone")]
    pub time_zone: String,
    /// The hours of each day of the week.
    #[serde(default)]
    pub week: Week,
    /// Dates that are otherwise, instead of the hours of the week.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["date"]))]
    pub dates: Vec<CalendarDate>,
}

/// The hours of each day of the week, such as "09:00-17:00", several a day; none: a day off. "22:00-30:00" runs past
/// midnight and belongs to the day it starts on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Week {
    /// Hours that start on Monday.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::hours")]
    pub monday: Vec<String>,
    /// Hours that start on Tuesday.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::hours")]
    pub tuesday: Vec<String>,
    /// Hours that start on Wednesday.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::hours")]
    pub wednesday: Vec<String>,
    /// Hours that start on Thursday.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::hours")]
    pub thursday: Vec<String>,
    /// Hours that start on Friday.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::hours")]
    pub friday: Vec<String>,
    /// Hours that start on Saturday.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::hours")]
    pub saturday: Vec<String>,
    /// Hours that start on Sunday.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::hours")]
    pub sunday: Vec<String>,
}

impl Week {
    /// The days with the names of their fields, Monday first.
    pub fn days(&self) -> [(&'static str, &[String]); 7] {
        [
            ("monday", &self.monday),
            ("tuesday", &self.tuesday),
            ("wednesday", &self.wednesday),
            ("thursday", &self.thursday),
            ("friday", &self.friday),
            ("saturday", &self.saturday),
            ("sunday", &self.sunday),
        ]
    }
}

/// A date that is otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalendarDate {
    /// The local date: 2026-12-25.
    #[schemars(schema_with = "schema::date")]
    pub date: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::some_text::<64>")]
    pub name: Option<String>,
    /// The hours that start on this date. An empty list: a holiday.
    #[schemars(schema_with = "schema::hours")]
    pub hours: Vec<String>,
}
