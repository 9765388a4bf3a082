//! Is this certificate good? All faults are found, not only the first.
//!
//! A path that webpki accepts settles trust and validity. Only if there is none, the reason is
//! looked for: webpki stops at the first fault, and an expired certificate of an unknown authority
//! has two.
//!
//! The gravest fault comes first, in the order of Chromium: not trusted, for another name, not valid at this time.

use std::time::Duration;

use domain::probe::Reason;
use jiff::Timestamp;
use rustls::{
    CertificateError, Error,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    crypto::CryptoProvider,
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{
    facts::{names, not_after, not_before, rfc2253},
    trust::Trust,
};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) what: String,
}

impl Fault {
    fn new(reason: Reason, what: impl Into<String>) -> Self {
        Self { reason, what: what.into() }
    }
}

/// All that is wrong with a chain, the gravest first; empty for a good one and when there is none.
pub(crate) fn faults(
    chain: &[CertificateDer<'static>],
    name: &ServerName<'_>,
    trust: &Trust,
    at: Timestamp,
    provider: &CryptoProvider,
) -> Vec<Fault> {
    let Some((leaf, sent)) = chain.split_first() else { return Vec::new() };
    let (Ok(parsed), Ok((_, described))) = (ParsedCertificate::try_from(leaf), X509Certificate::from_der(leaf)) else {
        return vec![Fault::new(Reason::TlsHandshake, "the certificate cannot be read")];
    };
    let algorithms = provider.signature_verification_algorithms.all;
    let path =
        |at: Timestamp| verify_server_cert_signed_by_trust_anchor(&parsed, trust.roots(), sent, unix(at), algorithms);

    let mut faults = Vec::new();
    let mut validity = Vec::new();
    if trust.pins(leaf) {
        validity = validity_faults(std::slice::from_ref(leaf), at);
    } else if let Err(error) = path(at) {
        validity = validity_faults(chain, at);
        let error = if validity.is_empty() { Some(error) } else { path(valid_instant(chain)).err() };
        faults.extend(error.map(|error| trust_fault(&error, &described, chain.len())));
    }
    faults.extend(verify_server_name(&parsed, name).err().map(|error| name_fault(&error, &described, name)));
    faults.extend(validity);
    faults
}

fn unix(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0)))
}

fn validity_faults(chain: &[CertificateDer<'static>], at: Timestamp) -> Vec<Fault> {
    let parsed = chain.iter().filter_map(|der| X509Certificate::from_der(der).ok());
    let fault = |(_, certificate): (&[u8], X509Certificate<'_>)| {
        let subject = rfc2253(certificate.subject());
        match (not_before(&certificate), not_after(&certificate)) {
            (_, Some(end)) if at > end => {
                Some(Fault::new(Reason::TlsExpired, format!("the certificate of {subject} expired on {end}")))
            }
            (Some(begin), _) if at < begin => {
                Some(Fault::new(Reason::TlsNotYetValid, format!("the certificate of {subject} begins on {begin}")))
            }
            _ => None,
        }
    };
    parsed.filter_map(fault).collect()
}

/// A time at which the whole chain is valid, or at least its leaf.
fn valid_instant(chain: &[CertificateDer<'static>]) -> Timestamp {
    let parsed: Vec<_> = chain.iter().filter_map(|der| X509Certificate::from_der(der).ok()).collect();
    let begin = parsed.iter().filter_map(|(_, certificate)| not_before(certificate)).max();
    let end = parsed.iter().filter_map(|(_, certificate)| not_after(certificate)).min();
    match (begin, end) {
        (Some(begin), Some(end)) if begin <= end => begin,
        _ => parsed.first().and_then(|(_, leaf)| not_before(leaf)).unwrap_or_default(),
    }
}

fn trust_fault(error: &Error, leaf: &X509Certificate<'_>, sent: usize) -> Fault {
    let issuer = rfc2253(leaf.issuer());
    if leaf.issuer().as_raw() == leaf.subject().as_raw() {
        return Fault::new(Reason::TlsSelfSigned, format!("the certificate of {issuer} is signed by itself"));
    }
    let certificates =
        if sent == 1 { "no intermediate certificate".to_owned() } else { format!("{sent} certificates") };
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => Fault::new(
            Reason::TlsUnknownCa,
            format!(
                "the certificate is issued by {issuer}, which leads to no trusted authority (the peer sent {certificates})"
            ),
        ),
        Error::InvalidCertificate(
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => Fault::new(Reason::TlsWeak, "the certificate is signed with an algorithm that is not accepted"),
        other => Fault::new(Reason::TlsUnknownCa, format!("the certificate of {issuer} is not accepted: {other}")),
    }
}

fn name_fault(error: &Error, leaf: &X509Certificate<'_>, name: &ServerName<'_>) -> Fault {
    let wanted = name.to_str();
    let (names, shown) = (names(leaf), 5);
    let what = match error {
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }) if names.is_empty() => {
            format!("the certificate is for no name at all, expected {wanted}")
        }
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }) => {
            let more = names.len().saturating_sub(shown);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let names = names.iter().take(shown).map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("the certificate is for {names}{more}, expected {wanted}")
        }
        other => format!("the certificate is not for {wanted}: {other}"),
    };
    Fault::new(Reason::TlsWrongHost, what)
}
