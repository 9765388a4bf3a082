//! What people do to tickets: each act is a TicketEvent that is created and then waited for.
//!
//! The operator decides whether an act counts; nothing is decided here. An act that was recorded while the
//! operator is away is not lost, so the answer then is "could not tell", never "failed".

mod verbs;
mod what;

use std::time::Duration;

use api::{Ticket, TicketEvent};
use clap::Args;
use domain::time::format_duration;
use kube::{Api, ResourceExt, api::PostParams};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    arguments::span,
    cluster::{Asked, ClusterArgs, Session, Trouble, ask},
    exit::{Exit, Failure},
    lookup::TicketRef,
    output::{Form, Output, Paint, plain},
    settle::settled,
};
use crate::kube::meta;

pub use verbs::{ActVerb, VerbError, run};
pub use what::{Act, Reason, Waiting};

/// The resource, as errors name it.
pub const EVENTS: &str = "ticketevents.firstline.dev";

/// How long an answer waits for the ticket to show what was accepted. One whose policy is gone does not for now.
const SHOWS_WITHIN: Duration = Duration::from_secs(2);

/// How long is waited, and how the answer looks.
#[derive(Debug, Clone, Args)]
pub struct ActArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// How long to wait for the operator's verdict
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = span)]
    pub timeout: Duration,

    /// Print the events instead of a sentence
    #[arg(short, long, value_enum)]
    pub output: Option<Form>,
}

/// What became of one act on one ticket.
struct Recorded<'a> {
    ticket: &'a Ticket,
    act: &'a Act,
    event: TicketEvent,
}

/// Does the acts, in order, to each ticket: all are recorded first, then all verdicts are waited for together.
///
/// # Errors
/// When no ticket is meant or the cluster does not take an event; those recorded before stay recorded.
async fn act_in(
    session: &Session,
    args: &ActArgs,
    tickets: &[TicketRef],
    acts: &[Act],
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let mut found = Vec::with_capacity(tickets.len());
    for ticket in tickets {
        found.push(ticket.find(session).await?);
    }
    let author = session.user().await?;
    let mut recorded = Vec::with_capacity(found.len() * acts.len());
    for ticket in &found {
        for act in acts {
            recorded.push(Recorded { ticket, act, event: record(session, ticket, act, &author).await? });
        }
    }
    let deadline = Instant::now() + args.timeout;
    for one in &mut recorded {
        one.event = verdict(session, one.event.clone(), deadline).await;
    }
    let deadline = deadline.min(Instant::now() + SHOWS_WITHIN);
    for ticket in &found {
        let events = recorded.iter().filter(|one| std::ptr::eq(one.ticket, ticket)).map(|one| &one.event);
        shown(session, ticket, events, deadline).await;
    }
    let mut exit = Exit::Done;
    let mut judged = Vec::with_capacity(recorded.len());
    for Recorded { ticket, act, event } in recorded {
        let (own, sentence) = sentence(ticket, act, &event, args.timeout);
        exit = exit.max(own);
        if args.output.is_none() {
            let paint = match own {
                Exit::Done => Paint::Good,
                Exit::No => Paint::Bad,
                Exit::Usage | Exit::Unknown => Paint::Warn,
            };
            let name = output.colour.paint(paint, ticket.name_any());
            output.line(format!("{name} {sentence}"))?;
            if let (Exit::Done, Act::Resolve(_), Some(firing)) = (own, act, still_firing(ticket)) {
                output.say(firing)?;
            }
        }
        judged.push(event);
    }
    if let Some(form) = args.output {
        output.value(&super::list_of(judged), form)?;
    }
    Ok(exit)
}

/// What a person should know who resolves a ticket while something fires on it.
fn still_firing(ticket: &Ticket) -> Option<String> {
    let firing = ticket.status.as_ref()?.alerts.as_ref()?.firing;
    (firing > 0).then(|| {
        let (alerts, verb) = if firing == 1 { ("alert", "fires") } else { ("alerts", "fire") };
        format!("{firing} {alerts} still {verb}: nobody is paged for that again until it has ended and begins anew; `reopen` takes it back")
    })
}

/// Writes an act down; the operator judges it later.
///
/// # Errors
/// When the cluster does not take it.
pub(super) async fn record(
    session: &Session,
    ticket: &Ticket,
    act: &Act,
    author: &str,
) -> Result<TicketEvent, Trouble> {
    let namespace = ticket.namespace().unwrap_or_default();
    let api: Api<TicketEvent> = Api::namespaced(session.client.clone(), &namespace);
    let asked = Asked::new("create", EVENTS, &namespace);
    let mut event =
        TicketEvent::new(&event_name(&ticket.name_any(), Uuid::new_v4()), act.spec(&ticket.name_any(), author));
    event.metadata.owner_references = Some(vec![meta::owner(ticket)]);
    ask(&asked, api.create(&PostParams::default(), &event)).await
}

/// `inc-mfrgg…-1a2b3c4d`. Fixed before the call, so that a retried call cannot record the act twice.
fn event_name(ticket: &str, random: Uuid) -> String {
    // A name has at most 253 characters.
    let start: String = ticket.chars().take(244).collect();
    let random: String = random.simple().to_string().chars().take(8).collect();
    format!("{start}-{random}")
}

/// The event once the operator has judged it, or as it was seen last when the deadline has passed.
async fn verdict(session: &Session, event: TicketEvent, deadline: Instant) -> TicketEvent {
    let api: Api<TicketEvent> = Api::namespaced(session.client.clone(), &event.namespace().unwrap_or_default());
    settled(&api, event, deadline - Instant::now(), |event| accepted(event).is_some()).await
}

/// Waits until the ticket shows what was accepted or the deadline has passed: verdicts are written before their ticket, and
/// who is told "done" and looks must see it done.
async fn shown<'a>(
    session: &Session,
    ticket: &Ticket,
    events: impl Iterator<Item = &'a TicketEvent>,
    deadline: Instant,
) {
    let accepted = events.filter_map(|event| event.status.as_ref()).filter(|status| status.accepted == Some(true));
    let Some(last) = accepted.filter_map(|status| status.sequence).max() else { return };
    let shows = |ticket: &Ticket| ticket.status.as_ref().and_then(|it| it.last_sequence).is_some_and(|it| it >= last);
    let api: Api<Ticket> = Api::namespaced(session.client.clone(), &ticket.namespace().unwrap_or_default());
    settled(&api, ticket.clone(), deadline - Instant::now(), shows).await;
}

fn accepted(event: &TicketEvent) -> Option<bool> {
    event.status.as_ref().and_then(|status| status.accepted)
}

fn sentence(ticket: &Ticket, act: &Act, event: &TicketEvent, waited: Duration) -> (Exit, String) {
    let author = plain(event.spec.author.as_deref().unwrap_or("you"));
    match accepted(event) {
        Some(true) => (Exit::Done, act.done(&author)),
        Some(false) => {
            let reason = event.status.as_ref().and_then(|status| status.reason.as_deref());
            (Exit::No, format!("refused: {}", plain(reason.unwrap_or("the operator gave no reason"))))
        }
        None => {
            let seen = ticket.status.as_ref().is_some_and(|status| status.observed_generation >= 0);
            let why = if seen {
                "the operator did not answer"
            } else {
                "no operator has looked at this ticket yet, and none answered"
            };
            let event = event.name_any();
            let waited = format_duration(waited);
            (
                Exit::Unknown,
                format!(
                    "unconfirmed: {why} within {waited}. The event {event} is recorded and will count when the operator is back"
                ),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{
        super::fixtures::{self, FakeCluster, Judge, printed},
        *,
    };

    fn args(timeout_ms: u64) -> ActArgs {
        ActArgs { cluster: ClusterArgs::default(), timeout: Duration::from_millis(timeout_ms), output: None }
    }

    async fn run(
        judge: Judge,
        tickets: &[&str],
        acts: &[Act],
        timeout_ms: u64,
    ) -> (Exit, String, Vec<serde_json::Value>) {
        let cluster = FakeCluster::start(
            judge,
            vec![fixtures::ticket("inc-aaaa", 7, "Checkout is down"), fixtures::ticket("inc-bbbb", 8, "Search")],
        )
        .await;
        let tickets: Vec<TicketRef> = tickets.iter().map(|text| text.parse().unwrap()).collect();
        let mut exit = None;
        let text = printed(async |output| {
            exit = Some(act_in(&cluster.session(), &args(timeout_ms), &tickets, acts, output).await.unwrap());
        })
        .await;
        (exit.unwrap(), text, cluster.created())
    }

    #[rstest]
    #[case(Act::Acknowledge, "inc-aaaa acknowledged by oidc:ada\n")]
    #[case(Act::Unacknowledge, "inc-aaaa given back by oidc:ada\n")]
    #[case(Act::Note("restarted the pod".into()), "inc-aaaa got a note from oidc:ada\n")]
    #[case(Act::Assign("bob".into()), "inc-aaaa assigned to bob by oidc:ada\n")]
    #[case(Act::Resolve(Reason::Completed), "inc-aaaa resolved by oidc:ada (Completed)\n")]
    #[case(Act::Reopen, "inc-aaaa reopened by oidc:ada\n")]
    #[tokio::test]
    async fn an_accepted_act_is_one_sentence(#[case] act: Act, #[case] expected: &str) {
        assert_eq!(run(Judge::Accept, &["#7"], &[act], 10_000).await.1, expected);
    }

    #[tokio::test]
    async fn the_event_names_its_author_and_is_owned_by_the_ticket() {
        let (exit, _, created) = run(Judge::Accept, &["inc-aaaa"], &[Act::Acknowledge], 10_000).await;
        assert_eq!(exit, Exit::Done);
        let event = &created[0];
        assert_eq!(event["spec"], serde_json::json!({"ticket": "inc-aaaa", "author": "oidc:ada", "acknowledge": true}));
        assert_eq!(event["metadata"]["ownerReferences"][0]["uid"], "uid-of-inc-aaaa");
        let name = event["metadata"]["name"].as_str().unwrap();
        assert!(name.starts_with("inc-aaaa-") && name.len() == "inc-aaaa-".len() + 8, "{name}");
    }

    #[tokio::test]
    async fn who_is_told_that_it_is_done_and_looks_sees_it_done() {
        let tickets = vec![fixtures::ticket("inc-aaaa", 7, "Checkout is down")];
        let cluster = FakeCluster::start(Judge::Accept, tickets).await;
        let acts = [Act::Note("asked".into()), Act::Acknowledge];
        printed(async |output| {
            let exit = act_in(&cluster.session(), &args(10_000), &["#7".parse().unwrap()], &acts, output).await;
            assert_eq!(exit.unwrap(), Exit::Done);
        })
        .await;
        assert_eq!(cluster.last_sequence_shown(), 2);
    }

    #[tokio::test]
    async fn several_tickets_get_a_line_each() {
        let (_, text, _) = run(Judge::Accept, &["7", "inc-b"], &[Act::Acknowledge], 10_000).await;
        assert_eq!(text, "inc-aaaa acknowledged by oidc:ada\ninc-bbbb acknowledged by oidc:ada\n");
    }

    #[tokio::test]
    async fn a_refusal_is_printed_with_its_reason_and_the_answer_is_no() {
        let (exit, text, _) =
            run(Judge::Refuse("the ticket is Closed; open a new one"), &["7"], &[Act::Acknowledge], 10_000).await;
        assert_eq!((exit, text.as_str()), (Exit::No, "inc-aaaa refused: the ticket is Closed; open a new one\n"));
    }

    #[tokio::test]
    async fn an_operator_that_is_away_is_told_apart_from_a_refusal() {
        let (exit, text, created) = run(Judge::Away, &["7"], &[Act::Acknowledge], 120).await;
        let event = created[0]["metadata"]["name"].as_str().unwrap();
        assert_eq!(exit, Exit::Unknown);
        assert_eq!(
            text,
            format!(
                "inc-aaaa unconfirmed: the operator did not answer within 120ms. The event {event} is recorded and will count when the operator is back\n"
            )
        );
    }

    #[tokio::test]
    async fn resolving_with_a_note_records_the_note_first() {
        let acts = [Act::Note("rolled back".into()), Act::Resolve(Reason::NotPlanned)];
        let (_, text, created) = run(Judge::Accept, &["7"], &acts, 10_000).await;
        assert_eq!(text, "inc-aaaa got a note from oidc:ada\ninc-aaaa resolved by oidc:ada (NotPlanned)\n");
        assert_eq!(created[0]["spec"]["note"]["text"], "rolled back");
        assert_eq!(created[1]["spec"]["state"], serde_json::json!({"to": "Resolved", "reason": "NotPlanned"}));
    }

    #[test]
    fn a_long_ticket_name_still_gives_a_name_of_an_event() {
        assert_eq!(event_name(&"a".repeat(253), Uuid::nil()).len(), 253);
    }
}
