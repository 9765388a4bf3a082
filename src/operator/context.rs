//! What every controller and engine needs: handles, no state of their own.

use std::sync::Arc;

use gitops::load::ObjectKey;
use kube::Client;
use parking_lot::RwLock;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    alerts::Alerts,
    channels::Channels,
    clock::Clock,
    config::RunConfig,
    engine::{
        numbers::Numbers,
        outbox::Outbox,
        prober::Probed,
        secrets::SecretReader,
        syncer::{Sources, members::Members},
    },
    held::Held,
    inbox::Inboxes,
    index::{Affected, World},
    island::Island,
    kube::{client::Cluster, events::Events, lease::Leadership, meta::Key, status_writer::StatusWriter},
    queue::Queue,
    revisions::Revisions,
    telemetry::metrics::Metrics,
    watches::Deletions,
};

/// One queue for each kind that is looked at.
#[derive(Default)]
pub struct Queues {
    /// Tickets.
    pub tickets: Queue<Key>,
    /// ServiceMonitors.
    pub monitors: Queue<Key>,
    /// SupportPolicies.
    pub policies: Queue<Key>,
    /// Silences.
    pub silences: Queue<Key>,
    /// OnCallOverrides.
    pub overrides: Queue<Key>,
    /// GitSources.
    pub sources: Queue<Key>,
    /// Objects out of Git that somebody may have changed.
    pub drift: Queue<ObjectKey>,
}

impl Queues {
    /// Everything that waits for a time is looked at now.
    pub fn hurry(&self) {
        [&self.tickets, &self.monitors, &self.policies, &self.silences, &self.overrides]
            .into_iter()
            .for_each(Queue::hurry);
        // A freeze ends by the clock; when a source is fetched next does not depend on it.
        self.drift.hurry();
    }

    /// Asks for a look at everything that is affected.
    pub fn add(&self, affected: Affected) {
        for key in affected.tickets {
            self.tickets.add(key);
        }
        for key in affected.monitors {
            self.monitors.add(key);
        }
        for key in affected.policies {
            self.policies.add(key);
        }
        for key in affected.overrides {
            self.overrides.add(key);
        }
    }
}

/// Handles to everything.
pub struct Inner {
    /// Flags.
    pub config: RunConfig,
    /// The only clock.
    pub clock: Clock,
    /// How to reach the cluster, for clients that act as somebody else.
    pub cluster: Cluster,
    /// The operator's own client.
    pub client: Client,
    /// What the watches have seen.
    pub world: Arc<RwLock<World>>,
    /// What the watches have said to be gone while somebody lists.
    pub(crate) deletions: Deletions,
    /// Whether this process may act.
    pub leadership: Leadership,
    /// Every metric.
    pub metrics: Metrics,
    /// Kubernetes Events.
    pub events: Events,
    /// Statuses of everything but tickets.
    pub statuses: StatusWriter,
    /// What is to be looked at.
    pub queues: Arc<Queues>,
    /// What waits for a ticket.
    pub inboxes: Arc<Inboxes>,
    /// Messages on their way.
    pub outbox: Outbox,
    /// Secrets by name.
    pub secrets: SecretReader,
    /// Whether the channels of policies could send.
    pub channels: Channels,
    /// Numbers for tickets.
    pub numbers: Numbers,
    /// Policies as they stood when tickets began.
    pub revisions: Revisions,
    /// What silences have held.
    pub held: Held,
    /// What was decided while the API was gone.
    pub island: Island,
    /// What probes have seen.
    pub probed: Arc<Probed>,
    /// What is remembered of Git sources.
    pub sources: Sources,
    /// What each of them has applied.
    pub members: Members,
    /// Alerts that wait for a ticket of their own, and locks that serialise creation.
    pub alerts: Alerts,
    /// Everything that runs in the background.
    pub tasks: TaskTracker,
    /// Ends probes, sends and every look but those at tickets: nothing new is begun.
    pub stop: CancellationToken,
    /// Ends the looks at tickets, once no attempt runs and nothing waits for a ticket.
    pub stop_tickets: CancellationToken,
    /// Ends the process: something that must always run has ended.
    pub fatal: CancellationToken,
}

/// Handles to everything, cheap to clone.
pub type Context = Arc<Inner>;
