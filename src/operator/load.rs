//! From files to the world they describe: what `validate` judges and what `probe -f` looks into.
//!
//! Two layers: [`gitops::load`] reads files and asks `api::check` about each object; here the objects become
//! what engines work with, and are held against each other. Nothing here needs a cluster, so a reference that
//! leads out of the files is at most a warning.
//!
//! ```no_run
//! # fn shown(now: jiff::Timestamp) -> Result<(), operator::load::LoadError> {
//! let world = operator::load::load(&["production".into()], "default", now)?;
//! let errors = world.problems.iter().filter(|problem| problem.is_error()).count();
//! # let _ = errors; Ok(()) }
//! ```

mod nobody;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use api::{OnCallOverride, ServiceMonitor, SupportPolicy, support_policy::hours_that_never_come};
use domain::{labels::Labels, policy::Policy, probe::Monitor, problem::Problem, routing, suppression::Silence};
use gitops::{
    FileError,
    load::{AllowedKind, Namespaces, Object, ObjectKey, Rules},
    tree::{SourceFile, Tree, TreeBudgets, TreeError, read_disk},
    yaml::Limits,
};
use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use crate::{dependencies, rehearse};

const OURS: &str = "firstline.dev/v1alpha1";

/// Every kind that may stand in a file that is looked at without knowing its source.
const KINDS: [AllowedKind<'static>; 11] = [
    AllowedKind { api_version: OURS, kind: "SupportPolicy", namespaced: true },
    AllowedKind { api_version: OURS, kind: "ServiceMonitor", namespaced: true },
    AllowedKind { api_version: OURS, kind: "ComplianceRule", namespaced: true },
    AllowedKind { api_version: OURS, kind: "VendorContact", namespaced: true },
    AllowedKind { api_version: OURS, kind: "Ticket", namespaced: true },
    AllowedKind { api_version: OURS, kind: "GitSource", namespaced: true },
    AllowedKind { api_version: OURS, kind: "Silence", namespaced: true },
    AllowedKind { api_version: OURS, kind: "OnCallOverride", namespaced: true },
    AllowedKind { api_version: OURS, kind: "TicketEvent", namespaced: true },
    AllowedKind { api_version: "v1", kind: "Namespace", namespaced: false },
    AllowedKind { api_version: "v1", kind: "ConfigMap", namespaced: true },
];

/// Why files could not be read at all.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Not there, too much, or unreadable.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// What the files describe.
#[derive(Debug, Default)]
pub struct World {
    /// How many manifests were read.
    pub files: usize,
    /// The objects that passed, in the order of their files.
    pub objects: Vec<Object>,
    /// The objects that did not.
    pub refused: Vec<ObjectKey>,
    /// What engines would work with.
    pub policies: Vec<Arc<Policy>>,
    /// What the prober would look at.
    pub monitors: Vec<Monitor>,
    /// Shifts that somebody takes over.
    pub overrides: Vec<OnCallOverride>,
    /// What is muted.
    pub silences: Vec<Silence>,
    /// All findings, sorted by file, line and column.
    pub problems: Vec<FileError>,
    /// Folders that hold the same objects, as for sources of their own: they are to be read one by one.
    pub apart: BTreeSet<String>,
    /// How many files of fixtures stand beside the manifests.
    pub fixtures: usize,
    /// Their cases that can be read.
    pub cases: Vec<rehearse::Case>,
    /// The text of every manifest, for snippets.
    texts: BTreeMap<String, String>,
}

impl World {
    /// A line of a file, from 1.
    pub fn line(&self, file: &str, number: u32) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.texts.get(file)?.lines().nth(index)
    }

    /// Whether a policy is among the files that cannot be used.
    pub fn lacks_a_policy(&self) -> bool {
        self.refused.iter().any(|key| key.kind == "SupportPolicy")
    }

    /// How many objects the files hold, good and bad.
    pub fn object_count(&self) -> usize {
        self.objects.len() + self.refused.len()
    }
}

/// Reads files and folders. An object that names no namespace is taken to be for `default_namespace`. `now` decides
/// what is a gap on call: the answer for the same files may be another one next month.
///
/// # Errors
/// When a path is not there or cannot be read. What is wrong with the content is in [`World::problems`].
pub fn load(paths: &[PathBuf], default_namespace: &str, now: Timestamp) -> Result<World, LoadError> {
    let mut tree = Tree::default();
    for path in paths {
        let one = read_disk(path, TreeBudgets::default())?;
        tree.files.extend(one.files);
        tree.fixtures.extend(one.fixtures);
        tree.errors.extend(one.errors);
    }
    // A file that two of the paths hold is one file.
    tree.files.sort_by(|a, b| a.path.cmp(&b.path));
    tree.files.dedup_by(|a, b| a.path == b.path);
    tree.fixtures.sort_by(|a, b| a.path.cmp(&b.path));
    tree.fixtures.dedup_by(|a, b| a.path == b.path);
    Ok(compile(tree, Namespaces::Any { default: default_namespace }, now))
}

/// The same for manifests that were read already.
pub fn compile(tree: Tree, namespaces: Namespaces<'_>, now: Timestamp) -> World {
    let rules = Rules { namespaces, kinds: &KINDS, check: &check, limits: Limits::default() };
    let loaded = gitops::load::load(&tree.files, &rules);
    let mut world = World {
        files: tree.files.len(),
        refused: loaded.refused,
        apart: loaded.apart,
        problems: tree.errors.into_iter().chain(loaded.errors).collect(),
        ..World::default()
    };
    let text = |file: &SourceFile| (file.path.clone(), String::from_utf8_lossy(&file.bytes).into_owned());
    world.texts = tree.files.iter().chain(&tree.fixtures).map(text).collect();
    world.fixtures = tree.fixtures.len();
    world.problems.extend(dependencies::check(&loaded.objects, &world.refused));
    world.take(&loaded.objects, now);
    let (cases, wrong) = rehearse::read(&tree.fixtures);
    world.cases = cases;
    world.problems.extend(wrong);
    world.objects = loaded.objects;
    world
        .problems
        .sort_by(|a, b| (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message)));
    world.problems.dedup();
    world
}

/// Kinds of Kubernetes itself are judged by the server.
fn check(object: &Value) -> Vec<Problem> {
    match object.get("kind").and_then(Value::as_str) {
        Some("Namespace" | "ConfigMap") => Vec::new(),
        _ => api::check(object),
    }
}

impl World {
    fn take(&mut self, objects: &[Object], now: Timestamp) {
        let (mut monitors, mut policies, mut overrides) = (Vec::new(), Vec::new(), Vec::new());
        for object in objects {
            match object.key.kind.as_str() {
                "OnCallOverride" => overrides.extend(read::<OnCallOverride>(object).map(|one| (object, one))),
                "Silence" => {
                    let silence = read(object).and_then(|silence| api::silence::validate(&silence).ok());
                    self.silences.extend(silence.map(|valid| valid.value));
                }
                _ => {}
            }
            match object.key.kind.as_str() {
                "SupportPolicy" => {
                    let written = read::<SupportPolicy>(object);
                    let policy = written.and_then(|written| {
                        let policy = api::support_policy::validate(&written).ok()?.value;
                        let closed = hours_that_never_come(&written.spec, &policy, now);
                        let found = nobody::gaps(object, &policy, now).into_iter().chain(closed);
                        let found = found.chain(nobody::steps(&written.spec, &policy, now));
                        self.problems.extend(found.map(|problem| object.error(problem)));
                        Some(Arc::new(policy))
                    });
                    policies.extend(policy.map(|policy| (object, policy)));
                }
                "ServiceMonitor" => {
                    let monitor = read::<ServiceMonitor>(object)
                        .and_then(|monitor| api::service_monitor::validate(&monitor).ok());
                    monitors.extend(monitor.map(|monitor| (object, monitor.value)));
                }
                "GitSource" => self.problems.push(object.error(Problem::warning(
                    "kind",
                    "a GitSource is created with kubectl: below the path that a GitSource reads it is an error",
                ))),
                "Silence" | "TicketEvent" | "OnCallOverride" => self.problems.push(object.error(Problem::warning(
                    "kind",
                    format!(
                        "{} is made at night, not in review: below the path that a GitSource reads it is an error",
                        with_article(&object.key.kind)
                    ),
                ))),
                _ => {}
            }
        }
        self.problems.extend(ambiguous(&policies));
        self.policies = policies.into_iter().map(|(_, policy)| policy).collect();
        self.problems.extend(unknown_names(&overrides, &self.policies));
        self.overrides = overrides.into_iter().map(|(_, one)| one).collect();
        // Whether a monitor has a policy is known only when all policies are.
        let any_refused = self.lacks_a_policy();
        for (object, monitor) in monitors {
            if !any_refused {
                self.problems.extend(unheard(&self.policies, &monitor).map(|problem| object.error(problem)));
            }
            self.monitors.push(monitor);
        }
    }
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
    format!("{article} {kind}")
}

fn read<T: serde::de::DeserializeOwned>(object: &Object) -> Option<T> {
    serde_json::from_value(object.value().clone()).ok()
}

/// Policies of which only the name decides which one takes an alert: of one `order`, they can match the same.
fn ambiguous(policies: &[(&Object, Arc<Policy>)]) -> Vec<FileError> {
    let mut found = Vec::new();
    for (i, (object, policy)) in policies.iter().enumerate() {
        let Some((_, other)) = policies.iter().take(i).find(|(_, other)| routing::are_ambiguous(other, policy)) else {
            continue;
        };
        let message = format!(
            "{}/{} has the same order {} and can match the same alert, so that only the name decides between the two",
            other.namespace, other.name, other.order
        );
        let problem = Problem::error("spec.order", message);
        found.push(
            object.error(problem.suggest("give one of them another `order`, or matchers that exclude each other")),
        );
    }
    found
}

/// Overrides with a name that their policy does not know count for nothing.
fn unknown_names(overrides: &[(&Object, OnCallOverride)], policies: &[Arc<Policy>]) -> Vec<FileError> {
    let mut found = Vec::new();
    for (object, written) in overrides {
        let is_its =
            |policy: &&Arc<Policy>| policy.namespace == object.key.namespace && policy.name == written.spec.policy;
        let Some(policy) = policies.iter().find(is_its) else { continue };
        let Ok(valid) = api::oncall_override::validate(written) else { continue };
        let problems = valid.value.unknown_names(policy).into_iter();
        found.extend(problems.map(|problem| object.error(problem.under("spec"))));
    }
    found
}

/// A monitor whose alerts no policy of these files takes. The cluster may have one, so this is a warning.
fn unheard(policies: &[Arc<Policy>], monitor: &Monitor) -> Option<Problem> {
    let mut labels: Labels = monitor.labels.clone();
    labels.insert("alertname".to_owned(), "MonitorDown".to_owned());
    if routing::choose_policy(policies.iter().map(|policy| &**policy), &monitor.namespace, &labels).is_some() {
        return None;
    }
    let serving = policies.iter().filter(|policy| policy.serves(&monitor.namespace)).count();
    let why = match serving {
        0 => format!("no SupportPolicy of these files serves namespace `{}`", monitor.namespace),
        1 => "the SupportPolicy that serves its namespace does not match its alerts".to_owned(),
        many => format!("none of the {many} SupportPolicies that serve its namespace matches its alerts"),
    };
    Some(Problem::warning("", format!("{why}: nobody is told when it is down, unless the cluster has another policy")))
}

#[cfg(test)]
mod tests;
