//! `firstline explain`: why something happens, or would. From files alone, with the operator's own rules.

use std::path::PathBuf;

use clap::Args;
use domain::{
    alert::{Alert, AlertState},
    labels::Labels,
    time::{after, whole_seconds},
};
use jiff::Timestamp;
use serde_json::json;

use super::{
    arguments::some_span,
    exit::{Exit, Failure},
    output::{Form, Output, plain},
    validate::human,
};
use crate::{
    load,
    rehearse::{
        Setting,
        incident::{self, Circumstances},
    },
};

/// Flags of `firstline explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Files and folders with the policies
    #[arg(short, long, required = true, value_name = "PATH", num_args = 1..)]
    pub file: Vec<PathBuf>,

    /// The labels of an alert: alertname=CheckoutDown,service=checkout,severity=page
    #[arg(long, value_name = "NAME=VALUE,…", value_parser = labels)]
    pub labels: Labels,

    /// When it fires; now when absent
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,

    /// How long to look at it
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = some_span)]
    pub until: std::time::Duration,

    /// The namespace of the alert; that of the policies when absent
    #[arg(short, long)]
    pub namespace: Option<String>,

    /// The form of the answer; sentences when absent
    #[arg(short, long, value_enum)]
    pub output: Option<Form>,
}

/// Explains what would happen to an alert.
///
/// # Errors
/// When a path is not there or cannot be read, or several namespaces have policies and none is named.
pub fn explain(args: &ExplainArgs, now: Timestamp, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let world = load::load(&args.file, args.namespace.as_deref().unwrap_or("default"), now)?;
    for problem in world.problems.iter().filter(|problem| problem.is_error()) {
        output.say(human(problem, &world, false, output.progress_colour).trim_end())?;
    }
    let setting = Setting { policies: &world.policies };
    let namespace = match setting.namespace(args.namespace.as_deref()) {
        Ok(namespace) => namespace,
        Err(problem) => {
            output.say(format!("--{problem}"))?;
            return Ok(Exit::Usage);
        }
    };
    let at = whole_seconds(args.at.unwrap_or(now));
    let alert = Alert {
        namespace,
        labels: args.labels.clone(),
        annotations: Labels::new(),
        state: AlertState::Firing,
        starts_at: at,
        at,
    };
    let met = Circumstances {
        silences: Vec::new(),
        firing: Vec::new(),
        events: Vec::new(),
        ends: None,
        until: after(at, args.until),
    };
    let incident = incident::live(setting, alert, met);
    match args.output {
        Some(form) => output.value(&json!({"at": at, "explanation": incident.explain()}), form)?,
        None => {
            for line in incident.explain() {
                output.line(plain(&line))?;
            }
        }
    }
    Ok(if incident.policy.is_some() { Exit::Done } else { Exit::No })
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
