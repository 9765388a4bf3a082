//! `firstline test`: what a policy would do, held against what its authors expect of it; no cluster is needed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gitops::FileError;
use jiff::Timestamp;
use serde_json::json;

use super::{
    exit::{Exit, Failure, even_unread},
    output::{Colour, Form, Output, Paint, plain},
    validate::human,
};
use crate::{
    load::{self, World},
    rehearse::{self, Outcome},
};

/// Lines of an explanation that a failed case prints; the rest is left to `explain`.
const EXPLAINED: usize = 40;

/// Flags of `firstline test`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A fixture stands beside the policies, in a file called NAME.test.yaml:

  tests:
    - name: a page wakes the primary, then the secondary
      alert:
        at: 2026-11-23T03:00:00+01:00
        labels: {alertname: CheckoutDown, service: checkout, severity: page}
      acknowledge: never              # or {at: …, by: ada}
      expect:
        pages:                        # in order; exactly these until `until` (24h)
          - {after: 0s, to: ada, channel: mail}
          - {after: 10m, to: bob, channel: mail}
        until: 12m")]
pub struct TestArgs {
    /// Files and folders, with the policies and their fixtures (*.test.yaml)
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// For objects that name no namespace
    #[arg(short, long, default_value = "default")]
    pub namespace: String,

    /// Only cases whose name has this in it
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,

    /// The form of the result
    #[arg(short, long, value_enum, default_value_t = TestForm::Human)]
    pub output: TestForm,
}

/// The form of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TestForm {
    /// What failed and why, and a count
    Human,
    /// One JSON object
    Json,
    /// JUnit's XML, as CI systems read it
    Junit,
}

/// Runs the fixtures.
///
/// # Errors
/// When a path is not there or cannot be read. A case that fails is an answer, not an error.
pub fn test(args: &TestArgs, now: Timestamp, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let world = load::load(&args.paths, &args.namespace, now)?;
    let only = args.only.as_deref();
    // What is wrong with a case that is not asked for is no answer.
    let concerning = world.problems.iter().filter(|error| only.is_none_or(|part| rehearse::concerns(error, part)));
    let (mut wrong, warnings): (Vec<FileError>, Vec<FileError>) = concerning.cloned().partition(FileError::is_error);
    let (outcomes, of_fixtures) = rehearse::run(&world, only);
    wrong.extend(of_fixtures);
    even_unread(say(args, (&world, &warnings), (&outcomes, &wrong), output))?;
    let passed = !outcomes.is_empty() && outcomes.iter().all(|outcome| outcome.passed);
    Ok(if wrong.is_empty() && passed { Exit::Done } else { Exit::No })
}

fn say(
    args: &TestArgs,
    (world, warnings): (&World, &[FileError]),
    (outcomes, wrong): (&[Outcome], &[FileError]),
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    match args.output {
        TestForm::Human => {
            for problem in warnings.iter().chain(wrong) {
                output.text(&human(problem, world, output.terminal, output.colour))?;
            }
            for outcome in outcomes.iter().filter(|outcome| !outcome.passed) {
                output.text(&told(outcome, output.colour))?;
            }
            output.line(summary(outcomes, wrong))?;
        }
        TestForm::Json => output.value(&report(outcomes, wrong, warnings), Form::Json)?,
        TestForm::Junit => output.text(&junit(outcomes, wrong))?,
    }
    if world.lacks_a_policy() {
        output.say("no case was run: a SupportPolicy among these files is wrong")?;
    }
    if outcomes.is_empty() && wrong.is_empty() {
        output.say(nothing(world, args))?;
    }
    Ok(())
}

/// A mistyped folder, or one without tests, must not be a green light.
fn nothing(world: &World, args: &TestArgs) -> String {
    match (&args.only, world.fixtures) {
        (Some(part), 1..) => format!("expected cases with `{part}` in their name, found none"),
        (_, 0) => "expected fixtures in files called NAME.test.yaml, found none there".to_owned(),
        (None, _) => "expected cases below `tests:`, found none there".to_owned(),
    }
}

/// A failed case: where, what differs, why it is so.
fn told(outcome: &Outcome, colour: Colour) -> String {
    let place = colour.paint(Paint::Strong, format!("{}:{}:", plain(&outcome.file), outcome.line));
    let mut text = format!("{} {place} {}\n", colour.paint(Paint::Bad, "FAILED"), plain(&outcome.name));
    let widest = outcome.differences.iter().map(|difference| difference.expected.chars().count()).max().unwrap_or(0);
    for difference in &outcome.differences {
        text.push_str(&format!(
            "    {}\n        expected {:<widest$}   got {}\n",
            plain(&difference.field),
            plain(&difference.expected),
            colour.paint(Paint::Bad, plain(&difference.got)),
        ));
    }
    if !outcome.explanation.is_empty() {
        text.push_str("    because\n");
    }
    for line in outcome.explanation.iter().take(EXPLAINED) {
        text.push_str(&format!("        {}\n", colour.paint(Paint::Faint, plain(line))));
    }
    let more = outcome.explanation.len().saturating_sub(EXPLAINED);
    if more > 0 {
        text.push_str(&format!("        … and {more} more lines; see `firstline explain -f`\n"));
    }
    text
}

/// `12 passed, 1 failed`.
fn summary(outcomes: &[Outcome], wrong: &[FileError]) -> String {
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    let wrong = match wrong.len() {
        0 => String::new(),
        1 => ", 1 error in the files".to_owned(),
        several => format!(", {several} errors in the files"),
    };
    format!("{} passed, {failed} failed{wrong}", outcomes.len() - failed)
}

/// The stable form for machines.
fn report(outcomes: &[Outcome], wrong: &[FileError], warnings: &[FileError]) -> serde_json::Value {
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    let problems = [wrong, warnings].concat();
    json!({"passed": outcomes.len() - failed, "failed": failed, "problems": problems, "cases": outcomes})
}

/// A suite for each file; what is wrong with a file is an error in it.
fn junit(outcomes: &[Outcome], wrong: &[FileError]) -> String {
    let mut files: Vec<&str> =
        outcomes.iter().map(|o| o.file.as_str()).chain(wrong.iter().map(|w| w.file.as_str())).collect();
    files.sort_unstable();
    files.dedup();
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{failed}\" errors=\"{}\">\n",
        outcomes.len() + wrong.len(),
        wrong.len(),
    );
    for file in files {
        let of_file: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.file == file).collect();
        let wrong_there: Vec<&FileError> = wrong.iter().filter(|problem| problem.file == file).collect();
        text.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
            xml(file),
            of_file.len() + wrong_there.len(),
            of_file.iter().filter(|outcome| !outcome.passed).count(),
            wrong_there.len(),
        ));
        for outcome in of_file {
            text.push_str(&case(outcome));
        }
        for problem in wrong_there {
            text.push_str(&format!(
                "    <testcase name=\"line {}\" classname=\"{}\"><error message=\"{}\"/></testcase>\n",
                problem.line,
                xml(file),
                xml(&problem.to_string()),
            ));
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn case(outcome: &Outcome) -> String {
    let head = format!(
        "    <testcase name=\"{}\" classname=\"{}\" line=\"{}\"",
        xml(&outcome.name),
        xml(&outcome.file),
        outcome.line
    );
    if outcome.passed {
        return format!("{head}/>\n");
    }
    let first = outcome.differences.first().map(|d| format!("{}: expected {}, got {}", d.field, d.expected, d.got));
    let body = told(outcome, Colour::Off);
    format!("{head}><failure message=\"{}\">{}</failure></testcase>\n", xml(&first.unwrap_or_default()), xml(&body))
}

/// Text as it may stand in an attribute or an element; what XML 1.0 cannot hold is left out.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
