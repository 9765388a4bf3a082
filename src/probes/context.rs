//! What all looks share: where names are looked up, whom to trust, what may be contacted.

use std::sync::Arc;

use hickory_resolver::{TokioResolver, net::NetError};
use thiserror::Error;

use crate::{egress::Egress, resolve, tls};

/// Built once and cheap to clone.
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
    egress: Egress,
}

struct Shared {
    resolver: TokioResolver,
    tls: tls::Client,
}

/// Why looks cannot be taken on this host.
#[derive(Debug, Error)]
pub enum ContextError {
    /// /etc/resolv.conf or /etc/hosts.
    #[error("expected a readable /etc/resolv.conf and /etc/hosts: {0}")]
    Names(#[from] NetError),
    /// The cryptography that was built in does not suit.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl Context {
    /// With the name servers, hosts file and certificate authorities of this host.
    ///
    /// # Errors
    /// When /etc/resolv.conf or /etc/hosts cannot be read. Missing certificate authorities are no
    /// error here (see [`Self::system_authorities`]): looks with a CA of their own do without.
    pub fn from_system(egress: Egress) -> Result<Self, ContextError> {
        let mut builder = TokioResolver::builder_tokio()?;
        resolve::configure(builder.options_mut());
        Self::assemble(builder.build()?, rustls_native_certs::load_native_certs().certs, egress)
    }

    /// The same with another egress policy, for instance that of a namespace.
    pub fn with_egress(&self, egress: Egress) -> Self {
        Self { shared: Arc::clone(&self.shared), egress }
    }

    /// How many certificate authorities of this host are trusted. With none, every TLS look
    /// without a CA of its own is a `ConfigError`: worth a line in the log at start.
    pub fn system_authorities(&self) -> usize {
        self.shared.tls.system_authorities()
    }

    pub(crate) fn assemble(
        resolver: TokioResolver,
        authorities: Vec<rustls_pki_types::CertificateDer<'static>>,
        egress: Egress,
    ) -> Result<Self, ContextError> {
        let tls = tls::Client::new(authorities)?;
        Ok(Self { shared: Arc::new(Shared { resolver, tls }), egress })
    }

    pub(crate) fn resolver(&self) -> &TokioResolver {
        &self.shared.resolver
    }

    pub(crate) fn tls(&self) -> &tls::Client {
        &self.shared.tls
    }

    pub(crate) fn egress(&self) -> Egress {
        self.egress
    }
}
