//! A bare Git repository and ways to reach it: `file://`, and `http://` or
//! `https://` through Git's own `http-backend`.
//!
//! Commits are made by the `git` program with a fixed author and a clock of
//! their own, so the same files give the same commit names in every run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result, bail};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;

use crate::{
    ports::Port,
    scratch,
    serve::{Behaviour, Server, status},
    tls::Authority,
};

/// 2026-01-01T00:00:00Z in Unix time; each commit is a minute later than the one before.
const FIRST_COMMIT: u64 = 1_767_225_600;

/// The repository.
#[derive(Debug)]
pub struct GitServer {
    /// Holds `NAME.git` and nothing else: the root that HTTP serves.
    root: PathBuf,
    name: String,
    /// What the next commit holds.
    tree: PathBuf,
    commits: AtomicU64,
}

impl GitServer {
    /// An empty bare repository `NAME.git` with branch `main`.
    ///
    /// # Errors
    /// When `git` is missing.
    pub fn new(name: &str) -> Result<Self> {
        let folder = scratch::folder("git");
        let (root, tree) = (folder.join("root"), folder.join("tree"));
        fs::create_dir(&root)?;
        fs::create_dir(&tree)?;
        let server = Self { root, name: name.to_owned(), tree, commits: AtomicU64::new(0) };
        run(Command::new("git").args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(server.path()))?;
        Ok(server)
    }

    /// The bare repository.
    pub fn path(&self) -> PathBuf {
        self.root.join(format!("{}.git", self.name))
    }

    /// `file://…/NAME.git`.
    pub fn file_url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Writes files (path in the repository, content) and commits; gives the
    /// commit's name.
    ///
    /// # Errors
    /// When nothing changed, or `git` fails.
    pub fn commit(&self, files: &[(&str, &str)], message: &str) -> Result<String> {
        for (path, content) in files {
            let path = self.tree.join(path);
            fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
            fs::write(&path, content).with_context(|| path.display().to_string())?;
        }
        self.commit_tree(message)
    }

    /// Copies the content of `folder` over the tree and commits.
    ///
    /// # Errors
    /// When the folder cannot be read, nothing changed, or `git` fails.
    pub fn commit_folder(&self, folder: &Path, message: &str) -> Result<String> {
        copy(folder, &self.tree)?;
        self.commit_tree(message)
    }

    /// Removes files and folders and commits.
    ///
    /// # Errors
    /// When one does not exist, or `git` fails.
    pub fn remove(&self, paths: &[&str], message: &str) -> Result<String> {
        for path in paths {
            let path = self.tree.join(path);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| path.display().to_string())?;
        }
        self.commit_tree(message)
    }

    /// What the tree holds at `path`, to be changed and committed again.
    ///
    /// # Errors
    /// When there is no such text file.
    pub fn read(&self, path: &str) -> Result<String> {
        let path = self.tree.join(path);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// The name of the newest commit of `main`.
    ///
    /// # Errors
    /// When there is none.
    pub fn head(&self) -> Result<String> {
        self.git(&["rev-parse", "main"])
    }

    /// Runs `git` on the repository: branches, tags, a forced ref, `fsck`.
    ///
    /// # Errors
    /// When it fails; with its stderr.
    pub fn git(&self, arguments: &[&str]) -> Result<String> {
        let when = format!("{} +0000", FIRST_COMMIT + 60 * self.commits.load(Ordering::Relaxed));
        let mut command = Command::new("git");
        command
            .arg("--git-dir")
            .arg(self.path())
            .arg("--work-tree")
            .arg(&self.tree)
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@acme.example")
            .env("GIT_AUTHOR_DATE", &when)
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@acme.example")
            .env("GIT_COMMITTER_DATE", &when);
        run(&mut command)
    }

    /// Moves the repository away: every way to it finds nothing.
    ///
    /// # Errors
    /// When it is away already.
    pub fn vanish(&self) -> Result<()> {
        fs::rename(self.path(), self.path().with_extension("away")).context("the repository is not there")
    }

    /// Moves it back.
    ///
    /// # Errors
    /// When it is there already.
    pub fn reappear(&self) -> Result<()> {
        fs::rename(self.path().with_extension("away"), self.path()).context("the repository is not away")
    }

    /// Serves it over HTTP, or HTTPS with a certificate of `tls`, open or to one
    /// user with a password.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn serve(&self, tls: Option<&Authority>, login: Option<(&str, &str)>) -> Result<GitHttp> {
        let port = Port::reserve()?;
        let desk = Arc::new(Desk {
            root: self.root.clone(),
            authorization: login.map(|(user, word)| format!("Basic {}", STANDARD.encode(format!("{user}:{word}")))),
            behaviour: Mutex::default(),
            requests: AtomicU64::new(0),
        });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&desk));
        let config = tls.map(Authority::server_config).transpose()?;
        let server = Server::start(port.address(), config, router).await?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/{}.git", port.address(), self.name);
        Ok(GitHttp { url, desk, _server: server, _port: port })
    }

    fn commit_tree(&self, message: &str) -> Result<String> {
        self.git(&["add", "--all"])?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.git(&["commit", "--quiet", "--no-gpg-sign", "--message", message])?;
        self.head()
    }
}

/// A repository served over HTTP; dropping it closes the port.
pub struct GitHttp {
    url: String,
    desk: Arc<Desk>,
    _server: Server,
    _port: Port,
}

impl GitHttp {
    /// `http://127.0.0.1:PORT/NAME.git`, without credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What requests meet from now on.
    pub fn break_with(&self, behaviour: Behaviour) {
        *self.desk.behaviour.lock() = behaviour;
    }

    /// HTTP requests so far, refused ones included.
    pub fn requests(&self) -> u64 {
        self.desk.requests.load(Ordering::Relaxed)
    }
}

struct Desk {
    root: PathBuf,
    /// The `Authorization` that is asked for.
    authorization: Option<String>,
    behaviour: Mutex<Behaviour>,
    requests: AtomicU64,
}

async fn serve(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    desk.requests.fetch_add(1, Ordering::Relaxed);
    let behaviour = *desk.behaviour.lock();
    if let Some(broken) = behaviour.instead().await {
        return broken;
    }
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if desk.authorization.is_some() && given != desk.authorization.as_deref() {
        let mut refusal = status(401, "who are you?\n");
        refusal.headers_mut().insert("www-authenticate", "Basic realm=\"git\"".parse().expect("a header value"));
        return refusal;
    }
    backend(&desk.root, request).await.unwrap_or_else(|error| status(500, format!("{error:#}\n")))
}

/// One request through `git http-backend`, which speaks CGI (RFC 3875).
async fn backend(root: &Path, request: Request) -> Result<Response> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 256 << 20).await?;
    let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run git http-backend")?;
    let mut stdin = child.stdin.take().context("stdin is piped")?;
    let feed = async move {
        let _ = stdin.write_all(&body).await;
    };
    let output = tokio::join!(feed, child.wait_with_output()).1?;
    answer(&output.stdout)
}

/// Turns CGI output (header lines, an empty line, the body) into a response.
fn answer(output: &[u8]) -> Result<Response> {
    let end = output.windows(4).position(|w| w == b"\r\n\r\n").context("no header from git http-backend")?;
    let mut response = Response::new(Body::from(output[end + 4..].to_vec()));
    for line in std::str::from_utf8(&output[..end])?.lines() {
        let (name, value) = line.split_once(':').with_context(|| format!("header line {line:?}"))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            *response.status_mut() = value.split(' ').next().unwrap_or_default().parse()?;
        } else {
            response.headers_mut().insert(axum::http::HeaderName::try_from(name)?, value.parse()?);
        }
    }
    Ok(response)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().context("cannot run git; is it installed?")?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
