//! The client of the Kubernetes API: bounded retries, a count of every call, a look at the server's clock in every answer,
//! and one more client per impersonated account.

use std::{
    path::Path,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{
    HeaderMap, HeaderValue, Request, Response,
    header::{DATE, RETRY_AFTER},
};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder, retry::RetryPolicy},
    config::{KubeConfigOptions, Kubeconfig},
};
use thiserror::Error;
use tower::{
    BoxError, Layer, Service,
    buffer::BufferLayer,
    retry::{Policy, RetryLayer},
};

use crate::{
    clock::Clock,
    telemetry::metrics::{Metrics, RequestLabels},
};

/// Retries of one call: 429, 503 and 504 only, honouring Retry-After up to the longest wait.
const RETRIES: (Duration, Duration, u32) = (Duration::from_millis(100), Duration::from_secs(5), 4);

/// A connection on which nothing has come for so long is given up, so that no call hangs for ever on a network that has swallowed
/// its answer. Longer than a watch lasts, which the server ends after a minute, and than it lets any other call take.
const QUIET: Duration = Duration::from_secs(90);

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The kubeconfig cannot be read, or names no such context.
    #[error("reading the kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// Neither a kubeconfig nor a pod's account.
    #[error(
        "no cluster: neither --kubeconfig, KUBECONFIG, ~/.kube/config nor a pod's ServiceAccount could be used: {0}"
    )]
    Infer(#[from] kube::config::InferConfigError),
    /// The connection's settings cannot be used.
    #[error("setting up the connection: {0}")]
    Setup(#[from] Box<kube::Error>),
    /// The retry settings are out of range.
    #[error("retry settings: {0}")]
    Retry(#[from] kube::client::retry::InvalidBackoff),
}

/// Whether the API has said something, if only no. What stands in front of a dead one says 5xx.
pub fn is_an_answer(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code < 500 && status.code != 429)
}

/// The innermost cause: "Connection refused (os error 111)", not "client error (Connect)".
pub fn cause(error: &dyn std::error::Error) -> String {
    let mut causes = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    // The outer ones repeat the inner ones or say only where in the client it happened.
    let mut said: Vec<String> = Vec::new();
    for cause in causes.into_iter().rev() {
        if said.len() < 2 && !said.iter().any(|inner| cause.contains(inner.as_str())) {
            said.insert(0, cause);
        }
    }
    said.join(": ")
}

/// How to reach the cluster, from which clients are made.
#[derive(Clone)]
pub struct Cluster {
    config: Config,
    observed: Option<(Metrics, Clock)>,
}

impl Cluster {
    /// Reads the kubeconfig, or what the environment offers.
    ///
    /// # Errors
    /// When neither can be used.
    pub async fn find(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Self, ClientError> {
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let mut config = match (kubeconfig, context) {
            (Some(path), _) => Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?,
            (None, Some(_)) => Config::from_kubeconfig(&options).await?,
            (None, None) => Config::infer().await?,
        };
        config.read_timeout = Some(QUIET);
        // Counted from the request, not from when its connection was used last.
        config.reset_reader_on_write = true;
        Ok(Self { config, observed: None })
    }

    /// Counts every call in these metrics, and compares this clock with the server's.
    #[must_use]
    pub fn observed(mut self, metrics: Metrics, clock: Clock) -> Self {
        self.observed = Some((metrics, clock));
        self
    }

    /// The namespace of the kubeconfig's context.
    pub fn default_namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// A client that acts as itself.
    ///
    /// # Errors
    /// When the connection's settings cannot be used.
    pub fn client(&self) -> Result<Client, ClientError> {
        self.build(self.config.clone())
    }

    /// A client that acts as this ServiceAccount. The server adds the account's groups itself.
    ///
    /// # Errors
    /// When the connection's settings cannot be used.
    pub fn client_as(&self, namespace: &str, service_account: &str) -> Result<Client, ClientError> {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(format!("system:serviceaccount:{namespace}:{service_account}"));
        self.build(config)
    }

    fn build(&self, mut config: Config) -> Result<Client, ClientError> {
        config.default_retry = false;
        let host = config.cluster_url.authority().map(ToString::to_string).unwrap_or_default();
        let (first, longest, times) = RETRIES;
        let builder = ClientBuilder::try_from(config).map_err(Box::new)?;
        let retry = RetryLayer::new(Bounded { policy: RetryPolicy::new(first, longest, times, true)?, longest });
        let count = CountLayer { host: host.into(), observed: self.observed.clone() };
        Ok(builder.with_layer(&BufferLayer::new(256)).with_layer(&retry).with_layer(&count).build())
    }
}

/// kube's retries, none of them later than `longest`. What stands in front of an API may ask for minutes, and a watch that
/// slept through them would hear of no acknowledgement long after the API is back.
#[derive(Clone)]
struct Bounded {
    policy: RetryPolicy,
    longest: Duration,
}

impl<R> Policy<Request<Body>, Response<R>, BoxError> for Bounded {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        result: &mut Result<Response<R>, BoxError>,
    ) -> Option<Self::Future> {
        if let Ok(response) = result
            && let Some(asked) = response.headers_mut().get_mut(RETRY_AFTER)
            && asked.to_str().ok().and_then(|text| text.parse().ok()).is_some_and(|s: u64| s > self.longest.as_secs())
        {
            *asked = HeaderValue::from(self.longest.as_secs());
        }
        self.policy.retry(request, result)
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Policy::<_, Response<R>, BoxError>::clone_request(&mut self.policy, request)
    }
}

/// Counts logical calls: one for all retries of a call.
#[derive(Clone)]
struct CountLayer {
    host: Arc<str>,
    observed: Option<(Metrics, Clock)>,
}

impl<S> Layer<S> for CountLayer {
    type Service = Count<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Count { inner, layer: self.clone() }
    }
}

#[derive(Clone)]
struct Count<S> {
    inner: S,
    layer: CountLayer,
}

impl<S, B, R> Service<Request<B>> for Count<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<R>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = request.method().to_string();
        let answer = self.inner.call(request);
        let CountLayer { host, observed } = self.layer.clone();
        let asked = observed.as_ref().map(|(_, clock)| clock.now());
        Box::pin(async move {
            let answer = answer.await;
            if let Some((metrics, clock)) = observed {
                let code = answer
                    .as_ref()
                    .map_or_else(|_| "error".to_owned(), |response| response.status().as_str().to_owned());
                metrics.api_reachable.set(i64::from(answer.is_ok()));
                metrics.requests.get_or_create(&RequestLabels { code, method, host: host.to_string() }).inc();
                let said = answer.as_ref().ok().and_then(|response| date(response.headers()));
                if let (Some(asked), Some(said)) = (asked, said) {
                    clock.compare(asked, said);
                }
            }
            answer
        })
    }
}

/// When the server answered, by its own clock.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(headers.get(DATE)?.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::not_at_all(None, 0..1)]
    #[case::a_little(Some("2"), 2..3)]
    #[case::for_two_minutes(Some("120"), 5..6)]
    #[case::by_a_date(Some("Fri, 27 Nov 2026 03:00:00 GMT"), 0..1)]
    #[tokio::test(start_paused = true)]
    async fn a_call_is_made_again_as_the_server_asks_but_after_five_seconds_at_the_latest(
        #[case] asked: Option<&'static str>,
        #[case] seconds: std::ops::Range<u64>,
    ) {
        let (first, longest, times) = RETRIES;
        let mut policy = Bounded { policy: RetryPolicy::new(first, longest, times, true).unwrap(), longest };
        let mut answer = Response::builder().status(503);
        if let Some(asked) = asked {
            answer = answer.header(RETRY_AFTER, asked);
        }
        let began = tokio::time::Instant::now();
        policy.retry(&mut Request::new(Body::empty()), &mut Ok(answer.body(()).unwrap())).unwrap().await;
        assert!(seconds.contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_call_that_nobody_answers_is_given_up() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let mut config = Config::new(url.parse().unwrap());
        config.read_timeout = Some(Duration::from_millis(100));
        let client = Cluster { config, observed: None }.client().unwrap();
        let api = kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(client);
        let (params, patience) = (kube::api::ListParams::default(), Duration::from_secs(30));
        // Whoever holds the connection keeps it open, and says nothing.
        let (answer, held) = tokio::join!(tokio::time::timeout(patience, api.list(&params)), server.accept());
        assert!(answer.expect("it is given up").is_err());
        assert!(held.is_ok(), "the call was heard");
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let said = HeaderValue::from_static("Fri, 27 Nov 2026 03:00:00 GMT");
        let headers = HeaderMap::from_iter([(DATE, said)]);
        assert_eq!(date(&headers), Some("2026-11-27T03:00:00Z".parse().unwrap()));
        assert_eq!(date(&HeaderMap::new()), None);
    }
}
