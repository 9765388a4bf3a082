//! What is probed, after validation. Secret values are resolved only when the probe runs.

use std::time::Duration;

use regex::Regex;
use url::Url;

use crate::secret::SecretRef;

/// One thing to look at.
#[derive(Debug, Clone)]
pub enum Target {
    /// An HTTP or HTTPS request.
    Http(Box<HttpTarget>),
    /// A TCP connection, optionally with a conversation.
    Tcp(TcpTarget),
}

impl Target {
    /// How the target is shown to people and in the metric label `instance`: the URL without
    /// credentials and with its query hidden, or `host:port`.
    pub fn display(&self) -> String {
        match self {
            Self::Http(http) => {
                let mut url = http.url.clone();
                // Both fail only for URLs without a host, which validation refuses.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                // A query may carry a token, and this text goes to everybody who is paged.
                let hidden = if url.query().is_some() { "?…" } else { "" };
                url.set_query(None);
                format!("{url}{hidden}")
            }
            Self::Tcp(tcp) => tcp.display(),
        }
    }

    /// The host that credentials would be sent to.
    pub fn host(&self) -> Option<String> {
        match self {
            Self::Http(http) => http.url.host_str().map(str::to_owned),
            Self::Tcp(tcp) => Some(tcp.host.clone()),
        }
    }

    /// How its TLS peer is judged; `None` for plain TCP. An HTTP target may meet TLS after a redirect.
    pub fn tls(&self) -> Option<&TlsSettings> {
        match self {
            Self::Http(http) => Some(&http.tls),
            Self::Tcp(tcp) => tcp.tls.as_ref(),
        }
    }

    /// Every Secret that a probe of this target reads.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        match self {
            Self::Tcp(_) => Vec::new(),
            Self::Http(http) => {
                let headers = http.headers.iter().filter_map(|header| match &header.value {
                    HeaderValue::Secret(secret) => Some(secret),
                    HeaderValue::Plain(_) => None,
                });
                headers.chain(http.tls.ca.as_ref()).collect()
            }
        }
    }
}

/// A request and what the answer must be.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    /// `http` or `https`, with a host.
    pub url: Url,
    /// The method of the first request.
    pub method: Method,
    /// Sent with the first request; to another origin after a redirect, only the plain ones that carry no
    /// credentials (not Authorization, Cookie, Proxy-Authorization, and not Host).
    pub headers: Vec<Header>,
    /// The body of the first request.
    pub body: String,
    /// Certificates and names.
    pub tls: TlsSettings,
    /// Whether a 3xx answer is followed, and how often.
    pub redirects: Redirects,
    /// What the answer must be.
    pub expect: HttpExpectation,
}

/// A request method. Others are not probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET, the default.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// OPTIONS.
    Options,
}

/// A request header.
#[derive(Debug, Clone)]
pub struct Header {
    /// Its name, as written.
    pub name: String,
    /// Its value.
    pub value: HeaderValue,
}

/// Where a header's value comes from.
#[derive(Debug, Clone)]
pub enum HeaderValue {
    /// Written in the spec.
    Plain(String),
    /// Read from a Secret when the probe runs; dropped on a redirect to another origin.
    Secret(SecretRef),
}

/// How a TLS peer is judged.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// PEM certificates to trust instead of the system's.
    pub ca: Option<SecretRef>,
    /// The name to ask for and to check, instead of the URL's host.
    pub server_name: Option<String>,
    /// Whether a bad certificate is only reported, not a failure.
    pub insecure_skip_verify: bool,
    /// `CertificateExpiry` fires when the certificate is valid for fewer days than this (0–365).
    pub min_days_left: u32,
}

impl TlsSettings {
    /// Two weeks: after the renewals of automatic issuers (at 30 of 90 days, at 15 of 47), and with time to act.
    pub const MIN_DAYS_LEFT: u32 = 14;
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self { ca: None, server_name: None, insecure_skip_verify: false, min_days_left: Self::MIN_DAYS_LEFT }
    }
}

/// What happens on a 3xx answer with a Location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// The 3xx answer itself is judged.
    Judge,
    /// At most this many are followed (1–20); one more is `TooManyRedirects`.
    Follow(u8),
}

/// What an HTTP answer must be.
#[derive(Debug, Clone)]
pub struct HttpExpectation {
    /// One of these must contain the status; never empty.
    pub status: Vec<StatusRange>,
    /// Each must hold.
    pub headers: Vec<HeaderExpectation>,
    /// What the body must be.
    pub body: BodyExpectation,
}

/// An inclusive range of status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// 100–599.
    pub from: u16,
    /// 100–599, not below `from`.
    pub to: u16,
}

impl StatusRange {
    /// Whether the code lies in the range.
    pub fn contains(self, code: u16) -> bool {
        (self.from..=self.to).contains(&code)
    }
}

/// A header that must be there and match.
#[derive(Debug, Clone)]
pub struct HeaderExpectation {
    /// Its name, compared without regard to case.
    pub name: String,
    /// Must be found somewhere in one of its values.
    pub matches: Regex,
}

/// What a body must be. Every part that is given must hold.
#[derive(Debug, Clone)]
pub struct BodyExpectation {
    /// Must occur.
    pub contains: Option<String>,
    /// Must be found.
    pub matches: Option<Regex>,
    /// Must not be found.
    pub not_matches: Option<Regex>,
    /// How much is read (bytes, 1 KiB – 16 MiB, default 1 MiB); a longer body is `BodyTooLarge` if anything else
    /// is expected of the body, and cut otherwise.
    pub max_bytes: usize,
}

impl BodyExpectation {
    /// Whether the body's text matters.
    pub fn is_asked(&self) -> bool {
        self.contains.is_some() || self.matches.is_some() || self.not_matches.is_some()
    }
}

/// A TCP connection, and a conversation on it.
#[derive(Debug, Clone)]
pub struct TcpTarget {
    /// A host name or an address, without brackets.
    pub host: String,
    /// 1–65535.
    pub port: u16,
    /// Present: TLS right after connecting.
    pub tls: Option<TlsSettings>,
    /// In order; empty: connecting is enough.
    pub script: Vec<ScriptStep>,
}

impl TcpTarget {
    /// `host:port`, with brackets round an IPv6 address.
    pub fn display(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// One line of a conversation.
#[derive(Debug, Clone)]
pub enum ScriptStep {
    /// Sent as written, followed by `\r\n`.
    Send(String),
    /// Lines are read until one matches; the deadline ends the wait.
    Expect(Regex),
}

/// How often and how long a target is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// From start to start (1 s – 24 h).
    pub interval: Duration,
    /// For the whole probe (100 ms – 2 min).
    pub timeout: Duration,
}
