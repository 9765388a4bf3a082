//! For tests: tickets, what a verb prints, and a cluster on loopback that answers as an API server would.

use std::sync::Arc;

use api::Ticket;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use kube::Client;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{cluster::Session, output::Output};

/// The time of every test that shows ages.
pub fn now() -> Timestamp {
    "2026-11-23T03:12:00Z".parse().unwrap()
}

/// An open ticket of namespace payments.
pub fn ticket(name: &str, number: i64, title: &str) -> Ticket {
    object(json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"name": name, "namespace": "payments", "uid": format!("uid-of-{name}"), "creationTimestamp": "2026-11-23T02:58:10Z"},
        "spec": {"title": title},
        "status": {"observedGeneration": 1, "number": number, "state": "Open", "priority": "P1"}
    }))
}

/// Any object, through the same reader as in production.
pub fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// What a verb writes to its results.
pub async fn printed(verb: impl AsyncFnOnce(&mut Output<'_>)) -> String {
    let (mut results, mut progress) = (Vec::new(), Vec::new());
    verb(&mut Output::new(&mut results, &mut progress)).await;
    String::from_utf8(results).unwrap()
}

/// What the operator of a fake cluster does with a new object.
#[derive(Clone, Copy)]
pub enum Judge {
    /// It counts.
    Accept,
    /// It does not, for this reason.
    Refuse(&'static str),
    /// There is no operator.
    Away,
}

struct Objects {
    judge: Judge,
    tickets: Vec<Ticket>,
    created: Mutex<Vec<Value>>,
    /// The sequence that tickets show. As with a real operator it is behind: at each look by what came since the last one.
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    last: usize,
    next: usize,
}

/// A cluster on loopback with tickets, events, silences and one user, `oidc:ada`.
pub struct FakeCluster {
    objects: Arc<Objects>,
    client: Client,
    _server: JoinSet<()>,
}

impl FakeCluster {
    /// Starts one.
    pub async fn start(judge: Judge, tickets: Vec<Ticket>) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let objects = Arc::new(Objects { judge, tickets, created: Mutex::default(), shown: Mutex::default() });
        let base = "/apis/firstline.dev/v1alpha1/namespaces/{namespace}";
        let router = Router::new()
            .route("/apis/authentication.k8s.io/v1/selfsubjectreviews", post(review))
            .route("/apis/firstline.dev/v1alpha1/tickets", get(list_all_tickets))
            .route(&format!("{base}/tickets"), get(list_tickets).post(create_ticket))
            .route(&format!("{base}/tickets/{{name}}"), get(get_ticket))
            .route(&format!("{base}/{{kind}}"), post(create).get(list_created))
            .route(&format!("{base}/{{kind}}/{{name}}"), get(get_created).patch(patch_created))
            .with_state(objects.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let client = Client::try_from(kube::Config::new(format!("http://{address}").parse().unwrap())).unwrap();
        Self { objects, client, _server: server }
    }

    /// A session in namespace payments.
    pub fn session(&self) -> Session {
        Session { client: self.client.clone(), namespace: "payments".into() }
    }

    /// Everything that was created, as it stands now.
    pub fn created(&self) -> Vec<Value> {
        self.objects.created.lock().clone()
    }

    /// The `lastSequence` with which a ticket was answered last.
    pub fn last_sequence_shown(&self) -> usize {
        self.objects.shown.lock().last
    }

    /// Puts an object there that was created before.
    pub fn add(&self, object: Value) {
        self.objects.created.lock().push(object);
    }
}

async fn review() -> Json<Value> {
    Json(
        json!({"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "status": {"userInfo": {"username": "oidc:ada"}}}),
    )
}

async fn list_tickets(State(objects): State<Arc<Objects>>, Path(namespace): Path<String>) -> Json<Value> {
    let is_there = |ticket: &&Ticket| ticket.metadata.namespace.as_deref() == Some(&namespace);
    list_of(objects.tickets.iter().filter(is_there))
}

async fn list_all_tickets(State(objects): State<Arc<Objects>>) -> Json<Value> {
    list_of(objects.tickets.iter())
}

fn list_of<'a>(tickets: impl Iterator<Item = &'a Ticket>) -> Json<Value> {
    let tickets: Vec<&Ticket> = tickets.collect();
    Json(json!({"kind": "TicketList", "apiVersion": "firstline.dev/v1alpha1", "metadata": {}, "items": tickets}))
}

async fn get_ticket(State(objects): State<Arc<Objects>>, Path((_, name)): Path<(String, String)>) -> Response {
    let found = objects.tickets.iter().find(|ticket| ticket.metadata.name.as_deref() == Some(&name));
    match found {
        Some(ticket) => {
            let mut shown = objects.shown.lock();
            shown.last = shown.next;
            shown.next = objects.created.lock().len();
            let mut ticket = json!(ticket);
            ticket["status"]["lastSequence"] = json!(shown.last);
            Json(ticket).into_response()
        }
        None => get_created(State(objects), Path((String::new(), "tickets".to_owned(), name))).await,
    }
}

async fn create_ticket(objects: State<Arc<Objects>>, Path(namespace): Path<String>, object: Json<Value>) -> Response {
    create(objects, Path((namespace, "tickets".to_owned())), object).await
}

async fn create(
    State(objects): State<Arc<Objects>>,
    Path((namespace, kind)): Path<(String, String)>,
    Json(mut object): Json<Value>,
) -> Response {
    object["metadata"]["namespace"] = json!(namespace);
    object["metadata"]["uid"] = json!("uid");
    object["status"] = match (objects.judge, kind.as_str()) {
        (Judge::Away, _) => json!({"observedGeneration": -1}),
        (Judge::Accept, "silences") => json!({"active": true}),
        (Judge::Accept, "oncalloverrides") => json!({"active": true, "conditions": [ready()]}),
        (Judge::Accept, "tickets") => json!({"number": 1, "priority": "P3", "state": "New"}),
        (Judge::Accept, _) => json!({"accepted": true, "sequence": objects.created.lock().len() + 1}),
        (Judge::Refuse(why), "silences" | "oncalloverrides") => {
            json!({"conditions": [{"type": "Stalled", "status": "True", "reason": "InvalidSpec", "message": why, "lastTransitionTime": "2026-11-23T03:12:00Z"}]})
        }
        (Judge::Refuse(why), _) => json!({"accepted": false, "reason": why}),
    };
    objects.created.lock().push(object.clone());
    // The verdict comes later than the create, as with a real operator.
    object["status"] = json!({"observedGeneration": -1});
    (StatusCode::CREATED, Json(object)).into_response()
}

fn ready() -> Value {
    json!({"type": "Ready", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": "2026-11-23T03:12:00Z"})
}

async fn list_created(State(objects): State<Arc<Objects>>, Path((_, kind)): Path<(String, String)>) -> Json<Value> {
    // "supportpolicies" begins with "supportpolic", as every plural begins with all but the last letter of its kind.
    let is_meant = |object: &&Value| {
        let name = object["kind"].as_str().unwrap_or_default().to_lowercase();
        name.get(..name.len().saturating_sub(1)).is_some_and(|stem| kind.starts_with(stem))
    };
    let created: Vec<Value> = objects.created.lock().iter().filter(is_meant).cloned().collect();
    Json(json!({"kind": "List", "apiVersion": "firstline.dev/v1alpha1", "metadata": {}, "items": created}))
}

async fn get_created(
    State(objects): State<Arc<Objects>>,
    Path((_, kind, name)): Path<(String, String, String)>,
) -> Response {
    let found = objects.created.lock().iter().find(|object| object["metadata"]["name"] == name).cloned();
    found.map_or_else(|| not_found(&kind, &name), |object| Json(object).into_response())
}

/// Only what `silence --expire` and `override --expire` patch: the end. The operator then says that it is over.
async fn patch_created(
    State(objects): State<Arc<Objects>>,
    Path((_, kind, name)): Path<(String, String, String)>,
    Json(patch): Json<Value>,
) -> Response {
    let mut created = objects.created.lock();
    let Some(object) = created.iter_mut().find(|object| object["metadata"]["name"] == name) else {
        return not_found(&kind, &name);
    };
    for (field, value) in patch["spec"].as_object().into_iter().flatten() {
        object["spec"][field] = value.clone();
    }
    object["status"]["active"] = json!(false);
    Json(object.clone()).into_response()
}

fn not_found(kind: &str, name: &str) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound",
        "message": format!("{kind} \"{name}\" not found"), "details": {"name": name, "kind": kind}
    });
    (StatusCode::NOT_FOUND, Json(status)).into_response()
}
