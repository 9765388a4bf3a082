//! Git's smart protocol over our own HTTP, as a transport of libgit2.
//!
//! libgit2 registers transports for the whole process and gives them only a URL. What belongs to one fetch (deadline,
//! credentials, certificates, budget) is therefore found through a thread-local [`Exchange`]: a fetch stays on the
//! thread that began it.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use git2::{ErrorClass, ErrorCode};
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::connection::{self, Connection};
use super::error::{Budget, FetchError, FetchFailure};
use super::http::{self, Response};
use super::request::{Credentials, FetchRequest, Source};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Exchange>>> = const { RefCell::new(None) };
}

/// Takes over `http://` and `https://` for this process.
///
/// # Safety
/// As [`git2::transport::register`]: not at the same time as other registrations.
#[expect(unsafe_code, reason = "git2 leaves it to the caller that registrations do not overlap")]
pub(super) unsafe fn register() -> Result<(), git2::Error> {
    for scheme in ["http", "https"] {
        // SAFETY: passed on to our caller.
        unsafe {
            git2::transport::register(scheme, |remote| {
                let exchange = CURRENT.with_borrow(Clone::clone).ok_or_else(|| net_error("no fetch is under way"))?;
                Transport::smart(remote, true, Subtransport { exchange })
            })?;
        }
    }
    Ok(())
}

/// Makes `exchange` the one of this thread until the guard is dropped.
pub(super) fn enter(exchange: &Arc<Exchange>) -> Current {
    CURRENT.set(Some(Arc::clone(exchange)));
    Current
}

/// See [`enter`].
pub(super) struct Current;

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// What one fetch needs to talk to its server, and what went wrong while it did.
pub(super) struct Exchange {
    pub(super) source: Source,
    deadline: Instant,
    half_time: Instant,
    tls: Option<Arc<ClientConfig>>,
    authorization: Option<String>,
    max_bytes: u64,
    received: AtomicU64,
    failure: OnceLock<FetchError>,
}

impl Exchange {
    pub(super) fn new(source: Source, request: &FetchRequest) -> Result<Self, FetchError> {
        let tls = match &source {
            Source::Http { tls: true, .. } => Some(connection::tls_config(request.ca.as_deref())?),
            Source::Http { .. } | Source::File(_) => None,
        };
        let now = Instant::now();
        Ok(Self {
            source,
            deadline: now + request.timeout,
            half_time: now + request.timeout / 2,
            tls,
            authorization: authorization(&request.credentials)?,
            max_bytes: request.budgets.received_bytes,
            received: AtomicU64::new(0),
            failure: OnceLock::new(),
        })
    }

    /// Keeps the first failure: what libgit2 says afterwards only follows from it.
    pub(super) fn fail(&self, error: FetchError) {
        let _ = self.failure.set(error);
    }

    pub(super) fn failure(&self) -> Option<FetchError> {
        self.failure.get().cloned()
    }

    /// Whether the deadline has passed.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Whether more than half of the time is gone: too late to begin what can wait.
    pub(super) fn is_half_over(&self) -> bool {
        Instant::now() >= self.half_time
    }

    pub(super) fn received_bytes(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    fn count(&self, bytes: usize) -> Result<(), FetchError> {
        let received = self.received.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if received > self.max_bytes { Err(too_many_bytes(self.max_bytes)) } else { Ok(()) }
    }

    /// Sends a request of Git's protocol and reads the head of the answer.
    fn ask(&self, service: Service, body: &[u8]) -> Result<Response, FetchError> {
        let Source::Http { url, host, port, .. } = &self.source else {
            return Err(FetchError::new(FetchFailure::InvalidUrl, "expected an http or https URL"));
        };
        let base = url.path().trim_end_matches('/');
        let mut headers = match service {
            Service::UploadPackLs => vec![format!("GET {base}/info/refs?service=git-upload-pack HTTP/1.1")],
            Service::UploadPack => vec![
                format!("POST {base}/git-upload-pack HTTP/1.1"),
                "Content-Type: application/x-git-upload-pack-request".to_owned(),
                "Accept: application/x-git-upload-pack-result".to_owned(),
                format!("Content-Length: {}", body.len()),
            ],
            Service::ReceivePackLs | Service::ReceivePack => {
                return Err(FetchError::new(FetchFailure::Protocol, "a fetch never pushes"));
            }
        };
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        headers.push(format!("Host: {authority}"));
        // Servers tell Git clients from browsers by the first word.
        headers.push(concat!("User-Agent: git/2.0 (firstline ", env!("CARGO_PKG_VERSION"), ")").to_owned());
        headers.push("Connection: close".to_owned());
        headers.extend(self.authorization.clone());

        let connection = Connection::open(host, *port, self.tls.as_ref(), self.deadline)?;
        let response = http::exchange(connection, &headers, body)
            .map_err(|error| self.broken(&error, "waiting for the answer"))?;
        self.check(service, response)
    }

    fn check(&self, service: Service, response: Response) -> Result<Response, FetchError> {
        let Source::Http { url, .. } = &self.source else { return Ok(response) };
        let refused = |failure, what: String| Err(FetchError::new(failure, format!("{url}: {what}")));
        match response.status {
            200 => {}
            401 | 403 | 407 => {
                let what = match (&self.authorization, response.status) {
                    (None, _) => "the server asks for credentials and none are given; name a Secret in `secretRef`",
                    (Some(_), 401) => "the server refused the credentials (401)",
                    (Some(_), _) => "the server knows the credentials but does not let them read this repository (403)",
                };
                return refused(FetchFailure::AuthenticationFailed, what.to_owned());
            }
            404 | 410 => {
                let hint = if self.authorization.is_none() { "; a private one needs credentials" } else { "" };
                return refused(FetchFailure::RepositoryNotFound, format!("no repository is there (404){hint}"));
            }
            status @ 300..=399 => {
                let target = response.location.as_deref().unwrap_or("an address it does not name");
                let target = target.split("/info/refs").next().unwrap_or(target);
                return refused(
                    FetchFailure::InvalidUrl,
                    format!("the server redirects ({status}) to {target}; redirects are not followed: write that URL"),
                );
            }
            status => return refused(FetchFailure::Unreachable, format!("the server answered {status}")),
        }
        let expected = match service {
            Service::UploadPackLs => "application/x-git-upload-pack-advertisement",
            _ => "application/x-git-upload-pack-result",
        };
        if response.content_type != expected {
            return refused(
                FetchFailure::Protocol,
                format!("expected a Git server, found an answer of type `{}`", response.content_type),
            );
        }
        Ok(response)
    }

    fn broken(&self, error: &io::Error, doing: &str) -> FetchError {
        match &self.source {
            Source::Http { host, port, .. } => connection::classify(error, host, *port, doing),
            Source::File(path) => FetchError::new(FetchFailure::Unreachable, format!("{}: {error}", path.display())),
        }
    }
}

pub(super) fn too_many_bytes(limit: u64) -> FetchError {
    FetchError::new(
        FetchFailure::BudgetExceeded(Budget::ReceivedBytes),
        format!("the server sends more than the {limit} bytes that one fetch may receive"),
    )
}

/// The `Authorization` line.
fn authorization(credentials: &Credentials) -> Result<Option<String>, FetchError> {
    let end_of_line = ['\r', '\n'];
    match credentials {
        Credentials::None => Ok(None),
        Credentials::Basic { username, password } => {
            let username = username.trim_end_matches(end_of_line);
            let password = password.expose_secret().trim_end_matches(end_of_line);
            if username.contains(':') {
                return Err(FetchError::new(FetchFailure::AuthenticationFailed, "a user name cannot hold a `:`"));
            }
            Ok(Some(format!("Authorization: Basic {}", STANDARD.encode(format!("{username}:{password}")))))
        }
        Credentials::Bearer { token } => {
            let token = token.expose_secret().trim_end_matches(end_of_line);
            if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(FetchError::new(
                    FetchFailure::AuthenticationFailed,
                    "expected a bearer token of visible ASCII characters without spaces",
                ));
            }
            Ok(Some(format!("Authorization: Bearer {token}")))
        }
    }
}

struct Subtransport {
    exchange: Arc<Exchange>,
}

impl SmartSubtransport for Subtransport {
    fn action(&self, _url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        Ok(Box::new(Stream { exchange: Arc::clone(&self.exchange), service, phase: Phase::Asking(Vec::new()) }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// One request and its response: libgit2 writes, then reads.
struct Stream {
    exchange: Arc<Exchange>,
    service: Service,
    phase: Phase,
}

enum Phase {
    Asking(Vec<u8>),
    Answered(Box<Response>),
    Failed,
}

impl Stream {
    fn read_or_fail(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
        if let Phase::Asking(body) = &mut self.phase {
            let body = std::mem::take(body);
            self.phase = Phase::Failed;
            self.phase = Phase::Answered(Box::new(self.exchange.ask(self.service, &body)?));
        }
        let Phase::Answered(response) = &mut self.phase else { return Ok(0) };
        let read = response.read(buffer).map_err(|error| self.exchange.broken(&error, "reading the answer"))?;
        self.exchange.count(read)?;
        Ok(read)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_or_fail(buffer).map_err(|error| {
            self.exchange.fail(error);
            // The true reason is kept in the exchange; this text passes through C and is fixed.
            io::Error::other("the exchange with the server failed")
        })
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.phase {
            Phase::Asking(body) => {
                body.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            Phase::Answered(_) | Phase::Failed => Err(io::Error::other("the request was already sent")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn net_error(message: &str) -> git2::Error {
    git2::Error::new(ErrorCode::GenericError, ErrorClass::Net, message)
}
