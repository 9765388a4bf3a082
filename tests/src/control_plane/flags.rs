//! How etcd and kube-apiserver are started, and the files they read.

use std::{path::Path, process::Command};

use anyhow::Result;

use super::{Binaries, Ports, bare, write};
use crate::tls::Authority;

/// Every request, without bodies, once it has been answered (a watch also when
/// it begins).
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
";

/// Writes what the flags below name.
pub(super) fn write_files(folder: &Path, authority: &Authority, admin_token: &str) -> Result<()> {
    let serving = authority.loopback()?;
    write(folder, "serving.crt", &serving.certificate)?;
    write(folder, "serving.key", &serving.key)?;
    // Signs the tokens of ServiceAccounts.
    let key = rcgen::KeyPair::generate()?;
    write(folder, "sa.key", &key.serialize_pem())?;
    write(folder, "sa.pub", &key.public_key_pem())?;
    write(folder, "tokens.csv", &format!("{admin_token},admin,admin,\"system:masters\"\n"))?;
    write(folder, "audit-policy.yaml", AUDIT_POLICY)
}

pub(super) fn etcd(binaries: &Binaries, folder: &Path, ports: &Ports) -> Command {
    let client = format!("http://{}", ports.etcd.address());
    let peer = format!("http://{}", ports.etcd_peer.address());
    let mut command = bare(&binaries.etcd, folder);
    command
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .arg(format!("--listen-client-urls={client}"))
        .arg(format!("--advertise-client-urls={client}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"))
        .arg(format!("--initial-cluster=default={peer}"))
        // The data lives as long as the test; a crash of the machine may lose it.
        .arg("--unsafe-no-fsync=true")
        .arg("--log-level=warn");
    command
}

pub(super) fn apiserver(binaries: &Binaries, folder: &Path, ports: &Ports) -> Command {
    let file = |name: &str| folder.join(name).display().to_string();
    let mut command = bare(&binaries.kube_apiserver, folder);
    // It would collect garbage a dozen times while it starts: 4.4 s of a core until it is ready, 3.2 s with this.
    command
        .env("GOGC", "400")
        .arg(format!("--etcd-servers=http://{}", ports.etcd.address()))
        .arg("--bind-address=127.0.0.1")
        .arg(format!("--secure-port={}", ports.apiserver.number()))
        // Without these two it looks for a default route and writes Endpoints.
        .arg("--advertise-address=127.0.0.1")
        .arg("--endpoint-reconciler-type=none")
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg(format!("--tls-cert-file={}", file("serving.crt")))
        .arg(format!("--tls-private-key-file={}", file("serving.key")))
        .arg(format!("--cert-dir={}", folder.display()))
        .arg(format!("--token-auth-file={}", file("tokens.csv")))
        .arg("--anonymous-auth=false")
        .arg("--authorization-mode=RBAC")
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(format!("--service-account-key-file={}", file("sa.pub")))
        .arg(format!("--service-account-signing-key-file={}", file("sa.key")))
        // It would wait for `default` accounts, which a controller-manager makes.
        .arg("--disable-admission-plugins=ServiceAccount")
        .arg("--allow-privileged=true")
        .arg(format!("--audit-policy-file={}", file("audit-policy.yaml")))
        .arg(format!("--audit-log-path={}", file("audit.log")))
        .arg("--audit-log-mode=blocking")
        // MB; never rotated, so that a mark is an offset into one file.
        .arg("--audit-log-maxsize=100000")
        .arg("--audit-log-format=json")
        .arg("--profiling=false");
    command
}
