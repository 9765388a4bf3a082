//! What the fold needs to know of the ticket itself, and how changes of its spec are written down.
//!
//! A spec can be edited at any time, and the clocks must know when. So each change of a field that matters becomes
//! a line of the timeline, `priority: P3 -> P1; queue: - -> network`, before anything acts on it. The fold starts
//! from nothing and reads those lines; only without any does it take the spec as it is.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use crate::policy::Policy;

/// What the fold needs to know of the ticket itself.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The ticket's uid.
    pub uid: String,
    /// The ticket's name.
    pub name: String,
    /// When its object was created.
    pub created: Timestamp,
    /// When its clocks start at the latest: see [`began`]. A message that was received before starts them earlier.
    pub began: Timestamp,
    /// Whether somebody asked for it; a ticket that alerts opened has no requester.
    pub has_requester: bool,
    /// Whether an alert fires on it: it is not closed by itself then.
    pub firing: bool,
    /// When the last of its alerts ended: it was not closed by itself before.
    pub quiet_since: Option<Timestamp>,
    /// The versions of its policy that its timeline names, by revision.
    pub revisions: BTreeMap<String, Arc<Policy>>,
    /// The fields of the spec that matter to its course, as they are now.
    pub spec: SpecFacts,
}

/// When the clocks of a ticket that alerts opened start: with the first alert, but not more than five minutes
/// before its receipt, because no one can be late for what nobody had told them.
pub fn began(first_start: Option<Timestamp>, created: Timestamp) -> Timestamp {
    const AT_MOST_BEFORE: std::time::Duration = std::time::Duration::from_secs(300);
    let earliest = created.checked_sub(AT_MOST_BEFORE).unwrap_or(created);
    first_start.map_or(created, |start| start.clamp(earliest, created))
}

/// The fields of a spec that matter to the course of its ticket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecFacts {
    /// `P1` … `P5`, to overrule matrix and route.
    pub priority: Option<String>,
    /// `high`, `medium` or `low`.
    pub impact: Option<String>,
    /// `high`, `medium` or `low`.
    pub urgency: Option<String>,
    /// Which team's list it begins on.
    pub queue: Option<String>,
    /// Whom it is pinned to.
    pub assignee: Option<String>,
    /// Due times set by hand, by clock.
    pub due: BTreeMap<String, Timestamp>,
}

/// What stands for an absent value in a line.
const ABSENT: &str = "-";

impl SpecFacts {
    /// The line's text for a change from these to `later`; `None` when nothing changed.
    pub fn change_to(&self, later: &Self) -> Option<String> {
        let (old, new) = (self.fields(), later.fields());
        let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let value = |fields: &BTreeMap<String, String>, name: &String| {
            fields.get(name).cloned().unwrap_or_else(|| ABSENT.to_owned())
        };
        let changed = names
            .into_iter()
            .filter(|name| old.get(*name) != new.get(*name))
            .map(|name| format!("{name}: {} -> {}", value(&old, name), value(&new, name)));
        let text = changed.collect::<Vec<_>>().join("; ");
        (!text.is_empty()).then_some(text)
    }

    /// These after the change that a line's text describes. What it does not understand it leaves as it is.
    pub fn apply(&mut self, text: &str) {
        for change in text.split("; ") {
            let Some((name, values)) = change.split_once(": ") else { continue };
            let Some((_, new)) = values.split_once(" -> ") else { continue };
            let new = Some(new).filter(|new| *new != ABSENT).map(str::to_owned);
            match name {
                "priority" => self.priority = new,
                "impact" => self.impact = new,
                "urgency" => self.urgency = new,
                "queue" => self.queue = new,
                "assignee" => self.assignee = new,
                _ => {
                    let Some(clock) = name.strip_prefix("due ") else { continue };
                    match new.and_then(|new| new.parse().ok()) {
                        Some(at) => self.due.insert(clock.to_owned(), at),
                        None => self.due.remove(clock),
                    };
                }
            }
        }
    }

    fn fields(&self) -> BTreeMap<String, String> {
        let plain = [
            ("priority", &self.priority),
            ("impact", &self.impact),
            ("urgency", &self.urgency),
            ("queue", &self.queue),
            ("assignee", &self.assignee),
        ];
        let plain = plain.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let due = self.due.iter().map(|(clock, at)| (format!("due {clock}"), at.to_string()));
        plain.chain(due).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> SpecFacts {
        SpecFacts { priority: Some("P3".into()), queue: Some("helpdesk".into()), ..SpecFacts::default() }
    }

    #[test]
    fn a_change_is_written_with_the_old_and_the_new_value() {
        let later = SpecFacts {
            priority: Some("P1".into()),
            queue: None,
            due: [("resolution".to_owned(), "2026-12-01T12:00:00Z".parse().unwrap())].into(),
            ..SpecFacts::default()
        };
        let text = facts().change_to(&later).unwrap();
        assert_eq!(text, "due resolution: - -> 2026-12-01T12:00:00Z; priority: P3 -> P1; queue: helpdesk -> -");
        let mut read = facts();
        read.apply(&text);
        assert_eq!(read, later);
    }

    #[test]
    fn what_did_not_change_needs_no_line() {
        assert_eq!(facts().change_to(&facts()), None);
    }

    #[test]
    fn clocks_start_with_the_alert_but_at_most_five_minutes_before_its_receipt() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let created = at("2026-11-23T03:00:00Z");
        assert_eq!(began(None, created), created);
        assert_eq!(began(Some(at("2026-11-23T02:58:00Z")), created), at("2026-11-23T02:58:00Z"));
        assert_eq!(began(Some(at("2026-11-22T02:58:00Z")), created), at("2026-11-23T02:55:00Z"));
        assert_eq!(began(Some(at("2026-11-23T03:09:00Z")), created), created);
    }
}
