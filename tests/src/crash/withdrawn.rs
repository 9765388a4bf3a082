//! Why messages were withdrawn: each needs a reason in what its ticket says, in time. Else a page that was wrongly taken
//! back would look like one that nobody needed. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::ledger::Ledger;

/// Tickets speak of whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);

/// The withdrawals for which there is none, in words.
pub(super) fn without_reason(ledger: &Ledger, tickets: &[Value], events: &[Value]) -> Vec<String> {
    let mut broken = Vec::new();
    for ticket in tickets {
        let all = ticket["status"]["notifications"].as_array().into_iter().flatten();
        for notification in all.filter(|n| n["state"] == "Superseded") {
            let Some(at) = notification["id"].as_str().and_then(|id| ledger.withdrawn.get(id)) else {
                broken.push(format!("withdrawn, and nobody was seen to do it: {notification}"));
                continue;
            };
            if !has_reason(ticket, events, notification, *at) {
                broken.push(format!("withdrawn at {at:?} without a reason: {notification}; {}", ticket["status"]));
            }
        }
    }
    broken
}

fn has_reason(ticket: &Value, events: &[Value], notification: &Value, withdrawn: SystemTime) -> bool {
    let lines = |words: &[&str]| -> Vec<SystemTime> {
        let all = ticket["status"]["timeline"].as_array().into_iter().flatten();
        all.filter(|line| words.iter().any(|word| line["what"] == *word)).filter_map(|line| time(&line["at"])).collect()
    };
    let (began, ended) = (["Fired", "Refired", "Reopened"], ["Recovered", "SourceRemoved", "Resolved"]);
    let (occasions, reasons) = match notification["kind"].as_str() {
        Some("page") => (lines(&began), [lines(&ended), acknowledgements(ticket, events)].concat()),
        Some("notice") => (lines(&began), lines(&ended)),
        // That it is over is no news when it fires again.
        Some("resolved") => (lines(&ended), lines(&began)),
        _ => return false,
    };
    let Some(planned) = time(&notification["plannedAt"]) else { return false };
    // What had ended before this trouble began is no reason to keep silent about it.
    let occasion = occasions.into_iter().filter(|at| *at <= planned + ROUNDING).max().unwrap_or(UNIX_EPOCH);
    let in_time = |at: &SystemTime| *at + ROUNDING >= occasion && *at <= withdrawn + ROUNDING;
    // What was tried on an island may have arrived; whether it is still needed decided whoever led meanwhile.
    let may_have_arrived = notification["attempts"].as_u64() > Some(0) || notification["mayHaveArrived"] == true;
    let left_to_another = may_have_arrived && lines(&["Islanded"]).iter().any(in_time);
    left_to_another || reasons.iter().any(in_time)
}

fn acknowledgements(ticket: &Value, events: &[Value]) -> Vec<SystemTime> {
    let own =
        |event: &&Value| event["spec"]["ticket"] == ticket["metadata"]["name"] && event["spec"]["acknowledge"] == true;
    let at = |event: &Value| time(&event["status"]["at"]).or_else(|| time(&event["metadata"]["creationTimestamp"]));
    events.iter().filter(own).filter_map(at).collect()
}

fn time(value: &Value) -> Option<SystemTime> {
    let time: jiff::Timestamp = value.as_str()?.parse().ok()?;
    Some(time.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Value {
        json!(jiff::Timestamp::from_second(second).unwrap())
    }

    /// What is wrong with a message that was planned at second 20 and withdrawn at second 30.
    fn broken(kind: &str, timeline: &[(&str, i64)], acknowledged: Option<i64>) -> Vec<String> {
        let message = json!({"id": "a", "kind": kind, "state": "Superseded", "attempts": 1, "plannedAt": at(20)});
        broken_by(&message, timeline, acknowledged)
    }

    fn broken_by(message: &Value, timeline: &[(&str, i64)], acknowledged: Option<i64>) -> Vec<String> {
        let lines: Vec<Value> =
            timeline.iter().map(|(what, second)| json!({"what": what, "at": at(*second)})).collect();
        let ticket = json!({"metadata": {"name": "inc-a"}, "status": {"timeline": lines, "notifications": [message]}});
        let event = acknowledged.map(|second| {
            json!({"metadata": {"creationTimestamp": at(second)}, "spec": {"ticket": "inc-a", "acknowledge": true}})
        });
        let withdrawn = [("a".to_owned(), UNIX_EPOCH + Duration::from_secs(30))].into();
        without_reason(&Ledger { withdrawn, ..Ledger::default() }, &[ticket], &event.into_iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_page_is_withdrawn_once_somebody_has_acknowledged_or_it_is_over() {
        let fired = ("Fired", 20);
        assert_eq!(broken("page", &[fired], Some(25)), [] as [&str; 0]);
        assert_eq!(broken("page", &[fired, ("Recovered", 29)], None), [] as [&str; 0]);
        assert_eq!(broken("page", &[fired], None).len(), 1);
        assert_eq!(broken("page", &[fired, ("Recovered", 40)], Some(35)).len(), 1, "only afterwards");
    }

    #[test]
    fn what_ended_before_the_trouble_began_anew_is_no_reason() {
        let first = [("Fired", 5), ("Recovered", 10), ("Refired", 19)];
        assert_eq!(broken("page", &first, None).len(), 1);
        assert_eq!(broken("page", &[&first[..], &[("Recovered", 28)]].concat(), None), [] as [&str; 0]);
    }

    #[test]
    fn an_acknowledgement_withdraws_no_notice_and_a_relapse_the_end() {
        assert_eq!(broken("notice", &[("Fired", 20)], Some(25)).len(), 1);
        assert_eq!(broken("resolved", &[("Fired", 5), ("Recovered", 20), ("Refired", 27)], None), [] as [&str; 0]);
        assert_eq!(broken("resolved", &[("Fired", 5), ("Recovered", 20)], None).len(), 1);
        assert_eq!(broken("update", &[("Fired", 5), ("Recovered", 20)], None).len(), 1, "nothing withdraws an update");
    }

    #[test]
    fn what_an_island_has_tried_is_left_to_whoever_led_meanwhile() {
        let merged = [("Fired", 20), ("Islanded", 29)];
        assert_eq!(broken("page", &merged, None), [] as [&str; 0]);
        let page = |may_have_arrived: bool| json!({"id": "a", "kind": "page", "state": "Superseded", "attempts": 0, "plannedAt": at(20), "mayHaveArrived": may_have_arrived});
        assert_eq!(broken_by(&page(true), &merged, None), [] as [&str; 0], "it died before it could count that");
        assert_eq!(broken_by(&page(false), &merged, None).len(), 1);
    }

    #[test]
    fn a_withdrawal_that_nobody_was_seen_to_write_is_found() {
        let message = json!({"id": "a", "kind": "page", "state": "Superseded", "plannedAt": at(20)});
        let ticket = json!({"status": {"notifications": [message]}});
        assert_eq!(without_reason(&Ledger::default(), &[ticket], &[]).len(), 1);
    }
}
