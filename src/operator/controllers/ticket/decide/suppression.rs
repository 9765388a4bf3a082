//! What holds this ticket now: silences, inhibition and the calendars of its route, judged over the alerts that fire on it.
//!
//! Inhibition rules and the hours of calendars are those of the policy as it is now, so that a mistake in them can be mended
//! for what is held already; which calendars a route names is frozen with the route.

use api::ticket::AlertLineState;
use domain::{
    labels::Labels,
    routing::RouteDecision,
    suppression::{Judgement, Surroundings, dependency::Standings, judge, muted},
};
use jiff::Timestamp;

use super::Draft;

impl Draft<'_> {
    /// The judgement over the firing alerts, with all reasons.
    pub(super) fn judged(&self) -> Judgement {
        let own: Vec<&Labels> = self.firing_labels().collect();
        let firing: Vec<Labels> = self.seen.firing.iter().chain(own.iter().copied()).cloned().collect();
        let monitors = Standings::new();
        let around = Surroundings {
            namespace: self.seen.ticket.metadata.namespace.as_deref().unwrap_or_default(),
            operator_namespace: &self.seen.operator_namespace,
            policy: self.live(),
            route: self.route.as_ref().and_then(RouteDecision::owner),
            silences: &self.seen.silences,
            firing: &firing,
            monitors: &monitors,
        };
        judge(own, &around, self.now)
    }

    /// When the calendars of its route let go of it; `None` while they do not hold it.
    pub(super) fn unmuted(&self) -> Option<Timestamp> {
        let route = self.route.as_ref().and_then(RouteDecision::owner)?;
        muted(self.live()?, route, self.now)?.until
    }

    fn firing_labels(&self) -> impl Iterator<Item = &Labels> {
        let lines = self.status.alerts.iter().flat_map(|alerts| &alerts.list);
        lines.filter(|line| line.state == AlertLineState::Firing && !line.labels.is_empty()).map(|line| &line.labels)
    }
}
