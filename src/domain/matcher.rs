//! Alertmanager's matchers over labels: one type for policies, routes, silences and inhibition.

use std::fmt;

use regex::Regex;

use crate::{labels::Labels, problem::Problem};

/// One condition on one label. An absent label is read as the empty string, as Alertmanager does.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// The condition.
    pub op: Op,
}

/// A condition on a label's value. Regular expressions are anchored at both ends.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Op {
    Equal(String),
    NotEqual(String),
    Match(String, Regex),
    NotMatch(String, Regex),
}

impl Matcher {
    /// Reads `service="checkout"`, `env!="dev"`, `team=~"pay.*"`, `zone!~"eu-.*"`; quotes may be left out.
    ///
    /// # Errors
    /// A [`Problem`] without path that says what was expected.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let _ = text;
        Err(Problem::error("", "not written yet"))
    }

    /// Whether these labels fulfil the condition.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.name).map_or("", String::as_str);
        match &self.op {
            Op::Equal(wanted) => value == wanted,
            Op::NotEqual(unwanted) => value != unwanted,
            Op::Match(_, regex) => regex.is_match(value),
            Op::NotMatch(_, regex) => !regex.is_match(value),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op, value) = match &self.op {
            Op::Equal(value) => ("=", value),
            Op::NotEqual(value) => ("!=", value),
            Op::Match(value, _) => ("=~", value),
            Op::NotMatch(value, _) => ("!~", value),
        };
        write!(f, "{}{op}{value:?}", self.name)
    }
}
