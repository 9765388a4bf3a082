//! The API server is gone for two minutes, longer than any lease, back-off or watch: an operator that holds sends what it
//! owes when the server is back, one that pages goes on by itself, and neither loses, repeats or storms.
//!
//! Two troubles: the depot's page is planned when the server goes and cannot be sent (Ada's receiver is away); the shop and
//! its other services break in the outage. Everybody is paged once for each, and hears once that it is over.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    control_plane::{Mark, Requests},
    eventually,
    operator::Operator,
    receiver::Received,
    serve::Behaviour,
    stage::{ACCOUNT, PATIENCE, SYSTEM},
    web::WebService,
};

use crate::{
    island::{SERVICES, running},
    scene::{Scene, metric, monitor, now, page_to, pages, unix},
};

const OUTAGE: Duration = Duration::from_secs(120);

/// Bob long enough after Ada that his step for the depot comes in the outage.
const STEPS: &str = "
        - {after: 0s, notify: [{schedule: primary}]}
        - {after: 20s, notify: [{person: bob}]}";

/// The services of the shop that page, and the depot.
const PAGES: usize = SERVICES.len() + 2;

/// What an operator may use of one core while everything fails around it; it is a debug build.
const MOST_OF_A_CORE: f64 = 0.25;

/// What may be asked of a server that does not answer, a second: the lease is tried once a second, and each watch backs off.
const MOST_CALLS: f64 = 5.0;

/// Looks at one object that fail in two minutes: the wait between them doubles from a tenth of a second to half a minute.
const MOST_FAILED: f64 = 15.0;

/// Lines at WARN and ERROR in two minutes: what was under way when the server went, and that the operator goes on by itself.
const MOST_TROUBLES: usize = 12;

/// Writes for one ticket: it is created, and its status says that Ada is to be paged, was, that Bob is, was. One more for a
/// conflict or a retry.
const WRITES_A_TICKET: usize = 6;
/// Writes for one monitor: it is Down. One more for what the outage held up.
const WRITES_A_MONITOR: usize = 2;

struct Outage {
    scene: Scene,
    depot: WebService,
    operator: Operator,
    /// The depot's ticket before the outage.
    planned: Value,
    /// When the server went, since the epoch, and where its log of requests was then.
    began: Duration,
    mark: Mark,
    /// How many lines the operator had logged by then.
    lines: usize,
}

impl Outage {
    /// The depot's page is planned, and the server goes.
    async fn begin(name: &str, flags: &[&str]) -> Result<Self> {
        let scene = Scene::build(name, "ada-hook", STEPS).await?;
        let depot = WebService::start().await?;
        scene.apply(&monitor("depot", &depot.url())).await?;
        let (_, operator) = running(name, &scene, flags).await?;
        scene.stage.wait_for_state("depot", "Up").await?;
        scene.ada.go_away().await;
        depot.break_with(Behaviour::Status(500));
        let tried = |ticket: &Value| page_to(ticket, "ada-hook")["attempts"].as_u64() >= Some(1);
        let planned = scene.stage.wait_for_ticket("depot", "Ada's page was tried", tried).await?;
        let mark = scene.stage.plane.audit()?.mark().await?;
        let began = now()?;
        let lines = operator.logs().lines().count();
        scene.stage.plane.stop_apiserver();
        Ok(Self { scene, depot, operator, planned, began, mark, lines })
    }

    /// When the lease has run out the shop breaks, and Ada can be reached again; two minutes pass. What is to hold in every
    /// look at them is given.
    async fn last(&self, holds: impl Fn() -> Result<()>) -> Result<()> {
        let (scene, operator) = (&self.scene, &self.operator);
        // A page may go out as long as the lease is valid, whatever the mode.
        metric(operator, "leader_election_master_status", &[], |value| value == 0.0).await?;
        scene.ada.come_back().await?;
        scene.break_shop();
        let (began, before) = (Instant::now(), Used::of(operator, scene).await?);
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            holds()?;
            for health in ["/livez", "/readyz"] {
                let (code, text) = operator.get(health).await?;
                ensure!(code == 200, "{health} answers {code} {text}");
            }
            if began.elapsed() >= OUTAGE {
                break;
            }
        }
        before.compare(&Used::of(operator, scene).await?, began.elapsed()).with_context(|| operator.tail())
    }

    /// The server is back: every ticket knows what was sent, with the true times, and nothing was written too often.
    async fn settle(&self) -> Result<()> {
        let (scene, operator) = (&self.scene, &self.operator);
        let answered = now()?;
        scene.stage.plane.start_apiserver().await?;
        for service in SERVICES.iter().chain(&["checkout", "depot"]) {
            let told = |ticket: &Value| {
                ["ada-hook", "bob-hook"].iter().all(|channel| page_to(ticket, channel)["state"] == "Accepted")
            };
            let ticket = scene.stage.wait_for_ticket(service, "both were told", told).await?;
            ensure!(ticket["status"]["state"] == "New", "{}", ticket["status"]);
            for (receiver, channel) in [(&scene.ada, "ada-hook"), (&scene.bob, "bob-hook")] {
                let id = page_to(&ticket, channel)["id"].as_str().context("no id")?;
                let came = pages(receiver).iter().filter(|page| page.id() == Some(id)).count();
                ensure!(came == 1, "{channel} got {service}'s page {came} times; {}", operator.tail());
            }
            let monitor = scene.stage.wait_for_state(service, "Down").await?;
            if *service == "depot" {
                ensure!(ticket["metadata"]["uid"] == self.planned["metadata"]["uid"], "another ticket: {ticket}");
                let id = |ticket: &Value| page_to(ticket, "ada-hook")["id"].clone();
                ensure!(id(&ticket) == id(&self.planned), "the page has another id: {ticket}");
                continue;
            }
            for time in [&ticket["spec"]["origin"]["firstStart"], &monitor["status"]["since"]] {
                let at = unix(time)?;
                ensure!(at + Duration::from_secs(1) >= self.began && at <= answered, "{time} is not in the outage");
            }
        }
        self.everybody_was_paged_once()?;
        self.the_log_says_it_once()?;
        let writes = self.writes_since(self.mark).await?;
        println!("{writes}");
        let most = PAGES * WRITES_A_TICKET + (PAGES + 1) * WRITES_A_MONITOR;
        ensure!(writes.count() <= most, "at most {most} writes were expected, found {writes}");

        // As long as ten looks at each service: a storm would be seen, and nothing has changed.
        let mark = scene.stage.plane.audit()?.mark().await?;
        let looks = scene.stage.shop.requests() + 10 * (PAGES as u64 - 1);
        eventually(PATIENCE, "ten looks", || async {
            ensure!(scene.stage.shop.requests() >= looks, "{} came", scene.stage.shop.requests());
            Ok(())
        })
        .await?;
        let writes = self.writes_since(mark).await?;
        ensure!(writes.count() <= 2, "nothing has changed, and it wrote {writes}");
        Ok(())
    }

    fn everybody_was_paged_once(&self) -> Result<()> {
        for (name, receiver) in [("Ada", &self.scene.ada), ("Bob", &self.scene.bob)] {
            let pages = pages(receiver);
            let ids: BTreeSet<&str> = pages.iter().filter_map(Received::id).collect();
            ensure!(
                (pages.len(), ids.len()) == (PAGES, PAGES),
                "{name} got {} pages of {} ids, expected {PAGES}; {}",
                pages.len(),
                ids.len(),
                self.operator.tail()
            );
        }
        Ok(())
    }

    /// The log says that the API does not answer when it begins, after a minute and when it is over, and nothing else for
    /// every call or watch that fails for it.
    fn the_log_says_it_once(&self) -> Result<()> {
        let log = self.operator.logs();
        let since: Vec<&str> = log.lines().skip(self.lines).collect();
        let said = |what: &str| since.iter().filter(|line| line.contains(what)).count();
        let told = ["API does not answer", "API still does not answer", "API answers again"].map(said);
        // A server that has just been started may be too slow for a call once more.
        ensure!(matches!(told, [1, 1, 1] | [2, 1, 2]), "it was said {told:?} times: {since:#?}");
        let is_trouble = |line: &&&str| line.contains(" WARN ") || line.contains(" ERROR ");
        let troubles: Vec<_> = since.iter().filter(is_trouble).collect();
        println!("{} lines, {} of them troubles", since.len(), troubles.len());
        ensure!(troubles.len() <= MOST_TROUBLES, "{} lines of trouble: {troubles:#?}", troubles.len());
        Ok(())
    }

    /// Everything recovers, and everybody hears it once.
    async fn end(&self) -> Result<()> {
        let (scene, operator) = (&self.scene, &self.operator);
        scene.stage.shop.repair().await?;
        self.depot.repair().await?;
        for service in SERVICES.iter().chain(&["checkout", "depot"]) {
            let over = |ticket: &Value| ticket["status"]["state"] == "Resolved";
            scene.stage.wait_for_ticket(service, "it is over", over).await?;
        }
        for receiver in [&scene.ada, &scene.bob] {
            eventually(PATIENCE, "the word that it is over, of each", || async {
                let over = |one: &Received| one.json().is_ok_and(|body| body["data"]["kind"] == "resolved");
                let came = receiver.received().iter().filter(|one| over(one)).count();
                ensure!(came == PAGES, "{came} came; {}", operator.tail());
                Ok(())
            })
            .await?;
        }
        self.everybody_was_paged_once()
    }

    /// What the operator has written since the mark, but for its lease and Events.
    async fn writes_since(&self, mark: Mark) -> Result<Requests> {
        let all = self.scene.stage.plane.audit()?.since(mark).await?;
        Ok(all.by_service_account(SYSTEM, ACCOUNT).writes().except(&["leases", "events"]))
    }
}

/// What an operator has used and done.
struct Used {
    processor: Duration,
    /// Calls to the API that nobody answered.
    calls: f64,
    /// Looks at objects that failed.
    failed: f64,
    /// Requests that arrived at the shop.
    looks: u64,
}

impl Used {
    async fn of(operator: &Operator, scene: &Scene) -> Result<Self> {
        let metrics = operator.metrics().await?;
        Ok(Self {
            processor: operator.processor_time()?,
            calls: metrics.sum("rest_client_requests_total", &[("code", "error")]),
            failed: metrics.sum("controller_runtime_reconcile_total", &[("result", "failed")]),
            looks: scene.stage.shop.requests(),
        })
    }

    fn compare(&self, after: &Self, passed: Duration) -> Result<()> {
        let used = (after.processor - self.processor).as_secs_f64() / passed.as_secs_f64();
        let calls = (after.calls - self.calls) / passed.as_secs_f64();
        let failed = after.failed - self.failed;
        // Six services at a second each; a busy machine may take twice as long.
        let (looks, least) = (after.looks - self.looks, passed.as_secs() * (SERVICES.len() as u64 + 1) / 2);
        println!("{used:.3} of a core, {calls:.2} calls a second, {failed} looks that failed, {looks} probes");
        ensure!(used <= MOST_OF_A_CORE, "it used {used:.2} of a core");
        ensure!(calls <= MOST_CALLS, "it called {calls:.1} times a second");
        // Tickets and monitors.
        let most = MOST_FAILED * (2 * PAGES) as f64;
        ensure!(failed <= most, "{failed} looks failed, at most {most} were expected");
        ensure!(looks >= least, "only {looks} probes arrived in {passed:?}, at least {least} were expected");
        Ok(())
    }
}

async fn holds() -> Result<()> {
    let outage = Outage::begin("outage-hold", &["--when-api-is-down", "Hold"]).await?;
    let nobody = || {
        let came = pages(&outage.scene.ada).len() + pages(&outage.scene.bob).len();
        ensure!(came == 0, "{came} pages came while it was to hold; {}", outage.operator.tail());
        Ok(())
    };
    outage.last(nobody).await?;
    outage.settle().await?;
    outage.end().await
}

async fn goes_on() -> Result<()> {
    let outage = Outage::begin("outage-page", &["--when-api-is-down", "Page"]).await?;
    outage.last(|| Ok(())).await?;
    // Bob's step has come twenty seconds after Ada's, without the server.
    outage.everybody_was_paged_once()?;
    outage.settle().await?;
    outage.end().await
}

/// Both at once, since they wait for most of their time.
#[tokio::test]
async fn an_outage_of_two_minutes_loses_and_repeats_nothing_whether_the_operator_holds_or_goes_on() -> Result<()> {
    let (held, went_on) = tokio::join!(holds(), goes_on());
    held.context("--when-api-is-down=Hold")?;
    went_on.context("--when-api-is-down=Page")
}
