//! One write of one object, or its rehearsal on the server.

use std::{collections::HashMap, time::Duration};

use gitops::{
    applyset,
    load::Object,
    plan::{self, Live, PruneRule, Question},
};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, ValidationDirective},
};
use serde_json::{Map, Value, json};

use super::{
    kinds::{Kind, kinds},
    live,
    members::Version,
    refusal::{self, Fault, Mend},
};
use crate::kube::lease::Leadership;

/// One call may take this long.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The label that says who looks after an object.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "firstline");

/// Whether a write is to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The server answers as if, and keeps nothing.
    DryRun,
    /// For good.
    Real,
}

/// Writes for one source.
pub struct Writer {
    client: Client,
    set: String,
    kinds: HashMap<&'static str, Kind>,
    leadership: Leadership,
}

impl Writer {
    /// A writer of the set with this id. Nothing is written while the lease is not ours.
    pub fn new(client: Client, set: String, leadership: Leadership) -> Self {
        let kinds = kinds().into_iter().map(|kind| (kind.name, kind)).collect();
        Self { client, set, kinds, leadership }
    }

    /// The field manager of what this source writes.
    fn manager(&self) -> String {
        manager(&self.set)
    }

    /// Applies an object; `uid` is that of the live one, so that an object that was replaced meanwhile is not touched.
    /// Returns the version that is there then.
    ///
    /// # Errors
    /// What the server says against it.
    pub async fn apply(&self, object: &Object, uid: Option<&str>, mode: Mode) -> Result<Version, Fault> {
        let (kind, api) = self.api(&object.key.kind, &object.key.namespace)?;
        let mut body = labelled(&self.set, object.value());
        if let (Some(uid), Some(metadata)) = (uid, body.get_mut("metadata").and_then(Value::as_object_mut)) {
            metadata.insert("uid".to_owned(), json!(uid));
        }
        let params = PatchParams {
            dry_run: mode == Mode::DryRun,
            force: true,
            field_manager: Some(self.manager()),
            field_validation: Some(ValidationDirective::Strict),
        };
        let written = self.in_time(api.patch(&object.key.name, &params, &Patch::Apply(&body))).await?;
        match mode {
            Mode::DryRun => Ok(Version::of(&written.metadata)),
            Mode::Real => self.restore(object, kind, &api, written).await,
        }
    }

    /// A field that Git does not mention and that somebody else has set survives an apply, since its manager owns it. It
    /// is taken back to what Git means: its default, or nothing.
    async fn restore(
        &self,
        object: &Object,
        kind: &Kind,
        api: &Api<DynamicObject>,
        written: DynamicObject,
    ) -> Result<Version, Fault> {
        let (version, applied) = (written.metadata.resource_version.clone(), Version::of(&written.metadata));
        let live = live::whole(kind, written);
        if !self.differs(object, &live) {
            return Ok(applied);
        }
        let wanted = wanted(&self.set, &object.key.kind, object.value());
        let mut body = difference(&body_of(&wanted), &body_of(&live.value));
        if body.is_empty() {
            return Ok(applied);
        }
        body.insert("metadata".to_owned(), json!({"uid": live.uid, "resourceVersion": version}));
        let params = PatchParams {
            field_manager: Some(self.manager()),
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::default()
        };
        let restored = self.in_time(api.patch(&object.key.name, &params, &Patch::Merge(&body))).await?;
        let version = Version::of(&restored.metadata);
        if self.differs(object, &live::whole(kind, restored)) {
            // The server keeps the object in another form than we foresee; to insist would mean to write it for ever.
            tracing::warn!(object = %object.key, "the server keeps the object differently than Git has it; this is a defect of Firstline");
        }
        Ok(version)
    }

    fn differs(&self, object: &Object, live: &Live) -> bool {
        let question = Question {
            set: &self.set,
            commit: "",
            desired: std::slice::from_ref(object),
            refused: &[],
            live: std::slice::from_ref(live),
            defaults: &|kind, value| wanted(&self.set, kind, value),
            prune: PruneRule::Never,
            hold: &plan::hold_nothing,
        };
        !plan::plan(&question).is_empty()
    }

    /// Deletes an object; one that is gone or was replaced by another is not ours to delete.
    ///
    /// # Errors
    /// What the server says against it.
    pub async fn remove(&self, live: &Live, mode: Mode) -> Result<(), Fault> {
        let (_, api) = self.api(&live.key.kind, &live.key.namespace)?;
        let params = DeleteParams {
            dry_run: mode == Mode::DryRun,
            preconditions: Some(Preconditions { uid: Some(live.uid.clone()), resource_version: None }),
            ..DeleteParams::background()
        };
        self.may_write()?;
        match tokio::time::timeout(TIMEOUT, api.delete(&live.key.name, &params)).await {
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() || status.is_conflict() => Ok(()),
            Ok(answer) => answer.map(|_| ()).map_err(|error| refusal::judge(&error)),
            Err(_) => Err(late()),
        }
    }

    fn api(&self, kind: &str, namespace: &str) -> Result<(&Kind, Api<DynamicObject>), Fault> {
        match self.kinds.get(kind) {
            Some(kind) => Ok((kind, Api::namespaced_with(self.client.clone(), namespace, &kind.resource))),
            None => {
                let problem = domain::problem::Problem::error(
                    "kind",
                    format!("objects of kind `{kind}` are not applied from Git"),
                );
                Err(Fault::Refused(Mend::Commit, vec![problem]))
            }
        }
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Fault> {
        self.may_write()?;
        match tokio::time::timeout(TIMEOUT, call).await {
            Ok(answer) => answer.map_err(|error| refusal::judge(&error)),
            Err(_) => Err(late()),
        }
    }

    /// Another leader may be at work on the same source.
    fn may_write(&self) -> Result<(), Fault> {
        if self.leadership.is_valid() { Ok(()) } else { Err(Fault::Passing("the lease ran out".to_owned())) }
    }
}

/// The field manager of a set. Two sources of one name in two namespaces must not share one.
pub fn manager(set: &str) -> String {
    format!("firstline-{set}")
}

fn late() -> Fault {
    Fault::Passing(format!("the API server did not answer within {} s", TIMEOUT.as_secs()))
}

/// The object as it is sent: with the labels that make it a member from birth, so that no crash leaves an orphan.
pub(super) fn labelled(set: &str, value: &Value) -> Value {
    let mut value = value.clone();
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return value };
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(applyset::PART_OF.to_owned(), json!(set));
        labels.insert(MANAGED_BY.0.to_owned(), json!(MANAGED_BY.1));
    }
    value
}

/// The object as the server is expected to hold it: labels and defaults filled in.
pub fn wanted(set: &str, kind: &str, value: &Value) -> Value {
    api::with_defaults(kind, &labelled(set, value))
}

/// Everything but what names the object and what controllers write.
fn body_of(value: &Value) -> Map<String, Value> {
    let mut body = value.as_object().cloned().unwrap_or_default();
    body.retain(|name, _| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
    body
}

/// The JSON merge patch (RFC 7386) that makes `live` into `wanted`.
fn difference(wanted: &Map<String, Value>, live: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (name, value) in wanted {
        match (value, live.get(name)) {
            (Value::Object(inner), Some(Value::Object(there))) => {
                let inner = difference(inner, there);
                if !inner.is_empty() {
                    patch.insert(name.clone(), Value::Object(inner));
                }
            }
            (value, Some(there)) if value == there => {}
            (value, _) => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    for name in live.keys().filter(|name| !wanted.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    patch
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_member_carries_its_labels_beside_its_own() {
        let value = json!({"metadata": {"name": "x", "labels": {"team": "payments"}}, "spec": {}});
        let sent = labelled("applyset-1-v1", &value);
        assert_eq!(
            sent["metadata"]["labels"],
            json!({"team": "payments", "applyset.kubernetes.io/part-of": "applyset-1-v1", "app.kubernetes.io/managed-by": "firstline"})
        );
    }

    #[rstest]
    #[case::equal(json!({"a": {"b": 1}}), json!({"a": {"b": 1}}), json!({}))]
    #[case::set_by_somebody_else(json!({"a": {"b": 1}}), json!({"a": {"b": 1, "suspend": true}}), json!({"a": {"suspend": null}}))]
    #[case::back_to_its_default(json!({"suspend": false}), json!({"suspend": true}), json!({"suspend": false}))]
    #[case::lists_are_whole(json!({"l": [1]}), json!({"l": [1, 2]}), json!({"l": [1]}))]
    fn what_others_set_is_taken_back(#[case] wanted: Value, #[case] live: Value, #[case] patch: Value) {
        let of = |value: Value| value.as_object().cloned().unwrap();
        assert_eq!(Value::Object(difference(&of(wanted), &of(live))), patch);
    }
}
