//! Policies as they stood when tickets began: one immutable ControllerRevision each, in the ticket's
//! namespace, written before the first ticket that names it. One more stands in the policy's own namespace from the
//! moment a version is accepted: it is what stays in force when the next version is invalid, also after a restart.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use api::SupportPolicy;
use domain::policy::Policy;
use k8s_openapi::{api::apps::v1::ControllerRevision, apimachinery::pkg::runtime::RawExtension};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, ObjectMeta, PostParams},
};
use parking_lot::Mutex;
use serde_json::json;
use thiserror::Error;

use crate::{index::PolicyEntry, kube::meta::Key};

/// Which policy a revision is of; its first 63 characters.
const POLICY_LABEL: &str = "firstline.dev/policy";

/// Why a revision is not at hand.
#[derive(Debug, Error)]
pub enum RevisionError {
    /// The API refused or did not answer.
    #[error("ControllerRevision {0}: {1}")]
    Api(Key, #[source] Box<kube::Error>),
}

/// Reads and writes revisions; those that were seen are kept.
pub struct Revisions {
    client: Client,
    /// `None`: it exists but holds no policy that can be used, which cannot change.
    known: Mutex<HashMap<Key, Option<Arc<Policy>>>>,
    /// Those that the API has, for all we know.
    there: Mutex<HashSet<Key>>,
    /// Revisions that tickets name and that could not be written, because the API was gone.
    unwritten: Mutex<HashMap<Key, Option<Arc<Policy>>>>,
}

impl Revisions {
    /// Nothing is known.
    pub fn new(client: Client) -> Self {
        Self { client, known: Mutex::default(), there: Mutex::default(), unwritten: Mutex::default() }
    }

    /// The policy that a revision holds; `None` when somebody deleted it or it cannot be read.
    ///
    /// # Errors
    /// When the API does not say.
    pub async fn read(&self, namespace: &str, name: &str) -> Result<Option<Arc<Policy>>, RevisionError> {
        let key = Key::new(namespace, name);
        if let Some(known) = self.known.lock().get(&key) {
            return Ok(known.clone());
        }
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), namespace);
        let found = api.get_opt(name).await.map_err(|error| RevisionError::Api(key.clone(), Box::new(error)))?;
        let Some(found) = found else { return Ok(None) };
        let policy = found.data.and_then(|data| serde_json::from_value::<SupportPolicy>(data.0).ok());
        let policy =
            policy.and_then(|policy| api::support_policy::validate(&policy).ok()).map(|valid| Arc::new(valid.value));
        if policy.is_none() {
            tracing::error!(revision = %key, "the revision holds no policy that can be read; tickets go on with the policy as it is now");
        }
        self.there.lock().insert(key.clone());
        self.known.lock().insert(key, policy.clone());
        Ok(policy)
    }

    /// Something of ours was deleted in this namespace: perhaps with the whole namespace, and the revisions in it. What they
    /// hold stays known; they are written again before the next ticket that names them.
    pub fn doubt(&self, namespace: &str) {
        self.there.lock().retain(|key| key.namespace != namespace);
    }

    /// The policy that a revision holds, as far as this process knows it without the API.
    pub fn recall(&self, namespace: &str, name: &str) -> Option<Arc<Policy>> {
        let key = Key::new(namespace, name);
        let unwritten = || self.unwritten.lock().get(&key).cloned().flatten();
        self.known.lock().get(&key).cloned().flatten().or_else(unwritten)
    }

    /// The name of the revision that [`keep`](Self::keep) will write when the API answers again.
    pub fn promise(&self, namespace: &str, entry: &PolicyEntry) -> String {
        let Some(name) = entry.revision() else { return String::new() };
        self.unwritten.lock().insert(Key::new(namespace, &*name), entry.compiled.clone());
        name
    }

    /// The newest version of this policy object that was accepted; `None` when none was.
    ///
    /// # Errors
    /// When the API does not say.
    pub async fn newest(&self, policy: &SupportPolicy) -> Result<Option<SupportPolicy>, RevisionError> {
        let key = Key::of(policy);
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), &key.namespace);
        let params = ListParams::default().labels(&format!("{POLICY_LABEL}={}", label(&key.name)));
        let mut all = api.list(&params).await.map_err(|error| RevisionError::Api(key, Box::new(error)))?.items;
        all.sort_by_key(|revision| std::cmp::Reverse(revision.revision));
        let kept =
            all.into_iter().filter_map(|revision| serde_json::from_value::<SupportPolicy>(revision.data?.0).ok());
        let same = |kept: &SupportPolicy| kept.metadata.uid == policy.metadata.uid && Key::of(kept) == Key::of(policy);
        Ok(kept.filter(same).find(|kept| api::support_policy::validate(kept).is_ok()))
    }

    /// Writes the revision of this policy in this namespace, once. Returns its name.
    ///
    /// # Errors
    /// When the API does not take it.
    pub async fn keep(&self, namespace: &str, entry: &PolicyEntry) -> Result<String, RevisionError> {
        let (Some(name), Some(object)) = (entry.revision(), entry.compiled_from.as_ref()) else {
            return Ok(String::new());
        };
        let key = Key::new(namespace, &*name);
        if self.there.lock().contains(&key) {
            return Ok(name);
        }
        let policy = json!({
            "apiVersion": "firstline.dev/v1alpha1",
            "kind": "SupportPolicy",
            "metadata": {"name": object.name_any(), "namespace": object.namespace(), "uid": object.metadata.uid},
            "spec": object.spec,
        });
        let revision = ControllerRevision {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some(
                    [
                        ("app.kubernetes.io/managed-by".to_owned(), "firstline".to_owned()),
                        (POLICY_LABEL.to_owned(), label(&object.name_any())),
                    ]
                    .into(),
                ),
                ..ObjectMeta::default()
            },
            data: Some(RawExtension(policy)),
            revision: object.metadata.generation.unwrap_or(0),
        };
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), namespace);
        match api.create(&PostParams::default(), &revision).await {
            Ok(_) => {}
            // Another leader wrote it; the name is a hash of what it holds.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(RevisionError::Api(key, Box::new(error))),
        }
        self.unwritten.lock().remove(&key);
        self.there.lock().insert(key.clone());
        self.known.lock().insert(key, entry.compiled.clone());
        Ok(name)
    }
}

/// As much of a policy's name as a label value may hold.
fn label(name: &str) -> String {
    name.chars().take(63).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}
