//! What attempts share: trusted certificates, TLS settings, pooled HTTP connections.
//!
//! Built once. The TLS settings name their cryptography (aws-lc-rs) themselves and need no process-wide
//! default. Proxy variables of the environment are deliberately not read: what is sent where is in the
//! policy alone.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, pem::PemObject},
};
use sha2::{Digest, Sha256};

use crate::outcome::plain;

/// Connections kept open longer than the receiver keeps them are cut under a message and make it uncertain.
/// Common servers keep an idle connection for 5 s or more.
const IDLE: Duration = Duration::from_secs(4);

/// So many bundles of private certificates are kept ready; a rotation leaves old ones behind.
const KEPT_BUNDLES: usize = 64;

/// What attempts share. Cheap to pass by reference to any number of them at once.
#[derive(Debug)]
pub struct Context {
    provider: Arc<CryptoProvider>,
    system: Arc<Trust>,
    /// By the digest of the PEM text.
    private: Mutex<BTreeMap<[u8; 32], Arc<Trust>>>,
}

/// Whom to trust, and the HTTP client that does.
#[derive(Debug)]
pub(crate) struct Trust {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) http: reqwest::Client,
}

/// The context could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The TLS library refuses its own cryptography.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be set up: {0}")]
    Http(#[from] reqwest::Error),
}

impl Context {
    /// Reads the system's trusted certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured). A system
    /// without any is no error: channels with a `ca` and plain `http` work, others say what is missing.
    ///
    /// # Errors
    /// When TLS or the HTTP client cannot be set up at all.
    pub fn new() -> Result<Self, ContextError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let system = Arc::new(Trust::new(&provider, roots)?);
        Ok(Self { provider, system, private: Mutex::default() })
    }

    /// Trust in the certificates of `ca` (PEM) instead of the system's, or in the system's.
    ///
    /// # Errors
    /// A sentence without the PEM text when it is not one or more certificates.
    pub(crate) fn trust(&self, ca: Option<&str>) -> Result<Arc<Trust>, String> {
        let Some(pem) = ca else { return Ok(Arc::clone(&self.system)) };
        let digest = Sha256::digest(pem.as_bytes()).into();
        if let Some(trust) = self.private.lock().get(&digest) {
            return Ok(Arc::clone(trust));
        }
        let trust = Arc::new(Trust::new(&self.provider, roots_of(pem)?).map_err(|error| error.to_string())?);
        let mut private = self.private.lock();
        if private.len() >= KEPT_BUNDLES {
            private.clear();
        }
        private.insert(digest, Arc::clone(&trust));
        Ok(trust)
    }
}

impl Trust {
    fn new(provider: &Arc<CryptoProvider>, roots: RootCertStore) -> Result<Self, ContextError> {
        let tls = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .user_agent(concat!("firstline/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .pool_idle_timeout(IDLE)
            .build()?;
        Ok(Self { tls: Arc::new(tls), http })
    }
}

/// Whether this is what a channel's `ca` has to be.
pub(crate) fn check_ca(pem: &str) -> Result<(), String> {
    roots_of(pem).map(drop)
}

fn roots_of(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
        let place = || format!("certificate {} of it", index + 1);
        let certificate =
            certificate.map_err(|error| format!("{} is not PEM: {}", place(), plain(&error.to_string(), 100)))?;
        roots.add(certificate).map_err(|error| format!("{} cannot be used: {error}", place()))?;
    }
    if roots.is_empty() {
        return Err("expected PEM with at least one `-----BEGIN CERTIFICATE-----`, found none".to_owned());
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bundle_shares_one_client() {
        let context = Context::new().unwrap();
        let pem = rcgen::generate_simple_self_signed(["mail.example".to_owned()]).unwrap().cert.pem();
        let first = context.trust(Some(&pem)).unwrap();
        assert!(Arc::ptr_eq(&first, &context.trust(Some(&pem)).unwrap()));
        assert!(!Arc::ptr_eq(&first, &context.trust(None).unwrap()));
    }

    #[test]
    fn a_bundle_without_a_certificate_says_what_was_expected() {
        let error = Context::new()
            .unwrap()
            .trust(Some("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"))
            .unwrap_err();
        assert_eq!(error, "expected PEM with at least one `-----BEGIN CERTIFICATE-----`, found none");
    }

    #[test]
    fn a_broken_bundle_names_the_certificate() {
        let error = Context::new()
            .unwrap()
            .trust(Some("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----"))
            .unwrap_err();
        assert!(error.starts_with("certificate 1 of it is not PEM"), "{error}");
    }
}
