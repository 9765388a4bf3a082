//! Writes the status of everything but tickets: the newest per object wins, a few workers, only while we lead.
//!
//! Tickets are not written here: their decisions rest on what was written last, so they are committed one by one.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kube::{
    Api, Client, Resource,
    api::{DynamicObject, Patch, PatchParams},
    core::ApiResource,
};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{lease::Leadership, meta::Key};
use crate::{
    queue::{Looked, Outcome, Queue},
    telemetry::metrics::Metrics,
};

/// The field manager of every status we write.
pub const MANAGER: &str = "firstline";

/// Writes in flight at once.
const WORKERS: usize = 4;
/// One write may take this long.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One status to be written.
struct Wanted {
    resource: ApiResource,
    status: Value,
}

/// Hands statuses to the workers.
#[derive(Clone)]
pub struct StatusWriter(Arc<Inner>);

struct Inner {
    client: Client,
    leadership: Leadership,
    metrics: Metrics,
    wanted: Mutex<HashMap<(String, Key), Wanted>>,
    queue: Queue<(String, Key)>,
}

impl StatusWriter {
    /// A writer; [`run`](Self::run) does the work.
    pub fn new(client: Client, leadership: Leadership, metrics: Metrics) -> Self {
        let inner = Inner { client, leadership, metrics, wanted: Mutex::default(), queue: Queue::default() };
        Self(Arc::new(inner))
    }

    /// Asks for this whole status of an object; an earlier one that was not written yet is dropped. `Failed` only for a
    /// status that is no JSON, which is logged.
    pub fn write<K: Resource<DynamicType = ()>>(&self, key: &Key, status: &impl Serialize) -> Outcome {
        let resource = ApiResource::erase::<K>(&());
        let status = match serde_json::to_value(status) {
            Ok(status) => status,
            Err(error) => {
                tracing::error!(kind = resource.kind, object = %key, %error, "the status cannot be written as JSON; this is a defect of Firstline");
                return Outcome::Failed;
            }
        };
        let id = (resource.plural.clone(), key.clone());
        let mut wanted = self.0.wanted.lock();
        wanted.insert(id.clone(), Wanted { resource, status });
        self.0.metrics.status_queue.set(i64::try_from(wanted.len()).unwrap_or(i64::MAX));
        drop(wanted);
        self.0.queue.add(id);
        Outcome::Applied
    }

    /// Forgets what waits for an object that is gone.
    pub fn forget(&self, plural: &str, key: &Key) {
        let id = (plural.to_owned(), key.clone());
        self.0.wanted.lock().remove(&id);
        self.0.queue.forget(&id);
    }

    /// Writes until `stop`, then what is left while the lease is valid.
    pub async fn run(&self, stop: CancellationToken) {
        let look = |id| {
            let writer = self.clone();
            async move { writer.write_one(id).await }
        };
        self.0.queue.run(WORKERS, stop, look).await;
        let left: Vec<_> = self.0.wanted.lock().keys().cloned().collect();
        for id in left {
            self.write_one(id).await;
        }
    }

    async fn write_one(&self, id: (String, Key)) -> Option<Looked> {
        if !self.0.leadership.is_valid() {
            return Some(Looked::SOON);
        }
        let taken = self.0.wanted.lock().remove(&id);
        let Some(wanted) = taken else { return Some(Looked { outcome: Outcome::Unchanged, again: None }) };
        match self.patch(&id.1, &wanted).await {
            Ok(()) => {
                let left = self.0.wanted.lock().len();
                self.0.metrics.status_queue.set(i64::try_from(left).unwrap_or(i64::MAX));
                Some(Looked { outcome: Outcome::Applied, again: None })
            }
            Err(error) => {
                if !self.0.leadership.is_api_silent() {
                    tracing::warn!(kind = wanted.resource.kind, object = %id.1, error, "could not write the status; trying again");
                }
                // A newer status may have come in meanwhile; it wins.
                self.0.wanted.lock().entry(id).or_insert(wanted);
                None
            }
        }
    }

    async fn patch(&self, key: &Key, wanted: &Wanted) -> Result<(), String> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.0.client.clone(), &key.namespace, &wanted.resource);
        let body = json!({
            "apiVersion": wanted.resource.api_version,
            "kind": wanted.resource.kind,
            "metadata": {"name": key.name},
            "status": wanted.status,
        });
        let params = PatchParams::apply(MANAGER).force();
        match tokio::time::timeout(TIMEOUT, api.patch_status(&key.name, &params, &Patch::Apply(&body))).await {
            Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
            Ok(Ok(_)) => Ok(()),
            // The object is gone: nothing is left to write to.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(()),
            // The server will never take this status: said once, not tried for ever.
            // (An unknown field or a wrong type is answered with a 500 of this text.)
            Ok(Err(kube::Error::Api(status)))
                if status.is_invalid() || status.message.contains("failed to create typed patch object") =>
            {
                tracing::error!(kind = wanted.resource.kind, object = %key, error = %status, "the server refuses the status; this is a defect of Firstline");
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
        }
    }
}
