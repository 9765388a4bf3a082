//! One HTTP POST, signed by Standard Webhooks 1.0.
//!
//! Redirects are deliberately not followed (the standard counts them as failures, and a signed message goes
//! where the policy says), nothing is sent twice within an attempt, and the answer's body is read only for
//! the words of an error.

mod answer;
mod body;

use std::{sync::Arc, time::Duration};

use domain::{
    message::{Delivery, Message, WebhookChannel, WebhookUrl},
    secret::SecretRef,
};
use jiff::Timestamp;
use reqwest::Response;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use self::{
    answer::Answer,
    body::{SentMark, Watched},
};
use crate::{
    context::{Context, Trust, check_ca},
    outcome::{NotAccepted, plain, root_cause},
    render,
    secrets::Secrets,
    sign::SigningKeys,
};

/// So much of an answer is read: enough for an error's words, and to keep the connection of a polite receiver.
const ANSWER_CAP: usize = 4 * 1024;
/// The status has decided already; its body may take so long.
const ANSWER_PATIENCE: Duration = Duration::from_millis(500);
/// What `ca` is called in errors.
const CA: &str = "the webhook's CA";

pub(crate) async fn send(
    channel: &WebhookChannel,
    message: &Message,
    secrets: &Secrets,
    now: Timestamp,
    context: &Context,
) -> Delivery {
    let begin = Instant::now();
    let request = match Request::prepare(channel, message, secrets, now, context) {
        Ok(request) => request,
        Err(outcome) => return outcome.into(),
    };
    let place = request.place.clone();
    let sent = request.sent.clone();
    let response = match timeout_at(begin + channel.timeout, request.post()).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return lost(&place, &root_cause(&error), &sent).into(),
        Err(_) => return lost(&place, &format!("no answer within {:?}", channel.timeout), &sent).into(),
    };
    let answer = Answer::of(&response);
    if answer.is_success() {
        // Read to its end, an answer leaves the connection free for the next message.
        let _ = words(response).await;
        return answer.judge(&place, "", now);
    }
    // A receiver that repeats its address would put a secret one into the ticket's status.
    let words = match &channel.url {
        WebhookUrl::Plain(_) => plain(&words(response).await, 200),
        WebhookUrl::Secret(_) => String::new(),
    };
    answer.judge(&place, &words, now.checked_add(begin.elapsed()).unwrap_or(now))
}

/// Whether the Secrets hold an address, a certificate and keys; nothing is sent.
pub(crate) fn check(channel: &WebhookChannel, secrets: &Secrets) -> Result<(), NotAccepted> {
    address(channel, secrets)?;
    if let Some(reference) = &channel.ca {
        check_ca(secrets.value(reference, CA)?).map_err(|error| wrong_ca(reference, &error))?;
    }
    signing_keys(channel, secrets).map(drop)
}

fn address(channel: &WebhookChannel, secrets: &Secrets) -> Result<Url, NotAccepted> {
    match &channel.url {
        WebhookUrl::Plain(url) => Ok(url.clone()),
        WebhookUrl::Secret(reference) => WebhookUrl::parse(secrets.value(reference, "the webhook's address")?)
            .map_err(|error| NotAccepted::Failed(format!("the webhook's address in {reference}: {error}"))),
    }
}

fn wrong_ca(reference: &SecretRef, error: &str) -> NotAccepted {
    NotAccepted::Failed(format!("{CA} in {reference}: {error}"))
}

fn signing_keys(channel: &WebhookChannel, secrets: &Secrets) -> Result<Option<SigningKeys>, NotAccepted> {
    let Some(reference) = &channel.signing_secret else { return Ok(None) };
    SigningKeys::parse(secrets.value(reference, "the signing secret")?)
        .map(Some)
        .map_err(|error| NotAccepted::Failed(format!("the signing secret in {reference}: {error}")))
}

/// No answer came: what that means depends on whether everything may have been sent.
fn lost(place: &str, error: &str, sent: &SentMark) -> NotAccepted {
    if sent.is_set() {
        NotAccepted::Uncertain(format!("{place}: {error}, after the message was sent"))
    } else {
        NotAccepted::retry(format!("{place}: {error}"))
    }
}

/// Everything that is known before a connection is made.
struct Request {
    url: Url,
    /// The receiver without credentials, path and query.
    place: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    sent: SentMark,
    trust: Arc<Trust>,
}

impl Request {
    fn prepare(
        channel: &WebhookChannel,
        message: &Message,
        secrets: &Secrets,
        now: Timestamp,
        context: &Context,
    ) -> Result<Self, NotAccepted> {
        let url = address(channel, secrets)?;
        let ca = channel.ca.as_ref().map(|ca| Ok((ca, secrets.value(ca, CA)?))).transpose()?;
        let trust = context.trust(ca.map(|(_, pem)| pem)).map_err(|error| match ca {
            Some((reference, _)) => wrong_ca(reference, &error),
            None => NotAccepted::Failed(error),
        })?;
        let body = render::payload(message)
            .map_err(|error| NotAccepted::Failed(format!("the message is not JSON: {error}")))?;
        let id = message.id.to_string();
        let mut headers =
            vec![("content-type", "application/json".to_owned()), ("webhook-timestamp", now.as_second().to_string())];
        if let Some(keys) = signing_keys(channel, secrets)? {
            headers.push(("webhook-signature", keys.signature(&id, now, &body)));
        }
        headers.push(("webhook-id", id));
        Ok(Self { place: place(&url), url, headers, body, sent: SentMark::default(), trust })
    }

    async fn post(self) -> Result<Response, reqwest::Error> {
        let mut request = self.trust.http.post(self.url);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(reqwest::Body::wrap(Watched::new(self.body, self.sent))).send().await
    }
}

/// `scheme://host:port`: credentials, path and query may be secret.
fn place(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// The beginning of an answer's body, as far as it comes in time.
async fn words(mut response: Response) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while bytes.len() < ANSWER_CAP {
            let Ok(Some(chunk)) = response.chunk().await else { break };
            let room = ANSWER_CAP - bytes.len();
            bytes.extend(chunk.into_iter().take(room));
        }
    };
    // Late words are missing words; the status has been read.
    let _ = timeout(ANSWER_PATIENCE, read).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
