//! One look at a target. Written as JSON, all times are seconds as numbers, as in the metrics.

use std::{net::SocketAddr, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::Reason;

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// When the probe began.
    pub at: Timestamp,
    /// From begin to verdict, all phases and redirects together.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
    /// How long each phase took, summed over redirects. A phase that was not reached is `None`.
    pub phases: Phases,
    /// The address of the last connection, when one was tried.
    pub address: Option<SocketAddr>,
    /// Absent when the target did what was expected.
    pub failure: Option<Failure>,
    /// What the last HTTP response said, when there was one.
    pub http: Option<HttpFacts>,
    /// What the last TLS handshake showed, also when the certificate was judged bad.
    pub tls: Option<TlsFacts>,
}

impl Sample {
    /// A look that could not begin: no time passed and nothing was sent.
    pub fn not_looked(at: Timestamp, failure: Failure) -> Self {
        let phases = Phases::default();
        Self { at, duration: Duration::ZERO, phases, address: None, failure: Some(failure), http: None, tls: None }
    }

    /// Whether the target did what was expected.
    pub fn ok(&self) -> bool {
        self.failure.is_none()
    }
}

/// How long each phase took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Phases {
    /// Name resolution.
    #[serde(serialize_with = "some_seconds")]
    pub dns: Option<Duration>,
    /// TCP connect.
    #[serde(serialize_with = "some_seconds")]
    pub connect: Option<Duration>,
    /// TLS handshake.
    #[serde(serialize_with = "some_seconds")]
    pub tls: Option<Duration>,
    /// From the first byte of the request to the complete head of the answer; with a script, to its first byte.
    #[serde(serialize_with = "some_seconds")]
    pub first_byte: Option<Duration>,
    /// From there to the last byte.
    #[serde(serialize_with = "some_seconds")]
    pub transfer: Option<Duration>,
}

/// The phase a probe was in when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Name resolution.
    Dns,
    /// TCP connect.
    Connect,
    /// TLS handshake.
    Tls,
    /// Waiting for the first byte.
    FirstByte,
    /// Reading the answer.
    Transfer,
    /// Everything arrived; what was said is not what was expected.
    Expect,
}

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The stable word.
    pub reason: Reason,
    /// How far it got.
    pub phase: Phase,
    /// A sentence for people, with the address: "connect to 10.2.0.7:443: refused". Never a secret.
    pub message: String,
}

/// What the last HTTP response said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpFacts {
    /// The status code.
    pub status: u16,
    /// `1.0`, `1.1` or `2`.
    pub version: String,
    /// How many redirects were followed.
    pub redirects: u32,
    /// The Content-Length header; `None` when absent (chunked).
    pub content_length: Option<u64>,
    /// Bytes of body read.
    pub body_bytes: u64,
    /// Whether the last hop was TLS.
    pub tls: bool,
    /// Whether a body or header expectation was what failed.
    pub failed_due_to_regex: bool,
    /// The Last-Modified header in seconds since 1970, when present and readable.
    pub last_modified: Option<i64>,
}

/// What the last TLS handshake showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsFacts {
    /// `TLS 1.2` or `TLS 1.3`.
    pub version: String,
    /// The IANA name of the cipher suite; empty when the handshake failed after the certificate had come.
    pub cipher: String,
    /// The earliest end of validity among the certificates the server sent.
    pub not_after: Option<Timestamp>,
    /// The leaf's subject.
    pub subject: String,
    /// The leaf's issuer.
    pub issuer: String,
    /// The names and addresses the leaf is for.
    pub names: Vec<String>,
    /// The leaf's serial number in lower-case hexadecimal, two digits a byte.
    pub serial: String,
    /// SHA-256 over the leaf, in lower-case hexadecimal.
    pub fingerprint_sha256: String,
    /// What is wrong with the certificate, also when that is only reported (`insecure_skip_verify`).
    pub problem: Option<CertificateProblem>,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateProblem {
    /// The gravest fault.
    pub reason: Reason,
    /// All faults, in one sentence.
    pub message: String,
}

fn seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_secs_f64())
}

#[expect(clippy::ref_option, reason = "the shape that serde asks for")]
fn some_seconds<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => seconds(span, serializer),
        None => serializer.serialize_none(),
    }
}
