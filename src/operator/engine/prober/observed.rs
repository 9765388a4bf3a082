//! What is known of one monitor, and what one more look changes of it. No I/O and no lock: the prober holds that.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::probe::{
    Monitor, Reason, Sample,
    alerts::{self, Decision, Facts, Gist, Id, KeptMemory, Memory, Wanted, prober::Fleet},
    slo::{KeptTracks, Report, Tracks},
    verdict::{State, Transition, Verdict},
};
use jiff::Timestamp;
use probes::schedule::Slot;
use tokio::time::Instant;

/// A status is written at least this often while probes run, for uptime, objectives and the last sample.
const CHECKPOINT: Duration = Duration::from_secs(600);

/// What an earlier process has stored of a monitor.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The state, and since when.
    pub state: (State, Timestamp),
    /// What was counted.
    pub tracks: KeptTracks,
    /// Marks for alerts.
    pub memory: KeptMemory,
}

/// What is known of one monitor.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What is probed.
    pub monitor: Arc<Monitor>,
    /// The judgement over all looks.
    pub verdict: Verdict,
    /// What was counted; shared, so that a copy for metrics costs nothing.
    pub tracks: Arc<Tracks>,
    /// Marks for alerts.
    pub memory: Memory,
    /// The latest look.
    pub latest: Option<Sample>,
    /// The look that changed the state last.
    pub decisive: Option<Sample>,
    /// Counters since this process began.
    pub totals: Totals,
    /// How each objective stood within the last minute, in the order of the spec.
    pub reports: Arc<[Report]>,
    /// When the status was asked to be written last.
    pub written: Option<Instant>,
    /// What was decided of each alert, and since when.
    judged: Vec<(Id, Gist, Timestamp)>,
    /// The minute in which that was.
    judged_in: Option<i64>,
    pub(super) slot: Slot,
    pub(super) next: Instant,
    /// When a look out of turn was asked for that has not begun yet.
    pub(super) asked: Option<Instant>,
}

/// Counters of one monitor since this process began.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Looks by reason of failure; `None` counts those that succeeded.
    pub results: HashMap<Option<Reason>, u64>,
    /// Looks that were due while another was still running.
    pub skipped: u64,
    /// All lateness, in seconds, and how many looks it is of.
    pub lateness: (f64, u64),
}

impl Observed {
    /// A monitor at which this process has not looked yet.
    pub(super) fn new(monitor: &Arc<Monitor>, kept: Option<Kept>, slot: Slot, next: Instant, now: Timestamp) -> Self {
        let mut observed = Self {
            monitor: monitor.clone(),
            verdict: Verdict::new(now),
            tracks: Arc::new(Tracks::new(&monitor.slos)),
            memory: Memory::new(KeptMemory::default(), now),
            latest: None,
            decisive: None,
            totals: Totals::default(),
            reports: Arc::default(),
            written: None,
            judged: Vec::new(),
            judged_in: None,
            slot,
            next,
            asked: None,
        };
        if let Some(kept) = kept {
            observed.restore(&kept, now);
        }
        observed
    }

    /// Goes on from what an earlier process has stored.
    pub(super) fn restore(&mut self, kept: &Kept, now: Timestamp) {
        self.verdict = Verdict::restore(kept.state.0, kept.state.1, now);
        self.tracks = Arc::new(Tracks::restore(&kept.tracks, &self.monitor.slos));
        self.memory = Memory::new(kept.memory, now);
    }

    /// Goes on with another spec of the same object.
    pub(super) fn adapt(&mut self, monitor: &Arc<Monitor>, slot: Slot, next: Instant) {
        Arc::make_mut(&mut self.tracks).adapt(&monitor.slos);
        self.monitor = monitor.clone();
        self.reports = Arc::default();
        (self.judged_in, self.slot, self.next) = (None, slot, next);
    }

    /// Takes one more look into account. Returns the change of state, and whether the monitor's controller has something
    /// to do: a state, an alert, or a status to write.
    pub(super) fn take(&mut self, sample: Sample, fleet: Fleet, now: Timestamp) -> (Option<Transition>, bool) {
        let monitor = self.monitor.clone();
        let reason = sample.failure.as_ref().map(|failure| failure.reason);
        *self.totals.results.entry(reason).or_default() += 1;
        if !self.verdict.in_maintenance() {
            Arc::make_mut(&mut self.tracks).record(&sample);
        }
        let (first, before) = (self.latest.is_none(), self.verdict.reason());
        let transition = self.verdict.observe(&sample, &monitor.thresholds, now);
        let newly_confirmed = self.memory.observe(&sample, &self.verdict, &monitor, now);
        if transition.is_some() {
            self.decisive = Some(sample.clone());
        }
        self.latest = Some(sample);
        // Before the first look it is Unknown without a reason; why we cannot look may change later.
        let newly_blind = self.verdict.state() == State::Unknown && self.verdict.reason() != before;
        let minute = now.as_second().div_euclid(60);
        let due = self.judged_in != Some(minute) || transition.is_some() || reason.is_some() || newly_confirmed;
        let judged_anew = due && self.judge(fleet, minute, now);
        let news = transition.is_some() || first || newly_blind || judged_anew || self.needs_checkpoint();
        (transition, news)
    }

    /// Decides about the alerts. Returns whether one fires, ends or stays that did not before.
    fn judge(&mut self, fleet: Fleet, minute: i64, now: Timestamp) -> bool {
        let decisions = self.decisions(fleet, now);
        let before = |id: &Id, gist: Gist| {
            self.judged.iter().find(|(known, was, _)| known == id && *was == gist).map(|(.., since)| *since)
        };
        let judged: Vec<_> = decisions
            .iter()
            .map(|decision| {
                let (id, gist) = decision.gist();
                (id.clone(), gist, before(id, gist).unwrap_or(now))
            })
            .collect();
        let changed = judged != self.judged;
        if self.judged_in != Some(minute) {
            self.reports = self.monitor.slos.iter().map(|slo| Report::new(slo, &self.tracks, now)).collect();
        }
        (self.judged, self.judged_in) = (judged, Some(minute));
        changed
    }

    /// What becomes of each alert now. One that fires is dated when it was first decided so.
    pub fn decisions(&self, fleet: Fleet, now: Timestamp) -> Vec<Decision> {
        let facts = Facts {
            monitor: &self.monitor,
            verdict: &self.verdict,
            tracks: &self.tracks,
            latest: self.latest.as_ref(),
            memory: &self.memory,
            fleet,
        };
        let mut decisions = alerts::decide(&facts, now);
        for decision in &mut decisions {
            let since = self.judged.iter().find(|(id, gist, _)| *id == decision.id && *gist == Gist::Fires);
            if let (Wanted::Fire(firing), Some((.., since))) = (&mut decision.wanted, since) {
                firing.since = firing.since.min(domain::time::whole_seconds(*since));
            }
        }
        decisions
    }

    /// Since when it is down; `None` while it is not, or while nobody can say.
    pub fn down_since(&self) -> Option<Timestamp> {
        let is_down = match self.verdict.state() {
            State::Down => true,
            State::Flapping => self.verdict.is_down(),
            State::Up | State::Degraded | State::Unknown | State::Maintenance | State::Suspended => false,
        };
        is_down.then(|| self.verdict.since())
    }

    /// Whether the looks since then, or that are coming at once, may still find it down: nobody has looked, or the latest
    /// look failed and is being confirmed.
    pub fn may_go_down(&self, since: Timestamp) -> bool {
        if matches!(self.verdict.state(), State::Maintenance | State::Suspended) {
            return false;
        }
        self.latest.as_ref().is_none_or(|latest| match &latest.failure {
            Some(failure) => !failure.reason.is_blind(),
            None => latest.at < since,
        })
    }

    /// Whether the status is due to be written for uptime and the like.
    pub fn needs_checkpoint(&self) -> bool {
        self.written.is_none_or(|written| written.elapsed() >= CHECKPOINT)
    }
}
