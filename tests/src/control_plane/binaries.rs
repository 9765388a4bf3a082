//! Where the servers' programs are: `KUBEBUILDER_ASSETS` when it is set, else
//! what `tests/cluster/build.sh` builds once into the user's cache.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};

const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// The programs of the control plane.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// etcd 3.6.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub kube_apiserver: PathBuf,
    /// kubectl.
    pub kubectl: PathBuf,
}

impl Binaries {
    /// Finds them, building what is missing. Minutes on the first run of a user,
    /// with progress on stderr; milliseconds afterwards.
    ///
    /// # Errors
    /// When one is missing and cannot be built; says what to do.
    pub fn find() -> Result<Self> {
        let folder = match std::env::var_os(ASSETS) {
            Some(folder) => PathBuf::from(folder),
            None => built()?,
        };
        Ok(Self {
            etcd: program(&folder, "etcd")?,
            kube_apiserver: program(&folder, "kube-apiserver")?,
            kubectl: program(&folder, "kubectl")?,
        })
    }
}

/// The mail server's program, built like the others.
///
/// # Errors
/// See [`Binaries::find`].
pub fn mailpit() -> Result<PathBuf> {
    program(&built()?, "mailpit")
}

fn program(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    if !path.is_file() {
        bail!(
            "{} is missing; run tests/cluster/build.sh (needs Go 1.26), or set {ASSETS} to a folder with etcd, \
             kube-apiserver and kubectl",
            path.display()
        );
    }
    Ok(path)
}

/// Runs the build once per process and gives its folder.
fn built() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| build().map_err(|e| format!("{e:#}"))).clone().map_err(anyhow::Error::msg)
}

fn build() -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/build.sh");
    let output = Command::new(&script)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", script.display()))?;
    if !output.status.success() {
        bail!("{} ended with {}; its messages are above", script.display(), output.status);
    }
    let text = String::from_utf8(output.stdout)?;
    let folder = text.lines().last().context("the build script printed no folder")?;
    Ok(PathBuf::from(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_what_to_do() {
        let text = program(Path::new("/no/such/folder"), "etcd").unwrap_err().to_string();
        assert!(text.starts_with("/no/such/folder/etcd is missing; run tests/cluster/build.sh"), "{text}");
        assert!(text.contains(ASSETS), "{text}");
    }
}
