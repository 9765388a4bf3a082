//! Why a message was not accepted, while an attempt is still under way.
//!
//! [`Delivery`] without its success, so that `?` ends an attempt early. Texts end up in a ticket's
//! status: [`plain`] makes a peer's words fit for that.

use std::{error::Error, io, time::Duration};

use domain::message::Delivery;
use rustls::CertificateError;

/// A [`Delivery`] that is not `Accepted`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotAccepted {
    /// It may have arrived.
    Uncertain(String),
    /// It certainly did not arrive, and may later.
    Retry {
        /// The receiver's Retry-After.
        after: Option<Duration>,
        /// What happened.
        error: String,
    },
    /// Only a person can mend it.
    Failed(String),
}

impl NotAccepted {
    /// It certainly did not arrive, and may later; the receiver named no time.
    pub(crate) fn retry(error: impl Into<String>) -> Self {
        Self::Retry { after: None, error: error.into() }
    }

    /// What happened.
    pub(crate) fn into_words(self) -> String {
        match self {
            Self::Uncertain(error) | Self::Retry { error, .. } | Self::Failed(error) => error,
        }
    }
}

impl From<NotAccepted> for Delivery {
    fn from(outcome: NotAccepted) -> Self {
        match outcome {
            NotAccepted::Uncertain(error) => Self::Uncertain { error },
            NotAccepted::Retry { after, error } => Self::Retry { after, error },
            NotAccepted::Failed(error) => Self::Failed { error },
        }
    }
}

/// A peer's words as part of one line of ours: no control characters, single spaces, at most
/// `limit` characters with the cut marked.
pub(crate) fn plain(words: &str, limit: usize) -> String {
    let printable = words.replace(char::is_control, " ");
    let line = printable.split_whitespace().collect::<Vec<_>>().join(" ");
    crate::render::cut(&line, limit)
}

/// The innermost cause of an error: what the system said, without the layers that passed it on. Of TLS, also
/// what to do.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    loop {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return tls_advice(tls);
        }
        // An `io::Error` names the source of what it wraps, not what it wraps.
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| cause.source()) {
            Some(inner) => cause = inner,
            None => return plain(&cause.to_string(), 300),
        }
    }
}

fn tls_advice(error: &rustls::Error) -> String {
    match error {
        // A bad signature is an issuer of the same name with another key.
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "its certificate is signed by nobody trusted here; name the issuer's certificate in `ca`".to_owned()
        }
        rustls::Error::InvalidMessage(_) => "it does not speak TLS on this port".to_owned(),
        other => plain(&other.to_string(), 300),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_words_become_one_printable_line() {
        assert_eq!(plain("550-no\r\n\x1b[31m 550  such user\t", 100), "550-no [31m 550 such user");
    }

    #[test]
    fn a_long_answer_is_cut_and_says_so() {
        assert_eq!(plain(&"x".repeat(50), 10), "xxxxxxxxx…");
    }
}
