//! Whom to trust: the authorities of this host, or those that a target brings.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};

/// So many different bundles are kept parsed; with more, all are parsed anew.
const KEPT: usize = 256;

/// A set of certificates that are trusted.
#[derive(Debug)]
pub(crate) struct Trust {
    roots: RootCertStore,
    /// The bundle itself; empty for the host's own, which nobody serves as a leaf.
    pinned: Vec<CertificateDer<'static>>,
}

impl Trust {
    pub(crate) fn roots(&self) -> &RootCertStore {
        &self.roots
    }

    /// Whether this very certificate is in the bundle: a self-signed one that was handed over in
    /// advance is trusted, although it signed itself.
    pub(crate) fn pins(&self, leaf: &CertificateDer<'_>) -> bool {
        self.pinned.iter().any(|pinned| pinned == leaf)
    }
}

/// All that was parsed.
pub(crate) struct Authorities {
    system: Arc<Trust>,
    /// By the SHA-256 of the PEM text.
    custom: Mutex<HashMap<[u8; 32], Arc<Trust>>>,
}

impl Authorities {
    pub(crate) fn new(system: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = RootCertStore::empty();
        // Hosts carry a few that cannot be parsed; the others count.
        roots.add_parsable_certificates(system);
        Self { system: Arc::new(Trust { roots, pinned: Vec::new() }), custom: Mutex::default() }
    }

    pub(crate) fn system(&self) -> Arc<Trust> {
        Arc::clone(&self.system)
    }

    pub(crate) fn system_count(&self) -> usize {
        self.system.roots.len()
    }

    /// The certificates of a PEM bundle.
    ///
    /// # Errors
    /// What is wrong with the bundle.
    pub(crate) fn custom(&self, pem: &str) -> Result<Arc<Trust>, String> {
        let key: [u8; 32] = Sha256::digest(pem.as_bytes()).into();
        if let Some(trust) = self.custom.lock().get(&key) {
            return Ok(Arc::clone(trust));
        }
        let pinned = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("expected PEM certificates: {error}"))?;
        if pinned.is_empty() {
            return Err("expected at least one PEM certificate, found none".to_owned());
        }
        let mut roots = RootCertStore::empty();
        for certificate in &pinned {
            roots.add(certificate.clone()).map_err(|error| format!("not a certificate: {error}"))?;
        }
        let trust = Arc::new(Trust { roots, pinned });
        let mut custom = self.custom.lock();
        if custom.len() >= KEPT {
            custom.clear();
        }
        custom.insert(key, Arc::clone(&trust));
        Ok(trust)
    }
}
