//! Matchers that no alert can fulfil: within one list, against those of the routes above, against the policy's own.
//!
//! What can be told is told by [`Conjunction`]; what cannot be told is left alone.

use domain::{
    matcher::{Conjunction, Contradiction, Matcher, Op},
    policy::Policy,
    problem::Problem,
    routing::KNOWN,
};

use crate::{findings::Findings, support_policy::SupportPolicySpec};

/// Labels that every alert of a monitor has.
const OWN_LABELS: [&str; 5] = ["alertname", "namespace", "monitor", "service", "severity"];

/// Looks at every list of matchers but those of routes above each other.
pub(super) fn check(findings: &mut Findings, spec: &SupportPolicySpec, policy: &Policy) {
    look_at_list(findings, "spec.match", &spec.matchers, &policy.matchers, Some(policy));
    for (i, (written, route)) in spec.routes.iter().zip(policy.routes.iter()).enumerate() {
        look_at_list(findings, &format!("spec.routes[{i}].match"), &written.matchers, &route.matchers, Some(policy));
    }
    for (i, (written, rule)) in spec.inhibit.iter().zip(&policy.inhibit).enumerate() {
        let path = format!("spec.inhibit[{i}]");
        look_at_list(findings, &format!("{path}.source"), &written.source, &rule.source, Some(policy));
        look_at_list(findings, &format!("{path}.target"), &written.target, &rule.target, Some(policy));
    }
}

/// Looks at one list. With a policy the list is about alerts as it reads them, so that severity is one of three words. A
/// list of which a part could not be read is left alone: that is said already.
pub(crate) fn look_at_list(
    findings: &mut Findings,
    path: &str,
    written: &[String],
    matchers: &[Matcher],
    policy: Option<&Policy>,
) {
    if written.len() != matchers.len() {
        return;
    }
    for (i, matcher) in matchers.iter().enumerate() {
        warn_of_a_near_miss(findings, &format!("{path}[{i}]"), matcher);
    }
    let known = if policy.is_some() { KNOWN } else { &[] };
    let Some(Contradiction { among, .. }) = Conjunction::new(matchers, known).contradiction() else { return };
    let named: Vec<&Matcher> = among.iter().filter_map(|place| matchers.get(*place)).collect();
    let Some(place) = among.last() else { return };
    let path = format!("{path}[{place}]");
    let problem = match (named.as_slice(), policy) {
        ([one], Some(policy)) if KNOWN.iter().any(|(name, _)| *name == one.name) => no_such_severity(path, one, policy),
        ([one], _) => Problem::error(path, format!("no label has a value that {one} matches"))
            .suggest("leave it out, or write the values that are meant"),
        ([first, second], _) => Problem::error(
            path,
            format!("{first} and {second} cannot both hold, so nothing ever matches: all matchers of a list must hold"),
        )
        .suggest(instead_of(first, second)),
        _ => Problem::error(
            path,
            format!(
                "{} cannot all hold, so nothing ever matches: all matchers of a list must hold",
                crate::findings::words(&named.iter().map(ToString::to_string).collect::<Vec<_>>(), "and")
            ),
        )
        .suggest("leave one of them out"),
    };
    findings.add(problem);
}

/// Two values of one label are more often meant as either than as both.
fn instead_of(first: &Matcher, second: &Matcher) -> String {
    let plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    match (&first.op, &second.op) {
        (Op::Equal(one), Op::Equal(other)) if plain(one) && plain(other) && !one.is_empty() && !other.is_empty() => {
            format!("write {}=~\"{one}|{other}\" for either of them", first.name)
        }
        _ => "leave one of them out".to_owned(),
    }
}

fn no_such_severity(path: String, matcher: &Matcher, policy: &Policy) -> Problem {
    let message =
        format!("no alert has {matcher}: severity is page, ticket or info here, whatever word its sender used");
    let problem = Problem::error(path, message);
    let Op::Equal(word) = &matcher.op else { return problem.suggest("write what page, ticket or info match") };
    let known =
        policy.severities.contains_key(word) || Policy::DEFAULT_SEVERITIES.iter().any(|(known, _)| known == word);
    if known {
        let meant = policy.severity(word);
        return problem.suggest(format!("write severity=\"{meant}\", which is what `{word}` means here"));
    }
    let close = problem.clone().suggest_from(word, ["page", "ticket", "info"]);
    if close.suggestion.as_ref().is_some_and(|text| text.starts_with("did you mean")) {
        return close;
    }
    problem.suggest(format!("write one of the three, and in spec.severities which of them `{word}` is"))
}

/// A label whose name is one letter away from one of ours sends pages to another route without a word.
fn warn_of_a_near_miss(findings: &mut Findings, path: &str, matcher: &Matcher) {
    let close = Problem::warning(path, format!("no alert of ours has a label `{}`", matcher.name))
        .suggest_from(&matcher.name, OWN_LABELS);
    let typo = close.suggestion.as_ref().is_some_and(|text| text.starts_with("did you mean"));
    if typo && !OWN_LABELS.contains(&matcher.name.as_str()) {
        findings.add(close);
    }
}
