//! A channel as tests see it.

use std::time::Duration;

use domain::message::{EmailChannel, SmtpTls};

/// A channel to a server that nobody runs.
pub(crate) fn channel() -> EmailChannel {
    EmailChannel {
        from: "Acme support <support@acme.example>".into(),
        to: vec!["ops@acme.example".into(), "cto@acme.example".into()],
        host: "mail.acme.example".into(),
        port: 587,
        tls: SmtpTls::Required,
        auth: None,
        ca: None,
        timeout: Duration::from_secs(30),
    }
}
