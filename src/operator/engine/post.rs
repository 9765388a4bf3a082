//! The outbox's way to the world: reads the channel's Secrets, makes one attempt, reports to the ticket.

use std::sync::Arc;

use domain::message::{Channel, Delivery, WebhookUrl};
use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{
    outbox::{Item, Post, Report},
    secrets::{SecretError, SecretReader, Use},
};
use crate::{
    context::Queues,
    inbox::Inboxes,
    kube::{lease::Leadership, meta::Key},
};

/// Sends through `notify`, while we lead or go on without the API.
pub struct Courier {
    /// Connections and certificates, shared by all attempts.
    pub notify: Arc<notify::Context>,
    /// Secrets by name.
    pub secrets: SecretReader,
    /// Whether sending is allowed.
    pub leadership: Leadership,
    /// Where outcomes go.
    pub inboxes: Arc<Inboxes>,
    /// Whoever is to look at them.
    pub queues: Arc<Queues>,
}

impl Post for Courier {
    fn send<'a>(&'a self, item: &'a Item, wall: Timestamp) -> BoxFuture<'a, Delivery> {
        Box::pin(async move {
            let references = item.channel.secrets();
            let host = host(&item.channel);
            let values =
                self.secrets.values(&item.target.policy.namespace, &references, Use::Notify, host.as_deref()).await;
            match values {
                Ok(values) => {
                    let secrets = values.into_iter().collect();
                    // Reading them may have taken longer than the lease lasts.
                    if !self.leadership.may_send() {
                        return Delivery::Retry {
                            after: None,
                            error: "the lease ran out before anything was sent".to_owned(),
                        };
                    }
                    let mut message = item.message.clone();
                    message.possible_duplicate = self.leadership.is_islanded();
                    notify::send(&item.channel, &message, &secrets, wall, &self.notify).await
                }
                // Only a person can mend these, but once mended the page must still go out: it is tried on.
                Err(error @ SecretError::OtherHost { .. }) => Delivery::Failed { error: error.to_string() },
                Err(error) => Delivery::Retry { after: None, error: error.to_string() },
            }
        })
    }

    fn may_send(&self) -> bool {
        self.leadership.may_send()
    }

    fn report(&self, ticket: &Key, report: Report) {
        tracing::info!(ticket = %ticket, notification = %report.id, attempts = report.attempts, outcome = ?report.delivery, "tried to deliver");
        self.inboxes.report(ticket, report);
        self.queues.tickets.add(ticket.clone());
    }
}

/// The host that credentials would be sent to; `None` for an address that is itself in a Secret.
pub(crate) fn host(channel: &Channel) -> Option<String> {
    match channel {
        Channel::Email(email) => Some(email.host.clone()),
        Channel::Webhook(webhook) => match &webhook.url {
            WebhookUrl::Plain(url) => url.host_str().map(str::to_owned),
            WebhookUrl::Secret(_) => None,
        },
    }
}
