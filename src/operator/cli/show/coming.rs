//! What the escalation does next, and when: the operator's own rules, asked about the future.

use api::ticket::TicketStatus;
use domain::{
    escalation::{Effect, Page, Situation, Withdrawn, advance, without_escalation},
    policy::{EscalationPolicy, Policy},
};
use jiff::Timestamp;

use super::Seen;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coming {
    /// When.
    pub(super) at: Timestamp,
    /// What happens then, one sentence each; empty when the policy cannot be read.
    pub(super) what: Vec<String>,
}

/// What comes next unless somebody acts; `None` when nothing is planned.
pub(super) fn coming(seen: &Seen) -> Option<Coming> {
    let status = seen.ticket.status.as_ref()?;
    let escalation = status.escalation.as_ref()?;
    let at = escalation.next_at?;
    let what = foretell(seen, status, at).unwrap_or_default();
    Some(Coming { at, what })
}

fn foretell(seen: &Seen, status: &TicketStatus, at: Timestamp) -> Option<Vec<String>> {
    let live = seen.live.as_ref().or(seen.frozen.as_ref())?;
    let escalation = escalation(seen, &status.escalation.as_ref()?.chain)?;
    let severity = status.severity.or(seen.ticket.spec.origin.as_ref().map(|origin| origin.severity))?;
    let overrides = seen.overrides.as_slice();
    let situation = Situation { escalation: &escalation, live, overrides, severity: severity.into(), hold: None };
    let mut chain = status.escalation.as_ref()?.chain();
    let effects = advance(&mut chain, None, situation, at);
    Some(effects.iter().filter_map(sentence).collect())
}

/// How many steps a cycle has; `None` when the policy cannot be read.
pub(super) fn steps(seen: &Seen) -> Option<usize> {
    let status = seen.ticket.status.as_ref()?;
    Some(escalation(seen, &status.escalation.as_ref()?.chain)?.steps.len())
}

/// The steps as they stood when the ticket began.
fn escalation(seen: &Seen, name: &str) -> Option<EscalationPolicy> {
    let frozen = seen.frozen.as_ref().or(seen.live.as_ref())?;
    if !name.is_empty() {
        return frozen.escalations.get(name).cloned();
    }
    Some(without_escalation(&route_targets(seen, frozen), frozen))
}

fn route_targets(seen: &Seen, policy: &Policy) -> Vec<domain::policy::NotifyTarget> {
    let route = seen.ticket.spec.origin.as_ref().map(|origin| origin.route.as_str()).unwrap_or_default();
    policy.routes.iter().find(|known| known.name == route).map(|route| route.notify.clone()).unwrap_or_default()
}

fn sentence(effect: &Effect) -> Option<String> {
    match effect {
        Effect::Page(page) => Some(who(page)),
        Effect::StepBegan { .. } | Effect::Released { .. } | Effect::Held { .. } => None,
        Effect::RuleMissed { step, missing } => Some(format!("step {step} cannot be completed: {missing}")),
        Effect::NobodyFound => Some("no step has reached anybody: the last resort is told".to_owned()),
        Effect::LastResortFoundNobody => Some("the last resort reaches nobody either".to_owned()),
        Effect::Exhausted => Some("every cycle has passed: the last resort is told".to_owned()),
        Effect::AcknowledgementWithdrawn { by, why } => Some(match why {
            Withdrawn::Silent => format!(
                "the acknowledgement of {by} is withdrawn, as nothing has happened since, and a new cycle starts"
            ),
            Withdrawn::SnoozeEnded => format!("the snooze of {by} is over, and a new cycle starts"),
            Withdrawn::Escalated => format!("{by} has to acknowledge anew, as somebody called for another step"),
        }),
        Effect::AskStillOnIt { by } => Some(format!("{by} is asked whether they are still on it")),
        Effect::TellRefired { by } => Some(format!("{by} is told that it fires again")),
    }
}

fn who(page: &Page) -> String {
    let step = if page.step == 0 { "last resort".to_owned() } else { format!("step {}", page.step) };
    match &page.person {
        Some(person) => format!("{step}: {person} by {}", page.channel),
        None => format!("{step}: channel {}", page.channel),
    }
}
