//! Strict YAML: documents as JSON values, each knowing where in its file every field stands.
//!
//! What different readers of YAML understand differently is refused and not guessed: `yes` and `on`, `0777`, duplicate
//! keys, unknown tags. JSON files go the same way, as YAML contains JSON. The rules are ours, over the events of
//! granit-parser, because no parser at hand agrees with kubectl on all of them.
//!
//! Absent on purpose: schemas, and a meaning of the fields (but for `kind: List`, which only wraps others).

mod builder;
mod positions;
mod scalar;

use std::sync::{Arc, OnceLock};

use domain::problem::Problem;
use serde_json::Value;

use crate::FileError;
use positions::Positions;

/// Line and column, both from 1; the column counts characters.
pub type Position = (u32, u32);

/// What one file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Values of all documents of the file together, each alias counted with all that it stands for.
    pub nodes: usize,
    /// Lists and mappings within each other.
    pub depth: usize,
    /// Documents.
    pub documents: usize,
}

impl Default for Limits {
    /// A support policy of a large team has about 2,000 nodes; the reader of the schema gives up below 64 levels.
    fn default() -> Self {
        Self { nodes: 500_000, depth: 64, documents: 20_000 }
    }
}

/// What becomes of members of mappings that are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// As the API server does: a null is a field that is not there.
    LeftOut,
    /// A null says that something must not be there.
    Kept,
}

/// One document, or one item of a `List`.
#[derive(Debug, Clone)]
pub struct Document {
    /// Which document of the file, from 0; empty ones count.
    pub index: usize,
    /// The content: always a mapping. Members that are null are left out, as the API server would, unless they
    /// were asked for.
    pub value: Value,
    /// `items[3]` for an item of a `List`, else empty.
    root: String,
    source: Arc<Source>,
}

/// The file that documents came from.
#[derive(Debug)]
struct Source {
    file: String,
    text: String,
    /// Made when the first position is asked for: a file without errors never needs them.
    positions: OnceLock<Vec<Positions>>,
}

impl Document {
    /// The file, as it was named to [`read`].
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// Where a field stands, given its path as problems write it (`spec.routes[2].match[0]`): its key, or for an item of
    /// a list its first character. A field that is not there is where the nearest parent is that is.
    pub fn position(&self, path: &str) -> Position {
        let all = self.source.positions.get_or_init(|| positions::of_documents(&self.source.text));
        let Some(positions) = all.get(self.index) else { return (1, 1) };
        let full = match (self.root.as_str(), path) {
            ("", path) => path.to_owned(),
            (root, "") => root.to_owned(),
            (root, path) if path.starts_with('[') => format!("{root}{path}"),
            (root, path) => format!("{root}.{path}"),
        };
        positions.nearest(&full)
    }

    /// A finding about a field of this document, at its place in the file.
    pub fn error(&self, object: Option<String>, problem: Problem) -> FileError {
        FileError::of_problem(self.file(), self.position(&problem.path), object, problem)
    }

    /// The line of the file with this number, from 1, for a snippet below a message.
    pub fn line(&self, number: u32) -> Option<&str> {
        self.source.text.lines().nth((number as usize).checked_sub(1)?)
    }
}

/// Reads all documents of a file.
///
/// A document with an error is left out and its errors are in the second list, all of them; after an error of syntax
/// the rest of the file is unknown.
pub fn read(file: &str, bytes: &[u8], limits: Limits) -> (Vec<Document>, Vec<FileError>) {
    read_with(file, bytes, limits, Nulls::LeftOut)
}

/// The same for files that are no manifests and in which a null means "there must be none".
pub fn read_keeping_nulls(file: &str, bytes: &[u8], limits: Limits) -> (Vec<Document>, Vec<FileError>) {
    read_with(file, bytes, limits, Nulls::Kept)
}

fn read_with(file: &str, bytes: &[u8], limits: Limits, nulls: Nulls) -> (Vec<Document>, Vec<FileError>) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            return (Vec::new(), vec![FileError::at(file, end_of(before), "expected UTF-8, found other bytes")]);
        }
    };
    let (values, mut errors) = builder::build(file, &text, limits, nulls);
    let source = Arc::new(Source { file: file.to_owned(), text, positions: OnceLock::new() });
    let mut documents = Vec::with_capacity(values.len());
    for (index, value) in values {
        let whole = Document { index, value, root: String::new(), source: Arc::clone(&source) };
        unwrap_list(whole, &mut documents, &mut errors);
    }
    (documents, errors)
}

/// `kind: List`, and kinds such as `ServiceMonitorList`, stand for their items.
fn unwrap_list(mut document: Document, documents: &mut Vec<Document>, errors: &mut Vec<FileError>) {
    let is_list = document.value.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    let Some(Value::Array(items)) = document.value.get_mut("items").filter(|_| is_list).map(Value::take) else {
        documents.push(document);
        return;
    };
    for (number, value) in items.into_iter().enumerate() {
        let root = format!("items[{number}]");
        if value.is_object() {
            documents.push(Document { value, root, source: Arc::clone(&document.source), index: document.index });
        } else {
            let position = document.position(&root);
            errors.push(FileError::at(document.file(), position, format!("{root}: expected an object")));
        }
    }
}

/// The position after the last of these bytes.
fn end_of(bytes: &[u8]) -> Position {
    let text = String::from_utf8_lossy(bytes);
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
