//! What can be wrong with a ComplianceRule's spec beyond its schema: nothing yet that would stop it from being used.

use domain::problem::Problem;

use super::ComplianceRule;
use crate::findings::{Findings, Validated};

/// Reads a ComplianceRule.
///
/// # Errors
/// All problems, warnings among them, when one of them is an error.
pub fn validate(rule: &ComplianceRule) -> Result<Validated<()>, Vec<Problem>> {
    let mut findings = Findings::default();
    if rule.spec.title.trim().is_empty() {
        findings.error("spec.title", "expected what the control demands, found only spaces");
    }
    findings.finish(())
}
