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

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use api::{OnCallOverride, ServiceMonitor, SupportPolicy, support_policy::hours_that_never_come};
use domain::{
    labels::Labels,
    oncall,
    policy::Policy,
    probe::Monitor,
    problem::Problem,
    routing,
    time::{after, shown},
};
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

/// How far ahead gaps on call are looked for.
const HORIZON: Duration = Duration::from_secs(90 * 86_400);

/// Gaps of one schedule that are named; more are counted.
const GAPS: usize = 3;

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
    /// All findings, sorted by file, line and column.
    pub problems: Vec<FileError>,
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
        let mut monitors = Vec::new();
        for object in objects {
            if object.key.kind == "OnCallOverride" {
                self.overrides.extend(read(object));
            }
            match object.key.kind.as_str() {
                "SupportPolicy" => {
                    let written = read::<SupportPolicy>(object);
                    let policy = written.and_then(|written| {
                        let policy = api::support_policy::validate(&written).ok()?.value;
                        let closed = hours_that_never_come(&written.spec, &policy, now);
                        let found = gaps(object, &policy, now).into_iter().chain(closed);
                        self.problems.extend(found.map(|problem| object.error(problem)));
                        Some(Arc::new(policy))
                    });
                    self.policies.extend(policy);
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

/// Times within the next 90 days when nobody is on call.
fn gaps(object: &Object, policy: &Policy, now: Timestamp) -> Vec<Problem> {
    let mut found = Vec::new();
    let written = object.value().pointer("/spec/schedules").and_then(Value::as_array);
    for (index, schedule) in written.into_iter().flatten().enumerate() {
        let name = schedule.get("name").and_then(Value::as_str).unwrap_or_default();
        let Some(schedule) = policy.schedules.get(name) else { continue };
        let gaps = oncall::gaps(schedule, &[], now, after(now, HORIZON));
        // In the schedule's own zone, in which its handovers are written.
        let local = |at: &Timestamp| shown(*at, &schedule.zone);
        let span = |(from, to): &(Timestamp, Timestamp)| format!("{} to {}", local(from), local(to));
        let spans: Vec<String> = gaps.iter().take(GAPS).map(span).collect();
        let more = if gaps.len() > GAPS { format!(" and {} more times", gaps.len() - GAPS) } else { String::new() };
        if !spans.is_empty() {
            let message = format!("nobody is on call in `{name}` from {}{more}", spans.join(", from "));
            found.push(Problem::error(format!("spec.schedules[{index}]"), message));
        }
    }
    found
}
