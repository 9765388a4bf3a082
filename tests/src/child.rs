//! Child processes that cannot outlive us.
//!
//! Each child is the head of its own process group (so that Ctrl-C in a terminal
//! reaches only us, and its own children end with it) and asks the kernel for
//! SIGKILL when its parent dies. That signal is tied to the parent *thread*:
//! a child forked by a test's runtime would die with that test. So one thread,
//! which lives as long as the program, forks them all.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;

/// Group ids of the children that nobody has waited for yet.
static LIVING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A child with its output in a file. Dropping it kills its whole group and
/// waits for it.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    status: Option<ExitStatus>,
}

/// How a child ended after [`Running::terminate`].
#[derive(Debug, Clone, Copy)]
pub struct Exit {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// From the signal to the end.
    pub took: Duration,
}

impl Running {
    /// Starts `command` with stdout and stderr appended to `log`.
    ///
    /// # Errors
    /// When the file cannot be written or the program cannot be started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output =
            File::options().create(true).append(true).open(log).with_context(|| format!("log {}", log.display()))?;
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let child = fork(command).with_context(|| format!("cannot start {name} ({program})"))?;
        LIVING.lock().insert(child.id());
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), status: None })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The status, if it has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
            if self.status.is_some() {
                self.forget();
            }
        }
        self.status
    }

    /// Fails, with the end of the log, when it has ended.
    ///
    /// # Errors
    /// See above.
    pub fn check_alive(&mut self) -> Result<()> {
        match self.exited() {
            None => Ok(()),
            Some(status) => bail!("{} has ended with {status}; {}", self.name, self.tail(30)),
        }
    }

    /// Sends a signal to the child alone, not to its group.
    pub fn signal(&mut self, signal: libc::c_int) {
        if self.exited().is_none() {
            send(self.pid() as libc::pid_t, signal);
        }
    }

    /// SIGKILL to the whole group, as a container's end does, and waits.
    pub fn kill9(&mut self) -> ExitStatus {
        if let Some(status) = self.exited() {
            return status;
        }
        send(-(self.pid() as libc::pid_t), libc::SIGKILL);
        let status = self.child.wait().unwrap_or_else(|_| ExitStatus::from_raw(libc::SIGKILL));
        self.status = Some(status);
        self.forget();
        status
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When it still runs after `deadline` (it is then killed) or had ended before.
    pub async fn terminate(&mut self, deadline: Duration) -> Result<Exit> {
        self.check_alive()?;
        let began = Instant::now();
        self.signal(libc::SIGTERM);
        loop {
            if let Some(status) = self.exited() {
                return Ok(Exit { status, took: began.elapsed() });
            }
            if began.elapsed() > deadline {
                self.kill9();
                bail!("{} still ran {deadline:?} after SIGTERM; {}", self.name, self.tail(30));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Everything it has written.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Where that is.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The last `lines` of the log, for an error message.
    pub fn tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }

    fn forget(&self) {
        // What the child itself started and left behind.
        send(-(self.pid() as libc::pid_t), libc::SIGKILL);
        LIVING.lock().remove(&self.pid());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// The last `lines` of a log, for an error message.
pub fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let end = all[all.len().saturating_sub(lines)..].join("\n");
    format!("the end of {}:\n{end}", log.display())
}

/// Whether a process with this id exists and is not a zombie.
pub fn is_alive(pid: u32) -> bool {
    // The state is the first field after the parenthesised name.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

/// Process ids of the children that were started and have not ended, as far as it is known.
pub(crate) fn living() -> Vec<u32> {
    LIVING.lock().iter().copied().filter(|pid| is_alive(*pid)).collect()
}

/// Kills every child that still lives and waits for it. For the end of the
/// program: whoever still holds a [`Running`] finds it ended.
pub(crate) fn end_all() {
    let living = std::mem::take(&mut *LIVING.lock());
    for pid in &living {
        send(-(*pid as libc::pid_t), libc::SIGKILL);
    }
    for pid in living {
        let until = Instant::now() + Duration::from_secs(5);
        while is_alive(pid) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn send(target: libc::pid_t, signal: libc::c_int) {
    #[expect(unsafe_code, reason = "kill(2) has no safe form in std; it touches no memory of ours")]
    unsafe {
        libc::kill(target, signal);
    }
}

type Order = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Starts `command` from the one thread that never ends.
fn fork(mut command: Command) -> std::io::Result<Child> {
    static FORKER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let us = std::process::id();
    let die_with_parent = move || {
        #[expect(unsafe_code, reason = "two system calls that are safe between fork and exec")]
        let orphaned =
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 || libc::getppid() as u32 != us };
        // The parent may have died before the request reached the kernel.
        if orphaned { Err(std::io::ErrorKind::NotFound.into()) } else { Ok(()) }
    };
    #[expect(unsafe_code, reason = "the closure only makes system calls that are safe between fork and exec")]
    unsafe {
        command.pre_exec(die_with_parent);
    }
    let forker = FORKER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::Builder::new()
            .name("forker".to_owned())
            .spawn(move || {
                for (mut command, reply) in inbox {
                    let _ = reply.send(command.spawn());
                }
            })
            .expect("a thread can be started");
        Mutex::new(orders)
    });
    let (reply, answer) = mpsc::channel();
    forker.lock().send((command, reply)).expect("the forker lives as long as the program");
    answer.recv().expect("the forker answers every order")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Running::start("a script", command, &crate::scratch::folder("child").join("log")).unwrap()
    }

    async fn says(running: &Running, word: &str) -> String {
        crate::eventually(Duration::from_secs(10), word, || async {
            let log = running.log();
            if log.contains(word) { Ok(log) } else { bail!("{log}") }
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn a_term_signal_is_answered_and_its_end_is_reported() {
        let mut running = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
        says(&running, "ready").await;
        let exit = running.terminate(Duration::from_secs(10)).await.unwrap();
        assert_eq!(exit.status.code(), Some(7));
    }

    #[tokio::test]
    async fn a_child_that_ignores_the_term_signal_is_killed_and_reported() {
        let mut running = shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
        says(&running, "ready").await;
        let error = running.terminate(Duration::from_millis(50)).await.unwrap_err();
        assert!(error.to_string().contains("still ran 50ms after SIGTERM"), "{error}");
        assert!(!is_alive(running.pid()));
    }

    #[tokio::test]
    async fn the_children_of_a_killed_child_end_with_it() {
        let mut running = shell("sleep 1000 & echo grandchild $! .; wait");
        let log = says(&running, " .").await;
        let grandchild: u32 = log.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(is_alive(grandchild));
        running.kill9();
        crate::eventually(Duration::from_secs(10), "the end", || async {
            if is_alive(grandchild) { bail!("{grandchild} lives") } else { Ok(()) }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_child_that_ended_is_reported_with_its_last_words() {
        let mut running = shell("echo no such flag >&2; exit 2");
        let error = crate::eventually(Duration::from_secs(10), "the end", || {
            let seen = running.check_alive();
            async move { seen.err().context("it lives") }
        })
        .await
        .unwrap();
        let text = error.to_string();
        assert!(text.contains("exit status: 2") && text.ends_with("no such flag"), "{text}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let log = crate::scratch::folder("child").join("log");
        let error = Running::start("a server", Command::new("/no/such/program"), &log).unwrap_err();
        assert_eq!(error.to_string(), "cannot start a server (/no/such/program)");
    }
}
