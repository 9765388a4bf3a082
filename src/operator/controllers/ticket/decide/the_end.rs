//! Who hears that it is over: everybody whom a page or a notice has reached or may have reached, by whose hand and however late
//! that became known. Once told, nobody is told again.

use std::collections::{BTreeSet, HashSet};

use api::ticket::{AlertLineState, Notification, NotificationKind, NotificationState};
use domain::{escalation::Page, message::MessageKind};
use jiff::Timestamp;

use super::{Draft, alerts::is_over};
use crate::engine::outbox::GIVE_UP_AFTER;

/// A status lists at most 500 notifications.
const MOST_KEPT: usize = 200;

/// Who is told: a person, through a channel.
type Target = (Option<String>, String);

/// How it ended.
pub(super) struct Ended {
    pub(super) at: Timestamp,
    kind: MessageKind,
    why: &'static str,
}

impl Draft<'_> {
    /// Those whom a page or notice may have reached hear of its end; what was not sent yet is withdrawn.
    pub(super) fn tell_those_paged(&mut self, kind: MessageKind, why: &str) {
        self.supersede(Notification::is_alarm);
        let told: BTreeSet<Target> =
            self.status.notifications.iter().filter(|n| may_have_alarmed(n)).map(target).collect();
        self.tell(kind, why, told);
    }

    /// Whoever has an alarm and has not heard of the end hears of it, where the alarm became known too late for the end: it was
    /// on its way, or somebody else has sent it. What became known later than messages are tried for is no news.
    pub(super) fn tell_who_missed_the_end(&mut self) {
        let Some(Ended { at, kind, why }) = self.end_that_is_news() else { return };
        let mut missed = BTreeSet::new();
        for n in &self.status.notifications {
            if may_have_alarmed(n) {
                missed.insert(target(n));
            } else if n.kind == NotificationKind::Resolved && is_end(n) {
                missed.remove(&target(n));
            }
        }
        for n in self.status.notifications.iter().filter(|n| is_end(n) && n.planned_at >= at) {
            missed.remove(&target(n));
        }
        self.tell(kind, why, missed);
    }

    fn tell(&mut self, kind: MessageKind, why: &str, told: BTreeSet<Target>) {
        let sequence = self.planned_so_far();
        let cycle = self.chain.as_ref().map_or(0, |chain| chain.cycle);
        for (person, channel) in told {
            let page = Page { cycle, step: 0, rule: 0, sequence, person, channel, planned: self.now };
            self.plan(kind, &page, why);
        }
    }

    /// The end, unless it is longer ago than messages are tried for.
    pub(super) fn end_that_is_news(&self) -> Option<Ended> {
        let is_news = |at: Timestamp| at <= self.now && domain::time::between(at, self.now) <= GIVE_UP_AFTER;
        self.ended().filter(|ended| is_news(ended.at))
    }

    /// `None` while something fires that nobody has resolved, and where nothing ever fired.
    fn ended(&self) -> Option<Ended> {
        let alerts = self.status.alerts.as_ref()?;
        let over = self.status.resolved_at.filter(|_| self.status.state.is_some_and(is_over));
        if let Some(at) = over.or(self.status.recovered_at) {
            return Some(Ended { at, kind: MessageKind::Resolved, why: "it was over when the page arrived" });
        }
        let last = alerts.list.iter().max_by_key(|line| line.since).filter(|_| alerts.firing == 0)?;
        let gone = last.state == AlertLineState::SourceRemoved;
        gone.then_some(Ended {
            at: last.since,
            kind: MessageKind::Update,
            why: "the source of the last alert was removed or suspended before the page arrived",
        })
    }
}

/// Of each target the last page and the last notice that reached it, the last ones that may have, and the last words of an end;
/// of very many the newest.
pub(super) fn last_of_each(all: &[Notification]) -> BTreeSet<String> {
    let mut seen = HashSet::new();
    let known = all.iter().rev().filter(|n| may_have_alarmed(n) || is_end(n));
    let arrived = |n: &Notification| n.state == NotificationState::Accepted;
    known.filter(|n| seen.insert((target(n), n.kind, arrived(n)))).take(MOST_KEPT).map(|n| n.id.clone()).collect()
}

fn may_have_alarmed(n: &Notification) -> bool {
    n.is_alarm() && n.may_have_reached()
}

/// One that was withdrawn tells nobody.
fn is_end(n: &Notification) -> bool {
    n.is_end() && n.state != NotificationState::Superseded
}

fn target(n: &Notification) -> Target {
    (n.person.clone(), n.channel.clone())
}
