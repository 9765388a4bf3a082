//! Kubernetes Events on transitions a person cares about: best effort, one worker, never in anybody's way.

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
    /// The sender, and the future that writes until `stop`.
    pub fn new(client: Client, instance: String, metrics: Metrics, stop: CancellationToken) -> (Self, impl Future<Output = ()>) {
        let (sender, mut receiver) = mpsc::channel::<(ObjectReference, Note)>(QUEUE);
        let counted = metrics.clone();
        let write = async move {
            let reporter = Reporter { controller: "firstline".to_owned(), instance: Some(instance) };
            let recorder = Recorder::new(client, reporter);
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
                    counted.events_dropped.inc();
                    tracing::debug!(%error, reason = note.reason, "an Event could not be written");
                }
            }
        };
        (Self { sender, metrics }, write)
    }

    /// Notes something on an object; dropped and counted when too many wait.
    pub fn note<K: Resource<DynamicType = ()>>(&self, object: &K, note: Note) {
        let reference = object.object_ref(&());
        if self.sender.try_send((reference, note)).is_err() {
            self.metrics.events_dropped.inc();
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
