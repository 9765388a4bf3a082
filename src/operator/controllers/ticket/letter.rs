//! What a planned notification says, and where it goes.

use api::{
    Ticket,
    ticket::{AlertLineState, Notification},
};
use domain::{
    alert::Severity,
    message::{Channel, Message, NotificationId},
    policy::{LastResort, Policy},
};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    engine::outbox::{Item, TargetKey},
    kube::meta::{self, Key},
};

/// Every message of the ticket that is planned, due and can be sent.
pub(super) fn due(ticket: &Ticket, ways: Ways<'_>, now: Timestamp) -> Vec<Item> {
    let Some(status) = &ticket.status else { return Vec::new() };
    let waiting = status.notifications.iter().filter(|n| !n.state.is_finished() && n.planned_at <= now);
    waiting.filter_map(|notification| item(ticket, ways, notification)).collect()
}

/// Where messages of a ticket can go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ways<'a> {
    /// Its people and channels.
    pub(super) policy: Option<&'a Policy>,
    /// The operator's own.
    pub(super) last_resort: Option<&'a LastResort>,
}

impl Ways<'_> {
    /// Whose the channel is that is meant by a name on a ticket.
    pub(super) fn policy_of(&self, channel: &str) -> Option<Key> {
        self.channel(channel).map(|(policy, ..)| policy)
    }

    /// The channel that is meant by a name on a ticket, and whose it is.
    fn channel(&self, name: &str) -> Option<(Key, &str, &Channel)> {
        if name == LastResort::NAME {
            let last = self.last_resort?;
            return Some((Key::new(&*last.namespace, &*last.policy), &last.channel, &last.through));
        }
        let policy = self.policy?;
        let (name, channel) = policy.channels.get_key_value(name)?;
        Some((Key::new(&*policy.namespace, &*policy.name), name, channel))
    }
}

fn item(ticket: &Ticket, ways: Ways<'_>, notification: &Notification) -> Option<Item> {
    let (policy, name, channel) = ways.channel(&notification.channel)?;
    let (name, channel) = (name.to_owned(), channel.clone());
    let people = ways.policy.map(|policy| &policy.people);
    let person = notification.person.as_ref().and_then(|name| people?.get(name));
    let address = match &channel {
        Channel::Email(_) => person.and_then(|person| person.email.clone()),
        Channel::Webhook(_) => None,
    };
    Some(Item {
        ticket: Key::of(ticket),
        target: TargetKey { policy, channel: name, address: address.clone() },
        channel,
        message: message(ticket, notification, address)?,
        attempts: notification.attempts,
        not_before: notification.retry_at,
    })
}

fn message(ticket: &Ticket, notification: &Notification, address: Option<String>) -> Option<Message> {
    let status = ticket.status.as_ref()?;
    let first = ticket.spec.origin.as_ref().and_then(|origin| origin.alerts.first());
    // What fires now, else what fired last: a ticket that fires again tells of this time, not of the first.
    let lines = status.alerts.as_ref().map_or(&[][..], |alerts| alerts.list.as_slice());
    let firing = lines.iter().filter(|line| line.state == AlertLineState::Firing).min_by_key(|line| line.since);
    let began = ticket.spec.origin.as_ref().map_or_else(|| meta::opened(ticket), |origin| origin.first_start);
    let started_at = firing.map_or(began, |line| line.since);
    let labels = firing.map(|line| line.labels.clone()).or_else(|| first.map(|alert| alert.labels.clone()));
    let annotations =
        firing.map(|line| line.annotations.clone()).or_else(|| first.map(|alert| alert.annotations.clone()));
    Some(Message {
        id: NotificationId::parse(&notification.id)?,
        kind: notification.kind.into(),
        namespace: ticket.namespace().unwrap_or_default(),
        ticket: ticket.name_any(),
        ticket_uid: meta::uid(ticket),
        thread: meta::identity(ticket),
        number: status.number.and_then(|number| u64::try_from(number).ok()),
        title: ticket.spec.title.clone(),
        priority: status.priority.clone().unwrap_or_default(),
        severity: status.severity.map_or(Severity::Ticket, Into::into),
        labels: labels.unwrap_or_default(),
        annotations: annotations.unwrap_or_default(),
        started_at,
        planned_at: notification.planned_at,
        why: notification.why.clone().unwrap_or_default(),
        person: notification.person.clone(),
        address,
        settled: settled(notification),
        possible_duplicate: false,
    })
}

/// Of several recipients, those who have it and those who never will.
fn settled(notification: &Notification) -> Vec<String> {
    let refused = notification.refused.iter().map(|refused| &refused.recipient);
    notification.reached.iter().chain(refused).cloned().collect()
}
