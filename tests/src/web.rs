//! A small web service to be probed: `GET /healthz` answers `ok`, until it is
//! broken in one of several ways.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use axum::{Router, extract::State, response::Response, routing::get};
use parking_lot::Mutex;

use crate::{
    ports::Port,
    serve::{Behaviour, Server, status},
    tls::Authority,
};

/// The service; dropping it closes the port.
pub struct WebService {
    port: Port,
    scheme: &'static str,
    tls: Option<Arc<rustls::ServerConfig>>,
    health: Arc<Health>,
    server: Mutex<Option<Server>>,
}

#[derive(Default)]
struct Health {
    behaviour: Mutex<Behaviour>,
    requests: AtomicU64,
}

impl WebService {
    /// Starts a healthy one on a free loopback port.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<Self> {
        Self::with("http", None).await
    }

    /// The same over TLS, with a certificate of `authority`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_tls(authority: &Authority) -> Result<Self> {
        Self::with("https", Some(authority.server_config()?)).await
    }

    async fn with(scheme: &'static str, tls: Option<Arc<rustls::ServerConfig>>) -> Result<Self> {
        let service = Self { port: Port::reserve()?, scheme, tls, health: Arc::default(), server: Mutex::default() };
        service.listen().await?;
        Ok(service)
    }

    /// `127.0.0.1:PORT`, for a tcp probe.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// `http://127.0.0.1:PORT/healthz`.
    pub fn url(&self) -> String {
        format!("{}://{}/healthz", self.scheme, self.address())
    }

    /// Breaks it: requests from now on meet `behaviour`.
    pub fn break_with(&self, behaviour: Behaviour) {
        *self.health.behaviour.lock() = behaviour;
    }

    /// Breaks it: connections are refused when this returns.
    pub async fn refuse_connections(&self) {
        let server = self.server.lock().take();
        if let Some(server) = server {
            server.stop().await;
        }
    }

    /// Makes it healthy again, on the same port. What hangs goes on hanging.
    ///
    /// # Errors
    /// When its port cannot be bound again.
    pub async fn repair(&self) -> Result<()> {
        self.break_with(Behaviour::Healthy);
        let listens = self.server.lock().is_some();
        if listens { Ok(()) } else { self.listen().await }
    }

    /// Requests to `/healthz` so far.
    pub fn requests(&self) -> u64 {
        self.health.requests.load(Ordering::Relaxed)
    }

    async fn listen(&self) -> Result<()> {
        let router = Router::new().route("/healthz", get(healthz)).with_state(Arc::clone(&self.health));
        let server = Server::start(self.address(), self.tls.clone(), router).await?;
        *self.server.lock() = Some(server);
        Ok(())
    }
}

async fn healthz(State(health): State<Arc<Health>>) -> Response {
    health.requests.fetch_add(1, Ordering::Relaxed);
    let behaviour = *health.behaviour.lock();
    behaviour.instead().await.unwrap_or_else(|| status(200, "ok\n"))
}
