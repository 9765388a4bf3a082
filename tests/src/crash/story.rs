//! One seed from beginning to end: services break, people act, and what must come is waited for.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use kube::Client;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    check::{self, Summary},
    ground::{self, Ground},
    ledger::Receipt,
    reaper::{Eye, Reaper},
    schedule::{ISLAND_AFTER, Outage, Point, Schedule, Script},
};
use crate::{eventually, operator::Setup, proxy::Proxy};

/// Until a message has come: four crashes, each with the old leader's lease and a start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at the tickets.
const LOOK: Duration = Duration::from_millis(300);
/// Between two looks at the own state.
const SOON: Duration = Duration::from_millis(50);
/// What comes too often comes soon: how long is listened after the end.
const LISTEN: Duration = Duration::from_millis(1_500);

/// What a seed came to.
pub(super) struct Outcome {
    pub(super) summary: Summary,
    /// The point of each kill.
    pub(super) points: Vec<Point>,
    /// Promises that were broken; empty: none.
    pub(super) broken: Vec<String>,
}

/// Lives through a schedule.
pub(super) async fn run(ground: &Ground, schedule: Schedule) -> Outcome {
    let namespace = crate::unique_name(&format!("seed-{}", schedule.seed));
    let (reaper, restarts) = Reaper::new(schedule.clone());
    let seed = Seed { ground, namespace, reaper: reaper.clone(), journals: Mutex::default() };
    let lived = seed.live(&schedule, restarts).await;
    let tickets = seed.list("tickets").await.unwrap_or_default();
    let events = seed.list("ticketevents").await.unwrap_or_default();
    reaper.end();
    ground.leave(&seed.namespace);
    let ledger = reaper.ledger();
    let (summary, mut broken) = check::check(&ledger, &tickets, &events, &schedule);
    broken.extend(check::violations(&reaper.logs()));
    if let Err(error) = lived {
        broken.insert(0, format!("{error:#}"));
    }
    if !broken.is_empty() {
        let path = crate::scratch::root().join(format!("{}.txt", seed.namespace));
        let tickets = serde_json::to_string_pretty(&tickets).unwrap_or_default();
        let _ = std::fs::write(&path, format!("{schedule}\n{ledger:#?}\n{tickets}\n{}", reaper.logs()));
        broken.push(format!("ledger, tickets and logs are in {}", path.display()));
    }
    Outcome { summary, points: ledger.killed().collect(), broken }
}

struct Seed<'a> {
    ground: &'a Ground,
    namespace: String,
    reaper: Arc<Reaper>,
    /// Where each replica keeps what it decides without the API.
    journals: Mutex<Vec<PathBuf>>,
}

impl Seed<'_> {
    async fn live(&self, schedule: &Schedule, restarts: tokio::sync::mpsc::UnboundedReceiver<usize>) -> Result<()> {
        let services: Vec<(String, &str)> = (0..)
            .zip(&schedule.incidents)
            .map(|(place, (script, _))| {
                (format!("service-{place}"), if *script == Script::Noticed { "ticket" } else { "page" })
            })
            .collect();
        self.ground.furnish(&self.namespace, &services).await?;
        self.ground.enter(&self.namespace, self.reaper.clone());
        let (mut proxies, mut setups) = (Vec::new(), Vec::new());
        for replica in 0..schedule.replicas {
            let eye = Arc::new(Eye { reaper: self.reaper.clone(), replica });
            let proxy = Proxy::start(&self.ground.stage.plane, Some(&self.namespace), eye).await?;
            setups.push(self.setup(&proxy, replica)?);
            proxies.push(proxy);
        }
        let keeping = self.reaper.clone().keep_alive(setups, restarts);
        let parting = async {
            if let Some(outage) = schedule.outage {
                self.part(outage, &proxies).await;
            }
            std::future::pending::<()>().await;
        };
        let telling = async {
            let incidents = schedule.incidents.iter().zip(&services);
            try_join_all(incidents.map(|((script, after), (service, _))| self.incident(*script, service, *after)))
                .await?;
            self.settled(services.len()).await
        };
        tokio::select! {
            () = keeping => anyhow::bail!("nobody starts operators any more"),
            () = parting => anyhow::bail!("the outage never ends"),
            told = telling => told,
        }
    }

    /// Parts all replicas from the API server once the first service is broken, and has the leader killed meanwhile.
    async fn part(&self, outage: Outage, proxies: &[Proxy]) {
        while !self.reaper.has_broken() {
            tokio::time::sleep(SOON).await;
        }
        tokio::time::sleep(outage.after).await;
        self.reaper.part(true);
        proxies.iter().for_each(Proxy::swallow);
        let killed = async {
            if let Some(kill) = outage.kill {
                tokio::time::sleep(kill).await;
                self.reaper.kill_leader();
            }
        };
        tokio::join!(tokio::time::sleep(outage.lasts), killed);
        proxies.iter().for_each(Proxy::heal);
        self.reaper.part(false);
    }

    fn setup(&self, proxy: &Proxy, replica: usize) -> Result<Setup> {
        let kubeconfig = proxy.kubeconfig(&self.ground.kubeconfig)?;
        let name = format!("{}-{replica}", self.namespace);
        let data = crate::scratch::folder(&format!("data-{name}"));
        self.journals.lock().push(data.join("island.journal"));
        let setup = Setup::new(&name, &kubeconfig)?.arguments(&[
            "--namespace",
            &format!("{}-system", self.namespace),
            "--data",
            &data.to_string_lossy(),
            "--allow-loopback-probes",
            "--log-format",
            "text",
        ]);
        // Elsewhere a machine that is busy for seconds makes no island.
        let alone = self.reaper.schedule().outage.map(|_| ["--island-after".to_owned(), format!("{ISLAND_AFTER}s")]);
        Ok(setup.arguments(&alone.iter().flatten().map(String::as_str).collect::<Vec<_>>()))
    }

    /// One service's trouble, from the break to the ticket's end.
    async fn incident(&self, script: Script, service: &str, after: Duration) -> Result<()> {
        tokio::time::sleep(after).await;
        self.up(service).await?;
        self.reaper.set_broken(service, true);
        match script {
            Script::Acknowledged => {
                let page = self.message(service, "ada", "page", 1).await?;
                self.acknowledge(&self.ground.ada, &page, "ada").await?;
            }
            Script::Escalated => {
                self.message(service, "ada", "page", 1).await?;
                let page = self.message(service, "bob", "page", 1).await?;
                self.acknowledge(&self.ground.bob, &page, "bob").await?;
            }
            Script::Repeated => self.second_cycle(service).await?,
            Script::Relapsed => {
                let first = self.message(service, "ada", "page", 1).await?;
                self.reaper.set_broken(service, false);
                self.message(service, "ada", "resolved", 1).await?;
                self.reaper.set_broken(service, true);
                self.page_of_the_relapse(service, &first).await?;
            }
            Script::Noticed => drop(self.message(service, "ada", "notice", 1).await?),
        }
        self.reaper.set_broken(service, false);
        self.resolved(service).await
    }

    /// The second cycle has told Ada. After a long absence it does so for both cycles in one page.
    async fn second_cycle(&self, service: &str) -> Result<()> {
        self.ticket(service, &format!("the second cycle about {service} has told ada"), |ticket| {
            let all = ticket["status"]["notifications"].as_array().map(Vec::as_slice).unwrap_or_default();
            let told = |n: &Value| n["kind"] == "page" && n["person"] == "ada" && n["state"] == "Accepted";
            all.iter().any(|n| told(n) && n["cycle"] == 2)
        })
        .await
    }

    /// The step at which the first firing ended runs again, so that the page may be for Bob where leaders were long in
    /// coming. Pages of the first time may still arrive: what was planned before it was over is none of the relapse.
    async fn page_of_the_relapse(&self, service: &str, first: &Receipt) -> Result<()> {
        let over = self.reaper.distinct(service, "ada", "resolved").first().map(|receipt| receipt.at);
        let page = eventually(PATIENCE, &format!("a page of the relapse of {service}"), || async {
            tokio::time::sleep(LOOK).await;
            let planned = self.planned_after(service, over).await?;
            let pages = ["ada", "bob"].map(|person| self.reaper.distinct(service, person, "page"));
            let is_later = |page: &Receipt| page.id != first.id && planned.contains(&page.id);
            pages.into_iter().flatten().find(is_later).context("none came")
        })
        .await?;
        self.acknowledge(&self.ground.ada, &page, "ada").await
    }

    /// The ids of what was planned about a service after that second. Times on tickets are whole seconds: what was planned in the
    /// same one may be of before.
    async fn planned_after(&self, service: &str, since: Option<SystemTime>) -> Result<HashSet<String>> {
        let since = jiff::Timestamp::try_from(since.context("it was never over")?)?.as_second();
        let is_later = |n: &&Value| {
            let planned = n["plannedAt"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
            planned.is_some_and(|at| at.as_second() > since)
        };
        let all = self.list("tickets").await?;
        let own = all.iter().filter(|ticket| ticket["metadata"]["labels"]["service"] == service);
        let listed = own.filter_map(|ticket| ticket["status"]["notifications"].as_array()).flatten();
        Ok(listed.filter(is_later).filter_map(|n| n["id"].as_str().map(str::to_owned)).collect())
    }

    /// The n-th message of a kind to a person about a service, repeats not counted.
    async fn message(&self, service: &str, person: &str, kind: &str, nth: usize) -> Result<Receipt> {
        eventually(PATIENCE, &format!("{kind} {nth} to {person} about {service}"), || async {
            let all = self.reaper.distinct(service, person, kind);
            all.get(nth - 1).cloned().with_context(|| format!("{} came", all.len()))
        })
        .await
    }

    /// Somebody who acknowledges has the ticket before them: what was opened without the API has another uid there than in
    /// its messages, and is there only when the API is back. A page of a trouble that is over is nobody's to take.
    async fn acknowledge(&self, client: &Client, page: &Receipt, who: &str) -> Result<()> {
        let uid = eventually(PATIENCE, &format!("the ticket {}", page.ticket), || async {
            tokio::time::sleep(LOOK).await;
            let all = self.list("tickets").await?;
            let ticket = all.iter().find(|ticket| ticket["metadata"]["name"] == *page.ticket);
            let ticket = ticket.context("it is not there")?;
            ensure!(ticket["status"]["state"] != "Resolved", "it is Resolved");
            Ok(ticket["metadata"]["uid"].clone())
        })
        .await?;
        let event = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "TicketEvent",
            "metadata": {"name": format!("{who}-works-on-{}", page.service), "namespace": self.namespace,
                "ownerReferences": [{"apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
                    "name": page.ticket, "uid": uid}]},
            "spec": {"ticket": page.ticket, "acknowledge": true},
        });
        ground::create(client, &self.path("ticketevents"), &event).await?;
        let what = format!("the acknowledgement of {} by {who}", page.service);
        self.ticket(&page.service, &what, |ticket| ticket["status"]["escalation"]["acknowledgedBy"] == who).await
    }

    async fn up(&self, service: &str) -> Result<()> {
        eventually(PATIENCE, &format!("{service} is Up"), || async {
            tokio::time::sleep(LOOK).await;
            let all = self.list("svcmonitors").await?;
            let monitor = all.iter().find(|monitor| monitor["metadata"]["name"] == service).context("no monitor")?;
            ensure!(monitor["status"]["state"] == "Up", "{}", monitor["status"]);
            Ok(())
        })
        .await
    }

    async fn resolved(&self, service: &str) -> Result<()> {
        let what = format!("the ticket of {service} is Resolved and everybody was told");
        self.ticket(service, &what, |ticket| {
            let unfinished = |n: &Value| !check::is_finished(n);
            let all = ticket["status"]["notifications"].as_array().map(Vec::as_slice).unwrap_or_default();
            ticket["status"]["state"] == "Resolved" && !all.iter().any(unfinished)
        })
        .await
    }

    async fn ticket(&self, service: &str, what: &str, wish: impl Fn(&Value) -> bool) -> Result<()> {
        eventually(PATIENCE, what, || async {
            tokio::time::sleep(LOOK).await;
            let all = self.list("tickets").await?;
            let ticket = all.iter().find(|ticket| ticket["metadata"]["labels"]["service"] == service);
            let ticket = ticket.context("there is no ticket")?;
            ensure!(wish(ticket), "{}", ticket["status"]);
            Ok(())
        })
        .await
    }

    /// Nothing more comes, every monitor says Up, and what was decided without the API is on the tickets.
    async fn settled(&self, services: usize) -> Result<()> {
        eventually(PATIENCE, "every journal is merged", || async {
            tokio::time::sleep(LOOK).await;
            let left: Vec<_> = self.journals.lock().iter().filter(|journal| journal.exists()).cloned().collect();
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
        .await?;
        for place in 0..services {
            let service = format!("service-{place}");
            self.resolved(&service).await?;
            self.up(&service).await?;
        }
        tokio::time::sleep(LISTEN).await;
        Ok(())
    }

    fn path(&self, plural: &str) -> String {
        format!("/apis/firstline.dev/v1alpha1/namespaces/{}/{plural}", self.namespace)
    }

    async fn list(&self, plural: &str) -> Result<Vec<Value>> {
        ground::list(&self.ground.admin, &self.path(plural)).await
    }
}
