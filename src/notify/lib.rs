//! One message through one channel: render, sign, send, and say what became of it.
//!
//! [`send`] makes exactly one attempt and always answers with a [`Delivery`]. It deliberately does
//! not decide that a message is due, queue, repeat, or remember: that is the escalation's and the
//! outbox's work. It knows nothing of Kubernetes; Secrets arrive as values in [`Secrets`].
//!
//! What the five answers mean, for every channel:
//!
//! | answer | the receiver | the sender then |
//! |---|---|---|
//! | `Accepted` | said in its own words that it took the message over | is done |
//! | `Partly` | said so for some of the recipients of a mail | sends again to the others, where that may help |
//! | `Uncertain` | may have it: the connection was lost after everything was sent | sends again with the same id |
//! | `Retry` | certainly has not got it | sends again, not before its Retry-After |
//! | `Failed` | will never get it this way | tells a person what to mend |

mod context;
mod email;
mod outcome;
mod ping;
pub mod render;
mod secrets;
pub mod sign;
mod webhook;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod receivers;

use domain::message::{Channel, Delivery, Message};
use jiff::Timestamp;

use crate::outcome::NotAccepted;

pub use crate::{
    context::{Context, ContextError},
    ping::ping,
    secrets::Secrets,
};

/// Makes one attempt to deliver `message` through `channel`.
///
/// `now` is the wall clock at the start of the attempt: the mail's `Date`, the webhook's
/// `webhook-timestamp`. The attempt takes at most [`Channel::timeout`], plus half a second to say
/// goodbye to a mail server that has already answered.
pub async fn send(
    channel: &Channel,
    message: &Message,
    secrets: &Secrets,
    now: Timestamp,
    context: &Context,
) -> Delivery {
    match channel {
        Channel::Email(channel) => email::send(channel, message, secrets, now, context).await,
        Channel::Webhook(channel) => webhook::send(channel, message, secrets, now, context).await,
    }
}

/// Whether `secrets` hold what `channel` needs, as far as that shows before anything is sent.
///
/// # Errors
/// A sentence without any value.
pub fn check(channel: &Channel, secrets: &Secrets) -> Result<(), String> {
    let checked = match channel {
        Channel::Email(channel) => email::check(channel, secrets),
        Channel::Webhook(channel) => webhook::check(channel, secrets),
    };
    checked.map_err(NotAccepted::into_words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_can_run_on_any_thread() {
        fn on_any_thread<T: Send>(attempt: T) -> T {
            attempt
        }
        let (secrets, context) = (Secrets::default(), Context::new().unwrap());
        let channel = Channel::Email(email::fixtures::channel());
        drop(on_any_thread(send(&channel, &fixtures::page(), &secrets, fixtures::now(), &context)));
    }
}
