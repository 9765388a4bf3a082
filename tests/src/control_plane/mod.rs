//! A real etcd and kube-apiserver on loopback: RBAC, tokens, audit log.
//!
//! There is no controller-manager, so nothing collects garbage, deletes
//! namespaces' contents, makes `default` service accounts, or fills the
//! aggregated roles `view`, `edit` and `admin` (they grant nothing here). Use a
//! new namespace per test ([`ControlPlane::namespace`]) and do not wait for its
//! deletion.

mod audit;
mod binaries;
mod flags;
mod kubeconfig;
mod kubectl;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use k8s_openapi::{
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::{Namespace, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, api::PostParams};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::{child::Running, ports::Port, scratch, tls::Authority};

pub use self::{
    audit::{Audit, Mark, Request, Requests},
    binaries::{Binaries, mailpit},
    kubeconfig::Identity,
    kubectl::{Kubectl, Output},
};

/// Until each server answers. It takes 4 s on two idle cores; a machine that is
/// busy compiling needs its time.
const START: Duration = Duration::from_secs(90);

/// A running control plane. Dropping it ends both servers.
pub struct ControlPlane {
    folder: PathBuf,
    binaries: Binaries,
    ca_pem: String,
    admin_token: String,
    ports: Ports,
    apiserver: Mutex<Option<Running>>,
    etcd: Mutex<Running>,
}

#[derive(Debug)]
struct Ports {
    etcd: Port,
    etcd_peer: Port,
    apiserver: Port,
}

impl ControlPlane {
    /// Starts both and returns when the API server is ready and has its default
    /// namespace.
    ///
    /// # Errors
    /// When a program is missing, or a server ends or is not ready in time; with
    /// the end of its log.
    pub async fn start() -> Result<Self> {
        let binaries = tokio::task::spawn_blocking(Binaries::find).await??;
        let folder = scratch::folder("control-plane");
        let authority = Authority::new("firstline-tests")?;
        let admin_token = uuid::Uuid::new_v4().simple().to_string();
        flags::write_files(&folder, &authority, &admin_token)?;
        let ports = Ports { etcd: Port::reserve()?, etcd_peer: Port::reserve()?, apiserver: Port::reserve()? };

        let etcd = Running::start("etcd", flags::etcd(&binaries, &folder, &ports), &folder.join("etcd.log"))?;
        let plane = Self {
            folder,
            binaries,
            ca_pem: authority.pem().to_owned(),
            admin_token,
            ports,
            apiserver: Mutex::new(None),
            etcd: Mutex::new(etcd),
        };
        let admin = Identity { token: plane.admin_token.clone(), acting_as: None };
        plane.write_kubeconfig("admin", &admin)?;
        // The API server retries until etcd is there, so both start at once.
        plane.start_apiserver().await?;
        Ok(plane)
    }

    /// `https://127.0.0.1:PORT`.
    pub fn server(&self) -> String {
        format!("https://{}", self.ports.apiserver.address())
    }

    /// What clients trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The scratch folder with `etcd.log`, `kube-apiserver.log`, `audit.log`.
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
        let identity = Identity { token: self.admin_token.clone(), acting_as: Some((user.to_owned(), groups)) };
        self.write_kubeconfig("person", &identity)
    }

    /// A kubeconfig with a token of this ServiceAccount, by TokenRequest, valid
    /// for a day. The account has to exist: see [`ControlPlane::service_account`].
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
        self.write_kubeconfig("service-account", &Identity { token, acting_as: None })
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

    /// kubectl of a person, see [`ControlPlane::client_as`].
    ///
    /// # Errors
    /// When it cannot run.
    pub async fn kubectl_as<S: AsRef<str>>(&self, user: &str, groups: &[&str], arguments: &[S]) -> Result<Output> {
        self.kubectl_with(&self.kubeconfig_as(user, groups)?).run(arguments).await
    }

    /// kubectl with any kubeconfig, also for stdin and for its environment.
    pub fn kubectl_with(&self, kubeconfig: &Path) -> Kubectl {
        Kubectl::new(&self.binaries.kubectl, &self.folder, kubeconfig)
    }

    /// `kubectl apply -f -` (server side, as the administrator) of this YAML.
    ///
    /// # Errors
    /// When kubectl fails.
    pub async fn apply(&self, yaml: &str) -> Result<String> {
        let kubectl = self.kubectl_with(&self.admin_kubeconfig());
        kubectl.run_with_input(&["apply", "--server-side", "-f", "-"], yaml).await?.ok()
    }

    /// The ledger of requests.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn audit(&self) -> Result<Audit> {
        Ok(Audit {
            log: self.folder.join("audit.log"),
            client: self.http_client()?,
            server: self.server(),
            admin_token: self.admin_token.clone(),
        })
    }

    /// `kill -9` of the API server. Its port stays reserved.
    ///
    /// Not for the [`shared`] control plane: other tests are using it.
    pub fn stop_apiserver(&self) {
        if let Some(mut running) = self.apiserver.lock().take() {
            running.kill9();
        }
    }

    /// SIGSTOP: it accepts connections and answers nothing.
    pub fn pause_apiserver(&self) {
        if let Some(running) = self.apiserver.lock().as_mut() {
            running.signal(libc::SIGSTOP);
        }
    }

    /// SIGCONT.
    pub fn resume_apiserver(&self) {
        if let Some(running) = self.apiserver.lock().as_mut() {
            running.signal(libc::SIGCONT);
        }
    }

    /// Starts the API server again, on the same port, and waits until it is ready.
    ///
    /// # Errors
    /// When it already runs, ends, or is not ready in time.
    pub async fn start_apiserver(&self) -> Result<()> {
        if self.apiserver.lock().is_some() {
            bail!("kube-apiserver already runs; stop_apiserver() first");
        }
        let command = flags::apiserver(&self.binaries, &self.folder, &self.ports);
        let running = Running::start("kube-apiserver", command, &self.folder.join("kube-apiserver.log"))?;
        *self.apiserver.lock() = Some(running);
        self.wait_ready().await
    }

    /// Process ids of etcd and, when it runs, the API server.
    pub fn pids(&self) -> Vec<u32> {
        std::iter::once(self.etcd.lock().pid()).chain(self.apiserver.lock().as_ref().map(Running::pid)).collect()
    }

    /// `/readyz` includes the bootstrap of RBAC. The default namespace comes a
    /// moment later, from a controller in the API server.
    async fn wait_ready(&self) -> Result<()> {
        let http = self.http_client()?;
        let end = std::time::Instant::now() + START;
        loop {
            let seen = match self.answers(&http).await {
                Ok(()) => return Ok(()),
                Err(seen) => seen,
            };
            self.etcd.lock().check_alive()?;
            if let Some(running) = self.apiserver.lock().as_mut() {
                running.check_alive()?;
            }
            if std::time::Instant::now() > end {
                let log = crate::child::tail(&self.folder.join("kube-apiserver.log"), 30);
                return Err(anyhow!(
                    "kube-apiserver is not ready after {START:?}: {seen:#}; {log}\n{}",
                    self.etcd.lock().tail(10)
                ));
            }
            tokio::time::sleep(crate::wait::POLL).await;
        }
    }

    async fn answers(&self, http: &reqwest::Client) -> Result<()> {
        for path in ["/readyz", "/api/v1/namespaces/default"] {
            let url = format!("{}{path}", self.server());
            let answer = http.get(url).bearer_auth(&self.admin_token).timeout(Duration::from_secs(5)).send().await?;
            if !answer.status().is_success() {
                bail!("{path} answers {}", answer.status());
            }
        }
        Ok(())
    }

    fn http_client(&self) -> Result<reqwest::Client> {
        let ca = reqwest::Certificate::from_pem(self.ca_pem.as_bytes())?;
        Ok(reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build()?)
    }

    fn write_kubeconfig(&self, name: &str, identity: &Identity) -> Result<PathBuf> {
        let file = if name == "admin" { name.to_owned() } else { crate::unique_name(name) };
        let path = self.folder.join(format!("{file}.kubeconfig"));
        kubeconfig::write(path, &self.server(), &self.ca_pem, identity)
    }
}

/// A client for any kubeconfig file.
///
/// # Errors
/// When the file cannot be used.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let config = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(config, &kube::config::KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// The control plane of this test program, started by the first caller and ended
/// with the program. The right one for every test that does not stop it.
///
/// # Errors
/// When it could not be started; every caller gets the same error.
pub async fn shared() -> Result<&'static ControlPlane> {
    static SHARED: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();
    let started = SHARED.get_or_init(|| async { ControlPlane::start().await.map_err(|e| format!("{e:#}")) }).await;
    started.as_ref().map_err(|e| anyhow!("{e}"))
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

/// A command without our environment's proxies and Go settings.
fn bare(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", folder).env("PATH", "/usr/bin:/bin").current_dir(folder);
    command
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| path.display().to_string())
}
