//! From files to objects that may be applied, with everything that is wrong said at once.
//!
//! What an object may hold is asked of a function that the caller gives: this module knows kinds and fields only by
//! name. References between objects are the caller's too; [`Object::error`] gives its findings their place.

mod metadata;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::tree::SourceFile;
use crate::yaml::{self, Document, Limits};
use crate::{FileError, applyset};

/// What names an object within a cluster. Its text is `ServiceMonitor payments/checkout`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The kind. Kinds of different groups never share a name here: the caller lists them.
    pub kind: String,
    /// The namespace; empty for a kind that has none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// An object that passed all rules.
#[derive(Debug, Clone)]
pub struct Object {
    /// Kind, namespace and name; the namespace is filled in where the file leaves it out.
    pub key: ObjectKey,
    /// `firstline.dev/v1alpha1`.
    pub api_version: String,
    /// Where it came from. Its value holds the namespace too.
    pub document: Document,
}

impl Object {
    /// The whole object as it is to be applied, namespace included.
    pub fn value(&self) -> &Value {
        &self.document.value
    }

    /// A finding of the caller, at its place in the file.
    pub fn error(&self, problem: Problem) -> FileError {
        self.document.error(Some(self.key.to_string()), problem)
    }
}

/// A kind that may be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowedKind<'a> {
    /// `firstline.dev/v1alpha1`.
    pub api_version: &'a str,
    /// `ServiceMonitor`.
    pub kind: &'a str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// Where objects may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespaces<'a> {
    /// Into these only. An object without a namespace goes to the only one, or is an error where there are several.
    Only(&'a [String]),
    /// Anywhere; without a namespace to this one. For files that are looked at without knowing their source.
    Any {
        /// Where an object without a namespace goes.
        default: &'a str,
    },
}

/// What is asked of every object.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Where it may go.
    pub namespaces: Namespaces<'a>,
    /// What it may be.
    pub kinds: &'a [AllowedKind<'a>],
    /// What it may hold: gets the whole object and returns all problems with paths from its root.
    pub check: &'a dyn Fn(&Value) -> Vec<Problem>,
    /// How much one file may hold.
    pub limits: Limits,
}

/// What became of the files.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The objects that passed, in the order of their files.
    pub objects: Vec<Object>,
    /// The objects that are there but did not pass. They are to be neither applied nor pruned, and a reference to one
    /// of them does not dangle.
    pub refused: Vec<ObjectKey>,
    /// All findings, sorted by file, line and column; warnings among them.
    pub errors: Vec<FileError>,
    /// Folders side by side that hold the same objects: each may be what a source of its own reads.
    pub apart: BTreeSet<String>,
}

impl Loaded {
    /// Whether something must be mended before this may be applied.
    pub fn has_errors(&self) -> bool {
        self.errors.iter().any(FileError::is_error)
    }
}

/// Reads and checks all files.
pub fn load<'a>(files: impl IntoIterator<Item = &'a SourceFile>, rules: &Rules<'_>) -> Loaded {
    let mut loaded = Loaded::default();
    for file in files {
        let (documents, errors) = yaml::read(&file.path, &file.bytes, rules.limits);
        loaded.errors.extend(errors);
        for document in documents {
            take(document, rules, &mut loaded);
        }
    }
    refuse_duplicates(&mut loaded);
    loaded.errors.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    loaded
}

fn take(mut document: Document, rules: &Rules<'_>, loaded: &mut Loaded) {
    let mut problems = Vec::new();
    let kind = kind_of(&document.value, rules.kinds, &mut problems);
    let metadata = metadata_of(&mut document.value, kind, rules.namespaces, &mut problems);
    refuse_what_a_server_writes(&document.value, &mut problems);
    let (Some(kind), Some((namespace, name))) = (kind, metadata) else {
        loaded.errors.extend(problems.into_iter().map(|problem| document.error(None, problem)));
        return;
    };
    let key = ObjectKey { kind: kind.kind.to_owned(), namespace, name };
    problems.extend((rules.check)(&document.value));
    let good = !problems.iter().any(Problem::is_error);
    let object = key.to_string();
    loaded.errors.extend(problems.into_iter().map(|problem| document.error(Some(object.clone()), problem)));
    if good {
        loaded.objects.push(Object { key, api_version: kind.api_version.to_owned(), document });
    } else {
        loaded.refused.push(key);
    }
}

fn kind_of<'a>(
    value: &Value,
    allowed: &'a [AllowedKind<'a>],
    problems: &mut Vec<Problem>,
) -> Option<&'a AllowedKind<'a>> {
    let (Some(kind), Some(api_version)) = (text(value, "kind", problems), text(value, "apiVersion", problems)) else {
        return None;
    };
    if let Some(known) = allowed.iter().find(|known| known.kind == kind) {
        if known.api_version != api_version {
            let expected = known.api_version;
            problems.push(Problem::error(
                "apiVersion",
                format!("expected `{expected}` for a {kind}, found `{api_version}`"),
            ));
        }
        return Some(known);
    }
    if kind == "GitSource" {
        problems.push(
            Problem::error("kind", "a GitSource is what reads this repository and cannot come out of it")
                .suggest("create it with kubectl"),
        );
        return None;
    }
    problems.push(
        Problem::error("kind", format!("objects of kind `{kind}` are not applied from here"))
            .suggest_from(kind, allowed.iter().map(|known| known.kind)),
    );
    None
}

/// A member of the root that must be text.
fn text<'a>(value: &'a Value, name: &str, problems: &mut Vec<Problem>) -> Option<&'a str> {
    let found = value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if found.is_none() {
        problems.push(Problem::error(name, format!("expected `{name}` as text")));
    }
    found
}

/// Namespace and name. The namespace is written into the object where it is left out.
fn metadata_of(
    value: &mut Value,
    kind: Option<&AllowedKind<'_>>,
    namespaces: Namespaces<'_>,
    problems: &mut Vec<Problem>,
) -> Option<(String, String)> {
    let Some(written) = value.get_mut("metadata").and_then(Value::as_object_mut) else {
        problems.push(Problem::error("metadata", "expected `metadata` with a `name`"));
        return None;
    };
    metadata::check(written, problems);
    let name = match written.get("name").and_then(Value::as_str) {
        Some(name) if metadata::is_name(name) => Some(name.to_owned()),
        Some(name) => {
            problems.push(Problem::error(
                "metadata.name",
                format!(
                    "expected at most 253 of a-z, 0-9, `-` and `.`, with a letter or digit at both ends, found `{name}`"
                ),
            ));
            None
        }
        None => {
            problems
                .push(Problem::error("metadata.name", "expected a name; generated names would be new on each apply"));
            None
        }
    };
    let kind = kind?;
    let namespace = written.get("namespace").cloned();
    if !kind.namespaced {
        if namespace.is_some() {
            problems.push(Problem::error("metadata.namespace", format!("a {} has no namespace", kind.kind)));
        }
        let name = name?;
        if kind.kind == "Namespace" && !may_write(namespaces, &name) {
            problems.push(not_allowed("metadata.name", &name, namespaces));
        }
        return Some((String::new(), name));
    }
    let namespace = match (namespace, namespaces) {
        (Some(Value::String(namespace)), _) => {
            if !may_write(namespaces, &namespace) {
                problems.push(not_allowed("metadata.namespace", &namespace, namespaces));
            }
            namespace
        }
        (Some(_), _) => {
            problems.push(Problem::error("metadata.namespace", "expected text"));
            return None;
        }
        (None, Namespaces::Any { default }) => default.to_owned(),
        (None, Namespaces::Only([only])) => only.clone(),
        (None, Namespaces::Only(several)) => {
            problems.push(Problem::error(
                "metadata.namespace",
                format!("expected a namespace, as this source writes to several: {}", several.join(", ")),
            ));
            return None;
        }
    };
    written.insert("namespace".to_owned(), json!(namespace));
    Some((namespace, name?))
}

fn may_write(namespaces: Namespaces<'_>, namespace: &str) -> bool {
    match namespaces {
        Namespaces::Any { .. } => true,
        Namespaces::Only(allowed) => allowed.iter().any(|allowed| allowed == namespace),
    }
}

fn not_allowed(path: &str, namespace: &str, namespaces: Namespaces<'_>) -> Problem {
    let allowed = match namespaces {
        Namespaces::Only(allowed) => allowed,
        Namespaces::Any { .. } => &[],
    };
    Problem::error(path, format!("this source may not write to the namespace `{namespace}`"))
        .suggest_from(namespace, allowed.iter().map(String::as_str))
}

/// What `kubectl get -o yaml` adds. In Git it would fight with the server, or be silently ignored by it.
fn refuse_what_a_server_writes(value: &Value, problems: &mut Vec<Problem>) {
    if value.get("status").is_some() {
        problems.push(Problem::error("status", "`status` is written by the operator").suggest("remove it"));
    }
    let Some(metadata) = value.get("metadata") else { return };
    for field in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"] {
        if metadata.get(field).is_some() {
            problems.push(
                Problem::error(format!("metadata.{field}"), format!("`{field}` is written by the API server"))
                    .suggest("remove it"),
            );
        }
    }
    if metadata.get("labels").and_then(|labels| labels.get(applyset::PART_OF)).is_some() {
        let path = format!("metadata.labels.{}", applyset::PART_OF);
        problems.push(Problem::error(path, "this label says which source applied an object").suggest("remove it"));
    }
}

/// One object in two places: neither is taken, as nobody can say which is meant.
fn refuse_duplicates(loaded: &mut Loaded) {
    let mut by_key: BTreeMap<&ObjectKey, Vec<&Object>> = BTreeMap::new();
    for object in &loaded.objects {
        by_key.entry(&object.key).or_default().push(object);
    }
    by_key.retain(|_, objects| objects.len() > 1);
    let (mut errors, mut apart) = (Vec::new(), BTreeSet::new());
    for objects in by_key.values() {
        for (number, object) in objects.iter().enumerate() {
            let other = if number == 0 { objects.get(1) } else { objects.first() };
            let Some(other) = other else { continue };
            let (line, column) = other.document.position("metadata.name");
            let message = format!(
                "the same object is written in {}:{line}:{column} too; keep one of them",
                other.document.file()
            );
            let problem = Problem::error("metadata.name", message);
            let problem = match roots(object.document.file(), other.document.file()) {
                Some((one, other)) => {
                    apart.extend([one.to_owned(), other.to_owned()]);
                    problem.suggest(format!(
                        "or read `{one}` and `{other}` apart, where each is what a source of its own reads"
                    ))
                }
                None => problem,
            };
            errors.push(object.error(problem));
        }
    }
    let duplicates: BTreeSet<ObjectKey> = by_key.into_keys().cloned().collect();
    loaded.objects.retain(|object| !duplicates.contains(&object.key));
    loaded.refused.extend(duplicates);
    loaded.apart = apart;
    loaded.errors.extend(errors);
}

/// The folders in which the ways to two files part; `None` when one of the files stands where they do.
fn roots<'a>(one: &'a str, other: &'a str) -> Option<(&'a str, &'a str)> {
    let parted = one.split('/').zip(other.split('/')).take_while(|(one, other)| one == other);
    let common: usize = parted.map(|(part, _)| part.len() + 1).sum();
    let folder = |file: &'a str| {
        let end = common + file.get(common..)?.find('/')?;
        file.get(..end)
    };
    Some((folder(one)?, folder(other)?))
}

#[cfg(test)]
mod tests;
