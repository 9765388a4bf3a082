//! What a handshake showed, in words.

use std::{fmt::Write as _, net::IpAddr};

use domain::probe::{CertificateProblem, TlsFacts};
use jiff::Timestamp;
use rustls::ClientConnection;
use sha2::{Digest, Sha256};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    objects::{oid_registry, oid2abbrev},
    prelude::FromDer,
    x509::X509Name,
};

use super::{recorder::Seen, version_name};

/// Describes what was seen; `None` when no certificate came that can be read.
pub(crate) fn describe(
    seen: &Seen,
    session: Option<&ClientConnection>,
    problem: Option<CertificateProblem>,
) -> Option<TlsFacts> {
    let leaf_der = seen.chain.first()?;
    let (_, leaf) = X509Certificate::from_der(leaf_der).ok()?;
    let ends = seen.chain.iter().filter_map(|der| X509Certificate::from_der(der).ok());
    let version = session.and_then(|session| session.protocol_version()).map_or(seen.version, version_name);
    let suite = session.and_then(|session| session.negotiated_cipher_suite());
    let cipher = suite.map(|suite| format!("{:?}", suite.suite())).unwrap_or_default();
    Some(TlsFacts {
        version: version.to_owned(),
        // rustls writes TLS13_AES_…; IANA's name is TLS_AES_….
        cipher: cipher.replacen("TLS13_", "TLS_", 1),
        not_after: ends.filter_map(|(_, certificate)| not_after(&certificate)).min(),
        subject: rfc2253(leaf.subject()),
        issuer: rfc2253(leaf.issuer()),
        names: names(&leaf),
        serial: hex(leaf.raw_serial()),
        fingerprint_sha256: hex(&Sha256::digest(leaf_der)),
        problem,
    })
}

/// The end of validity.
pub(crate) fn not_after(certificate: &X509Certificate<'_>) -> Option<Timestamp> {
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

/// The begin of validity.
pub(crate) fn not_before(certificate: &X509Certificate<'_>) -> Option<Timestamp> {
    Timestamp::from_second(certificate.validity().not_before.timestamp()).ok()
}

/// A name in the order and form of RFC 2253: the most specific part first, `CN=web,O=Acme`.
pub(crate) fn rfc2253(name: &X509Name<'_>) -> String {
    let part = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        let oid = attribute.attr_type();
        let kind = oid2abbrev(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), str::to_owned);
        format!("{kind}={}", escaped(attribute.as_str().unwrap_or("?")))
    };
    let parts: Vec<String> = name.iter_rdn().map(|rdn| rdn.iter().map(part).collect::<Vec<_>>().join("+")).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

/// RFC 2253, section 2.4, without its rule for spaces at the ends.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => text.extend(['\\', c]),
            // A certificate comes from outside; its text ends up in terminals.
            c if c.is_control() => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
    text
}

/// The DNS names and addresses that a certificate is for.
pub(crate) fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = leaf.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(escaped(name)),
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from)).ok().map(|address| address.to_string())
        }
        _ => None,
    };
    extension.value.general_names.iter().filter_map(text).collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
