//! Inhibition: while an alert that is the cause fires, those it explains tell nobody.
//!
//! Alertmanager's rules: a target is inhibited while some source fires whose values of `equal` are the target's, a
//! missing label being an empty one. An alert that matches both sides is inhibited only by sources that do not, so that
//! no alert inhibits itself and no two each other. A source need not be told to anybody itself: one that is silenced or
//! inhibited inhibits all the same.

use crate::{labels::Labels, matcher::Matcher};

/// Which alerts hold which others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inhibition {
    /// Unique in the policy.
    pub name: String,
    /// The causes: all must match; never empty.
    pub source: Vec<Matcher>,
    /// What they explain: all must match; never empty.
    pub target: Vec<Matcher>,
    /// Labels whose values must be the same on both.
    pub equal: Vec<String>,
}

/// An alert that fires and is the source of a rule.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The rule.
    pub rule: &'a Inhibition,
    /// The alert, as the policy reads it.
    pub labels: &'a Labels,
    is_target: bool,
}

impl Inhibition {
    /// Whether an alert with these labels is a cause by this rule.
    pub fn is_source(&self, labels: &Labels) -> bool {
        self.source.iter().all(|matcher| matcher.matches(labels))
    }

    /// Whether an alert with these labels can be explained by this rule.
    pub fn is_target(&self, labels: &Labels) -> bool {
        self.target.iter().all(|matcher| matcher.matches(labels))
    }
}

/// Of these alerts the sources of each rule, in the order of the rules, then of the labels. Found once for all targets.
pub fn sources<'a>(rules: &'a [Inhibition], firing: impl IntoIterator<Item = &'a Labels>) -> Vec<Source<'a>> {
    if rules.is_empty() {
        return Vec::new();
    }
    let mut firing: Vec<&Labels> = firing.into_iter().collect();
    // The order in which alerts arrived must not show in the reasons.
    firing.sort_unstable();
    let of = |rule: &'a Inhibition| {
        let meant = firing.iter().copied().filter(|labels| rule.is_source(labels));
        meant.map(|labels| Source { rule, labels, is_target: rule.is_target(labels) }).collect::<Vec<_>>()
    };
    rules.iter().flat_map(of).collect()
}

impl Source<'_> {
    /// Whether it inhibits an alert with these labels.
    pub fn inhibits(&self, target: &Labels) -> bool {
        let equal = |name: &String| value(self.labels, name) == value(target, name);
        self.rule.is_target(target)
            && self.rule.equal.iter().all(equal)
            && !(self.is_target && self.rule.is_source(target))
    }

    /// "inhibited by RegionDown (rule region, equal region="eu-1")".
    pub fn sentence(&self) -> String {
        let rule = self.rule;
        let same: Vec<String> =
            rule.equal.iter().map(|name| format!("{name}={:?}", value(self.labels, name))).collect();
        let same = if same.is_empty() { String::new() } else { format!(", equal {}", same.join(", ")) };
        format!("inhibited by {} (rule {}{same})", super::judge::title(self.labels), rule.name)
    }
}

fn value<'l>(labels: &'l Labels, name: &str) -> &'l str {
    labels.get(name).map_or("", String::as_str)
}
