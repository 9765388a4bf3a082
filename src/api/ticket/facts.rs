//! The fields of a Ticket's spec that matter to its course, as the fold knows them.

use domain::ticket::subject::SpecFacts;

use super::{Level, TicketSpec};

impl From<&TicketSpec> for SpecFacts {
    fn from(spec: &TicketSpec) -> Self {
        let word = |level: Level| domain::policy::Level::from(level).as_str().to_owned();
        let due = spec.due_override.as_ref();
        let due = [
            ("firstResponse", due.and_then(|due| due.first_response)),
            ("resolution", due.and_then(|due| due.resolution)),
        ];
        Self {
            priority: spec.priority.clone(),
            impact: spec.impact.map(word),
            urgency: spec.urgency.map(word),
            queue: spec.queue.clone(),
            assignee: spec.assignee.clone(),
            due: due
                .into_iter()
                .filter_map(|(clock, at)| Some((clock.to_owned(), domain::time::whole_seconds(at?))))
                .collect(),
        }
    }
}
