//! What alerts do to a ticket: fire, join, grow more severe, end, come back.

use api::ticket::{AlertLine, AlertLineState};
use domain::{
    alert::{Alert, AlertState, Severity},
    escalation::Event,
    labels::Labels,
    message::MessageKind,
    routing::{self, timing},
    ticket::timeline::What,
};
use jiff::Timestamp;

use super::{Draft, cut};

/// Alerts a ticket can hold; more are counted by their source, not here.
const MOST_ALERTS: usize = 500;

impl Draft<'_> {
    pub(super) fn take_alerts(&mut self) {
        for alert in &self.seen.alerts {
            match alert.state {
                AlertState::Firing => self.take_firing(alert),
                AlertState::Recovered | AlertState::SourceRemoved => self.take_ended(alert),
            }
        }
    }

    fn take_firing(&mut self, alert: &Alert) {
        let fingerprint = alert.fingerprint().to_string();
        let was_quiet = self.firing() == 0;
        match self.line_of(&fingerprint) {
            Some(line) if line.state == AlertLineState::Firing => return self.fire_still(alert),
            Some(line) => {
                line.state = AlertLineState::Firing;
                line.since = alert.starts_at;
                line.annotations.clone_from(&alert.annotations);
            }
            None => self.add_alert_line(&fingerprint, &alert.labels, &alert.annotations, alert.starts_at),
        }
        self.recount();
        let severity = self.severity_of(&alert.labels);
        if was_quiet {
            self.fire_again(alert, severity);
        } else {
            self.line(What::Fired, alert.starts_at, alert.label("alertname"));
            self.wake(&fingerprint, severity, alert.at);
            self.tell_groups(timing::Event::Changed(alert.at));
            self.rise(severity, alert.at);
        }
    }

    fn severity_of(&self, labels: &Labels) -> Severity {
        self.policy().map_or(Severity::Ticket, |policy| routing::normalise(policy, labels).1)
    }

    /// The highest severity of what fires, one alert apart.
    fn highest_firing(&self, but: &str) -> Option<Severity> {
        let lines = self.status.alerts.iter().flat_map(|alerts| &alerts.list);
        let firing = lines.filter(|line| line.state == AlertLineState::Firing && line.fingerprint != but);
        firing.map(|line| self.severity_of(&line.labels)).max()
    }

    /// An alert as severe as the ticket fires again, after nothing but less severe ones did: the chain that
    /// [`Draft::ease`] has stopped goes on.
    fn wake(&mut self, fingerprint: &str, severity: Severity, at: Timestamp) {
        let before = self.status.severity.map_or(Severity::Info, Into::into);
        let was_eased = self.highest_firing(fingerprint).is_some_and(|rest| rest < severity);
        if severity == before && was_eased && self.status.state.is_none_or(|state| !is_over(state)) {
            self.tell_chain(Event::Refire { at });
        }
    }

    /// What made it as urgent as it is has ended, and something less urgent still fires: a target that is slow after it was
    /// down, an error budget that an outage has used up. The chain stops, so that nobody is woken for what can wait; the
    /// ticket stays open.
    fn ease(&mut self, alert: &Alert) {
        let ended = self.severity_of(&alert.labels);
        let Some(rest) = self.highest_firing("").filter(|rest| *rest < ended) else { return };
        self.tell_chain(Event::Stop { at: alert.at });
        let text = format!("{} has ended; what still fires has severity {rest}", alert.label("alertname"));
        self.note(false, "Eased", "Stop", text.clone());
        if self.status.state.is_none_or(|state| !is_over(state)) {
            self.tell_those_paged(MessageKind::Update, &text);
        }
    }

    /// A look has found that what a restored backup is about is so now: somebody must know, unless somebody does.
    fn fire_still(&mut self, alert: &Alert) {
        if !self.not_paged || self.is_taken() {
            return;
        }
        self.not_paged = false;
        self.line(What::Fired, alert.at, format!("{} fires still", alert.label("alertname")));
        self.note(true, "FiresStill", "Escalate", format!("{} fires still", alert.title()));
        self.start_chain(alert.at);
    }

    /// Whether a person has done something about it.
    pub(super) fn is_taken(&self) -> bool {
        self.status.state.is_some_and(|state| state != api::ticket::TicketState::New)
    }

    /// It fires again after everything had ended: on the open ticket, or on one that is resolved.
    fn fire_again(&mut self, alert: &Alert, severity: Severity) {
        self.status.recovered_at = None;
        // That a backup was restored says nothing of a trouble that begins now.
        self.not_paged = false;
        let resolved = self.status.state == Some(api::ticket::TicketState::Resolved);
        if resolved {
            self.line(What::Reopened, alert.at, alert.label("alertname"));
            self.withdraw_the_end();
            self.note(true, "Reopened", "Reopen", format!("{} fires again", alert.title()));
            self.choose_route(severity);
            let cycle = self.chain.take().map_or(0, |chain| chain.cycle);
            self.status.escalation = None;
            self.start_chain(alert.at);
            if let Some(chain) = &mut self.chain {
                chain.cycle = cycle + 1;
            }
        } else {
            self.line(What::Refired, alert.at, alert.label("alertname"));
            self.withdraw_the_end();
            self.note(true, "Refired", "Refire", format!("{} fires again", alert.title()));
            if self.chain.is_some() {
                self.tell_chain(Event::Refire { at: alert.at });
            } else {
                self.start_chain(alert.at);
            }
            self.rise(severity, alert.at);
        }
    }

    /// A more severe alert starts a new cycle, acknowledged or not.
    fn rise(&mut self, severity: Severity, at: Timestamp) {
        let before: Severity = self.status.severity.map_or(Severity::Info, Into::into);
        if severity <= before {
            return;
        }
        self.not_paged = false;
        self.choose_route(severity);
        self.line(What::SeverityRose, at, format!("{before} to {severity}"));
        self.note(true, "SeverityRose", "Escalate", format!("severity rose from {before} to {severity}"));
        match &mut self.status.escalation {
            Some(stored) if self.chain.is_some() => {
                stored.chain = self.route.as_ref().and_then(|route| route.escalation.clone()).unwrap_or_default();
                self.tell_chain(Event::Restart { at });
            }
            _ => self.start_chain(at),
        }
    }

    /// Severity, and with it route and priority.
    fn choose_route(&mut self, severity: Severity) {
        self.status.severity = Some(severity.into());
        self.route = self.find_route();
        if self.seen.ticket.spec.priority.is_none() {
            self.status.priority = self.route.as_ref().map(|route| route.priority.clone());
        }
    }

    fn take_ended(&mut self, alert: &Alert) {
        let fingerprint = alert.fingerprint().to_string();
        let ended = AlertLineState::from(alert.state);
        let Some(line) = self.line_of(&fingerprint) else { return };
        if line.state == ended || line.state != AlertLineState::Firing {
            return;
        }
        line.state = ended;
        line.since = alert.at;
        self.recount();
        let what = if alert.state == AlertState::Recovered { What::Recovered } else { What::SourceRemoved };
        let goes_on = self.seen.goes_on.get(&fingerprint).map(|where_| format!("the ticket goes on as {where_}"));
        let name = alert.label("alertname");
        let detail = goes_on.as_ref().map_or_else(|| name.to_owned(), |words| format!("{name}: {words}"));
        self.line(what, alert.at, detail);
        if self.firing() > 0 {
            return self.ease(alert);
        }
        self.tell_chain(Event::Stop { at: alert.at });
        self.tell_groups(timing::Event::Ended);
        match alert.state {
            AlertState::SourceRemoved => {
                let (reason, why) = match goes_on {
                    Some(words) => ("GoesOn", words),
                    None => ("SourceRemoved", "the source of the last alert was removed or suspended".to_owned()),
                };
                let words =
                    format!("{why}; the escalation has stopped here, and this ticket stays open until it is resolved");
                self.note(false, reason, "Stop", words.clone());
                self.tell_those_paged(MessageKind::Update, &words);
            }
            _ => {
                self.status.recovered_at = Some(alert.at);
                self.note(false, "Recovered", "Stop", "nothing of this ticket fires any more");
                // Whoever was paged has heard that somebody resolved it.
                if self.status.state.is_none_or(|state| !is_over(state)) {
                    self.tell_those_paged(MessageKind::Resolved, "it has recovered");
                }
            }
        }
    }

    pub(super) fn add_alert_line(
        &mut self,
        fingerprint: &str,
        labels: &Labels,
        annotations: &Labels,
        since: Timestamp,
    ) {
        let alerts = self.status.alerts.get_or_insert_default();
        if alerts.list.len() >= MOST_ALERTS {
            match alerts.list.iter().position(|line| line.state != AlertLineState::Firing) {
                Some(place) => drop(alerts.list.remove(place)),
                None => {
                    tracing::warn!(
                        fingerprint,
                        most = MOST_ALERTS,
                        "a ticket holds no more alerts; this one is not listed on it"
                    );
                    return;
                }
            }
        }
        alerts.list.push(AlertLine {
            fingerprint: fingerprint.to_owned(),
            name: cut(labels.get("alertname").cloned().unwrap_or_default(), 256),
            state: AlertLineState::Firing,
            since,
            labels: labels.clone(),
            annotations: annotations.clone(),
        });
        self.recount();
    }

    fn line_of(&mut self, fingerprint: &str) -> Option<&mut AlertLine> {
        self.status.alerts.as_mut()?.list.iter_mut().find(|line| line.fingerprint == fingerprint)
    }

    pub(super) fn firing(&self) -> u32 {
        self.status.alerts.as_ref().map_or(0, |alerts| alerts.firing)
    }

    /// When the last of its alerts ended.
    pub(super) fn quiet_since(&self) -> Option<Timestamp> {
        let lines = self.status.alerts.iter().flat_map(|alerts| &alerts.list);
        lines.filter(|line| line.state != AlertLineState::Firing).map(|line| line.since).max()
    }

    fn recount(&mut self) {
        let Some(alerts) = &mut self.status.alerts else { return };
        let firing = alerts.list.iter().filter(|line| line.state == AlertLineState::Firing).count();
        alerts.firing = u32::try_from(firing).unwrap_or(u32::MAX);
        alerts.resolved = u32::try_from(alerts.list.len() - firing).unwrap_or(u32::MAX);
    }

    /// The ticket is resolved when nothing has fired for the route's `resolveAfter`, dated at the end of the last alert.
    pub(super) fn resolve_when_quiet(&mut self) {
        let Some(quiet_since) = self.status.recovered_at else { return };
        let open = self.status.state.is_none_or(|state| !is_over(state));
        let Some(due) = self.quiet_until() else { return };
        if !open || self.now < due {
            return;
        }
        // The line stands where it was decided, so that what people did meanwhile keeps counting; the ticket is dated at
        // the end of the last alert (see `store`).
        self.line(What::Resolved, self.now, format!("nothing has fired since {quiet_since}"));
        self.note(false, "Resolved", "Resolve", "nothing fired any more");
        self.refold();
    }

    /// When the ticket resolves by itself; `None` while something fires, or when it is over.
    pub(super) fn quiet_until(&self) -> Option<Timestamp> {
        let quiet_since = self.status.recovered_at?;
        if self.firing() > 0 || self.status.state.is_some_and(is_over) {
            return None;
        }
        let wait = self.route.as_ref().map_or(routing::RESOLVE_AFTER, |route| route.resolve_after);
        Some(domain::time::after(quiet_since, wait))
    }
}

pub(super) fn is_over(state: api::ticket::TicketState) -> bool {
    matches!(state, api::ticket::TicketState::Resolved | api::ticket::TicketState::Closed)
}
