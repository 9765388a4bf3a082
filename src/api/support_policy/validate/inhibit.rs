//! Which alerts hold which others.

use domain::{
    matcher::{Conjunction, Matcher},
    problem::Problem,
    routing::KNOWN,
    suppression::Inhibition as Valid,
};

use super::routes::warn_of_repetitions;
use crate::{
    findings::{Findings, words},
    support_policy::Inhibition,
};

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
        findings.matchers(&path, texts)
    };
    let (source, target) = (side("source", &written.source), side("target", &written.target));
    let read = source.len() == written.source.len() && target.len() == written.target.len();
    let explained = Conjunction::new(&target, KNOWN);
    let (holds, fires) =
        (explained.contradiction().is_none(), Conjunction::new(&source, KNOWN).contradiction().is_none());
    if read && holds && fires {
        findings.add_all(never_equal(path, written, &source, &target));
    }
    if read && holds && !source.is_empty() && !target.is_empty() && explained.implies(&source) {
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
    }
    warn_of_repetitions(findings, &format!("{path}.equal"), &written.equal);
    Valid { name: written.name.clone(), source, target, equal: written.equal.clone() }
}

/// Sides that ask for different values of a label that has to be the same on both.
fn never_equal(path: &str, written: &Inhibition, source: &[Matcher], target: &[Matcher]) -> Option<Problem> {
    let same = |matcher: &&Matcher| written.equal.contains(&matcher.name);
    let both: Vec<&Matcher> = source.iter().filter(same).chain(target.iter().filter(same)).collect();
    let found = Conjunction::new(both.iter().copied(), KNOWN).contradiction()?;
    let named: Vec<String> = found.among.iter().filter_map(|place| both.get(*place)).map(ToString::to_string).collect();
    let place = written.equal.iter().position(|label| *label == found.label)?;
    Some(
        Problem::error(
            format!("{path}.equal[{place}]"),
            format!(
                "`{}` is never the same on both sides, where {} hold: the rule would hold nothing",
                found.label,
                words(&named, "and")
            ),
        )
        .suggest("leave the label out of `equal`, or one of these out"),
    )
}
