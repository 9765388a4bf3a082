//! A real Git server on loopback: `git http-backend` behind as much of HTTP as CGI needs, with TLS, credentials and the
//! ways in which servers misbehave. And repositories to serve.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use git2::{Repository, Signature, Time};
use gitops::fetch::{Budgets, Credentials, FetchRequest};

/// How the server answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    Serve,
    /// Accepts and never answers.
    Hang,
    /// One byte of an endless header every 20 ms.
    Drip,
    /// Always this status and these header lines, with a page of HTML.
    Answer(u16, String),
    /// Breaks off the answer with the objects after so many bytes.
    CutOff(usize),
}

pub struct GitServer {
    pub address: SocketAddr,
    /// How many requests carried an `Authorization` header.
    pub authorized_requests: Arc<AtomicUsize>,
    /// The certificate of the server as PEM, where it speaks TLS.
    pub ca: Option<String>,
    behaviour: Arc<Mutex<Behaviour>>,
    stopping: Arc<AtomicBool>,
    _stop: Sender<()>,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    root: std::path::PathBuf,
    authorization: Option<String>,
    tls: Option<Arc<rustls::ServerConfig>>,
    behaviour: Arc<Mutex<Behaviour>>,
    authorized_requests: Arc<AtomicUsize>,
    stopped: Mutex<Receiver<()>>,
}

impl GitServer {
    pub fn start(root: &Path) -> Self {
        Self::with(root, None, false)
    }

    pub fn with(root: &Path, authorization: Option<String>, tls: bool) -> Self {
        let (ca, config) = if tls { certificate() } else { (None, None) };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let behaviour = Arc::new(Mutex::new(Behaviour::Serve));
        let authorized_requests = Arc::new(AtomicUsize::new(0));
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            authorization,
            tls: config,
            behaviour: Arc::clone(&behaviour),
            authorized_requests: Arc::clone(&authorized_requests),
            stopped: Mutex::new(stopped),
        });
        let flag = Arc::clone(&stopping);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if flag.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // A client that breaks off is the test's own business.
                std::thread::spawn(move || drop(serve(stream.unwrap(), &shared)));
            }
        });
        Self { address, authorized_requests, ca, behaviour, stopping, _stop: stop, listener: Some(thread) }
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub fn url(&self, repository: &str) -> String {
        let (scheme, host) = if self.ca.is_some() { ("https", "localhost") } else { ("http", "127.0.0.1") };
        format!("{scheme}://{host}:{}/{repository}", self.address.port())
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.listener.take() {
            thread.join().unwrap();
        }
    }
}

fn certificate() -> (Option<String>, Option<Arc<rustls::ServerConfig>>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], made.signing_key.serialize_der().try_into().unwrap())
        .unwrap();
    (Some(made.cert.pem()), Some(Arc::new(config)))
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let behaviour = shared.behaviour.lock().unwrap().clone();
    if behaviour == Behaviour::Hang {
        let _ = shared.stopped.lock().unwrap().recv();
        return Ok(());
    }
    let stream: Box<dyn Wire> = match &shared.tls {
        Some(config) => {
            let connection = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
            Box::new(rustls::StreamOwned::new(connection, stream))
        }
        None => Box::new(stream),
    };
    let mut reader = BufReader::new(stream);
    let mut request_line = String::new();
    reader.read_line(&mut request_line)?;
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if headers.contains_key("authorization") {
        shared.authorized_requests.fetch_add(1, Ordering::SeqCst);
    }
    let stream = reader.get_mut();
    match behaviour {
        Behaviour::Drip => loop {
            stream.write_all(b"x")?;
            if shared.stopped.lock().unwrap().recv_timeout(Duration::from_millis(20))
                != Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                return Ok(());
            }
        },
        Behaviour::Answer(status, lines) => {
            return answer(stream, status, &format!("Content-Type: text/html\r\n{lines}"), b"<h1>Sign in</h1>", None);
        }
        _ => {}
    }
    if shared.authorization.as_ref().is_some_and(|expected| headers.get("authorization") != Some(expected)) {
        return answer(stream, 401, "WWW-Authenticate: Basic realm=\"git\"\r\n", b"who are you?", None);
    }
    let cut_off = match behaviour {
        Behaviour::CutOff(bytes) if request_line.starts_with("POST") => Some(bytes),
        _ => None,
    };
    let (status, head, content) = backend(&request_line, &headers, &body, &shared.root)?;
    answer(stream, status, &head, &content, cut_off)
}

/// Objects are sent in chunks, all else with its length, so that both ways are used.
fn answer(
    stream: &mut dyn Write,
    status: u16,
    head: &str,
    content: &[u8],
    cut_off: Option<usize>,
) -> std::io::Result<()> {
    if !head.contains("upload-pack-result") {
        write!(stream, "HTTP/1.1 {status} X\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n", content.len())?;
        stream.write_all(content)?;
        return stream.flush();
    }
    write!(stream, "HTTP/1.1 {status} X\r\n{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")?;
    let whole = cut_off.unwrap_or(content.len());
    for chunk in content[..whole.min(content.len())].chunks(5000) {
        write!(stream, "{:x};x=y\r\n", chunk.len())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")?;
    }
    if cut_off.is_none() {
        stream.write_all(b"0\r\n\r\n")?;
    }
    stream.flush()
}

/// One request through `git http-backend`: status, header lines, content.
fn backend(
    request_line: &str,
    headers: &HashMap<String, String>,
    body: &[u8],
    root: &Path,
) -> std::io::Result<(u16, String, Vec<u8>)> {
    let mut words = request_line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", headers.get("content-type").map_or("", String::as_str))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    child.stdin.take().unwrap().write_all(body)?;
    let output = child.wait_with_output()?.stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0);
    let head = String::from_utf8_lossy(&output[..end]).into_owned() + "\r\n";
    let status = head.strip_prefix("Status: ").map_or(200, |rest| rest[..3].parse().unwrap());
    Ok((status, head, output[end + 4..].to_vec()))
}

pub fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}")))
}

/// Adds a commit with these files to `refs/heads/<branch>` of a bare repository, which is made when absent. With
/// `amend` the commit has no parent: the history is rewritten.
pub fn commit(repository: &Path, branch: &str, files: &[(&str, &[u8])], amend: bool) -> String {
    let repository = Repository::init_bare(repository).unwrap();
    let mut tree = git2::build::TreeUpdateBuilder::new();
    for (path, content) in files {
        tree.upsert(*path, repository.blob(content).unwrap(), git2::FileMode::Blob);
    }
    let reference = format!("refs/heads/{branch}");
    let parent = repository.find_reference(&reference).ok().map(|tip| tip.peel_to_commit().unwrap());
    let base = match &parent {
        Some(parent) => parent.tree().unwrap(),
        None => repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap(),
    };
    let tree = repository.find_tree(tree.create_updated(&repository, &base).unwrap()).unwrap();
    let ada = Signature::new("Ada", "ada@acme.example", &Time::new(0, 0)).unwrap();
    let parents: Vec<_> = parent.iter().filter(|_| !amend).collect();
    let id = repository.commit(None, &ada, &ada, "change", &tree, &parents).unwrap();
    repository.reference(&reference, id, true, "test").unwrap();
    id.to_string()
}

/// Bytes that do not compress.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(length)
    .collect()
}

pub fn request(url: &str, mirror: &Path) -> FetchRequest {
    FetchRequest {
        url: url.to_owned(),
        branch: "main".to_owned(),
        since: None,
        mirror: mirror.to_owned(),
        timeout: Duration::from_secs(20),
        credentials: Credentials::None,
        ca: None,
        budgets: Budgets::default(),
    }
}
