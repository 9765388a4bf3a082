//! `firstline validate`: everything that can be said of these files without a cluster, all at once.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gitops::FileError;
use jiff::Timestamp;
use serde_json::json;

use super::{
    exit::{Exit, Failure, even_unread},
    output::{Colour, Form, Output, Paint, plain},
};
use crate::load::{self, World};

/// Flags of `firstline validate`.
#[derive(Debug, Clone, Args)]
pub struct ValidateArgs {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// For objects that name no namespace
    #[arg(short, long, default_value = "default")]
    pub namespace: String,

    /// Warnings fail too, as in a check before a merge
    #[arg(long)]
    pub strict: bool,

    /// The form of the findings
    #[arg(short, long, value_enum, default_value_t = ReportForm::Human)]
    pub output: ReportForm,
}

/// The form of the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportForm {
    /// A line each, on a terminal with the line of the file
    Human,
    /// One JSON object
    Json,
    /// Annotations of GitHub Actions
    Github,
}

/// Reads and judges the files.
///
/// # Errors
/// When a path is not there or cannot be read. Invalid files are an answer, not an error.
pub fn validate(args: &ValidateArgs, now: Timestamp, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let world = load::load(&args.paths, &args.namespace, now)?;
    even_unread(say(args, &world, output))?;
    // A mistyped folder must not be a green light.
    let bad = if args.strict { world.problems.len() } else { errors(&world) };
    Ok(if world.files > 0 && bad == 0 { Exit::Done } else { Exit::No })
}

fn say(args: &ValidateArgs, world: &World, output: &mut Output<'_>) -> Result<(), Failure> {
    match args.output {
        ReportForm::Human => {
            for problem in &world.problems {
                output.text(&human(problem, world, output.terminal, output.colour))?;
            }
            output.line(summary(world))?;
        }
        ReportForm::Json => output.value(&report(world), Form::Json)?,
        ReportForm::Github => {
            for problem in &world.problems {
                output.line(annotation(problem))?;
            }
            output.say(summary(world))?;
        }
    }
    if world.files == 0 {
        output.say("expected .yaml, .yml or .json files, found none there")?;
    }
    if let Some(instead) = instead(world) {
        output.say(instead)?;
    }
    Ok(())
}

/// What to run where folders of several sources were named together.
fn instead(world: &World) -> Option<String> {
    let commands: Vec<String> =
        world.apart.iter().map(|folder| format!("  firstline validate {}", plain(folder))).collect();
    let why = "these folders hold the same objects, as for sources of their own; run instead, one by one:";
    (!commands.is_empty()).then(|| format!("{why}\n{}", commands.join("\n")))
}

fn errors(world: &World) -> usize {
    world.problems.iter().filter(|problem| problem.is_error()).count()
}

/// `12 objects in 5 files: 2 errors, 1 warning`.
fn summary(world: &World) -> String {
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let errors = errors(world);
    let warnings = world.problems.len() - errors;
    let verdict = match (errors, warnings) {
        (0, 0) => "no problems".to_owned(),
        (0, warnings) => count(warnings, "warning"),
        (errors, 0) => count(errors, "error"),
        (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    };
    format!("{} in {}: {verdict}", count(world.object_count(), "object"), count(world.files, "file"))
}

/// `file:line:col: object: field: message; suggestion`, as compilers do, so that editors can jump there.
pub(super) fn human(problem: &FileError, world: &World, with_snippet: bool, colour: Colour) -> String {
    let place = colour.paint(Paint::Strong, format!("{}:{}:{}:", plain(&problem.file), problem.line, problem.column));
    let word = if problem.is_error() { String::new() } else { format!("{} ", colour.paint(Paint::Warn, "warning:")) };
    let mut parts: Vec<String> = problem.object.iter().cloned().collect();
    if !problem.path.is_empty() {
        parts.push(problem.path.clone());
    }
    parts.push(problem.message.clone());
    let suggestion = problem.suggestion.as_ref().map(|text| format!("; {text}")).unwrap_or_default();
    let mut text = format!("{place} {word}{}\n", plain(&format!("{}{suggestion}", parts.join(": "))));
    if with_snippet {
        text.push_str(&snippet(problem, world, colour));
    }
    text
}

/// The line, and a caret below the column.
fn snippet(problem: &FileError, world: &World, colour: Colour) -> String {
    let Some(line) = world.line(&problem.file, problem.line) else { return String::new() };
    // A tab stays a tab, so that the caret stands below its column whatever the tab's width.
    let clean: String = line.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
    let column = usize::try_from(problem.column).unwrap_or(1).saturating_sub(1);
    let before: String = clean.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let number = format!("{:>6}", problem.line);
    let paint = if problem.is_error() { Paint::Bad } else { Paint::Warn };
    let bar = colour.paint(Paint::Faint, "|");
    format!("{number} {bar} {}\n{:>6} {bar} {before}{}\n", clean.trim_end(), "", colour.paint(paint, "^"))
}

/// The stable form for machines.
fn report(world: &World) -> serde_json::Value {
    json!({
        "objects": world.object_count(),
        "files": world.files,
        "errors": errors(world),
        "warnings": world.problems.len() - errors(world),
        "problems": world.problems,
    })
}

/// A workflow command: <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>.
fn annotation(problem: &FileError) -> String {
    let level = if problem.is_error() { "error" } else { "warning" };
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let title = problem.object.as_ref().map(|object| format!(",title={}", property(object))).unwrap_or_default();
    let path = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
    let suggestion = problem.suggestion.as_ref().map(|text| format!("; {text}")).unwrap_or_default();
    let message = data(&format!("{path}{}{suggestion}", problem.message));
    let (file, line, column) = (property(&problem.file), problem.line, problem.column);
    format!("::{level} file={file},line={line},col={column}{title}::{message}")
}

#[cfg(test)]
mod tests;
