//! The page: sections of plain text, one thing a line, nothing that must be scrolled sideways to be understood.

use std::fmt::Write as _;

use api::ticket::{AlertLineState, Notification, NotificationKind, NotificationState, TicketState, TicketStatus};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    super::{
        age::Times,
        output::{Colour, Paint, lines, plain},
    },
    Seen, clocks,
    coming::{coming, steps},
    story::story,
};
use crate::kube::meta;

/// Alerts that are listed.
const ALERTS: usize = 10;

/// Lines of the story that are shown, the latest ones; `-o yaml` has all.
const STORY: usize = 40;

/// The whole page. `program` is how the commands at its end begin.
pub(super) fn render(seen: &Seen, program: &str, now: Timestamp, colour: Colour) -> String {
    let times = &Times { zone: seen.zone(), now };
    let status = seen.ticket.status.clone().unwrap_or_default();
    let sections = [
        head(seen, &status, times, colour),
        description(seen),
        section("Clocks", &clocks::lines(&status, times, colour), colour),
        alerts(&status, times, colour),
        escalation(seen, &status, times, colour),
        notifications(&status, times, colour),
        told(seen, times, colour),
        commands(seen, &status, program, colour),
    ];
    let filled: Vec<&str> = sections.iter().map(String::as_str).filter(|section| !section.is_empty()).collect();
    filled.join("\n")
}

fn head(seen: &Seen, status: &TicketStatus, times: &Times, colour: Colour) -> String {
    let ticket = &seen.ticket;
    let number = status.number.map_or_else(String::new, |number| format!("#{number} "));
    let mut text = colour.paint(Paint::Strong, format!("{number}{}", plain(&ticket.spec.title)));
    text.push('\n');
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<12} {value}");
        }
    };
    row("Ticket", format!("{} in namespace {}", ticket.name_any(), ticket.namespace().unwrap_or_default()));
    row("State", state(status, times, colour));
    let severity = status.severity.or(ticket.spec.origin.as_ref().map(|origin| origin.severity));
    row("Severity", severity.map(|severity| domain::alert::Severity::from(severity).to_string()).unwrap_or_default());
    row("Priority", status.priority.clone().unwrap_or_default());
    let start = ticket.spec.origin.as_ref().map_or_else(|| meta::created(ticket), |origin| origin.first_start);
    row("Since", times.clock_and_age(start));
    if let Some(cause) = &status.cause {
        let ended = cause
            .settled
            .map(|at| format!("; that has ended, and what still fires then begins anew at {}", times.clock(at)));
        let words = format!("{}, found at {}", plain(&cause.by), times.clock_and_age(cause.since));
        row("Cause", colour.paint(Paint::Warn, format!("{words}{}", ended.unwrap_or_default())));
    }
    row("Works on it", works_on_it(status, times, colour));
    let requester = ticket.spec.requester.as_ref().map(|requester| {
        let contact = requester.contact.as_deref().map(|contact| format!(", {contact}"));
        plain(&format!("{}{}", requester.name, contact.unwrap_or_default()))
    });
    row("Requester", requester.unwrap_or_default());
    row("Queue", ticket.spec.queue.clone().unwrap_or_default());
    let policy = status
        .policy
        .as_ref()
        .map(|policy| format!("{}/{} as of revision {}", policy.namespace, policy.name, policy.revision));
    row("Policy", policy.unwrap_or_default());
    for link in ticket.spec.links.iter().chain(&status.links) {
        let name = link.title.as_deref().map(|title| format!(" ({})", plain(title))).unwrap_or_default();
        let target = link.ticket.as_ref().or(link.url.as_ref()).map(|target| plain(target)).unwrap_or_default();
        row("Linked", format!("{} {target}{name}", link.relation.as_str()));
    }
    for condition in status.conditions.iter().filter(|condition| is_odd(&condition.type_, &condition.status)) {
        let message = times.retold(&plain(&condition.message));
        row("Attention", colour.paint(Paint::Warn, format!("{}: {message}", condition.type_)));
    }
    text
}

/// Everything that is not the usual trio of conditions is there because a person should see it.
fn is_odd(type_: &str, status: &str) -> bool {
    status == "True" && !matches!(type_, "Ready" | "Reconciling")
}

fn state(status: &TicketStatus, times: &Times, colour: Colour) -> String {
    let state = status.state.unwrap_or(TicketState::New);
    let over = matches!(state, TicketState::Resolved | TicketState::Closed);
    let mut text = colour.paint(if over { Paint::Good } else { Paint::Warn }, format!("{state:?}"));
    if let Some(reason) = status.reason.as_deref().filter(|reason| !reason.is_empty()) {
        let _ = write!(text, ", {}", plain(reason));
    }
    match (status.resolved_at, status.recovered_at) {
        (Some(at), _) => {
            let _ = write!(text, ", since {}", times.clock_and_age(at));
        }
        (None, Some(at)) => {
            let _ = write!(text, ", nothing fires since {}", times.clock_and_age(at));
        }
        (None, None) => {}
    }
    text
}

fn works_on_it(status: &TicketStatus, times: &Times, colour: Colour) -> String {
    let over = matches!(status.state, Some(TicketState::Resolved | TicketState::Closed));
    let assignee = status.assignee.as_deref().map(plain);
    let acknowledged = status
        .escalation
        .as_ref()
        .and_then(|escalation| Some((escalation.acknowledged_by.as_ref()?, escalation.acknowledged_at?)));
    match (acknowledged, assignee) {
        (Some((by, at)), assignee) => {
            let by = plain(by);
            let other = assignee.filter(|assignee| *assignee != by).map(|assignee| format!("; assigned to {assignee}"));
            format!("{by}, since {}{}", times.clock_and_age(at), other.unwrap_or_default())
        }
        // Without an escalation there is nothing that an acknowledgement would stop.
        (None, Some(assignee)) if over || status.escalation.is_none() => assignee,
        (None, Some(assignee)) => format!("assigned to {assignee}, not acknowledged"),
        (None, None) if over => String::new(),
        (None, None) => colour.paint(Paint::Bad, "nobody yet"),
    }
}

fn description(seen: &Seen) -> String {
    indented(&lines(seen.ticket.spec.description.as_deref().unwrap_or_default()))
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}

fn section(name: &str, body: &[String], colour: Colour) -> String {
    if body.is_empty() {
        return String::new();
    }
    format!("{}\n{}", colour.paint(Paint::Strong, name), indented(body))
}

fn alerts(status: &TicketStatus, times: &Times, colour: Colour) -> String {
    let Some(alerts) = &status.alerts else { return String::new() };
    let mut body: Vec<String> = alerts
        .list
        .iter()
        .take(ALERTS)
        .map(|alert| {
            let (word, paint) = match alert.state {
                AlertLineState::Firing => ("fires", Paint::Bad),
                AlertLineState::Recovered => ("recovered", Paint::Good),
                AlertLineState::SourceRemoved => ("source removed", Paint::Faint),
            };
            let labels = alert.labels.iter().filter(|(name, _)| *name != "alertname");
            let labels: Vec<String> = labels.map(|(name, value)| format!("{}={}", plain(name), plain(value))).collect();
            let head = format!(
                "{} {} since {}",
                plain(&alert.name),
                colour.paint(paint, word),
                times.clock_and_age(alert.since)
            );
            if labels.is_empty() { head } else { format!("{head}  {}", colour.paint(Paint::Faint, labels.join(" "))) }
        })
        .collect();
    if alerts.list.len() > ALERTS {
        body.push(format!("… and {} more", alerts.list.len() - ALERTS));
    }
    section(&format!("Alerts: {} firing, {} ended", alerts.firing, alerts.resolved), &body, colour)
}

fn escalation(seen: &Seen, status: &TicketStatus, times: &Times, colour: Colour) -> String {
    let Some(escalation) = &status.escalation else { return String::new() };
    let name =
        if escalation.chain.is_empty() { "the route's own targets".to_owned() } else { plain(&escalation.chain) };
    let of = steps(seen).map(|steps| format!(" of {steps}")).unwrap_or_default();
    let mut body = vec![format!("cycle {}, step {}{of} has begun", escalation.cycle, escalation.step)];
    if let Some(held) = &escalation.held {
        // Only a silence is a name; of every other hold it is said what it is.
        let by = times.retold(&plain(&held.by));
        let by = if by.starts_with("silence ") { format!("held by {by}") } else { format!("held, {by}") };
        let by = colour.paint(Paint::Warn, by);
        body.push(format!("{by}: what was due at {} waits", times.clock_and_age(held.since)));
    }
    if let Some(at) = escalation.stopped_at {
        body.push(format!("stopped at {}", times.clock_and_age(at)));
    }
    if escalation.exhausted_until.is_some() {
        body.push(colour.paint(Paint::Bad, "every cycle has passed without an acknowledgement"));
    }
    match coming(seen) {
        Some(next) if next.what.is_empty() => {
            let unserved = seen.ticket.spec.origin.as_ref().is_some_and(|origin| origin.policy.is_empty());
            let whom = if unserved {
                "that is the operator's last resort, as no policy serves it"
            } else {
                "who that is cannot be said, as the policy cannot be read"
            };
            body.push(format!("next at {}; {whom}", times.clock_and_age(next.at)));
        }
        Some(next) => {
            body.push(format!("next at {}:", times.clock_and_age(next.at)));
            body.extend(next.what.iter().map(|what| format!("  {}", plain(what))));
        }
        None if escalation.stopped_at.is_some() || escalation.held.is_some() => {}
        None if escalation.acknowledged_by.is_some() => body.push("acknowledged: nothing more is planned".to_owned()),
        None => body.push("nothing more is planned".to_owned()),
    }
    section(&format!("Escalation: {name}"), &body, colour)
}

fn notifications(status: &TicketStatus, times: &Times, colour: Colour) -> String {
    let mut body: Vec<String> =
        status.notifications.iter().map(|notification| notified(notification, times, colour)).collect();
    if let Some(counts) = &status.notification_counts {
        body.push(format!(
            "and earlier: {} accepted, {} failed, {} no longer needed",
            counts.accepted, counts.failed, counts.superseded
        ));
    }
    section("Who was told", &body, colour)
}

fn notified(notification: &Notification, times: &Times, colour: Colour) -> String {
    let (word, paint) = match notification.state {
        NotificationState::Planned if notification.attempts == 0 => ("on its way", Paint::Warn),
        NotificationState::Planned => ("is tried again", Paint::Warn),
        NotificationState::Accepted if notification.error.is_some() => ("accepted for some only", Paint::Bad),
        NotificationState::Accepted => ("accepted", Paint::Good),
        NotificationState::Uncertain => ("may have arrived, is sent again", Paint::Warn),
        NotificationState::Failed => ("failed", Paint::Bad),
        NotificationState::Superseded => ("no longer needed", Paint::Faint),
    };
    let kind = match notification.kind {
        NotificationKind::Page if notification.step == 0 => "page, last resort".to_owned(),
        NotificationKind::Page => format!("page, step {}", notification.step),
        NotificationKind::Notice => "notice".to_owned(),
        NotificationKind::Update => "update".to_owned(),
        NotificationKind::Resolved => "resolved".to_owned(),
        NotificationKind::SlaWarning => "SLA warning".to_owned(),
        NotificationKind::Test => "test page".to_owned(),
    };
    let channel = plain(&notification.channel);
    let to = match &notification.person {
        Some(person) => format!("{} by {channel}", plain(person)),
        None => format!("channel {channel}"),
    };
    let at = times.clock(notification.at.unwrap_or(notification.planned_at));
    let attempts =
        if notification.attempts > 1 { format!(" after {} attempts", notification.attempts) } else { String::new() };
    let said = match notification.state {
        // Whom of several recipients it does not reach.
        NotificationState::Accepted => notification.error.as_deref().or(notification.receipt.as_deref()),
        // Why an attempt failed is no longer of interest once nobody needs the message.
        NotificationState::Superseded => None,
        NotificationState::Planned | NotificationState::Uncertain | NotificationState::Failed => {
            notification.error.as_deref()
        }
    };
    let said = said.map(|said| format!(": {}", plain(said))).unwrap_or_default();
    format!("{at}  {to} ({kind}) {}{attempts}{said}", colour.paint(paint, word))
}

fn told(seen: &Seen, times: &Times, colour: Colour) -> String {
    let story = story(seen, times);
    let earlier = story.len().saturating_sub(STORY);
    let times: Vec<String> = story.iter().map(|line| times.clock(line.at)).collect();
    let width = times.iter().skip(earlier).map(String::len).max().unwrap_or(0);
    let mut body = Vec::with_capacity(STORY);
    if earlier > 0 {
        body.push(colour.paint(Paint::Faint, format!("… {earlier} earlier lines; -o yaml has them all")));
    }
    for (line, time) in story.iter().zip(&times).skip(earlier) {
        let what = colour.paint(line.paint, &line.what);
        match line.detail.as_slice() {
            [] => body.push(format!("{time:width$}  {what}")),
            [only] => body.push(format!("{time:width$}  {what}: {only}")),
            several => {
                body.push(format!("{time:width$}  {what}:"));
                body.extend(several.iter().map(|detail| format!("{:width$}    {detail}", "").trim_end().to_owned()));
            }
        }
    }
    section("What happened", &body, colour)
}

fn commands(seen: &Seen, status: &TicketStatus, program: &str, colour: Colour) -> String {
    let (name, namespace) = (seen.ticket.name_any(), seen.ticket.namespace().unwrap_or_default());
    let command = |verb: &str, rest: &str| format!("{program} {verb} {name}{rest} -n {namespace}");
    let acknowledged = status.escalation.as_ref().is_some_and(|escalation| escalation.acknowledged_by.is_some());
    let mut body = Vec::new();
    match status.state.unwrap_or(TicketState::New) {
        TicketState::Closed => {}
        TicketState::Resolved => {
            body.push(("to add what was found", command("note", " \"…\"")));
            body.push(("if it is not done after all", command("reopen", "")));
        }
        TicketState::New
        | TicketState::Open
        | TicketState::PendingRequester
        | TicketState::PendingVendor
        | TicketState::Scheduled => {
            if acknowledged {
                body.push(("to give it back", command("unack", "")));
            } else {
                body.push(("to take it", command("ack", "")));
            }
            if seen.ticket.spec.requester.is_some() {
                body.push(("to answer who asked", command("reply", " \"…\"")));
            }
            body.push(("to write down what you see", command("note", " \"…\"")));
            if let Some(service) = seen.labels().get("service") {
                let silence =
                    format!("{program} silence 'service={:?}' --for 1h --reason \"…\" -n {namespace}", plain(service));
                body.push(("to mute the service while you work", silence));
            }
            body.push(("when it is done", command("resolve", " --note \"…\"")));
        }
    }
    let width = body.iter().map(|(purpose, _)| purpose.len()).max().unwrap_or(0);
    let body: Vec<String> = body.into_iter().map(|(purpose, command)| format!("{purpose:width$}  {command}")).collect();
    section("What to do", &body, colour)
}
