//! Alertmanager's matchers over labels: one type for policies, routes, silences and inhibition.
//!
//! What Alertmanager reads, we read to the same meaning; [`Matcher::parse`] says which texts we refuse that it
//! still accepts. An absent label and an empty one are the same. Regular expressions are anchored at both ends,
//! and `.` does not match a line feed (write `(?s)` for that), as there.
//!
//! One text is one matcher: lists of them are lists in the specs, not commas.

mod conjunction;
mod expression;
mod parse;

use std::{borrow::Cow, fmt};

use regex::Regex;

pub use conjunction::{Conjunction, Contradiction, Known};

use crate::{labels::Labels, problem::Problem};

/// One condition on one label. An absent label is read as the empty string, as Alertmanager does.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// The condition.
    pub op: Op,
}

/// A condition on a label's value. Regular expressions are anchored at both ends; beside each stands its source.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Op {
    Equal(String),
    NotEqual(String),
    Match(String, Regex),
    NotMatch(String, Regex),
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Match,
    /// `!~`
    NotMatch,
}

impl Comparison {
    /// The sign, as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Match => "=~",
            Self::NotMatch => "!~",
        }
    }
}

impl Matcher {
    /// Reads `service="checkout"`, `env!="dev"`, `team=~"pay.*"`, `zone!~"eu-.*"`. Quotes may be left out of values
    /// without white space and the signs ``{}!=~,\"'` ``, and are needed around names with them.
    ///
    /// Escapes are Alertmanager's: after a plain name (letters, digits, `_`, `:`) only `\"`, `\\` and `\n`, any other
    /// backslash being itself; after other names, and in quoted names, those of Go.
    ///
    /// Refused here, although Alertmanager's older syntax still reads them: unquoted values with the signs above
    /// (`team==a` would compare with `=a`), and the empty value without quotes.
    ///
    /// # Errors
    /// A [`Problem`] without path that says what was expected and found, and where it is clear what to write.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        parse::parse(text)
    }

    /// A matcher from its parts.
    ///
    /// # Errors
    /// A [`Problem`] without path when the name is empty, or the value is to be a regular expression and is none,
    /// or is one that takes more than 1 MiB.
    pub fn new(name: &str, comparison: Comparison, value: &str) -> Result<Self, Problem> {
        if name.is_empty() {
            return Err(Problem::error("", "expected the name of a label, found an empty one"));
        }
        let text = value.to_owned();
        let op = match comparison {
            Comparison::Equal => Op::Equal(text),
            Comparison::NotEqual => Op::NotEqual(text),
            Comparison::Match => Op::Match(text, expression::anchored(value)?),
            Comparison::NotMatch => Op::NotMatch(text, expression::anchored(value)?),
        };
        Ok(Self { name: name.to_owned(), op })
    }

    /// Whether these labels fulfil the condition.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name).map_or("", String::as_str))
    }

    /// Whether a label with this value fulfils the condition.
    pub fn matches_value(&self, value: &str) -> bool {
        match &self.op {
            Op::Equal(wanted) => value == wanted,
            Op::NotEqual(unwanted) => value != unwanted,
            Op::Match(_, regex) => regex.is_match(value),
            Op::NotMatch(_, regex) => !regex.is_match(value),
        }
    }

    /// How the value is compared.
    pub fn comparison(&self) -> Comparison {
        match &self.op {
            Op::Equal(_) => Comparison::Equal,
            Op::NotEqual(_) => Comparison::NotEqual,
            Op::Match(..) => Comparison::Match,
            Op::NotMatch(..) => Comparison::NotMatch,
        }
    }

    /// The value, or the source of the regular expression.
    pub fn value(&self) -> &str {
        match &self.op {
            Op::Equal(value) | Op::NotEqual(value) | Op::Match(value, _) | Op::NotMatch(value, _) => value,
        }
    }
}

/// Equal when they are written the same: name, comparison and value.
impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.comparison(), self.value()) == (&other.name, other.comparison(), other.value())
    }
}

impl Eq for Matcher {}

/// As Alertmanager writes it; [`Matcher::parse`] reads it back to the same.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", bare_or_quoted(&self.name), self.comparison().as_str(), quoted(self.value()))
    }
}

/// All of them, with commas between.
pub(crate) fn list(matchers: &[Matcher]) -> String {
    matchers.iter().map(Matcher::to_string).collect::<Vec<_>>().join(", ")
}

/// A name as it may stand in front of a sign: quoted only when it has to be.
pub(crate) fn bare_or_quoted(name: &str) -> Cow<'_, str> {
    if name.is_empty() || name.contains(parse::is_reserved) { Cow::Owned(quoted(name)) } else { Cow::Borrowed(name) }
}

/// A value in quotes, escaped as OpenMetrics does: `\\`, `\"`, `\n`.
pub(crate) fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
