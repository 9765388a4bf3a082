//! The escalation of a ticket: its events go in, its effects become notifications, lines and notes.

use domain::{
    alert::Severity,
    escalation::{self, Chain, Effect, Event, Page, Situation, Withdrawn},
    message::MessageKind,
    policy::{EscalationPolicy, LastResort, NotifyTarget},
    routing::timing,
    suppression::Hold,
    ticket::timeline::What,
};
use jiff::Timestamp;

use super::Draft;

impl Draft<'_> {
    /// Starts the escalation of a page; tells those the route only notifies.
    pub(super) fn start_chain(&mut self, at: Timestamp) {
        let Some(route) = self.route.clone() else { return };
        let is_page = self.severity() == Severity::Page;
        let escalates = route.escalation.is_some() || is_page;
        if escalates {
            // The API server's clock may be ahead of ours; a page must not wait for that.
            self.chain = Some(Chain::start(at.min(self.now)));
            let name = route.escalation.clone().unwrap_or_default();
            self.status.escalation =
                self.chain.as_ref().map(|chain| api::ticket::EscalationStatus::new(&name, chain, None));
        }
        // Without an escalation of its own, a page's chain tells those very targets.
        if route.escalation.is_some() || !is_page {
            self.tell_groups(timing::Event::Fired(at));
        }
    }

    pub(super) fn severity(&self) -> Severity {
        self.status.severity.map_or(Severity::Ticket, Into::into)
    }

    /// Lets an event happen to the escalation; what is due runs at the end of the decision.
    pub(super) fn tell_chain(&mut self, event: Event) {
        self.advance(Some(event));
    }

    /// Runs what is due.
    pub(super) fn run_chain(&mut self) {
        self.advance(None);
    }

    fn advance(&mut self, event: Option<Event>) {
        let Some(live) = self.live() else { return };
        let Some(mut chain) = self.chain.take() else { return };
        let escalation = self.escalation();
        let hold = self.hold();
        let (overrides, severity) = (self.seen.overrides.as_slice(), self.severity());
        let situation = Situation { escalation: &escalation, live, overrides, severity, hold: hold.as_ref() };
        let effects = escalation::advance(&mut chain, event, situation, self.now);
        let ended = !chain.waits_for_a_person();
        self.chain = Some(chain);
        for effect in effects {
            self.carry_out(effect);
        }
        if ended {
            self.supersede_pages();
        }
    }

    /// The escalation as it stood when the ticket began; a page without one tells the route's targets or the last resort.
    pub(super) fn escalation(&self) -> EscalationPolicy {
        let name = self.status.escalation.as_ref().map_or("", |stored| stored.chain.as_str());
        let policy = self.policy();
        if let Some(named) = policy.and_then(|policy| policy.escalations.get(name)) {
            return named.clone();
        }
        let notify = self.route.as_ref().map_or(&[][..], |route| route.notify.as_slice());
        policy
            .or(self.live())
            .map_or_else(EscalationPolicy::empty, |policy| escalation::without_escalation(notify, policy))
    }

    /// Why nobody may be told now.
    pub(super) fn hold(&self) -> Option<Hold> {
        self.judged().hold.or_else(|| self.settling())
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Page(page) => self.plan_page(&page),
            Effect::StepBegan { cycle, step, reached } => {
                // Somebody is found again, but not by the last resort, which is told because nobody was.
                self.nobody_found &= step == 0 || !reached.anybody();
                let words = if step == 0 {
                    format!("cycle {cycle}, last resort: {reached}")
                } else {
                    format!("cycle {cycle}, step {step}: {reached}")
                };
                self.line(What::Step, self.now, words.clone());
                self.note(true, "Escalated", "Escalate", words);
            }
            Effect::RuleMissed { step, missing } => {
                let words = format!("step {step} cannot be completed: {missing}");
                self.line(What::Step, self.now, words.clone());
                self.note(true, missing.reason(), "Escalate", words);
            }
            Effect::Held { at, step, person, by } => {
                if let Some(hold) = self.hold() {
                    self.count_held(hold.kind);
                }
                let whom = person.map(|person| format!(" {person}")).unwrap_or_default();
                let detail = format!("would have paged{whom} at {at} ({}), {by}", step_words(step));
                if let Some(silence) = self.judged().silence {
                    self.held_by.push((silence, detail.clone()));
                }
                self.note(false, "Held", "Hold", detail.clone());
                self.line(What::Held, self.now, detail);
            }
            Effect::Released { by, waited } => {
                let waited = domain::time::format_duration(waited);
                self.line(What::Released, self.now, format!("{by} ended; steps waited {waited}"));
            }
            Effect::NobodyFound => {
                self.nobody_found = true;
                self.counts.nobody_found += 1;
                self.line(What::NobodyFound, self.now, "no step reached anybody; the last resort is told");
                self.note(
                    true,
                    "NobodyFound",
                    "Escalate",
                    "no step of the escalation reaches anybody; the last resort is told",
                );
            }
            Effect::LastResortFoundNobody => {
                let words = "the last resort reaches nobody either: mend spec.lastResort of the policy";
                self.line(What::NobodyFound, self.now, words);
                self.note(true, "LastResortFoundNobody", "Escalate", words);
                let run = self.chain.as_ref().map(|chain| (chain.cycle, chain.sequence));
                self.call_the_operators_last_resort(
                    run.into_iter().collect(),
                    "the policy's last resort reaches nobody",
                );
            }
            Effect::Exhausted => {
                self.counts.exhausted += 1;
                self.line(
                    What::Exhausted,
                    self.now,
                    "nobody acknowledged in any cycle; the last resort is told, then the last step hourly",
                );
                self.note(
                    true,
                    "EscalationExhausted",
                    "Escalate",
                    "nobody acknowledged in any cycle; the last resort is told",
                );
            }
            Effect::AcknowledgementWithdrawn { by, why } => {
                let why = match why {
                    Withdrawn::Silent => format!("nothing happened after {by} acknowledged"),
                    Withdrawn::SnoozeEnded => format!("the snooze of {by} is over"),
                    Withdrawn::Escalated => format!("{by} worked on it, and somebody called for another step"),
                };
                self.line(What::AcknowledgementWithdrawn, self.now, why.clone());
                self.note(true, "AcknowledgementWithdrawn", "Escalate", format!("{why}; a new cycle starts"));
                self.refold();
            }
            Effect::AskStillOnIt { by } => {
                self.plan_update(&by, "are you still on it? Otherwise the escalation starts again soon");
            }
            Effect::TellRefired { by } => self.plan_update(&by, "it fires again"),
        }
    }

    fn plan_page(&mut self, page: &Page) {
        let chain = self.status.escalation.as_ref().map(|stored| stored.chain.clone()).unwrap_or_default();
        let escalation = match chain.as_str() {
            "" if self.route_has_targets() => "the route's own targets".to_owned(),
            "" => "the last resort".to_owned(),
            name => format!("escalation {name}"),
        };
        let why = match page.step {
            _ if page.channel == LastResort::NAME => self.why_nobody_else_is_told(),
            0 => "last resort: everything else found nobody, or nobody answered".to_owned(),
            step => format!("step {step} of {escalation}, cycle {}", page.cycle),
        };
        let again = self.timeline.iter().any(|line| matches!(line.what, What::Reopened | What::Refired));
        let why = if again { format!("it fires again after it had ended; {why}") } else { why };
        self.plan_step(page, &why);
    }

    pub(super) fn plan_notice(&mut self, target: &NotifyTarget, due: Timestamp, sequence: u32, why: &str) {
        let Some(live) = self.live() else { return };
        let page = |person: Option<String>, channel: String| Page {
            cycle: 0,
            step: 0,
            rule: 0,
            sequence,
            person,
            channel,
            planned: due,
        };
        match target {
            NotifyTarget::Channel(channel) => self.plan(MessageKind::Notice, &page(None, channel.clone()), why),
            NotifyTarget::Person(person) => self.plan_person(MessageKind::Notice, person, due, sequence, why),
            NotifyTarget::Schedule(schedule) => {
                let schedule_now = live.schedules.get(schedule);
                let person = schedule_now.and_then(|it| domain::oncall::who(it, &self.seen.overrides, self.now));
                match person {
                    Some(person) => self.plan_person(MessageKind::Notice, person, due, sequence, why),
                    None => {
                        self.line(What::NobodyFound, self.now, format!("nobody on call in {schedule} for a notice"));
                    }
                }
            }
        }
    }

    pub(super) fn plan_update(&mut self, person: &str, why: &str) {
        let sequence = self.planned_so_far();
        self.plan_person(MessageKind::Update, person, self.now, sequence, why);
    }

    /// Tells a person through their first rule; a user whom the policy does not know cannot be told.
    fn plan_person(&mut self, kind: MessageKind, person: &str, due: Timestamp, sequence: u32, why: &str) {
        let Some(live) = self.live() else { return };
        let rule = live.people.get(person).and_then(|found| found.rules_for(self.severity()).into_iter().next());
        let Some(rule) = rule else { return };
        let page = Page {
            cycle: 0,
            step: 0,
            rule: 1,
            sequence,
            person: Some(person.to_owned()),
            channel: rule.channel.clone(),
            planned: due,
        };
        self.plan(kind, &page, why);
    }

    pub(super) fn chain_deadline(&self) -> Option<Timestamp> {
        let (chain, live) = (self.chain.as_ref()?, self.live()?);
        let escalation = self.escalation();
        let hold = self.hold();
        let (overrides, severity) = (self.seen.overrides.as_slice(), self.severity());
        let situation = Situation { escalation: &escalation, live, overrides, severity, hold: hold.as_ref() };
        escalation::next_deadline(chain, situation, self.now)
    }

    /// The earliest of: the escalation's deadline, the end of quiet, a notice's due time, a silence that begins or ends.
    pub(super) fn next_look(&self) -> Option<Timestamp> {
        let open = self.status.state.is_none_or(|state| !super::alerts::is_over(state));
        let silences = self
            .seen
            .silences
            .iter()
            .filter(|_| open)
            .flat_map(|silence| [silence.starts_at, silence.ends_at])
            .filter(|at| *at > self.now);
        let notices = self.unfinished().map(|n| n.planned_at).filter(|at| *at > self.now);
        let by_itself = self.folded.as_ref().and_then(|folded| folded.next);
        let unlisted = self.status.alerts.as_ref().and_then(|alerts| alerts.unlisted_until);
        let let_go = self.hold().and_then(|hold| hold.until).filter(|at| open && *at > self.now);
        [
            self.chain_deadline(),
            self.quiet_until(),
            self.next_notice(),
            by_itself,
            self.next_mark(),
            let_go,
            self.next_mended(),
            unlisted,
        ]
        .into_iter()
        .flatten()
        .chain(silences)
        .chain(notices)
        .min()
    }
}

fn step_words(step: u32) -> String {
    if step == 0 { "last resort".to_owned() } else { format!("step {step}") }
}
