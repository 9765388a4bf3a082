//! GitSource: a repository, a branch and a path to apply, and how far the cluster is behind it.

mod validate;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use validate::{PruneRules, Source, validate};

use crate::{conditions::Condition, schema, secrets::SecretName};

/// A repository to apply to the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "firstline.dev",
    version = "v1alpha1",
    kind = "GitSource",
    plural = "gitsources",
    singular = "gitsource",
    shortname = "gsrc",
    category = "firstline",
    namespaced,
    status = "GitSourceStatus",
    derive = "PartialEq",
    doc = "A Git repository whose objects are applied to the cluster, and how far the cluster is behind it.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.lastAppliedRevision"),
    printcolumn(name = "Applied", type_ = "date", json_path = ".status.appliedAt"),
    printcolumn(name = "Objects", type_ = "integer", json_path = ".status.objects.total"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct GitSourceSpec {
    /// The repository: https, http or file (file only when the operator was started with --allow-file-sources). Credentials
    /// are never part of it; they stand in secretRef.
    #[schemars(schema_with = "repository_url")]
    pub url: String,
    /// What to follow.
    #[serde(rename = "ref")]
    pub reference: Reference,
    /// The folder in the repository whose files are applied, with all its subfolders.
    #[serde(default = "root")]
    #[schemars(schema_with = "schema::some_text::<1024>")]
    pub path: String,
    /// How often the repository is asked for something new (1s to 24h).
    #[serde(default = "interval")]
    #[schemars(schema_with = "schema::duration")]
    pub interval: String,
    /// How long one fetch may take (1s to 30m).
    #[serde(default = "timeout")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: String,
    /// A Secret with username and password, or bearerToken, and optionally ca.crt. It carries the label firstline.dev/use: git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretName")]
    pub secret_ref: Option<SecretName>,
    /// How and where the objects are written.
    #[serde(default)]
    pub apply: Apply,
    /// What happens to objects that left the repository.
    #[serde(default)]
    pub prune: Prune,
    /// What happens when the branch no longer holds the commit that is applied: its history was rewritten, or it went back.
    /// Warn: it is applied and told of. Allow: it is applied. Refuse: nothing is written until the branch holds that commit
    /// again, or this field says otherwise.
    #[serde(default)]
    pub history: History,
    /// Stops fetching and applying. What was applied stays.
    #[serde(default)]
    pub suspend: bool,
}

/// What happens when the branch no longer holds the commit that is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub enum History {
    /// The new tip is applied.
    Allow,
    /// The new tip is applied, and an Event tells of it.
    #[default]
    Warn,
    /// Nothing is written.
    Refuse,
}

/// What to follow in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// The branch whose tip is applied.
    #[schemars(schema_with = "branch")]
    pub branch: String,
}

/// How and where the objects are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Apply {
    /// Atomic: nothing is written unless every object of the commit would be accepted.
    #[serde(default)]
    pub mode: ApplyMode,
    /// The namespaces it may write to. Empty: only its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::names::<100>")]
    pub namespaces: Vec<String>,
    /// The ServiceAccount of its own namespace that is impersonated for every write. Empty: the operator's own
    /// account, allowed only in the operator's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub service_account_name: Option<String>,
    /// What happens when somebody else changes or deletes an applied object. Correct: it is put back at once. Report: it is
    /// told of in status.drift and stays until the next commit is applied, or a reconcile is asked for. An object with the
    /// annotations firstline.dev/freeze-until and firstline.dev/freeze-reason is left alone until then.
    #[serde(default)]
    pub drift: Drift,
}

/// What happens when somebody else changes or deletes an applied object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Drift {
    /// It is put back at once.
    #[default]
    Correct,
    /// It is told of, and stays.
    Report,
}

/// How a commit is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub enum ApplyMode {
    /// All or nothing.
    #[default]
    Atomic,
}

/// What happens to objects that left the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prune {
    /// Whether objects that this source created and that left the repository are deleted.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The largest share, in percent, of 10 or more objects that one commit may delete without approval.
    #[serde(default = "max_percent")]
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: u32,
    /// The commit (40 hexadecimal digits) whose deletions are approved although they exceed maxPercent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "commit")]
    pub approve: Option<String>,
}

impl Default for Prune {
    fn default() -> Self {
        Self { enabled: true, max_percent: max_percent(), approve: None }
    }
}

/// How far the cluster is behind the repository.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitSourceStatus {
    /// The generation of the spec that this status is about.
    #[serde(default = "crate::unobserved")]
    #[schemars(range(min = -1, max = schema::MAX_INT64))]
    pub observed_generation: i64,
    /// Ready, Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The revision that was tried last: branch@sha1:commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<512>")]
    pub last_attempted_revision: Option<String>,
    /// The revision that the cluster has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<512>")]
    pub last_applied_revision: Option<String>,
    /// When lastAppliedRevision was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub applied_at: Option<Timestamp>,
    /// The value of the annotation firstline.dev/requestedAt that was obeyed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<256>")]
    pub last_handled_reconcile_at: Option<String>,
    /// Applying while a commit is being written, Committed when all of it was, Partial when the server refused some of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Transaction")]
    pub transaction: Option<Transaction>,
    /// How many objects the last attempt was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectCounts")]
    pub objects: Option<ObjectCounts>,
    /// The first 50 errors of the last attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub errors: Vec<SourceError>,
    /// How many errors the last attempt had.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub error_count: u32,
    /// The first 50 objects that are not as Git has them and stay so for now. What was put back is not listed; Events on the
    /// object tell of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub drift: Vec<Deviation>,
    /// How many such objects there are.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub drift_count: u32,
    /// Objects (kind namespace/name) that the applied commit changes or removes and that are frozen: that is done when their
    /// freeze ends, whatever spec.apply.drift says. The first 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::texts::<500, 600>")]
    pub owed: Vec<String>,
    /// How many such objects there are. When they are more than are listed, the commit counts as owed to every object of the
    /// source with a freeze, also one that is over, once the operator was restarted.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub owed_count: u32,
    /// The last 5 attempts, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub history: Vec<Attempt>,
}

/// How far a commit got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Transaction {
    /// Being written.
    Applying,
    /// All of it was written.
    Committed,
    /// The server refused some of it.
    Partial,
}

/// How many objects an attempt was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectCounts {
    /// In the repository.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub total: u32,
    /// Created by this attempt.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub created: u32,
    /// Changed by this attempt.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub updated: u32,
    /// Already as they should be.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub unchanged: u32,
    /// Deleted by this attempt.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub pruned: u32,
    /// Refused or not written.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub failed: u32,
}

/// One thing that is wrong in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceError {
    /// The file, from the root of the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<1024>")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 2_147_483_647))]
    pub line: Option<u32>,
    /// The column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 2_147_483_647))]
    pub column: Option<u32>,
    /// The object: kind namespace/name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<600>")]
    pub object: Option<String>,
    /// What was expected and what was found.
    #[schemars(schema_with = "schema::text::<2048>")]
    pub message: String,
}

/// An object that is not as Git has it, or need not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deviation {
    /// The object: kind namespace/name.
    #[schemars(schema_with = "schema::text::<600>")]
    pub object: String,
    /// Why it stays as it is.
    pub state: DeviationState,
    /// The first 5 fields that differ; none when the object is as Git has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::texts::<5, 1024>")]
    pub fields: Vec<String>,
    /// Who wrote it last, as its managedFields have it: kubectl-edit, helm and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<128>")]
    pub by: Option<String>,
    /// When this was noticed.
    #[schemars(schema_with = "schema::instant")]
    pub since: Timestamp,
    /// Until when it stays so, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub until: Option<Timestamp>,
    /// What a person should know: the reason of a freeze, what is wrong with it, what the server refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<1024>")]
    pub message: Option<String>,
}

/// Why an object is not put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum DeviationState {
    /// Somebody else writes it again and again; it is put back less and less often.
    Fighting,
    /// The server refuses to have it put back.
    Refused,
    /// It belongs to another source now.
    Conflict,
    /// spec.apply.drift says so.
    Reported,
    /// Its annotation firstline.dev/freeze-until says so.
    Frozen,
    /// Its annotation firstline.dev/freeze-until or its reason cannot be obeyed, or was over already when it was written; the
    /// object is kept as Git has it.
    BadFreeze,
}

/// One attempt to apply a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The revision: branch@sha1:commit.
    #[schemars(schema_with = "schema::text::<512>")]
    pub revision: String,
    /// When the attempt began.
    #[schemars(schema_with = "schema::instant")]
    pub at: Timestamp,
    /// How long it took.
    #[schemars(schema_with = "schema::duration")]
    pub duration: String,
    /// What came of it, as a stable word.
    #[schemars(schema_with = "schema::text::<63>")]
    pub result: String,
    /// How many objects it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectCounts")]
    pub counts: Option<ObjectCounts>,
}

fn root() -> String {
    "./".into()
}

fn interval() -> String {
    "1m".into()
}

fn timeout() -> String {
    "60s".into()
}

fn yes() -> bool {
    true
}

fn max_percent() -> u32 {
    20
}

fn repository_url(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "maxLength": 2048, "pattern": schema::REPOSITORY_URL})
}

fn branch(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": schema::BRANCH})
}

fn commit(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "maxLength": 40, "pattern": schema::COMMIT})
}
