//! What was expected and what it is, side by side.

use std::fmt::Display;

use serde::Serialize;

/// One field that is other than expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The field of `expect`: `pages[1]`, `due.resolution`.
    pub field: String,
    /// As it was written.
    pub expected: String,
    /// As it is.
    pub got: String,
}

/// Collects differences.
#[derive(Debug, Default)]
pub(super) struct Differences(pub(super) Vec<Difference>);

impl Differences {
    /// Notes the field when the two differ.
    pub(super) fn compare(&mut self, field: impl Into<String>, expected: impl Display, got: impl Display) {
        let (expected, got) = (expected.to_string(), got.to_string());
        if expected != got {
            self.0.push(Difference { field: field.into(), expected, got });
        }
    }

    /// The same for a field that may say "none".
    pub(super) fn compare_some<T: Display>(&mut self, field: impl Into<String>, expected: Option<T>, got: Option<T>) {
        self.compare(field, or_none(expected), or_none(got));
    }
}

/// The value, or `none`.
pub(super) fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}
