//! Acme on a stage: everything that a scenario or the demo needs around one operator.
//!
//! A control plane of its own with our CRDs, admission policies and roles; a mail server; a shop that is
//! probed; a Git repository made from `examples/acme/demo` with the addresses of this run filled in; and
//! the Secrets beside it. Scenarios differ by what they commit and by what they break.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    control_plane::{Cluster, ControlPlane},
    eventually,
    git_server::GitServer,
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
pub struct Stage<P = ControlPlane> {
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
}

impl Stage {
    /// Starts the parts and installs what an administrator would; no operator runs yet.
    pub async fn build(name: &str) -> Result<Self> {
        Self::on(ControlPlane::start(), name).await
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

impl<P: Deref<Target = Cluster>> Stage<P> {
    /// The same on any cluster.
    pub async fn on(plane: impl Future<Output = Result<P>>, name: &str) -> Result<Self> {
        let (plane, mail, shop) = tokio::try_join!(plane, MailServer::start(), WebService::start())?;
        let git = GitServer::new(name)?;
        let mut stage = Self { plane, mail, shop, git, files: Vec::new() };
        stage.files = stage.demo_files()?;
        stage.install().await.context("installing CRDs, roles and Secrets")?;
        Ok(stage)
    }

    /// CRDs and admission policies, roles, namespaces, Secrets: what `kubectl apply -f crds/` and the chart do.
    async fn install(&self) -> Result<()> {
        self.plane.kubectl(&["apply", "--server-side", "-f", &path("crds").to_string_lossy()]).await?.ok()?;
        self.plane.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]).await?.ok()?;
        self.plane.apply(&std::fs::read_to_string(path("charts/firstline/files/rbac.yaml"))?).await?;
        self.plane.kubectl(&["create", "namespace", TEAM]).await?.ok()?;
        self.plane.apply(&self.secrets()).await?;
        self.plane.apply(SYNC_ROLE).await?;
        self.wait_for_authors().await
    }

    /// Waits until the server fills in who wrote a TicketEvent. Until its admission has fetched the schema of kinds
    /// that are new, which it looks for every five seconds, such a create is answered with 503.
    async fn wait_for_authors(&self) -> Result<()> {
        let event = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "TicketEvent",
            "metadata": {"name": "is-the-author-filled-in", "namespace": TEAM},
            "spec": {"ticket": "none", "acknowledge": true},
        });
        let kubectl = self.plane.kubectl_with(&self.plane.admin_kubeconfig());
        let create = ["create", "--dry-run=server", "-o", "jsonpath={.spec.author}", "-f", "-"];
        eventually(PATIENCE, "the author of an event filled in by the server", || async {
            let author = kubectl.run_with_input(&create, &event.to_string()).await?.ok()?;
            ensure!(!author.is_empty(), "it is empty");
            Ok(())
        })
        .await
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
        self.plane.apply(&source(&self.git.file_url())).await?;
        Ok(commit)
    }

    /// How an operator is started here: under its own ServiceAccount, on this stage's cluster.
    pub async fn setup(&self, name: &str) -> Result<Setup> {
        let kubeconfig = self.plane.kubeconfig_for_service_account(SYSTEM, ACCOUNT).await?;
        let data = self.plane.folder().join(format!("data-{name}"));
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
        let text = self.plane.kubectl(&["-n", namespace, "get", resource, name, "-o", "json"]).await?.ok()?;
        Ok(serde_json::from_str(&text)?)
    }

    /// All objects of a kind in the team's namespace.
    pub async fn list(&self, resource: &str) -> Result<Vec<Value>> {
        let text = self.plane.kubectl(&["-n", TEAM, "get", resource, "-o", "json"]).await?.ok()?;
        let mut list: Value = serde_json::from_str(&text)?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            other => bail!("expected a list of {resource}, found {other}"),
        }
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
