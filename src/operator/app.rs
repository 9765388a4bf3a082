//! Wiring: what is started in which order, and what is stopped in which order.
//!
//! Start: server, watches, lease; when every gate is open and the lease is ours: engines and controllers.
//! Stop (SIGTERM, SIGINT): nothing new is begun, what runs is finished, waiting statuses are written, and the
//! lease is given back last, which may take two seconds more. A second signal, or two and a half seconds, ends the wait.

use std::{hash::Hash, path::PathBuf, sync::Arc, time::Duration};

use parking_lot::RwLock;
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    alerts::Alerts,
    channels::{self, Channels},
    clock::{self, Clock, Other},
    config::{RunConfig, WhenApiIsDown},
    context::{Context, Inner, Queues},
    controllers,
    engine::{
        numbers::Numbers,
        outbox::Outbox,
        post::Courier,
        prober::{self, Probed},
        secrets::SecretReader,
        syncer::{Sources, members::Members},
    },
    held::Held,
    inbox::Inboxes,
    index::{World, is_over},
    island::{self, Island, JournalError},
    kube::{
        client::{ClientError, Cluster},
        events::Events,
        gates::Gates,
        lease::{Elector, Ended, Leadership, Lists, Role},
        meta::Key,
        status_writer::StatusWriter,
    },
    queue::{Looked, Outcome, Queue},
    revisions::Revisions,
    server::{self, Served},
    telemetry::{
        self,
        metrics::{ChannelLabel, Metrics, NameLabel, ReconcileLabels, ScheduleLabels, SeverityLabel},
        probe_metrics::ProbeMetrics,
    },
    vital,
    watchdog::{self, Watch},
    watches,
};

/// The Lease's name.
const LEASE: &str = "firstline";
/// How long shutdown waits for what runs.
const SHUTDOWN: Duration = Duration::from_millis(2_500);
/// The tickets' controller: it stops last, so that the outcome of every attempt is written.
const TICKET: &str = "ticket";
/// Tickets looked at at once.
const TICKET_WORKERS: usize = 16;
/// Other objects of a kind looked at at once.
const WORKERS: usize = 4;

/// Why the operator ended, other than being asked to.
#[derive(Debug, Error)]
pub enum RunError {
    /// `--log` cannot be read.
    #[error("--log: {0}")]
    Log(#[from] tracing_subscriber::filter::ParseError),
    /// No cluster.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// `--watchdog-url` is no address that may be asked.
    #[error("--watchdog-url: {0}")]
    WatchdogUrl(String),
    /// The address is taken or not ours.
    #[error("--http {0}: {1}")]
    Listen(std::net::SocketAddr, #[source] std::io::Error),
    /// The folder for mirrors cannot be used.
    #[error("--data {}: {source}; give a folder that can be written", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What an earlier process has left of an outage cannot be used.
    #[error("--data: {0}")]
    Journal(#[from] JournalError),
    /// Probes cannot run on this host.
    #[error("setting up probes: {0}")]
    Probes(#[from] probes::ContextError),
    /// Messages cannot be sent from this host.
    #[error("setting up deliveries: {0}")]
    Notify(#[from] notify::ContextError),
    /// Signals cannot be caught.
    #[error("catching signals: {0}")]
    Signals(#[source] std::io::Error),
    /// Something ended that never does by itself.
    #[error("what must always run has ended; this is a defect of Firstline, please report it with the lines above")]
    Ended,
    /// Another replica has taken the lease from this one.
    #[error("another replica has taken the lease; this one ends so that it decides nothing on old knowledge")]
    LeaseLost,
    /// Another replica has asked for the lease.
    #[error(
        "another replica has a journal of an outage to merge, and leads now; this one ends and is to be started again"
    )]
    HandedOver,
}

/// Runs the operator until it is asked to stop.
///
/// # Errors
/// When it cannot start, or lost the lease.
pub async fn run(config: RunConfig) -> Result<(), RunError> {
    telemetry::start_logging(&config.log, config.log_format)?;
    let watchdog = match &config.watchdog_url {
        Some(url) => url.read().map_err(RunError::WatchdogUrl)?,
        None => None,
    };
    std::fs::create_dir_all(&config.data).map_err(|source| RunError::Data { path: config.data.clone(), source })?;
    let listener = TcpListener::bind(config.http).await.map_err(|error| RunError::Listen(config.http, error))?;
    let mut registry = Registry::default();
    let metrics = Metrics::declare(&mut registry);
    let clock = Clock::system();
    let cluster = Cluster::find(config.kubeconfig.as_deref(), config.context.as_deref())
        .await?
        .observed(metrics.clone(), clock.clone());
    let client = cluster.client()?;
    let egress = egress(&config);
    let probes = probes::Context::from_system(egress)?;
    if probes.system_authorities() == 0 {
        tracing::warn!("this host trusts no certificate authorities: TLS probes need spec.probe.http.tls.caSecretRef");
    }
    let notify = Arc::new(notify::Context::new()?);

    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let me = format!("{}_{}", hostname(), Uuid::new_v4());
    let island = Island::open(&config.data, &config.namespace, clock.now())?;
    let (ctx, write_events) =
        assemble(config, clock, cluster, client, metrics, notify.clone(), island, &me, &stop, &tasks);
    ProbeMetrics::declare(&mut registry, ctx.probed.clone());
    // Events of the last transitions are still written while the rest stops.
    let events_stop = CancellationToken::new();
    tasks.spawn(write_events(events_stop.clone()));

    let gates = Gates::closed(watches::GATES);
    let http_stop = CancellationToken::new();
    let served = Arc::new(Served { registry, gates: gates.clone(), before_scrape: before_scrape(&ctx) });
    tracing::info!(address = %listener.local_addr().unwrap_or(ctx.config.http), "serving /metrics, /livez and /readyz");
    let http = tokio::task::JoinSet::from_iter([server::serve(listener, served, http_stop.clone())]);

    watches::start(&ctx, &gates);
    let lease_stop = CancellationToken::new();
    let elector = elector(&ctx, &gates, me);
    let predecessor = ctx.island.predecessor();
    if let Some(predecessor) = &predecessor {
        ctx.clock.go_on_from(Other::ShowsAtLeast(predecessor.at));
    }
    if ctx.island.waits() {
        tracing::warn!("an earlier process has left a journal of an outage; it is merged when this one leads");
        ctx.leadership.journal_waits();
    }
    let elector = match ctx.config.when_api_is_down {
        WhenApiIsDown::Page => elector.island_after(ctx.config.island_after, predecessor),
        WhenApiIsDown::Hold => elector,
    };
    vital::spawn(&ctx, "the island", island::run(ctx.clone(), gates.clone()));
    vital::spawn(&ctx, "the watch of the clock", clock::watch(ctx.clone()));
    let lease = elector.run(lease_stop.clone());
    tokio::pin!(lease);

    let start = start_when_ready(ctx.clone(), gates, probes, Watch { url: watchdog, notify });
    vital::begin(&ctx, "the start of engines and controllers", start);
    let mut signals = Signals::catch()?;
    let why = tokio::select! {
        () = signals.any() => { tracing::info!("asked to stop"); None }
        () = ctx.leadership.wanted() => {
            tracing::info!("another replica has a journal of an outage to merge; ending, and handing the lease over");
            Some(RunError::HandedOver)
        }
        ended = &mut lease => (ended == Ended::Lost).then_some(RunError::LeaseLost),
        () = ctx.fatal.cancelled() => return Err(RunError::Ended),
    };
    stop.cancel();
    tasks.close();
    if matches!(why, Some(RunError::LeaseLost)) {
        // Whoever starts after us and has no API must not go on by our journal.
        if tokio::time::timeout(SHUTDOWN, ctx.island.supersede(&ctx)).await.is_err() {
            tracing::error!("the disk of --data takes too long to write down that another replica leads");
        }
    } else {
        tokio::select! {
            () = finish(&ctx, &tasks, &events_stop) => {}
            () = tokio::time::sleep(SHUTDOWN) => tracing::warn!("some work did not end in time; the next leader takes it up"),
            () = signals.any() => tracing::warn!("asked to stop again; ending at once"),
        }
        lease_stop.cancel();
        lease.await;
    }
    http_stop.cancel();
    drop(http);
    why.map_or(Ok(()), Err)
}

fn elector(ctx: &Context, gates: &Gates, me: String) -> Elector {
    let world = ctx.world.clone();
    let epochs = move || world.read().tickets().filter_map(|(_, ticket)| ticket.status.as_ref()?.epoch).max();
    let world = ctx.world.clone();
    let twins = move || world.read().last_twin();
    let lists = Lists { gates: gates.clone(), last_epoch: Box::new(epochs), last_twin: Box::new(twins) };
    let lease = (&*ctx.config.namespace, LEASE);
    Elector::new(ctx.client.clone(), lease, me, ctx.clock.clone(), ctx.leadership.clone(), lists)
}

/// Attempts end and their outcomes are written on the tickets; then everything else; the Events last.
async fn finish(ctx: &Context, tasks: &TaskTracker, events_stop: &CancellationToken) {
    while !(ctx.outbox.is_idle() && ctx.inboxes.is_empty()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ctx.stop_tickets.cancel();
    while tasks.len() > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ctx.events.drain().await;
    events_stop.cancel();
    tasks.wait().await;
}

fn egress(config: &RunConfig) -> probes::Egress {
    let rule = |allowed| if allowed { probes::Rule::Allow } else { probes::Rule::Refuse };
    probes::Egress { loopback: rule(config.allow_loopback_probes), private: rule(!config.deny_private_probes) }
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "firstline".to_owned(), |name| name.trim().to_owned())
}

type WriteEvents = Box<dyn FnOnce(CancellationToken) -> futures::future::BoxFuture<'static, ()> + Send>;

#[expect(clippy::too_many_arguments, reason = "the one place where everything meets")]
fn assemble(
    config: RunConfig,
    clock: Clock,
    cluster: Cluster,
    client: ::kube::Client,
    metrics: Metrics,
    notify: Arc<notify::Context>,
    island: Island,
    me: &str,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> (Context, WriteEvents) {
    let leadership = Leadership::default();
    let (queues, inboxes) = (Arc::new(Queues::default()), Arc::new(Inboxes::default()));
    let secrets = SecretReader::led_by(client.clone(), leadership.clone());
    let courier = Courier {
        notify,
        secrets: secrets.clone(),
        leadership: leadership.clone(),
        inboxes: inboxes.clone(),
        queues: queues.clone(),
    };
    let (events, write_events) = Events::new(client.clone(), me.to_owned(), clock.clone(), metrics.clone());
    let ctx = Arc::new(Inner {
        world: Arc::new(RwLock::new(World::new(&config.namespace))),
        deletions: watches::Deletions::default(),
        statuses: StatusWriter::new(client.clone(), leadership.clone(), metrics.clone()),
        outbox: Outbox::new(courier, clock.clone(), metrics.clone(), tasks.clone(), stop.clone()),
        numbers: Numbers::new(client.clone(), &config.namespace),
        revisions: Revisions::new(client.clone()),
        held: Held::new(queues.clone()),
        island,
        probed: Arc::new(Probed::new(clock.now())),
        sources: Sources::default(),
        members: Members::default(),
        alerts: Alerts::default(),
        channels: Channels::default(),
        tasks: tasks.clone(),
        stop: stop.clone(),
        stop_tickets: CancellationToken::new(),
        fatal: CancellationToken::new(),
        config,
        clock,
        cluster,
        client,
        leadership,
        metrics,
        events,
        secrets,
        queues,
        inboxes,
    });
    (ctx, Box::new(move |stop| Box::pin(write_events(stop))))
}

/// Engines and controllers begin when every gate is open, we lead and the index is what the API has: a half-filled or an old
/// one must decide nothing. Without the API they begin with what the watches, or an earlier process's journal, have filled
/// it with; also when the API went while we caught up with it.
async fn start_when_ready(ctx: Context, gates: Gates, probes: probes::Context, watch: Watch) {
    let ready = async {
        gates.opened().await;
        tracing::info!("every kind is listed: ready");
        ctx.leadership.becomes(Role::Leader).await;
        let secrets = controllers::policy::remember_secrets(ctx.clone());
        ctx.tasks.spawn(ctx.stop.clone().run_until_cancelled_owned(secrets));
        watches::catch_up(&ctx).await
    };
    let caught_up = tokio::select! {
        () = ctx.stop.cancelled() => return,
        caught_up = ready => caught_up,
        () = ctx.leadership.becomes(Role::Islanded) => true,
    };
    if !caught_up {
        return;
    }
    ask_for_everything(&ctx);
    let writing = ctx.clone();
    vital::spawn(&ctx, "the writer of statuses", async move { writing.statuses.run(writing.stop.clone()).await });
    vital::spawn(&ctx, "the prober", prober::run(ctx.clone(), probes));
    vital::spawn(&ctx, "the self-watch", watchdog::run(ctx.clone(), watch));
    control(
        &ctx,
        TICKET,
        TICKET_WORKERS,
        |queues| &queues.tickets,
        |ctx, key| async move { controllers::ticket::reconcile(&ctx, key).await },
    );
    control(
        &ctx,
        "servicemonitor",
        WORKERS * 4,
        |queues| &queues.monitors,
        |ctx, key| async move { controllers::monitor::reconcile(&ctx, key).await },
    );
    control(
        &ctx,
        "supportpolicy",
        WORKERS,
        |queues| &queues.policies,
        |ctx, key| async move { controllers::policy::reconcile(&ctx, key).await },
    );
    control(
        &ctx,
        "silence",
        WORKERS,
        |queues| &queues.silences,
        |ctx, key| async move { controllers::silence::reconcile(&ctx, key).await },
    );
    control(
        &ctx,
        "oncalloverride",
        WORKERS,
        |queues| &queues.overrides,
        |ctx, key| async move { controllers::on_call_override::reconcile(&ctx, key).await },
    );
    control(
        &ctx,
        "gitsource",
        WORKERS,
        |queues| &queues.sources,
        |ctx, key| async move { controllers::source::reconcile(&ctx, key).await },
    );
    control(
        &ctx,
        "drift",
        WORKERS * 2,
        |queues| &queues.drift,
        |ctx, key| async move { controllers::drift::reconcile(&ctx, key).await },
    );
}

/// A new leader looks at everything once.
pub(crate) fn ask_for_everything(ctx: &Context) {
    let world = ctx.world.read();
    // Among thousands those that are over can wait.
    let (over, open): (Vec<_>, Vec<_>) = world.tickets().partition(|(_, ticket)| is_over(ticket));
    for (key, ticket) in open.into_iter().chain(over) {
        ctx.queues.tickets.add(key.clone());
        // A monitor that was deleted while nobody led: its alert must end.
        for monitor in ticket.spec.affects.iter().filter_map(|affected| affected.monitor.as_deref()) {
            ctx.queues.monitors.add(Key::new(&*key.namespace, monitor));
        }
    }
    for (key, _) in world.sources() {
        ctx.queues.sources.add(key.clone());
    }
    for (key, _) in world.monitors() {
        ctx.queues.monitors.add(key.clone());
    }
}

/// Runs one kind's queue: each look is counted by what it came to.
fn control<K, Fut>(
    ctx: &Context,
    name: &'static str,
    workers: usize,
    queue: fn(&Queues) -> &Queue<K>,
    reconcile: impl Fn(Context, K) -> Fut + Clone + Send + Sync + 'static,
) where
    K: Clone + Eq + Ord + Hash + Send + Sync + 'static,
    Fut: Future<Output = Option<Looked>> + Send + 'static,
{
    let looking = ctx.clone();
    vital::spawn(ctx, format!("the looks at each {name}"), async move {
        let ctx = looking;
        let stop = if name == TICKET { ctx.stop_tickets.clone() } else { ctx.stop.clone() };
        let queues = ctx.queues.clone();
        let look = |key: K| {
            let (ctx, reconcile) = (ctx.clone(), reconcile.clone());
            async move {
                let looked = reconcile(ctx.clone(), key).await;
                let result = looked.map_or(Outcome::Failed, |looked| looked.outcome).as_str();
                ctx.metrics.reconciles.get_or_create(&ReconcileLabels { controller: name, result }).inc();
                looked
            }
        };
        queue(&queues).run(workers, stop, look).await;
    });
}

/// Gauges that are computed from state.
fn before_scrape(ctx: &Context) -> Box<dyn Fn() + Send + Sync> {
    let ctx = ctx.clone();
    Box::new(move || {
        let metrics = &ctx.metrics;
        metrics.leads.get_or_create(&NameLabel { name: LEASE }).set(i64::from(ctx.leadership.is_valid()));
        metrics.islanded.set(i64::from(ctx.leadership.is_islanded()));
        metrics.oldest_pending.set(ctx.outbox.oldest().as_secs_f64());
        let drift = i64::try_from(ctx.queues.drift.depth()).unwrap_or(i64::MAX);
        metrics.queue_depth.get_or_create(&NameLabel { name: "drift" }).set(drift);
        let queues = [
            ("ticket", &ctx.queues.tickets),
            ("servicemonitor", &ctx.queues.monitors),
            ("supportpolicy", &ctx.queues.policies),
            ("silence", &ctx.queues.silences),
            ("oncalloverride", &ctx.queues.overrides),
            ("gitsource", &ctx.queues.sources),
        ];
        for (name, queue) in queues {
            let depth = i64::try_from(queue.depth()).unwrap_or(i64::MAX);
            metrics.queue_depth.get_or_create(&NameLabel { name }).set(depth);
        }
        let world = ctx.world.read();
        metrics.without_policy.set(i64::try_from(world.without_policy()).unwrap_or(i64::MAX));
        metrics.not_paged.set(i64::try_from(world.not_paged()).unwrap_or(i64::MAX));
        if let Some(name) = &ctx.config.last_resort {
            let label = ChannelLabel { channel: name.to_string() };
            let usable = channels::last_resort(&world, &ctx.channels, name).is_ok();
            metrics.last_resort_usable.get_or_create(&label).set(i64::from(usable));
        }
        metrics.next_gap.clear();
        for (key, entry) in world.policies() {
            // The earliest of a schedule stands first.
            for gap in entry.object.status.iter().flat_map(|status| status.gaps.iter().rev()) {
                let (namespace, policy) = (key.namespace.clone(), key.name.clone());
                let labels = ScheduleLabels { namespace, policy, schedule: gap.schedule.clone() };
                metrics.next_gap.get_or_create(&labels).set(gap.from.as_second() as f64);
            }
        }
        let waiting: Vec<_> = world.unacknowledged().collect();
        drop(world);
        for severity in [api::ticket::Severity::Page, api::ticket::Severity::Ticket, api::ticket::Severity::Info] {
            let count = waiting.iter().filter(|one| **one == severity).count();
            let label = SeverityLabel { severity: domain::alert::Severity::from(severity).as_str() };
            metrics.unacknowledged.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    })
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn catch() -> Result<Self, RunError> {
        let catch = |kind| signal(kind).map_err(RunError::Signals);
        Ok(Self { terminate: catch(SignalKind::terminate())?, interrupt: catch(SignalKind::interrupt())? })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
