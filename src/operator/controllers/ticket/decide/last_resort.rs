//! The operator's own last resort, a channel on a path of its own: told of what no policy serves, and when a policy's last
//! resort reaches nobody or cannot be reached.
//!
//! It is one more page of the run that failed, so that it is told once for each, and of the end like anybody else.

use api::ticket::{Notification, NotificationKind};
use domain::{
    escalation::{Chain, Page},
    message::MessageKind,
    policy::LastResort,
    ticket::timeline::What,
};

use super::Draft;

/// The operator's own last resort, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum OwnLastResort {
    /// It has none.
    None,
    /// Its channel is not there at the moment: what is planned for it waits.
    Missing,
    /// It can be told.
    There(Box<LastResort>),
}

impl OwnLastResort {
    /// The channel, if it is there.
    pub(in super::super) fn usable(&self) -> Option<&LastResort> {
        match self {
            Self::There(last) => Some(last),
            Self::None | Self::Missing => None,
        }
    }
}

/// Cycle and sequence: which run of the last resort a page belongs to.
pub(super) type Run = (u32, u32);

/// The run of the policy's last resort that a page belongs to, which is told from step 0 up to `last`; `None` for any other
/// message.
pub(super) fn run_of(notification: &Notification, last: u32) -> Option<Run> {
    let Notification { kind: NotificationKind::Page, step, cycle, sequence, channel, .. } = notification else {
        return None;
    };
    (channel != LastResort::NAME && *step <= last).then_some((*cycle, *sequence))
}

impl Draft<'_> {
    /// The step at which the policy's last resort is told: 1 where the route names neither an escalation nor targets.
    pub(super) fn last_resort_begins_at(&self) -> u32 {
        let by_itself = self.status.escalation.as_ref().is_some_and(|stored| stored.chain.is_empty());
        u32::from(by_itself && !self.route_has_targets())
    }

    /// Whether the route tells anybody by itself: a page without an escalation goes to them, else to the last resort.
    pub(super) fn route_has_targets(&self) -> bool {
        self.route.as_ref().is_some_and(|route| !route.notify.is_empty())
    }

    /// Why a page goes to the operator's last resort and to nobody else.
    pub(super) fn why_nobody_else_is_told(&self) -> String {
        match &self.status.policy {
            None => format!("no SupportPolicy serves namespace {}, so nobody else is told", self.served_namespace()),
            Some(policy) => {
                let (namespace, name) = (&policy.namespace, &policy.name);
                format!(
                    "policy {namespace}/{name} is gone, with every version that was kept of it, so nobody else is told"
                )
            }
        }
    }

    /// The namespace of what fires: a ticket without policy lives in the operator's.
    pub(super) fn served_namespace(&self) -> &str {
        let ticket = &self.seen.ticket;
        let first = ticket.spec.origin.as_ref().and_then(|origin| origin.alerts.first());
        let labelled = first.and_then(|alert| alert.labels.get("namespace")).map(String::as_str);
        labelled.or(ticket.metadata.namespace.as_deref()).unwrap_or_default()
    }

    /// Tells the operator's last resort, once for each run; nothing where there is none, or nobody waits any more.
    pub(super) fn call_the_operators_last_resort(&mut self, runs: Vec<Run>, why: &str) {
        let waits = self.chain.as_ref().is_some_and(Chain::waits_for_a_person);
        if self.seen.last_resort == OwnLastResort::None || !waits {
            return;
        }
        for (cycle, sequence) in runs {
            let planned = self.status.notifications.len();
            let channel = LastResort::NAME.to_owned();
            let page = Page { cycle, step: 0, rule: 0, sequence, person: None, channel, planned: self.now };
            self.plan(MessageKind::Page, &page, &format!("the operator's last resort: {why}"));
            if self.status.notifications.len() > planned {
                let words = format!("{why}; the operator's last resort is told");
                self.line(What::Step, self.now, words.clone());
                self.note(true, "OperatorsLastResort", "Escalate", words);
            }
        }
    }

    /// What fires without a policy since before the operator had a last resort is told to it now; so is what somebody still
    /// waits for whose policy is gone with every version that was kept of it.
    pub(super) fn take_up_what_nobody_was_told_of(&mut self) {
        let told = self.status.notifications.iter().any(|n| n.channel == LastResort::NAME);
        if self.seen.substitute.is_some() && self.status.policy.is_some() && !told {
            let run = self.chain.as_ref().map(|chain| (chain.cycle, chain.sequence));
            let why = "the policy is gone, with every version that was kept of it";
            self.call_the_operators_last_resort(run.into_iter().collect(), why);
        }
        let untold = self.chain.is_none() && self.status.notices.is_empty() && !self.not_paged && !self.is_taken();
        let looked_after = self.status.epoch.is_some() && !self.is_over() && self.firing() > 0;
        if self.seen.substitute.is_some() && looked_after && untold {
            self.start_chain(self.now);
        }
    }
}
