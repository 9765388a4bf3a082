//! The real binary `firstline run` as a child process: started, paused, killed,
//! ended, and looked at from outside (HTTP, log, `/proc`).
//!
//! Which flags a scenario needs is the scenario's business; this module adds
//! only `--http ADDRESS`, because it chooses the port.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;

use crate::{
    child::{Exit, Running},
    metrics::Metrics,
    ports::Port,
    scratch,
};

const BINARY: &str = "FIRSTLINE_BIN";

/// How an operator is to be started. The same value can be started again: that
/// is a restart on the same port.
#[derive(Debug)]
pub struct Setup {
    /// Name of its log, such as `replica-a`.
    pub name: String,
    /// Kubeconfig, given as `KUBECONFIG`.
    pub kubeconfig: PathBuf,
    /// Arguments after `run`.
    pub arguments: Vec<String>,
    /// Environment on top of the caller's.
    pub environment: Vec<(String, String)>,
    /// The program; `None` for [`binary`].
    pub program: Option<PathBuf>,
    port: Port,
    log: PathBuf,
}

impl Setup {
    /// One with no further arguments.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(name: &str, kubeconfig: &Path) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            program: None,
            port: Port::reserve()?,
            log: scratch::folder(name).join("operator.log"),
        })
    }

    /// Adds arguments after `run`.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|a| (*a).to_owned()));
        self
    }

    /// Adds a variable of the environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the operator; returns at once. See [`Operator::wait_ready`].
    ///
    /// # Errors
    /// When the binary is missing; says how to build it.
    pub fn start(&self) -> Result<Operator> {
        let program = self.program.clone().map_or_else(binary, Ok)?;
        let mut command = Command::new(program);
        command
            .arg("run")
            .args(["--http", &self.port.address().to_string()])
            .args(&self.arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        let running = Running::start(&self.name, command, &self.log)?;
        Ok(Operator {
            url: format!("http://{}", self.port.address()),
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?,
            running: Mutex::new(running),
            began: Instant::now(),
        })
    }

    /// Everything written to the log, by every start of this setup.
    pub fn logs(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// A running operator. Dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    url: String,
    http: reqwest::Client,
    running: Mutex<Running>,
    began: Instant,
}

impl Operator {
    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.running.lock().pid()
    }

    /// Waits until `/readyz` answers 200; gives the time since the start.
    ///
    /// # Errors
    /// At once when the process ends, else after `deadline`; with the last answer
    /// and the end of the log.
    pub async fn wait_ready(&self, deadline: Duration) -> Result<Duration> {
        let end = Instant::now() + deadline;
        loop {
            let seen = match self.get("/readyz").await {
                Ok((200, _)) => return Ok(self.began.elapsed()),
                Ok((code, text)) => format!("{code} {text}"),
                Err(error) => format!("{error:#}"),
            };
            self.running.lock().check_alive()?;
            if Instant::now() > end {
                bail!("not ready after {deadline:?}; /readyz: {seen}; {}", self.running.lock().tail(30));
            }
            // Finer than elsewhere: the time to be ready is itself a figure.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Status code and body of a page of its HTTP server.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// `/metrics` as it is.
    ///
    /// # Errors
    /// When it does not answer 200.
    pub async fn metrics_text(&self) -> Result<String> {
        match self.get("/metrics").await? {
            (200, text) => Ok(text),
            (code, text) => bail!("/metrics answers {code}: {text}"),
        }
    }

    /// `/metrics`, read.
    ///
    /// # Errors
    /// When it does not answer 200.
    pub async fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics::parse(&self.metrics_text().await?))
    }

    /// What it has written, and earlier starts of the same setup before it.
    pub fn logs(&self) -> String {
        self.running.lock().log()
    }

    /// The end of that, for an error message.
    pub fn tail(&self) -> String {
        self.running.lock().tail(40)
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.running.lock().exited().is_none()
    }

    /// Waits for its end without a signal.
    ///
    /// # Errors
    /// When it still runs after `deadline`.
    pub async fn wait_exit(&self, deadline: Duration) -> Result<ExitStatus> {
        crate::eventually(deadline, "the operator's end", || async {
            self.running.lock().exited().context("it still runs")
        })
        .await
    }

    /// SIGKILL to it and its children; returns when it is gone.
    pub fn kill9(&self) {
        self.running.lock().kill9();
    }

    /// SIGTERM; gives how and after what time it ended.
    ///
    /// # Errors
    /// When it still runs after 30 s (it is then killed) or had ended before.
    pub async fn terminate(self) -> Result<Exit> {
        let mut running = self.running.into_inner();
        running.terminate(Duration::from_secs(30)).await
    }

    /// SIGSTOP, as a node that stalls.
    pub fn pause(&self) {
        self.running.lock().signal(libc::SIGSTOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.running.lock().signal(libc::SIGCONT);
    }

    /// Processor time that it has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn processor_time(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.pid());
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        // After the name in parentheses, which may have spaces: utime and stime are the 14th and 15th field.
        let (_, fields) = text.rsplit_once(')').context("no name")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks = ticks.sum::<Result<u64, _>>()?;
        // USER_HZ is 100 on every Linux.
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident memory, in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid());
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }
}

/// The binary under test: `FIRSTLINE_BIN`, else `firstline` in the build folder
/// of the running program. Cargo does not build it for a test of another crate,
/// so one that is older than its sources is refused.
///
/// # Errors
/// When there is none or it is old; says what to do.
pub fn binary() -> Result<PathBuf> {
    let given = std::env::var_os(BINARY).map(PathBuf::from);
    let path = match &given {
        Some(path) => path.clone(),
        None => build_folder().context("this program lies in no folder")?.join("firstline"),
    };
    if !path.is_file() {
        bail!("{} is missing; run `cargo build -p operator`, or set {BINARY} to the binary to test", path.display());
    }
    if given.is_none()
        && let Some(source) = newer_source(&path)
    {
        bail!("{} is older than {source}; run `cargo build -p operator`", path.display());
    }
    Ok(path)
}

/// A source that changed after the binary was built, by the list that cargo
/// writes beside it.
fn newer_source(binary: &Path) -> Option<String> {
    let built = std::fs::metadata(binary).and_then(|file| file.modified()).ok()?;
    let list = std::fs::read_to_string(binary.with_extension("d")).ok()?;
    let (_, sources) = list.split_once(": ")?;
    let changed = |path: &&str| std::fs::metadata(path).and_then(|file| file.modified()).is_ok_and(|at| at > built);
    sources.split_whitespace().find(changed).map(str::to_owned)
}

/// `target/debug` or `target/release`: the folder of this program, or the one
/// above it for a test program, which lies in `deps`.
pub(crate) fn build_folder() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    let folder = if folder.ends_with("deps") { folder.parent()? } else { folder };
    Some(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An operator that is a shell script: for the life of a process, not for
    /// what it answers.
    fn script(text: &str) -> Setup {
        let path = scratch::folder("script").join("operator");
        // Written by a child: a fork in another test would inherit our open file,
        // and a program that is open for writing cannot be run.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\" && chmod 755 \"$2\"";
        let written = Command::new("sh").args(["-c", write, "sh", text]).arg(&path).status().unwrap();
        assert!(written.success());
        let mut setup = Setup::new("operator", Path::new("/no/kubeconfig")).unwrap();
        setup.program = Some(path);
        setup
    }

    #[tokio::test]
    async fn an_operator_that_ends_before_it_is_ready_is_reported_at_once_with_its_log() {
        let setup =
            script("echo \"$@ $KUBECONFIG $LANE\"; exit 3").arguments(&["--lease", "one"]).environment("LANE", "a");
        let error = setup.start().unwrap().wait_ready(Duration::from_secs(600)).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("run --http 127.0.0.1:") && error.ends_with("--lease one /no/kubeconfig a"), "{error}");
    }

    #[tokio::test]
    async fn a_restart_writes_to_the_same_log_and_has_the_same_port() {
        let setup = script("echo $3; sleep 1000");
        for starts in 1..=2 {
            let operator = setup.start().unwrap();
            crate::eventually(Duration::from_secs(10), "its line", || async {
                let lines = setup.logs().lines().count();
                if lines == starts { Ok(()) } else { bail!("{lines} lines") }
            })
            .await
            .unwrap();
            assert!(operator.is_running() && operator.resident_bytes().unwrap() > 0);
            operator.kill9();
            assert!(!operator.is_running());
        }
        let logs = setup.logs();
        let ports: Vec<&str> = logs.lines().collect();
        assert_eq!(ports[0], ports[1]);
    }

    #[test]
    fn a_binary_older_than_its_source_is_noticed() {
        let folder = scratch::folder("stale");
        let (binary, source) = (folder.join("firstline"), folder.join("main.rs"));
        for path in [&binary, &source] {
            std::fs::write(path, "").unwrap();
        }
        std::fs::write(folder.join("firstline.d"), format!("{}: {}\n", binary.display(), source.display())).unwrap();
        let at = |seconds| std::time::UNIX_EPOCH + Duration::from_secs(seconds);
        let set =
            |path: &Path, seconds| std::fs::File::options().write(true).open(path).unwrap().set_modified(at(seconds));
        set(&binary, 10).unwrap();
        set(&source, 9).unwrap();
        assert_eq!(newer_source(&binary), None);
        set(&source, 11).unwrap();
        assert_eq!(newer_source(&binary), Some(source.display().to_string()));
    }
}
