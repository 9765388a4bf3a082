//! A ticket that only tries whether somebody can be reached: its messages go the way of every page, once.
//!
//! Absent on purpose: an escalation. Nobody has to acknowledge that nothing is wrong.

use domain::{alert::Severity, escalation::Page, message::MessageKind, policy::Policy, ticket::timeline::What};

use super::{BACKUP_AGE, Draft};
use crate::kube::meta;

const WHY: &str = "somebody tries whether you can be reached; nothing is wrong and nothing is to be done";

impl Draft<'_> {
    /// Plans a message for each way to the target, at the first look at the ticket.
    pub(super) fn send_test_page(&mut self) {
        let Some(target) = self.seen.ticket.spec.test_page.clone() else { return };
        if self.status.epoch.is_some() || self.is_over() {
            return;
        }
        // Restoring creates anew: who asked has written down when.
        let asked = target.requested_at.unwrap_or_else(|| meta::created(self.seen.ticket.as_ref()));
        if domain::time::between(asked, self.now) > BACKUP_AGE {
            let why = format!("it was asked for at {asked}, over an hour ago: a restored backup tells nobody");
            return self.line(What::NotPaged, self.now, why);
        }
        let Some(live) = self.live() else {
            return self.line(What::NobodyFound, self.now, "no policy serves this ticket, so nobody can be told");
        };
        let planned = match (target.person, target.schedule, target.channel) {
            (Some(person), _, _) => self.try_person(live, &person),
            (None, Some(schedule), _) => self.try_schedule(live, &schedule),
            (None, None, Some(channel)) => self.try_channel(live, None, &channel, 0),
            (None, None, None) => Err("expected a person, schedule or channel".to_owned()),
        };
        if let Err(why) = planned {
            self.line(What::NobodyFound, self.now, why);
        }
    }

    fn try_schedule(&mut self, live: &Policy, schedule: &str) -> Result<(), String> {
        let known = live.schedules.get(schedule).ok_or_else(|| format!("the policy has no schedule {schedule}"))?;
        match domain::oncall::who(known, &self.seen.overrides, self.now) {
            Some(person) => self.try_person(live, person),
            None => Err(format!("nobody is on call in {schedule}")),
        }
    }

    /// All rules that a page to this person would use, without their delays.
    fn try_person(&mut self, live: &Policy, person: &str) -> Result<(), String> {
        let known = live.people.get(person).ok_or_else(|| format!("the policy has no person {person}"))?;
        let rules = known.rules_for(Severity::Page);
        if rules.is_empty() {
            return Err(format!("{person} has no rule for pages"));
        }
        for (rule, number) in rules.into_iter().zip(1..) {
            self.try_channel(live, Some(person), &rule.channel, number)?;
        }
        Ok(())
    }

    fn try_channel(&mut self, live: &Policy, person: Option<&str>, channel: &str, rule: u32) -> Result<(), String> {
        if !live.channels.contains_key(channel) {
            return Err(format!("the policy has no channel {channel}"));
        }
        let person = person.map(str::to_owned);
        let page =
            Page { cycle: 0, step: 0, rule, sequence: 0, person, channel: channel.to_owned(), planned: self.now };
        self.plan(MessageKind::Test, &page, WHY);
        Ok(())
    }
}
