//! The handshake, and the judgement of the certificate after it.
//!
//! The handshake always ends, so that an expired, self-signed or wrong certificate is described like
//! a good one. Then it is judged; nothing is said to a peer that was judged bad, unless the target
//! asks for it. Each look is a full handshake: no resumption, no tickets, no early data.
//!
//! Absent: revocation (OCSP, CRL), certificate transparency, TLS 1.0 and 1.1, client certificates.

mod facts;
mod judge;
mod recorder;
mod trust;

use std::{io, sync::Arc};

use domain::probe::{CertificateProblem, Failure, Phase, Reason, TlsSettings};
use rustls::{
    AlertDescription, ClientConfig, Error as TlsError, PeerIncompatible, ProtocolVersion, client::Resumption,
    crypto::CryptoProvider,
};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{look::Look, secrets::Secrets};
use recorder::Recorder;
use trust::Authorities;
pub(crate) use trust::Trust;

/// What the client offers to speak inside TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// HTTP/2, or HTTP/1.1.
    Http,
    /// No protocol is negotiated.
    Anything,
}

/// Settings that all handshakes share.
pub(crate) struct Client {
    provider: Arc<CryptoProvider>,
    for_http: ClientConfig,
    for_anything: ClientConfig,
    authorities: Authorities,
}

/// With whom a handshake is made, and what is expected of them.
pub(crate) struct Peer<'a> {
    pub(crate) name: &'a str,
    pub(crate) trust: &'a Trust,
    pub(crate) settings: &'a TlsSettings,
    pub(crate) offer: Offer,
}

impl Client {
    pub(crate) fn new(system: Vec<CertificateDer<'static>>) -> Result<Self, TlsError> {
        // Named here and never taken from the process, where anybody may have set another.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let plain = |protocols: &[&[u8]]| -> Result<ClientConfig, TlsError> {
            let recorder = Arc::new(Recorder::new(provider.signature_verification_algorithms));
            let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(recorder)
                .with_no_client_auth();
            config.resumption = Resumption::disabled();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Ok(config)
        };
        let (for_http, for_anything) = (plain(&[b"h2", b"http/1.1"])?, plain(&[])?);
        Ok(Self { provider, for_http, for_anything, authorities: Authorities::new(system) })
    }

    pub(crate) fn system_authorities(&self) -> usize {
        self.authorities.system_count()
    }

    /// Whom a target trusts. Asked before anything is sent, as its failure is one of configuration.
    pub(crate) fn trust(&self, settings: &TlsSettings, secrets: &Secrets) -> Result<Arc<Trust>, Failure> {
        let config_error = |message: String| Failure { reason: Reason::ConfigError, phase: Phase::Tls, message };
        match &settings.ca {
            Some(reference) => {
                let pem = secrets.expose(reference, "tls.ca")?;
                let trust = self.authorities.custom(pem);
                trust.map_err(|what| config_error(format!("tls.ca: {reference}: {what}")))
            }
            None if self.authorities.system_count() == 0 && !settings.insecure_skip_verify => Err(config_error(
                "this host has no certificate authorities to judge by: install ca-certificates or set tls.ca"
                    .to_owned(),
            )),
            None => Ok(self.authorities.system()),
        }
    }

    /// Shakes hands, describes what was seen in `look`, and judges it.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        peer: &Peer<'_>,
        look: &mut Look,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let address = look.address.map_or_else(|| peer.name.to_owned(), |address| address.to_string());
        let failed = |reason, what: String| Failure {
            reason,
            phase: Phase::Tls,
            message: format!("TLS with {address} as {}: {what}", peer.name),
        };
        let name = peer.name.strip_suffix('.').unwrap_or(peer.name);
        let Ok(name) = ServerName::try_from(name.to_owned()) else {
            return Err(failed(Reason::ConfigError, "not a name that a certificate can be for".to_owned()));
        };
        let recorder = Arc::new(Recorder::new(self.provider.signature_verification_algorithms));
        let mut config = match peer.offer {
            Offer::Http => self.for_http.clone(),
            Offer::Anything => self.for_anything.clone(),
        };
        config.dangerous().set_certificate_verifier(Arc::clone(&recorder) as Arc<_>);
        let connector = TlsConnector::from(Arc::new(config));
        let work = async {
            connector.connect(name.clone(), stream).await.map_err(|error| {
                let (reason, what) = reason_of(&error);
                failed(reason, what)
            })
        };
        let outcome = look.spend(Phase::Tls, || format!("TLS with {address} as {}", peer.name), work).await;

        let seen = recorder.seen();
        let faults = judge::faults(&seen.chain, &name, peer.trust, look.at, &self.provider);
        let problem = faults.first().map(|gravest| CertificateProblem {
            reason: gravest.reason,
            message: faults.iter().map(|fault| fault.what.as_str()).collect::<Vec<_>>().join("; "),
        });
        let session = outcome.as_ref().ok().map(|stream| stream.get_ref().1);
        look.tls = facts::describe(&seen, session, problem.clone());

        let stream = outcome?;
        match problem {
            Some(problem) if !peer.settings.insecure_skip_verify => Err(failed(problem.reason, problem.message)),
            _ => Ok(stream),
        }
    }
}

fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLS 1.3",
        ProtocolVersion::TLSv1_2 => "TLS 1.2",
        _ => "",
    }
}

/// Why a handshake failed, and how to say so.
fn reason_of(error: &io::Error) -> (Reason, String) {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        return reason_of_tls(error);
    }
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            (Reason::ConnectReset, "the peer reset the connection".to_owned())
        }
        io::ErrorKind::UnexpectedEof => {
            (Reason::TlsHandshake, "the peer closed the connection during the handshake".to_owned())
        }
        _ => (Reason::TlsHandshake, error.to_string()),
    }
}

/// Why TLS failed, and how to say so. Also used when it fails after the handshake, as with TLS 1.3
/// the peer says only then that it wants a client certificate.
pub(crate) fn reason_of_tls(error: &TlsError) -> (Reason, String) {
    match error {
        TlsError::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity)
        | TlsError::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => (Reason::TlsWeak, "the peer speaks neither TLS 1.2 nor TLS 1.3 with ciphers of today".to_owned()),
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => {
            (Reason::TlsHandshake, "the peer asks for a client certificate".to_owned())
        }
        TlsError::AlertReceived(alert) => (Reason::TlsHandshake, format!("the peer refused: {alert:?}")),
        TlsError::InvalidMessage(_) => (Reason::TlsHandshake, "the peer does not speak TLS".to_owned()),
        other => (Reason::TlsHandshake, other.to_string()),
    }
}

#[cfg(test)]
mod tests;
