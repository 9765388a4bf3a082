//! Every metric of the operator, declared once with its help text.
//!
//! Labels are bounded: never a ticket's name, a person, a subject or free text. Names that other
//! controllers export (controller-runtime, client-go) carry their meaning, so that existing boards work.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};
use std::sync::atomic::AtomicU64;

use super::from_zero;

/// Labels of `controller_runtime_reconcile_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReconcileLabels {
    /// The kind, in lower case.
    pub controller: &'static str,
    /// applied, unchanged, waiting or failed.
    pub result: &'static str,
}

/// Labels of `rest_client_requests_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The status code, or `error` when there was no answer.
    pub code: String,
    /// GET, POST, PATCH …
    pub method: String,
    /// The API server.
    pub host: String,
}

/// A label `name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NameLabel {
    /// A queue, a lease.
    pub name: &'static str,
}

/// Labels of `firstline_notifications_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NotificationLabels {
    /// One of [`Self::CHANNELS`].
    pub channel: &'static str,
    /// One of [`Self::OUTCOMES`].
    pub outcome: &'static str,
}

impl NotificationLabels {
    /// Every kind of channel.
    pub const CHANNELS: [&'static str; 2] = ["email", "webhook"];
    /// What an attempt may come to. `partly`: some of its recipients have it, the others are told later; `partly_failed`: at
    /// least one of the others never gets it this way.
    pub const OUTCOMES: [&'static str; 6] = ["accepted", "partly", "partly_failed", "uncertain", "retry", "failed"];
}

/// A label `severity`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SeverityLabel {
    /// page, ticket or info.
    pub severity: &'static str,
}

/// A label `clock`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ClockLabel {
    /// firstResponse, nextResponse, update or resolution.
    pub clock: &'static str,
}

/// A label `by`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByLabel {
    /// silence, inhibition, dependency or calendar.
    pub by: &'static str,
}

/// A label `invariant`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct InvariantLabel {
    /// deadlines, intents, alerts or told.
    pub invariant: &'static str,
}

/// A label `channel`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ChannelLabel {
    /// Policy and channel, as `--last-resort` names them.
    pub channel: String,
}

/// Labels of `firstline_schedule_next_gap_timestamp_seconds`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ScheduleLabels {
    /// The policy's namespace.
    pub namespace: String,
    /// The policy.
    pub policy: String,
    /// The schedule.
    pub schedule: String,
}

/// A label `result`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ResultLabel {
    /// What it came to.
    pub result: &'static str,
}

/// Labels of `firstline_drift_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DriftLabels {
    /// The GitSource, as namespace/name.
    pub source: String,
    /// The object's kind.
    pub kind: String,
    /// Who changed it, in a word: kubectl, helm, argocd, flux, firstline, other or unknown.
    pub by: &'static str,
    /// corrected, reported, frozen, bad_freeze, fighting, refused or conflict.
    pub action: &'static str,
}

/// Which way the wall clock was stepped.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StepLabel {
    /// [`Self::BACK`] or [`Self::FORWARD`].
    pub direction: &'static str,
}

impl StepLabel {
    /// To an earlier time.
    pub const BACK: Self = Self { direction: "back" };
    /// To a later one.
    pub const FORWARD: Self = Self { direction: "forward" };
}

/// A histogram over the usual waits: 5 ms to 10 min.
#[derive(Debug, Clone, Copy)]
pub struct Waits;

impl MetricConstructor<Histogram> for Waits {
    fn new_metric(&self) -> Histogram {
        Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0])
    }
}

/// A gauge that holds a fraction.
pub type Fraction = Gauge<f64, AtomicU64>;

/// Every metric that is counted where it happens. What is computed from state at scrape time is in `probe_metrics`.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Reconciles by kind and outcome.
    pub reconciles: Family<ReconcileLabels, Counter>,
    /// Calls to the Kubernetes API.
    pub requests: Family<RequestLabels, Counter>,
    /// Keys that are due.
    pub queue_depth: Family<NameLabel, Gauge>,
    /// Whether this replica leads.
    pub leads: Family<NameLabel, Gauge>,
    /// Whether the API server answered last time.
    pub api_reachable: Gauge,
    /// Whether this replica goes on without the API.
    pub islanded: Gauge,
    /// Whether what it decides meanwhile is in memory only, because the disk refuses the journal.
    pub island_unwritten: Gauge,
    /// Attempts to deliver.
    pub notifications: Family<NotificationLabels, Counter>,
    /// From planned to accepted.
    pub page_lateness: Histogram,
    /// Age of the oldest message that nobody has accepted yet.
    pub oldest_pending: Fraction,
    /// Escalations of which no step reached anybody.
    pub nobody_found: Counter,
    /// Escalations that ran out of cycles.
    pub exhausted: Counter,
    /// Open tickets that nobody has acknowledged.
    pub unacknowledged: Family<SeverityLabel, Gauge>,
    /// Open tickets of alerts that no policy serves.
    pub without_policy: Gauge,
    /// Open tickets of which nobody was told, because they were taken for restored backups.
    pub not_paged: Gauge,
    /// What was held back when it was due, by what held it.
    pub suppressed: Family<ByLabel, Counter>,
    /// When nobody is on call next, of schedules with a gap in the next 90 days.
    pub next_gap: Family<ScheduleLabels, Fraction>,
    /// Promises of the operator to itself that do not hold.
    pub violations: Family<InvariantLabel, Gauge>,
    /// How long the most overdue deadline has waited.
    pub overdue: Fraction,
    /// How long the oldest page has waited for its first attempt.
    pub untried: Fraction,
    /// Signs of life, by what became of them; all 0 without `--watchdog-url`.
    pub pings: Family<ResultLabel, Counter>,
    /// When the last sign of life was accepted; 0 without `--watchdog-url`.
    pub last_ping: Fraction,
    /// Whether the operator's last resort could be told; absent without `--last-resort`.
    pub last_resort_usable: Family<ChannelLabel, Gauge>,
    /// How late deadlines of tickets are looked at.
    pub deadline_lag: Histogram,
    /// Promises that were found broken.
    pub sla_breaches: Family<ClockLabel, Counter>,
    /// Warnings about clocks.
    pub sla_warnings: Family<ClockLabel, Counter>,
    /// How late warnings and breaches are found.
    pub sla_lag: Histogram,
    /// Alerts that came in.
    pub alerts: Family<ResultLabel, Counter>,
    /// Runs of Git sources.
    pub syncs: Family<ResultLabel, Counter>,
    /// Objects out of Git that were found changed.
    pub drift: Family<DriftLabels, Counter>,
    /// From a look at a changed object until it was put back.
    pub drift_repair: Histogram,
    /// Events that were not written because the API refused or the queue was full.
    pub events_dropped: Counter,
    /// Statuses waiting to be written.
    pub status_queue: Gauge,
    /// Steps of the wall clock.
    pub clock_steps: Family<StepLabel, Counter>,
    /// How far the operator's clock is ahead of the wall clock, or behind.
    pub clock_ahead: Fraction,
}

impl Metrics {
    /// Declares every metric in `registry`.
    pub fn declare(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconciles: Family::default(),
            requests: Family::default(),
            queue_depth: Family::default(),
            leads: Family::default(),
            api_reachable: Gauge::default(),
            islanded: Gauge::default(),
            island_unwritten: Gauge::default(),
            notifications: Family::default(),
            page_lateness: Waits.new_metric(),
            oldest_pending: Fraction::default(),
            nobody_found: Counter::default(),
            exhausted: Counter::default(),
            unacknowledged: Family::default(),
            without_policy: Gauge::default(),
            not_paged: Gauge::default(),
            suppressed: Family::default(),
            next_gap: Family::default(),
            violations: Family::default(),
            overdue: Fraction::default(),
            untried: Fraction::default(),
            pings: Family::default(),
            last_ping: Fraction::default(),
            last_resort_usable: Family::default(),
            deadline_lag: Waits.new_metric(),
            sla_breaches: Family::default(),
            sla_warnings: Family::default(),
            sla_lag: Waits.new_metric(),
            alerts: Family::default(),
            syncs: Family::default(),
            drift: Family::default(),
            drift_repair: Waits.new_metric(),
            events_dropped: Counter::default(),
            status_queue: Gauge::default(),
            clock_steps: Family::default(),
            clock_ahead: Fraction::default(),
        };
        from_zero::create(&metrics);
        let m = metrics.clone();
        registry.register("controller_runtime_reconcile", "Looks at objects, by controller and result", m.reconciles);
        registry.register("rest_client_requests", "Calls to the Kubernetes API by status code and method", m.requests);
        registry.register("workqueue_depth", "Objects that are due for a look", m.queue_depth);
        registry.register("leader_election_master_status", "1 while this replica leads", m.leads);
        registry.register("firstline_api_reachable", "1 while the Kubernetes API answers", m.api_reachable);
        registry.register(
            "firstline_islanded",
            "1 while the Kubernetes API is gone and this replica pages from memory",
            m.islanded,
        );
        registry.register(
            "firstline_island_unwritten",
            "1 while the disk refuses the journal that stands for the API, so that a crash would repeat pages",
            m.island_unwritten,
        );
        registry.register("firstline_notifications", "Attempts to deliver, by channel and outcome", m.notifications);
        registry.register_with_unit(
            "firstline_page_lateness",
            "From a page's planned time until its receiver accepted it",
            Unit::Seconds,
            m.page_lateness,
        );
        registry.register_with_unit(
            "firstline_notification_oldest_pending",
            "Age of the oldest message that no receiver has accepted; 0 without one",
            Unit::Seconds,
            m.oldest_pending,
        );
        registry.register("firstline_nobody_found", "Escalations of which no step reached anybody", m.nobody_found);
        registry.register(
            "firstline_escalations_exhausted",
            "Escalations whose every cycle passed without an acknowledgement",
            m.exhausted,
        );
        registry.register(
            "firstline_tickets_unacknowledged",
            "Open tickets born from alerts that nobody has acknowledged",
            m.unacknowledged,
        );
        registry.register(
            "firstline_tickets_without_policy",
            "Open tickets of alerts that no SupportPolicy serves",
            m.without_policy,
        );
        registry.register(
            "firstline_tickets_not_paged",
            "Open tickets of which nobody was told, because they were taken for restored backups",
            m.not_paged,
        );
        registry.register(
            "firstline_suppressed",
            "Steps, notices and alerts held back when they were due, by what held them",
            m.suppressed,
        );
        registry.register_with_unit(
            "firstline_schedule_next_gap_timestamp",
            "When nobody is on call next, as unix time; only of schedules with a gap in the next 90 days",
            Unit::Seconds,
            m.next_gap,
        );
        registry.register(
            "firstline_invariant_violations",
            "Tickets and alerts of which Firstline found that nobody would look at them or send a message in time",
            m.violations,
        );
        registry.register_with_unit(
            "firstline_deadline_overdue",
            "How long the most overdue deadline of a ticket has waited; 0 without one",
            Unit::Seconds,
            m.overdue,
        );
        registry.register_with_unit(
            "firstline_page_oldest_untried",
            "How long the oldest page that is due has waited for its first attempt, or an alert for its ticket; 0 without one",
            Unit::Seconds,
            m.untried,
        );
        registry.register("firstline_watchdog_pings", "Signs of life to --watchdog-url, by result", m.pings);
        registry.register_with_unit(
            "firstline_watchdog_last_success_timestamp",
            "When --watchdog-url accepted the last sign of life, as unix time; 0 before the first",
            Unit::Seconds,
            m.last_ping,
        );
        registry.register(
            "firstline_last_resort_usable",
            "1 while the channel that --last-resort names is there and its Secrets hold what it needs",
            m.last_resort_usable,
        );
        registry.register_with_unit(
            "firstline_deadline_lag",
            "How late a ticket's deadline was looked at",
            Unit::Seconds,
            m.deadline_lag,
        );
        registry.register("firstline_sla_breaches", "Clocks of tickets found past their due time", m.sla_breaches);
        registry.register(
            "firstline_sla_warnings",
            "Warnings that clocks of tickets near their due time",
            m.sla_warnings,
        );
        registry.register_with_unit(
            "firstline_sla_lag",
            "From a clock's warning or due time until that was found; large after an absence",
            Unit::Seconds,
            m.sla_lag,
        );
        registry.register("firstline_alerts", "Alerts that came in, by what became of them", m.alerts);
        registry.register("firstline_git_syncs", "Runs of Git sources, by result", m.syncs);
        registry.register(
            "firstline_drift",
            "Objects out of Git that somebody else changed, by what became of it",
            m.drift,
        );
        registry.register_with_unit(
            "firstline_drift_repair",
            "From the look at an object that somebody else changed until it was put back",
            Unit::Seconds,
            m.drift_repair,
        );
        registry.register("firstline_events_dropped", "Kubernetes Events that could not be written", m.events_dropped);
        registry.register(
            "firstline_status_queue",
            "Statuses of objects other than tickets that wait to be written",
            m.status_queue,
        );
        registry.register("firstline_clock_steps", "Steps of the wall clock by a second or more", m.clock_steps);
        registry.register_with_unit(
            "firstline_clock_ahead",
            "How far the time that deadlines go by is ahead of the wall clock (negative: behind), because that was stepped",
            Unit::Seconds,
            m.clock_ahead,
        );
        metrics
    }
}
