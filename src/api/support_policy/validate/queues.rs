//! Queues and the priority matrix.

use std::collections::BTreeMap;

use domain::{
    policy::{Cell, Queue as Valid},
    problem::Problem,
    time::format_duration,
};

use super::{DAY, Names};
use crate::{
    findings::{Findings, seconds},
    support_policy::{MatrixCell, Queue},
};

pub(super) fn read(findings: &mut Findings, queues: &[Queue], names: &Names<'_>) -> BTreeMap<String, Valid> {
    let mut valid = BTreeMap::new();
    for (i, queue) in queues.iter().enumerate() {
        let path = format!("spec.queues[{i}]");
        if let Some(channel) = &queue.channel {
            names.channel(findings, &format!("{path}.channel"), channel);
            if names.emails.get(channel.as_str()).is_some_and(|email| email.to.is_empty()) {
                findings.error(
                    format!("{path}.channel"),
                    format!("the email channel `{channel}` has no `to`, so it reaches nobody by itself; give it one"),
                );
            }
        }
        let reopen_within =
            findings.duration(&format!("{path}.reopenWithin"), &queue.reopen_within, seconds(3_600)..=DAY * 365);
        let close_after =
            findings.duration(&format!("{path}.closeAfter"), &queue.close_after, seconds(3_600)..=DAY * 366);
        if close_after <= reopen_within {
            let problem = Problem::error(
                format!("{path}.closeAfter"),
                format!(
                    "expected more than {}, how long a message reopens the ticket (reopenWithin), found `{}`",
                    format_duration(reopen_within),
                    queue.close_after
                ),
            );
            findings.add(problem.suggest("a Closed ticket never opens again"));
        }
        valid.insert(queue.name.clone(), Valid { channel: queue.channel.clone(), reopen_within, close_after });
    }
    valid
}

pub(super) fn matrix(cells: &[MatrixCell]) -> Vec<Cell> {
    cells
        .iter()
        .map(|cell| Cell { impact: cell.impact.into(), urgency: cell.urgency.into(), priority: cell.priority.clone() })
        .collect()
}
