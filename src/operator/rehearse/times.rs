//! Times of a fixture that cannot be meant: before what they follow, or after the last look at it.
//!
//! Silences and overrides are judged by the very rules of their kinds, since no cluster would take one that those refuse.

use api::{OnCallOverride, Silence, oncall_override::OnCallOverrideSpec, silence::SilenceSpec};
use domain::{
    problem::Problem,
    suppression,
    time::{after, parse_duration},
};
use jiff::Timestamp;

use super::{
    form::{AcknowledgeForm, AlertExpect, AlertForm, CaseForm, OverrideForm, SilenceForm, TicketExpect, TicketForm},
    incident::UNTIL,
    read::Question,
};

/// From when to when a case is looked at, and what says so.
struct Looked {
    from: Timestamp,
    begins: &'static str,
    to: Timestamp,
    ends: &'static str,
}

/// Everything that is wrong with the times of a case.
pub(super) fn check(form: &CaseForm, question: &Question, problems: &mut Vec<Problem>) {
    match question {
        Question::Alert(alert, expect) => of_alert(form, alert, expect, problems),
        Question::Ticket(ticket, expect) => of_ticket(form, ticket, expect, problems),
        Question::Oncall(..) => {}
    }
    for (index, written) in form.silences.iter().enumerate() {
        problems.extend(
            silence(written, "").err().into_iter().flatten().map(|one| one.under(&format!("silences[{index}]"))),
        );
    }
    for (index, written) in form.overrides.iter().enumerate() {
        problems.extend(over(written).into_iter().map(|one| one.under(&format!("overrides[{index}]"))));
    }
}

fn of_alert(form: &CaseForm, alert: &AlertForm, expect: &AlertExpect, problems: &mut Vec<Problem>) {
    let span = expect.until.as_deref().and_then(|text| parse_duration(text).ok()).unwrap_or(UNTIL);
    let looked = Looked { from: alert.at, begins: "`alert.at`", to: after(alert.at, span), ends: "`expect.until`" };
    if let Some(ends) = alert.ends.filter(|ends| *ends < alert.at) {
        problems.push(Problem::error("alert.ends", format!("expected a time after `at`, {}, found {ends}", alert.at)));
    }
    if let Some(AcknowledgeForm::By(acknowledged)) = &form.acknowledge {
        problems.extend(looked.judge("acknowledge.at", acknowledged.at));
    }
    for (index, page) in expect.pages.iter().flatten().enumerate() {
        if parse_duration(&page.after).is_ok_and(|after| after > span) {
            let message = format!("expected at most `expect.until`, {}, found {}", until(expect), page.after);
            problems.push(Problem::error(format!("expect.pages[{index}].after"), message).suggest("look for longer"));
        }
    }
    acts(form, &looked, problems);
    let told = expect.warnings.iter().flatten().map(|warning| warning.at);
    warnings(told, &looked, problems);
}

fn until(expect: &AlertExpect) -> &str {
    expect.until.as_deref().unwrap_or("24h")
}

fn of_ticket(form: &CaseForm, ticket: &TicketForm, expect: &TicketExpect, problems: &mut Vec<Problem>) {
    if let Some(at) = expect.at.filter(|at| *at < ticket.created) {
        let message = format!("expected a time from `ticket.created`, {}, on, found {at}", ticket.created);
        problems.push(Problem::error("expect.at", message));
        return;
    }
    let last = form.events.iter().map(|event| event.at).max().unwrap_or(ticket.created);
    let looked =
        Looked { from: ticket.created, begins: "`ticket.created`", to: expect.at.unwrap_or(last), ends: "`expect.at`" };
    acts(form, &looked, problems);
    warnings(expect.warnings.iter().flatten().map(|warning| warning.at), &looked, problems);
}

fn acts(form: &CaseForm, looked: &Looked, problems: &mut Vec<Problem>) {
    for (index, event) in form.events.iter().enumerate() {
        problems.extend(looked.judge(&format!("events[{index}].at"), event.at));
    }
}

fn warnings(told: impl Iterator<Item = Timestamp>, looked: &Looked, problems: &mut Vec<Problem>) {
    for (index, at) in told.enumerate() {
        problems.extend(looked.judge(&format!("expect.warnings[{index}].at"), at));
    }
}

impl Looked {
    fn judge(&self, path: &str, at: Timestamp) -> Option<Problem> {
        let Self { from, begins, to, ends } = self;
        if at < *from {
            return Some(Problem::error(path, format!("expected a time from {begins}, {from}, on, found {at}")));
        }
        (at > *to).then(|| {
            let message = format!("expected a time up to {to}, when it is looked at, found {at}");
            Problem::error(path, message).suggest(format!("leave it out, or write a later {ends}"))
        })
    }
}

/// A silence as the server would take it.
pub(super) fn silence(written: &SilenceForm, namespace: &str) -> Result<suppression::Silence, Vec<Problem>> {
    let spec = SilenceSpec {
        matchers: written.matchers.clone(),
        starts_at: written.starts_at,
        ends_at: written.ends_at,
        reason: written.reason.clone(),
        author: Some("the fixture".to_owned()),
    };
    let mut silence = Silence::new(&written.name, spec);
    silence.metadata.namespace = Some(namespace.to_owned());
    api::silence::validate(&silence).map(|valid| valid.value).map_err(|problems| of_spec(problems).collect())
}

fn over(written: &OverrideForm) -> Vec<Problem> {
    let spec = OnCallOverrideSpec {
        policy: String::new(),
        schedule: written.schedule.clone(),
        person: written.person.clone(),
        replaces: written.replaces.clone(),
        from: written.from,
        until: written.until,
        reason: String::new(),
        author: None,
    };
    let judged = api::oncall_override::validate(&OnCallOverride::new("override", spec));
    of_spec(judged.err().unwrap_or_default()).collect()
}

/// Under the names of a fixture, which are those of the kinds' specs.
fn of_spec(problems: Vec<Problem>) -> impl Iterator<Item = Problem> {
    problems.into_iter().filter(Problem::is_error).map(|problem| {
        let path = problem.path.strip_prefix("spec.").unwrap_or(&problem.path).to_owned();
        Problem { path, ..problem }
    })
}
