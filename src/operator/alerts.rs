//! The one way in for everything that goes wrong: `accept(Alert)`, durable before it returns.
//!
//! It chooses policy, route and ticket; the ticket's own decision does the rest. An alert that something holds from its
//! start opens no ticket; its source is asked again.

mod opening;

use std::{collections::HashMap, sync::Arc, time::Duration};

use api::{
    Ticket,
    ticket::{Island, TicketState},
};
use domain::{
    alert::{Alert, AlertState, Severity},
    policy::Policy,
    routing,
    suppression::{self, HoldKind, dependency},
    ticket::{self, Opening},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, ResourceExt, api::PostParams};
use parking_lot::Mutex;
use thiserror::Error;
use uuid::Uuid;

use crate::{
    context::Context,
    failing::Failing,
    inbox::Handed,
    index::{GroupKey, NO_POLICY, PolicyEntry, was_not_paged},
    island::JournalError,
    kube::{events::Note, lease::Ground, meta::Key},
    revisions::RevisionError,
    telemetry::metrics::{ByLabel, ResultLabel},
    waiting::Waiting,
};

pub(crate) use opening::{Opened, wanted};

/// How long a ticket may take to become durable before the sender is told to try again; also in the message of `NotDurable`.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The word in metrics for an alert that could not be made durable.
const NOT_DURABLE: &str = "error";

/// Lines for the fold after which a resolved ticket is not used again; the status holds 600 in all.
const MOST_REMEMBERED: usize = 300;

/// What became of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It opened this ticket.
    Opened(Key),
    /// It joined this ticket, or changed there.
    OnTicket(Key),
    /// The ticket knows already; nothing was written.
    Known(Key),
    /// Something holds it; there is no ticket.
    Held(HeldBack),
    /// It needs no ticket: info, or the end of something that never had one.
    NoTicket,
}

/// An alert that fires and has no ticket yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// Why, for people.
    pub by: String,
    /// What holds it; `None` while a look at what it depends on is waited for.
    pub kind: Option<HoldKind>,
    /// When to ask again; `None`: when something happens.
    pub until: Option<Timestamp>,
}

impl Accepted {
    /// The words in metrics, and the one for what is not durable.
    pub const WORDS: [&str; 6] = ["opened", "joined", "known", "held", "no_ticket", NOT_DURABLE];

    /// The ticket, when there is one.
    pub fn ticket(&self) -> Option<&Key> {
        match self {
            Self::Opened(key) | Self::OnTicket(key) | Self::Known(key) => Some(key),
            Self::Held(_) | Self::NoTicket => None,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::OnTicket(_) => "joined",
            Self::Known(_) => "known",
            Self::Held(_) => "held",
            Self::NoTicket => "no_ticket",
        }
    }
}

/// Why an alert is not durable; its sender tries again.
#[derive(Debug, Error)]
pub enum AcceptError {
    /// Another replica leads, or the lease cannot be renewed.
    #[error("this replica does not hold the lease; the alert is tried again")]
    NotLeading,
    /// The policy's revision could not be written.
    #[error(transparent)]
    Revision(#[from] RevisionError),
    /// The ticket could not be created.
    #[error("creating ticket {0}: {1}")]
    Create(Key, #[source] Box<kube::Error>),
    /// The API is gone, and the journal that stands for it could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The ticket's name is taken by another trouble.
    #[error("ticket {0} exists and is about something else; delete it if it was made by hand")]
    NameTaken(Key),
    /// The API did not answer in time.
    #[error("the Kubernetes API did not answer within 25 s")]
    TimedOut,
    /// The ticket was not written in time.
    #[error("ticket {0} was not written within 20 s")]
    NotDurable(Key),
}

/// What is remembered between alerts.
#[derive(Default)]
pub struct Alerts {
    /// Alerts that wait for a ticket.
    pub waiting: Waiting,
    /// Alerts that should have one and have none.
    pub failing: Failing,
    /// Locks that serialise the creation of tickets of one group.
    groups: Mutex<HashMap<GroupKey, Arc<tokio::sync::Mutex<()>>>>,
}

impl Alerts {
    /// Of a monitor's alerts only these fire still.
    pub fn keep(&self, monitor: &Key, firing: &[Alert]) {
        self.waiting.keep(monitor, firing);
        self.failing.keep(monitor, firing);
    }

    fn lock_of(&self, group: &GroupKey) -> Arc<tokio::sync::Mutex<()>> {
        self.groups.lock().entry(group.clone()).or_default().clone()
    }

    fn forget(&self, group: &GroupKey) {
        let mut groups = self.groups.lock();
        if groups.get(group).is_some_and(|lock| Arc::strong_count(lock) <= 2) {
            groups.remove(group);
        }
    }
}

/// Takes an alert. Returns after it is durable, or needs not be.
///
/// # Errors
/// When it could not be made durable; the sender tries again.
pub async fn accept(ctx: &Context, alert: Alert) -> Result<Accepted, AcceptError> {
    let result = within_time(ctx, alert.clone()).await;
    match &result {
        Err(AcceptError::NotLeading) => {}
        Err(_) if alert.state == AlertState::Firing => ctx.alerts.failing.failed(&alert, ctx.clock.now()),
        _ => ctx.alerts.failing.done(&alert),
    }
    let word = result.as_ref().map_or(NOT_DURABLE, Accepted::word);
    ctx.metrics.alerts.get_or_create(&ResultLabel { result: word }).inc();
    result
}

async fn within_time(ctx: &Context, alert: Alert) -> Result<Accepted, AcceptError> {
    // A connection that is black-holed must not hold the group's lock for ever.
    let placing = ctx.leadership.unless_parted(place(ctx, alert));
    match tokio::time::timeout(TIMEOUT + Duration::from_secs(5), placing).await {
        Ok(placed) => placed.unwrap_or(Err(AcceptError::NotLeading)),
        Err(_) => Err(AcceptError::TimedOut),
    }
}

async fn place(ctx: &Context, alert: Alert) -> Result<Accepted, AcceptError> {
    let Holders { own, orphan } = Holders::of(ctx, &alert);
    if alert.state != AlertState::Firing {
        ctx.alerts.waiting.forget(&alert);
        let mut placed = Accepted::NoTicket;
        for holder in own.into_iter().chain(orphan) {
            placed = hand_in(ctx, holder, alert.clone()).await?;
        }
        return Ok(placed);
    }
    match (own, orphan) {
        // Nobody of its own was told, since no policy served it; now one does, and the alert gets a ticket of its own,
        // which the other one names. Cut short in between, the second half is done the next time.
        (own, Some(orphan)) if Case::of(ctx, alert.clone()).is_some_and(|case| case.policy.is_some()) => {
            let placed = match own {
                Some(own) => Accepted::Known(own),
                None => place_anew(ctx, alert.clone(), Some(&orphan)).await?,
            };
            let at = domain::time::whole_seconds(ctx.clock.now());
            hand_in(ctx, orphan, Alert { state: AlertState::SourceRemoved, at, ..alert }).await?;
            Ok(placed)
        }
        // It stays with its open ticket, even if the match changes.
        (Some(holder), _) | (None, Some(holder)) if may_be_news(ctx, &holder) => hand_in(ctx, holder, alert).await,
        (Some(holder), _) | (None, Some(holder)) => Ok(Accepted::Known(holder)),
        (None, None) => place_anew(ctx, alert, None).await,
    }
}

/// Whether it may be news to a ticket that an alert fires which is known to fire there: what is known is being changed, or
/// nobody was told.
fn may_be_news(ctx: &Context, ticket: &Key) -> bool {
    ctx.inboxes.is_busy(ticket) || ctx.world.read().ticket(ticket).is_some_and(|ticket| was_not_paged(ticket))
}

/// Finds or opens the ticket of an alert that fires on none, but on an `orphan` that no policy served.
async fn place_anew(ctx: &Context, alert: Alert, orphan: Option<&Key>) -> Result<Accepted, AcceptError> {
    let Some(case) = Case::of(ctx, alert) else { return Ok(Accepted::NoTicket) };
    let mut case = Case { orphan: orphan.cloned(), ..case };
    let lock = ctx.alerts.lock_of(&case.group);
    let placed = {
        let _one_at_a_time = lock.lock().await;
        place_firing(ctx, &mut case).await
    };
    ctx.alerts.forget(&case.group);
    placed
}

/// The open tickets on which an alert fires.
struct Holders {
    /// By a policy.
    own: Option<Key>,
    /// The one in the operator's namespace that no policy serves.
    orphan: Option<Key>,
}

impl Holders {
    fn of(ctx: &Context, alert: &Alert) -> Self {
        let fingerprint = alert.fingerprint().to_string();
        let world = ctx.world.read();
        let places = [alert.namespace.as_str(), ctx.config.namespace.as_str()];
        let tickets = places.map(|namespace| world.ticket_of_alert(namespace, &fingerprint));
        let is_served = |ticket: &Ticket| ticket.spec.origin.as_ref().is_some_and(|origin| !origin.policy.is_empty());
        let find = |served| tickets.into_iter().flatten().find(|ticket| is_served(ticket) == served);
        let key = |ticket: &Arc<Ticket>| Key::of(ticket.as_ref());
        Self { own: find(true).map(key), orphan: find(false).map(key) }
    }
}

/// A firing alert with what was chosen for it.
pub(crate) struct Case {
    pub(crate) alert: Alert,
    /// Since when its ticket counts: its own start, or the end of what held it from its start.
    pub(crate) counts_from: Timestamp,
    pub(crate) severity: Severity,
    /// `None`: no policy serves it.
    pub(crate) policy: Option<Arc<Policy>>,
    /// The object that `policy` was made from; `None` offline.
    entry: Option<PolicyEntry>,
    pub(crate) route: Option<routing::RouteDecision>,
    pub(crate) group: GroupKey,
    /// The ticket that no policy served, on which it fires until it has one of its own.
    orphan: Option<Key>,
}

impl Case {
    fn of(ctx: &Context, alert: Alert) -> Option<Self> {
        let world = ctx.world.read();
        let mut case = Self::choose(world.usable_policies(), &ctx.config.namespace, alert)?;
        let key = case.policy.as_ref().map(|policy| Key::new(&*policy.namespace, &*policy.name));
        case.entry = key.and_then(|key| world.policy(&key).cloned());
        Some(case)
    }

    /// Chooses policy, route and group. `None` for what needs no ticket. `operator_namespace` is where the ticket of an
    /// alert lives that no policy serves.
    pub(crate) fn choose<'a>(
        policies: impl IntoIterator<Item = &'a Arc<Policy>>,
        operator_namespace: &str,
        alert: Alert,
    ) -> Option<Self> {
        let choice = routing::choose_policy(policies, &alert.namespace, &alert.labels);
        let Some(policy) = choice.map(|choice| Arc::clone(choice.policy)) else {
            let severity = Severity::parse(alert.label("severity")).unwrap_or_default();
            let group = GroupKey {
                namespace: operator_namespace.to_owned(),
                policy: NO_POLICY.to_owned(),
                group: format!("{}/{}", alert.namespace, alert.label("service")),
            };
            return (severity > Severity::Info).then_some(Self {
                counts_from: alert.starts_at,
                alert,
                severity,
                policy: None,
                entry: None,
                route: None,
                group,
                orphan: None,
            });
        };
        let (labels, severity) = routing::normalise(&policy, &alert.labels);
        let route = routing::route(&policy, &labels, severity);
        if !route.opens_ticket {
            return None;
        }
        let group = GroupKey {
            namespace: alert.namespace.clone(),
            policy: format!("{}/{}", policy.namespace, policy.name),
            group: routing::group_key(&policy, &route, &labels),
        };
        let counts_from = alert.starts_at;
        let route = Some(route);
        Some(Self { alert, counts_from, severity, policy: Some(policy), entry: None, route, group, orphan: None })
    }

    /// The name of the ticket, when it follows that one.
    pub(crate) fn ticket_name(&self, previous: &str) -> String {
        ticket::ticket_name(&self.group.namespace, &self.group.policy, &self.group.group, previous)
    }
}

async fn place_firing(ctx: &Context, case: &mut Case) -> Result<Accepted, AcceptError> {
    let newest = ctx.world.read().newest_of_group(&case.group).cloned();
    let usable = newest.as_deref().filter(|ticket| still_the_same_trouble(case, ticket));
    let was_held = ctx.alerts.waiting.holds(&case.alert);
    let held = match usable {
        // What holds an alert of a ticket is judged with the ticket.
        Some(_) => None,
        None => suppressed(ctx, case),
    };
    if let Some(held) = held.or_else(|| waits_for_a_look(ctx, case)) {
        return Ok(Accepted::Held(held));
    }
    if let Some(ticket) = usable {
        return hand_in(ctx, Key::of(ticket), case.alert.clone()).await;
    }
    if was_held {
        case.counts_from = ctx.clock.now();
    }
    create(ctx, case, newest.map(|ticket| ticket.name_any()).unwrap_or_default()).await
}

/// Open, or resolved so recently that firing again is the same trouble.
fn still_the_same_trouble(case: &Case, ticket: &Ticket) -> bool {
    let status = ticket.status.as_ref();
    match status.and_then(|status| status.state) {
        Some(TicketState::Closed) => false,
        // A trouble that comes and goes for ever gets a new ticket before its history outgrows one.
        Some(TicketState::Resolved) if remembered(ticket) > MOST_REMEMBERED => false,
        Some(TicketState::Resolved) => {
            let within = case.route.as_ref().map_or(routing::REFIRE_WITHIN, |route| route.refire_within);
            let resolved = status.and_then(|status| status.resolved_at);
            resolved.is_some_and(|at| case.alert.at <= domain::time::after(at, within))
        }
        _ => true,
    }
}

/// Lines of the timeline that must be kept for the fold.
fn remembered(ticket: &Ticket) -> usize {
    let timeline = ticket.status.as_ref().map_or(&[][..], |status| status.timeline.as_slice());
    timeline
        .iter()
        .filter(|line| {
            ticket::timeline::What::parse(&line.what).is_some_and(domain::ticket::timeline::What::is_read_by_the_fold)
        })
        .count()
}

/// What holds an alert from its start: it opens no ticket, and its source is asked again.
fn suppressed(ctx: &Context, case: &Case) -> Option<HeldBack> {
    let now = ctx.clock.now();
    let world = ctx.world.read();
    let namespace = &case.alert.namespace;
    let policy = case.policy.as_deref();
    let silences = world.silences_for(namespace);
    let firing = policy.map(|policy| world.inhibiting(policy, namespace, None)).unwrap_or_default();
    let monitors = world.standings(namespace, monitor_of(&case.alert), |key| ctx.probed.down_since(key));
    let operator_namespace = world.operator_namespace.clone();
    drop(world);
    let around = suppression::Surroundings {
        namespace,
        operator_namespace: &operator_namespace,
        policy,
        route: case.route.as_ref().and_then(routing::RouteDecision::owner),
        silences: &silences,
        firing: &firing.iter().collect::<Vec<_>>(),
        monitors: &monitors,
    };
    let judged = suppression::judge([(&case.alert.labels, now)], &around, now);
    if let Some(silence) = judged.silence {
        let identity = format!("{} since {}", case.alert.fingerprint(), case.alert.starts_at);
        ctx.held.record(&silence, &identity, &case.alert.title(), "would have opened a ticket", now);
    }
    match judged.hold {
        Some(suppression::Hold { by, kind, until }) => {
            if ctx.alerts.waiting.held(&case.alert, kind) {
                ctx.metrics.suppressed.get_or_create(&ByLabel { by: kind.as_str() }).inc();
            }
            Some(HeldBack { by, kind: Some(kind), until })
        }
        None => ctx.alerts.waiting.free(&case.alert, now).map(|until| HeldBack {
            by: format!("its cause has ended; what still fires at {until} opens a ticket"),
            kind: None,
            until: Some(until),
        }),
    }
}

/// Whether the alert waits for a look at what its monitor depends on: for seconds only, so that where both break together
/// the cause is told of, not this.
fn waits_for_a_look(ctx: &Context, case: &Case) -> Option<HeldBack> {
    let alert = &case.alert;
    let monitor = Key::new(&*alert.namespace, monitor_of(alert)?);
    let until = domain::time::after(alert.starts_at, dependency::PATIENCE);
    if until <= ctx.clock.now() {
        return None;
    }
    let parents = ctx.world.read().parents(&monitor);
    let open = parents.into_iter().find(|parent| ctx.probed.may_go_down(parent, alert.starts_at))?;
    Some(HeldBack { by: format!("waits for a look at {}", open.name), kind: None, until: Some(until) })
}

/// The monitor whose alert it is.
fn monitor_of(alert: &Alert) -> Option<&str> {
    Some(alert.label("monitor")).filter(|name| !name.is_empty())
}

async fn hand_in(ctx: &Context, ticket: Key, alert: Alert) -> Result<Accepted, AcceptError> {
    if ctx.leadership.ground().is_none() {
        // Nobody looks at tickets now. Who asks again every second is there when somebody does.
        return Err(AcceptError::NotLeading);
    }
    let durable = ctx.inboxes.alert(&ticket, alert);
    ctx.queues.tickets.add(ticket.clone());
    match tokio::time::timeout(TIMEOUT, durable).await {
        Ok(Ok(Handed::Durable)) => Ok(Accepted::OnTicket(ticket)),
        // Gone: deleted by hand meanwhile; the sender's next attempt opens a new one.
        _ => Err(AcceptError::NotDurable(ticket)),
    }
}

async fn create(ctx: &Context, case: &Case, previous: String) -> Result<Accepted, AcceptError> {
    match ctx.leadership.ground() {
        None => return Err(AcceptError::NotLeading),
        Some(Ground::Memory) => return open_from_memory(ctx, case, previous).await,
        Some(Ground::Api) => {}
    }
    let revision = match &case.entry {
        Some(entry) => ctx.revisions.keep(&case.group.namespace, entry).await?,
        None => String::new(),
    };
    let name = case.ticket_name(&previous);
    let key = Key::new(&*case.group.namespace, &*name);
    let opened = Opened::now(ctx);
    let mut ticket = wanted(case, &name, revision, previous, opened);
    if let Some(origin) = &mut ticket.spec.origin {
        origin.island = identity(ctx, case, &name, opened.at, Ground::Api);
    }
    let api: Api<Ticket> = Api::namespaced(ctx.client.clone(), &key.namespace);
    match api.create(&PostParams::default(), &ticket).await {
        Ok(created) => {
            ctx.events.note(
                &created,
                Note { warning: true, reason: "Opened", action: "Open", text: created.spec.title.clone() },
            );
            ctx.world.write().apply_ticket(Arc::new(created));
            ctx.queues.tickets.add(key.clone());
            Ok(Accepted::Opened(key))
        }
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let found = api.get(&name).await.map_err(|error| AcceptError::Create(key.clone(), Box::new(error)))?;
            if GroupKey::of(&found).as_ref() != Some(&case.group) {
                return Err(AcceptError::NameTaken(key));
            }
            ctx.world.write().apply_ticket(Arc::new(found));
            hand_in(ctx, key, case.alert.clone()).await
        }
        Err(error) => Err(AcceptError::Create(key, Box::new(error))),
    }
}

/// Opens a ticket without the API: it is in the journal when this returns, and is created there when the API answers.
async fn open_from_memory(ctx: &Context, case: &Case, previous: String) -> Result<Accepted, AcceptError> {
    let namespace = &case.group.namespace;
    let revision = case.entry.as_ref().map(|entry| ctx.revisions.promise(namespace, entry)).unwrap_or_default();
    let name = case.ticket_name(&previous);
    let key = Key::new(&**namespace, &*name);
    let opened = Opened::now(ctx);
    let now = opened.at;
    let island = identity(ctx, case, &name, now, Ground::Memory);
    let mut ticket = wanted(case, &name, revision, previous, opened);
    ticket.metadata.uid = island.as_ref().map(|island| island.id.clone());
    if let Some(origin) = &mut ticket.spec.origin {
        origin.island = island;
    }
    ticket.metadata.creation_timestamp = Some(Time(now));
    ctx.island.open_ticket(ctx, ticket).await?;
    ctx.queues.tickets.add(key.clone());
    Ok(Accepted::Opened(key))
}

/// What stands in the place of the uid of a ticket that another leader may open as well, or that gets its uid later.
fn identity(ctx: &Context, case: &Case, name: &str, now: Timestamp, ground: Ground) -> Option<Island> {
    let epoch = ctx.leadership.epoch();
    let opening = Opening { namespace: &case.group.namespace, name, epoch, began: case.counts_from, at: now };
    let has_seen = |id: Uuid| ctx.world.read().has_seen(&id.to_string());
    let id = ticket::identity(&opening, &ctx.leadership.opener(ground), has_seen)?;
    Some(Island { id: id.to_string(), opened_at: domain::time::whole_seconds(now) })
}
