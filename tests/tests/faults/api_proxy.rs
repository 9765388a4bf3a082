//! The API server answers, but badly: slowly, not at all to some calls, with 429, 500 or 410, or it takes no writes.
//!
//! A proxy stands between the operator and the API server. Each trouble meets a service that fails meanwhile; afterwards
//! its page has come exactly once and its ticket and monitor say so.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    eventually,
    operator::Operator,
    proxy::{Call, Fault, Proxy, Rules},
    receiver::Received,
    serve::Behaviour,
    stage::{PATIENCE, TEAM},
    web::WebService,
};

use crate::scene::{Scene, metric, monitor, page_to, pages};

/// Ada, and nobody after her.
const ADA_ALONE: &str = "
        - {after: 0s, notify: [{schedule: primary}]}";

/// Shorter than the silence after which a leader goes on by itself.
const TROUBLE: Duration = Duration::from_secs(7);
/// From the break of a service to its page: two failed looks, and what a busy machine adds.
const SOON: Duration = Duration::from_secs(8);
/// What a server that is too busy asks for, in seconds.
const RETRY_AFTER: u64 = 1;
/// What may be asked of a server that takes no writes, a second.
const MOST_CALLS: f64 = 10.0;
/// The calls that are one: the first and its retries.
const TRIES: usize = 5;

/// An operator whose calls all pass through a proxy.
pub(crate) struct Proxied {
    pub(crate) scene: Scene,
    proxy: Proxy,
    pub(crate) rules: Arc<Rules>,
    pub(crate) operator: Operator,
}

impl Proxied {
    async fn running(name: &str, flags: &[&str]) -> Result<Self> {
        Self::running_with(name, ADA_ALONE, flags).await
    }

    /// The same with other steps of the escalation.
    pub(crate) async fn running_with(name: &str, steps: &str, flags: &[&str]) -> Result<Self> {
        let scene = Scene::build(name, "ada-hook", steps).await?;
        let rules = Arc::new(Rules::default());
        let (proxy, setup) = scene.proxied(name, rules.clone(), flags).await?;
        let operator = setup.start()?;
        operator.wait_ready(PATIENCE).await?;
        Ok(Self { scene, proxy, rules, operator })
    }

    /// A service with a monitor, looked at every second, that is Up.
    async fn service(&self, name: &str) -> Result<WebService> {
        let web = self.watched(name).await?;
        self.scene.stage.wait_for_state(name, "Up").await?;
        Ok(web)
    }

    async fn watched(&self, name: &str) -> Result<WebService> {
        let web = WebService::start().await?;
        self.scene.apply(&monitor(name, &web.url())).await?;
        Ok(web)
    }

    fn pages_of(&self, service: &str) -> Vec<Received> {
        let of_service = |page: &Received| page.json().is_ok_and(|body| body["data"]["labels"]["service"] == service);
        pages(&self.scene.ada).into_iter().filter(of_service).collect()
    }

    /// The page of a service has come, its ticket knows, and it was the only one.
    async fn paged_once(&self, service: &str) -> Result<Value> {
        eventually(PATIENCE, &format!("a page about {service}"), || async {
            ensure!(!self.pages_of(service).is_empty(), "none came; {}", self.operator.tail());
            Ok(())
        })
        .await?;
        let accepted = |ticket: &Value| page_to(ticket, "ada-hook")["state"] == "Accepted";
        let ticket = self.scene.stage.wait_for_ticket(service, "its page is Accepted", accepted).await?;
        let id = page_to(&ticket, "ada-hook")["id"].as_str();
        let received = self.pages_of(service);
        let ids: Vec<_> = received.iter().map(Received::id).collect();
        ensure!(ids == [id], "expected one page with the id {id:?}, found {ids:?}; {}", self.operator.tail());
        Ok(ticket)
    }

    /// A service breaks. How long its page takes, whatever its ticket can say.
    async fn breaks(&self, web: &WebService, service: &str) -> Result<Duration> {
        let began = Instant::now();
        web.break_with(Behaviour::Status(500));
        eventually(PATIENCE, &format!("a page about {service}"), || async {
            ensure!(self.pages_of(service).len() == 1, "none came; {}", self.operator.tail());
            Ok(began.elapsed())
        })
        .await
    }

    /// A service fails while calls meet a rule for a while; probes go on.
    async fn fails_during(&self, web: &WebService, rule: impl Fn(&Call) -> Fault + Send + 'static) -> Result<()> {
        let (began, looks) = (Instant::now(), web.requests());
        self.rules.set(rule);
        self.proxy.cut_watches();
        web.break_with(Behaviour::Status(500));
        eventually(PATIENCE, "probes during the trouble", || async {
            ensure!(began.elapsed() >= TROUBLE && web.requests() >= looks + 5, "{} looks", web.requests() - looks);
            Ok(())
        })
        .await
    }
}

/// One time in so many, by a fixed sequence.
fn one_in(n: u64, seed: u64) -> impl Fn() -> bool {
    let state = AtomicU64::new(seed);
    move || {
        let next = |state: u64| state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let old = state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| Some(next(state)));
        old.is_ok_and(|old| (old >> 33) % n == 0)
    }
}

/// Each watch was cut once and began anew: its first calls are one and its retries, each as long after the other as the
/// server has asked for.
fn waits_as_asked(refused: &[Call]) -> Result<()> {
    let mut watches = BTreeMap::<&str, Vec<Instant>>::new();
    for call in refused.iter().filter(|call| call.verb == "WATCH") {
        watches.entry(&call.uri).or_default().push(call.at);
    }
    let mut retries = 0;
    for (uri, calls) in watches {
        for pair in calls[..calls.len().min(TRIES)].windows(2) {
            let waited = pair[1] - pair[0];
            ensure!(waited >= Duration::from_secs(RETRY_AFTER), "{uri} was tried again after {waited:?}");
            retries += 1;
        }
    }
    ensure!(retries > 10, "only {retries} retries");
    Ok(())
}

#[tokio::test]
async fn an_api_server_that_is_slow_cuts_or_refuses_costs_no_page_repeats_none_and_is_not_stormed() -> Result<()> {
    let world = Proxied::running("api-trouble", &[]).await?;
    let (slow, cut) = (world.service("slow").await?, world.service("cut").await?);
    let (busy, broken) = (world.service("busy").await?, world.service("broken").await?);

    // Every answer takes one to two seconds. The lease holds, and the page comes while it lasts, as an ordinary one.
    let calls = AtomicU64::new(0);
    let late =
        move |_: &Call| Fault::Delay(Duration::from_millis(1_000 + calls.fetch_add(311, Ordering::Relaxed) % 900));
    world.fails_during(&slow, late).await?;
    world.paged_once("slow").await?;
    let page = world.pages_of("slow").pop().context("it came")?.json()?;
    ensure!(page["data"]["possibleDuplicate"].is_null(), "it went on by itself: {}", world.operator.tail());
    world.rules.clear();
    world.scene.stage.wait_for_state("slow", "Down").await?;

    // Some calls never reach the API server, and of some that it has carried out the answer is lost.
    let (before, after) = (one_in(6, 7), one_in(6, 11));
    world.rules.set_answers(move |_| if after() { Fault::Cut } else { Fault::Pass });
    world.fails_during(&cut, move |_| if before() { Fault::Cut } else { Fault::Pass }).await?;
    world.paged_once("cut").await?;
    world.rules.clear();
    world.scene.stage.wait_for_state("cut", "Down").await?;

    for (service, web, code, retry_after) in [("busy", &busy, 429, Some(RETRY_AFTER)), ("broken", &broken, 500, None)] {
        let began = Instant::now();
        world.fails_during(web, move |_| Fault::Answer(code, retry_after)).await?;
        let refused = world.proxy.calls_since(began);
        println!("{} calls while all were answered {code}", refused.len());
        ensure!(refused.len() < 200, "{} calls while all were answered {code}", refused.len());
        if retry_after.is_some() {
            waits_as_asked(&refused)?;
        }
        let healed = Instant::now();
        world.rules.clear();
        world.paged_once(service).await?;
        world.scene.stage.wait_for_state(service, "Down").await?;
        eventually(PATIENCE, "twenty seconds after the trouble", || async {
            ensure!(healed.elapsed() >= Duration::from_secs(20), "{:?}", healed.elapsed());
            Ok(())
        })
        .await?;
        let calls = world.proxy.calls_since(healed);
        let mut kinds = BTreeMap::<String, usize>::new();
        for call in &calls {
            *kinds.entry(format!("{} {}", call.verb, call.resource)).or_default() += 1;
        }
        println!("{} calls in twenty seconds after {code}: {kinds:?}", calls.len());
        ensure!(calls.len() < 100, "{} calls in twenty seconds after {code}: {kinds:?}", calls.len());
    }
    for service in ["slow", "cut", "busy", "broken"] {
        ensure!(world.pages_of(service).len() == 1, "{service} was paged again; {}", world.operator.tail());
    }
    Ok(())
}

/// All watches break and their place in history is gone, which some are told in the stream, as by an API server, and others by the
/// code of the answer, as by what stands before one; what happened meanwhile is seen in the list.
#[tokio::test]
async fn what_vanishes_appears_and_changes_while_watches_are_answered_410_is_seen_by_the_next_list() -> Result<()> {
    let world = Proxied::running("api-gone-410", &[]).await?;
    let (old, failing, left) =
        (world.service("old").await?, world.service("failing").await?, world.service("moved").await?);
    let moved_to = WebService::start().await?;
    failing.break_with(Behaviour::Status(500));
    let before = world.paged_once("failing").await?;

    let began = Instant::now();
    world.rules.set(|call| match (call.verb.as_str(), call.resource.as_str()) {
        ("WATCH", "svcmonitors" | "ticketevents" | "silences") => Fault::Expire,
        ("WATCH", _) => Fault::Answer(410, None),
        ("GET", "svcmonitors" | "tickets") if !call.uri.contains("/namespaces/") => Fault::Answer(503, None),
        _ => Fault::Pass,
    });
    world.proxy.cut_watches();
    let name = before["metadata"]["name"].as_str().context("a name")?;
    for (kind, name) in [("svcmonitors", "old"), ("tickets", name)] {
        world.scene.stage.plane.kubectl(&["-n", TEAM, "delete", kind, name, "--wait=false"]).await?.ok()?;
    }
    let policy = world.scene.policy("ada-hook", ADA_ALONE);
    let policy = policy.replace(&world.scene.ada.url("/ada"), &world.scene.ada.url("/ada-now"));
    world.scene.apply(&format!("{policy}\n---\n{}", monitor("moved", &moved_to.url()))).await?;
    let fresh = world.watched("fresh").await?;
    eventually(PATIENCE, "watches that were refused", || async {
        let refused = world.proxy.calls_since(began).iter().filter(|call| call.verb == "WATCH").count();
        ensure!(began.elapsed() > TROUBLE && refused > 2, "{refused}");
        Ok(())
    })
    .await?;
    let calls = world.proxy.calls_since(began).len();
    println!("{calls} calls in {:?} of refused watches", began.elapsed());
    ensure!(calls < 120, "{calls} calls in {:?} of refused watches", began.elapsed());
    let healed = Instant::now();
    world.rules.clear();

    // The kinds are listed in any order.
    eventually(PATIENCE, "the policy as it is now was seen", || async {
        let policy = world.scene.stage.get("supportpolicies", "payments").await?;
        ensure!(policy["status"]["observedGeneration"] == policy["metadata"]["generation"], "{}", policy["status"]);
        Ok(())
    })
    .await?;
    fresh.break_with(Behaviour::Status(500));
    world.paged_once("fresh").await?;
    let paths: Vec<String> = world.pages_of("fresh").into_iter().map(|page| page.path).collect();
    ensure!(paths == ["/ada-now"], "the page came at {paths:?}; {}", world.operator.tail());
    // The service still fails: a new ticket, with a page of its own.
    let another = |ticket: &Value| {
        ticket["metadata"]["uid"] != before["metadata"]["uid"] && page_to(ticket, "ada-hook")["state"] == "Accepted"
    };
    world.scene.stage.wait_for_ticket("failing", "a new one that was paged", another).await?;
    eventually(PATIENCE, "looks at the other address", || async {
        ensure!(moved_to.requests() >= 3, "{}; {}", moved_to.requests(), world.operator.tail());
        Ok(())
    })
    .await?;
    let calls = world.proxy.calls_since(healed);
    for kind in ["svcmonitors", "tickets"] {
        let lists = |call: &Call| call.is(&format!("GET {kind}")) && !call.uri.contains("/namespaces/");
        ensure!(calls.iter().any(lists), "{kind} were not listed; {}", world.operator.tail());
    }
    let looks = [&old, &left].map(WebService::requests);
    let done = metric(&world.operator, "firstline_probe_results_total", &[], |_| true).await?;
    metric(&world.operator, "firstline_probe_results_total", &[], |value| value >= done + 12.0).await?;
    for (web, looks) in [&old, &left].into_iter().zip(looks) {
        // One may have been under way.
        ensure!(web.requests() <= looks + 1, "{} is still looked at; {}", web.url(), world.operator.tail());
    }
    let received = world.pages_of("failing");
    ensure!(received.len() == 2 && received[0].id() != received[1].id(), "{received:?}");
    Ok(())
}

/// A load balancer says how long it would like us to wait, and the API is back before.
#[tokio::test]
async fn an_acknowledgement_is_heard_soon_after_an_outage_in_which_a_wait_of_a_minute_was_asked_for() -> Result<()> {
    let world = Proxied::running("retry-after", &[]).await?;
    world.scene.stage.wait_for_state("checkout", "Up").await?;
    world.scene.break_shop();
    let ticket = world.scene.told("ada-hook", "Accepted").await?;
    let began = Instant::now();
    world.rules.set(|call| if call.verb == "WATCH" { Fault::Answer(503, Some(60)) } else { Fault::Pass });
    world.proxy.cut_watches();
    eventually(PATIENCE, "every watch refused", || async {
        let calls = world.proxy.calls_since(began);
        let watches = calls.iter().filter(|call| call.verb == "WATCH");
        let refused: std::collections::BTreeSet<_> = watches.map(|call| &call.resource).collect();
        ensure!(refused.len() >= 9, "{refused:?}");
        Ok(())
    })
    .await?;
    world.rules.clear();
    let back = Instant::now();
    world.scene.acknowledge(&ticket).await?;
    world.scene.ticket("acknowledged", |ticket| ticket["status"]["escalation"]["acknowledgedBy"] == "ada").await?;
    ensure!(back.elapsed() < Duration::from_secs(20), "it took {:?}", back.elapsed());
    Ok(())
}

/// Calls that began before it hang for half a minute; nobody waits for them, and what they have done all the same is ours.
#[tokio::test]
async fn what_fails_in_the_moment_in_which_the_network_swallows_all_is_paged_when_the_island_begins() -> Result<()> {
    let world = Proxied::running("swallowed", &["--island-after", "5s"]).await?;
    let (shop, stock) = (world.service("shop").await?, world.service("stock").await?);
    // The API has the page of the stock as planned, and the operator does not hear that.
    let planned = Arc::new(AtomicBool::new(false));
    let is_planned = planned.clone();
    world.rules.set_answers(move |call| {
        if !call.is("PATCH tickets/status") {
            return Fault::Pass;
        }
        is_planned.store(true, Ordering::SeqCst);
        Fault::Delay(PATIENCE)
    });
    stock.break_with(Behaviour::Status(500));
    eventually(PATIENCE, "a page that is planned", || async {
        ensure!(planned.load(Ordering::SeqCst), "not yet; {}", world.operator.tail());
        Ok(())
    })
    .await?;

    world.proxy.swallow();
    let began = Instant::now();
    shop.break_with(Behaviour::Status(500));
    for service in ["shop", "stock"] {
        eventually(PATIENCE, "a page", || async {
            ensure!(world.pages_of(service).len() == 1, "none about {service}; {}", world.operator.tail());
            Ok(())
        })
        .await?;
    }
    // The silence of five seconds, what is left of a call that began before it, and a busy machine.
    ensure!(began.elapsed() < Duration::from_secs(5 + 10), "{:?}; {}", began.elapsed(), world.operator.tail());
    let hanging = world.proxy.calls_since(began);
    ensure!(hanging.iter().any(|call| call.is("POST tickets")), "nothing hung: {hanging:?}");
    world.rules.clear();
    world.proxy.heal();
    for service in ["shop", "stock"] {
        let ticket = world.paged_once(service).await?;
        let story = ticket["status"]["timeline"].to_string();
        ensure!(story.contains("Islanded") && !story.contains("another leader"), "{service}: {story}");
    }
    Ok(())
}

/// The lease cannot be renewed and nobody else can take it: the leader goes on by itself and writes it all down afterwards.
#[tokio::test]
async fn an_etcd_that_takes_no_writes_delays_a_page_until_the_leader_goes_on_and_later_ones_not_at_all() -> Result<()> {
    let alone = Duration::from_secs(5);
    let world = Proxied::running("read-only", &["--island-after", "5s"]).await?;
    let (shop, stock, till) =
        (world.service("shop").await?, world.service("stock").await?, world.service("till").await?);
    stock.break_with(Behaviour::Status(500));
    world.paged_once("stock").await?;

    world.scene.stage.plane.etcd_read_only(true).await?;
    let began = Instant::now();
    let waited = world.breaks(&shop, "shop").await?;
    ensure!(waited < alone + SOON, "the page took {waited:?}; {}", world.operator.tail());
    metric(&world.operator, "firstline_islanded", &[], |value| value == 1.0).await?;
    let waited = world.breaks(&till, "till").await?;
    ensure!(waited < SOON, "on the island the page took {waited:?}; {}", world.operator.tail());
    let (calls, lasted) = (world.proxy.calls_since(began).len(), began.elapsed());
    println!("{calls} calls in {lasted:?} without writes");
    ensure!((calls as f64) < MOST_CALLS * lasted.as_secs_f64(), "{calls} calls in {lasted:?} without writes");
    world.scene.stage.plane.etcd_read_only(false).await?;

    for service in ["shop", "till"] {
        world.paged_once(service).await?;
        world.scene.stage.wait_for_state(service, "Down").await?;
    }
    metric(&world.operator, "firstline_islanded", &[], |value| value == 0.0).await?;
    world.paged_once("stock").await?;
    Ok(())
}
