//! Which alerts hold which others.

use domain::{
    matcher::{Matcher, Op},
    problem::Problem,
    suppression::Inhibition as Valid,
};

use super::routes::warn_of_what_never_matches;
use crate::{findings::Findings, support_policy::Inhibition};

pub(super) fn read(findings: &mut Findings, rules: &[Inhibition]) -> Vec<Valid> {
    findings.unique("spec.inhibit", "names of inhibitions", rules.iter().map(|rule| rule.name.as_str()));
    let numbered = rules.iter().enumerate();
    numbered.map(|(i, written)| rule(findings, &format!("spec.inhibit[{i}]"), written)).collect()
}

fn rule(findings: &mut Findings, path: &str, written: &Inhibition) -> Valid {
    let mut side = |name: &str, texts: &[String]| {
        let path = format!("{path}.{name}");
        if texts.is_empty() {
            findings.error(&path, "expected at least one matcher: without any, every alert would be meant");
        }
        let matchers = findings.matchers(&path, texts);
        warn_of_what_never_matches(findings, &path, texts, &matchers);
        matchers
    };
    let (source, target) = (side("source", &written.source), side("target", &written.target));
    if !source.is_empty() && !target.is_empty() && covers(&source, &target) {
        findings.add(
            Problem::warning(
                path,
                "whatever matches `target` matches `source` too, and an alert that matches both sides is held only by \
                 one that is no target: write what tells the cause from what it explains",
            )
            .suggest("add a matcher to `source` that no target fulfils"),
        );
    }
    for (i, label) in written.equal.iter().enumerate() {
        if label == "severity" {
            findings.warning(
                format!("{path}.equal[{i}]"),
                "severity is page, ticket or info here: a cause rarely has the severity of what it explains",
            );
        }
        if written.equal.iter().take(i).any(|other| other == label) {
            findings.warning(format!("{path}.equal[{i}]"), "named before in this list; it changes nothing");
        }
    }
    Valid { name: written.name.clone(), source, target, equal: written.equal.clone() }
}

/// Whether every alert that fulfils `narrow` surely fulfils `wide` too. What only a look at all texts could tell is not
/// claimed.
pub(super) fn covers(wide: &[Matcher], narrow: &[Matcher]) -> bool {
    wide.iter().all(|matcher| {
        narrow.iter().any(|other| {
            other == matcher
                || (other.name == matcher.name && matches!(&other.op, Op::Equal(value) if matcher.matches_value(value)))
        })
    })
}
