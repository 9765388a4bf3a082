//! What one attempt's outcome means for its notification, and what is told of it.

use std::time::Duration;

use api::ticket::{Notification, NotificationState, RefusedRecipient};
use domain::message::{Delivery, Refused};
use jiff::Timestamp;

use super::cut;
use crate::engine::outbox::Report;

/// Writes it down. What nobody needs any more is not planned again by an attempt that was under way, and has arrived, at
/// some of its recipients at least, if that says so.
pub(super) fn take(notification: &mut Notification, report: &Report) {
    let ended = notification.state.is_finished().then_some(notification.state);
    notification.attempts = report.attempts;
    notification.at = Some(domain::time::whole_seconds(report.at));
    (notification.error, notification.retry_at) = (None, None);
    let keep = |error: &String| Some(cut(error.clone(), 512));
    match &report.delivery {
        Delivery::Accepted { receipt } => {
            notification.receipt = Some(cut(receipt.clone(), 256));
            notification.error = not_told(&notification.refused, &[]);
            notification.state = NotificationState::Accepted;
            if notification.refused.is_empty() {
                // Everybody has it.
                notification.reached.clear();
            }
            return;
        }
        Delivery::Partly { receipt, reached, refused } => {
            notification.receipt = Some(cut(receipt.clone(), 256));
            notification.reach(reached);
            let (for_good, for_now): (Vec<_>, Vec<_>) = refused.iter().partition(|refused| refused.for_good);
            notification.refuse(for_good.into_iter().map(recipient));
            notification.error = not_told(&notification.refused, &for_now);
            let tried_on = !for_now.is_empty() && ended.is_none();
            notification.state = if tried_on { NotificationState::Planned } else { NotificationState::Accepted };
            return;
        }
        Delivery::Failed { error } => {
            notification.error = keep(error);
            notification.end_as(NotificationState::Failed);
        }
        Delivery::Uncertain { error } => {
            notification.error = keep(error);
            notification.state = NotificationState::Uncertain;
            notification.may_have_arrived = true;
        }
        Delivery::Retry { after, error } => {
            notification.error = keep(error);
            notification.state = NotificationState::Planned;
            // Our own waits are not kept: a new process tries at once.
            notification.retry_at = after.map(|after| not_before(domain::time::after(report.at, after)));
        }
    }
    if let Some(state) = ended {
        notification.state = state;
        notification.retry_at = None;
    }
}

/// The Event that tells of it: the first failed attempt, and whatever only a person can mend.
pub(super) fn note(notification: &Notification, report: &Report) -> Option<(&'static str, String)> {
    let channel = &notification.channel;
    match &report.delivery {
        Delivery::Failed { error } => Some(("DeliveryFailed", format!("{channel}: {error}"))),
        Delivery::Retry { error, .. } | Delivery::Uncertain { error } if report.attempts == 1 => {
            Some(("DeliveryRetried", format!("{channel}: {error}")))
        }
        Delivery::Partly { refused, .. } => {
            let for_good = refused.iter().any(|refused| refused.for_good);
            let reason = if for_good { "DeliveryFailed" } else { "DeliveryRetried" };
            Some((reason, format!("{channel}: {}", notification.error.as_deref().unwrap_or_default())))
        }
        Delivery::Accepted { .. } | Delivery::Retry { .. } | Delivery::Uncertain { .. } => None,
    }
}

/// The first whole second that is not earlier.
fn not_before(at: Timestamp) -> Timestamp {
    let whole = domain::time::whole_seconds(at);
    if whole < at { domain::time::after(whole, Duration::from_secs(1)) } else { whole }
}

fn recipient(refused: &Refused) -> RefusedRecipient {
    RefusedRecipient { recipient: cut(refused.recipient.clone(), 254), word: cut(refused.word.clone(), 256) }
}

/// Whom of several a message does not reach, in a sentence.
fn not_told(for_good: &[RefusedRecipient], for_now: &[&Refused]) -> Option<String> {
    let list = |all: Vec<String>| all.join(", ");
    let mut said = Vec::new();
    if !for_good.is_empty() {
        let all = for_good.iter().map(|refused| format!("{}: {}", refused.recipient, refused.word)).collect();
        said.push(format!("the server refuses {}; check the addresses", list(all)));
    }
    if !for_now.is_empty() {
        let all = for_now.iter().map(|refused| format!("{}: {}", refused.recipient, refused.word)).collect();
        said.push(format!("tried again for {}", list(all)));
    }
    if said.is_empty() {
        return None;
    }
    said.push("the others have it".to_owned());
    Some(cut(said.join("; "), 512))
}
