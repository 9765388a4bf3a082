//! What all looks share: where names are looked up, whom to trust, what may be contacted.

use std::sync::Arc;

use hickory_resolver::net::NetError;
use thiserror::Error;

use crate::{egress::Egress, resolve::Names, tls};

/// Built once and cheap to clone.
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
    egress: Egress,
}

struct Shared {
    names: Names,
    tls: tls::Client,
}

/// Why looks cannot be taken on this host.
#[derive(Debug, Error)]
pub enum ContextError {
    /// /etc/resolv.conf.
    #[error("expected a readable /etc/resolv.conf: {0}")]
    Names(#[from] NetError),
    /// The cryptography that was built in does not suit.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl Context {
    /// With the name servers, hosts file and certificate authorities of this host.
    ///
    /// # Errors
    /// When /etc/resolv.conf cannot be read. Missing certificate authorities are no
    /// error here (see [`Self::system_authorities`]): looks with a CA of their own do without.
    pub fn from_system(egress: Egress) -> Result<Self, ContextError> {
        Self::assemble(Names::from_system()?, rustls_native_certs::load_native_certs().certs, egress)
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
        names: Names,
        authorities: Vec<rustls_pki_types::CertificateDer<'static>>,
        egress: Egress,
    ) -> Result<Self, ContextError> {
        let tls = tls::Client::new(authorities)?;
        Ok(Self { shared: Arc::new(Shared { names, tls }), egress })
    }

    pub(crate) fn names(&self) -> &Names {
        &self.shared.names
    }

    pub(crate) fn tls(&self) -> &tls::Client {
        &self.shared.tls
    }

    pub(crate) fn egress(&self) -> Egress {
        self.egress
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Secrets,
        fixtures::{AMPLE, Aim, Server, get, noon},
        probe,
    };

    /// Looks run on all threads of the runtime.
    fn goes_between_threads<T: Send>(work: T) -> T {
        work
    }

    #[tokio::test]
    async fn a_host_as_it_is_set_up_is_enough_for_a_look() {
        let server = Server::http(|_| "HTTP/1.1 200 OK\r\n\r\n".to_owned()).await;
        let context = Context::from_system(Egress::default()).unwrap();
        let Aim(target) = get(&server.url("/")).into();
        let refused = probe(&target, AMPLE, noon(), &Secrets::none(), &context).await;
        assert_eq!(refused.failure.map(|failure| failure.reason), Some(domain::probe::Reason::EgressDenied));
        let (open, none) = (context.with_egress(Egress::OPEN), Secrets::none());
        let sample = goes_between_threads(probe(&target, AMPLE, noon(), &none, &open)).await;
        assert_eq!(sample.failure, None);
    }
}
