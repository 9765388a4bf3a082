//! One watch per kind, folded into "this object is there", "this one is gone", "the first list is complete".
//!
//! kube's own composition of reflector and trigger asks for reconciles before its store has the listed
//! objects, and says nothing of objects that vanished while the watch was away. This fold hands over a
//! list only when it is complete, and compares the keys then.

use std::{collections::BTreeSet, fmt::Debug, hash::Hash, time::Duration};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, CustomResourceExt, Resource, ResourceExt,
    api::ListParams,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    client::{cause, is_an_answer},
    gates::Gates,
    lease::Leadership,
    meta::{Key, version},
};

/// A watch is opened anew after so many seconds, so that a connection that died without a word is noticed soon.
const WATCH_FOR: u32 = 60;
/// Objects in one answer to a list, as the watches ask for them: whatever there is, an answer comes in time.
const PAGE: u32 = 500;
/// One page of a list may take this long.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// A watch that has been broken for so long is told of. By then the lease's loop has said so when the API does not answer
/// at all, which need not be said once for each kind.
const TOLD_AFTER: Duration = Duration::from_secs(5);

/// The first wait before a watch begins anew whose place in history the server has forgotten, and the longest one.
const ANEW: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long to wait before the next list, for a server that forgets again and again.
#[derive(Default)]
struct Anew(Option<(Instant, Duration)>);

impl Anew {
    fn wait(&mut self) -> Duration {
        let (first, longest) = ANEW;
        let goes_on = |(last, wait): (Instant, Duration)| (last.elapsed() < 2 * longest).then_some(wait);
        let wait = self.0.and_then(goes_on).map_or(first, |wait| (2 * wait).min(longest));
        self.0 = Some((Instant::now(), wait));
        wait
    }
}

/// Whether the server has forgotten the place in history from which a watch was to go on. Where it says so in the stream, as an
/// API server does, kube begins anew by itself; where it says so in its answer, kube would ask for the same place for ever.
fn is_forgotten(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410)
}

/// A call that fails again and again, and whether that was said.
#[derive(Default)]
struct Broken {
    since: Option<Instant>,
    said: bool,
}

impl Broken {
    /// It has failed once more: whether to say so now. What fails in an outage, and once more right after it, is part of that.
    fn is_news(&mut self, leadership: &Leadership) -> bool {
        if leadership.is_api_silent() {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let news = !self.said && since.elapsed() >= TOLD_AFTER;
        self.said |= news;
        news
    }

    /// It has succeeded: whether to say that it goes on.
    fn is_over(&mut self) -> bool {
        std::mem::take(self).said
    }
}

/// What a watch says.
#[derive(Debug)]
pub enum Seen<K> {
    /// The object is there, in this version.
    There(Box<K>),
    /// An object is there that cannot be read as this kind, and why.
    Unreadable(Key, String),
    /// The object is gone, and since which resourceVersion; `u64::MAX` when all that is known is that a list lacks it.
    Gone(Key, u64),
}

/// Watches a kind in all namespaces until `stop` and hands everything to `take`, in order. Opens the kind's
/// gate after the first complete list. Never ends by itself: an API that is away is tried again with back-off.
pub async fn run<K>(
    client: Client,
    leadership: &Leadership,
    gate: (&'static str, Gates),
    stop: CancellationToken,
    mut take: impl FnMut(Seen<K>),
) where
    K: Resource<DynamicType = ()> + CustomResourceExt + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    K::DynamicType: Default + Eq + Hash,
{
    if !wait_for_crd::<K>(&client, leadership, &stop).await {
        return;
    }
    let api: Api<DeserializeGuard<K>> = Api::all(client);
    let config = watcher::Config::default().any_semantic().timeout(WATCH_FOR);
    let begin = || {
        watcher(api.clone(), config.clone())
            .default_backoff()
            .modify(|object| object.managed_fields_mut().clear())
            .into_stream()
            .take_until(stop.clone().cancelled_owned())
            .boxed()
    };
    let (mut events, mut anew) = (begin(), Anew::default());
    let mut known = BTreeSet::new();
    let mut listed: Option<Vec<DeserializeGuard<K>>> = None;
    let mut broken = Broken::default();
    loop {
        match events.try_next().await {
            Ok(None) => return,
            Err(error) => {
                if broken.is_news(leadership) {
                    tracing::warn!(kind = %K::kind(&()), why = cause(&error), "the watch broke; trying on");
                }
                if is_forgotten(&error) {
                    let wait = anew.wait();
                    if wait >= TOLD_AFTER {
                        tracing::warn!(kind = %K::kind(&()), wait_s = wait.as_secs(), why = cause(&error), "a watch that has just been listed cannot go on, again and again: changes are seen late, with the next list");
                    }
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(wait) => events = begin(),
                    }
                }
            }
            Ok(Some(event)) => {
                if !matches!(event, Event::Init) && broken.is_over() {
                    tracing::info!(kind = %K::kind(&()), "the watch goes on");
                }
                fold(event, &mut known, &mut listed, &mut take, &gate);
            }
        }
    }
}

fn fold<K>(
    event: Event<DeserializeGuard<K>>,
    known: &mut BTreeSet<Key>,
    listed: &mut Option<Vec<DeserializeGuard<K>>>,
    take: &mut impl FnMut(Seen<K>),
    gate: &(&'static str, Gates),
) where
    K: Resource<DynamicType = ()> + Clone,
{
    match event {
        Event::Init => *listed = Some(Vec::new()),
        Event::InitApply(object) => listed.get_or_insert_default().push(object),
        Event::InitDone => {
            let objects = listed.take().unwrap_or_default();
            let now: BTreeSet<Key> = objects.iter().map(Key::of).collect();
            for gone in std::mem::replace(known, now.clone()).difference(&now) {
                take(Seen::Gone(gone.clone(), u64::MAX));
            }
            for object in objects {
                take(seen(object));
            }
            gate.1.open(gate.0);
        }
        Event::Apply(object) => {
            known.insert(Key::of(&object));
            take(seen(object));
        }
        Event::Delete(object) => {
            let key = Key::of(&object);
            known.remove(&key);
            take(Seen::Gone(key, version(&object)));
        }
    }
}

/// Lists a kind as it is at this moment, not as a cache has it: what a new leader must have seen before it decides.
/// Tries until it succeeds; `None` when stopped before. The number is the list's resourceVersion: all of it is as of then,
/// however long the later pages take.
pub async fn list_now<K>(
    client: &Client,
    leadership: &Leadership,
    stop: &CancellationToken,
) -> Option<(u64, Vec<Seen<K>>)>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<DeserializeGuard<K>> = Api::all(client.clone());
    // Without a resourceVersion the server answers with the most recent state; later pages are of the same moment.
    let first = ListParams::default().limit(PAGE);
    let (mut asked, mut all) = (first.clone(), Vec::new());
    loop {
        let answer = in_time(api.list(&asked)).await;
        let error = match answer {
            Ok(page) => {
                all.extend(page.items.into_iter().map(seen));
                let Some(token) = page.metadata.continue_.filter(|token| !token.is_empty()) else {
                    let version = page.metadata.resource_version.and_then(|version| version.parse().ok());
                    return Some((version.unwrap_or(0), all));
                };
                asked = first.clone().continue_token(&token);
                continue;
            }
            Err(error) => error,
        };
        // A server that says no may have forgotten that moment (410 after some minutes), or never have known it. One that
        // says nothing, or is busy, is asked for the same page again: slow as it is, it must come to an end.
        if is_an_answer(&error) {
            (asked, all) = (first.clone(), Vec::new());
        }
        if !leadership.is_api_silent() {
            tracing::warn!(kind = %K::kind(&()), why = cause(&error), "the list that a new leader needs failed; trying again");
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
    }
}

/// One page, given up after [`PAGE_TIMEOUT`].
async fn in_time<T>(page: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    let late = || kube::Error::Service("no answer within 10 s".into());
    tokio::time::timeout(PAGE_TIMEOUT, page).await.unwrap_or_else(|_| Err(late()))
}

fn seen<K: Resource<DynamicType = ()>>(object: DeserializeGuard<K>) -> Seen<K> {
    match object.0 {
        Ok(object) => Seen::There(Box::new(object)),
        Err(invalid) => {
            let key = Key::new(
                invalid.metadata.namespace.clone().unwrap_or_default(),
                invalid.metadata.name.clone().unwrap_or_default(),
            );
            Seen::Unreadable(key, invalid.error)
        }
    }
}

/// Waits until the kind's CRD is established. Returns false when stopped before.
async fn wait_for_crd<K: CustomResourceExt>(
    client: &Client,
    leadership: &Leadership,
    stop: &CancellationToken,
) -> bool {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = K::crd_name();
    let (mut said, mut broken) = (false, Broken::default());
    loop {
        match crds.get_opt(name).await {
            Ok(Some(crd)) if is_established(&crd) => return true,
            Ok(_) if !said => {
                tracing::warn!(crd = name, "the CRD is not installed; waiting for it (kubectl apply -f crds/)");
                said = true;
            }
            Err(error) if broken.is_news(leadership) => {
                tracing::warn!(crd = name, why = cause(&error), "cannot ask for the CRD; trying on");
            }
            _ => {}
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
    }
}

fn is_established(crd: &CustomResourceDefinition) -> bool {
    let conditions = crd.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use api::Silence;
    use kube::client::Body;
    use parking_lot::Mutex;
    use serde_json::{Value, json};

    use super::*;

    fn written(name: &str) -> Value {
        json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "Silence",
            "metadata": {"name": name, "namespace": "a"},
            "spec": {"matchers": ["a=\"b\""], "startsAt": "2026-11-23T00:00:00Z", "endsAt": "2026-11-24T00:00:00Z", "reason": "r", "author": "ada"}
        })
    }

    fn object(name: &str) -> DeserializeGuard<Silence> {
        serde_json::from_value(written(name)).unwrap()
    }

    /// A page of the list as of version 100, and where it goes on.
    fn page(names: &[&str], next: &str) -> Option<(u16, Value)> {
        let items: Vec<Value> = names.iter().map(|name| written(name)).collect();
        let list = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "SilenceList",
            "metadata": {"resourceVersion": "100", "continue": next}, "items": items,
        });
        Some((200, list))
    }

    fn expired() -> Option<(u16, Value)> {
        let status = json!({
            "apiVersion": "v1", "kind": "Status", "metadata": {},
            "status": "Failure", "message": "too old", "reason": "Expired", "code": 410,
        });
        Some((410, status))
    }

    /// What a list comes to at an API that gives these answers in turn (`None`: none at all), and which pages it was asked for.
    async fn listed(answers: impl IntoIterator<Item = Option<(u16, Value)>>) -> (u64, Vec<String>, Vec<String>) {
        let mut answers = answers.into_iter().collect::<Vec<_>>().into_iter();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let pages = asked.clone();
        let server = tower::service_fn(move |request: http::Request<Body>| {
            asked.lock().push(request.uri().query().unwrap_or_default().to_owned());
            let answer = answers.next().flatten();
            async move {
                let Some((code, body)) = answer else {
                    return std::future::pending::<Result<http::Response<Body>, Infallible>>().await;
                };
                let body = Body::from(serde_json::to_vec(&body).unwrap());
                Ok(http::Response::builder().status(code).body(body).unwrap())
            }
        });
        let (client, leadership) = (Client::new(server, "default"), Leadership::default());
        let all = list_now::<Silence>(&client, &leadership, &CancellationToken::new()).await;
        let (version, all) = all.unwrap();
        let name = |seen: Seen<Silence>| match seen {
            Seen::There(object) => object.name_any(),
            Seen::Gone(key, _) | Seen::Unreadable(key, _) => format!("?{}", key.name),
        };
        let pages = pages.lock().clone();
        (version, all.into_iter().map(name).collect(), pages)
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_any_size_comes_page_by_page_and_a_page_that_does_not_come_is_asked_for_again() {
        let (version, names, pages) = listed([page(&["a", "b"], "x"), None, page(&["c"], "")]).await;
        assert_eq!((version, names), (100, vec!["a".to_owned(), "b".into(), "c".into()]));
        assert_eq!(pages, ["&limit=500", "&limit=500&continue=x", "&limit=500&continue=x"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_server_is_asked_for_the_same_page_again() {
        let busy = |code| {
            let status =
                json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "message": "busy", "code": code});
            Some((code, status))
        };
        let answers = [page(&["a"], "x"), busy(429), busy(503), busy(500), page(&["b"], "")];
        let (_, names, pages) = listed(answers).await;
        assert_eq!(names, ["a", "b"]);
        assert_eq!(pages.iter().filter(|page| !page.contains("continue")).count(), 1, "{pages:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_which_the_server_has_forgotten_the_rest_begins_anew() {
        let answers = [page(&["gone-since"], "x"), expired(), page(&["a"], "y"), page(&["b"], "")];
        let (_, names, pages) = listed(answers).await;
        assert_eq!(names, ["a", "b"]);
        assert_eq!(pages, ["&limit=500", "&limit=500&continue=x", "&limit=500", "&limit=500&continue=y"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_forgets_again_and_again_is_listed_more_and_more_rarely() {
        let mut anew = Anew::default();
        let mut waits = Vec::new();
        for _ in 0..7 {
            waits.push(anew.wait().as_secs());
            tokio::time::advance(Duration::from_secs(31)).await;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(anew.wait().as_secs(), 1, "it went well meanwhile");
    }

    /// What a watch sees, and which calls it makes, at an API that answers the first watch that goes on from a place with this.
    async fn watched(answer: (u16, &'static str)) -> (Vec<String>, Vec<String>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let calls = asked.clone();
        let server = tower::service_fn(move |request: http::Request<Body>| {
            let query = request.uri().query().unwrap_or_default();
            let watches = query.contains("watch=true");
            let is_crd = request.uri().path().contains("customresourcedefinitions");
            if !is_crd {
                asked.lock().push(if watches { "watch" } else { "list" }.to_owned());
            }
            let lists = asked.lock().iter().filter(|call| *call == "list").count();
            async move {
                let (code, body) = match (is_crd, watches, lists) {
                    (true, ..) => (200, established()),
                    (_, false, 1) => (200, page(&["a", "b"], "").unwrap().1.to_string()),
                    (_, false, _) => (200, page(&["b", "c"], "").unwrap().1.to_string()),
                    (_, true, 1) => (answer.0, answer.1.to_owned()),
                    _ => return std::future::pending().await,
                };
                Ok::<_, Infallible>(http::Response::builder().status(code).body(Body::from(body.into_bytes())).unwrap())
            }
        });
        let (client, gates, stop) =
            (Client::new(server, "default"), Gates::closed(["silences"]), CancellationToken::new());
        let mut said = Vec::new();
        let take = |seen: Seen<Silence>| {
            let (word, done) = match seen {
                Seen::There(object) => (format!("+{}", object.name_any()), object.name_any() == "c"),
                Seen::Gone(key, _) => (format!("-{}", key.name), false),
                Seen::Unreadable(key, _) => (format!("?{}", key.name), false),
            };
            said.push(word);
            if done {
                stop.cancel();
            }
        };
        run(client, &Leadership::default(), ("silences", gates), stop.clone(), take).await;
        let calls = calls.lock().clone();
        (said, calls)
    }

    fn established() -> String {
        let status = json!({
            "conditions": [{"type": "Established", "status": "True"}],
            "acceptedNames": {"kind": "Silence", "plural": "silences"}, "storedVersions": ["v1alpha1"],
        });
        let mut crd = serde_json::to_value(Silence::crd()).unwrap();
        crd["status"] = status;
        crd.to_string()
    }

    const GONE: &str =
        r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old","reason":"Expired","code":410}"#;
    const GONE_IN_THE_STREAM: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old","reason":"Expired","code":410}}
"#;

    #[rstest::rstest]
    #[case::as_its_answer((410, GONE))]
    #[case::in_the_stream((200, GONE_IN_THE_STREAM))]
    #[tokio::test(start_paused = true)]
    async fn a_place_in_history_that_the_server_has_forgotten_is_left_for_a_new_list(
        #[case] answer: (u16, &'static str),
    ) {
        let (said, calls) = tokio::time::timeout(Duration::from_secs(60), watched(answer)).await.unwrap();
        assert_eq!(said, ["+a", "+b", "-a", "+b", "+c"]);
        assert_eq!(calls.get(..3), Some(&["list".to_owned(), "watch".to_owned(), "list".to_owned()][..]), "{calls:?}");
    }

    fn replay(events: Vec<Event<DeserializeGuard<Silence>>>) -> (Vec<String>, bool) {
        let gates = Gates::closed(["silences"]);
        let (mut known, mut listed, mut said) = (BTreeSet::new(), None, Vec::new());
        for event in events {
            let mut take = |seen: Seen<Silence>| {
                said.push(match seen {
                    Seen::There(object) => format!("+{}", object.name_any()),
                    Seen::Gone(key, _) => format!("-{}", key.name),
                    Seen::Unreadable(key, _) => format!("?{}", key.name),
                });
            };
            fold(event, &mut known, &mut listed, &mut take, &("silences", gates.clone()));
        }
        (said, gates.waiting().is_empty())
    }

    #[test]
    fn a_list_is_handed_over_only_when_it_is_complete() {
        let (said, open) = replay(vec![Event::Init, Event::InitApply(object("a"))]);
        assert!(said.is_empty() && !open);
        let (said, open) = replay(vec![Event::Init, Event::InitApply(object("a")), Event::InitDone]);
        assert_eq!((said, open), (vec!["+a".to_owned()], true));
    }

    #[test]
    fn what_vanished_while_the_watch_was_away_is_said_to_be_gone() {
        let (said, _) = replay(vec![
            Event::Init,
            Event::InitApply(object("a")),
            Event::InitApply(object("b")),
            Event::InitDone,
            Event::Apply(object("c")),
            Event::Delete(object("a")),
            Event::Init,
            Event::InitApply(object("b")),
            Event::InitDone,
        ]);
        assert_eq!(said, ["+a", "+b", "+c", "-a", "-c", "+b"]);
    }

    #[test]
    fn an_object_that_cannot_be_read_does_not_stop_the_others() {
        let bad = serde_json::json!({"apiVersion": "firstline.dev/v1alpha1", "kind": "Silence", "metadata": {"name": "bad", "namespace": "a"}, "spec": 7});
        let (said, _) = replay(vec![Event::Apply(serde_json::from_value(bad).unwrap()), Event::Apply(object("good"))]);
        assert_eq!(said, ["?bad", "+good"]);
    }
}
