//! What is promised for tickets of each priority, in which working time, and who hears when it is not kept.

use std::{collections::BTreeMap, time::Duration};

use super::{NotifyTarget, Policy};
use crate::{
    calendar::{ALWAYS, Calendar},
    sla::Targets,
};

/// The promises for one priority. At least one of the four is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The name of the calendar whose working time counts.
    pub calendar: String,
    /// Until the first answer.
    pub first_response: Option<Duration>,
    /// Until each further answer.
    pub next_response: Option<Duration>,
    /// From one word to the requester to the next.
    pub update: Option<Duration>,
    /// Until it is done.
    pub resolution: Option<Duration>,
    /// Who hears of warnings; empty: the assignee, else the queue's channel.
    pub on_warn: Vec<NotifyTarget>,
    /// Who hears of a breach; empty: the same.
    pub on_breach: Vec<NotifyTarget>,
}

/// Which tickets a change of the promises concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApplyTo {
    /// Those that begin after it; the others keep the promises they began with.
    #[default]
    NewTickets,
    /// Those that are open as well.
    Running,
}

/// The promises of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Promises {
    /// By priority, `P1` … `P5`.
    pub by_priority: BTreeMap<String, Promise>,
    /// At which percent of a target's working time to warn: 1–99, increasing.
    pub warn_at: Vec<u8>,
    /// Which tickets a change concerns.
    pub apply_to: ApplyTo,
}

static ROUND_THE_CLOCK: Calendar = Calendar::always();

impl Policy {
    /// The calendar of this name; `always` is built in.
    pub fn calendar(&self, name: &str) -> Option<&Calendar> {
        if name == ALWAYS { Some(&ROUND_THE_CLOCK) } else { self.calendars.get(name) }
    }

    /// Whether another version of the policy promises the very same, to the same people.
    pub fn promises_as(&self, other: &Self) -> bool {
        let same = |priority: &String| self.targets(priority) == other.targets(priority);
        self.sla.by_priority == other.sla.by_priority
            && self.sla.warn_at == other.sla.warn_at
            && self.sla.by_priority.keys().all(same)
    }

    /// What the clocks of a ticket of this priority count against.
    pub fn targets(&self, priority: &str) -> Targets {
        let Some(promise) = self.sla.by_priority.get(priority) else { return Targets::none() };
        Targets {
            calendar: self.calendar(&promise.calendar).cloned().unwrap_or_else(Calendar::always),
            calendar_name: promise.calendar.clone(),
            first_response: promise.first_response,
            next_response: promise.next_response,
            update: promise.update,
            resolution: promise.resolution,
            warn_at: self.sla.warn_at.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::example;

    #[test]
    fn what_nothing_is_promised_for_has_no_targets() {
        let mut policy = example::policy();
        let promise = Promise {
            calendar: ALWAYS.into(),
            first_response: Some(example::minutes(15)),
            next_response: None,
            update: None,
            resolution: None,
            on_warn: Vec::new(),
            on_breach: Vec::new(),
        };
        policy.sla = Promises {
            by_priority: BTreeMap::from([("P1".to_owned(), promise)]),
            warn_at: vec![50],
            apply_to: ApplyTo::NewTickets,
        };
        let targets = policy.targets("P1");
        assert_eq!((targets.first_response, targets.warn_at.as_slice()), (Some(example::minutes(15)), &[50][..]));
        assert_eq!(targets.calendar, Calendar::always());
        assert_eq!(policy.targets("P2"), Targets::none());
    }
}
