//! A webhook receiver: records what arrives and answers by a script.
//!
//! It checks signatures by its own reading of Standard Webhooks 1.0, not with
//! the sender's code, so that both cannot be wrong in the same way.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::HeaderMap,
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use sha2::Sha256;

use crate::{
    ports::Port,
    serve::{Behaviour, Server, status},
    tls::Authority,
};

/// Standard Webhooks asks receivers to refuse older or newer timestamps than a
/// tolerance of a few minutes.
const TOLERANCE: Duration = Duration::from_secs(300);

/// One answer of the script.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This status and an empty body.
    Status(u16),
    /// This status, with `Retry-After` in whole seconds.
    RetryAfter(u16, u64),
    /// This status and body.
    Body(u16, String),
    /// Waits so long, then answers 200.
    After(Duration),
    /// Never answers.
    Hang,
    /// Closes the connection after reading the request: the sender cannot know
    /// whether it was taken.
    Cut,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// When its body had been read.
    pub at: Instant,
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, byte for byte.
    pub body: Bytes,
}

impl Received {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `webhook-id`, the same in every repetition of one notification.
    pub fn id(&self) -> Option<&str> {
        self.header("webhook-id")
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none; with the text.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| String::from_utf8_lossy(&self.body).into_owned())
    }
}

/// The receiver; dropping it closes the port.
pub struct Receiver {
    port: Port,
    scheme: &'static str,
    tls: Option<Arc<rustls::ServerConfig>>,
    key: Vec<u8>,
    desk: Arc<Desk>,
    server: Mutex<Option<Server>>,
}

#[derive(Default)]
struct Desk {
    script: Mutex<VecDeque<Answer>>,
    always: Mutex<Option<Answer>>,
    on_request: Mutex<Option<Box<Look>>>,
    received: Mutex<Vec<Received>>,
}

type Look = dyn Fn(&Received) + Send;

impl Receiver {
    /// Starts one that answers 200.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<Self> {
        Self::with("http", None).await
    }

    /// The same over TLS, with a certificate of `authority`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_tls(authority: &Authority) -> Result<Self> {
        Self::with("https", Some(authority.server_config()?)).await
    }

    async fn with(scheme: &'static str, tls: Option<Arc<rustls::ServerConfig>>) -> Result<Self> {
        let key = [*uuid::Uuid::new_v4().as_bytes(), *uuid::Uuid::new_v4().as_bytes()].concat();
        let receiver =
            Self { port: Port::reserve()?, scheme, tls, key, desk: Arc::default(), server: Mutex::default() };
        receiver.come_back().await?;
        Ok(receiver)
    }

    /// `http://127.0.0.1:PORT` and `path`.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.port.address())
    }

    /// The shared secret as it is handed out: `whsec_` and base64.
    pub fn secret(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.key))
    }

    /// Answers the next requests by these, in order, and then as before.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.desk.script.lock().extend(answers);
    }

    /// Answers every request for which the script has no answer by this; `None`
    /// for 200.
    pub fn always(&self, answer: Option<Answer>) {
        *self.desk.always.lock() = answer;
    }

    /// Calls this with each request from now on, when it has been read and before it is answered: what the sender has
    /// done by then, it did before it sent. Called on a server's thread.
    pub fn on_request(&self, look: impl Fn(&Received) + Send + 'static) {
        *self.desk.on_request.lock() = Some(Box::new(look));
    }

    /// Refuses connections from now on.
    pub async fn go_away(&self) {
        let server = self.server.lock().take();
        if let Some(server) = server {
            server.stop().await;
        }
    }

    /// Listens again on the same port.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn come_back(&self) -> Result<()> {
        let router = Router::new().fallback(receive).with_state(Arc::clone(&self.desk));
        let server = Server::start(self.port.address(), self.tls.clone(), router).await?;
        *self.server.lock() = Some(server);
        Ok(())
    }

    /// What has arrived, in order.
    pub fn received(&self) -> Vec<Received> {
        self.desk.received.lock().clone()
    }

    /// The first request for which `wanted` holds.
    ///
    /// # Errors
    /// When none has come within `deadline`; lists what came.
    pub async fn wait_for(
        &self,
        deadline: Duration,
        what: &str,
        wanted: impl Fn(&Received) -> bool,
    ) -> Result<Received> {
        crate::eventually(deadline, what, || async {
            let received = self.received();
            if let Some(found) = received.iter().find(|r| wanted(r)) {
                return Ok(found.clone());
            }
            let seen: Vec<String> = received
                .iter()
                .map(|r| format!("{} {} {}", r.method, r.path, String::from_utf8_lossy(&r.body)))
                .collect();
            bail!("{} requests\n{}", seen.len(), seen.join("\n"))
        })
        .await
    }

    /// Checks a request's signature and time against [`Receiver::secret`].
    ///
    /// # Errors
    /// Says which header is missing or wrong.
    pub fn verify(&self, request: &Received) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        verify(&self.key, request, now)
    }
}

/// Standard Webhooks 1.0, symmetric: `v1,` and the base64 of HMAC-SHA256 over
/// `id.timestamp.body`; the header may carry several, separated by spaces.
fn verify(key: &[u8], request: &Received, now: u64) -> Result<()> {
    let header = |name: &str| request.header(name).with_context(|| format!("no header {name}"));
    let (id, timestamp, signatures) =
        (header("webhook-id")?, header("webhook-timestamp")?, header("webhook-signature")?);
    ensure!(!id.is_empty() && !id.contains('.'), "webhook-id {id:?} is empty or has a dot");
    let sent: u64 = timestamp.parse().with_context(|| format!("webhook-timestamp {timestamp:?} is no Unix time"))?;
    ensure!(now.abs_diff(sent) <= TOLERANCE.as_secs(), "webhook-timestamp is {} s off", now.abs_diff(sent));

    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&request.body);
    let right = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    ensure!(signatures.split(' ').any(|s| s == right), "webhook-signature {signatures:?}, but {right:?} is right");
    Ok(())
}

async fn receive(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 16 << 20).await else { return status(400, "unreadable body\n") };
    let received = Received {
        at: Instant::now(),
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers,
        body,
    };
    desk.on_request.lock().as_ref().into_iter().for_each(|look| look(&received));
    desk.received.lock().push(received);
    let scripted = desk.script.lock().pop_front();
    let answer = scripted.or_else(|| desk.always.lock().clone()).unwrap_or(Answer::Status(200));
    match answer {
        Answer::Status(code) => status(code, ""),
        Answer::Body(code, text) => status(code, text),
        Answer::RetryAfter(code, seconds) => {
            let mut response = status(code, "");
            response.headers_mut().insert("retry-after", seconds.into());
            response
        }
        Answer::After(delay) => {
            tokio::time::sleep(delay).await;
            status(200, "")
        }
        Answer::Hang => Behaviour::Hang.instead().await.unwrap_or_default(),
        Answer::Cut => Behaviour::Cut.instead().await.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the Standard Webhooks specification, also used by its
    // reference libraries.
    const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const SENT: u64 = 1_614_265_330;

    fn example(signature: &str) -> Received {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap());
        headers.insert("webhook-timestamp", SENT.into());
        headers.insert("webhook-signature", signature.parse().unwrap());
        Received {
            at: Instant::now(),
            method: "POST".into(),
            path: "/".into(),
            headers,
            body: Bytes::from_static(br#"{"test": 2432232314}"#),
        }
    }

    #[test]
    fn the_example_of_the_specification_verifies() {
        let key = STANDARD.decode(KEY).unwrap();
        verify(&key, &example(SIGNATURE), SENT).unwrap();
        verify(&key, &example(&format!("v1,AAAA {SIGNATURE}")), SENT + 299).unwrap();
    }

    #[test]
    fn a_wrong_signature_and_an_old_timestamp_are_refused() {
        let key = STANDARD.decode(KEY).unwrap();
        assert!(verify(&key, &example("v1,AAAA"), SENT).is_err());
        let error = verify(&key, &example(SIGNATURE), SENT + 301).unwrap_err();
        assert_eq!(error.to_string(), "webhook-timestamp is 301 s off");
    }
}
