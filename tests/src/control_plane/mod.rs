//! A real etcd and kube-apiserver on loopback: RBAC, tokens, audit log.
//!
//! There is no controller-manager, so nothing collects garbage, deletes
//! namespaces' contents, makes `default` service accounts, or fills the
//! aggregated roles `view`, `edit` and `admin` (they grant nothing here). Use a
//! new namespace per test ([`ControlPlane::namespace`]) and do not wait for its
//! deletion.

mod audit;
mod binaries;
mod cluster;
mod flags;
mod kubeconfig;
mod kubectl;

use std::{fs, ops::Deref, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use kube::Client;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::{child::Running, ports::Port, scratch, tls::Authority};

pub use self::{
    audit::{Audit, Mark, Request, Requests},
    binaries::{Binaries, mailpit},
    cluster::Cluster,
    kubectl::{Kubectl, Output},
};

/// Until each server answers. It takes 4 s on two idle cores; a machine that is
/// busy compiling needs its time.
const START: Duration = Duration::from_secs(90);

/// A running control plane. Dropping it ends both servers.
pub struct ControlPlane {
    cluster: Cluster,
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
            cluster: Cluster::new(folder, &binaries.kubectl),
            binaries,
            ca_pem: authority.pem().to_owned(),
            admin_token,
            ports,
            apiserver: Mutex::new(None),
            etcd: Mutex::new(etcd),
        };
        kubeconfig::write_admin(
            &plane.cluster.admin_kubeconfig(),
            &plane.server(),
            authority.pem(),
            &plane.admin_token,
        )?;
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

    /// The ledger of requests.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn audit(&self) -> Result<Audit> {
        Ok(Audit {
            log: self.cluster.folder().join("audit.log"),
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
        let command = flags::apiserver(&self.binaries, self.cluster.folder(), &self.ports);
        let running = Running::start("kube-apiserver", command, &self.cluster.folder().join("kube-apiserver.log"))?;
        *self.apiserver.lock() = Some(running);
        self.wait_ready().await
    }

    /// etcd takes no writes from now on, as when its disk quota is used up; reads and deletions go on. `false` ends it.
    ///
    /// # Errors
    /// When etcd does not do so.
    pub async fn etcd_read_only(&self, read_only: bool) -> Result<()> {
        let ask = async |path: &str, body: serde_json::Value| -> Result<serde_json::Value> {
            let url = format!("http://{}/v3/{path}", self.ports.etcd.address());
            let answer = self.http_client()?.post(url).body(body.to_string()).send().await?.error_for_status()?;
            Ok(serde_json::from_str(&answer.text().await?)?)
        };
        let status = ask("maintenance/status", serde_json::json!({})).await?;
        let action = if read_only { "ACTIVATE" } else { "DEACTIVATE" };
        let member = &status["header"]["member_id"];
        ask("maintenance/alarm", serde_json::json!({"action": action, "memberID": member, "alarm": "NOSPACE"})).await?;
        Ok(())
    }

    /// Whether nobody has stopped the API server, or not for good.
    pub(crate) fn is_up(&self) -> bool {
        self.apiserver.lock().is_some()
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
                let log = crate::child::tail(&self.cluster.folder().join("kube-apiserver.log"), 30);
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
}

impl Deref for ControlPlane {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl AsRef<Cluster> for ControlPlane {
    fn as_ref(&self) -> &Cluster {
        &self.cluster
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
