//! `firstline tickets`: what is open, the most urgent first.

use std::collections::BTreeMap;

use api::{
    Ticket,
    ticket::{TicketState, TicketStatus},
};
use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    age::{age, relative},
    cluster::{ClusterArgs, Session},
    exit::{Exit, Failure},
    lookup,
    output::{Format, Output, Paint, cut, plain},
    table::{Cell, table},
};
use crate::kube::meta;

/// A title is cut here in the table; `-o wide` shows it whole.
const TITLE: usize = 60;

/// Namespaces that are named where there are none in the one that was meant.
const NAMESPACES: usize = 3;

/// Flags of `firstline tickets`.
#[derive(Debug, Clone, Args)]
pub struct TicketsArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// In all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Resolved and closed ones too
    #[arg(long)]
    pub all: bool,

    /// The form of the list
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
}

/// Lists tickets.
///
/// # Errors
/// When the cluster does not answer.
pub async fn tickets(args: &TicketsArgs, now: Timestamp, output: &mut Output<'_>) -> Result<Exit, Failure> {
    list(&args.cluster.connect().await?, args, now, output).await
}

async fn list(session: &Session, args: &TicketsArgs, now: Timestamp, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let namespace = (!args.all_namespaces).then_some(session.namespace.as_str());
    let (mut found, unreadable) = lookup::list(session, namespace).await?;
    for ticket in unreadable {
        output.say(format!("warning: a ticket cannot be read: {}", plain(&ticket)))?;
    }
    if !args.all {
        found.retain(is_open);
    }
    in_order(&mut found);
    if let Some(form) = args.output.form() {
        output.value(&super::list_of(found), form)?;
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        let open = if args.all { "" } else { "open " };
        let place = namespace.map_or_else(|| "any namespace".to_owned(), |namespace| format!("namespace {namespace}"));
        let others = if namespace.is_some() { elsewhere(session, args.all).await } else { String::new() };
        output.say(format!("No {open}tickets in {place}{others}."))?;
        return Ok(Exit::Done);
    }
    let text = render(&found, args, now, output);
    output.text(&text)?;
    Ok(Exit::Done)
}

/// Where else there are some, for who looks in the wrong namespace. Who may not list them there is told nothing.
async fn elsewhere(session: &Session, all: bool) -> String {
    let Ok((mut found, _)) = lookup::list(session, None).await else { return String::new() };
    if !all {
        found.retain(is_open);
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for ticket in &found {
        *counts.entry(ticket.namespace().unwrap_or_default()).or_default() += 1;
    }
    if counts.is_empty() {
        return String::new();
    }
    let named = counts.iter().take(NAMESPACES).map(|(namespace, count)| format!("{count} in {namespace}"));
    let more = counts.len().saturating_sub(NAMESPACES);
    let more = (more > 0).then(|| format!("some in {more} more"));
    format!(", but {}; -A lists them all", named.chain(more).collect::<Vec<_>>().join(", "))
}

/// Whether somebody still has to do something about it. One that no operator has seen yet is open.
fn is_open(ticket: &Ticket) -> bool {
    let state = ticket.status.as_ref().and_then(|status| status.state);
    !matches!(state, Some(TicketState::Resolved | TicketState::Closed))
}

/// The most urgent first, among equals the oldest: it has waited longest.
fn in_order(tickets: &mut [Ticket]) {
    let priority = |ticket: &Ticket| ticket.status.as_ref().and_then(|status| status.priority.clone());
    tickets.sort_by_cached_key(|ticket| {
        let unknown_last = priority(ticket).unwrap_or_else(|| "~".to_owned());
        (unknown_last, meta::created(ticket), ticket.namespace(), ticket.name_any())
    });
}

fn render(tickets: &[Ticket], args: &TicketsArgs, now: Timestamp, output: &Output<'_>) -> String {
    let wide = args.output == Format::Wide;
    let mut heading = vec!["NUMBER", "PRIORITY", "STATE", "TITLE", "ASSIGNEE", "DUE", "AGE", "NAME"];
    if args.all_namespaces {
        heading.insert(0, "NAMESPACE");
    }
    if wide {
        heading.extend(["QUEUE", "POLICY", "STEP"]);
    }
    let rows: Vec<Vec<Cell>> = tickets.iter().map(|ticket| row(ticket, args.all_namespaces, wide, now)).collect();
    table(&heading, &rows, output.colour)
}

fn row(ticket: &Ticket, with_namespace: bool, wide: bool, now: Timestamp) -> Vec<Cell> {
    let status = ticket.status.clone().unwrap_or_default();
    let title = plain(&ticket.spec.title);
    let mut cells = Vec::with_capacity(12);
    if with_namespace {
        cells.push(ticket.namespace().unwrap_or_default().into());
    }
    cells.extend([
        status.number.map(|number| number.to_string()).unwrap_or_default().into(),
        priority_cell(status.priority.as_deref()),
        state_cell(status.state),
        if wide { title } else { cut(&title, TITLE) }.into(),
        plain(status.assignee.as_deref().unwrap_or_default()).into(),
        due_cell(&status, now),
        age(meta::created(ticket), now).into(),
        ticket.name_any().into(),
    ]);
    if wide {
        let step = status.escalation.map(|escalation| escalation.step.to_string());
        cells.extend([
            ticket.spec.queue.clone().unwrap_or_default().into(),
            status.policy.map(|policy| policy.name).unwrap_or_default().into(),
            step.unwrap_or_default().into(),
        ]);
    }
    cells
}

fn priority_cell(priority: Option<&str>) -> Cell {
    let paint = match priority {
        Some("P1") => Paint::Bad,
        Some("P2") => Paint::Warn,
        _ => Paint::Plain,
    };
    Cell::new(priority.unwrap_or_default(), paint)
}

/// When the next clock runs out: `in 2h`, or `12m ago` where it has.
fn due_cell(status: &TicketStatus, now: Timestamp) -> Cell {
    let paint = match status.sla.as_deref() {
        Some("Breached") => Paint::Bad,
        Some("AtRisk") => Paint::Warn,
        _ => Paint::Plain,
    };
    let due = status.next_due.as_deref().and_then(|due| due.parse().ok()).map(|due| relative(due, now));
    match (due, status.sla.as_deref()) {
        (Some(due), _) => Cell::new(due, paint),
        (None, Some("Paused")) => Cell::new("paused", Paint::Faint),
        (None, _) => Cell::new("", Paint::Plain),
    }
}

fn state_cell(state: Option<TicketState>) -> Cell {
    let state = state.unwrap_or(TicketState::New);
    let paint = match state {
        TicketState::New => Paint::Warn,
        TicketState::Resolved | TicketState::Closed => Paint::Faint,
        TicketState::Open | TicketState::PendingRequester | TicketState::PendingVendor | TicketState::Scheduled => {
            Paint::Plain
        }
    };
    Cell::new(format!("{state:?}"), paint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::fixtures, *};

    fn args(output: Format, all_namespaces: bool) -> TicketsArgs {
        TicketsArgs { cluster: ClusterArgs::default(), all_namespaces, all: true, output }
    }

    fn four() -> Vec<Ticket> {
        let ticket = |name: &str, created: &str, spec: serde_json::Value, status: serde_json::Value| {
            fixtures::object(json!({
                "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
                "metadata": {"name": name, "namespace": "payments", "creationTimestamp": created},
                "spec": spec, "status": status
            }))
        };
        vec![
            ticket(
                "inc-late",
                "2026-11-23T03:10:00Z",
                json!({"title": "Search is slow"}),
                json!({"number": 1044, "state": "New", "priority": "P1", "sla": "AtRisk", "nextDue": "2026-11-23T03:27:00Z"}),
            ),
            ticket(
                "inc-early",
                "2026-11-23T02:58:10Z",
                json!({"title": "Checkout\u{1b}[2J returns 502 for every customer who pays with a card from abroad", "queue": "helpdesk"}),
                json!({
                    "number": 1042, "state": "Open", "priority": "P1", "assignee": "ada", "sla": "Breached", "nextDue": "2026-11-23T03:00:00Z",
                    "policy": {"namespace": "payments", "name": "payments", "revision": "payments-5c1f"},
                    "escalation": {"chain": "page", "cycleStart": "2026-11-23T02:58:10Z", "step": 2}
                }),
            ),
            ticket(
                "req-new",
                "2026-11-20T03:12:00Z",
                json!({"title": "Please add a user"}),
                json!({"observedGeneration": -1}),
            ),
            ticket(
                "inc-done",
                "2026-11-01T03:12:00Z",
                json!({"title": "Mail is late"}),
                json!({"number": 7, "state": "Resolved", "priority": "P3", "sla": "Ok"}),
            ),
        ]
    }

    fn shown(args: &TicketsArgs) -> String {
        let mut tickets = four();
        in_order(&mut tickets);
        let (mut results, mut progress) = (Vec::new(), Vec::new());
        render(&tickets, args, fixtures::now(), &Output::new(&mut results, &mut progress))
    }

    #[test]
    fn the_most_urgent_comes_first_and_of_equals_the_oldest() {
        insta::assert_snapshot!(shown(&args(Format::Table, false)));
    }

    #[test]
    fn wide_shows_whole_titles_and_who_decides() {
        insta::assert_snapshot!(shown(&args(Format::Wide, true)));
    }

    #[test]
    fn a_ticket_that_no_operator_has_seen_is_open() {
        let open: Vec<String> = four().into_iter().filter(is_open).map(|ticket| ticket.name_any()).collect();
        assert_eq!(open, ["inc-late", "inc-early", "req-new"]);
    }

    /// What is said by `tickets` of a namespace, when the cluster has these.
    async fn said(tickets: Vec<Ticket>, namespace: &str, args: &TicketsArgs) -> String {
        let cluster = fixtures::FakeCluster::start(fixtures::Judge::Accept, tickets).await;
        let session = Session { namespace: namespace.to_owned(), ..cluster.session() };
        let (mut results, mut progress) = (Vec::new(), Vec::new());
        let exit = list(&session, args, fixtures::now(), &mut Output::new(&mut results, &mut progress)).await;
        assert_eq!((exit.unwrap(), results), (Exit::Done, Vec::new()));
        String::from_utf8(progress).unwrap()
    }

    #[tokio::test]
    async fn who_looks_in_the_wrong_namespace_is_told_where_there_are_some() {
        let open = TicketsArgs { all: false, ..args(Format::Table, false) };
        let words = "No open tickets in namespace default, but 3 in payments; -A lists them all.\n";
        assert_eq!(said(four(), "default", &open).await, words);
        let words = "No tickets in namespace default, but 4 in payments; -A lists them all.\n";
        assert_eq!(said(four(), "default", &args(Format::Table, false)).await, words);
        assert_eq!(said(Vec::new(), "default", &open).await, "No open tickets in namespace default.\n");
        let everywhere = TicketsArgs { all_namespaces: true, ..open };
        assert_eq!(said(Vec::new(), "default", &everywhere).await, "No open tickets in any namespace.\n");
    }
}
