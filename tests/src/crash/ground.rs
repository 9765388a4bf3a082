//! What all seeds share: one control plane, and one server that is both what is probed and who is told.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, Method, Request},
    response::Response,
    routing::{get, post},
};
use kube::Client;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::reaper::Reaper;
use crate::{
    ports::Port,
    serve::{Server, status},
    stage::{ACCOUNT, SYSTEM, Stage},
};

type Seeds = Arc<Mutex<HashMap<String, Arc<Reaper>>>>;

/// The ground that seeds run on.
pub struct Ground {
    /// The control plane, with kinds, roles and admission policies.
    pub(super) stage: Stage,
    /// The operator's account.
    pub(super) kubeconfig: PathBuf,
    pub(super) admin: Client,
    pub(super) ada: Client,
    pub(super) bob: Client,
    port: Port,
    seeds: Seeds,
    _server: Server,
}

impl Ground {
    /// Starts it.
    ///
    /// # Errors
    /// When a part does not come up.
    pub async fn build() -> Result<Self> {
        let stage = Stage::build("crashes").await?;
        let plane = &stage.plane;
        let kubeconfig = plane.kubeconfig_for_service_account(SYSTEM, ACCOUNT).await?;
        let (admin, masters) = (plane.client().await?, ["system:masters"]);
        let ada = plane.client_as("ada@acme.example", &masters).await?;
        let bob = plane.client_as("bob@acme.example", &masters).await?;
        let (port, seeds) = (Port::reserve()?, Seeds::default());
        let router = Router::new()
            .route("/hook/{namespace}/{person}", post(receive))
            .route("/probe/{namespace}/{service}", get(probe))
            .with_state(seeds.clone());
        let server = Server::start(port.address(), None, router).await?;
        Ok(Self { stage, kubeconfig, admin, ada, bob, port, seeds, _server: server })
    }

    /// Lets this reaper answer for a namespace.
    pub(super) fn enter(&self, namespace: &str, reaper: Arc<Reaper>) {
        self.seeds.lock().insert(namespace.to_owned(), reaper);
    }

    pub(super) fn leave(&self, namespace: &str) {
        self.seeds.lock().remove(namespace);
    }

    /// Namespaces, roles, Secret, policy and monitors of one seed. The operator's own namespace is `NAMESPACE-system`.
    pub(super) async fn furnish(&self, namespace: &str, services: &[(String, &str)]) -> Result<()> {
        let system = format!("{namespace}-system");
        for name in [namespace, &*system] {
            create(&self.admin, "/api/v1/namespaces", &json!({"metadata": {"name": name}})).await?;
        }
        let role = json!({"metadata": {"name": "operator"}, "rules": [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "update"]},
        ]});
        let binding = json!({"metadata": {"name": "operator"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM}]});
        let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{system}");
        create(&self.admin, &format!("{rbac}/roles"), &role).await?;
        create(&self.admin, &format!("{rbac}/rolebindings"), &binding).await?;
        let secret = json!({"metadata": {"name": "hook", "labels": {"firstline.dev/use": "notify"}},
            "stringData": {"key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}});
        create(&self.admin, &format!("/api/v1/namespaces/{namespace}/secrets"), &secret).await?;
        let ours = format!("/apis/firstline.dev/v1alpha1/namespaces/{namespace}");
        create(&self.admin, &format!("{ours}/supportpolicies"), &self.policy(namespace)).await?;
        for (service, severity) in services {
            let monitor = self.monitor(namespace, service, severity);
            create(&self.admin, &format!("{ours}/svcmonitors"), &monitor).await?;
        }
        Ok(())
    }

    fn policy(&self, namespace: &str) -> Value {
        let channel = |name: &str| {
            json!({"name": format!("{name}-hook"), "webhook": {
                "url": format!("http://{}/hook/{namespace}/{name}", self.port.address()),
                "signingSecretRef": {"name": "hook", "key": "key"}, "timeout": "5s"}})
        };
        let person = |name: &str| {
            json!({"name": name, "users": [format!("{name}@acme.example")],
                "notify": [{"after": "0s", "channel": format!("{name}-hook")}]})
        };
        json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy", "metadata": {"name": "team"},
            "spec": {
                "lastResort": [{"channel": "desk-hook"}],
                "people": [person("ada"), person("bob")],
                "channels": [channel("ada"), channel("bob"), channel("desk")],
                "schedules": [{"name": "primary", "timeZone": "Europe/Berlin", "layers": [
                    {"name": "always", "people": ["ada"], "start": "2026-11-02", "handover": "09:00", "every": "1w"}]}],
                "escalations": [{"name": "page", "repeat": {"times": 1, "every": "4s"}, "steps": [
                    {"after": "0s", "notify": [{"schedule": "primary"}]},
                    {"after": "3s", "notify": [{"person": "bob"}]}]}],
                "routes": [
                    {"name": "pages", "match": ["severity=\"page\""], "escalation": "page", "priority": "P1", "resolveAfter": "1s"},
                    {"name": "rest", "notify": [{"channel": "ada-hook"}], "groupWait": "0s", "priority": "P3", "resolveAfter": "1s"}],
            },
        })
    }

    fn monitor(&self, namespace: &str, service: &str, severity: &str) -> Value {
        json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor", "metadata": {"name": service},
            "spec": {
                "service": service, "severity": severity, "interval": "1s", "timeout": "1s",
                "probe": {"http": {"url": format!("http://{}/probe/{namespace}/{service}", self.port.address())}},
                "thresholds": {"down": 2, "up": 2, "confirmEvery": "500ms"},
            },
        })
    }
}

async fn receive(
    State(seeds): State<Seeds>,
    Path((namespace, person)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reaper = seeds.lock().get(&namespace).cloned();
    reaper.map_or_else(|| status(410, ""), |reaper| reaper.receive(&person, &headers, &body))
}

async fn probe(State(seeds): State<Seeds>, Path((namespace, service)): Path<(String, String)>) -> Response {
    let reaper = seeds.lock().get(&namespace).cloned();
    reaper.map_or_else(|| status(410, ""), |reaper| reaper.health(&service))
}

/// `POST` of an object.
pub(super) async fn create(client: &Client, path: &str, object: &Value) -> Result<Value> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("content-type", "application/json")
        .body(serde_json::to_vec(object)?)?;
    client.request(request).await.with_context(|| format!("creating at {path}: {object}"))
}

/// The items of a list.
pub(super) async fn list(client: &Client, path: &str) -> Result<Vec<Value>> {
    let mut list: Value = client.request(Request::get(path).body(Vec::new())?).await?;
    Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
}
