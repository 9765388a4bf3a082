//! What becomes of a ticket's status when the API answers again. Pure.

use api::ticket::{NotificationState, TicketStatus, TimelineLine};
use domain::ticket::timeline::What;
use jiff::Timestamp;

/// What was decided without the API goes to it whole, unless somebody else has decided meanwhile: then the status that is
/// there wins, and what we sent is added to it as fact, so that nothing of it is sent again.
///
/// `base` is the status that our decisions rest on, `theirs` the one that is there now. `epoch` is that of the leader who merges.
pub(super) fn join(
    base: Option<&TicketStatus>,
    ours: &TicketStatus,
    theirs: Option<&TicketStatus>,
    epoch: i64,
    now: Timestamp,
) -> TicketStatus {
    let nobody_decided = theirs.is_none_or(|theirs| theirs.epoch.is_none() && base.is_none()) || theirs == base;
    let mut joined = match theirs {
        Some(theirs) if !nobody_decided => with_facts(theirs.clone(), ours),
        _ => ours.clone(),
    };
    joined.epoch = joined.epoch.max(Some(epoch));
    joined.observed_generation = theirs.map_or(-1, |theirs| theirs.observed_generation);
    let sent = ours.notifications.iter().filter(|n| n.attempts > 0).count();
    let whose = if nobody_decided { "" } else { "; another leader's decisions stand" };
    joined.timeline.push(TimelineLine {
        at: domain::time::whole_seconds(now),
        what: What::Islanded.as_str().to_owned(),
        detail: format!(
            "the API answers again after an outage; what was decided from memory is here, {sent} of its messages were sent{whose}"
        ),
    });
    joined
}

/// The messages that we have tried to send are known here, with what came of them.
fn with_facts(mut theirs: TicketStatus, ours: &TicketStatus) -> TicketStatus {
    for fact in ours.notifications.iter().filter(|fact| fact.attempts > 0) {
        match theirs.notifications.iter_mut().find(|known| known.id == fact.id) {
            Some(known) if !known.state.is_finished() && fact.state.is_finished() => known.clone_from(fact),
            Some(known) if !known.state.is_finished() => {
                // Nobody gets it twice who has it.
                let new: Vec<_> = fact.reached.iter().filter(|one| !known.reached.contains(one)).cloned().collect();
                known.reached.extend(new);
            }
            Some(_) => {}
            None => {
                let mut fact = fact.clone();
                if !fact.state.is_finished() {
                    // It may have arrived; whether it is still needed is the other leader's decision.
                    fact.end_as(NotificationState::Superseded);
                }
                theirs.notifications.push(fact);
            }
        }
    }
    theirs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn status(epoch: i64, notifications: &[(&str, &str, u32)]) -> TicketStatus {
        let list: Vec<_> = notifications
            .iter()
            .map(|(id, state, attempts)| {
                json!({"id": id, "kind": "page", "channel": "chat", "state": state, "attempts": attempts, "plannedAt": at(60)})
            })
            .collect();
        serde_json::from_value(json!({"observedGeneration": 1, "epoch": epoch, "notifications": list})).unwrap()
    }

    fn told(status: &TicketStatus) -> Vec<(&str, NotificationState, u32)> {
        status.notifications.iter().map(|n| (n.id.as_str(), n.state, n.attempts)).collect()
    }

    #[test]
    fn what_nobody_else_touched_becomes_ours_whole() {
        let (base, ours) = (status(7, &[("a", "Planned", 0)]), status(7, &[("a", "Accepted", 1), ("b", "Planned", 0)]));
        let joined = join(Some(&base), &ours, Some(&base), 8, at(600));
        assert_eq!(told(&joined), told(&ours));
        assert_eq!(joined.epoch, Some(8));
        assert_eq!((joined.timeline[0].what.as_str(), joined.timeline[0].at), ("Islanded", at(600)));
    }

    #[test]
    fn a_ticket_that_was_just_created_has_an_empty_status_and_becomes_ours() {
        let ours = status(7, &[("a", "Accepted", 1)]);
        let empty = TicketStatus { observed_generation: -1, ..TicketStatus::default() };
        assert_eq!(told(&join(None, &ours, Some(&empty), 7, at(600))), told(&ours));
        assert_eq!(told(&join(None, &ours, None, 7, at(600))), told(&ours));
    }

    #[test]
    fn another_leaders_ticket_wins_and_knows_what_we_have_sent() {
        let base = status(7, &[("a", "Planned", 0)]);
        let ours = status(7, &[("a", "Accepted", 1), ("b", "Accepted", 2), ("c", "Uncertain", 1), ("d", "Planned", 0)]);
        let theirs = status(8, &[("a", "Planned", 0), ("x", "Accepted", 1)]);
        let joined = join(Some(&base), &ours, Some(&theirs), 9, at(600));
        use NotificationState::{Accepted, Superseded};
        assert_eq!(told(&joined), [("a", Accepted, 1), ("x", Accepted, 1), ("b", Accepted, 2), ("c", Superseded, 1)]);
        assert_eq!(joined.epoch, Some(9));
        assert!(
            joined.timeline[0].detail.ends_with("another leader's decisions stand"),
            "{}",
            joined.timeline[0].detail
        );
    }

    #[test]
    fn what_the_other_leader_knows_to_have_arrived_stays_so() {
        let ours = status(7, &[("a", "Failed", 3)]);
        let theirs = status(8, &[("a", "Accepted", 1)]);
        assert_eq!(told(&join(None, &ours, Some(&theirs), 8, at(0))), [("a", NotificationState::Accepted, 1)]);
    }
}
