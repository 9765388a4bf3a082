//! Kubernetes Events on transitions a person cares about: best effort, few at a time, never in anybody's way.

use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, Resource,
    api::{ObjectMeta, PostParams},
};
use sha2::{Digest, Sha256};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, telemetry::metrics::Metrics};

/// Events that may wait; more are dropped and counted.
const QUEUE: usize = 1_000;
/// Events that are written at once: where hundreds of objects change together, the last is not half a minute late.
const AT_ONCE: usize = 8;
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
        clock: Clock,
        metrics: Metrics,
    ) -> (Self, impl FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send + 'static) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let counted = metrics.clone();
        let write = |stop| write(receiver, client, instance, clock, counted, stop).boxed();
        (Self { sender, metrics }, write)
    }

    /// Notes something on an object; dropped and counted when too many wait.
    pub fn note<K: Resource<DynamicType = ()>>(&self, object: &K, note: Note) {
        self.note_on(object.object_ref(&()), note);
    }

    /// The same on an object of which only the name is at hand.
    pub fn note_on(&self, reference: ObjectReference, note: Note) {
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
    client: Client,
    instance: String,
    clock: Clock,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let mut running = JoinSet::new();
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = running.join_next(), if !running.is_empty() => continue,
            next = receiver.recv(), if running.len() < AT_ONCE => next,
        };
        let Some((object, note)) = next else { break };
        let namespace = object.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
        running.spawn(create(api, event(object, &note, &instance, clock.now()), metrics.clone()));
    }
    while running.join_next().await.is_some() {}
}

async fn create(api: Api<Event>, event: Event, metrics: Metrics) {
    match api.create(&PostParams::default(), &event).await {
        Ok(_) => {}
        // The same was said of the same object within this minute.
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(error) => {
            metrics.events_dropped.inc();
            tracing::debug!(%error, "an Event could not be written");
        }
    }
}

/// One Event. Its name is made of what it says and the minute, so that the same within a minute is said once and
/// nothing else is taken for it: kube's own recorder counts up the first Event and drops the later text.
fn event(regarding: ObjectReference, note: &Note, instance: &str, now: Timestamp) -> Event {
    let minute = now.as_second().div_euclid(60);
    let said = format!("{minute}/{}/{}/{}", regarding.uid.as_deref().unwrap_or_default(), note.reason, note.text);
    let digest: [u8; 32] = Sha256::digest(said.as_bytes()).into();
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let start: String = regarding.name.clone().unwrap_or_default().chars().take(230).collect();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{start}.{hex}")),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some(note.action.to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(cut(&note.text)),
        reason: Some(note.reason.to_owned()),
        regarding: Some(regarding),
        reporting_controller: Some("firstline".to_owned()),
        reporting_instance: Some(instance.chars().take(128).collect()),
        type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
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

    #[test]
    fn the_same_within_a_minute_is_one_event_and_anything_else_is_another() {
        let object =
            ObjectReference { name: Some("inc-a".into()), uid: Some("u".into()), ..ObjectReference::default() };
        let name = |text: &str, second: i64| {
            let note = Note { warning: true, reason: "Down", action: "Probe", text: text.to_owned() };
            let at = Timestamp::from_second(1_800_000_000 + second).unwrap();
            event(object.clone(), &note, "me", at).metadata.name
        };
        assert_eq!(name("answered 500", 0), name("answered 500", 30));
        assert_ne!(name("answered 500", 0), name("answered 200", 0));
        assert_ne!(name("answered 500", 0), name("answered 500", 60));
    }
}
