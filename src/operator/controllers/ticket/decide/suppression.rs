//! What holds this ticket now: silences, inhibition, dependencies and the calendars of its route, judged over the alerts that
//! fire on it.
//!
//! Inhibition rules and the hours of calendars are those of the policy as it is now, so that a mistake in them can be mended
//! for what is held already; which calendars a route names is frozen with the route.

use api::ticket::{AlertLine, AlertLineState};
use domain::{
    labels::Labels,
    routing::RouteDecision,
    suppression::{HoldKind, Judgement, Surroundings, judge},
};

use super::Draft;

impl Draft<'_> {
    /// The judgement over the firing alerts, with all reasons.
    pub(super) fn judged(&self) -> Judgement {
        let own: Vec<&AlertLine> = self.firing_lines().collect();
        let firing: Vec<&Labels> = self.seen.firing.iter().chain(own.iter().map(|line| &line.labels)).collect();
        let around = Surroundings {
            namespace: self.seen.ticket.metadata.namespace.as_deref().unwrap_or_default(),
            operator_namespace: &self.seen.operator_namespace,
            policy: self.live(),
            route: self.route.as_ref().and_then(RouteDecision::owner),
            silences: &self.seen.silences,
            firing: &firing,
            monitors: &self.seen.monitors,
        };
        judge(own.iter().map(|line| (&line.labels, line.since)), &around, self.now)
    }

    /// For the metrics.
    pub(super) fn count_held(&mut self, by: HoldKind) {
        *self.counts.suppressed.entry(by).or_default() += 1;
    }

    fn firing_lines(&self) -> impl Iterator<Item = &AlertLine> {
        let lines = self.status.alerts.iter().flat_map(|alerts| &alerts.list);
        lines.filter(|line| line.state == AlertLineState::Firing && !line.labels.is_empty())
    }
}
