//! A cause that is found after somebody was paged: a monitor that this one depends on is down, and its own ticket pages.
//!
//! Those who were paged are told, and the chain waits. When the cause has ended and this still fires after
//! [`SETTLE`], it is a trouble of its own, and its escalation begins anew with the first step. Where nobody was paged yet
//! there is nothing to take back: the chain itself holds its first step.

use api::ticket::CauseStatus;
use domain::{
    escalation::Event,
    message::MessageKind,
    suppression::{Hold, HoldKind, SETTLE},
    ticket::timeline::What,
    time::after,
};

use super::{Draft, cut};

impl Draft<'_> {
    /// Notes a cause that is found, and begins anew when it has been over for long enough.
    pub(super) fn follow_cause(&mut self) {
        let waits =
            self.chain.as_ref().is_some_and(|chain| chain.waits_for_a_person() && (chain.found || chain.cycle > 1));
        if !waits {
            // Taken, or over: whoever works on it decides what it is.
            self.status.cause = None;
            return;
        }
        let by = self.judged().hold.filter(|hold| hold.kind == HoldKind::Dependency).map(|hold| hold.by);
        match (self.status.cause.clone(), by) {
            (None, None) => {}
            (None, Some(by)) => self.find_cause(by),
            (Some(known), Some(by)) => {
                self.status.cause = Some(CauseStatus { by: cut(by, 500), settled: None, ..known });
            }
            (Some(known), None) => self.outlive_cause(known),
        }
    }

    fn find_cause(&mut self, by: String) {
        let words = format!("{by}; the escalation waits for that");
        self.line(What::Held, self.now, words.clone());
        self.note(false, "CauseFound", "Hold", words.clone());
        self.tell_those_paged(MessageKind::Update, &words);
        self.status.cause = Some(CauseStatus { by: cut(by, 500), since: self.now, settled: None });
    }

    fn outlive_cause(&mut self, known: CauseStatus) {
        let settled = known.settled.unwrap_or_else(|| after(self.now, SETTLE));
        if self.now < settled {
            self.status.cause = Some(CauseStatus { settled: Some(settled), ..known });
            return;
        }
        self.status.cause = None;
        let words = format!("the cause has ended ({}), and it still fires: it begins anew", known.by);
        self.line(What::Released, self.now, words.clone());
        self.note(true, "Uncovered", "Escalate", words);
        self.tell_chain(Event::Restart { at: settled });
    }

    /// What a cause still holds after it has ended.
    pub(super) fn settling(&self) -> Option<Hold> {
        let cause = self.status.cause.as_ref()?;
        Some(Hold { by: cause.by.clone(), kind: HoldKind::Dependency, until: cause.settled })
    }
}
