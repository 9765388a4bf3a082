//! One mail through one submission server.
//!
//! Only the server's reply to the final dot accepts a mail. Everything before that dot leaves the mail
//! certainly undelivered; a loss after it leaves it uncertain. lettre writes the mail; the conversation is
//! our own, because that line must be exact. One connection per mail: pages are rare, and a pooled connection
//! that the server has dropped is found out at the worst moment. What a server does later with a mail it
//! accepted (bounces, spam folders) is not seen here.

mod compose;
mod dialogue;
#[cfg(test)]
pub(crate) mod fixtures;
mod session;

use std::time::Duration;

use domain::{
    message::{Delivery, EmailChannel, Message, SmtpTls},
    secret::SecretRef,
};
use jiff::Timestamp;
use tokio::time::timeout;

use self::session::{Account, Server, Stage};
use crate::{
    context::{Context, check_ca},
    outcome::NotAccepted,
    secrets::Secrets,
};

/// A server that has answered gets so long to hear goodbye.
const GOODBYE: Duration = Duration::from_millis(500);
/// What `ca` is called in errors.
const CA: &str = "the mail server's CA";

pub(crate) async fn send(
    channel: &EmailChannel,
    message: &Message,
    secrets: &Secrets,
    now: Timestamp,
    context: &Context,
) -> Delivery {
    match prepare(channel, message, secrets, now, context) {
        // Those who still waited are no longer in the channel's `to`.
        Ok((_, mail)) if mail.to.is_empty() => Delivery::Accepted { receipt: "nobody is left to be told".to_owned() },
        Ok((server, mail)) => hand_over(&server, &mail, channel.timeout).await,
        Err(outcome) => outcome.into(),
    }
}

/// The conversation with the server, under one deadline.
async fn hand_over(server: &Server, mail: &compose::Mail, limit: Duration) -> Delivery {
    let mut stage = Stage::Connecting;
    let attempt = async {
        let mut dialogue = server.open(&mut stage).await?;
        let outcome = server.submit(&mut dialogue, mail, &mut stage).await;
        Ok::<_, NotAccepted>((dialogue, outcome))
    };
    match timeout(limit, attempt).await {
        Ok(Ok((mut dialogue, outcome))) => {
            // The mail's fate is known; a server that fails at goodbye changes nothing about it.
            let _ = timeout(GOODBYE, dialogue.command("QUIT")).await;
            outcome.map_or_else(Delivery::from, Delivery::from)
        }
        Ok(Err(outcome)) => outcome.into(),
        Err(_) => server.late(stage, limit).into(),
    }
}

/// Everything that is known before a connection is made.
fn prepare(
    channel: &EmailChannel,
    message: &Message,
    secrets: &Secrets,
    now: Timestamp,
    context: &Context,
) -> Result<(Server, compose::Mail), NotAccepted> {
    let account = account(channel, secrets)?;
    let ca = channel.ca.as_ref().map(|ca| Ok((ca, secrets.value(ca, CA)?))).transpose()?;
    let trust = context.trust(ca.map(|(_, pem)| pem)).map_err(|error| match ca {
        Some((reference, _)) => wrong_ca(reference, &error),
        None => NotAccepted::Failed(error),
    })?;
    let mail = compose::compose(channel, message, now)?;
    let server = Server {
        host: channel.host.clone(),
        port: channel.port,
        security: channel.tls,
        tls: std::sync::Arc::clone(&trust.tls),
        account,
        patience: channel.timeout,
    };
    Ok((server, mail))
}

/// Whether the Secrets hold an account and a certificate; no connection is made.
pub(crate) fn check(channel: &EmailChannel, secrets: &Secrets) -> Result<(), NotAccepted> {
    account(channel, secrets)?;
    let Some(reference) = &channel.ca else { return Ok(()) };
    check_ca(secrets.value(reference, CA)?).map_err(|error| wrong_ca(reference, &error))
}

fn account(channel: &EmailChannel, secrets: &Secrets) -> Result<Option<Account>, NotAccepted> {
    let Some(auth) = &channel.auth else { return Ok(None) };
    if channel.tls == SmtpTls::None {
        return Err(NotAccepted::Failed(
            "credentials are not sent over plain text: set `tls` to Required or Implicit, or remove `auth`".to_owned(),
        ));
    }
    Ok(Some(Account {
        username: secrets.value(&auth.username, "the SMTP user name")?.to_owned(),
        password: secrets.value(&auth.password, "the SMTP password")?.to_owned().into(),
        password_in: auth.password.to_string(),
    }))
}

fn wrong_ca(reference: &SecretRef, error: &str) -> NotAccepted {
    NotAccepted::Failed(format!("{CA} in {reference}: {error}"))
}

#[cfg(test)]
mod tests;
