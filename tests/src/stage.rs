//! Acme on a stage: everything that a scenario or the demo needs around one operator.
//!
//! A control plane for itself with our CRDs, admission policies and roles; a mail server; a shop that is
//! probed; a Git repository made from `examples/acme/demo` with the addresses of this run filled in; and
//! the Secrets beside it. Scenarios differ by what they commit and by what they break.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use axum::http::Request;
use kube::Client;
use serde_json::{Value, json};

use crate::{
    control_plane::Cluster,
    eventually,
    git_server::GitServer,
    lent::{Lent, furnish},
    mail::MailServer,
    operator::{Operator, Setup},
    web::WebService,
};

/// The operator's namespace and account, as the chart names them.
pub const SYSTEM: &str = "firstline-system";
/// The operator's account.
pub const ACCOUNT: &str = "firstline";
/// The namespace of Acme's payments team.
pub const TEAM: &str = "payments";
/// Long enough for a slow machine, short enough to notice.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Everything around one operator.
pub struct Stage<P = Lent> {
    /// The cluster.
    pub plane: P,
    /// Where pages arrive.
    pub mail: MailServer,
    /// What is probed.
    pub shop: WebService,
    /// What is applied.
    pub git: GitServer,
    /// Where the demo's files are, with this run's addresses.
    pub files: Vec<(String, String)>,
    /// What waits for an object looks at it twenty times a second, for which a kubectl each would cost more than all else.
    admin: Client,
}

impl Stage {
    /// Starts the parts and installs what an administrator would; no operator runs yet.
    pub async fn build(name: &str) -> Result<Self> {
        Self::furnished(Lent::take(), name).await
    }

    /// The whole stage with a ready operator and Acme applied, both monitors Up.
    pub async fn running(name: &str) -> Result<(Self, Setup, Operator)> {
        let stage = Self::build(name).await?;
        let (setup, operator) = stage.start(name).await?;
        stage.commit_acme().await?;
        stage.wait_for_state("checkout", "Up").await?;
        stage.wait_for_state("checkout-port", "Up").await?;
        Ok((stage, setup, operator))
    }
}

impl<P: AsRef<Cluster>> Stage<P> {
    /// The same on any cluster, to which our kinds are made known first.
    pub async fn on(plane: P, name: &str) -> Result<Self> {
        furnish(plane.as_ref()).await.context("installing CRDs and admission policies")?;
        Self::furnished(async { Ok(plane) }, name).await
    }

    async fn furnished(plane: impl Future<Output = Result<P>>, name: &str) -> Result<Self> {
        let (plane, mail, shop) = tokio::try_join!(plane, MailServer::start(), WebService::start())?;
        let (git, admin) = (GitServer::new(name)?, plane.as_ref().client().await?);
        let mut stage = Self { plane, mail, shop, git, files: Vec::new(), admin };
        stage.files = stage.demo_files()?;
        stage.install().await.context("installing roles and Secrets")?;
        Ok(stage)
    }

    /// Namespaces, accounts and their roles, Secrets: what a team's administrator applies.
    async fn install(&self) -> Result<()> {
        let cluster = self.cluster();
        cluster.apply(&std::fs::read_to_string(path("charts/firstline/files/rbac.yaml"))?).await?;
        cluster.kubectl(&["create", "namespace", TEAM]).await?.ok()?;
        cluster.apply(&self.secrets()).await?;
        cluster.apply(SYNC_ROLE).await.map(drop)
    }

    /// The cluster, whoever started it.
    pub fn cluster(&self) -> &Cluster {
        self.plane.as_ref()
    }

    fn secrets(&self) -> String {
        let smtp = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "smtp", "namespace": TEAM, "labels": {"firstline.dev/use": "notify"}},
            "stringData": {"username": MailServer::USER, "password": self.mail.password(), "ca.crt": self.mail.ca_pem()},
        });
        smtp.to_string()
    }

    fn demo_files(&self) -> Result<Vec<(String, String)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path("examples/acme/demo"))? {
            let file = entry?.path();
            let name = file.file_name().and_then(|name| name.to_str()).context("a file without a name")?.to_owned();
            files.push((name, self.fill(&std::fs::read_to_string(&file)?)));
        }
        files.sort();
        ensure!(!files.is_empty(), "examples/acme/demo is empty");
        Ok(files)
    }

    /// Puts this run's addresses in the place of those in the example.
    pub fn fill(&self, text: &str) -> String {
        text.replace("127.0.0.1:1025", &format!("127.0.0.1:{}", self.mail.smtp_port()))
            .replace("127.0.0.1:8081", &self.shop.address().to_string())
    }

    /// Commits Acme's demo and tells the operator where it is. Returns the commit.
    pub async fn commit_acme(&self) -> Result<String> {
        let files: Vec<(&str, &str)> = self.files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let commit = self.git.commit(&files, "Acme's support as code")?;
        self.cluster().apply(&source(&self.git.file_url())).await?;
        Ok(commit)
    }

    /// How an operator is started here: under its own ServiceAccount, on this stage's cluster.
    pub async fn setup(&self, name: &str) -> Result<Setup> {
        let kubeconfig = self.cluster().kubeconfig_for_service_account(SYSTEM, ACCOUNT).await?;
        let data = self.cluster().folder().join(format!("data-{name}"));
        let setup = Setup::new(name, &kubeconfig)?;
        Ok(setup.arguments(&[
            "--data",
            &data.to_string_lossy(),
            "--allow-file-sources",
            "--allow-loopback-probes",
            "--log-format",
            "text",
        ]))
    }

    /// Starts an operator and waits until it is ready.
    pub async fn start(&self, name: &str) -> Result<(Setup, Operator)> {
        let setup = self.setup(name).await?;
        let operator = setup.start()?;
        operator.wait_ready(PATIENCE).await?;
        Ok((setup, operator))
    }

    /// One object as JSON.
    pub async fn get(&self, resource: &str, name: &str) -> Result<Value> {
        self.get_in(TEAM, resource, name).await
    }

    /// One object of a namespace as JSON.
    pub async fn get_in(&self, namespace: &str, resource: &str, name: &str) -> Result<Value> {
        self.read(&format!("{}/{name}", collection(namespace, resource))).await
    }

    /// All objects of a kind in the team's namespace.
    pub async fn list(&self, resource: &str) -> Result<Vec<Value>> {
        match self.read(&collection(TEAM, resource)).await?["items"].take() {
            Value::Array(items) => Ok(items),
            other => bail!("expected a list of {resource}, found {other}"),
        }
    }

    async fn read(&self, path: &str) -> Result<Value> {
        self.admin.request(Request::get(path).body(Vec::new())?).await.with_context(|| format!("GET {path}"))
    }

    /// Waits until a monitor's state is this word.
    pub async fn wait_for_state(&self, monitor: &str, state: &str) -> Result<Value> {
        eventually(PATIENCE, &format!("monitor {monitor} is {state}"), || async {
            let object = self.get("svcmonitors.firstline.dev", monitor).await?;
            ensure!(object["status"]["state"] == state, "its status is {}", object["status"]);
            Ok(object)
        })
        .await
    }

    /// Waits for the ticket of a service to fulfil a wish; returns it.
    pub async fn wait_for_ticket(&self, service: &str, what: &str, wish: impl Fn(&Value) -> bool) -> Result<Value> {
        eventually(PATIENCE, &format!("the ticket of {service}: {what}"), || async {
            let tickets = self.list("tickets").await?;
            let of_service = |ticket: &&Value| ticket["metadata"]["labels"]["service"] == service;
            let ticket = tickets
                .iter()
                .filter(of_service)
                .max_by_key(|ticket| ticket["metadata"]["creationTimestamp"].as_str().map(str::to_owned));
            let ticket = ticket.with_context(|| format!("there is none among {}", tickets.len()))?;
            ensure!(wish(ticket), "its status is {}", serde_json::to_string(&ticket["status"])?);
            Ok(ticket.clone())
        })
        .await
    }
}

/// Where the API server keeps a resource, named as for kubectl: `leases.coordination.k8s.io`; ours also by its plural alone.
fn collection(namespace: &str, resource: &str) -> String {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, "firstline.dev"));
    let version = if group == "firstline.dev" { "v1alpha1" } else { "v1" };
    format!("/apis/{group}/{version}/namespaces/{namespace}/{plural}")
}

/// A file of the repository this was built from.
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).join(relative)
}

/// A GitSource over this URL that applies to the team's namespace as the account `support-sync`.
pub fn source(url: &str) -> String {
    json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "GitSource",
        "metadata": {"name": "acme", "namespace": SYSTEM},
        "spec": {
            "url": url, "ref": {"branch": "main"}, "path": "./", "interval": "1s", "timeout": "20s",
            "apply": {"namespaces": [TEAM], "serviceAccountName": "support-sync"},
            "prune": {"enabled": true},
        },
    })
    .to_string()
}

/// The account that applies Acme's commits, and what it may write: the kinds that live in Git, in one namespace.
const SYNC_ROLE: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: support-sync, namespace: firstline-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: support-sync, namespace: payments}
rules:
  - apiGroups: [firstline.dev]
    resources: [supportpolicies, svcmonitors, compliancerules, vendorcontacts, tickets]
    verbs: [get, list, create, patch, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: support-sync, namespace: payments}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: support-sync}
subjects: [{kind: ServiceAccount, name: support-sync, namespace: firstline-system}]
";
