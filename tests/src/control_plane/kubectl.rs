//! The bundled kubectl, with a home, a discovery cache and a kubeconfig of its
//! own, so that it neither reads nor writes anything of the user's.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;

const DEADLINE: Duration = Duration::from_secs(120);

/// What a kubectl call answered.
#[derive(Debug, Clone)]
pub struct Output {
    /// The arguments, for messages.
    pub command: String,
    /// Exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// stdout of a call that has to succeed.
    ///
    /// # Errors
    /// When it did not; with both outputs.
    pub fn ok(self) -> Result<String> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        bail!("{} ended with {}\n{}{}", self.command, self.status, self.stdout, self.stderr)
    }

    /// stderr of a call that has to be refused.
    ///
    /// # Errors
    /// When it succeeded.
    pub fn refused(self) -> Result<String> {
        if !self.status.success() {
            return Ok(self.stderr);
        }
        bail!("{} succeeded, but had to be refused:\n{}", self.command, self.stdout)
    }
}

/// A kubectl for one kubeconfig.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    home: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub(super) fn new(program: &Path, home: &Path, kubeconfig: &Path) -> Self {
        Self { program: program.into(), home: home.into(), kubeconfig: kubeconfig.into() }
    }

    /// The environment that makes any kubectl, or a plugin, speak to this
    /// cluster alone: for a child of the caller, or to print for a person.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("KUBECONFIG", self.kubeconfig.clone().into()),
            ("KUBECACHEDIR", self.home.join("cache").into()),
            ("KUBERC", "off".into()),
            ("HOME", self.home.clone().into()),
        ]
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it. Plugins (`kubectl-NAME`) are found in `plugins` in the control
    /// plane's folder, then beside the test program's own build output.
    ///
    /// # Errors
    /// When it cannot run or does not end within two minutes. An exit status that
    /// is not 0 is an answer, not an error: see [`Output::ok`].
    pub async fn run<S: AsRef<str>>(&self, arguments: &[S]) -> Result<Output> {
        self.run_with_input(arguments, "").await
    }

    /// The same with text on stdin, as for `apply -f -`.
    ///
    /// # Errors
    /// As [`Kubectl::run`].
    pub async fn run_with_input<S: AsRef<str>>(&self, arguments: &[S], input: &str) -> Result<Output> {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let text = format!("kubectl {}", arguments.join(" "));
        let mut child = tokio::process::Command::new(&self.program)
            .args(&arguments)
            .envs(self.environment())
            .env("PATH", self.search_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let mut stdin = child.stdin.take().context("stdin is piped")?;
        let input = input.to_owned();
        let talk = async move {
            // A program that does not read its input closes the pipe: no error.
            let feed = async move {
                let _ = stdin.write_all(input.as_bytes()).await;
            };
            tokio::join!(feed, child.wait_with_output()).1
        };
        let output = tokio::time::timeout(DEADLINE, talk)
            .await
            .with_context(|| format!("{text} did not end within {DEADLINE:?}"))??;
        Ok(Output {
            command: text,
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Our plugins and the build's output folder before the caller's PATH.
    fn search_path(&self) -> OsString {
        let mut folders = vec![self.home.join("plugins")];
        folders.extend(crate::operator::build_folder());
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        std::env::join_paths(folders).unwrap_or_default()
    }
}
