//! The promises, as functions over what was seen from outside and what the tickets say in the end. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use super::{
    ledger::{Ledger, Receipt},
    schedule::{Schedule, Script},
    withdrawn,
};

/// What a page may come late, time without a leader apart: it is planned to the whole second, a new leader lists everything
/// first, and many seeds share two cores. Whatever waits for a look that was lost comes half a minute late at least; how late
/// the latest was is counted.
const LATENESS: Duration = Duration::from_secs(20);

/// Counts of one seed, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Operators that were killed at a point.
    pub kills: u64,
    /// Those that ended by themselves, because another one had taken their lease.
    pub replaced: u64,
    /// Times in which no operator reached the API server.
    pub outages: u64,
    /// Messages that arrived meanwhile.
    pub without_api: u64,
    /// Messages that were withdrawn before they were sent.
    pub withdrawn: u64,
    /// Messages that tickets say were accepted.
    pub expected: u64,
    /// Messages that arrived, repeats included.
    pub received: u64,
    /// Messages that are accepted by the ticket's word and never arrived, or never ended.
    pub lost: u64,
    /// Arrivals of an id after its first.
    pub repeats: u64,
    /// The worst lateness of a page, time without a leader apart.
    pub lateness: Duration,
    /// The same with it.
    pub lateness_in_all: Duration,
}

impl Summary {
    /// Adds another seed's.
    pub fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.replaced += other.replaced;
        self.outages += other.outages;
        self.without_api += other.without_api;
        self.withdrawn += other.withdrawn;
        self.expected += other.expected;
        self.received += other.received;
        self.lost += other.lost;
        self.repeats += other.repeats;
        self.lateness = self.lateness.max(other.lateness);
        self.lateness_in_all = self.lateness_in_all.max(other.lateness_in_all);
    }
}

/// Whether nothing more will be tried for a notification.
pub fn is_finished(notification: &Value) -> bool {
    matches!(notification["state"].as_str(), Some("Accepted" | "Delivered" | "Failed" | "Superseded"))
}

/// What the operators found broken themselves, by their logs: a crash is no reason for a ticket to be forgotten.
pub fn violations(logs: &str) -> Vec<String> {
    let found = logs.lines().filter(|line| line.contains("ERROR operator::watchdog"));
    found.map(|line| format!("an operator found by itself: {line}")).collect()
}

/// Every promise over one seed: the counts, and what was broken in words.
pub fn check(ledger: &Ledger, tickets: &[Value], events: &[Value], schedule: &Schedule) -> (Summary, Vec<String>) {
    let mut broken = ledger.trouble.clone();
    let planned: Vec<&Value> =
        tickets.iter().filter_map(|ticket| ticket["status"]["notifications"].as_array()).flatten().collect();
    let arrived = by_id(&ledger.receipts);
    let mut summary = Summary {
        kills: ledger.killed().count() as u64,
        replaced: (ledger.ends.len() - ledger.killed().count()) as u64,
        outages: ledger.parted.len() as u64,
        without_api: ledger.receipts.iter().filter(|receipt| ledger.is_parted(receipt.at)).count() as u64,
        received: ledger.receipts.len() as u64,
        repeats: (ledger.receipts.len() - arrived.len()) as u64,
        ..Summary::default()
    };
    for notification in &planned {
        let (id, state) = (text(&notification["id"]), text(&notification["state"]));
        match state {
            "Accepted" => {
                summary.expected += 1;
                if !arrived.contains_key(id) {
                    summary.lost += 1;
                    broken.push(format!("lost: the ticket says Accepted, and it never arrived: {notification}"));
                }
            }
            // Whether it had to come says the module of that name.
            "Superseded" => summary.withdrawn += 1,
            _ => {
                summary.lost += 1;
                broken.push(format!("not ended: {notification}"));
            }
        }
    }
    broken.extend(unplanned(&arrived, &planned));
    broken.extend(twice_planned(tickets));
    broken.extend(withdrawn::without_reason(ledger, tickets, events));
    for (id, receipts) in &arrived {
        broken.extend(too_often(id, receipts, ledger));
    }
    broken.extend(left_alarmed(&arrived));
    broken.extend(states(tickets, events, schedule));
    for notification in planned.iter().filter(|n| n["kind"] == "page") {
        let Some(first) = arrived.get(text(&notification["id"])).and_then(|all| all.first()) else { continue };
        let (late, without_downtime) = lateness(first, &notification["plannedAt"], ledger);
        summary.lateness_in_all = summary.lateness_in_all.max(late);
        summary.lateness = summary.lateness.max(without_downtime);
        // A refused message is tried again after one, then two seconds.
        if without_downtime > LATENESS + Duration::from_secs(3) * ledger.refused {
            broken.push(format!("late by {without_downtime:?} beside the time without a leader: {notification}"));
        }
    }
    (summary, broken)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn by_id(receipts: &[Receipt]) -> BTreeMap<&str, Vec<&Receipt>> {
    let mut all: BTreeMap<&str, Vec<&Receipt>> = BTreeMap::new();
    for receipt in receipts {
        all.entry(&receipt.id).or_default().push(receipt);
    }
    all
}

/// Nothing is sent that no ticket lists.
fn unplanned(arrived: &BTreeMap<&str, Vec<&Receipt>>, planned: &[&Value]) -> Vec<String> {
    let known: BTreeSet<&str> = planned.iter().map(|notification| text(&notification["id"])).collect();
    let strange = arrived.iter().filter(|(id, _)| !known.contains(*id));
    strange.map(|(id, all)| format!("{id} arrived and is on no ticket: {:?}", all[0])).collect()
}

/// One thing to say is one id.
fn twice_planned(tickets: &[Value]) -> Vec<String> {
    let mut broken = Vec::new();
    for ticket in tickets {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for n in ticket["status"]["notifications"].as_array().into_iter().flatten() {
            let parts = ["kind", "cycle", "step", "person", "channel", "rule", "sequence"];
            let what = parts.map(|part| n[part].to_string()).join(" ");
            if let Some(other) = seen.insert(what, text(&n["id"])) {
                broken.push(format!("two ids for one thing to say: {other} and {n}"));
            }
        }
    }
    broken
}

/// In the end all is well, and whoever was alarmed has heard so after the last alarm.
fn left_alarmed(arrived: &BTreeMap<&str, Vec<&Receipt>>) -> Vec<String> {
    let first = || arrived.values().filter_map(|all| all.first());
    let mut last_alarms: BTreeMap<(&str, &str), &Receipt> = BTreeMap::new();
    for alarm in first().filter(|one| matches!(one.kind.as_str(), "page" | "notice")) {
        let last = last_alarms.entry((&alarm.person, &alarm.service)).or_insert(alarm);
        if alarm.at > last.at {
            *last = alarm;
        }
    }
    let hears_after = |alarm: &Receipt| {
        let ends = first().filter(|one| one.kind == "resolved" && one.at >= alarm.at);
        ends.into_iter().any(|end| (&end.person, &end.service) == (&alarm.person, &alarm.service))
    };
    let left = last_alarms.into_values().filter(|alarm| !hears_after(alarm));
    left.map(|alarm| format!("nobody told {} that it is over: {alarm:?}", alarm.person)).collect()
}

/// How long a message may be on its way: it arrives after the kill of the one who sent it.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// An id comes again only when an operator was killed in between that may have sent it, once for each kill, and never once its
/// outcome was durable.
fn too_often(id: &str, receipts: &[&Receipt], ledger: &Ledger) -> Vec<String> {
    let mut broken = Vec::new();
    let mut ends: Vec<_> = ledger.ends.iter().filter(|end| end.had_led).map(|end| end.at).collect();
    ends.sort_unstable();
    for pair in receipts.windows(2) {
        let [earlier, later] = pair else { continue };
        let excuse = ends.iter().position(|end| *end + ON_ITS_WAY >= earlier.at && *end <= later.at);
        if excuse.map(|place| ends.remove(place)).is_none() {
            broken.push(format!("{id} arrived again without a crash in between: {earlier:?}, {later:?}"));
        }
        if let Some(durable) = ledger.durable.get(id).filter(|durable| **durable < later.at) {
            broken.push(format!("{id} arrived again after its outcome was durable at {durable:?}: {later:?}"));
        }
    }
    broken
}

/// How late a page was, and how late beside the time in which nobody led.
fn lateness(first: &Receipt, planned: &Value, ledger: &Ledger) -> (Duration, Duration) {
    let planned: Option<jiff::Timestamp> = text(planned).parse().ok();
    let Some(planned) = planned.map(SystemTime::from) else { return (Duration::MAX, Duration::MAX) };
    let late = first.at.duration_since(planned.max(UNIX_EPOCH)).unwrap_or_default();
    (late, late.saturating_sub(ledger.leaderless(planned, first.at)))
}

/// What each ticket and each act has come to.
fn states(tickets: &[Value], events: &[Value], schedule: &Schedule) -> Vec<String> {
    let mut broken = Vec::new();
    let numbers: BTreeSet<String> = tickets.iter().map(|ticket| ticket["status"]["number"].to_string()).collect();
    if numbers.len() != tickets.len() {
        broken.push(format!("{} tickets share the numbers {numbers:?}", tickets.len()));
    }
    for (place, (script, _)) in schedule.incidents.iter().enumerate() {
        let service = format!("service-{place}");
        let own: Vec<&Value> = tickets.iter().filter(|t| t["metadata"]["labels"]["service"] == *service).collect();
        let [ticket] = own.as_slice() else {
            broken.push(format!("{service} ({script:?}) has {} tickets", own.len()));
            continue;
        };
        let status = &ticket["status"];
        let by = match script {
            Script::Acknowledged | Script::Relapsed => "ada",
            Script::Escalated => "bob",
            Script::Repeated | Script::Noticed => "",
        };
        if status["state"] != "Resolved" || status["reason"] != "Recovered" || status["alerts"]["firing"] != 0 {
            broken.push(format!("{service} ({script:?}) is not Resolved as Recovered: {status}"));
        }
        if text(&status["escalation"]["acknowledgedBy"]) != by {
            broken.push(format!("{service} ({script:?}) was to be acknowledged by {by:?}: {}", status["escalation"]));
        }
    }
    let refused = events.iter().filter(|event| event["status"]["accepted"] != true);
    broken.extend(refused.map(|event| format!("an act was not accepted: {event}")));
    broken
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crash::{
        ledger::{Ended, Parted},
        schedule::Point,
    };

    #[test]
    fn what_an_operator_finds_broken_counts() {
        let logs = "2026-11-27T13:50:46Z  WARN operator::watchdog: no sign of life is given\n\
                    2026-11-27T13:50:51Z ERROR operator::watchdog: what was due at … has not happened ticket=a/inc-b\n";
        assert_eq!(violations(logs).len(), 1);
    }

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    fn receipt(id: &str, second: u64) -> Receipt {
        let text = |word: &str| word.to_owned();
        Receipt {
            id: text(id),
            kind: text("page"),
            person: text("ada"),
            service: text("service-0"),
            ticket: text("inc-a"),
            at: at(second),
        }
    }

    /// That it is over, heard in the end.
    fn end() -> Receipt {
        Receipt { kind: "resolved".to_owned(), ..receipt("end", 1_000) }
    }

    fn killed(second: u64) -> Ended {
        Ended { at: at(second), point: Some(Point::Received), led: true, had_led: true }
    }

    fn ticket(notifications: &Value) -> Value {
        json!({
            "metadata": {"labels": {"service": "service-0"}},
            "status": {"number": 1, "state": "Resolved", "reason": "Recovered", "alerts": {"firing": 0},
                "escalation": {"acknowledgedBy": "ada"}, "notifications": notifications},
        })
    }

    fn page(id: &str, state: &str) -> Value {
        json!({"id": id, "kind": "page", "cycle": 1, "step": 1, "rule": 1, "sequence": 0, "person": "ada",
            "channel": "ada-hook", "state": state, "plannedAt": "1970-01-01T00:00:10Z"})
    }

    /// Everybody has heard of the end.
    fn broken(ledger: &Ledger, notifications: &Value) -> Vec<String> {
        let (mut ledger, mut notifications) = (ledger.clone(), notifications.clone());
        ledger.receipts.push(end());
        notifications.as_array_mut().unwrap().push(json!({"id": "end", "kind": "resolved", "state": "Accepted"}));
        broken_in(&ledger, &notifications)
    }

    fn broken_in(ledger: &Ledger, notifications: &Value) -> Vec<String> {
        let incidents = vec![(Script::Acknowledged, Duration::ZERO)];
        let schedule = Schedule { incidents, ..Schedule::of(1) };
        check(ledger, &[ticket(notifications)], &[], &schedule).1
    }

    fn one(found: &[String], words: &str) {
        assert!(found.len() == 1 && found[0].contains(words), "expected {words:?}, found {found:?}");
    }

    #[test]
    fn what_arrived_once_breaks_nothing() {
        let ledger = Ledger { receipts: vec![receipt("a", 11)], ..Ledger::default() };
        assert_eq!(broken(&ledger, &json!([page("a", "Accepted")])), [] as [&str; 0]);
    }

    #[test]
    fn what_never_arrived_is_lost_and_what_never_ended_too() {
        one(&broken(&Ledger::default(), &json!([page("a", "Accepted")])), "lost");
        one(&broken(&Ledger::default(), &json!([page("a", "Planned")])), "not ended");
    }

    #[test]
    fn a_repeat_needs_a_crash_before_the_outcome_was_durable() {
        let receipts = vec![receipt("a", 11), receipt("a", 16)];
        let twice = Ledger { receipts, ..Ledger::default() };
        let planned = json!([page("a", "Accepted")]);
        one(&broken(&twice, &planned), "without a crash");
        let before = Ledger { ends: vec![killed(9)], ..twice.clone() };
        one(&broken(&before, &planned), "without a crash");
        let on_its_way = Ledger { ends: vec![killed(10)], ..twice.clone() };
        assert_eq!(broken(&on_its_way, &planned), [] as [&str; 0]);
        let follower = Ended { led: false, had_led: false, ..killed(12) };
        one(&broken(&Ledger { ends: vec![follower], ..twice.clone() }, &planned), "without a crash");
        let crashed = Ledger { ends: vec![killed(12)], ..twice };
        assert_eq!(broken(&crashed, &planned), [] as [&str; 0]);
        let thrice = Ledger { receipts: vec![receipt("a", 11), receipt("a", 12), receipt("a", 16)], ..crashed.clone() };
        one(&broken(&thrice, &planned), "without a crash");
        let two = Ledger { ends: vec![killed(12), killed(13)], ..thrice };
        assert_eq!(broken(&two, &planned), [] as [&str; 0]);
        let durable = Ledger { durable: [("a".to_owned(), at(12))].into(), ..crashed };
        one(&broken(&durable, &planned), "durable");
    }

    #[test]
    fn who_was_alarmed_and_hears_of_no_end_after_it_is_found() {
        let mut ledger = Ledger { receipts: vec![receipt("a", 11)], ..Ledger::default() };
        one(&broken_in(&ledger, &json!([page("a", "Accepted")])), "nobody told ada");
        ledger.receipts.push(Receipt { at: at(10), ..end() });
        let planned = json!([page("a", "Superseded"), {"id": "end", "kind": "resolved", "state": "Accepted"}]);
        assert!(broken_in(&ledger, &planned).iter().any(|found| found.contains("nobody told ada")), "it came before");
    }

    #[test]
    fn what_no_ticket_lists_and_what_has_two_ids_is_found() {
        let ledger = Ledger { receipts: vec![receipt("a", 11), receipt("b", 11)], ..Ledger::default() };
        one(&broken(&ledger, &json!([page("a", "Accepted")])), "on no ticket");
        one(&broken(&ledger, &json!([page("a", "Accepted"), page("b", "Accepted")])), "two ids");
    }

    #[test]
    fn time_without_a_leader_excuses_lateness_for_as_long_as_a_takeover_takes_and_nothing_else_does() {
        let late = Ledger { receipts: vec![receipt("a", 60)], ..Ledger::default() };
        let planned = json!([page("a", "Accepted")]);
        one(&broken(&late, &planned), "late by 50s");
        let no_leader_for_long = Ledger { ends: vec![killed(9)], leaders: vec![at(58)], ..late };
        one(&broken(&no_leader_for_long, &planned), "late by 31s");
        let receipts = vec![receipt("a", 27)];
        let parted = Parted { from: at(9), to: Some(at(22)), led_again: Some(at(24)) };
        let island = Ledger { parted: vec![parted], receipts: vec![receipt("a", 40)], ..Ledger::default() };
        // Seven seconds until it went on by itself, two until it led again.
        one(&broken(&island, &planned), "late by 21s");
        let excused = Ledger { ends: vec![killed(9)], leaders: vec![at(25)], receipts, ..Ledger::default() };
        assert_eq!(broken(&excused, &planned), [] as [&str; 0]);
    }
}
