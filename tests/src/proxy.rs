//! A proxy between an operator and the API server: it sees each call before it is forwarded and after it was
//! answered, and can delay, refuse, cut or swallow it.
//!
//! It ends TLS with a certificate of its own and speaks HTTP/1.1 on both sides, which is all that kube's client
//! offers. Calls are forwarded byte for byte, watches as they stream. What it does not do: change an answer of the
//! API server, or retry.

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, ready},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{Response, Uri, request::Parts},
};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::watch};
use tokio_rustls::TlsConnector;

use crate::{
    control_plane::ControlPlane,
    ports::Port,
    serve::{Server, cut, runtime},
    tls::Authority,
};

/// The path of our kinds.
const OURS: &str = "/apis/firstline.dev/v1alpha1/";

/// One call as the operator made it.
#[derive(Debug, Clone)]
pub struct Call {
    /// When it came.
    pub at: Instant,
    /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE`; `WATCH` for a watch.
    pub verb: String,
    /// Plural and subresource: `tickets/status`.
    pub resource: String,
    /// Path and query.
    pub uri: String,
    /// The body.
    pub body: Bytes,
}

impl Call {
    fn of(head: &Parts, body: Bytes) -> Self {
        let uri = head.uri.to_string();
        let watches = head.uri.query().is_some_and(|query| query.contains("watch=true"));
        let verb = if watches { "WATCH".to_owned() } else { head.method.to_string() };
        Self { at: Instant::now(), verb, resource: resource(head.uri.path()), uri, body }
    }

    /// Whether it may change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "GET" | "WATCH")
    }

    /// Whether it is of this kind, such as `PATCH tickets/status`.
    pub fn is(&self, kind: &str) -> bool {
        kind.split_once(' ').is_some_and(|(verb, resource)| self.verb == verb && self.resource == resource)
    }
}

/// `tickets/status` of `/apis/GROUP/VERSION/namespaces/NS/tickets/NAME/status`.
fn resource(path: &str) -> String {
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let skip = if parts.first() == Some(&"apis") { 3 } else { 2 };
    parts.drain(..skip.min(parts.len()));
    if parts.first() == Some(&"namespaces") && parts.len() > 2 {
        parts.drain(..2);
    }
    match parts.as_slice() {
        [plural, _, subresource] => format!("{plural}/{subresource}"),
        [plural, ..] => (*plural).to_owned(),
        [] => String::new(),
    }
}

/// What becomes of a call, or of its answer.
#[derive(Debug, Clone, Default)]
pub enum Fault {
    /// It goes on.
    #[default]
    Pass,
    /// It goes on after so long.
    Delay(Duration),
    /// It is not forwarded: this status, with `Retry-After` in seconds where given.
    Answer(u16, Option<u64>),
    /// It is not forwarded: a watch that the server has forgotten the place of, as an API server says it, in the stream.
    Expire,
    /// The connection is closed.
    Cut,
}

/// Whoever decides what becomes of calls. Called on a server's thread: it may kill, and must not wait for the API.
pub trait Interceptor: Send + Sync + 'static {
    /// Before a call is forwarded.
    fn before(&self, call: &Call) -> Fault;
    /// After it was answered with this status, before the operator hears of it.
    fn after(&self, call: &Call, code: u16) -> Fault;
}

/// Lets everything pass, until told otherwise by a rule over calls.
#[derive(Default)]
pub struct Rules {
    calls: Mutex<Option<Box<Rule>>>,
    answers: Mutex<Option<Box<Rule>>>,
}

type Rule = dyn Fn(&Call) -> Fault + Send;

impl Rules {
    /// From now on, for calls before they are forwarded.
    pub fn set(&self, rule: impl Fn(&Call) -> Fault + Send + 'static) {
        *self.calls.lock() = Some(Box::new(rule));
    }

    /// From now on, for calls that were forwarded: the API server has done what they asked.
    pub fn set_answers(&self, rule: impl Fn(&Call) -> Fault + Send + 'static) {
        *self.answers.lock() = Some(Box::new(rule));
    }

    /// Everything passes again.
    pub fn clear(&self) {
        *self.calls.lock() = None;
        *self.answers.lock() = None;
    }
}

impl Interceptor for Rules {
    fn before(&self, call: &Call) -> Fault {
        self.calls.lock().as_ref().map_or(Fault::Pass, |rule| rule(call))
    }

    fn after(&self, call: &Call, _: u16) -> Fault {
        self.answers.lock().as_ref().map_or(Fault::Pass, |rule| rule(call))
    }
}

/// What all connections obey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Gate {
    /// Nothing passes in either direction, and nothing is closed: a network that swallows packets.
    swallows: bool,
    /// How often everything that streams was cut.
    cuts: u32,
}

/// The proxy; dropping it closes its port.
pub struct Proxy {
    port: Port,
    authority: Authority,
    inner: Arc<Inner>,
    _server: Server,
}

struct Inner {
    upstream: String,
    tls: TlsConnector,
    /// A namespace: lists and watches of our kinds over all namespaces are answered with this one alone.
    only: Option<String>,
    interceptor: Arc<dyn Interceptor>,
    gate: watch::Sender<Gate>,
    idle: Mutex<Vec<SendRequest<Body>>>,
    calls: Mutex<Vec<Call>>,
}

impl Proxy {
    /// Starts one before this control plane. With `only`, whoever lists or watches our kinds over all namespaces sees
    /// those of this namespace: several operators then work side by side on one API server, each in a world of its own.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(plane: &ControlPlane, only: Option<&str>, interceptor: Arc<dyn Interceptor>) -> Result<Self> {
        let (port, authority) = (Port::reserve()?, Authority::new("firstline-tests-proxy")?);
        let mut trusted = rustls::RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_slice(plane.ca_pem().as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let inner = Arc::new(Inner {
            upstream: plane.server().trim_start_matches("https://").to_owned(),
            tls: Arc::new(client).into(),
            only: only.map(str::to_owned),
            interceptor,
            gate: watch::Sender::new(Gate::default()),
            idle: Mutex::default(),
            calls: Mutex::default(),
        });
        let router = Router::new().fallback(forward).with_state(inner.clone());
        let server = Server::start(port.address(), Some(authority.server_config()?), router).await?;
        Ok(Self { port, authority, inner, _server: server })
    }

    /// A copy of a kubeconfig that leads here.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn kubeconfig(&self, original: &Path) -> Result<PathBuf> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let mut config: Value = serde_json::from_slice(&std::fs::read(original)?)?;
        let cluster = &mut config["clusters"][0]["cluster"];
        cluster["server"] = json!(format!("https://{}", self.port.address()));
        cluster["certificate-authority-data"] = json!(STANDARD.encode(self.authority.pem()));
        let path = original.with_extension(format!("{}.kubeconfig", self.port.number()));
        std::fs::write(&path, serde_json::to_vec_pretty(&config)?)?;
        Ok(path)
    }

    /// Swallows everything from now on, in both directions, and closes nothing.
    pub fn swallow(&self) {
        self.inner.gate.send_modify(|gate| gate.swallows = true);
    }

    /// Lets pass again what was swallowed, and everything else.
    pub fn heal(&self) {
        self.inner.gate.send_modify(|gate| gate.swallows = false);
    }

    /// Closes every answer that streams now: all watches break at once.
    pub fn cut_watches(&self) {
        self.inner.gate.send_modify(|gate| gate.cuts += 1);
    }

    /// The calls since a moment, in the order in which they came.
    pub fn calls_since(&self, moment: Instant) -> Vec<Call> {
        self.inner.calls.lock().iter().filter(|call| call.at >= moment).cloned().collect()
    }
}

async fn forward(State(inner): State<Arc<Inner>>, request: Request) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 64 << 20).await else { return cut() };
    if let Some(namespace) = &inner.only {
        narrow(&mut head.uri, namespace);
    }
    let call = Call::of(&head, body.clone());
    inner.calls.lock().push(call.clone());
    inner.passes().await;
    match inner.interceptor.before(&call) {
        Fault::Pass => {}
        Fault::Delay(span) => tokio::time::sleep(span).await,
        Fault::Cut => return cut(),
        Fault::Answer(code, retry_after) => return refusal(code, retry_after),
        Fault::Expire => return expired(),
    }
    let answer = inner.send(Request::from_parts(head, body.into())).await;
    inner.passes().await;
    let Ok(answer) = answer else { return cut() };
    match inner.interceptor.after(&call, answer.status().as_u16()) {
        Fault::Pass => {}
        Fault::Delay(span) => tokio::time::sleep(span).await,
        Fault::Cut => return cut(),
        Fault::Answer(code, retry_after) => return refusal(code, retry_after),
        Fault::Expire => return expired(),
    }
    let gate = inner.gate.subscribe();
    answer.map(|body| Body::new(Gated::new(body, gate)))
}

/// A list or watch over all namespaces becomes one of this namespace.
fn narrow(uri: &mut Uri, namespace: &str) {
    let Some(rest) = uri.path().strip_prefix(OURS) else { return };
    if rest.contains('/') {
        return;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(narrowed) = format!("{OURS}namespaces/{namespace}/{rest}{query}").parse() {
        *uri = narrowed;
    }
}

/// As the API server words it.
fn refusal(code: u16, retry_after: Option<u64>) -> Response<Body> {
    let mut response = answer(code, &refused(code));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

/// A watch whose only event says that its place in history is gone.
fn expired() -> Response<Body> {
    answer(200, &json!({"type": "ERROR", "object": refused(410)}))
}

fn answer(code: u16, body: &Value) -> Response<Body> {
    let mut response = crate::serve::status(code, format!("{body}\n"));
    response.headers_mut().insert("content-type", "application/json".parse().expect("a valid header"));
    response
}

fn refused(code: u16) -> Value {
    let reason = match code {
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason,
        "message": format!("refused on purpose: {code}"),
    })
}

impl Inner {
    /// Waits while everything is swallowed.
    async fn passes(&self) {
        // The sender lives as long as self.
        let _ = self.gate.subscribe().wait_for(|gate| !gate.swallows).await;
    }

    async fn send(&self, request: Request) -> Result<Response<Incoming>> {
        let mut sender = match self.idle() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let answer = sender.send_request(request).await;
        self.idle.lock().push(sender);
        Ok(answer?)
    }

    /// A connection whose last answer has been read to its end.
    fn idle(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock();
        idle.retain(|sender| !sender.is_closed());
        let place = idle.iter().position(SendRequest::is_ready)?;
        Some(idle.swap_remove(place))
    }

    async fn connect(&self) -> Result<SendRequest<Body>> {
        let stream = TcpStream::connect(&self.upstream).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(ServerName::try_from("127.0.0.1").context("a name")?, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        runtime().spawn(connection);
        Ok(sender)
    }
}

/// An answer that stops while everything is swallowed, and breaks when it is cut.
struct Gated {
    body: Incoming,
    gate: watch::Receiver<Gate>,
    cuts: u32,
    changed: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Gated {
    fn new(body: Incoming, gate: watch::Receiver<Gate>) -> Self {
        let cuts = gate.borrow().cuts;
        Self { body, cuts, changed: change(gate.clone()), gate }
    }
}

fn change(mut gate: watch::Receiver<Gate>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if gate.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

impl hyper::body::Body for Gated {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        loop {
            let gate = *self.gate.borrow_and_update();
            if gate.cuts != self.cuts {
                return Poll::Ready(Some(Err(anyhow::anyhow!("cut on purpose"))));
            }
            // What it waits for is a change since the gate was read.
            if self.changed.as_mut().poll(task).is_ready() {
                self.changed = change(self.gate.clone());
                continue;
            }
            if gate.swallows {
                return Poll::Pending;
            }
            let frame = ready!(Pin::new(&mut self.body).poll_frame(task));
            return Poll::Ready(frame.map(|frame| frame.map_err(anyhow::Error::from)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_resource() {
        let all = [
            ("/apis/firstline.dev/v1alpha1/namespaces/a/tickets/inc-1/status", "tickets/status"),
            ("/apis/firstline.dev/v1alpha1/tickets", "tickets"),
            ("/api/v1/namespaces/a/secrets/hook", "secrets"),
            ("/api/v1/namespaces/a", "namespaces"),
            ("/apis/coordination.k8s.io/v1/namespaces/a/leases/firstline", "leases"),
        ];
        for (path, expected) in all {
            assert_eq!(resource(path), expected, "{path}");
        }
    }

    #[test]
    fn only_what_goes_over_all_namespaces_is_narrowed() {
        let mut narrowed: Uri = "/apis/firstline.dev/v1alpha1/tickets?watch=true".parse().unwrap();
        narrow(&mut narrowed, "a");
        assert_eq!(narrowed.to_string(), "/apis/firstline.dev/v1alpha1/namespaces/a/tickets?watch=true");
        for other in ["/apis/firstline.dev/v1alpha1/namespaces/b/tickets/x", "/api/v1/namespaces/b/secrets/x"] {
            let mut uri: Uri = other.parse().unwrap();
            narrow(&mut uri, "a");
            assert_eq!(uri.to_string(), other);
        }
    }
}
