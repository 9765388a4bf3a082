//! What has failed for good through a channel that was mended since: its Secret was wrong and is another, or the policy names
//! another address.
//!
//! It is the same message with the same id, which its receiver has never taken; and it is tried again only as long as
//! somebody still waits for it, the newest for each receiver: a page until somebody takes it, the word of an end for a day.

use std::collections::BTreeSet;

use api::ticket::{Notification, NotificationKind, NotificationState};
use domain::{escalation::Chain, message::NotificationId, ticket::timeline::What};
use jiff::Timestamp;

use super::Draft;

impl Draft<'_> {
    /// Plans it again, unless something holds it at the moment: then when that ends.
    pub(super) fn try_again_what_was_mended(&mut self) {
        if self.hold().is_some() {
            return;
        }
        let due: BTreeSet<String> =
            self.mended_since().filter(|(_, at)| *at <= self.now).map(|(n, _)| n.id.clone()).collect();
        let mut channels = BTreeSet::new();
        for notification in self.status.notifications.iter_mut().filter(|n| due.contains(&n.id)) {
            notification.state = NotificationState::Planned;
            self.anew.extend(NotificationId::parse(&notification.id));
            channels.insert(notification.channel.clone());
        }
        for channel in channels {
            let words = format!("channel {channel} was mended: what had failed through it is tried again");
            self.line(What::Step, self.now, words.clone());
            self.note(false, "ChannelMended", "Send", words);
        }
    }

    /// When the first is tried again that waits for a moment to come.
    pub(super) fn next_mended(&self) -> Option<Timestamp> {
        self.mended_since().map(|(_, at)| at).filter(|at| *at > self.now).min()
    }

    /// Messages that have failed before their channel became what it is, and when it did. That moment is a whole second that
    /// has begun, so that one which fails anew in it is not tried for ever.
    fn mended_since(&self) -> impl Iterator<Item = (&Notification, Timestamp)> {
        let all = &self.status.notifications;
        let waits = self.chain.as_ref().is_some_and(Chain::waits_for_a_person);
        let ended = self.end_that_is_news().map(|ended| ended.at);
        let wanted = move |n: &Notification| match n.kind {
            NotificationKind::Page => waits,
            NotificationKind::Notice => !self.is_over() && self.firing() > 0,
            // Whoever was alarmed waits for it, and has no other way to hear it.
            NotificationKind::Resolved => ended.is_some_and(|at| n.planned_at >= at),
            _ => false,
        };
        let same = |n: &Notification, other: &Notification| {
            (n.kind, &n.person, &n.channel) == (other.kind, &other.person, &other.channel)
        };
        let is_newest = move |place: usize, n: &Notification| {
            let later = all.iter().skip(place + 1).filter(|other| other.state != NotificationState::Superseded);
            later.into_iter().all(|other| !same(n, other))
        };
        let failed = all.iter().enumerate().filter(|(_, n)| n.state == NotificationState::Failed);
        failed.filter(move |(place, n)| wanted(n) && is_newest(*place, n)).filter_map(|(_, n)| {
            let mended = *self.seen.mended.get(&n.channel)?;
            (n.at.unwrap_or(n.planned_at) < mended).then_some((n, mended))
        })
    }
}
