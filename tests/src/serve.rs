//! HTTP/1 servers inside the test process.
//!
//! They run on a runtime of their own, so a test that blocks its thread, or ends
//! before another that shares the server, does not stop them. A handler can also
//! do what HTTP libraries do not offer: leave the request without an answer, or
//! cut the connection.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{Router, body::Body, response::Response};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// What a server does with requests that reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Answers as it should.
    #[default]
    Healthy,
    /// Answers with this status and a short body.
    Status(u16),
    /// Reads the request and never answers.
    Hang,
    /// Reads the request and closes the connection.
    Cut,
}

impl Behaviour {
    /// The answer in place of the right one; `None` when healthy.
    pub async fn instead(self) -> Option<Response> {
        match self {
            Self::Healthy => None,
            Self::Status(code) => Some(status(code, format!("broken on purpose: {code}\n"))),
            Self::Hang => std::future::pending().await,
            Self::Cut => Some(cut()),
        }
    }
}

/// A response with a code and a text.
pub fn status(code: u16, text: impl Into<Body>) -> Response {
    Response::builder().status(code).body(text.into()).expect("a valid status code")
}

/// The response that is not sent: the connection is closed instead.
pub fn cut() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    response
}

#[derive(Debug, Clone, Copy)]
struct Cut;

#[derive(Debug)]
struct ConnectionCut;

impl std::fmt::Display for ConnectionCut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for ConnectionCut {}

/// A server that listens. Dropping it closes the listener and every connection,
/// a moment later; [`Server::stop`] waits for that.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// Dropped to end the task below.
    ending: Option<oneshot::Sender<()>>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `router` on `address`, with TLS when `tls` is given.
    ///
    /// # Errors
    /// When the address cannot be bound within 5 s (a closed predecessor may hold
    /// it for a moment).
    pub async fn start(address: SocketAddr, tls: Option<Arc<rustls::ServerConfig>>, router: Router) -> Result<Self> {
        let binding = crate::eventually(Duration::from_secs(5), "the listener", || async move {
            std::net::TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
        });
        let listener = binding.await?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let _inside = runtime().enter();
        let listener = TcpListener::from_std(listener)?;
        let (ending, ended) = oneshot::channel();
        let accepting = runtime().spawn(accept(listener, tls.map(TlsAcceptor::from), router, ended));
        Ok(Self { address, ending: Some(ending), accepting: Some(accepting) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the listener and every connection; returns when that is done.
    pub async fn stop(mut self) {
        self.ending = None;
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.await;
        }
    }
}

/// The runtime of all servers; it lives as long as the program.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("servers")
            .enable_all()
            .build()
            .expect("a runtime can be started")
    })
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, mut ended: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            _ = &mut ended => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let _ = stream.set_nodelay(true);
        let (tls, router) = (tls.clone(), router.clone());
        connections.spawn(async move {
            match tls {
                None => converse(stream, router).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, router).await;
                    }
                }
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
}

async fn converse<S>(stream: S, router: Router)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let Ok(response) = router.oneshot(request.map(Body::new)).await;
            if response.extensions().get::<Cut>().is_some() { Err(ConnectionCut) } else { Ok(response) }
        }
    });
    // An error is the client's: it went away, or was cut off on purpose.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
