//! Each test is a short story on a clock of minutes. `0` is Tuesday 2026-11-03 10:00 in Berlin: ada is on call.

mod acknowledge;
mod duty;
mod hold;
mod model;
mod people;
mod steps;

use super::*;
use crate::{policy::example::policy, suppression::HoldKind};

fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-11-03T09:00:00Z".parse().unwrap();
    start + jiff::SignedDuration::from_mins(minute)
}

/// One chain under the example policy: steps at 0 (primary), 10 (secondary and chat) and 30 (carol), once more
/// 30 minutes after the last, an hour's `ackTimeout`. Ada's rules are chat at once and sms after 5 minutes.
struct Story {
    policy: Policy,
    escalation: EscalationPolicy,
    chain: Chain,
    overrides: Vec<Override>,
    suppressed: Option<Hold>,
    told: Vec<String>,
}

impl Story {
    fn begin() -> Self {
        let policy = policy();
        let escalation = policy.escalations["page"].clone();
        Self {
            policy,
            escalation,
            chain: Chain::start(at(0)),
            overrides: Vec::new(),
            suppressed: None,
            told: Vec::new(),
        }
    }

    fn situation(&self) -> Situation<'_> {
        Situation {
            escalation: &self.escalation,
            live: &self.policy,
            overrides: &self.overrides,
            severity: Severity::Page,
            hold: self.suppressed.as_ref(),
        }
    }

    fn advance(&mut self, event: Option<Event>, minute: i64) -> Vec<Effect> {
        let mut chain = self.chain.clone();
        let effects = advance(&mut chain, event, self.situation(), at(minute));
        self.chain = chain;
        for effect in &effects {
            if let Effect::Page(page) = effect {
                let who = page.person.as_deref().unwrap_or("-");
                self.told.push(format!("{minute}: {who} by {} (step {})", page.channel, page.step));
            }
        }
        effects
    }

    fn happens(&mut self, event: Event, minute: i64) -> Vec<Effect> {
        self.advance(Some(event), minute)
    }

    /// Looks every minute up to and including `until`.
    fn run(&mut self, from: i64, until: i64) -> Vec<Effect> {
        (from..=until).flat_map(|minute| self.advance(None, minute)).collect()
    }

    /// The minute of the next deadline.
    fn next(&self, now: i64) -> Option<i64> {
        let next = next_deadline(&self.chain, self.situation(), at(now))?;
        Some(next.duration_since(at(0)).as_mins())
    }

    fn hold(&mut self, by: &str, kind: HoldKind, until: Option<i64>) {
        self.suppressed = Some(Hold { by: by.to_owned(), kind, until: until.map(at) });
    }

    /// What was told from this place on.
    fn told_from(&self, place: usize) -> &[String] {
        &self.told[place..]
    }
}

fn ack(minute: i64) -> Event {
    Event::Acknowledge { by: "ada".into(), at: at(minute) }
}

fn snooze(minute: i64, until: i64) -> Event {
    Event::Snooze { by: "ada".into(), at: at(minute), until: at(until) }
}

/// All effects but pages and the beginning of steps.
fn remarkable(effects: &[Effect]) -> Vec<&Effect> {
    effects.iter().filter(|e| !matches!(e, Effect::StepBegan { .. } | Effect::Page(_))).collect()
}

/// Whom each begun step reached, in words.
fn begun(effects: &[Effect]) -> Vec<String> {
    let words = |effect: &Effect| match effect {
        Effect::StepBegan { step, reached, .. } => Some(format!("step {step}: {reached}")),
        _ => None,
    };
    effects.iter().filter_map(words).collect()
}
