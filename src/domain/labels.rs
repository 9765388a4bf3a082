//! Labels and the fingerprint of a set of them.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Names and values, sorted by name.
pub type Labels = BTreeMap<String, String>;

/// The identity of an alert: FNV-1a 64 over the sorted `name 0xFF value 0xFF`, as Alertmanager
/// and Prometheus compute it (prometheus/common `LabelSet.Fingerprint`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// The fingerprint of these labels.
    pub fn of(labels: &Labels) -> Self {
        let separator = [0xFF_u8];
        let bytes =
            labels.iter().flat_map(|(name, value)| name.bytes().chain(separator).chain(value.bytes()).chain(separator));
        Self(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self).map_err(|_| format!("expected 16 hexadecimal digits, found `{text}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_alertmanagers() {
        let labels = Labels::from([("alertname".into(), "x".into()), ("severity".into(), "page".into())]);
        assert_eq!(Fingerprint::of(&labels).to_string(), "28a5f3855e9d7caa");
    }

    #[test]
    fn moving_a_letter_between_name_and_value_changes_the_fingerprint() {
        let one = Labels::from([("ab".into(), "c".into())]);
        let other = Labels::from([("a".into(), "bc".into())]);
        assert_ne!(Fingerprint::of(&one), Fingerprint::of(&other));
    }
}
