//! A message as people and machines read it. Pure: the same message gives the same bytes.
//!
//! Written for somebody woken at 3 a.m.: the first line is what is wrong, then since when and why it
//! reached this reader, then what is known, last the commands to copy. No local time is guessed: times
//! are UTC and say so.

mod html;
mod payload;
mod text;

use std::fmt::Write as _;

use domain::message::{Message, MessageKind};
use jiff::{SignedDuration, Timestamp};

pub use self::{html::html, payload::payload, text::text};

/// Longest annotation in a mail, in characters.
const LONGEST_ANNOTATION: usize = 2_000;
/// So many labels, and so many other annotations, are listed in a mail.
const MOST_LISTED: usize = 50;
/// Longest title in a subject, in characters.
const LONGEST_TITLE: usize = 120;
/// Beside the reason of a message that was sent while nobody could be asked whether another replica sends it too.
const POSSIBLE_DUPLICATE: &str = " Possible duplicate: the cluster's API does not answer, so kubectl may not either; the escalation goes on until it does.";
/// The annotations that say where to read what to do, best first.
const GUIDES: [&str; 3] = ["guide", "runbook_url", "runbook"];

/// The subject of a mail: `[P1] Checkout is down (payments/inc-…)`.
pub fn subject(message: &Message) -> String {
    let prefix = match message.kind {
        MessageKind::Page | MessageKind::Notice => "",
        MessageKind::Update => "Re: ",
        MessageKind::Resolved => "Resolved: ",
        MessageKind::SlaWarning => "SLA: ",
        MessageKind::Test => "[TEST] ",
    };
    let Message { priority, title, namespace, ticket, .. } = message;
    one_line(&format!("{prefix}[{priority}] {} ({namespace}/{ticket})", cut(title, LONGEST_TITLE)))
}

/// The first line: what is wrong.
fn headline(message: &Message) -> String {
    let prefix = match message.kind {
        MessageKind::Page | MessageKind::Notice => "",
        MessageKind::Update => "Update: ",
        MessageKind::Resolved => "Resolved: ",
        MessageKind::SlaWarning => "SLA: ",
        MessageKind::Test => "TEST, nothing is wrong: ",
    };
    one_line(&format!("{prefix}{}", message.title))
}

/// Since when, and for how long when the message was planned. Not "ago": a message may arrive late.
fn since(message: &Message) -> String {
    let passed = message.planned_at.duration_since(message.started_at);
    let (start, long) = (time(message.started_at), length(passed));
    match message.kind {
        MessageKind::Test => format!("Asked for {start}."),
        MessageKind::Resolved => format!("It began {start} and was over {long} later."),
        MessageKind::SlaWarning => format!("The ticket began {start}."),
        MessageKind::Page | MessageKind::Notice | MessageKind::Update if passed.as_secs() < 1 => {
            format!("Since {start}.")
        }
        MessageKind::Page | MessageKind::Notice | MessageKind::Update => {
            format!("Since {start}; this message was due {long} later.")
        }
    }
}

/// Why it was sent to this reader.
fn why(message: &Message) -> String {
    let mark = if message.possible_duplicate { POSSIBLE_DUPLICATE } else { "" };
    match &message.person {
        Some(person) => format!("Sent to {person}: {}.{mark}", one_line(&message.why)),
        None => format!("Sent because: {}.{mark}", one_line(&message.why)),
    }
}

/// Priority, severity and the ticket's names in one line.
fn ticket(message: &Message) -> String {
    let number = message.number.map(|number| format!(" #{number}")).unwrap_or_default();
    let Message { priority, severity, namespace, ticket, .. } = message;
    format!("{priority}, severity {severity}, ticket{number} {namespace}/{ticket}")
}

/// Where to read what to do; nothing once it is over.
fn guide(message: &Message) -> Option<String> {
    if matches!(message.kind, MessageKind::Resolved | MessageKind::Test) {
        return None;
    }
    let known = GUIDES.iter().find_map(|name| message.annotations.get(*name));
    known.filter(|text| !text.trim().is_empty()).map(|text| body(text))
}

/// The description, unless it only repeats the title.
fn description(message: &Message) -> Option<String> {
    let text = message.annotations.get("description").or_else(|| message.annotations.get("message"))?;
    let text = body(text);
    (!text.is_empty() && text != message.title).then_some(text)
}

/// The labels, for a mail.
fn labels(message: &Message) -> Vec<(&str, String)> {
    listed(message.labels.iter())
}

/// The annotations that stand nowhere else, for a mail.
fn other_annotations(message: &Message) -> Vec<(&str, String)> {
    let shown = |name: &str| GUIDES.contains(&name) || matches!(name, "summary" | "description" | "message");
    listed(message.annotations.iter().filter(|(name, _)| !shown(name)))
}

fn listed<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<(&'a str, String)> {
    let mut pairs = pairs.map(|(name, value)| (name.as_str(), body(value)));
    let mut list: Vec<_> = pairs.by_ref().take(MOST_LISTED).collect();
    match pairs.count() {
        0 => {}
        more => list.push(("…", format!("and {more} more"))),
    }
    list
}

/// What to do next, and the exact command for it.
fn commands(message: &Message) -> Vec<(&'static str, String)> {
    let command = |verb: &str| format!("kubectl firstline {verb} {} -n {}", message.ticket, message.namespace);
    let show = ("To see everything", command("show"));
    match message.kind {
        MessageKind::Page | MessageKind::Notice | MessageKind::Update | MessageKind::SlaWarning => {
            vec![("To take it over", command("ack")), show]
        }
        MessageKind::Resolved | MessageKind::Test => vec![show],
    }
}

/// `2026-11-23 03:02:12 UTC`.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The two largest units: `40 s`, `3 min 40 s`, `1 h 30 min`, `2 d 4 h`. What is negative is `0 s`.
fn length(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let units = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let mut text = String::new();
    for (count, unit) in units.into_iter().skip_while(|(count, _)| *count == 0).take(2).filter(|(count, _)| *count > 0)
    {
        let gap = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{gap}{count} {unit}");
    }
    if text.is_empty() { "0 s".to_owned() } else { text }
}

/// Text from outside as part of a mail: lines kept, other control characters dropped, its length limited.
fn body(text: &str) -> String {
    let lines: String =
        text.replace("\r\n", "\n").chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
    cut(lines.trim(), LONGEST_ANNOTATION)
}

/// Text from outside in a place that holds one line, such as a header.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `limit` characters; a cut is marked by `…`.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
