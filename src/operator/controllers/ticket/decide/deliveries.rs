//! Notifications on the ticket: planned, tried, accepted, no longer needed.

use std::time::Duration;

use api::ticket::{Notification, NotificationCounts, NotificationKind, NotificationState};
use domain::{
    escalation::Page,
    message::{Delivery, MessageKind, NotificationId},
    policy::LastResort,
    ticket::{NotificationKey, notification_id},
};

use super::{Draft, OwnLastResort, cut, last_resort, outcome, the_end};
use crate::{engine::outbox::Report, kube::meta};

/// Finished notifications that stay listed.
const LISTED: usize = 50;

/// How long a receiver may ask a page to wait before the person is told in another way.
const PATIENCE: Duration = Duration::from_secs(30);

/// A page that does not get through to a person by one of their rules.
struct Unreached {
    cycle: u32,
    step: u32,
    rule: u32,
    person: String,
}

impl Unreached {
    /// `None` for what is no page of a person.
    fn of(notification: &Notification) -> Option<Self> {
        let Notification { kind: NotificationKind::Page, cycle, step, rule, person: Some(person), .. } = notification
        else {
            return None;
        };
        Some(Self { cycle: *cycle, step: *step, rule: *rule, person: person.clone() })
    }
}

/// Whether the person's next rule is to be used now, while this one is tried on: said once per message, with its second
/// failure, or as soon as it is known that it will take long or never arrive.
fn drags_on(report: &Report) -> bool {
    match &report.delivery {
        // A page to a person has one recipient.
        Delivery::Accepted { .. } | Delivery::Partly { .. } => false,
        Delivery::Failed { .. } => true,
        Delivery::Retry { after: Some(after), .. } if *after > PATIENCE => report.attempts <= 2,
        Delivery::Retry { .. } | Delivery::Uncertain { .. } => report.attempts == 2,
    }
}

impl Draft<'_> {
    /// Writes down what receivers said. A message that was withdrawn and had arrived all the same counts as accepted.
    pub(super) fn take_reports(&mut self) {
        let mut unreached = Vec::new();
        let mut last_resorts = Vec::new();
        let last_step = self.last_resort_begins_at();
        for report in &self.seen.reports {
            let id = report.id.to_string();
            let Some(notification) = self.status.notifications.iter_mut().find(|n| n.id == id) else { continue };
            outcome::take(notification, report);
            if drags_on(report) {
                unreached.extend(Unreached::of(notification));
                last_resorts.extend(last_resort::run_of(notification, last_step));
            }
            let told = outcome::note(notification, report);
            if let Some((reason, text)) = told {
                self.note(true, reason, "Send", text);
            }
        }
        for failed in self.fail_those_without_a_channel() {
            unreached.extend(Unreached::of(&failed));
            last_resorts.extend(last_resort::run_of(&failed, last_step));
        }
        self.call_the_operators_last_resort(last_resorts, "the policy's last resort cannot be reached");
        for Unreached { cycle, step, rule, person } in unreached {
            if let Some(chain) = &mut self.chain {
                chain.hasten(cycle, step, &person, rule, self.now);
            }
        }
    }

    /// What another leader had planned and was due may have been sent, and its outcome lost with that leader, also where an
    /// earlier attempt had failed: who it is for hears the end in any case. Not before the time for which its receiver asked.
    pub(super) fn doubt_what_the_last_leader_planned(&mut self) {
        if self.status.epoch.is_none_or(|epoch| epoch >= self.seen.epoch) {
            return;
        }
        let now = self.now;
        let open = |n: &&mut Notification| n.state == NotificationState::Planned;
        let due = |n: &&mut Notification| n.due_at() <= now;
        for notification in self.status.notifications.iter_mut().filter(open).filter(due) {
            notification.state = NotificationState::Uncertain;
            notification.may_have_arrived = true;
            notification.error = Some(match notification.error.take() {
                None => "the leader that planned it may have sent it".to_owned(),
                Some(error) => format!("{error}; after that the leader that planned it may have sent it"),
            });
        }
    }

    /// What was planned for a channel that the policy no longer has can never be sent.
    fn fail_those_without_a_channel(&mut self) -> Vec<Notification> {
        let mut failed = Vec::new();
        let (live, last_resort) = (self.live(), &self.seen.last_resort);
        for notification in self.status.notifications.iter_mut().filter(|n| !n.state.is_finished()) {
            let error = match (notification.channel.as_str(), live) {
                // Its policy may be on its way back: what is planned for it waits.
                (LastResort::NAME, _) if *last_resort != OwnLastResort::None => continue,
                (LastResort::NAME, _) => "the operator has no last resort any more".to_owned(),
                (_, None) => continue,
                (channel, Some(live)) if live.channels.contains_key(channel) => continue,
                (channel, Some(live)) => {
                    format!("channel {channel} is no longer in policy {}/{}", live.namespace, live.name)
                }
            };
            notification.end_as(NotificationState::Failed);
            notification.error = Some(error);
            self.cancel.extend(NotificationId::parse(&notification.id));
            failed.push(notification.clone());
        }
        failed
    }

    fn id_of(&self, kind: MessageKind, page: &Page) -> NotificationId {
        notification_id(&NotificationKey {
            ticket_uid: &meta::identity(self.seen.ticket.as_ref()),
            kind,
            cycle: page.cycle,
            step: page.step,
            person: page.person.as_deref().unwrap_or_default(),
            channel: &page.channel,
            rule: page.rule,
            sequence: u64::from(page.sequence),
        })
    }

    /// Plans a page for which the escalation asks now, and it asks for each once. One that is there and withdrawn all the same is
    /// what another leader had planned for this step while an outage parted us, merged since: it may never have arrived, so the
    /// same message goes out again.
    pub(super) fn plan_step(&mut self, page: &Page, why: &str) {
        let id = self.id_of(MessageKind::Page, page);
        let text = id.to_string();
        let is_withdrawn = |n: &Notification| n.id == text && n.state == NotificationState::Superseded;
        let Some(place) = self.status.notifications.iter().position(is_withdrawn) else {
            return self.plan(MessageKind::Page, page, why);
        };
        let known = self.status.notifications.remove(place);
        self.anew.push(id);
        self.status.notifications.push(Notification {
            state: NotificationState::Planned,
            planned_at: page.planned,
            why: Some(cut(why.to_owned(), 512)),
            ..known
        });
    }

    /// Plans a message; one that is planned already stays as it is.
    pub(super) fn plan(&mut self, kind: MessageKind, page: &Page, why: &str) {
        let id = self.id_of(kind, page).to_string();
        if self.status.notifications.iter().any(|n| n.id == id) {
            return;
        }
        self.status.notifications.push(Notification {
            id,
            kind: kind.into(),
            cycle: page.cycle,
            step: page.step,
            rule: page.rule,
            sequence: page.sequence,
            person: page.person.clone(),
            channel: page.channel.clone(),
            state: NotificationState::Planned,
            attempts: 0,
            planned_at: page.planned,
            at: None,
            receipt: None,
            error: None,
            retry_at: None,
            reached: Vec::new(),
            refused: Vec::new(),
            may_have_arrived: false,
            why: Some(cut(why.to_owned(), 512)),
        });
    }

    /// Pages that wait are not needed once somebody acknowledged or the trouble ended.
    pub(super) fn supersede_pages(&mut self) {
        self.supersede(|n| n.kind == NotificationKind::Page);
    }

    /// That it was over is no news any more when it fires again before everybody has heard of it: after the new page it
    /// would read as its end.
    pub(super) fn withdraw_the_end(&mut self) {
        self.supersede(|n| n.kind == NotificationKind::Resolved);
    }

    pub(super) fn supersede(&mut self, which: impl Fn(&Notification) -> bool) {
        for notification in self.status.notifications.iter_mut().filter(|n| !n.state.is_finished() && which(n)) {
            notification.end_as(NotificationState::Superseded);
            self.cancel.extend(NotificationId::parse(&notification.id));
        }
    }

    /// How many messages this ticket has planned in its life: makes the next update a message of its own.
    pub(super) fn planned_so_far(&self) -> u32 {
        let counts = self.status.notification_counts.unwrap_or_default();
        let listed = u32::try_from(self.status.notifications.len()).unwrap_or(u32::MAX);
        [counts.accepted, counts.failed, counts.superseded].into_iter().fold(listed, u32::saturating_add)
    }

    pub(super) fn unfinished(&self) -> impl Iterator<Item = &Notification> {
        self.status.notifications.iter().filter(|n| !n.state.is_finished())
    }

    pub(super) fn has_unfinished(&self) -> bool {
        self.unfinished().next().is_some()
    }

    /// Keeps all unfinished notifications and the last fifty finished ones; the others become counts. Of each that is told
    /// the last alarm stays that may have reached it, and the last word of an end, however much has come since: by them it is
    /// known who has to hear of the end, and by the last page that was accepted that somebody was told.
    pub(super) fn evict_notifications(&mut self) {
        let finished = self.status.notifications.iter().filter(|n| n.state.is_finished()).count();
        let mut surplus = finished.saturating_sub(LISTED);
        if surplus == 0 {
            return;
        }
        let stay = the_end::last_of_each(&self.status.notifications);
        let mut counts: NotificationCounts = self.status.notification_counts.unwrap_or_default();
        self.status.notifications.retain(|n| {
            if surplus == 0 || !n.state.is_finished() || stay.contains(&n.id) {
                return true;
            }
            surplus -= 1;
            match n.state {
                NotificationState::Accepted => counts.accepted += 1,
                NotificationState::Failed => counts.failed += 1,
                _ => counts.superseded += 1,
            }
            false
        });
        self.status.notification_counts = Some(counts);
    }
}
