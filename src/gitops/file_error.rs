//! What is wrong with a file, and where. One shape for the status of a GitSource, for `validate` and for annotations on
//! a pull request.

use std::fmt;

use domain::problem::{Problem, Severity};
use serde::{Deserialize, Serialize};

/// One finding at one place of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileError {
    /// The file, relative to the root that was read, with `/` between folders.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The object it is about, where that is known: `ServiceMonitor payments/checkout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The field, from the root of the object: `spec.routes[2].match[0]`. Empty for the file as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What was expected and what was found, as a sentence without a full stop.
    pub message: String,
    /// What to write instead, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Whether it stops the object from being used.
    pub severity: Severity,
}

impl FileError {
    /// An error at a position, line and column from 1.
    pub fn at(file: &str, (line, column): (u32, u32), message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            column,
            object: None,
            path: String::new(),
            message: message.into(),
            suggestion: None,
            severity: Severity::Error,
        }
    }

    /// An error about a whole file: line 1, column 1.
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self::at(file, (1, 1), message)
    }

    /// A finding about a field, at the position of that field.
    pub(crate) fn of_problem(file: &str, position: (u32, u32), object: Option<String>, problem: Problem) -> Self {
        Self {
            object,
            path: problem.path,
            suggestion: problem.suggestion,
            severity: problem.severity,
            ..Self::at(file, position, problem.message)
        }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// Whether it stops the object from being used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}
