//! Escalations and their steps.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    policy::{EscalationPolicy as Valid, Repeat as Cycles, Step as ValidStep},
    problem::Problem,
    time::format_duration,
};

use super::{DAY, Names};
use crate::{
    findings::{Findings, seconds},
    support_policy::{Escalation, Step},
};

const WEEK: Duration = seconds(7 * 86_400);

pub(super) fn read(findings: &mut Findings, escalations: &[Escalation], names: &Names<'_>) -> BTreeMap<String, Valid> {
    let mut valid = BTreeMap::new();
    for (i, escalation) in escalations.iter().enumerate() {
        let path = format!("spec.escalations[{i}]");
        let read = Valid {
            name: escalation.name.clone(),
            steps: steps(findings, &format!("{path}.steps"), &escalation.steps, names),
            repeat: Cycles {
                times: escalation.repeat.times,
                every: findings.duration(&format!("{path}.repeat.every"), &escalation.repeat.every, seconds(1)..=WEEK),
            },
            ack_timeout: findings.optional_duration(
                &format!("{path}.ackTimeout"),
                escalation.ack_timeout.as_ref(),
                seconds(60)..=DAY * 30,
            ),
        };
        valid.insert(escalation.name.clone(), read);
    }
    valid
}

fn steps(findings: &mut Findings, path: &str, steps: &[Step], names: &Names<'_>) -> Vec<ValidStep> {
    if steps.is_empty() {
        findings.error(path, "expected at least one step, found none");
    }
    let mut valid: Vec<ValidStep> = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let after = findings.duration(&format!("{path}.after"), &step.after, Duration::ZERO..=WEEK);
        let before = valid.last().map(|step| step.after).filter(|before| *before > after);
        if let Some(before) = before.filter(|_| findings.are_fine_under(&format!("{path}.after"))) {
            let problem = Problem::error(
                format!("{path}.after"),
                format!(
                    "expected at least {}, the `after` of the step before, found `{}`",
                    format_duration(before),
                    step.after
                ),
            );
            findings.add(problem.suggest("`after` counts from the start of the cycle, not from the step before"));
        }
        if step.notify.is_empty() {
            findings.error(format!("{path}.notify"), "expected at least one target, found none");
        }
        valid.push(ValidStep { after, notify: names.targets(findings, &format!("{path}.notify"), &step.notify) });
    }
    valid
}
