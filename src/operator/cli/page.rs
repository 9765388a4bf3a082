//! `firstline page`: a marked test page on the way of every real one, and what its receivers said.
//!
//! It is a ticket whose only purpose is to be delivered: the operator plans, sends and records it like any
//! page. When everything has arrived the ticket is resolved; else it stays, so that somebody looks at it.

use std::time::Duration;

use api::{
    SupportPolicy, Ticket,
    support_policy::SupportPolicySpec,
    ticket::{Notification, NotificationKind, NotificationState, TestPage, TicketSpec},
};
use clap::Args;
use domain::{problem::Problem, time::format_duration};
use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{ListParams, PostParams},
    core::DeserializeGuard,
};
use thiserror::Error;

use super::{
    act::{self, Act, Reason},
    arguments::span,
    cluster::{Asked, ClusterArgs, Session, Trouble, ask},
    exit::{Exit, Failure},
    lookup::TICKETS,
    output::{Output, Paint, plain},
    settle::{fresh_name, settled},
};

/// The resource, as errors name it.
const POLICIES: &str = "supportpolicies.firstline.dev";
/// Flags of `firstline page`.
#[derive(Debug, Clone, Args)]
pub struct PageArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// A person, schedule or channel of a policy: a person by all rules, a schedule's by whoever is on call
    #[arg(value_name = "PERSON|SCHEDULE|CHANNEL")]
    pub target: String,

    /// The policy; needed where several of the namespace know the name
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,

    /// How long to wait for all receipts
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = span)]
    pub timeout: Duration,
}

/// Why nobody can be tried.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PageError {
    /// No policy knows the name.
    #[error("{0}")]
    Unknown(Problem),
    /// Several things have the name.
    #[error("`{target}` may mean {}; {}", .found.join(", or "), .way)]
    Several {
        /// What was asked for.
        target: String,
        /// `person ada of policy payments`.
        found: Vec<String>,
        /// What to do about it.
        way: &'static str,
    },
}

impl PageError {
    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unknown(_) => Exit::No,
            Self::Several { .. } => Exit::Usage,
        }
    }
}

/// Sends a test page and waits for its receipts.
///
/// # Errors
/// When nobody of that name is known or the cluster does not take the ticket.
pub async fn page(args: &PageArgs, program: &str, now: Timestamp, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let session = args.cluster.connect().await?;
    page_in(&session, args, program, now, output).await
}

async fn page_in(
    session: &Session,
    args: &PageArgs,
    program: &str,
    now: Timestamp,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let policies = policies(session, args.policy.as_deref()).await?;
    let (policy, target) = find(&args.target, &session.namespace, &policies)?;
    let api: Api<Ticket> = Api::namespaced(session.client.clone(), &session.namespace);
    let target = TestPage { requested_at: Some(domain::time::whole_seconds(now)), ..target };
    let wanted = wanted(&args.target, policy, target);
    let asked = Asked::new("create", TICKETS, &session.namespace);
    let created = ask(&asked, api.create(&PostParams::default(), &wanted)).await?;
    let seen = settled(&api, created, args.timeout, is_settled).await;
    let exit = report(&seen, args, program, &session.namespace, output)?;
    if exit == Exit::Done {
        // Whoever was reached knows; that the ticket is put away is no news, and not being able to is no failure.
        let author = session.user().await?;
        if let Err(trouble) = act::record(session, &seen, &Act::Resolve(Reason::Completed), &author).await {
            output.say(format!("the test page's ticket stays open: {trouble}"))?;
        }
    }
    Ok(exit)
}

async fn policies(session: &Session, named: Option<&str>) -> Result<Vec<(String, SupportPolicySpec)>, Trouble> {
    let api: Api<DeserializeGuard<SupportPolicy>> = Api::namespaced(session.client.clone(), &session.namespace);
    let found = ask(&Asked::new("list", POLICIES, &session.namespace), api.list(&ListParams::default())).await?;
    let readable = found.items.into_iter().filter_map(|policy| policy.0.ok());
    let all = readable.map(|policy| (policy.name_any(), policy.spec));
    Ok(all.filter(|(name, _)| named.is_none_or(|named| named == name)).collect())
}

/// The only policy and target of that name.
fn find<'a>(
    name: &str,
    namespace: &str,
    policies: &'a [(String, SupportPolicySpec)],
) -> Result<(&'a str, TestPage), PageError> {
    let mut found: Vec<(&str, &str, TestPage)> = Vec::new();
    for (policy, spec) in policies {
        let nobody = TestPage::default;
        if spec.people.iter().any(|person| person.name == name) {
            found.push((policy, "person", TestPage { person: Some(name.to_owned()), ..nobody() }));
        }
        if spec.schedules.iter().any(|schedule| schedule.name == name) {
            found.push((policy, "schedule", TestPage { schedule: Some(name.to_owned()), ..nobody() }));
        }
        if spec.channels.iter().any(|channel| channel.name == name) {
            found.push((policy, "channel", TestPage { channel: Some(name.to_owned()), ..nobody() }));
        }
    }
    let one_policy = found.iter().all(|(policy, ..)| found.first().is_some_and(|(first, ..)| first == policy));
    if let [(policy, _, target)] = found.as_slice() {
        return Ok((policy, target.clone()));
    }
    if found.is_empty() {
        let known = policies.iter().flat_map(|(_, spec)| names(spec));
        let message = format!("no policy of namespace {namespace} has a person, schedule or channel `{name}`");
        return Err(PageError::Unknown(Problem::error("", message).suggest_from(name, known)));
    }
    Err(PageError::Several {
        target: name.to_owned(),
        found: found.iter().map(|(policy, what, _)| format!("{what} {name} of policy {policy}")).collect(),
        way: if one_policy { "give them different names in the policy" } else { "name the policy with --policy" },
    })
}

fn names(spec: &SupportPolicySpec) -> impl Iterator<Item = &str> {
    let people = spec.people.iter().map(|person| person.name.as_str());
    let schedules = spec.schedules.iter().map(|schedule| schedule.name.as_str());
    people.chain(schedules).chain(spec.channels.iter().map(|channel| channel.name.as_str()))
}

fn wanted(name: &str, policy: &str, target: TestPage) -> Ticket {
    Ticket::new(
        &fresh_name("test-page"),
        TicketSpec {
            title: format!("Test page for {name}"),
            policy: Some(policy.to_owned()),
            test_page: Some(target),
            ..TicketSpec::default()
        },
    )
}

fn tests(ticket: &Ticket) -> impl Iterator<Item = &Notification> {
    let all = ticket.status.iter().flat_map(|status| &status.notifications);
    all.filter(|notification| notification.kind == NotificationKind::Test)
}

/// Why the operator can tell nobody.
fn nobody(ticket: &Ticket) -> Option<&str> {
    let mut lines = ticket.status.iter().flat_map(|status| &status.timeline);
    lines.find(|line| matches!(line.what.as_str(), "NobodyFound" | "NotPaged")).map(|line| line.detail.as_str())
}

fn is_settled(ticket: &Ticket) -> bool {
    nobody(ticket).is_some()
        || tests(ticket).next().is_some() && tests(ticket).all(|notification| notification.state.is_finished())
}

fn report(
    ticket: &Ticket,
    args: &PageArgs,
    program: &str,
    namespace: &str,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let name = ticket.name_any();
    if let Some(why) = nobody(ticket) {
        output.line(format!("nobody was told: {}", plain(why)))?;
        return Ok(Exit::No);
    }
    let mut exit = Exit::Done;
    let mut any = false;
    for sent in tests(ticket) {
        any = true;
        let (own, paint, word) = match sent.state {
            NotificationState::Accepted if sent.error.is_some() => (Exit::No, Paint::Bad, "accepted for some only"),
            NotificationState::Accepted => (Exit::Done, Paint::Good, "accepted"),
            NotificationState::Failed => (Exit::No, Paint::Bad, "failed"),
            NotificationState::Superseded => (Exit::No, Paint::Bad, "withdrawn before it was sent"),
            NotificationState::Planned if sent.attempts == 0 => (Exit::Unknown, Paint::Warn, "not sent yet"),
            NotificationState::Planned => (Exit::Unknown, Paint::Warn, "failed, is tried again"),
            NotificationState::Uncertain => (Exit::Unknown, Paint::Warn, "may have arrived, is tried again"),
        };
        exit = exit.max(own);
        let to = sent.person.as_deref().map(|person| format!("{} by ", plain(person))).unwrap_or_default();
        let said = sent.error.as_ref().or(sent.receipt.as_ref()).map(|said| format!(": {}", plain(said)));
        let word = output.colour.paint(paint, word);
        output.line(format!("{to}{} {word}{}", plain(&sent.channel), said.unwrap_or_default()))?;
    }
    if !any {
        let waited = format_duration(args.timeout);
        output.line(format!(
            "{name} unconfirmed: the operator did not answer within {waited}. It sends the test page when it is back, within the hour"
        ))?;
        return Ok(Exit::Unknown);
    }
    if exit != Exit::Done {
        output.say(format!("The ticket stays open: `{program} show {name} -n {namespace}`"))?;
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::{
        super::fixtures::{self, printed},
        *,
    };

    fn policies() -> Vec<(String, SupportPolicySpec)> {
        let spec = |value: Value| serde_json::from_value(value).unwrap();
        let hook = |name: &str| json!({"name": name, "webhook": {"url": "https://hooks.acme.example/"}});
        vec![
            (
                "payments".to_owned(),
                spec(
                    json!({"lastResort": [], "people": [{"name": "ada", "email": "a@b.c"}, {"name": "ops", "email": "o@b.c"}], "channels": [hook("ops"), hook("chat")]}),
                ),
            ),
            ("identity".to_owned(), spec(json!({"lastResort": [], "channels": [hook("chat")]}))),
        ]
    }

    #[test]
    fn a_name_that_one_policy_knows_once_is_enough() {
        let policies = policies();
        let (policy, target) = find("ada", "payments", &policies).unwrap();
        assert_eq!((policy, target.person.as_deref()), ("payments", Some("ada")));
    }

    #[rstest]
    #[case(
        "chat",
        "`chat` may mean channel chat of policy payments, or channel chat of policy identity; name the policy with --policy"
    )]
    #[case(
        "ops",
        "`ops` may mean person ops of policy payments, or channel ops of policy payments; give them different names in the policy"
    )]
    #[case("adda", "no policy of namespace payments has a person, schedule or channel `adda`; did you mean `ada`?")]
    fn another_name_is_refused_with_what_to_do(#[case] name: &str, #[case] said: &str) {
        assert_eq!(find(name, "payments", &policies()).unwrap_err().to_string(), said);
    }

    async fn said(status: Value) -> (Exit, String) {
        let ticket: Ticket = fixtures::object(json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
            "metadata": {"name": "test-page-1", "namespace": "payments"},
            "spec": {"title": "Test page for ada"}, "status": status
        }));
        let args = PageArgs {
            cluster: ClusterArgs::default(),
            target: "ada".into(),
            policy: None,
            timeout: Duration::from_secs(30),
        };
        let mut exit = None;
        let text = printed(async |output| {
            exit = Some(report(&ticket, &args, "firstline", "payments", output).unwrap());
        })
        .await;
        (exit.unwrap(), text)
    }

    fn sent(channel: &str, state: &str, more: &Value) -> Value {
        let mut sent = json!({
            "id": "0191f3a0-0000-7000-8000-000000000001", "kind": "test", "cycle": 0, "step": 0, "rule": 1, "person": "ada",
            "channel": channel, "state": state, "attempts": 1, "plannedAt": "2026-11-23T02:58:10Z"
        });
        sent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sent
    }

    #[tokio::test]
    async fn every_way_to_a_person_is_a_line_with_what_its_receiver_said() {
        let status = json!({"notifications": [
            sent("chat", "Accepted", &json!({"receipt": "200 OK"})),
            sent("sms", "Failed", &json!({"error": "410 Gone"})),
        ]});
        assert_eq!(
            said(status).await,
            (Exit::No, "ada by chat accepted: 200 OK\nada by sms failed: 410 Gone\n".to_owned())
        );
    }

    #[tokio::test]
    async fn what_has_not_arrived_in_time_is_no_failure_yet() {
        let status = json!({"notifications": [sent("chat", "Planned", &json!({"error": "503"}))]});
        assert_eq!(said(status).await, (Exit::Unknown, "ada by chat failed, is tried again: 503\n".to_owned()));
    }

    #[tokio::test]
    async fn that_nobody_can_be_told_is_said_with_the_reason() {
        let line = json!({"at": "2026-11-23T03:00:00Z", "what": "NobodyFound", "detail": "ada has no rule for pages"});
        assert_eq!(
            said(json!({"timeline": [line]})).await,
            (Exit::No, "nobody was told: ada has no rule for pages\n".to_owned())
        );
    }

    #[tokio::test]
    async fn an_operator_that_is_away_is_told_apart() {
        let (exit, text) = said(json!({"observedGeneration": -1})).await;
        assert_eq!(exit, Exit::Unknown);
        assert!(text.starts_with("test-page-1 unconfirmed: the operator did not answer within 30s."), "{text}");
    }
}
