//! An alert: everything that goes wrong is one, whatever noticed it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::labels::{Fingerprint, Labels};

/// How urgent an alert is, after the policy's mapping of the sender's words. Ordered: `Info < Ticket < Page`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
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

impl Severity {
    /// Every severity, from low to high.
    pub const ALL: [Self; 3] = [Self::Info, Self::Ticket, Self::Page];

    /// The word used in labels and specs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }

    /// One of our own three words.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == word)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether an alert fires, and why it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AlertState {
    /// It fires.
    Firing,
    /// Its source says that it is over.
    Recovered,
    /// Its source was deleted or suspended: the chain stops, the ticket stays open.
    SourceRemoved,
}

/// One report about one thing that goes wrong, or went wrong and is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// The namespace whose policies decide and where the ticket lives.
    pub namespace: String,
    /// Identity and routing; carries `alertname`, usually `service` and `severity`.
    pub labels: Labels,
    /// Free text for people: `summary`, `description`, `guide`.
    pub annotations: Labels,
    /// Whether it fires.
    pub state: AlertState,
    /// Since when it fires, as its source says, in whole seconds.
    pub starts_at: Timestamp,
    /// When this state was reached: the start while firing, else the end.
    pub at: Timestamp,
}

impl Alert {
    /// The identity of the alert.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.labels)
    }

    /// The value of a label; empty when absent, as Alertmanager reads it.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// What a person should read first: the summary, else the alert's name and service.
    pub fn title(&self) -> String {
        if let Some(summary) = self.annotations.get("summary").filter(|text| !text.is_empty()) {
            return summary.clone();
        }
        match (self.label("alertname"), self.label("service")) {
            ("", "") => "Alert without a name".to_owned(),
            (name, "") => name.to_owned(),
            ("", service) => service.to_owned(),
            (name, service) => format!("{name}: {service}"),
        }
    }
}
