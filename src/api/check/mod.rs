//! What can be said of one object without a cluster: what the server would say of it, and what only we know.
//!
//! Three readings, in this order: the CRD's schema ([`schema`]), with unknown fields refused as a strict
//! server does; the rules that a schema cannot say, which the server has as CEL and we have in each
//! kind's `validate`; and what no server checks at all: names inside the object, zones, regular
//! expressions. A field that the schema refuses is not spoken of again by the later ones.
//!
//! Absent on purpose: where the object may go, its name, and whatever refers to other objects. Whoever
//! reads files knows that; `status` is not looked at.

mod metadata;
mod schema;
#[cfg(test)]
mod tests;

use domain::problem::Problem;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    ComplianceRule, GROUP, GitSource, OnCallOverride, ServiceMonitor, Silence, SupportPolicy, Ticket, TicketEvent,
    VERSION, Validated, VendorContact, compliance_rule, defaults, git_source, kinds, oncall_override, service_monitor,
    silence, support_policy, ticket, ticket_event, vendor_contact,
};

/// All problems of an object, errors and warnings, sorted by path.
pub fn check(object: &Value) -> Vec<Problem> {
    let Some(members) = object.as_object() else {
        return vec![Problem::error(
            "",
            format!("expected an object with apiVersion, kind, metadata and spec, found {}", schema::what(object)),
        )];
    };
    let name = members.get("kind").and_then(Value::as_str).unwrap_or_default();
    let Some(kind) = kinds::find(name) else {
        let problem = Problem::error("kind", format!("expected one of our kinds, found `{name}`"));
        return vec![problem.suggest_from(name, kinds::names())];
    };
    let mut problems = Vec::new();
    let expected = format!("{GROUP}/{VERSION}");
    let api_version = members.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if api_version != expected {
        problems
            .push(Problem::error("apiVersion", format!("expected `{expected}` for a {name}, found `{api_version}`")));
    }
    problems.extend(metadata::check(members));

    let mut object = object.clone();
    match object.get_mut("spec") {
        None | Some(Value::Null) => {
            problems.push(Problem::error("spec", "expected a spec, found nothing"));
            return sorted(problems);
        }
        Some(spec) => {
            defaults::strip_nulls(&kind.spec, spec);
            problems.extend(schema::check(kind, spec));
        }
    }
    let beyond = validate(name, defaults::with_defaults(name, &object));
    add_unsaid(&mut problems, beyond);
    sorted(problems)
}

/// The kind's own validation. An object that does not even read as its type has been refused by the schema.
fn validate(kind: &str, mut object: Value) -> Vec<Problem> {
    if let Some(members) = object.as_object_mut() {
        members.remove("status");
        members.insert("metadata".into(), metadata::readable(members.get("metadata")));
    }
    match kind {
        "ComplianceRule" => run::<ComplianceRule, _>(object, compliance_rule::validate),
        "GitSource" => run::<GitSource, _>(object, git_source::validate),
        "OnCallOverride" => run::<OnCallOverride, _>(object, oncall_override::validate),
        "ServiceMonitor" => run::<ServiceMonitor, _>(object, service_monitor::validate),
        "Silence" => run::<Silence, _>(object, silence::validate),
        "SupportPolicy" => run::<SupportPolicy, _>(object, support_policy::validate),
        "Ticket" => run::<Ticket, _>(object, ticket::validate),
        "TicketEvent" => run::<TicketEvent, _>(object, ticket_event::validate),
        "VendorContact" => run::<VendorContact, _>(object, vendor_contact::validate),
        _ => Vec::new(),
    }
}

fn run<K: DeserializeOwned, T>(
    object: Value,
    validate: impl Fn(&K) -> Result<Validated<T>, Vec<Problem>>,
) -> Vec<Problem> {
    match serde_json::from_value::<K>(object) {
        Ok(object) => validate(&object).map_or_else(|problems| problems, |valid| valid.warnings),
        // Only where the schema said nothing is this shown; it names no field.
        Err(error) => vec![Problem::error("spec", error.to_string())],
    }
}

/// Adds what concerns fields that nothing was said of yet: neither of themselves, nor of what they stand in or hold.
fn add_unsaid(problems: &mut Vec<Problem>, beyond: Vec<Problem>) {
    let said: Vec<String> =
        problems.iter().filter(|problem| problem.is_error()).map(|problem| problem.path.clone()).collect();
    let covered = |path: &str| said.iter().any(|said| is_within(said, path) || is_within(path, said));
    problems.extend(beyond.into_iter().filter(|problem| !covered(&problem.path)));
}

/// Whether `inner` is `outer` or a field in it.
fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| (&a.path, &a.message).cmp(&(&b.path, &b.message)));
    problems.dedup();
    problems
}
