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
use std::time::Duration;

use super::{Draft, cut};

/// Alerts a ticket lists.
const MOST_ALERTS: usize = 500;
/// Alerts of which it knows only that they fire. Of more than these nobody keeps count, and need not.
const MOST_UNLISTED: usize = 2_000;
/// What fires is told again at least this often by its source, with a margin: a monitor does so with its checkpoint.
const TOLD_AGAIN_WITHIN: Duration = Duration::from_secs(660);

impl Draft<'_> {
    pub(super) fn take_alerts(&mut self) {
        for alert in &self.seen.alerts {
            match alert.state {
                AlertState::Firing => self.take_firing(alert),
                AlertState::Recovered | AlertState::SourceRemoved => self.take_ended(alert),
            }
        }
        self.forget_what_is_not_told_again();
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
            None => {
                if !self.add_alert_line(&fingerprint, &alert.labels, &alert.annotations, alert.starts_at) {
                    return;
                }
            }
        }
        self.recount();
        let severity = self.severity_of(&alert.labels);
        // Who has resolved it while something fires meant that, and nothing that begins afterwards.
        if was_quiet || self.is_resolved() {
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
        // What fired on when it was resolved may be more severe than what has reopened it.
        let is_its_own = self.status.severity.is_none_or(|its| Severity::from(its) >= ended);
        let Some(rest) = self.highest_firing("").filter(|rest| is_its_own && *rest < ended) else { return };
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

    fn is_resolved(&self) -> bool {
        self.status.state == Some(api::ticket::TicketState::Resolved)
    }

    /// It fires again after everything had ended, on the open ticket; or anew on one that is resolved.
    fn fire_again(&mut self, alert: &Alert, severity: Severity) {
        self.status.recovered_at = None;
        // That a backup was restored says nothing of a trouble that begins now.
        self.not_paged = false;
        if self.is_resolved() {
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
        match self.line_of(&fingerprint) {
            Some(line) if line.state == AlertLineState::Firing => {
                (line.state, line.since) = (AlertLineState::from(alert.state), alert.at);
            }
            Some(_) => return,
            None => {
                if !self.forget_unlisted(&fingerprint) {
                    return;
                }
            }
        }
        self.recount();
        let what = if alert.state == AlertState::Recovered { What::Recovered } else { What::SourceRemoved };
        let goes_on = self.seen.goes_on.get(&fingerprint).map(|where_| format!("the ticket goes on as {where_}"));
        let name = alert.label("alertname");
        let detail = goes_on.as_ref().map_or_else(|| name.to_owned(), |words| format!("{name}: {words}"));
        self.line(what, alert.at, detail);
        if self.firing() > 0 {
            return self.ease(alert);
        }
        self.all_ended(alert.state.into(), alert.at, goes_on);
    }

    /// The last of its alerts has ended like this; perhaps it goes on elsewhere.
    fn all_ended(&mut self, how: AlertLineState, at: Timestamp, goes_on: Option<String>) {
        self.tell_chain(Event::Stop { at });
        self.tell_groups(timing::Event::Ended);
        match how {
            AlertLineState::SourceRemoved => {
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
                self.status.recovered_at = Some(at);
                self.note(false, "Recovered", "Stop", "nothing of this ticket fires any more");
                // Whoever was paged has heard that somebody resolved it.
                if self.status.state.is_none_or(|state| !is_over(state)) {
                    self.tell_those_paged(MessageKind::Resolved, "it has recovered");
                }
            }
        }
    }

    /// Lists an alert that fires; where there is no room for it, it is only known to fire. Whether nobody knew of it.
    pub(super) fn add_alert_line(
        &mut self,
        fingerprint: &str,
        labels: &Labels,
        annotations: &Labels,
        since: Timestamp,
    ) -> bool {
        let is_news = !self.forget_unlisted(fingerprint);
        let alerts = self.status.alerts.get_or_insert_default();
        if alerts.list.len() >= MOST_ALERTS {
            match alerts.list.iter().position(|line| line.state != AlertLineState::Firing) {
                Some(place) => drop(alerts.list.remove(place)),
                None => {
                    let is_counted = alerts.unlisted.len() < MOST_UNLISTED;
                    if is_counted {
                        let place = alerts.unlisted.partition_point(|known| known.as_str() < fingerprint);
                        alerts.unlisted.insert(place, fingerprint.to_owned());
                    }
                    self.recount();
                    return is_news && is_counted;
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
        is_news
    }

    /// Whether an alert was known to fire beyond the list.
    fn forget_unlisted(&mut self, fingerprint: &str) -> bool {
        let Some(alerts) = &mut self.status.alerts else { return false };
        let before = alerts.unlisted.len();
        alerts.unlisted.retain(|known| known != fingerprint);
        alerts.unlisted.len() < before
    }

    /// Whoever sees that an alert of a ticket is over goes by what is listed. So an alert beyond the list is over when there was
    /// room on the list for as long as its source takes to tell of it again.
    fn forget_what_is_not_told_again(&mut self) {
        let Some(alerts) = &mut self.status.alerts else { return };
        if alerts.unlisted_until.is_none_or(|until| until > self.now) {
            return;
        }
        let over = std::mem::take(&mut alerts.unlisted).len();
        self.recount();
        self.line(What::Recovered, self.now, format!("{over} beyond the list are not told of any more"));
        if self.firing() > 0 {
            return;
        }
        let lines = self.status.alerts.iter().flat_map(|alerts| &alerts.list);
        let last = lines.max_by_key(|line| line.since).map(|line| (line.state, line.since));
        let (how, at) = last.unwrap_or((AlertLineState::Recovered, self.now));
        self.all_ended(how, at, None);
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
        alerts.firing = u32::try_from(firing + alerts.unlisted.len()).unwrap_or(u32::MAX);
        alerts.resolved = u32::try_from(alerts.list.len() - firing).unwrap_or(u32::MAX);
        let may_be_listed = !alerts.unlisted.is_empty() && firing < MOST_ALERTS;
        let until = || domain::time::after(self.now, TOLD_AGAIN_WITHIN);
        alerts.unlisted_until = may_be_listed.then(|| alerts.unlisted_until.unwrap_or_else(until));
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
