//! `firstline new`: opens a ticket for a person who asked, and waits until the operator has seen it.

use std::{collections::BTreeMap, time::Duration};

use api::{
    Ticket,
    ticket::{Level, Requester, TicketSpec, TicketType},
};
use clap::{Args, ValueEnum};
use domain::problem::Problem;
use kube::{Api, ResourceExt, api::PostParams};
use thiserror::Error;

use super::{
    arguments::span,
    cluster::{Asked, ClusterArgs, Session, ask},
    exit::{Exit, Failure},
    lookup::TICKETS,
    output::{Form, Output, plain},
    settle::{fresh_name, settled, unconfirmed},
    some_text,
};

/// Flags of `firstline new`.
#[derive(Debug, Clone, Args)]
pub struct NewArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// What is wrong or wanted, in one line; several words need no quotes
    #[arg(required = true, value_name = "TITLE", value_parser = some_text)]
    pub title: Vec<String>,

    /// The same at length
    #[arg(long, value_name = "TEXT", value_parser = some_text)]
    pub description: Option<String>,

    /// What kind of work it is
    #[arg(long = "type", value_enum, default_value_t = Kind::ServiceRequest)]
    pub kind: Kind,

    /// Who asked
    #[arg(long, value_name = "NAME", value_parser = some_text)]
    pub requester: Option<String>,

    /// Where they can be reached, such as a mail address; nothing is sent there yet
    #[arg(long, value_name = "CONTACT", requires = "requester", value_parser = some_text)]
    pub contact: Option<String>,

    /// How much is broken
    #[arg(long, value_enum)]
    pub impact: Option<HowMuch>,

    /// How soon it must be mended
    #[arg(long, value_enum)]
    pub urgency: Option<HowMuch>,

    /// Which team's list it goes on
    #[arg(long, value_name = "NAME")]
    pub queue: Option<String>,

    /// A label such as team=payments, by which the policy is chosen; may be repeated
    #[arg(short, long = "label", value_name = "NAME=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,

    /// How long to wait until the operator has seen it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = span)]
    pub timeout: Duration,

    /// Print the ticket instead of a sentence
    #[arg(short, long, value_enum)]
    pub output: Option<Form>,
}

/// What kind of work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum Kind {
    /// Something is broken
    Incident,
    /// Something is wanted
    ServiceRequest,
    /// Something is not clear
    Question,
    /// What several incidents come from
    Problem,
    /// Something is to be altered
    Change,
}

impl From<Kind> for TicketType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Incident => Self::Incident,
            Kind::ServiceRequest => Self::ServiceRequest,
            Kind::Question => Self::Question,
            Kind::Problem => Self::Problem,
            Kind::Change => Self::Change,
        }
    }
}

/// High, medium or low.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HowMuch {
    /// Everybody is held up; at once
    High,
    /// Some are; soon
    Medium,
    /// One is; some time
    Low,
}

impl From<HowMuch> for Level {
    fn from(level: HowMuch) -> Self {
        match level {
            HowMuch::High => Self::High,
            HowMuch::Medium => Self::Medium,
            HowMuch::Low => Self::Low,
        }
    }
}

/// The ticket cannot be made as it was asked for.
#[derive(Debug, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct NewError(Vec<Problem>);

impl NewError {
    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        Exit::Usage
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected name=value, such as team=payments")?;
    if name.is_empty() { Err("expected a name before `=`".to_owned()) } else { Ok((name.to_owned(), value.to_owned())) }
}

/// Opens a ticket.
///
/// # Errors
/// When it is wrong or the cluster does not take it.
pub async fn new(args: &NewArgs, program: &str, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let wanted = wanted(args)?;
    let session = args.cluster.connect().await?;
    new_in(&session, args, wanted, program, output).await
}

/// The ticket as it was asked for, checked as the operator would.
fn wanted(args: &NewArgs) -> Result<Ticket, NewError> {
    let mut ticket = Ticket::new(
        &fresh_name("req"),
        TicketSpec {
            title: args.title.join(" "),
            description: args.description.clone(),
            type_: args.kind.into(),
            requester: args
                .requester
                .as_ref()
                .map(|name| Requester { name: name.clone(), contact: args.contact.clone() }),
            impact: args.impact.map(Level::from),
            urgency: args.urgency.map(Level::from),
            queue: args.queue.clone(),
            ..TicketSpec::default()
        },
    );
    ticket.metadata.labels =
        Some(args.labels.iter().cloned().collect::<BTreeMap<_, _>>()).filter(|labels| !labels.is_empty());
    let written = serde_json::to_value(&ticket).unwrap_or_default();
    let errors: Vec<Problem> = api::check(&written).into_iter().filter(Problem::is_error).collect();
    if errors.is_empty() { Ok(ticket) } else { Err(NewError(errors)) }
}

async fn new_in(
    session: &Session,
    args: &NewArgs,
    wanted: Ticket,
    program: &str,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let api: Api<Ticket> = Api::namespaced(session.client.clone(), &session.namespace);
    let asked = Asked::new("create", TICKETS, &session.namespace);
    let created = ask(&asked, api.create(&PostParams::default(), &wanted)).await?;
    let seen = settled(&api, created, args.timeout, is_numbered).await;
    if let Some(form) = args.output {
        output.value(&super::bare(seen.clone()), form)?;
    }
    let (exit, sentence) = sentence(&seen, args.timeout, program, &session.namespace);
    if args.output.is_none() {
        output.line(sentence)?;
    }
    Ok(exit)
}

fn is_numbered(ticket: &Ticket) -> bool {
    ticket.status.as_ref().is_some_and(|status| status.number.is_some())
}

fn sentence(ticket: &Ticket, waited: Duration, program: &str, namespace: &str) -> (Exit, String) {
    let name = ticket.name_any();
    let status = ticket.status.as_ref();
    let Some(number) = status.and_then(|status| status.number) else {
        return (Exit::Unknown, unconfirmed(&name, waited, "get its number"));
    };
    let priority = status.and_then(|status| status.priority.as_deref()).map(plain).unwrap_or_default();
    let due = status.and_then(|status| status.next_due.as_deref());
    let due = due.map(|due| format!(", next due {}", plain(due))).unwrap_or_default();
    let unserved = match status.and_then(|status| status.policy.as_ref()) {
        Some(_) => "",
        None => " No SupportPolicy serves it, so nobody is told of it and nothing is promised.",
    };
    (
        Exit::Done,
        format!(
            "#{number} {name} is open, {priority}{due}; see it with `{program} show {number} -n {namespace}`.{unserved}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::{
        super::fixtures::{FakeCluster, Judge, printed},
        *,
    };

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: NewArgs,
    }

    fn args(words: &[&str]) -> NewArgs {
        Line::try_parse_from(["new"].iter().chain(words)).unwrap().args
    }

    async fn run(judge: Judge, args: &NewArgs) -> (Exit, String, serde_json::Value) {
        let cluster = FakeCluster::start(judge, Vec::new()).await;
        let mut exit = None;
        let text = printed(async |output| {
            exit = Some(new_in(&cluster.session(), args, wanted(args).unwrap(), "firstline", output).await.unwrap());
        })
        .await;
        (exit.unwrap(), text, cluster.created().remove(0))
    }

    #[tokio::test]
    async fn a_new_ticket_says_its_number_and_how_to_see_it() {
        let args = args(&[
            "Please",
            "add",
            "a",
            "user",
            "--requester",
            "Mia",
            "--contact",
            "mia@acme.example",
            "-l",
            "team=payments",
            "--impact",
            "low",
        ]);
        let (exit, text, created) = run(Judge::Accept, &args).await;
        let name = created["metadata"]["name"].as_str().unwrap();
        assert_eq!(exit, Exit::Done);
        let unserved = "No SupportPolicy serves it, so nobody is told of it and nothing is promised.";
        assert_eq!(text, format!("#1 {name} is open, P3; see it with `firstline show 1 -n payments`. {unserved}\n"));
        assert_eq!(created["metadata"]["labels"], json!({"team": "payments"}));
        assert_eq!(
            created["spec"],
            json!({"title": "Please add a user", "type": "ServiceRequest", "impact": "low", "requester": {"name": "Mia", "contact": "mia@acme.example"}})
        );
    }

    #[tokio::test]
    async fn without_an_operator_it_is_recorded_and_says_so() {
        let (exit, text, _) = run(Judge::Away, &args(&["Help", "--timeout", "200ms"])).await;
        assert_eq!(exit, Exit::Unknown);
        assert!(text.ends_with(" unconfirmed: the operator did not answer within 200ms. It is recorded and will get its number when the operator is back\n"), "{text}");
    }

    #[test]
    fn a_queue_that_cannot_exist_is_refused_before_anything_is_sent() {
        let error = wanted(&args(&["Help", "--queue", "No Such"])).unwrap_err();
        assert!(error.to_string().contains("spec.queue"), "{error}");
    }
}
