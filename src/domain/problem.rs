//! What is wrong with an input: where, what, and what to write instead.
//!
//! One type for validation of specs, references, fixtures and files, so that
//! `firstline validate`, a GitSource's status and a condition say the same.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a [`Problem`] stops the object from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The object is used; a person should look at it.
    Warning,
    /// The object is not used.
    Error,
}

/// One finding about one field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// The field, from the root of the object: `spec.routes[2].match[0]`.
    pub path: String,
    /// What was expected and what was found, as a sentence without a full stop.
    pub message: String,
    /// What to write instead, where that is known: "did you mean `ada`?".
    pub suggestion: Option<String>,
    /// Whether it stops the object from being used.
    pub severity: Severity,
}

impl Problem {
    /// A finding that stops the object from being used.
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), suggestion: None, severity: Severity::Error }
    }

    /// A finding that a person should look at; the object is used.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, message) }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// Adds "did you mean …?" when one of `known` is close to `written`, else the list of what is known.
    #[must_use]
    pub fn suggest_from<'a>(self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match suggestion_from(written, known) {
            Some(text) => self.suggest(text),
            None => self,
        }
    }

    /// Puts `prefix` before the path: `routes[0]` becomes `spec.routes[0]`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.path = match (prefix.is_empty(), self.path.is_empty()) {
            (true, _) => self.path,
            (false, true) => prefix.to_owned(),
            (false, false) if self.path.starts_with('[') => format!("{prefix}{}", self.path),
            (false, false) => format!("{prefix}.{}", self.path),
        };
        self
    }

    /// Whether it stops the object from being used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

/// So many known words are listed in full: all kinds of resources.
const SHORT: usize = 12;
/// And of more than that only the first, so that nobody takes them for all.
const FIRST: usize = 5;

/// "did you mean `x`?" for the closest known word (at most a third of its letters changed, but one letter
/// always), else "known: a, b, c", of a long list the first.
fn suggestion_from<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    let closest = known
        .iter()
        .map(|candidate| (strsim::osa_distance(written, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance);
    if let Some((_, candidate)) = closest {
        return Some(format!("did you mean `{candidate}`?"));
    }
    if known.is_empty() {
        return None;
    }
    let more = if known.len() > SHORT { ", …" } else { "" };
    known.truncate(if more.is_empty() { SHORT } else { FIRST });
    Some(format!("known: {}{more}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_offered_as_the_word_meant() {
        let problem =
            Problem::error("steps[1].notify[0]", "no person is called `ana`").suggest_from("ana", ["ada", "bob"]);
        assert_eq!(problem.to_string(), "steps[1].notify[0]: no person is called `ana`; did you mean `ada`?");
    }

    #[test]
    fn a_word_far_from_all_gets_the_list_of_what_is_known() {
        let problem = Problem::error("to", "no channel is called `pager`").suggest_from("pager", ["mail", "chat"]);
        assert_eq!(problem.suggestion.as_deref(), Some("known: chat, mail"));
    }

    #[test]
    fn a_prefix_joins_with_a_dot_except_before_an_index() {
        assert_eq!(Problem::error("a", "").under("spec").path, "spec.a");
        assert_eq!(Problem::error("[0]", "").under("spec.list").path, "spec.list[0]");
        assert_eq!(Problem::error("", "").under("spec").path, "spec");
    }
}
