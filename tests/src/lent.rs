//! Control planes with Firstline's kinds, lent to one scenario after the other.
//!
//! To start one and to make our kinds known to it costs about ten seconds of a core, more than most scenarios need
//! themselves. A scenario has it for itself and may stop and pause its servers. What it leaves is removed before the next
//! one gets it: its namespaces with all that is in them, and its files. One that cannot be brought back to what it was at
//! first is ended, and the next scenario gets a new one.
//!
//! Tests of the harness and of the kinds themselves do not borrow.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Deref,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use axum::http::{Method, Request};
use kube::Client;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    child,
    control_plane::{Cluster, ControlPlane},
    eventually,
    stage::{PATIENCE, path},
};

/// Until one that was given back is clean. It takes less than a second.
const CLEAN: Duration = Duration::from_secs(20);

/// What concerns the whole cluster and has to be as it was at first.
const OF_THE_CLUSTER: [&str; 7] = [
    "apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
    "apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings",
    "apis/rbac.authorization.k8s.io/v1/clusterroles",
    "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
];

/// What scenarios and operators make in a namespace, beside our kinds: nothing else collects it here.
const IN_A_NAMESPACE: [(&str, &str); 8] = [
    ("api/v1", "configmaps"),
    ("api/v1", "secrets"),
    ("api/v1", "events"),
    ("api/v1", "serviceaccounts"),
    ("apis/apps/v1", "controllerrevisions"),
    ("apis/coordination.k8s.io/v1", "leases"),
    ("apis/rbac.authorization.k8s.io/v1", "roles"),
    ("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
];

const OURS: &str = "apis/firstline.dev/v1alpha1";

/// Those that nobody has now.
static IDLE: Mutex<Vec<Furnished>> = Mutex::new(Vec::new());

/// A control plane of one scenario. Dropping it gives it back.
pub struct Lent(Option<Furnished>);

/// One with our kinds, and what it was like before anybody used it.
struct Furnished {
    plane: ControlPlane,
    /// Objects that concern the whole cluster, by path and name, with their version.
    objects: BTreeMap<String, String>,
    /// Those of the server itself; the operator's is not among them.
    namespaces: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Lent {
    /// One that is as good as new.
    ///
    /// # Errors
    /// When a new one cannot be started.
    pub async fn take() -> Result<Self> {
        loop {
            let idle = IDLE.lock().pop();
            let Some(one) = idle else { return Ok(Self(Some(Furnished::new().await?))) };
            match tokio::time::timeout(CLEAN, one.clean()).await {
                Ok(Ok(())) => return Ok(Self(Some(one))),
                Ok(Err(why)) => eprintln!("a control plane is not lent again: {why:#}"),
                Err(_) => eprintln!("a control plane is not lent again: it was not clean within {CLEAN:?}"),
            }
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        IDLE.lock().extend(self.0.take().filter(|one| one.plane.is_up()));
    }
}

impl Deref for Lent {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        &self.0.as_ref().expect("it is given back only when it is dropped").plane
    }
}

impl AsRef<Cluster> for Lent {
    fn as_ref(&self) -> &Cluster {
        self
    }
}

impl Furnished {
    async fn new() -> Result<Self> {
        let plane = ControlPlane::start().await?;
        let client = plane.client().await?;
        let namespaces = namespaces(&client).await?;
        furnish(&plane).await?;
        let (objects, files) = (of_the_cluster(&client).await?, files(&plane)?);
        Ok(Self { plane, objects, namespaces, files })
    }

    /// Removes what the last scenario has left.
    async fn clean(&self) -> Result<()> {
        eventually(CLEAN, "the end of those who use it", || async {
            let users = self.users();
            ensure!(users.is_empty(), "processes {users:?}");
            Ok(())
        })
        .await?;
        let client = self.plane.client().await?;
        let objects = of_the_cluster(&client).await?;
        for (path, version) in &self.objects {
            ensure!(objects.get(path) == Some(version), "{path} has changed");
        }
        for path in objects.keys().filter(|path| !self.objects.contains_key(*path)) {
            ensure!(path.contains("/clusterrole"), "{path} is new, and it may be in force for a while after its end");
            call(&client, Method::DELETE, path, &json!({})).await?;
        }
        for namespace in namespaces(&client).await? {
            empty(&client, &namespace, self.namespaces.contains(&namespace)).await.context(namespace)?;
        }
        for file in files(&self.plane)?.difference(&self.files) {
            let path = self.plane.folder().join(file);
            // kubectl's knowledge of the kinds stays true.
            let removed = match path.is_dir() {
                true if file == "cache" => Ok(()),
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            removed.with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// Children that still have something of it in their arguments or their environment, other than its servers.
    fn users(&self) -> Vec<u32> {
        let servers = self.plane.pids();
        let folder = self.plane.folder().to_string_lossy().into_owned();
        let names_it = |pid: &u32| {
            ["cmdline", "environ"].iter().any(|file| {
                let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                String::from_utf8_lossy(&text).contains(&folder)
            })
        };
        child::living().into_iter().filter(|pid| !servers.contains(pid) && names_it(pid)).collect()
    }
}

/// CRDs, admission policies and roles, in force: what an administrator installs once.
pub(crate) async fn furnish(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["apply", "--server-side", "-f", &path("crds").to_string_lossy()]).await?.ok()?;
    cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]).await?.ok()?;
    cluster.apply(&fs::read_to_string(path("charts/firstline/files/rbac.yaml"))?).await?;
    wait_for_authors(cluster).await
}

/// Waits until the server fills in who wrote a TicketEvent. Until its admission has fetched the schema of kinds
/// that are new, which it looks for every five seconds, such a create is answered with 503.
async fn wait_for_authors(cluster: &Cluster) -> Result<()> {
    let event = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "TicketEvent",
        "metadata": {"name": "is-the-author-filled-in", "namespace": "default"},
        "spec": {"ticket": "none", "acknowledge": true},
    });
    let kubectl = cluster.kubectl_with(&cluster.admin_kubeconfig());
    let create = ["create", "--dry-run=server", "-o", "jsonpath={.spec.author}", "-f", "-"];
    eventually(PATIENCE, "the author of an event filled in by the server", || async {
        let author = kubectl.run_with_input(&create, &event.to_string()).await?.ok()?;
        ensure!(!author.is_empty(), "it is empty");
        Ok(())
    })
    .await
}

async fn of_the_cluster(client: &Client) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for path in OF_THE_CLUSTER {
        for object in items(client, path).await? {
            let metadata = &object["metadata"];
            // The server itself writes the status of a CRD; its generation counts what others write.
            let version = if metadata["generation"].is_null() { "resourceVersion" } else { "generation" };
            let version = format!("{} {}", metadata["uid"], metadata[version]);
            found.insert(format!("{path}/{}", metadata["name"].as_str().unwrap_or_default()), version);
        }
    }
    Ok(found)
}

async fn namespaces(client: &Client) -> Result<BTreeSet<String>> {
    let all = items(client, "api/v1/namespaces").await?;
    Ok(all.iter().filter_map(|one| one["metadata"]["name"].as_str().map(str::to_owned)).collect())
}

/// Removes our kinds from a namespace that stays, and from another one everything, and it.
async fn empty(client: &Client, namespace: &str, stays: bool) -> Result<()> {
    let ours = call(client, Method::GET, OURS, &Value::Null).await?;
    let ours = ours["resources"].as_array().context("no kinds of ours")?.iter().filter_map(|one| one["name"].as_str());
    let ours = ours.filter(|plural| !plural.contains('/')).map(|plural| (OURS, plural.to_owned()));
    let rest = IN_A_NAMESPACE.iter().map(|(group, plural)| (*group, (*plural).to_owned()));
    for (group, plural) in ours.chain(rest.filter(|_| !stays)) {
        let all = format!("{group}/namespaces/{namespace}/{plural}");
        call(client, Method::DELETE, &all, &json!({"gracePeriodSeconds": 0})).await?;
        // Whoever would have taken its finalizer away has ended.
        for held in items(client, &all).await? {
            let name = held["metadata"]["name"].as_str().unwrap_or_default();
            call(client, Method::PATCH, &format!("{all}/{name}"), &json!({"metadata": {"finalizers": null}})).await?;
        }
    }
    if stays {
        return Ok(());
    }
    let path = format!("api/v1/namespaces/{namespace}");
    call(client, Method::DELETE, &path, &json!({})).await?;
    let end =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}, "spec": {"finalizers": []}});
    call(client, Method::PUT, &format!("{path}/finalize"), &end).await?;
    Ok(())
}

fn files(plane: &ControlPlane) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(plane.folder())? {
        names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

/// The items of a list.
async fn items(client: &Client, path: &str) -> Result<Vec<Value>> {
    match call(client, Method::GET, path, &Value::Null).await?["items"].take() {
        Value::Array(items) => Ok(items),
        other => bail!("{path}: expected a list, found {other}"),
    }
}

async fn call(client: &Client, method: Method, path: &str, body: &Value) -> Result<Value> {
    let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let text = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
    let what = format!("{method} /{path}");
    let request = Request::builder().method(method).uri(format!("/{path}")).header("content-type", kind).body(text)?;
    client.request(request).await.context(what)
}
