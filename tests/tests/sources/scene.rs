//! A namespace, a repository and a GitSource of one test, beside an operator that all of them share.

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use tests::{
    control_plane::{self, ControlPlane, Mark, Requests},
    eventually,
    git_server::GitServer,
    operator::{Operator, Setup},
    stage::{ACCOUNT, PATIENCE, SYSTEM, path},
    unique_name,
};
use tokio::sync::OnceCell;

/// What each test works with.
pub(crate) struct Scene {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) git: GitServer,
    /// Where the objects go.
    pub(crate) namespace: String,
    /// The GitSource, in the operator's namespace.
    pub(crate) source: String,
}

impl Scene {
    /// A repository without commits, and no GitSource yet.
    pub(crate) async fn new(name: &str) -> Result<Self> {
        Self::on(cluster().await?, name).await
    }

    /// The same on a control plane of the test's own.
    pub(crate) async fn on(plane: &'static ControlPlane, name: &str) -> Result<Self> {
        let namespace = plane.namespace(name).await?;
        Ok(Self { plane, git: GitServer::new(name)?, namespace, source: unique_name(name) })
    }

    /// The GitSource as the operator's own account applies it, with changes by a test.
    pub(crate) async fn follow(&self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut source = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "GitSource",
            "metadata": {"name": self.source, "namespace": SYSTEM},
            "spec": {
                "url": self.git.file_url(), "ref": {"branch": "main"}, "interval": "1s", "timeout": "20s",
                "apply": {"namespaces": [self.namespace]},
            },
        });
        change(&mut source);
        self.plane.apply(&source.to_string()).await.map(drop)
    }

    /// An account that may write monitors into the test's namespace, and no more.
    pub(crate) async fn account(&self, name: &str) -> Result<()> {
        let yaml = ACCOUNT_OF_A_TEAM
            .replace("${NAME}", name)
            .replace("${NAMESPACE}", &self.namespace)
            .replace("${SYSTEM}", SYSTEM);
        self.plane.apply(&yaml).await.map(drop)
    }

    /// Changes fields of the spec.
    pub(crate) async fn patch_spec(&self, spec: &Value) -> Result<()> {
        let patch = json!({"spec": spec}).to_string();
        let arguments = ["-n", SYSTEM, "patch", "gitsource", &self.source, "--type=merge", "-p", &patch];
        self.plane.kubectl(&arguments).await?.ok().map(drop)
    }

    /// Asks for a reconcile now, and gives the status after it.
    pub(crate) async fn sync(&self) -> Result<Value> {
        let token = unique_name("now");
        let annotation = format!("firstline.dev/requestedAt={token}");
        let arguments = ["-n", SYSTEM, "annotate", "--overwrite", "gitsource", &self.source, &annotation];
        self.plane.kubectl(&arguments).await?.ok()?;
        self.wait_for("the answer to a request", |status| status["lastHandledReconcileAt"] == token.as_str()).await
    }

    /// The status once it fulfils a wish.
    pub(crate) async fn wait_for(&self, what: &str, wish: impl Fn(&Value) -> bool) -> Result<Value> {
        // Hundreds of objects beside other tests' take their time.
        eventually(2 * PATIENCE, what, || async {
            let status = self.status().await?;
            ensure!(wish(&status), "the status is {status:#}");
            Ok(status)
        })
        .await
    }

    pub(crate) async fn status(&self) -> Result<Value> {
        let arguments = ["-n", SYSTEM, "get", "gitsource", &self.source, "-o", "json"];
        let object: Value = serde_json::from_str(&self.plane.kubectl(&arguments).await?.ok()?)?;
        Ok(object["status"].clone())
    }

    /// Waits until this commit is applied.
    pub(crate) async fn applied(&self, commit: &str) -> Result<Value> {
        let revision = format!("main@sha1:{commit}");
        self.wait_for(&format!("{revision} is applied"), |status| {
            status["lastAppliedRevision"] == revision.as_str() && condition(status, "Ready").starts_with("True")
        })
        .await
    }

    /// `kubectl` in the test's namespace.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.plane.kubectl(&[&["-n", &self.namespace], arguments].concat()).await?.ok()
    }

    /// A monitor, if it is there.
    pub(crate) async fn monitor(&self, name: &str) -> Result<Option<Value>> {
        let text =
            self.kubectl(&["get", "svcmonitors.firstline.dev", name, "--ignore-not-found", "-o", "json"]).await?;
        if text.trim().is_empty() { Ok(None) } else { Ok(Some(serde_json::from_str(&text)?)) }
    }

    /// The names of the monitors in the test's namespace.
    pub(crate) async fn monitors(&self) -> Result<Vec<String>> {
        let text = self.kubectl(&["get", "svcmonitors.firstline.dev", "-o", "name"]).await?;
        Ok(text.lines().filter_map(|line| line.rsplit('/').next()).map(str::to_owned).collect())
    }

    /// The notes of the Events on the GitSource, as `reason: note`.
    pub(crate) async fn events(&self) -> Result<Vec<String>> {
        let text = self.plane.kubectl(&["-n", SYSTEM, "get", "events.events.k8s.io", "-o", "json"]).await?.ok()?;
        let list: Value = serde_json::from_str(&text)?;
        let ours = list["items"]
            .as_array()
            .context("no items")?
            .iter()
            .filter(|one| one["regarding"]["name"] == self.source.as_str());
        Ok(ours
            .map(|one| {
                format!("{}: {}", one["reason"].as_str().unwrap_or_default(), one["note"].as_str().unwrap_or_default())
            })
            .collect())
    }

    pub(crate) async fn mark(&self) -> Result<Mark> {
        self.plane.audit()?.mark().await
    }

    /// Calls on the kinds that come out of Git, for this test's objects, since `mark`: its own namespace, and lists of
    /// its members everywhere.
    pub(crate) async fn calls(&self, mark: Mark) -> Result<Requests> {
        let set = self.set().await?;
        let all = self.plane.audit()?.since(mark).await?.by_service_account(SYSTEM, ACCOUNT);
        let kinds = ["supportpolicies", "svcmonitors", "compliancerules", "vendorcontacts", "tickets"];
        Ok(all.filter(|one| {
            let ours = one.namespace == self.namespace || one.uri.contains(&set);
            ours && kinds.contains(&one.resource.as_str()) && one.subresource.is_empty() && one.verb != "watch"
        }))
    }

    /// The value of the membership label.
    async fn set(&self) -> Result<String> {
        let text = self.kubectl(&["get", "svcmonitors.firstline.dev", "-o", "json"]).await?;
        let list: Value = serde_json::from_str(&text)?;
        let label = &list["items"][0]["metadata"]["labels"]["applyset.kubernetes.io/part-of"];
        Ok(label.as_str().unwrap_or("no member").to_owned())
    }
}

/// `True ReconciliationSucceeded applied …`, or nothing when the condition is absent.
pub(crate) fn condition(status: &Value, type_: &str) -> String {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = conditions.iter().find(|one| one["type"] == type_);
    let text = |one: &Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
    found
        .map(|one| format!("{} {} {}", text(one, "status"), text(one, "reason"), text(one, "message")))
        .unwrap_or_default()
}

/// A monitor of a port on loopback.
pub(crate) fn monitor(name: &str, service: &str) -> String {
    format!(
        "apiVersion: firstline.dev/v1alpha1
kind: ServiceMonitor
metadata:
  name: {name}
spec:
  service: {service}
  interval: 1h
  probe:
    tcp:
      address: 127.0.0.1:9
"
    )
}

/// Commits so many monitors, one a file. Returns the commit.
pub(crate) fn commit_monitors(git: &GitServer, count: usize) -> Result<String> {
    let files: Vec<(String, String)> =
        (0..count).map(|n| (format!("monitors/m{n:02}.yaml"), monitor(&format!("m{n:02}"), "shop"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    git.commit(&files, "monitors")
}

async fn cluster() -> Result<&'static ControlPlane> {
    operator().await?;
    control_plane::shared().await
}

/// The operator that all tests share.
pub(crate) async fn operator() -> Result<&'static Operator> {
    static OPERATOR: OnceCell<Result<Operator, String>> = OnceCell::const_new();
    let plane = control_plane::shared().await?;
    let started = OPERATOR.get_or_init(|| async { ready(plane).await.map_err(|error| format!("{error:#}")) }).await;
    started.as_ref().map_err(|error| anyhow!("{error}"))
}

async fn ready(plane: &ControlPlane) -> Result<Operator> {
    let operator = install(plane).await?.start()?;
    operator.wait_ready(PATIENCE).await?;
    Ok(operator)
}

/// What an administrator installs, and how an operator is started under its own account.
pub(crate) async fn install(plane: &ControlPlane) -> Result<Setup> {
    plane.kubectl(&["apply", "--server-side", "-f", &path("crds").to_string_lossy()]).await?.ok()?;
    plane.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]).await?.ok()?;
    plane.apply(&std::fs::read_to_string(path("charts/firstline/files/rbac.yaml"))?).await?;
    let kubeconfig = plane.kubeconfig_for_service_account(SYSTEM, ACCOUNT).await?;
    let data = plane.folder().join("data");
    let setup = Setup::new("operator", &kubeconfig)?;
    let flags =
        ["--data", &data.to_string_lossy(), "--allow-file-sources", "--allow-loopback-probes", "--log-format", "text"];
    Ok(setup.arguments(&flags))
}

const ACCOUNT_OF_A_TEAM: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: ${NAME}, namespace: ${SYSTEM}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: ${NAME}, namespace: ${NAMESPACE}}
rules:
  - apiGroups: [firstline.dev]
    resources: [svcmonitors]
    verbs: [get, list, create, patch, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: ${NAME}, namespace: ${NAMESPACE}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: ${NAME}}
subjects: [{kind: ServiceAccount, name: ${NAME}, namespace: ${SYSTEM}}]
";
