//! The conditions of a ticket. Ready says that Firstline looks after it, never whether it is open.

use api::conditions::Condition;
use domain::{
    conditions::{Condition as Said, Standing},
    escalation::Chain,
    policy::LastResort,
};

use super::Draft;
use crate::index::NOT_PAGED;

pub(in crate::controllers::ticket) const NOBODY_FOUND: &str = "NobodyFound";
const EXHAUSTED: &str = "EscalationExhausted";
const POLICY_DELETED: &str = "PolicyDeleted";
const POLICY_INVALID: &str = "PolicyInvalid";
const CALENDAR_EMPTY: &str = "CalendarEmpty";
const NO_POLICY: &str = "NoPolicy";
const AMBIGUOUS_ORDER: &str = "AmbiguousOrder";

impl Draft<'_> {
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let ready = Standing::Ready {
            reason: "LookedAfter",
            message: "state, escalation and notifications are up to date".to_owned(),
        };
        let exhausted =
            self.chain.as_ref().is_some_and(|chain| chain.exhausted_until.is_some() && chain.waits_for_a_person());
        let born_from_alerts = self.seen.ticket.spec.origin.is_some();
        let has_policy = self.status.policy.is_some();
        let deleted = has_policy && !self.seen.policy_exists;
        let invalid = has_policy && self.seen.policy_exists && self.seen.live.is_none();
        let reaches_nobody = self.nobody_found && self.chain.as_ref().is_some_and(Chain::waits_for_a_person);
        let told = self.status.notifications.iter().any(|n| n.channel == LastResort::NAME);
        let namespace = self.served_namespace();
        let no_policy = format!(
            "no SupportPolicy serves namespace {namespace}, so {} told; create one with an empty match in {namespace}",
            if told { "only the operator's last resort is" } else { "nobody was" },
        );
        let own = [
            (
                reaches_nobody,
                NOBODY_FOUND,
                "no step of the escalation reaches anybody; check people, channels and schedules of the policy",
            ),
            (exhausted, EXHAUSTED, "nobody acknowledged in any cycle; the last step runs again every hour"),
            (deleted, POLICY_DELETED, "the policy was deleted; the ticket goes on by the revision it began with"),
            (
                invalid,
                POLICY_INVALID,
                "no valid version of the policy is known; the ticket goes on by the revision it began with; mend the policy",
            ),
            (born_from_alerts && !has_policy, NO_POLICY, no_policy.as_str()),
            (
                self.seen.ticket.spec.policy.is_some() && !has_policy,
                NO_POLICY,
                "the SupportPolicy that spec.policy names is not in this namespace, or is not valid; create or mend it",
            ),
            (
                self.calendar_is_empty(),
                CALENDAR_EMPTY,
                "a clock runs on a calendar without working time in the next 400 days, so it is never due; mend the calendar",
            ),
            (
                self.not_paged,
                NOT_PAGED,
                "the ticket is a restored backup: nobody is paged until a look finds that it fires; acknowledge or resolve it by hand",
            ),
        ];
        let said =
            |type_: &'static str, message: String| Said { type_, status: true, reason: type_.to_owned(), message };
        let ambiguous = self
            .seen
            .ambiguous
            .iter()
            .map(|why| said(AMBIGUOUS_ORDER, format!("{why}; give the two policies different values of `order`")));
        let own: Vec<Said> = own
            .into_iter()
            .filter(|(holds, ..)| *holds)
            .map(|(_, type_, message)| said(type_, message.to_owned()))
            .chain(ambiguous)
            .collect();
        api::conditions::conditions(
            &self.status.conditions,
            &ready,
            &own,
            self.seen.ticket.metadata.generation,
            self.now,
        )
    }
}
