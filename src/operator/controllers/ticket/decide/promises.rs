//! Those who hear that a promise nears its due time or is broken.
//!
//! A breach is a line at once, dated when it was. A message goes to whom the policy names for it, else to the assignee,
//! else to the channel of the queue; it is never a page. While an escalation waits for somebody, people are woken for this
//! very ticket already, so messages wait; once somebody has taken it they are told what is still so, the highest level.

use std::collections::BTreeMap;

use domain::{
    escalation::{Chain, Page},
    message::MessageKind,
    policy::NotifyTarget,
    sla::{self, Breach, ClockName, Mark, Reached},
    ticket::timeline::{Line, What},
    time::{between, format_duration},
};
use jiff::Timestamp;

use super::{Draft, Said};

impl Draft<'_> {
    pub(super) fn tell_of_clocks(&mut self) {
        self.record_breaches();
        if self.not_paged || self.chain.as_ref().is_some_and(Chain::waits_for_a_person) {
            return;
        }
        let told: Vec<Reached> = self.about_clocks(&[What::Warned]).map(|(_, reached)| reached).collect();
        for (reached, at) in sla::untold(&self.clocks, &told) {
            self.tell_of(reached, at);
        }
    }

    /// Each breach once; of one that a late arrival disproves (an answer that was given in time after all), that too.
    fn record_breaches(&mut self) {
        let stands = |line: &Line| line.what == What::Breach;
        let known: BTreeMap<(ClockName, usize), bool> = self
            .about_clocks(&[What::Breach, What::BreachWithdrawn])
            .map(|(line, reached)| ((reached.clock, reached.run), stands(line)))
            .collect();
        let broken: BTreeMap<(ClockName, usize), Breach> =
            self.clocks.breaches().map(|breach| ((breach.clock, breach.run), breach)).collect();
        let oldest = |clock: ClockName| {
            let mut runs = known.keys().filter(|(name, _)| *name == clock).map(|(_, run)| *run);
            let first = runs.next();
            first.filter(|_| runs.count() + 1 >= sla::REMEMBERED)
        };
        for (key @ (clock, run), breach) in &broken {
            let is_settled = oldest(*clock).is_some_and(|oldest| *run < oldest);
            if is_settled || known.get(key).copied().unwrap_or(false) {
                continue;
            }
            let words = Reached { clock: *clock, run: *run, mark: Mark::Due }.words();
            let late = between(breach.breached_at, self.now);
            let found =
                if late.as_secs() > 1 { format!(", found {} later", format_duration(late)) } else { String::new() };
            self.line(What::Breach, breach.breached_at, format!("{words}: the promise was not kept{found}"));
            self.note(true, "Breached", "Watch", format!("{clock} ran past its due time at {}", breach.breached_at));
            self.said.push(Said { clock: *clock, breach: true, late });
        }
        for ((clock, run), _) in known.iter().filter(|(key, stands)| **stands && !broken.contains_key(key)) {
            let words = Reached { clock: *clock, run: *run, mark: Mark::Due }.words();
            self.line(What::BreachWithdrawn, self.now, format!("{words}: what came in late shows that it was kept"));
        }
    }

    /// The lines of these sorts, and which clock each is about.
    fn about_clocks<'b>(&'b self, whats: &'b [What]) -> impl Iterator<Item = (&'b Line, Reached)> {
        let lines = self.timeline.iter().filter(|line| whats.contains(&line.what));
        lines.filter_map(|line| Some((line, Reached::parse(&line.detail)?)))
    }

    fn tell_of(&mut self, reached: Reached, at: Timestamp) {
        let targets = self.who_hears(reached.mark);
        let words = reached.words();
        let why = self.in_words(reached, at);
        let before = self.status.notifications.len();
        for target in &targets {
            self.plan_warning(target, reached, &why);
        }
        let planned = self.status.notifications.iter().skip(before);
        let told: Vec<&str> = planned.map(|n| n.person.as_deref().unwrap_or(&n.channel)).collect();
        let line = if told.is_empty() {
            format!(
                "{words}: nobody was told; name somebody in the policy, assign the ticket or give its queue a channel"
            )
        } else {
            format!("{words}: told {}", told.join(", "))
        };
        self.line(What::Warned, self.now, line);
        if reached.mark != Mark::Due {
            self.said.push(Said { clock: reached.clock, breach: false, late: between(at, self.now) });
        }
    }

    fn in_words(&self, reached: Reached, at: Timestamp) -> String {
        let Reached { clock, run, mark } = reached;
        let words = reached.words();
        let found = self.clocks.runs.iter().find(|known| known.name == clock && known.run == run);
        let target = found
            .and_then(|clock| clock.target)
            .map_or_else(String::new, |target| format!(" of {}", format_duration(target)));
        match (mark, found.and_then(|clock| clock.due)) {
            (Mark::Due, _) => format!("{words}: the promised time{target} ran out at {at}"),
            (Mark::Warning(_), Some(due)) => {
                format!("{words}: so much of the promised time{target} is used, due {due}")
            }
            (Mark::Warning(_), None) => format!("{words}: so much of the promised time{target} is used"),
        }
    }

    /// Whom the policy names, else the assignee, else the queue's channel.
    fn who_hears(&self, mark: Mark) -> Vec<NotifyTarget> {
        let priority = self.status.priority.as_deref().unwrap_or_default();
        let promise = self.promises().and_then(|policy| policy.sla.by_priority.get(priority));
        let named = promise.map(|promise| if mark == Mark::Due { &promise.on_breach } else { &promise.on_warn });
        if let Some(named) = named.filter(|named| !named.is_empty()) {
            return named.clone();
        }
        let known = |name: &&String| self.live().is_some_and(|policy| policy.people.contains_key(*name));
        if let Some(assignee) = self.status.assignee.as_ref().filter(known) {
            return vec![NotifyTarget::Person(assignee.clone())];
        }
        let queue = self.status.queue.as_ref().and_then(|name| self.policy()?.queues.get(name));
        queue.and_then(|queue| queue.channel.clone()).map(NotifyTarget::Channel).into_iter().collect()
    }

    /// A person hears through the first of their rules. The id is decided by the clock, its run and the level.
    fn plan_warning(&mut self, target: &NotifyTarget, reached: Reached, why: &str) {
        let Some(live) = self.live() else { return };
        let person = match target {
            NotifyTarget::Channel(_) => None,
            NotifyTarget::Person(person) => Some(person.clone()),
            NotifyTarget::Schedule(name) => {
                let schedule = live.schedules.get(name);
                let Some(on_call) =
                    schedule.and_then(|schedule| domain::oncall::who(schedule, &self.seen.overrides, self.now))
                else {
                    return self.line(What::NobodyFound, self.now, format!("nobody on call in {name} for a warning"));
                };
                Some(on_call.to_owned())
            }
        };
        let channel = match (target, &person) {
            (NotifyTarget::Channel(channel), _) => Some(channel.clone()),
            (_, Some(person)) => live
                .people
                .get(person)
                .and_then(|found| found.rules_for(self.severity()).into_iter().next().map(|rule| rule.channel.clone())),
            _ => None,
        };
        let Some(channel) = channel else { return };
        let page = Page {
            cycle: u32::try_from(reached.run).unwrap_or(u32::MAX),
            step: match reached.mark {
                Mark::Warning(percent) => u32::from(percent),
                Mark::Due => 100,
            },
            rule: u32::from(person.is_some()),
            sequence: reached.clock as u32,
            person,
            channel,
            planned: self.now,
        };
        self.plan(MessageKind::SlaWarning, &page, why);
    }
}
