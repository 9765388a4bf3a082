//! The verbs for tickets: their flags, and which acts they are.
//!
//! What a verb needs to know beyond its flags (one's own name in the policy, the other ticket's name, the next
//! step) is read from the cluster before anything is recorded.

use api::{
    SupportPolicy, Ticket,
    ticket::{Link, Relation},
};
use clap::Subcommand;
use domain::policy::PRIORITIES;
use jiff::Timestamp;
use kube::{Api, ResourceExt};
use thiserror::Error;

use super::{
    super::{
        arguments::{Moment, moment},
        cluster::{Asked, Session, ask},
        exit::{Exit, Failure},
        lookup::TicketRef,
        output::Output,
        some_text,
    },
    Act, ActArgs, Reason, Waiting, act_in,
};

/// What is done to tickets.
#[derive(Debug, Subcommand)]
pub enum ActVerb {
    /// Take tickets: their escalation stops
    Ack {
        /// Names, beginnings of names, or numbers
        #[arg(required = true, value_name = "TICKET")]
        tickets: Vec<TicketRef>,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Give tickets back: a new cycle of their escalation starts
    Unack {
        /// Names, beginnings of names, or numbers
        #[arg(required = true, value_name = "TICKET")]
        tickets: Vec<TicketRef>,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Take tickets for a while: then their escalation starts anew
    Snooze {
        /// Names, beginnings of names, or numbers
        #[arg(required = true, value_name = "TICKET")]
        tickets: Vec<TicketRef>,
        /// Until when: an instant with its offset, or a duration such as 30m; at most 30 days
        #[arg(long = "until", visible_alias = "for", value_name = "TIME", value_parser = moment)]
        until: Moment,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Take a ticket and have it assigned to you
    Take {
        /// Name, beginning of the name, or number
        ticket: TicketRef,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Give a ticket to a person of its policy
    Assign {
        /// Name, beginning of the name, or number
        ticket: TicketRef,
        /// The person's name
        #[arg(value_parser = some_text)]
        person: String,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Record what the one who asked was answered; it counts for clocks and is not sent
    Reply {
        /// Name, beginning of the name, or number
        ticket: TicketRef,
        /// The text; several words need no quotes
        #[arg(required = true, value_name = "TEXT", value_parser = some_text)]
        text: Vec<String>,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Write down something for those who work on a ticket
    Note {
        /// Name, beginning of the name, or number
        ticket: TicketRef,
        /// The text; several words need no quotes
        #[arg(required = true, value_name = "TEXT", value_parser = some_text)]
        text: Vec<String>,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Make a ticket more or less important
    Prio {
        /// Name, beginning of the name, or number
        ticket: TicketRef,
        /// Which
        #[arg(value_parser = PRIORITIES, ignore_case = true)]
        priority: String,
        /// Why, for those who ask later
        #[arg(long, value_name = "TEXT", value_parser = some_text)]
        why: String,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Say that a ticket waits for the one who asked, for a vendor, or for its planned time
    Pending {
        /// Name, beginning of the name, or number
        ticket: TicketRef,
        /// For whom
        #[arg(value_enum)]
        on: Waiting,
        /// Until when at the most: an instant with its offset, or a duration such as 2d
        #[arg(long, value_name = "TIME", value_parser = moment, required_if_eq("on", "scheduled"))]
        until: Option<Moment>,
        /// What the one who asked was asked; recorded before, and not sent
        #[arg(long, value_name = "TEXT", value_parser = some_text)]
        reply: Option<String>,
        /// Why it waits, for colleagues
        #[arg(long, value_name = "TEXT", value_parser = some_text)]
        reason: Option<String>,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Run a step of a ticket's escalation now, also when somebody has taken it
    Escalate {
        /// Name, beginning of the name, or number
        ticket: TicketRef,
        /// Which, from 1; the next one unless said
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
        step: Option<u32>,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Make a ticket a part of another one; it is Closed, its messages are answered there
    Merge {
        /// The one that ends
        ticket: TicketRef,
        /// The one that stays
        into: TicketRef,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Say that a ticket has to do with another one, or with a page
    Link {
        /// Name, beginning of the name, or number
        ticket: TicketRef,
        /// What the other one has to do with it: causedBy, duplicateOf, recurrenceOf, followUpOf, splitFrom, relatesTo, url
        #[arg(value_parser = relation)]
        relation: Relation,
        /// The other ticket, or the page's address
        #[arg(value_name = "TICKET|URL", value_parser = some_text)]
        other: String,
        /// What the page is called
        #[arg(long, value_name = "TEXT", value_parser = some_text)]
        title: Option<String>,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Say that tickets are done
    Resolve {
        /// Names, beginnings of names, or numbers
        #[arg(required = true, value_name = "TICKET")]
        tickets: Vec<TicketRef>,
        /// Why
        #[arg(long, value_enum, default_value_t = Reason::Completed)]
        reason: Reason,
        /// What was found and done; recorded before
        #[arg(long, value_name = "TEXT", value_parser = some_text)]
        note: Option<String>,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Say that resolved tickets are not done after all
    Reopen {
        /// Names, beginnings of names, or numbers
        #[arg(required = true, value_name = "TICKET")]
        tickets: Vec<TicketRef>,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },

    /// Put tickets away for good: a message that comes later opens a new one
    Close {
        /// Names, beginnings of names, or numbers
        #[arg(required = true, value_name = "TICKET")]
        tickets: Vec<TicketRef>,
        /// Why
        #[arg(long, value_enum, default_value_t = Reason::Completed)]
        reason: Reason,
        /// How to wait.
        #[command(flatten)]
        args: ActArgs,
    },
}

/// Why an act cannot be put into words.
#[derive(Debug, Error)]
pub enum VerbError {
    /// Take, by somebody whom the policy does not know.
    #[error("{}", unknown_person(.user, .policy.as_deref()))]
    NoPerson {
        /// The Kubernetes user.
        user: String,
        /// The policy; `None` for a ticket without one.
        policy: Option<String>,
    },
    /// A ticket of another namespace.
    #[error("{other} is a ticket of namespace {found}; only tickets of one namespace can be linked or merged")]
    Elsewhere {
        /// The other ticket.
        other: String,
        /// Where it is.
        found: String,
    },
    /// A page that is not one.
    #[error("expected an address such as https://wiki.acme.example/runbook, found `{0}`")]
    NoPage(String),
    /// Neither a ticket nor, with another relation than `url`, anything else.
    #[error("{0}")]
    NoTicket(String),
    /// A title for something that has its own.
    #[error("--title names a page; a ticket has its own title")]
    TitleOfTicket,
}

fn unknown_person(user: &str, policy: Option<&str>) -> String {
    match policy {
        Some(policy) => format!(
            "no person of policy {policy} has the user {user}; add it to `people[].users`, or use `ack`, which needs no person"
        ),
        None => "no SupportPolicy serves the ticket, so it knows nobody whom it could be assigned to; `ack` takes it without"
            .to_owned(),
    }
}

impl VerbError {
    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoPerson { .. } => Exit::No,
            Self::Elsewhere { .. } | Self::NoPage(_) | Self::NoTicket(_) | Self::TitleOfTicket => Exit::Usage,
        }
    }
}

fn relation(word: &str) -> Result<Relation, String> {
    let words = || Relation::ALL.map(Relation::as_str).join(", ");
    Relation::parse(word).ok_or_else(|| format!("expected one of {}", words()))
}

/// Does what a verb says and waits for the operator's verdict.
///
/// # Errors
/// When no ticket is meant, the act cannot be put into words, or the cluster does not take it.
pub async fn run(verb: ActVerb, now: Timestamp, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let session = verb.args().cluster.connect().await?;
    run_in(&session, verb, now, output).await
}

pub(super) async fn run_in(
    session: &Session,
    verb: ActVerb,
    now: Timestamp,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let acts = verb.acts(session, now).await?;
    let (tickets, args) = verb.on();
    act_in(session, args, tickets, &acts, output).await
}

impl ActVerb {
    fn args(&self) -> &ActArgs {
        self.on().1
    }

    /// The tickets, and how to wait.
    fn on(&self) -> (&[TicketRef], &ActArgs) {
        match self {
            Self::Ack { tickets, args }
            | Self::Unack { tickets, args }
            | Self::Snooze { tickets, args, .. }
            | Self::Resolve { tickets, args, .. }
            | Self::Reopen { tickets, args }
            | Self::Close { tickets, args, .. } => (tickets, args),
            Self::Take { ticket, args }
            | Self::Assign { ticket, args, .. }
            | Self::Reply { ticket, args, .. }
            | Self::Note { ticket, args, .. }
            | Self::Prio { ticket, args, .. }
            | Self::Pending { ticket, args, .. }
            | Self::Escalate { ticket, args, .. }
            | Self::Merge { ticket, args, .. }
            | Self::Link { ticket, args, .. } => (std::slice::from_ref(ticket), args),
        }
    }

    /// The acts, in the order in which they are recorded.
    async fn acts(&self, session: &Session, now: Timestamp) -> Result<Vec<Act>, Failure> {
        Ok(match self {
            Self::Ack { .. } => vec![Act::Acknowledge],
            Self::Unack { .. } => vec![Act::Unacknowledge],
            Self::Snooze { until, .. } => vec![Act::Snooze(until.after(domain::time::whole_seconds(now)))],
            Self::Take { ticket, .. } => {
                vec![Act::Acknowledge, Act::Assign(own_name(session, &ticket.find(session).await?).await?)]
            }
            Self::Assign { person, .. } => vec![Act::Assign(person.clone())],
            Self::Reply { text, .. } => vec![Act::Reply(text.join(" "))],
            Self::Note { text, .. } => vec![Act::Note(text.join(" "))],
            Self::Prio { priority, why, .. } => {
                vec![Act::Prioritise { to: priority.to_ascii_uppercase(), why: why.clone() }]
            }
            Self::Pending { on, until, reply, reason, .. } => {
                let until = until.map(|until| until.after(domain::time::whole_seconds(now)));
                let waits = Act::Wait { on: *on, until, reason: reason.clone() };
                reply.clone().map(Act::Reply).into_iter().chain([waits]).collect()
            }
            Self::Escalate { step: Some(step), .. } => vec![Act::Escalate(*step)],
            Self::Escalate { ticket, step: None, .. } => {
                let ticket = ticket.find(session).await?;
                let begun = ticket.status.and_then(|status| status.escalation).map_or(0, |escalation| escalation.step);
                vec![Act::Escalate(begun.saturating_add(1))]
            }
            Self::Merge { ticket, into, .. } => vec![Act::Merge(beside(session, ticket, into).await?)],
            Self::Link { ticket, relation, other, title, .. } => {
                vec![Act::Link(link(session, ticket, *relation, other, title.clone()).await?)]
            }
            Self::Resolve { reason, note, .. } => {
                note.clone().map(Act::Note).into_iter().chain([Act::Resolve(*reason)]).collect()
            }
            Self::Reopen { .. } => vec![Act::Reopen],
            Self::Close { reason, .. } => vec![Act::Close(*reason)],
        })
    }
}

/// What the ticket's policy calls the one who asks.
async fn own_name(session: &Session, ticket: &Ticket) -> Result<String, Failure> {
    let user = session.user().await?;
    let Some(named) = ticket.status.as_ref().and_then(|status| status.policy.as_ref()) else {
        return Err(VerbError::NoPerson { user, policy: None }.into());
    };
    let api: Api<SupportPolicy> = Api::namespaced(session.client.clone(), &named.namespace);
    let asked = Asked::new("get", "supportpolicies.firstline.dev", &named.namespace);
    let policy = ask(&asked, api.get(&named.name)).await?;
    let person = policy.spec.people.iter().find(|person| person.users.contains(&user));
    let policy = format!("{}/{}", named.namespace, named.name);
    person.map(|person| person.name.clone()).ok_or_else(|| VerbError::NoPerson { user, policy: Some(policy) }.into())
}

/// The name of another ticket of the same namespace.
async fn beside(session: &Session, ticket: &TicketRef, other: &TicketRef) -> Result<String, Failure> {
    let home = ticket.find(session).await?.namespace().unwrap_or_default();
    let found = other.find(session).await?;
    let elsewhere = found.namespace().filter(|namespace| *namespace != home);
    match elsewhere {
        Some(namespace) => Err(VerbError::Elsewhere { other: found.name_any(), found: namespace }.into()),
        None => Ok(found.name_any()),
    }
}

async fn link(
    session: &Session,
    ticket: &TicketRef,
    relation: Relation,
    other: &str,
    title: Option<String>,
) -> Result<Link, Failure> {
    if relation == Relation::Url {
        if !(other.starts_with("https://") || other.starts_with("http://")) {
            return Err(VerbError::NoPage(other.to_owned()).into());
        }
        return Ok(Link { relation, ticket: None, url: Some(other.to_owned()), title });
    }
    if title.is_some() {
        return Err(VerbError::TitleOfTicket.into());
    }
    let other: TicketRef = other.parse().map_err(VerbError::NoTicket)?;
    Ok(Link { relation, ticket: Some(beside(session, ticket, &other).await?), url: None, title: None })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::{
        super::super::fixtures::{self, FakeCluster, Judge, now, printed},
        *,
    };

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        verb: ActVerb,
    }

    fn verb(line: &str) -> ActVerb {
        Line::try_parse_from(["firstline"].into_iter().chain(line.split(' '))).unwrap().verb
    }

    async fn cluster() -> FakeCluster {
        let mut mine: Value = serde_json::to_value(fixtures::ticket("inc-aaaa", 7, "Checkout is down")).unwrap();
        mine["status"]["policy"] = json!({"name": "payments", "namespace": "payments", "revision": "payments-1"});
        mine["status"]["escalation"] =
            json!({"chain": "page", "cycle": 1, "step": 2, "cycleStart": "2026-11-23T03:00:00Z"});
        let other = fixtures::ticket("inc-bbbb", 8, "The database is down");
        let cluster = FakeCluster::start(Judge::Accept, vec![fixtures::object(mine), other]).await;
        cluster.add(json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy",
            "metadata": {"name": "payments", "namespace": "payments"},
            "spec": {"lastResort": [], "people": [{"name": "ada", "users": ["oidc:ada"]}]}
        }));
        cluster
    }

    /// What is recorded and printed.
    async fn done(line: &str) -> (Vec<Value>, String) {
        let cluster = cluster().await;
        let text = printed(async |output| {
            assert_eq!(run_in(&cluster.session(), verb(line), now(), output).await.unwrap(), Exit::Done);
        })
        .await;
        let events = cluster.created().into_iter().filter(|object| object["kind"] == "TicketEvent");
        let acts = events.map(|mut event| {
            let spec = event["spec"].as_object_mut().unwrap();
            spec.remove("ticket");
            spec.remove("author");
            event["spec"].clone()
        });
        (acts.collect(), text)
    }

    async fn refused(line: &str) -> Failure {
        let cluster = cluster().await;
        let mut failure = None;
        printed(async |output| {
            failure = run_in(&cluster.session(), verb(line), now(), output).await.err();
        })
        .await;
        assert_eq!(cluster.created().len(), 1, "something was recorded");
        failure.unwrap()
    }

    #[rstest]
    #[case::snooze("snooze 7 --for 30m", json!([{"snooze": {"until": "2026-11-23T03:42:00Z"}}]), "taken by oidc:ada, who is asked again at 2026-11-23T03:42:00Z")]
    #[case::reply("reply 7 it is mended", json!([{"reply": {"text": "it is mended"}}]), "has an answer by oidc:ada on record; it is not sent, so tell them yourself")]
    #[case::prio("prio 7 p2 --why board", json!([{"priority": {"to": "P2", "why": "board"}}]), "is P2 now, says oidc:ada")]
    #[case::vendor(
        "pending 7 vendor --until 2d --reason case-9",
        json!([{"state": {"to": "PendingVendor", "until": "2026-11-25T03:12:00Z", "reason": "case-9"}}]),
        "is PendingVendor by oidc:ada, until 2026-11-25T03:12:00Z at the most"
    )]
    #[case::third_step("escalate 7", json!([{"escalate": {"step": 3}}]), "escalated to step 3 by oidc:ada")]
    #[case::first_step("escalate 7 --step 1", json!([{"escalate": {"step": 1}}]), "escalated to step 1 by oidc:ada")]
    #[case::merge("merge 7 inc-b", json!([{"merge": {"into": "inc-bbbb"}}]), "merged into inc-bbbb by oidc:ada")]
    #[case::link("link 7 causedBy 8", json!([{"link": {"relation": "causedBy", "ticket": "inc-bbbb"}}]), "causedBy inc-bbbb, says oidc:ada")]
    #[case::page(
        "link 7 url https://wiki.acme.example/db --title Runbook",
        json!([{"link": {"relation": "url", "url": "https://wiki.acme.example/db", "title": "Runbook"}}]),
        "linked to https://wiki.acme.example/db by oidc:ada"
    )]
    #[case::close("close 7 --reason Spam", json!([{"state": {"to": "Closed", "reason": "Spam"}}]), "closed by oidc:ada (Spam)")]
    #[tokio::test]
    async fn a_verb_is_one_act(#[case] line: &str, #[case] recorded: Value, #[case] said: &str) {
        assert_eq!(done(line).await, (recorded.as_array().unwrap().clone(), format!("inc-aaaa {said}\n")));
    }

    #[tokio::test]
    async fn to_take_is_to_acknowledge_and_to_be_assigned_by_the_name_the_policy_has_for_the_user() {
        let (acts, text) = done("take 7").await;
        assert_eq!(acts, [json!({"acknowledge": true}), json!({"assign": {"to": "ada"}})]);
        assert_eq!(text, "inc-aaaa acknowledged by oidc:ada\ninc-aaaa assigned to ada by oidc:ada\n");
    }

    #[tokio::test]
    async fn what_is_asked_of_the_requester_is_recorded_before_the_wait() {
        let (acts, _) = done("pending 7 requester --reply which").await;
        assert_eq!(acts, [json!({"reply": {"text": "which"}}), json!({"state": {"to": "PendingRequester"}})]);
    }

    #[rstest]
    #[case::no_policy(
        "take 8",
        Exit::No,
        "no SupportPolicy serves the ticket, so it knows nobody whom it could be assigned to; `ack` takes it without"
    )]
    #[case::no_page(
        "link 7 url inc-bbbb",
        Exit::Usage,
        "expected an address such as https://wiki.acme.example/runbook, found `inc-bbbb`"
    )]
    #[case::no_ticket(
        "link 7 relatesTo https://wiki.acme.example",
        Exit::Usage,
        "expected a ticket's name, the beginning of it, or its number such as 1042 or #1042"
    )]
    #[case::title(
        "link 7 relatesTo 8 --title Database",
        Exit::Usage,
        "--title names a page; a ticket has its own title"
    )]
    #[tokio::test]
    async fn what_cannot_be_meant_is_said_before_anything_is_recorded(
        #[case] line: &str,
        #[case] exit: Exit,
        #[case] said: &str,
    ) {
        let failure = refused(line).await;
        assert_eq!((failure.exit(), failure.to_string()), (exit, said.to_owned()));
    }
}
