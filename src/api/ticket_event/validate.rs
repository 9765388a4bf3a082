//! From a TicketEvent's spec to the act that the fold reads. Whether the ticket allows it is the fold's to say.

use domain::{problem::Problem, ticket::event::Act};

use super::TicketEvent;
use crate::findings::{Findings, Validated};

/// Reads a TicketEvent.
///
/// # Errors
/// All problems, warnings among them, when one of them is an error.
pub fn validate(event: &TicketEvent) -> Result<Validated<Act>, Vec<Problem>> {
    let mut findings = Findings::default();
    let spec = &event.spec;
    let acts = [
        spec.acknowledge.map(|_| Act::Acknowledge),
        spec.unacknowledge.map(|_| Act::Unacknowledge),
        spec.note.as_ref().map(|note| Act::Note { text: note.text.clone() }),
        spec.assign.as_ref().map(|assign| Act::Assign { to: assign.to.clone() }),
        spec.state.as_ref().map(|state| Act::State {
            to: domain::ticket::TicketState::from(state.to).as_str().to_owned(),
            reason: state.reason.clone().unwrap_or_default(),
        }),
    ];
    let written =
        ["acknowledge", "unacknowledge", "note", "assign", "state"].into_iter().zip(acts.iter().map(Option::is_some));
    findings.exactly_one("spec", &written.collect::<Vec<_>>());
    findings.finish_some(acts.into_iter().flatten().next())
}
