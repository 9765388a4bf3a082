//! One TCP or TLS connection on which every read and write ends at one deadline.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::time::Instant;

use super::error::{FetchError, FetchFailure};

/// What is open to a server.
pub(super) enum Connection {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Connection {
    /// # Errors
    /// Names the host, the address and the reason of the last address tried.
    pub(super) fn open(
        host: &str,
        port: u16,
        tls: Option<&Arc<ClientConfig>>,
        deadline: Instant,
    ) -> Result<Self, FetchError> {
        let stream = Timed { stream: connect(host, port, deadline)?, deadline };
        let Some(config) = tls else { return Ok(Self::Plain(stream)) };
        let name = ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned())
            .map_err(|_| FetchError::new(FetchFailure::InvalidUrl, format!("`{host}` is no valid host name")))?;
        let connection = ClientConnection::new(Arc::clone(config), name)
            .map_err(|error| FetchError::new(FetchFailure::Unreachable, format!("TLS with {host}:{port}: {error}")))?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| classify(&error, host, port, "TLS handshake"))?;
        }
        Ok(Self::Tls(Box::new(stream)))
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A TCP stream whose timeouts shrink with the time that is left, so that a server that drips bytes cannot hold it.
pub(super) struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        self.stream.read(buffer).map_err(timed_out)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.deadline)?))?;
        self.stream.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The time to the deadline, never zero (zero means "for ever" to a socket).
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A socket reports its timeout as `WouldBlock`, which readers above would take for an invitation to try again.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, FetchError> {
    let addresses = (host.trim_start_matches('[').trim_end_matches(']'), port).to_socket_addrs().map_err(|error| {
        FetchError::new(FetchFailure::Unreachable, format!("the host name `{host}` could not be resolved: {error}"))
    })?;
    let mut last = FetchError::new(FetchFailure::Unreachable, format!("the host name `{host}` has no address"));
    for address in addresses {
        let attempt = left(deadline).and_then(|left| TcpStream::connect_timeout(&address, left));
        match attempt {
            Ok(stream) => {
                // Requests are written whole; waiting for more would only delay them. A failure costs time, not truth.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = classify(&error, host, port, &format!("connect to {address}")),
        }
    }
    Err(last)
}

/// Tells a deadline and a distrusted certificate from other faults of a connection.
pub(super) fn classify(error: &io::Error, host: &str, port: u16, doing: &str) -> FetchError {
    if error.kind() == io::ErrorKind::TimedOut {
        return FetchError::new(
            FetchFailure::Timeout,
            format!("{host}:{port}: {doing}: no answer within the deadline"),
        );
    }
    let tls = error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::InvalidCertificate(reason)) = tls {
        return FetchError::new(
            FetchFailure::Untrusted,
            format!(
                "the certificate of {host}:{port} is not trusted: {reason}; give its authority as `ca.crt` in the Secret"
            ),
        );
    }
    FetchError::new(FetchFailure::Unreachable, format!("{host}:{port}: {doing}: {error}"))
}

/// What is trusted: the given certificates and nothing else, or the roots of the machine.
///
/// # Errors
/// When the PEM cannot be read, or the machine has no roots at all.
pub(super) fn tls_config(ca: Option<&str>) -> Result<Arc<ClientConfig>, FetchError> {
    let untrusted = |message: String| FetchError::new(FetchFailure::Untrusted, message);
    let mut roots = RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| untrusted(format!("`ca.crt`: {error}")))?;
                roots.add(certificate).map_err(|error| untrusted(format!("`ca.crt`: {error}")))?;
            }
            if roots.is_empty() {
                return Err(untrusted("`ca.crt` holds no certificate in PEM form".to_owned()));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(untrusted("this machine has no root certificates; give `ca.crt` in the Secret".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| untrusted(format!("TLS could not be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
