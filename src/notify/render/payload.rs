//! The body of a webhook, in the shape of Standard Webhooks 1.0: `{type, timestamp, data}`.
//!
//! Its fields are a contract with receivers: they are only added, never renamed. A person's mail address
//! is deliberately absent.

use domain::{labels::Labels, message::Message};
use jiff::Timestamp;
use serde::Serialize;

use super::cut;

/// The standard asks for bodies under 20 kB. Annotations are cut, then dropped, to stay below; labels never.
const AIM: usize = 20_000;

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: String,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    id: String,
    kind: &'static str,
    namespace: &'a str,
    ticket: &'a str,
    ticket_uid: &'a str,
    number: Option<u64>,
    title: &'a str,
    priority: &'a str,
    severity: &'static str,
    labels: &'a Labels,
    annotations: Labels,
    /// Whether annotations were cut or dropped for size.
    truncated: bool,
    started_at: Timestamp,
    why: &'a str,
    person: Option<&'a str>,
    /// Only there when it is so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    possible_duplicate: bool,
    commands: Commands,
}

#[derive(Serialize)]
struct Commands {
    acknowledge: String,
    show: String,
}

/// The bytes to sign and send.
///
/// # Errors
/// Never in practice: nothing in it can fail to be JSON. The caller reports it rather than hide it.
pub fn payload(message: &Message) -> Result<Vec<u8>, serde_json::Error> {
    let whole = serialised(message, usize::MAX)?;
    if whole.len() <= AIM {
        return Ok(whole);
    }
    for longest in [1_000, 200] {
        let shorter = serialised(message, longest)?;
        if shorter.len() <= AIM {
            return Ok(shorter);
        }
    }
    serialised(message, 0)
}

/// With annotations of at most `longest` characters; 0 drops them.
fn serialised(message: &Message, longest: usize) -> Result<Vec<u8>, serde_json::Error> {
    let kept = message.annotations.iter().filter(|_| longest > 0);
    let annotations: Labels = kept.map(|(name, value)| (name.clone(), cut(value, longest))).collect();
    let command = |verb: &str| format!("kubectl firstline {verb} {} -n {}", message.ticket, message.namespace);
    serde_json::to_vec(&Payload {
        kind: format!("firstline.{}", message.kind.as_str()),
        timestamp: message.planned_at,
        data: Data {
            id: message.id.to_string(),
            kind: message.kind.as_str(),
            namespace: &message.namespace,
            ticket: &message.ticket,
            ticket_uid: &message.ticket_uid,
            number: message.number,
            title: &message.title,
            priority: &message.priority,
            severity: message.severity.as_str(),
            labels: &message.labels,
            truncated: annotations != message.annotations,
            annotations,
            started_at: message.started_at,
            why: &message.why,
            person: message.person.as_deref(),
            possible_duplicate: message.possible_duplicate,
            commands: Commands { acknowledge: command("ack"), show: command("show") },
        },
    })
}
