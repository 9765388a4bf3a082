//! `firstline explain`: why something happens, or would. From files alone, with the operator's own rules.

use std::path::{Path, PathBuf};

use clap::Args;
use domain::{
    alert::{Alert, AlertState},
    labels::Labels,
    time::{after, whole_seconds},
};
use gitops::yaml::{self, Limits};
use jiff::Timestamp;
use serde_json::json;

use super::{
    arguments::some_span,
    exit::{Exit, Failure},
    output::{Form, Output, plain},
    validate::human,
};
use crate::{
    controllers::ticket::rehearse::Around,
    load,
    rehearse::{
        DownForm, Setting,
        incident::{self, Circumstances},
        request,
    },
};

/// Flags of `firstline explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Files and folders with the policies
    #[arg(short, long, required = true, value_name = "PATH", num_args = 1..)]
    pub file: Vec<PathBuf>,

    /// The labels of an alert: alertname=CheckoutDown,service=checkout,severity=page
    #[arg(long, value_name = "NAME=VALUE,…", value_parser = labels, required_unless_present = "ticket")]
    pub labels: Option<Labels>,

    /// Monitors of these files that are down all the while: alerts of what depends on them (label monitor) wait for them
    #[arg(long, value_name = "MONITOR", requires = "labels")]
    pub down: Vec<String>,

    /// A file with a Ticket and its TicketEvents, as `kubectl get tickets,ticketevents -o yaml` prints them
    #[arg(long, value_name = "FILE", conflicts_with = "labels")]
    pub ticket: Option<PathBuf>,

    /// When the alert fires, or the ticket is looked at; now when absent
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,

    /// How long to look at an alert
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = some_span)]
    pub until: std::time::Duration,

    /// The namespace of the alert; that of the policies when absent
    #[arg(short, long)]
    pub namespace: Option<String>,

    /// The form of the answer; sentences when absent
    #[arg(short, long, value_enum)]
    pub output: Option<Form>,
}

/// Explains what would happen to an alert, or why a ticket stands where it does.
///
/// # Errors
/// When a path is not there or cannot be read.
pub fn explain(args: &ExplainArgs, now: Timestamp, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let world = load::load(&args.file, args.namespace.as_deref().unwrap_or("default"), now)?;
    for problem in world.problems.iter().filter(|problem| problem.is_error()) {
        output.say(human(problem, &world, false, output.progress_colour).trim_end())?;
    }
    let setting = Setting { policies: &world.policies, monitors: &world.monitors };
    let at = whole_seconds(args.at.unwrap_or(now));
    let (answer, exit) = match (&args.ticket, &args.labels) {
        (Some(file), _) => (of_ticket(setting, file, at), Exit::Done),
        (None, Some(labels)) => of_alert(setting, args, labels, at),
        (None, None) => return Ok(Exit::Usage),
    };
    match (answer, args.output) {
        (Err(why), _) => {
            output.say(why)?;
            return Ok(Exit::Usage);
        }
        (Ok(lines), Some(form)) => output.value(&json!({"at": at, "explanation": lines}), form)?,
        (Ok(lines), None) => {
            for line in lines {
                output.line(plain(&line))?;
            }
        }
    }
    Ok(exit)
}

/// The sentences, or what is wrong with the question; an alert that no policy takes is a no.
fn of_alert(
    setting: Setting<'_>,
    args: &ExplainArgs,
    labels: &Labels,
    at: Timestamp,
) -> (Result<Vec<String>, String>, Exit) {
    let namespace = match setting.namespace(args.namespace.as_deref()) {
        Ok(namespace) => namespace,
        Err(problem) => return (Err(format!("--{problem}")), Exit::Usage),
    };
    let down: Vec<DownForm> = args.down.iter().cloned().map(DownForm::Always).collect();
    let down = match incident::down(setting, &down, &namespace) {
        Ok(down) => down,
        Err(problem) => return (Err(format!("--{problem}")), Exit::Usage),
    };
    let (labels, annotations) = (labels.clone(), Labels::new());
    let alert = Alert { namespace, labels, annotations, state: AlertState::Firing, starts_at: at, at };
    let met = Circumstances {
        around: Around { monitors: setting.standings(&alert.namespace), down, ..Around::default() },
        events: Vec::new(),
        ends: None,
        until: after(at, args.until),
    };
    let incident = incident::live(setting, alert, met);
    let exit = if incident.policy.is_some() { Exit::Done } else { Exit::No };
    (Ok(incident.explain()), exit)
}

fn of_ticket(setting: Setting<'_>, file: &Path, at: Timestamp) -> Result<Vec<String>, String> {
    let shown = file.display();
    let bytes = std::fs::read(file).map_err(|error| format!("{shown}: {error}"))?;
    let (documents, errors) = yaml::read(&shown.to_string(), &bytes, Limits::default());
    if let Some(error) = errors.first() {
        return Err(error.to_string());
    }
    request::explain(setting, &documents, at).map_err(|problem| format!("{shown}: {problem}"))
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
        labels.insert(name.to_owned(), value.trim().trim_matches('"').to_owned());
    }
    if labels.is_empty() { Err("expected at least one label, such as service=checkout".to_owned()) } else { Ok(labels) }
}
