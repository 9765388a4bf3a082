//! The command line: `firstline`, and the same binary as the kubectl plugin `kubectl-firstline`.
//!
//! | module | holds |
//! |---|---|
//! | one per verb | its flags, what it does, how its result reads |
//! | [`cluster`] | the connection, and refusals of the API turned into help |
//! | [`lookup`] | which ticket is meant |
//! | [`settle`] | the wait for what the operator says of an object that was written |
//! | [`output`], [`table`], [`age`], [`sample`] | how results look |
//! | [`exit`] | exit codes |
//!
//! Verbs decide nothing about tickets, alerts or probes: they ask the same rules as the operator, or write
//! what a person did and wait for the operator's verdict.

pub mod act;
pub mod age;
pub mod arguments;
pub mod cluster;
pub mod crds;
pub mod exit;
pub mod explain;
#[cfg(test)]
pub mod fixtures;
pub mod lookup;
pub mod new;
pub mod oncall;
pub mod output;
pub mod overrides;
pub mod page;
pub mod probe;
pub mod sample;
pub mod settle;
pub mod show;
pub mod silence;
pub mod table;
pub mod test;
pub mod tickets;
pub mod validate;

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use kube::Resource;
use serde::Serialize;
use serde_json::{Value, json};

use self::{
    act::ActVerb,
    exit::{Exit, Failure},
    output::Output,
};
use crate::{clock::Clock, config::RunConfig};

/// Cloud support as code: probes, on-call escalation and tickets, from Git, inside Kubernetes
#[derive(Debug, Parser)]
#[command(name = "firstline", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,

    /// How the program was called, for commands that it prints.
    #[arg(skip = FIRSTLINE)]
    pub program: &'static str,
}

const FIRSTLINE: &str = "firstline";
const PLUGIN: &str = "kubectl firstline";
const AFTER_HELP: &str =
    "Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 could not tell (no cluster, no network).";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the operator
    Run(RunConfig),

    /// Bring one branch of a repository into a mirror, for the operator
    #[command(hide = true)]
    InternalFetch,

    /// Print the resource definitions, or write them into a folder
    Crds(crds::CrdsArgs),

    /// Say everything that is wrong with these files; no cluster is needed
    Validate(validate::ValidateArgs),

    /// Run the fixtures beside policies: who would be paged when, which clocks run; no cluster is needed
    Test(test::TestArgs),

    /// Say what would happen to an alert, or why a ticket stands where it does: route, who is told when, each clock
    Explain(explain::ExplainArgs),

    /// Look at a URL or a monitor of a file once, now, from here
    Probe(probe::ProbeArgs),

    /// Say who is on call, since when and until when; list shifts and gaps
    Oncall(oncall::OncallArgs),

    /// List open tickets, the most urgent first
    Tickets(tickets::TicketsArgs),

    /// Show one ticket: what fires, who was told, what comes next, what happened
    Show(show::ShowArgs),

    /// Open a ticket for somebody who asked
    New(new::NewArgs),

    /// What is done to tickets.
    #[command(flatten)]
    Act(ActVerb),

    /// Send a marked test page to a person, whoever is on call, or a channel, and wait for its receipts
    Page(page::PageArgs),

    /// Mute what matches for a while, or end such a silence
    Silence(silence::SilenceArgs),

    /// Take a shift over from … to …, list such overrides, or end one
    Override(overrides::OverrideArgs),
}

/// Flags of kubectl that people are used to write anywhere, and whether a value follows.
const ANYWHERE: [(&str, bool); 6] = [
    ("-n", true),
    ("--namespace", true),
    ("--context", true),
    ("--kubeconfig", true),
    ("-A", false),
    ("--all-namespaces", false),
];

/// `kubectl firstline -n payments tickets` means the same as `kubectl firstline tickets -n payments`.
fn verb_first(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let mut verb = 1;
    while let Some((_, takes_value)) =
        arguments.get(verb).and_then(|written| ANYWHERE.iter().find(|(flag, _)| written == flag))
    {
        verb += 1 + usize::from(*takes_value);
    }
    if verb > 1 && verb < arguments.len() {
        arguments.get_mut(1..=verb).unwrap_or_default().rotate_right(1);
    }
    arguments
}

/// A variable that is empty counts as unset, as a template leaves one whose value was not given.
fn without_blanks(command: Command, value: impl Fn(&OsStr) -> Option<OsString>) -> Command {
    let is_blank = |arg: &Arg| arg.get_env().and_then(&value).is_some_and(|value| value.is_empty());
    let reset = |arg: Arg| if is_blank(&arg) { arg.env(None::<&'static str>) } else { arg };
    command.mut_subcommands(|verb| verb.mut_args(reset))
}

fn some_text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("expected some text, found nothing".to_owned()) } else { Ok(text.to_owned()) }
}

impl Cli {
    /// Reads the command line. Called as `kubectl-firstline`, help and errors say `kubectl firstline`.
    ///
    /// # Errors
    /// Wrong usage, or a question for help: clap's error prints itself and knows its exit code.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments = verb_first(arguments.into_iter().collect());
        let program = arguments.first().map(std::path::Path::new).and_then(|path| path.file_stem()).unwrap_or_default();
        let program = if program == "kubectl-firstline" || program == "kubectl_firstline" { PLUGIN } else { FIRSTLINE };
        let mut command = without_blanks(Self::command().bin_name(program), |name| std::env::var_os(name));
        let matches = command.try_get_matches_from_mut(arguments)?;
        let mut cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        cli.program = program;
        Ok(cli)
    }

    /// Does what was asked. Failures are said on `output`; the answer is the exit code.
    pub async fn run(self, clock: &Clock, output: &mut Output<'_>) -> Exit {
        match self.verb.run(self.program, clock, output).await {
            Ok(exit) => exit,
            Err(failure) => {
                let exit = failure.exit();
                if exit != Exit::Done {
                    output.fail(&failure);
                }
                exit
            }
        }
    }
}

impl Verb {
    async fn run(self, program: &str, clock: &Clock, output: &mut Output<'_>) -> Result<Exit, Failure> {
        let now = clock.now();
        match self {
            Self::Run(config) => {
                crate::app::run(config).await?;
                Ok(Exit::Done)
            }
            // A process of its own that never gets here: main hands it over before anything is started.
            Self::InternalFetch => Ok(Exit::Usage),
            Self::Crds(args) => crds::crds(&args, output),
            Self::Validate(args) => validate::validate(&args, now, output),
            Self::Test(args) => test::test(&args, now, output),
            Self::Explain(args) => explain::explain(&args, now, output).await,
            Self::Probe(args) => probe::probe(&args, clock, output).await,
            Self::Oncall(args) => oncall::oncall(&args, now, output).await,
            Self::Tickets(args) => tickets::tickets(&args, now, output).await,
            Self::Show(args) => show::show(&args, program, now, output).await,
            Self::New(args) => new::new(&args, program, output).await,
            Self::Act(verb) => act::run(verb, now, output).await,
            Self::Page(args) => page::page(&args, program, now, output).await,
            Self::Silence(args) => silence::silence(&args, program, now, output).await,
            Self::Override(args) => overrides::take_over(&args, program, now, output).await,
        }
    }
}

/// A list as kubectl prints several objects.
pub(crate) fn list_of<K: Resource + Serialize>(objects: Vec<K>) -> Value {
    let items: Vec<K> = objects.into_iter().map(bare).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// The object without its managed fields, which kubectl hides too.
pub(crate) fn bare<K: Resource>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}
