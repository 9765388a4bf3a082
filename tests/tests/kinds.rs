//! The kinds on a real API server, without an operator: what `kubectl apply -f crds/` and the roles of the
//! chart give to people, and what they refuse.
//!
//! The rules themselves are tested in `api`, offline; here the same samples meet the server that has the
//! last word.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that does not find what it looks for has failed"
)]

#[path = "kinds/access.rs"]
mod access;
#[path = "kinds/admission.rs"]
mod admission;
#[path = "kinds/names.rs"]
mod names;
#[path = "kinds/records.rs"]
mod records;
#[path = "kinds/samples.rs"]
mod samples;

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use serde_json::{Value, json};
use tests::{
    control_plane::{self, ControlPlane, Output},
    eventually,
    stage::{self, SYSTEM},
};
use tokio::sync::OnceCell;

const SOON: Duration = Duration::from_secs(30);

/// The shared control plane with our kinds, admission policies and roles on it, and a ServiceMonitor of
/// prometheus-operator that was there before.
async fn cluster() -> Result<&'static ControlPlane> {
    static READY: OnceCell<Result<(), String>> = OnceCell::const_new();
    let plane = control_plane::shared().await?;
    let ready = READY.get_or_init(|| async { install(plane).await.map_err(|error| format!("{error:#}")) }).await;
    ready.as_ref().map_err(|error| anyhow!("installing: {error}"))?;
    Ok(plane)
}

async fn install(plane: &ControlPlane) -> Result<()> {
    plane.apply(&names::theirs()).await?;
    plane.kubectl(&["apply", "--server-side", "-f", &stage::path("crds").to_string_lossy()]).await?.ok()?;
    plane.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]).await?.ok()?;
    plane.apply(&std::fs::read_to_string(stage::path("charts/firstline/files/rbac.yaml"))?).await?;
    // Admission policies take a moment. They are in force when what they forbid is refused; dry runs leave nothing.
    eventually(SOON, "the admission policies to be in force", || async {
        let forged = event("forged", json!({"author": "somebody-else", "acknowledge": true}));
        let refusal = as_person(plane, "wait", &["-n", SYSTEM, "create", "--dry-run=server", "-f", "-"], &forged).await;
        let said = refusal?.refused()?;
        ensure!(said.contains("expected spec.author to be you"), "{said}");
        let blank = event("blank", json!({"acknowledge": true}));
        let create = ["-n", SYSTEM, "create", "--dry-run=server", "-o", "json", "-f", "-"];
        let stamped: Value = serde_json::from_str(&as_person(plane, "wait", &create, &blank).await?.ok()?)?;
        ensure!(stamped["spec"]["author"] == "wait", "{stamped}");
        Ok(())
    })
    .await
}

/// A namespace of its own for one test, where `ada` is a responder and may also delete and change everything.
async fn room(plane: &ControlPlane, name: &str) -> Result<String> {
    let namespace = plane.namespace(name).await?;
    let all = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "everything", "namespace": namespace},
        "rules": [{"apiGroups": ["firstline.dev"], "resources": ["tickets", "ticketevents", "silences", "oncalloverrides"],
            "verbs": ["get", "list", "create", "update", "patch", "delete"]}],
    });
    let bound = binding(&namespace, "Role", "everything", &json!({"kind": "User", "name": "ada"}));
    let both = json!({"apiVersion": "v1", "kind": "List", "items": [all, bound]});
    plane.apply(&both.to_string()).await?;
    wait_until_allowed(plane, "ada", &namespace).await?;
    Ok(namespace)
}

/// RBAC, too, takes a moment.
async fn wait_until_allowed(plane: &ControlPlane, user: &str, namespace: &str) -> Result<()> {
    eventually(SOON, "the role to count", || async {
        plane
            .kubectl_as(user, &[], &["-n", namespace, "auth", "can-i", "create", "ticketevents.firstline.dev"])
            .await?
            .ok()
    })
    .await?;
    Ok(())
}

fn binding(namespace: &str, kind: &str, role: &str, subject: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": format!("{role}-{}", subject["name"].as_str().unwrap_or_default().replace(':', "-")), "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [subject],
    })
}

/// kubectl of an ordinary person, with an object on stdin. In the operator's namespace `wait` is a responder.
async fn as_person(plane: &ControlPlane, user: &str, arguments: &[&str], object: &Value) -> Result<Output> {
    static WAITER: OnceCell<()> = OnceCell::const_new();
    WAITER
        .get_or_try_init(|| async {
            let bound = binding(SYSTEM, "ClusterRole", "firstline-responder", &json!({"kind": "User", "name": "wait"}));
            plane.apply(&bound.to_string()).await.map(|_| ())
        })
        .await?;
    plane.kubectl_with(&plane.kubeconfig_as(user, &[])?).run_with_input(arguments, &object.to_string()).await
}

fn event(name: &str, spec: Value) -> Value {
    let mut spec = spec;
    spec["ticket"] = json!("inc-1");
    json!({"apiVersion": "firstline.dev/v1alpha1", "kind": "TicketEvent", "metadata": {"name": name}, "spec": spec})
}

fn silence(name: &str, spec: &Value) -> Value {
    let mut whole = json!({
        "matchers": ["service=\"checkout\""], "reason": "deploy 42",
        "startsAt": "2026-11-23T10:00:00Z", "endsAt": "2026-11-23T11:00:00Z",
    });
    for (name, value) in spec.as_object().cloned().unwrap_or_default() {
        whole[name] = value;
    }
    json!({"apiVersion": "firstline.dev/v1alpha1", "kind": "Silence", "metadata": {"name": name}, "spec": whole})
}

fn shift(name: &str, spec: &Value) -> Value {
    let mut whole = json!({
        "policy": "payments", "schedule": "primary", "person": "bob", "replaces": "ada", "reason": "swap",
        "from": "2026-11-23T10:00:00Z", "until": "2026-11-23T11:00:00Z",
    });
    for (name, value) in spec.as_object().cloned().unwrap_or_default() {
        whole[name] = value;
    }
    json!({"apiVersion": "firstline.dev/v1alpha1", "kind": "OnCallOverride", "metadata": {"name": name}, "spec": whole})
}
