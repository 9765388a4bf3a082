//! From a Silence's spec to what the engines ask.

use domain::{labels::Labels, problem::Problem, suppression::Silence as Valid, time::whole_seconds};
use jiff::SignedDuration;

use super::Silence;
use crate::{
    findings::{Findings, Validated},
    support_policy::look_at_list,
};

/// The longest silence. Something that must be quiet for longer is not a silence but a change of policy.
const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Reads a Silence.
///
/// # Errors
/// All problems, warnings among them, when one of them is an error.
pub fn validate(silence: &Silence) -> Result<Validated<Valid>, Vec<Problem>> {
    let mut findings = Findings::default();
    let spec = &silence.spec;
    let matchers = findings.matchers("spec.matchers", &spec.matchers);
    let all_read = matchers.len() == spec.matchers.len();
    if all_read && matchers.iter().all(|matcher| matcher.matches(&Labels::new())) {
        findings.error(
            "spec.matchers",
            "expected at least one matcher that does not match an absent label, else everything would be muted",
        );
    }
    // As their senders wrote them: nothing is known of severity here.
    look_at_list(&mut findings, "spec.matchers", &spec.matchers, &matchers, None);
    let length = spec.ends_at.duration_since(spec.starts_at);
    if length <= SignedDuration::ZERO {
        findings.error("spec.endsAt", "expected endsAt after startsAt");
    } else if length > LONGEST {
        findings.error("spec.endsAt", "expected at most 30 days between startsAt and endsAt");
    }
    findings.finish(Valid {
        namespace: silence.metadata.namespace.clone().unwrap_or_default(),
        name: silence.metadata.name.clone().unwrap_or_default(),
        matchers,
        starts_at: whole_seconds(spec.starts_at),
        ends_at: whole_seconds(spec.ends_at),
        reason: spec.reason.clone(),
        author: spec.author.clone().unwrap_or_default(),
    })
}
