//! From fixture files to cases, with everything that is wrong with them said at once.
//!
//! A case that is wrong is left out; the others are run. Names of people, policies and schedules are looked up when a
//! case runs, because that needs the world they live in.

use std::{collections::BTreeMap, sync::Arc};

use domain::{problem::Problem, time::parse_duration};
use gitops::{
    FileError,
    tree::SourceFile,
    yaml::{self, Document, Limits},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    form::{AlertExpect, AlertForm, CaseForm, OncallExpect, OncallForm, PageExpect, TicketExpect, TicketForm},
    times,
};

/// One case that can be run.
#[derive(Debug)]
pub struct Case {
    /// Where it stands: for the line, and for the place of what is found while it runs. Shared by all cases of a file.
    pub(super) document: Arc<Document>,
    /// `tests[3]`.
    pub(super) path: String,
    /// All that is common to the three.
    pub(super) form: CaseForm,
    /// What is asked, and what is expected.
    pub(super) question: Question,
}

/// What is asked, and what is expected.
#[derive(Debug)]
pub(super) enum Question {
    Alert(AlertForm, Box<AlertExpect>),
    Ticket(TicketForm, Box<TicketExpect>),
    Oncall(OncallForm, OncallExpect),
}

impl Case {
    /// A finding about a field of it.
    pub(super) fn error(&self, problem: Problem) -> FileError {
        self.document.error(Some(of_test_named(&self.form.name)), problem.under(&self.path))
    }
}

/// What a finding about a case says it is about.
fn of_test_named(name: &str) -> String {
    format!("{ABOUT}{name}`")
}

const ABOUT: &str = "test `";

/// Whether a finding is about a case whose name has this in it, or about no case.
pub fn concerns(error: &FileError, part: &str) -> bool {
    let name = error.object.as_deref().and_then(|object| object.strip_prefix(ABOUT)?.strip_suffix('`'));
    name.is_none_or(|name| name.contains(part))
}

/// All cases of all files in their order, and what is wrong with the others.
pub fn read(fixtures: &[SourceFile]) -> (Vec<Case>, Vec<FileError>) {
    let mut cases = Vec::new();
    let mut errors = Vec::new();
    for file in fixtures {
        let (documents, wrong) = yaml::read_keeping_nulls(&file.path, &file.bytes, Limits::default());
        errors.extend(wrong);
        let mut named: BTreeMap<String, u32> = BTreeMap::new();
        for document in documents.into_iter().map(Arc::new) {
            let (good, problems) = of_document(&document, &mut named);
            cases.extend(good);
            errors.extend(problems.into_iter().map(|(name, problem)| document.error(name.map(of_test_named), problem)));
        }
    }
    (cases, errors)
}

/// What is wrong with a case, under its name where it has one.
type Wrong<'a> = (Option<&'a str>, Problem);

fn of_document<'a>(document: &'a Arc<Document>, named: &mut BTreeMap<String, u32>) -> (Vec<Case>, Vec<Wrong<'a>>) {
    let mut problems = Vec::new();
    let members = document.value.as_object().into_iter().flatten();
    for (key, _) in members.filter(|(key, _)| *key != "tests") {
        let problem = Problem::error(key.as_str(), format!("expected only `tests` in a fixture, found `{key}`"));
        let problem = match key.as_str() {
            "apiVersion" | "kind" | "metadata" | "spec" => {
                problem.suggest("a manifest is a file whose name does not end with .test.yaml")
            }
            "rule_files" => problem.suggest("a test for promtool is kept in a folder that is not given here"),
            _ => problem.suggest_from(key, ["tests"]),
        };
        problems.push((None, problem));
    }
    let Some(tests) = document.value.get("tests").and_then(Value::as_array) else {
        problems.push((None, Problem::error("", "expected `tests:` with a list of cases")));
        return (Vec::new(), problems);
    };
    let mut cases = Vec::new();
    for (index, test) in tests.iter().enumerate() {
        let path = format!("tests[{index}]");
        let name = test.get("name").and_then(Value::as_str);
        match of_test(test) {
            Ok((form, question)) => {
                let line = document.position(&path).0;
                if let Some(first) = named.insert(form.name.clone(), line) {
                    let message = format!("another case of this file is called so, in line {first}");
                    problems.push((name, Problem::error(format!("{path}.name"), message)));
                }
                cases.push(Case { document: Arc::clone(document), path, form, question });
            }
            Err(found) => problems.extend(found.into_iter().map(|problem| (name, problem.under(&path)))),
        }
    }
    (cases, problems)
}

fn of_test(test: &Value) -> Result<(CaseForm, Question), Vec<Problem>> {
    let form: CaseForm = typed(test).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    if form.name.trim().is_empty() {
        problems.push(Problem::error("name", "expected a sentence that says what is shown, found nothing"));
    }
    let question = match (&form.alert, &form.ticket, &form.oncall) {
        (Some(alert), None, None) => {
            expected::<AlertExpect>(&form, &mut problems).map(|expect| Question::Alert(alert.clone(), Box::new(expect)))
        }
        (None, Some(ticket), None) => expected::<TicketExpect>(&form, &mut problems)
            .map(|expect| Question::Ticket(ticket.clone(), Box::new(expect))),
        (None, None, Some(oncall)) => {
            expected::<OncallExpect>(&form, &mut problems).map(|expect| Question::Oncall(oncall.clone(), expect))
        }
        _ => {
            problems.push(Problem::error("", "expected exactly one of `alert`, `ticket` and `oncall`"));
            None
        }
    };
    if let Some(question) = &question {
        misplaced(&form, question, &mut problems);
        durations(question, &mut problems);
        times::check(&form, question, &mut problems);
    }
    match question {
        Some(question) if problems.is_empty() => Ok((form, question)),
        _ => Err(problems),
    }
}

/// What is expected, when something is.
fn expected<T: DeserializeOwned>(form: &CaseForm, problems: &mut Vec<Problem>) -> Option<T> {
    if form.expect.as_object().is_some_and(|members| members.keys().all(|key| key == "until" || key == "at")) {
        problems.push(Problem::error("expect", "expected something, found nothing: such a case cannot fail"));
        return None;
    }
    match typed::<T>(&form.expect) {
        Ok(expect) => Some(expect),
        Err(problem) => {
            problems.push(problem.under("expect"));
            None
        }
    }
}

/// Fields that say something about another kind of case.
fn misplaced(form: &CaseForm, question: &Question, problems: &mut Vec<Problem>) {
    let (is_alert, is_oncall) = (matches!(question, Question::Alert(..)), matches!(question, Question::Oncall(..)));
    let rules = [
        ("acknowledge", form.acknowledge.is_some(), is_alert, "`alert`; write what people do as `events`"),
        ("firing", !form.firing.is_empty(), is_alert, "`alert`"),
        ("down", !form.down.is_empty(), is_alert, "`alert`"),
        ("silences", !form.silences.is_empty(), is_alert, "`alert`"),
        ("events", !form.events.is_empty(), !is_oncall, "`alert` or `ticket`"),
    ];
    for (field, written, allowed, belongs) in rules {
        if written && !allowed {
            problems.push(Problem::error(field, format!("belongs to a case with {belongs}")));
        }
    }
}

fn durations(question: &Question, problems: &mut Vec<Problem>) {
    let mut check = |path: String, text: &str| {
        if let Err(error) = parse_duration(text) {
            problems.push(Problem::error(path, error.to_string()));
        }
    };
    match question {
        Question::Alert(_, expect) => {
            if let Some(until) = &expect.until {
                check("expect.until".to_owned(), until);
            }
            for (index, PageExpect { after, .. }) in expect.pages.iter().flatten().enumerate() {
                check(format!("expect.pages[{index}].after"), after);
            }
        }
        Question::Ticket(_, expect) => {
            for (clock, text) in &expect.remaining {
                if let Some(text) = text {
                    check(format!("expect.remaining.{clock}"), text);
                }
            }
        }
        Question::Oncall(..) => {}
    }
}

/// A value in its form; the first thing that is wrong, with its path.
pub(crate) fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        let message = in_our_words(error.into_inner().to_string());
        let problem = Problem::error(path, message.clone());
        match unknown_field(&message) {
            Some((written, known)) => problem.suggest_from(written, known),
            None => problem,
        }
    })
}

/// What the reader of times says of a text that is none tells its author nothing.
fn in_our_words(message: String) -> String {
    if message.contains("required for parsing a timestamp") || message.starts_with("failed to parse") {
        "expected an instant with its offset, such as 2026-11-23T03:00:00+01:00".to_owned()
    } else {
        message
    }
}

/// The names in serde's "unknown field `x`, expected one of `a`, `b`".
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    Some((quoted.next()?, quoted.collect()))
}
