//! Edits of a policy's promises while tickets run.

use super::{clocks::asked_by_mia, *};

const FOUR_HOURS: &str = "{priority: P3, calendar: always, resolution: 4h}";

/// The policy was edited to promise this; running tickets move where it says so.
fn edit(desk: &mut Desk, sla: &str, moves: bool) {
    let frozen = desk.frozen.clone();
    desk.promise(sla);
    desk.frozen = frozen;
    if moves {
        desk.revisions.insert("payments-2".into(), desk.live.clone().unwrap());
        desk.moves_to = Some("payments-2".into());
    }
}

fn due(desk: &Desk) -> Option<Timestamp> {
    desk.status().clocks[0].due
}

#[test]
fn an_edit_for_new_tickets_touches_no_running_one() {
    let mut desk = asked_by_mia(FOUR_HOURS);
    desk.run(0, 3_600);
    edit(&mut desk, "{priority: P3, calendar: always, resolution: 1h}", false);
    assert!(!desk.look(3_700).changed);
    assert_eq!(due(&desk), Some(at(14_400)));
}

#[test]
fn an_edit_for_running_tickets_keeps_the_time_that_was_used_and_is_recorded() {
    let mut desk = asked_by_mia(FOUR_HOURS);
    desk.run(0, 3_600);
    edit(&mut desk, "{priority: P3, calendar: always, resolution: 2h, onBreach: [{channel: ops}]}", true);
    desk.run(3_600, 3_700);
    assert_eq!(due(&desk), Some(at(7_200)), "an hour was used, one is left");
    let lines = desk.status().timeline;
    assert_eq!(lines.iter().filter(|line| line.what == "PromisesChanged").count(), 1);
    desk.run(3_701, 9_000);
    assert_eq!(desk.status().breaches[0].breached_at, at(7_200));
    assert!(desk.told().contains(&"slaWarning - by ops: Accepted".to_owned()), "{:?}", desk.told());
    assert_eq!(desk.status().policy.unwrap().revision, "payments-1", "routes and escalations stay those it began with");
}

#[test]
fn a_breach_on_record_stays_when_the_promise_becomes_looser() {
    let mut desk = asked_by_mia("{priority: P3, calendar: always, resolution: 1h}");
    desk.run(0, 4_000);
    edit(&mut desk, FOUR_HOURS, true);
    desk.run(4_001, 5_000);
    assert_eq!(desk.status().breaches[0].breached_at, at(3_600));
    assert_eq!(due(&desk), Some(at(14_400)));
}
