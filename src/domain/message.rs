//! One message to one target through one channel, and what became of it.
//!
//! Rendering and sending is the `notify` crate's work; deciding that a message is due is
//! [`crate::escalation`]'s.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::{Host, Url};
use uuid::Uuid;

use crate::{alert::Severity, labels::Labels, secret::SecretRef};

/// The identity of a message, the same over all attempts and after any restart: receivers may drop a repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NotificationId(pub Uuid);

impl NotificationId {
    /// The identity as a ticket's status has it; `None` for a text that is none.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::parse_str(text).ok().map(Self)
    }
}

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MessageKind {
    /// Somebody must act.
    Page,
    /// For information: a route that only notifies.
    Notice,
    /// Something changed for those who already know.
    Update,
    /// The trouble is over.
    Resolved,
    /// A promise nears its due time, or is broken.
    SlaWarning,
    /// Nothing is wrong: somebody tries whether the target can be reached.
    Test,
}

impl MessageKind {
    /// The word in ids, status and payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Notice => "notice",
            Self::Update => "update",
            Self::Resolved => "resolved",
            Self::SlaWarning => "slaWarning",
            Self::Test => "test",
        }
    }
}

/// Everything that a channel needs to render one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The same over all attempts.
    pub id: NotificationId,
    /// What it is for.
    pub kind: MessageKind,
    /// The ticket's namespace.
    pub namespace: String,
    /// The ticket's name: `inc-…`. Also the threading key.
    pub ticket: String,
    /// The uid of the ticket's object, by which others refer to it.
    pub ticket_uid: String,
    /// What all messages of the ticket have in common, so that a re-created ticket starts a new thread: its uid, or what
    /// [stands in its place](crate::ticket::identity).
    pub thread: String,
    /// The ticket's number for people; `None` until one was drawn.
    pub number: Option<u64>,
    /// The ticket's title.
    pub title: String,
    /// `P1` …
    pub priority: String,
    /// How urgent.
    pub severity: Severity,
    /// Labels of the first alert.
    pub labels: Labels,
    /// What the source said for people.
    pub annotations: Labels,
    /// Since when it fires.
    pub started_at: Timestamp,
    /// When this message was planned; the `timestamp` of a webhook's payload.
    pub planned_at: Timestamp,
    /// One sentence on why this message was sent to this target: "step 2 of `page`: nobody acknowledged".
    pub why: String,
    /// The person it is for, when it is for one.
    pub person: Option<String>,
    /// Where to, when the channel needs it: the person's mail address.
    pub address: Option<String>,
    /// Of several recipients of a mail, those who are not told any more: they have it, or will never get it this way.
    pub settled: Vec<String>,
    /// Sent while the cluster's API could not be asked whether somebody else sends it too; the id is the same.
    pub possible_duplicate: bool,
}

/// A way to send messages, after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// SMTP submission.
    Email(EmailChannel),
    /// HTTP POST signed by Standard Webhooks 1.0.
    Webhook(WebhookChannel),
}

/// SMTP submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailChannel {
    /// The envelope and header sender.
    pub from: String,
    /// Where messages that are for no person go; the channel itself as a target needs it.
    pub to: Vec<String>,
    /// The submission server's name or address.
    pub host: String,
    /// 1–65535.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// Who we are to the server.
    pub auth: Option<SmtpAuth>,
    /// PEM certificates to trust instead of the system's.
    pub ca: Option<SecretRef>,
    /// For one attempt, from connect to the answer after the final dot.
    pub timeout: Duration,
}

/// How an SMTP connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SmtpTls {
    /// STARTTLS, or the message is not sent.
    Required,
    /// TLS from the first byte (port 465).
    Implicit,
    /// Plain text. Credentials are refused with it.
    None,
}

/// SMTP credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpAuth {
    /// The user name.
    pub username: SecretRef,
    /// The password.
    pub password: SecretRef,
}

/// HTTP POST signed by Standard Webhooks 1.0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookChannel {
    /// Where to; `https`, or `http` inside the cluster.
    pub url: WebhookUrl,
    /// `whsec_` + base64 of 24–64 bytes; several, separated by spaces, while a key is being changed.
    pub signing_secret: Option<SecretRef>,
    /// PEM certificates to trust instead of the system's.
    pub ca: Option<SecretRef>,
    /// For one attempt.
    pub timeout: Duration,
}

/// A webhook's address: in the spec, or in a Secret when it is itself a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookUrl {
    /// In the spec.
    Plain(Url),
    /// In a Secret.
    Secret(SecretRef),
}

impl WebhookUrl {
    /// Reads an address: `https`, or `http` to a host inside the cluster, that is loopback, a private address,
    /// a name without dots or one that ends in `.svc`, `.local`, `.localhost` or `.internal`. The one place of
    /// this rule, for specs and for Secrets.
    ///
    /// # Errors
    /// A sentence without the address, which may be secret.
    pub fn parse(text: &str) -> Result<Url, String> {
        let url =
            Url::parse(text).map_err(|error| format!("expected a web address such as https://host/path: {error}"))?;
        let inside = match url.host() {
            Some(Host::Domain(name)) => {
                !name.contains('.')
                    || [".svc", ".local", ".localhost", ".internal"].iter().any(|end| name.ends_with(end))
            }
            Some(Host::Ipv4(address)) => address.is_loopback() || address.is_private(),
            Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unique_local(),
            None => return Err("expected a web address with a host, found none".to_owned()),
        };
        match url.scheme() {
            "https" => Ok(url),
            "http" if inside => Ok(url),
            "http" => Err("expected https: http is only for hosts inside the cluster".to_owned()),
            other => Err(format!("expected https or http, found `{other}`")),
        }
    }
}

impl Channel {
    /// Every Secret that sending through this channel reads.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        match self {
            Self::Email(email) => {
                let auth = email.auth.iter().flat_map(|auth| [&auth.username, &auth.password]);
                auth.chain(email.ca.as_ref()).collect()
            }
            Self::Webhook(webhook) => {
                let url = match &webhook.url {
                    WebhookUrl::Secret(secret) => Some(secret),
                    WebhookUrl::Plain(_) => None,
                };
                url.into_iter().chain(webhook.signing_secret.as_ref()).chain(webhook.ca.as_ref()).collect()
            }
        }
    }

    /// For one attempt.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Email(email) => email.timeout,
            Self::Webhook(webhook) => webhook.timeout,
        }
    }
}

/// What one attempt to send came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver took it over; the text is its own word (an SMTP reply, an HTTP status).
    Accepted {
        /// The receiver's own word.
        receipt: String,
    },
    /// Some of its recipients have it; the others certainly have not.
    Partly {
        /// The receiver's own word for those who have it.
        receipt: String,
        /// Who has it now, by address; never empty.
        reached: Vec<String>,
        /// Who has not; never empty.
        refused: Vec<Refused>,
    },
    /// The connection was lost after everything was sent: it may have arrived. Sent again with the same id.
    Uncertain {
        /// What happened, without secrets.
        error: String,
    },
    /// It certainly did not arrive, and may later.
    Retry {
        /// The receiver's Retry-After.
        after: Option<Duration>,
        /// What happened, without secrets.
        error: String,
    },
    /// It will never arrive this way; only a person can mend it.
    Failed {
        /// What happened and what to do, without secrets.
        error: String,
    },
}

/// A recipient whom a mail server did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The address.
    pub recipient: String,
    /// The server's own word.
    pub word: String,
    /// Whether only a person can mend it; else the same message is tried again for this recipient alone.
    pub for_good: bool,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://hooks.acme.example/t0ken")]
    #[case("http://receiver.tools.svc:8080/")]
    #[case("http://receiver.tools.svc.cluster.local/")]
    #[case("http://receiver/")]
    #[case("http://127.0.0.1:9/")]
    #[case("http://10.2.3.4/")]
    #[case("http://[::1]:9/")]
    #[case("http://[fd00::1]/")]
    fn plain_text_stays_inside_the_cluster(#[case] address: &str) {
        assert!(WebhookUrl::parse(address).is_ok());
    }

    #[rstest]
    #[case("http://hooks.acme.example/t0ken", "expected https: http is only for hosts inside the cluster")]
    #[case("http://8.8.8.8/t0ken", "expected https: http is only for hosts inside the cluster")]
    #[case("ftp://files/t0ken", "expected https or http, found `ftp`")]
    #[case("mailto:t0ken@acme.example", "expected a web address with a host, found none")]
    #[case("t0ken", "expected a web address such as https://host/path: relative URL without a base")]
    fn a_refused_address_is_explained_without_showing_it(#[case] address: &str, #[case] expected: &str) {
        assert_eq!(WebhookUrl::parse(address), Err(expected.to_owned()));
    }
}
