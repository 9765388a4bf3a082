//! The stable words for why a probe failed. They are part of the interface: dashboards, alerts
//! and people search for them, so a word is added but never renamed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a probe failed, or why it could not look at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are the documentation; the sentence of each failure says the rest
pub enum Reason {
    DnsNotFound,
    DnsTimeout,
    DnsServerFailure,
    ConnectRefused,
    ConnectTimeout,
    ConnectReset,
    NetworkUnreachable,
    EgressDenied,
    TlsHandshake,
    TlsExpired,
    TlsNotYetValid,
    TlsWrongHost,
    TlsUnknownCa,
    TlsSelfSigned,
    TlsWeak,
    FirstByteTimeout,
    TransferTimeout,
    ProtocolError,
    BadStatus,
    BadHeader,
    BadBody,
    TooManyRedirects,
    BodyTooLarge,
    TooSlow,
    ScriptMismatch,
    NotPermitted,
    ConfigError,
}

impl Reason {
    /// The word in status, metrics and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DnsNotFound => "DnsNotFound",
            Self::DnsTimeout => "DnsTimeout",
            Self::DnsServerFailure => "DnsServerFailure",
            Self::ConnectRefused => "ConnectRefused",
            Self::ConnectTimeout => "ConnectTimeout",
            Self::ConnectReset => "ConnectReset",
            Self::NetworkUnreachable => "NetworkUnreachable",
            Self::EgressDenied => "EgressDenied",
            Self::TlsHandshake => "TlsHandshake",
            Self::TlsExpired => "TlsExpired",
            Self::TlsNotYetValid => "TlsNotYetValid",
            Self::TlsWrongHost => "TlsWrongHost",
            Self::TlsUnknownCa => "TlsUnknownCa",
            Self::TlsSelfSigned => "TlsSelfSigned",
            Self::TlsWeak => "TlsWeak",
            Self::FirstByteTimeout => "FirstByteTimeout",
            Self::TransferTimeout => "TransferTimeout",
            Self::ProtocolError => "ProtocolError",
            Self::BadStatus => "BadStatus",
            Self::BadHeader => "BadHeader",
            Self::BadBody => "BadBody",
            Self::TooManyRedirects => "TooManyRedirects",
            Self::BodyTooLarge => "BodyTooLarge",
            Self::TooSlow => "TooSlow",
            Self::ScriptMismatch => "ScriptMismatch",
            Self::NotPermitted => "NotPermitted",
            Self::ConfigError => "ConfigError",
        }
    }

    /// Whether we could not look, so that nothing is known about the target: `Unknown`, never `Down`.
    pub fn is_blind(self) -> bool {
        matches!(self, Self::EgressDenied | Self::NotPermitted | Self::ConfigError)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
