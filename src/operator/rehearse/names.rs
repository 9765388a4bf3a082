//! Names in what a fixture expects. One that does not exist is a mistake of the fixture: the case could never pass, and
//! "expected payments, got paymnts" would send its author to look for a mistake in the policy.
//!
//! Other names in what is given (people who act, schedules that are taken over, monitors that are down) are looked up where
//! they are used.

use domain::{
    alert::Severity,
    calendar,
    policy::{PRIORITIES, Policy},
    problem::Problem,
    routing,
    sla::ClockName,
    ticket::{CloseReason, TicketState},
};

use serde_json::Value;

use super::{
    Setting,
    form::{AlertExpect, Breaches, CaseForm, OncallExpect, OncallForm, TicketExpect, TicketForm, WarningExpect},
    read::{Case, Question},
};

/// Where a clock may stand, as fixtures say it.
const RESULTS: [&str; 5] = ["Met", "Missed", "Running", "Paused", "Cancelled"];

/// Why a ticket is over, by people and by the operator.
const REASONS: [CloseReason; 7] = [
    CloseReason::Completed,
    CloseReason::NotPlanned,
    CloseReason::Duplicate,
    CloseReason::NoResponse,
    CloseReason::Spam,
    CloseReason::Merged,
    CloseReason::Recovered,
];

/// Every name that does not exist.
pub(super) fn check(setting: Setting<'_>, case: &Case) -> Vec<Problem> {
    let mut found = Names { policies: Vec::new(), whose: String::new(), problems: Vec::new() };
    let expected_policy = match &case.question {
        Question::Alert(_, expect) => &expect.policy,
        Question::Ticket(_, expect) => &expect.policy,
        Question::Oncall(..) => &None,
    };
    found.namespace(setting, &case.form, *expected_policy == Some(None));
    // Where it is not known which namespace is meant, that is said when the case is run.
    let Ok(namespace) = setting.namespace(case.form.namespace.as_deref()) else { return found.problems };
    found.serving(setting, &namespace);
    if let Some(Some(policy)) = expected_policy {
        found.only(&namespace, policy);
    }
    match &case.question {
        Question::Alert(_, expect) => {
            found.of_alert(expect);
            found.suppressor(&case.form, expect.suppressed_by.iter().flatten().next().map(String::as_str));
        }
        Question::Ticket(given, expect) => {
            found.given(given);
            found.of_ticket(expect);
        }
        Question::Oncall(asked, expect) => found.of_duty(asked, expect),
    }
    found.problems
}

/// The clock of this name.
pub(super) fn clock(field: &str, word: &str) -> Result<ClockName, Problem> {
    ClockName::parse(word).ok_or_else(|| {
        Problem::error(format!("expect.{field}.{word}"), format!("no clock is called `{word}`"))
            .suggest_from(word, ClockName::ALL.map(ClockName::as_str))
    })
}

/// The policies that may be meant, and what is wrong so far.
struct Names<'a> {
    policies: Vec<&'a Policy>,
    /// `policy payments`, for messages.
    whose: String,
    problems: Vec<Problem>,
}

impl<'a> Names<'a> {
    /// A namespace that nothing in these files is about can only be meant where nobody is expected to take the alert.
    fn namespace(&mut self, setting: Setting<'_>, form: &CaseForm, unserved: bool) {
        let Some(written) = form.namespace.as_deref().filter(|_| !unserved) else { return };
        if setting.policies.iter().any(|policy| policy.serves(written)) {
            return;
        }
        let policies = setting.policies.iter().map(|policy| policy.namespace.as_str());
        let known = policies.chain(setting.monitors.iter().map(|monitor| monitor.namespace.as_str()));
        let mut known: Vec<&str> = known.collect();
        known.sort_unstable();
        known.dedup();
        let message = format!("no SupportPolicy of these files serves a namespace `{written}`");
        self.problems.push(Problem::error("namespace", message).suggest_from(written, known));
    }

    fn serving(&mut self, setting: Setting<'a>, namespace: &str) {
        let serving = setting.policies.iter().filter(|policy| policy.serves(namespace));
        self.policies = serving.map(|policy| &**policy).collect();
        self.whose = match self.policies.as_slice() {
            [one] => format!("policy {}", one.name),
            _ => format!("the policies that serve {namespace}"),
        };
    }

    /// The policy that is expected to decide.
    fn only(&mut self, namespace: &str, name: &str) {
        if self.policies.iter().any(|policy| policy.name == name) {
            self.policies.retain(|policy| policy.name == name);
            self.whose = format!("policy {name}");
            return;
        }
        let known = self.policies.iter().map(|policy| policy.name.as_str());
        let message = format!("no policy that serves {namespace} is called `{name}`");
        self.problems.push(Problem::error("expect.policy", message).suggest_from(name, known));
    }

    fn of_alert(&mut self, expect: &AlertExpect) {
        if let Some(Some(route)) = &expect.route {
            let routes = |policies: &[&'a Policy]| {
                let written = policies.iter().flat_map(|policy| policy.routes.iter().map(|route| route.name.as_str()));
                written.chain([routing::ROOT]).collect()
            };
            self.known("expect.route", "route", route, routes);
        }
        if let Some(Some(escalation)) = &expect.escalation {
            let escalations = |policies: &[&'a Policy]| {
                policies.iter().flat_map(|policy| policy.escalations.keys().map(String::as_str)).collect()
            };
            self.known("expect.escalation", "escalation", escalation, escalations);
        }
        if let Some(severity) = &expect.severity {
            self.word("expect.severity", "severity", severity, &Severity::ALL.map(Severity::as_str));
        }
        if let Some(Some(priority)) = &expect.priority {
            self.word("expect.priority", "priority", priority, &PRIORITIES);
        }
        for (index, page) in expect.pages.iter().flatten().enumerate() {
            self.target(&format!("expect.pages[{index}]"), page.to.as_deref(), &page.channel);
        }
        self.promises(expect.breached_at.as_ref(), expect.warnings.as_deref());
    }

    /// `silence deploy`, `depends on database`: what is named there is in the case or in the policy. Other words are a part of
    /// a sentence and may be any.
    fn suppressor(&mut self, form: &CaseForm, expected: Option<&str>) {
        let down: Vec<String> = form.down.iter().map(|down| down.read().0).collect();
        let silences: Vec<&str> = form.silences.iter().map(|silence| silence.name.as_str()).collect();
        let calendars = self.policies.iter().flat_map(|policy| policy.calendars.keys().map(String::as_str));
        let calendars: Vec<&str> = calendars.chain([calendar::ALWAYS]).collect();
        let kinds = [
            ("silence ", "silence of this case", silences),
            ("depends on ", "monitor that is down in this case", down.iter().map(String::as_str).collect()),
            ("mute calendar ", "calendar of the policy", calendars.clone()),
            ("outside active calendar ", "calendar of the policy", calendars),
        ];
        for (begins, what, known) in kinds {
            let Some(rest) = expected.and_then(|expected| expected.strip_prefix(begins)) else { continue };
            let name = rest.split([' ', ',']).next().unwrap_or_default();
            // A part of a name is a part of the reason.
            if !known.iter().any(|known| known.starts_with(name)) {
                let message = format!("no {what} is called `{name}`");
                self.problems.push(Problem::error("expect.suppressedBy", message).suggest_from(name, known));
            }
        }
    }

    /// What a ticket is put on and who has it from the beginning.
    fn given(&mut self, ticket: &TicketForm) {
        let written = |field: &str| ticket.spec.get(field).and_then(Value::as_str);
        if let Some(queue) = written("queue") {
            let queues = |policies: &[&'a Policy]| {
                policies.iter().flat_map(|policy| policy.queues.keys().map(String::as_str)).collect()
            };
            self.known("ticket.queue", "queue", queue, queues);
        }
        if let Some(assignee) = written("assignee").filter(|name| !name.contains([':', '@'])) {
            self.known("ticket.assignee", "person", assignee, people);
        }
    }

    fn of_ticket(&mut self, expect: &TicketExpect) {
        if let Some(state) = &expect.state {
            self.word("expect.state", "state", state, &TicketState::ALL.map(TicketState::as_str));
        }
        if let Some(Some(reason)) = &expect.reason {
            self.word("expect.reason", "reason", reason, &REASONS.map(CloseReason::as_str));
        }
        if let Some(Some(priority)) = &expect.priority {
            self.word("expect.priority", "priority", priority, &PRIORITIES);
        }
        // Who is no person of the policy may take a ticket under the name that Kubernetes knows.
        if let Some(Some(assignee)) =
            expect.assignee.as_ref().filter(|name| name.as_ref().is_some_and(|name| !name.contains([':', '@'])))
        {
            self.known("expect.assignee", "person", assignee, people);
        }
        self.clocks("due", expect.due.keys());
        self.clocks("remaining", expect.remaining.keys());
        self.clocks("results", expect.results.keys());
        for (clock, result) in &expect.results {
            self.word(&format!("expect.results.{clock}"), "result", result, &RESULTS);
        }
        self.promises(expect.breached_at.as_ref(), expect.warnings.as_deref());
    }

    fn of_duty(&mut self, asked: &OncallForm, expect: &OncallExpect) {
        let is_meant = |policy: &&Policy| {
            policy.schedules.contains_key(&asked.schedule)
                && asked.policy.as_ref().is_none_or(|name| policy.name == *name)
        };
        self.policies.retain(is_meant);
        // Neither policy nor schedule: that is said when the case is run.
        if let (Some(Some(person)), false) = (&expect.person, self.policies.is_empty()) {
            self.known("expect.person", "person", person, people);
        }
    }

    fn promises(&mut self, breached: Option<&Breaches>, warnings: Option<&[WarningExpect]>) {
        self.clocks("breachedAt", breached.into_iter().flat_map(Breaches::keys));
        for (index, warning) in warnings.into_iter().flatten().enumerate() {
            let path = format!("expect.warnings[{index}]");
            self.target(&path, warning.to.as_deref(), &warning.channel);
            self.about(&format!("{path}.about"), &warning.about);
        }
    }

    /// `resolution 75%`, `firstResponse due`.
    fn about(&mut self, path: &str, written: &str) {
        let Some((word, level)) = written.split_once(' ') else {
            let message = format!(
                "expected a clock and a level, such as `resolution 75%` or `resolution due`, found `{written}`"
            );
            return self.problems.push(Problem::error(path, message));
        };
        self.word(path, "clock", word, &ClockName::ALL.map(ClockName::as_str));
        let told = self.policies.iter().flat_map(|policy| &policy.sla.warn_at).map(|percent| format!("{percent}%"));
        let known: Vec<String> = told.chain(["due".to_owned()]).collect();
        if !known.iter().any(|known| known == level) {
            let message = format!("{} tells nobody of a level `{level}`", self.whose);
            let known = known.iter().map(String::as_str);
            self.problems.push(Problem::error(path, message).suggest_from(level, known));
        }
    }

    fn target(&mut self, path: &str, to: Option<&str>, channel: &str) {
        if let Some(person) = to {
            self.known(&format!("{path}.to"), "person", person, people);
        }
        let channels = |policies: &[&'a Policy]| {
            policies.iter().flat_map(|policy| policy.channels.keys().map(String::as_str)).collect()
        };
        self.known(&format!("{path}.channel"), "channel", channel, channels);
    }

    fn clocks<'c>(&mut self, field: &str, words: impl Iterator<Item = &'c String>) {
        self.problems.extend(words.filter_map(|word| clock(field, word).err()));
    }

    /// A name that the policies give.
    fn known(&mut self, path: &str, what: &str, written: &str, names: impl Fn(&[&'a Policy]) -> Vec<&'a str>) {
        let known = names(&self.policies);
        if !known.contains(&written) {
            let message = format!("no {what} of {} is called `{written}`", self.whose);
            self.problems.push(Problem::error(path, message).suggest_from(written, known));
        }
    }

    /// One of our own words.
    fn word(&mut self, path: &str, what: &str, written: &str, known: &[&str]) {
        if !known.contains(&written) {
            let message = format!("no {what} is called `{written}`");
            self.problems.push(Problem::error(path, message).suggest_from(written, known.iter().copied()));
        }
    }
}

fn people<'a>(policies: &[&'a Policy]) -> Vec<&'a str> {
    policies.iter().flat_map(|policy| policy.people.keys().map(String::as_str)).collect()
}
