//! Kubernetes Events on transitions a person cares about: best effort, one worker, never in anybody's way.

use futures::{FutureExt, future::BoxFuture};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Metrics;

/// Events that may wait; more are dropped and counted.
const QUEUE: usize = 1_000;
/// The server refuses longer notes (bytes).
const LONGEST_NOTE: usize = 1_000;

/// One Event.
#[derive(Debug, Clone)]
pub struct Note {
    /// Whether a person should look.
    pub warning: bool,
    /// A stable word.
    pub reason: &'static str,
    /// What we did, as a stable word.
    pub action: &'static str,
    /// A sentence.
    pub text: String,
}

/// Takes Events in; they are written in the background.
#[derive(Clone)]
pub struct Events {
    sender: mpsc::Sender<(ObjectReference, Note)>,
    metrics: Metrics,
}

impl Events {
    /// The sender, and the writer that runs until its token is cancelled.
    pub fn new(
        client: Client,
        instance: String,
        metrics: Metrics,
    ) -> (Self, impl FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send + 'static) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let counted = metrics.clone();
        let reporter = Reporter { controller: "firstline".to_owned(), instance: Some(instance) };
        let write = |stop| write(receiver, Recorder::new(client, reporter), counted, stop).boxed();
        (Self { sender, metrics }, write)
    }

    /// Notes something on an object; dropped and counted when too many wait.
    pub fn note<K: Resource<DynamicType = ()>>(&self, object: &K, note: Note) {
        let reference = object.object_ref(&());
        if self.sender.try_send((reference, note)).is_err() {
            self.metrics.events_dropped.inc();
        }
    }

    /// Waits until what was noted so far has been taken up.
    pub async fn drain(&self) {
        while self.sender.capacity() < QUEUE {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

async fn write(
    mut receiver: mpsc::Receiver<(ObjectReference, Note)>,
    recorder: Recorder,
    metrics: Metrics,
    stop: CancellationToken,
) {
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = receiver.recv() => next,
        };
        let Some((object, note)) = next else { return };
        let event = Event {
            type_: if note.warning { EventType::Warning } else { EventType::Normal },
            reason: note.reason.to_owned(),
            note: Some(cut(&note.text)),
            action: note.action.to_owned(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, &object).await {
            metrics.events_dropped.inc();
            tracing::debug!(%error, reason = note.reason, "an Event could not be written");
        }
    }
}

fn cut(text: &str) -> String {
    if text.len() <= LONGEST_NOTE {
        return text.to_owned();
    }
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= LONGEST_NOTE - 4).last().unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_letters_and_marked() {
        let cut = cut(&"ä".repeat(900));
        assert!(cut.len() <= LONGEST_NOTE && cut.ends_with('…'));
    }
}
