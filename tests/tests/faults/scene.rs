//! The scene of the fault tests: a shop, a policy of two people, and a webhook receiver for each of them.
//!
//! Ada is on call first; Bob's step comes [`SECOND_STEP`] later. What they are told through differs by test.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    eventually,
    operator::{Operator, Setup},
    proxy::{Proxy, Rules},
    receiver::{Received, Receiver},
    serve::Behaviour,
    stage::{PATIENCE, Stage, TEAM},
    web::WebService,
};

/// How long after the start of the escalation Bob is told.
pub(crate) const SECOND_STEP: Duration = Duration::from_secs(10);
/// What a busy machine may add to a planned time, a restart and the old leader's lease included.
pub(crate) const LATENESS: Duration = Duration::from_secs(12);
/// Less than the timeout of a webhook in these tests, 5 s: who comes so soon after a message that hangs has not waited for it.
pub(crate) const WITHOUT_WAITING: Duration = Duration::from_secs(4);

/// A stage, and where Ada and Bob are told.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) ada: Receiver,
    pub(crate) bob: Receiver,
}

impl Scene {
    /// The stage with the policy and Acme's monitors; no operator runs yet. `rule` is the channel through which
    /// Ada is told, `steps` replaces the escalation's steps.
    pub(crate) async fn build(name: &str, rule: &str, steps: &str) -> Result<Self> {
        let (stage, ada, bob) = tokio::try_join!(Stage::build(name), Receiver::start(), Receiver::start())?;
        let scene = Self { stage, ada, bob };
        for (name, receiver) in [("ada", &scene.ada), ("bob", &scene.bob)] {
            let secret = secret(name, &receiver.secret());
            scene.stage.plane.apply(&secret).await?;
        }
        scene.apply(&scene.policy(rule, steps)).await?;
        let monitors =
            scene.stage.files.iter().find(|(name, _)| name == "monitors.yaml").context("no monitors.yaml")?;
        scene.apply(&monitors.1).await?;
        Ok(scene)
    }

    /// Ada by webhook, Bob by webhook after [`SECOND_STEP`], and one ready operator that sees both monitors Up.
    pub(crate) async fn running(name: &str) -> Result<(Self, Setup, Operator)> {
        Self::running_with(name, "ada-hook", TWO_STEPS).await
    }

    /// The same with another way to tell Ada, or other steps.
    pub(crate) async fn running_with(name: &str, rule: &str, steps: &str) -> Result<(Self, Setup, Operator)> {
        let scene = Self::build(name, rule, steps).await?;
        let (setup, operator) = scene.stage.start(name).await?;
        scene.stage.wait_for_state("checkout", "Up").await?;
        scene.stage.wait_for_state("checkout-port", "Up").await?;
        Ok((scene, setup, operator))
    }

    /// An operator whose calls to the API all pass through a proxy by these rules; it is ready and sees the shop Up.
    pub(crate) async fn behind_proxy(
        &self,
        name: &str,
        rules: Arc<Rules>,
        flags: &[&str],
    ) -> Result<(Proxy, Setup, Operator)> {
        let (proxy, setup) = self.proxied(name, rules, flags).await?;
        let operator = setup.start()?;
        operator.wait_ready(PATIENCE).await?;
        self.stage.wait_for_state("checkout", "Up").await?;
        Ok((proxy, setup, operator))
    }

    /// The same, not started.
    pub(crate) async fn proxied(&self, name: &str, rules: Arc<Rules>, flags: &[&str]) -> Result<(Proxy, Setup)> {
        let proxy = Proxy::start(&self.stage.plane, None, rules).await?;
        let mut setup = self.stage.setup(name).await?.arguments(flags);
        setup.kubeconfig = proxy.kubeconfig(&setup.kubeconfig)?;
        Ok((proxy, setup))
    }

    /// The policy as YAML.
    pub(crate) fn policy(&self, rule: &str, steps: &str) -> String {
        let text = POLICY.replace("${RULE}", rule).replace("${STEPS}", steps);
        let text = text.replace("${ADA}", &self.ada.url("/ada")).replace("${BOB}", &self.bob.url("/bob"));
        self.stage.fill(&text)
    }

    /// A second namespace, `books`, whose one service `shelf` has a monitor and a policy like the shop's; its Bob is
    /// told at `/books`.
    pub(crate) async fn books(&self, rule: &str, steps: &str) -> Result<WebService> {
        let kubectl = async |arguments: &[&str]| self.stage.plane.kubectl(arguments).await?.ok();
        kubectl(&["create", "namespace", "books"]).await?;
        let mut secrets: Value = serde_json::from_str(&kubectl(&["-n", TEAM, "get", "secrets", "-o", "json"]).await?)?;
        for secret in secrets["items"].as_array_mut().context("no secrets")? {
            secret["metadata"] = serde_json::json!({
                "name": secret["metadata"]["name"], "namespace": "books", "labels": secret["metadata"]["labels"],
            });
        }
        self.apply(&secrets.to_string()).await?;
        let policy = self.policy(rule, steps).replace("namespace: payments", "namespace: books");
        self.apply(&policy.replace(&self.bob.url("/bob"), &self.bob.url("/books"))).await?;
        let shelf = WebService::start().await?;
        self.watch_shelf(&shelf).await?;
        Ok(shelf)
    }

    /// The monitor of the service `shelf` in the namespace `books`.
    pub(crate) async fn watch_shelf(&self, shelf: &WebService) -> Result<()> {
        let monitor = serde_json::json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor",
            "metadata": {"name": "shelf", "namespace": "books"},
            "spec": {
                "service": "shelf", "severity": "page", "interval": "1s", "timeout": "1s",
                "probe": {"http": {"url": shelf.url()}},
                "thresholds": {"down": 2, "up": 2, "confirmEvery": "500ms"},
            },
        });
        self.apply(&monitor.to_string()).await
    }

    /// `kubectl apply` in the team's namespace.
    pub(crate) async fn apply(&self, yaml: &str) -> Result<()> {
        self.stage.plane.apply(yaml).await.map(drop)
    }

    /// The shop answers 500 from now on.
    pub(crate) fn break_shop(&self) {
        self.stage.shop.break_with(Behaviour::Status(500));
    }

    /// The newest ticket of the shop, once it fulfils a wish.
    pub(crate) async fn ticket(&self, what: &str, wish: impl Fn(&Value) -> bool) -> Result<Value> {
        self.stage.wait_for_ticket("checkout", what, wish).await
    }

    /// The ticket once what was planned for a channel has come to this state.
    pub(crate) async fn told(&self, channel: &str, state: &str) -> Result<Value> {
        let what = format!("what is planned for {channel} is {state}");
        self.ticket(&what, |ticket| page_to(ticket, channel)["state"] == state).await
    }

    /// Ada acknowledges with kubectl; again when an API server that has just started does not know the kinds yet.
    pub(crate) async fn acknowledge(&self, ticket: &Value) -> Result<()> {
        let event = serde_json::json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "TicketEvent",
            "metadata": {"name": "ada-works-on-it", "namespace": TEAM, "ownerReferences": [owner(ticket)]},
            "spec": {"ticket": ticket["metadata"]["name"], "acknowledge": true},
        });
        let ada = self.stage.plane.kubeconfig_as("ada@acme.example", &["system:masters"])?;
        let kubectl = self.stage.plane.kubectl_with(&ada);
        eventually(PATIENCE, "the acknowledgement is taken", || async {
            let said = kubectl.run_with_input(&["create", "-f", "-"], &event.to_string()).await?;
            said.ok().map(drop)
        })
        .await
    }
}

fn owner(ticket: &Value) -> Value {
    let metadata = &ticket["metadata"];
    serde_json::json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket", "name": metadata["name"], "uid": metadata["uid"],
    })
}

fn secret(name: &str, value: &str) -> String {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": TEAM, "labels": {"firstline.dev/use": "notify"}},
        "stringData": {"key": value},
    })
    .to_string()
}

/// The newest page of a ticket through a channel; null without one.
pub(crate) fn page_to<'a>(ticket: &'a Value, channel: &str) -> &'a Value {
    let all = ticket["status"]["notifications"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().rev().find(|n| n["channel"] == channel && n["kind"] == "page").unwrap_or(&Value::Null)
}

/// The pages among what a receiver got; it hears of the end too.
pub(crate) fn pages(receiver: &Receiver) -> Vec<Received> {
    let is_page = |request: &Received| request.json().is_ok_and(|body| body["data"]["kind"] == "page");
    receiver.received().into_iter().filter(is_page).collect()
}

/// The first page that a receiver gets.
pub(crate) async fn page(receiver: &Receiver) -> Result<Received> {
    eventually(PATIENCE, "a page", || async { pages(receiver).into_iter().next().context("none came") }).await
}

/// A page arrived when its ticket says that it was planned, or up to [`LATENESS`] later.
pub(crate) fn assert_in_time(received: &Received, notification: &Value) -> Result<()> {
    let planned = unix(&notification["plannedAt"])?;
    let arrived = (SystemTime::now() - received.at.elapsed()).duration_since(UNIX_EPOCH)?;
    ensure!(arrived + Duration::from_secs(1) >= planned, "it came {:?} before its planned time", planned - arrived);
    let late = arrived.saturating_sub(planned);
    ensure!(late <= LATENESS, "it came {late:?} after its planned time; {notification}");
    Ok(())
}

/// Waits until a planned time has passed by two seconds: what was to come then would have come.
pub(crate) async fn let_pass(planned: Duration) -> Result<()> {
    eventually(PATIENCE, "the planned time", || async {
        let now = now()?;
        ensure!(now > planned + Duration::from_secs(2), "it is {now:?}, planned {planned:?}");
        Ok(())
    })
    .await
}

/// When Bob's step was planned, by the ticket's escalation; since the epoch.
pub(crate) fn second_step_at(ticket: &Value) -> Result<Duration> {
    Ok(unix(&ticket["status"]["escalation"]["cycleStart"])? + SECOND_STEP)
}

/// An RFC 3339 time in UTC as Kubernetes writes it, since the epoch.
pub(crate) fn unix(time: &Value) -> Result<Duration> {
    let text = time.as_str().with_context(|| format!("expected a time, found {time}"))?;
    let time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time =
        serde_json::from_value(Value::String(text.to_owned()))?;
    Ok(Duration::from_secs(u64::try_from(time.0.as_second())?))
}

/// Now, since the epoch.
pub(crate) fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// A counter or gauge of an operator has come to a wish.
pub(crate) async fn metric(
    operator: &Operator,
    name: &str,
    labels: &[(&str, &str)],
    wish: impl Fn(f64) -> bool,
) -> Result<f64> {
    eventually(PATIENCE, &format!("metric {name}"), || async {
        let value = operator.metrics().await?.sum(name, labels);
        ensure!(wish(value), "it is {value}");
        Ok(value)
    })
    .await
}

/// Ada at once, Bob after [`SECOND_STEP`].
pub(crate) const TWO_STEPS: &str = "
        - {after: 0s, notify: [{schedule: primary}]}
        - {after: 10s, notify: [{person: bob}]}";

/// Ada and Bob at once.
pub(crate) const BOTH_AT_ONCE: &str = "
        - {after: 0s, notify: [{schedule: primary}, {person: bob}]}";

const POLICY: &str = "
apiVersion: firstline.dev/v1alpha1
kind: SupportPolicy
metadata: {name: payments, namespace: payments}
spec:
  lastResort:
    - channel: mail
  people:
    - name: ada
      users: [ada@acme.example]
      email: ada@acme.example
      notify:
        - {after: 0s, channel: ${RULE}}
    - name: bob
      users: [bob@acme.example]
      notify:
        - {after: 0s, channel: bob-hook}
  channels:
    - name: ada-hook
      webhook: {url: '${ADA}', signingSecretRef: {name: ada, key: key}, timeout: 5s}
    - name: bob-hook
      webhook: {url: '${BOB}', signingSecretRef: {name: bob, key: key}, timeout: 5s}
    - name: mail
      email:
        from: support@acme.example
        to: [ops@acme.example]
        smarthost: '127.0.0.1:1025'
        auth: {secretRef: {name: smtp}}
        tls: Required
        caSecretRef: {name: smtp, key: ca.crt}
        timeout: 3s
  schedules:
    - name: primary
      timeZone: Europe/Berlin
      layers:
        - {name: always, people: [ada], start: '2026-11-02', handover: '09:00', every: 1w}
  escalations:
    - name: page
      repeat: {times: 0, every: 1h}
      steps:${STEPS}
  routes:
    - name: pages
      match: ['severity=\"page\"']
      escalation: page
      priority: P1
      resolveAfter: 3s
    - name: rest
      notify: [{channel: mail}]
      groupWait: 1s
      priority: P3
      resolveAfter: 3s
";

/// A service that is looked at every second and pages, beside those of the shop.
pub(crate) fn monitor(service: &str, url: &str) -> String {
    format!(
        "
apiVersion: firstline.dev/v1alpha1
kind: ServiceMonitor
metadata: {{name: {service}, namespace: {TEAM}}}
spec:
  service: {service}
  severity: page
  interval: 1s
  timeout: 900ms
  probe: {{http: {{url: '{url}'}}}}
  thresholds: {{down: 2, up: 2, confirmEvery: 500ms}}
"
    )
}
