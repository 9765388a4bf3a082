//! Channels.

use std::collections::BTreeMap;

use domain::{
    message::{
        Channel as Valid, EmailChannel as Email, SmtpAuth, SmtpTls as Tls, WebhookChannel as Webhook, WebhookUrl,
    },
    problem::Problem,
    secret::SecretRef,
};

use crate::{
    findings::{Findings, seconds},
    support_policy::{Channel, EmailChannel, SmtpTls, WebhookChannel},
};

pub(super) fn read(findings: &mut Findings, channels: &[Channel]) -> BTreeMap<String, Valid> {
    let mut valid = BTreeMap::new();
    for (i, channel) in channels.iter().enumerate() {
        let path = format!("spec.channels[{i}]");
        findings.exactly_one(&path, &[("email", channel.email.is_some()), ("webhook", channel.webhook.is_some())]);
        let read = match (&channel.email, &channel.webhook) {
            (Some(written), _) => email(findings, &format!("{path}.email"), written).map(Valid::Email),
            (None, Some(written)) => webhook(findings, &format!("{path}.webhook"), written).map(Valid::Webhook),
            (None, None) => None,
        };
        if let Some(read) = read {
            valid.insert(channel.name.clone(), read);
        }
    }
    valid
}

fn email(findings: &mut Findings, path: &str, email: &EmailChannel) -> Option<Email> {
    let timeout = findings.duration(&format!("{path}.timeout"), &email.timeout, seconds(1)..=seconds(300));
    if email.auth.is_some() && email.tls == SmtpTls::None {
        findings.error(path, "expected tls Required or Implicit with auth: credentials are not sent in plain text");
    }
    if email.tls == SmtpTls::None && email.ca_secret_ref.is_some() {
        findings.warning(format!("{path}.caSecretRef"), "not used without TLS");
    }
    let (host, port) = findings.host_port(&format!("{path}.smarthost"), &email.smarthost)?;
    if port == 465 && email.tls == SmtpTls::Required {
        let problem = Problem::warning(
            format!("{path}.tls"),
            "port 465 speaks TLS from the first byte, so STARTTLS is not offered there",
        );
        findings.add(problem.suggest("write `Implicit`"));
    }
    Some(Email {
        from: email.from.clone(),
        to: email.to.clone(),
        host,
        port,
        tls: match email.tls {
            SmtpTls::Required => Tls::Required,
            SmtpTls::Implicit => Tls::Implicit,
            SmtpTls::None => Tls::None,
        },
        auth: email.auth.as_ref().map(|auth| {
            let key = |key: &str| SecretRef { name: auth.secret_ref.name.clone(), key: key.to_owned() };
            SmtpAuth { username: key("username"), password: key("password") }
        }),
        ca: email.ca_secret_ref.as_ref().map(Into::into),
        timeout,
    })
}

fn webhook(findings: &mut Findings, path: &str, webhook: &WebhookChannel) -> Option<Webhook> {
    let timeout = findings.duration(&format!("{path}.timeout"), &webhook.timeout, seconds(1)..=seconds(300));
    findings.exactly_one(path, &[("url", webhook.url.is_some()), ("urlSecretRef", webhook.url_secret_ref.is_some())]);
    let url = match (&webhook.url, &webhook.url_secret_ref) {
        (_, Some(secret)) => WebhookUrl::Secret(secret.into()),
        (Some(text), None) => {
            let path = format!("{path}.url");
            findings.url(&path, text, &["https", "http"])?;
            let url = findings.take(&path, WebhookUrl::parse(text).map_err(|message| Problem::error("", message)))?;
            WebhookUrl::Plain(url)
        }
        (None, None) => return None,
    };
    Some(Webhook {
        url,
        signing_secret: webhook.signing_secret_ref.as_ref().map(Into::into),
        ca: webhook.ca_secret_ref.as_ref().map(Into::into),
        timeout,
    })
}
