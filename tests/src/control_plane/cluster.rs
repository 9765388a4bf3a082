//! A cluster that somebody may administer: kubeconfigs for its people and accounts, kubectl, clients.
//!
//! It may be a control plane of ours or one that was there before; nothing here starts or ends a server.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::{
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::{Namespace, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, api::PostParams};

use super::{
    Binaries, Kubectl, Output, client,
    kubeconfig::{self, Identity},
};
use crate::scratch;

/// A cluster, through the kubeconfig of an administrator.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    kubectl: PathBuf,
}

impl AsRef<Self> for Cluster {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Cluster {
    pub(super) fn new(folder: PathBuf, kubectl: &Path) -> Self {
        Self { folder, kubectl: kubectl.to_owned() }
    }

    /// The cluster that a context of the user's own kubeconfig names. What is needed of that file is copied.
    ///
    /// # Errors
    /// When there is no such context.
    pub async fn existing(context: &str) -> Result<Self> {
        let binaries = tokio::task::spawn_blocking(Binaries::find).await??;
        let cluster = Self::new(scratch::folder("cluster"), &binaries.kubectl);
        let arguments = ["config", "view", "--minify", "--flatten", "--raw", "-o", "json", "--context", context];
        let view = tokio::process::Command::new(&binaries.kubectl).args(arguments).output().await?;
        if !view.status.success() {
            anyhow::bail!("no context {context}: {}", String::from_utf8_lossy(&view.stderr).trim());
        }
        kubeconfig::write_private(&cluster.admin_kubeconfig(), &serde_json::from_slice(&view.stdout)?)?;
        Ok(cluster)
    }

    /// The scratch folder: kubeconfigs and, of a control plane of ours, `etcd.log`, `kube-apiserver.log`, `audit.log`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A kubeconfig of an administrator (`admin`, group `system:masters`).
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// A client of the administrator. A client belongs to the runtime that made
    /// it: make one per test, do not share it.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn client(&self) -> Result<Client> {
        client(&self.admin_kubeconfig()).await
    }

    /// A client of a person: someone without rights but those that RBAC grants to
    /// this user or these groups (`system:authenticated` is added by the server).
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client> {
        client(&self.kubeconfig_as(user, groups)?).await
    }

    /// A kubeconfig of such a person.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig_as(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let groups = groups.iter().map(|g| (*g).to_owned()).collect();
        self.write_kubeconfig("person", &Identity::Person { user: user.to_owned(), groups })
    }

    /// A kubeconfig with a token of this ServiceAccount, by TokenRequest, valid
    /// for a day. The account has to exist: see [`Self::service_account`].
    ///
    /// # Errors
    /// When the account does not exist.
    pub async fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            metadata: ObjectMeta::default(),
            spec: Some(TokenRequestSpec { expiration_seconds: Some(86_400), ..TokenRequestSpec::default() }),
            status: None,
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .with_context(|| format!("a token for ServiceAccount {namespace}/{name}"))?;
        let token = answer.status.and_then(|status| status.token).context("the answer has no token")?;
        self.write_kubeconfig("service-account", &Identity::Token(token))
    }

    /// Creates a ServiceAccount, unless it exists.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn service_account(&self, namespace: &str, name: &str) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let account = ServiceAccount { metadata: named(name), ..ServiceAccount::default() };
        match accounts.create(&PostParams::default(), &account).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            answer => answer.map(|_| ()).with_context(|| format!("ServiceAccount {namespace}/{name}")),
        }
    }

    /// Creates a namespace whose name starts with `prefix` and that no other test
    /// uses, and gives the name.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        let name = crate::unique_name(prefix);
        let namespace = Namespace { metadata: named(&name), ..Namespace::default() };
        Api::<Namespace>::all(self.client().await?).create(&PostParams::default(), &namespace).await?;
        Ok(name)
    }

    /// kubectl of the administrator.
    ///
    /// # Errors
    /// When it cannot run; see [`Kubectl::run`].
    pub async fn kubectl<S: AsRef<str>>(&self, arguments: &[S]) -> Result<Output> {
        self.kubectl_with(&self.admin_kubeconfig()).run(arguments).await
    }

    /// kubectl of a person, see [`Self::client_as`].
    ///
    /// # Errors
    /// When it cannot run.
    pub async fn kubectl_as<S: AsRef<str>>(&self, user: &str, groups: &[&str], arguments: &[S]) -> Result<Output> {
        self.kubectl_with(&self.kubeconfig_as(user, groups)?).run(arguments).await
    }

    /// kubectl with any kubeconfig, also for stdin and for its environment.
    pub fn kubectl_with(&self, kubeconfig: &Path) -> Kubectl {
        Kubectl::new(&self.kubectl, &self.folder, kubeconfig)
    }

    /// `kubectl apply -f -` (server side, as the administrator) of this YAML.
    ///
    /// # Errors
    /// When kubectl fails.
    pub async fn apply(&self, yaml: &str) -> Result<String> {
        let kubectl = self.kubectl_with(&self.admin_kubeconfig());
        kubectl.run_with_input(&["apply", "--server-side", "-f", "-"], yaml).await?.ok()
    }

    fn write_kubeconfig(&self, name: &str, identity: &Identity) -> Result<PathBuf> {
        let path = self.folder.join(format!("{}.kubeconfig", crate::unique_name(name)));
        kubeconfig::derive(&self.admin_kubeconfig(), &path, identity)?;
        Ok(path)
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}
