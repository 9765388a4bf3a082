//! From an OnCallOverride's spec to what on-call is asked with.

use domain::{oncall::Override, problem::Problem, time::whole_seconds};
use jiff::{SignedDuration, Timestamp};

use super::OnCallOverride;
use crate::findings::{Findings, Validated};

/// The longest override. Who is away for longer is taken out of the layers.
const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Reads an OnCallOverride. Whether its policy knows the schedule and the people is known where that policy is.
///
/// # Errors
/// All problems, when there is one.
pub fn validate(object: &OnCallOverride) -> Result<Validated<Override>, Vec<Problem>> {
    let mut findings = Findings::default();
    let spec = &object.spec;
    let length = spec.until.duration_since(spec.from);
    if length <= SignedDuration::ZERO {
        findings.error("spec.until", "expected until after from");
    } else if length > LONGEST {
        findings.error("spec.until", "expected at most 366 days between from and until");
    }
    if spec.replaces.as_ref() == Some(&spec.person) {
        findings.error("spec.replaces", "expected replaces to be somebody else than person");
    }
    let created = object.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |created| created.0);
    findings.finish(Override {
        name: object.metadata.name.clone().unwrap_or_default(),
        schedule: spec.schedule.clone(),
        person: spec.person.clone(),
        replaces: spec.replaces.clone(),
        from: whole_seconds(spec.from),
        until: whole_seconds(spec.until),
        created: whole_seconds(created),
    })
}
