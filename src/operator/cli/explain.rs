//! `firstline explain`: why something happens, or would, by the operator's own rules: an alert from files alone, a ticket
//! from a file or from the cluster.

mod ticket;

use std::path::PathBuf;

use clap::Args;
use domain::{
    alert::{Alert, AlertState},
    labels::Labels,
    problem::Problem,
    routing,
    time::{after, whole_seconds},
};
use gitops::FileError;
use jiff::Timestamp;
use serde_json::json;
use thiserror::Error;

use self::ticket::Record;
use super::{
    arguments::{instant, up_to_a_year},
    cluster::ClusterArgs,
    exit::{Exit, Failure},
    lookup::TicketRef,
    output::{Form, Output, plain},
    validate::human,
};
use crate::{
    controllers::ticket::rehearse::Around,
    index::overrides_of_policy,
    load::{self, World},
    rehearse::{
        DownForm, Setting,
        incident::{self, Circumstances},
    },
};

/// Flags of `firstline explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// A ticket of the cluster, or with --ticket one of that file: its name, the beginning of it, or its number
    #[arg(conflicts_with = "labels", required_unless_present_any = ["labels", "ticket", "file"])]
    pub subject: Option<TicketRef>,

    /// Files and folders with the policies
    #[arg(short, long, value_name = "PATH", num_args = 1..)]
    pub file: Vec<PathBuf>,

    /// The labels of an alert: alertname=CheckoutDown,service=checkout,severity=page
    #[arg(long, value_name = "NAME=VALUE,…", value_parser = labels, requires = "file")]
    pub labels: Option<Labels>,

    /// Monitors of these files that are down all the while: alerts of what depends on them (label monitor) wait for them
    #[arg(long, value_name = "MONITOR", requires = "labels")]
    pub down: Vec<String>,

    /// A file with Tickets and their TicketEvents, as `kubectl get tickets,ticketevents -o yaml` prints them
    #[arg(long, value_name = "FILE", conflicts_with = "labels", requires = "file")]
    pub ticket: Option<PathBuf>,

    /// When the alert fires, or the ticket is looked at; now when absent
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub at: Option<Timestamp>,

    /// How long to look at an alert; at most 366d
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = up_to_a_year)]
    pub until: std::time::Duration,

    /// The form of the answer; sentences when absent
    #[arg(short, long, value_enum)]
    pub output: Option<Form>,

    /// Which cluster, and the namespace there; with -f that of the alert.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Why nothing is explained.
#[derive(Debug, Error)]
pub enum ExplainError {
    /// The file with the ticket.
    #[error("{file}: {source}")]
    Unreadable {
        /// As it was written.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// What is in it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<FileError>),
    /// What was asked.
    #[error("{0}")]
    Question(Problem),
}

impl ExplainError {
    /// What is wrong with what a flag says; where none of them is named, with the files.
    fn of_flag(problem: Problem) -> Self {
        let flag = if problem.path.is_empty() { "file" } else { problem.path.as_str() };
        Self::Question(Problem { path: format!("--{flag}"), ..problem })
    }
}

/// Explains what would happen to an alert, or why a ticket stands where it does.
///
/// # Errors
/// When a path is not there or cannot be read, or the cluster does not answer.
pub async fn explain(args: &ExplainArgs, now: Timestamp, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let at = whole_seconds(args.at.unwrap_or(now));
    let (lines, exit) = match (&args.subject, &args.labels, &args.ticket) {
        (Some(wanted), None, None) => {
            if !args.file.is_empty() {
                let message = "is for --labels and --ticket: a ticket of the cluster is explained by its own policy";
                return Err(ExplainError::Question(Problem::error("--file", message)).into());
            }
            let session = args.cluster.connect().await?;
            of_tickets(vec![ticket::from_cluster(&session, wanted).await?], at, output)?
        }
        (None, None, None) => {
            let message = "says which policies are asked, not about what: add --labels or --ticket";
            return Err(ExplainError::Question(Problem::error("--file", message)).into());
        }
        (_, Some(labels), _) => {
            let Some(world) = read(args, now, output)? else { return Ok(Exit::No) };
            if !args.down.is_empty() && !labels.contains_key("monitor") {
                output.say("note: --down changes nothing for an alert without the label monitor")?;
            }
            of_alert(Setting::of(&world), &world, args, labels, at)?
        }
        (wanted, None, Some(file)) => {
            let Some(world) = read(args, now, output)? else { return Ok(Exit::No) };
            let namespace = args.cluster.namespace.as_deref();
            let (records, notes) = ticket::from_file(Setting::of(&world), file, wanted.as_ref(), namespace)?;
            for note in notes {
                output.say(note)?;
            }
            of_tickets(records, at, output)?
        }
    };
    match args.output {
        Some(form) => output.value(&json!({"at": at, "explanation": lines}), form)?,
        None => {
            for line in &lines {
                let indent = line.len() - line.trim_start().len();
                output.line(format_args!("{:indent$}{}", "", plain(line)))?;
            }
        }
    }
    Ok(exit)
}

/// The files; `None` when a policy among them is wrong: what is said without it would be wrong too.
fn read(args: &ExplainArgs, now: Timestamp, output: &mut Output<'_>) -> Result<Option<World>, Failure> {
    let world = load::load(&args.file, args.cluster.namespace.as_deref().unwrap_or("default"), now)?;
    for problem in world.problems.iter().filter(|problem| problem.is_error()) {
        output.say(human(problem, &world, false, output.progress_colour).trim_end())?;
    }
    if world.lacks_a_policy() {
        output.say("nothing is explained: a SupportPolicy among these files is wrong")?;
        return Ok(None);
    }
    Ok(Some(world))
}

/// Every ticket after the other; where clocks cannot be told in full, that nobody can tell.
fn of_tickets(records: Vec<Record>, at: Timestamp, output: &mut Output<'_>) -> Result<(Vec<String>, Exit), Failure> {
    let (mut lines, mut exit) = (Vec::new(), Exit::Done);
    for record in records {
        for why in &record.lacking {
            output.say(format!("warning: clocks are not told by what is in force: {}", plain(why)))?;
        }
        if record.is_without_clocks() {
            exit = Exit::Unknown;
        }
        lines.extend(record.explain(at)?);
    }
    Ok((lines, exit))
}

/// The sentences; an alert of which nobody is told is a no.
fn of_alert(
    setting: Setting<'_>,
    world: &World,
    args: &ExplainArgs,
    labels: &Labels,
    at: Timestamp,
) -> Result<(Vec<String>, Exit), ExplainError> {
    let namespace = setting.namespace(args.cluster.namespace.as_deref()).map_err(ExplainError::of_flag)?;
    let down: Vec<DownForm> = args.down.iter().cloned().map(DownForm::Always).collect();
    let down = incident::down(setting, &down, &namespace).map_err(ExplainError::of_flag)?;
    let (labels, annotations) = (labels.clone(), Labels::new());
    let alert = Alert { namespace, labels, annotations, state: AlertState::Firing, starts_at: at, at };
    let policy = routing::choose_policy(setting.policies, &alert.namespace, &alert.labels).map(|choice| choice.policy);
    let met = Circumstances {
        around: Around {
            monitors: setting.standings(&alert.namespace),
            down,
            silences: world.silences.clone(),
            overrides: policy.map(|policy| overrides_of_policy(policy, &world.overrides)).unwrap_or_default(),
            ..Around::default()
        },
        events: Vec::new(),
        ends: None,
        until: after(at, args.until),
    };
    let incident = incident::live(setting, alert, met);
    let exit = if incident.is_unheard() { Exit::No } else { Exit::Done };
    Ok((incident.explain(), exit))
}

/// `a=b,c=d`; a value may be in quotes.
fn labels(text: &str) -> Result<Labels, String> {
    let mut labels = Labels::new();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("expected name=value, found `{pair}`"))?;
        let name = name.trim();
        if name.is_empty() {
            return Err(format!("expected the name of a label before `=` in `{pair}`"));
        }
        if let Some(before) = labels.insert(name.to_owned(), value.trim().trim_matches('"').to_owned()) {
            return Err(format!("expected one value of `{name}`, found `{before}` and `{}`", value.trim()));
        }
    }
    if labels.is_empty() { Err("expected at least one label, such as service=checkout".to_owned()) } else { Ok(labels) }
}

#[cfg(test)]
mod tests;
