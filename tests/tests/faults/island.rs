//! The API server is gone for longer than a leader waits for it: it goes on by itself, and loses and repeats nothing.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use serde_json::Value;
use tests::{
    eventually,
    operator::{Operator, Setup},
    receiver::{Answer, Received, Receiver},
    serve::Behaviour,
    stage::PATIENCE,
    web::WebService,
};

use crate::scene::{Scene, TWO_STEPS, let_pass, metric, monitor, now, page, page_to, pages, unix};

pub(crate) const SERVICES: [&str; 5] = ["basket", "billing", "catalogue", "login", "search"];

/// Ada alone, and nobody after her.
pub(crate) const ADA_ALONE: &str = "
        - {after: 0s, notify: [{schedule: primary}]}";

/// Bob long enough after Ada for a restart in between.
const BOB_LATER: &str = "
        - {after: 0s, notify: [{schedule: primary}]}
        - {after: 20s, notify: [{person: bob}]}";

/// Five more services of the same shop, and an operator that goes on by itself after five seconds.
pub(crate) async fn running(name: &str, scene: &Scene, flags: &[&str]) -> Result<(Setup, Operator)> {
    let setup = scene.stage.setup(name).await?.arguments(flags);
    running_as(scene, setup).await
}

/// The same, started in another way.
pub(crate) async fn running_as(scene: &Scene, setup: Setup) -> Result<(Setup, Operator)> {
    let monitors = SERVICES.map(|service| scene.stage.fill(&monitor(service, "http://127.0.0.1:8081/healthz")));
    scene.apply(&monitors.join("---")).await?;
    let setup = setup.arguments(&["--island-after", "5s"]);
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    for monitor in SERVICES.iter().chain(&["checkout", "checkout-port"]) {
        scene.stage.wait_for_state(monitor, "Up").await?;
    }
    Ok((setup, operator))
}

/// The outage begins; the operator goes on by itself. Gives when it began, since the epoch.
pub(crate) async fn cut_off(scene: &Scene, operator: &Operator) -> Result<Duration> {
    let began = now()?;
    scene.stage.plane.stop_apiserver();
    metric(operator, "firstline_islanded", &[], |value| value == 1.0).await?;
    Ok(began)
}

/// Pages for all six services that fail.
pub(crate) async fn all_paged(receiver: &Receiver, operator: &Operator) -> Result<Vec<Received>> {
    eventually(PATIENCE, "six pages", || async {
        let found = pages(receiver);
        ensure!(found.len() > SERVICES.len(), "{} came; {}", found.len(), operator.tail());
        Ok(found)
    })
    .await
}

/// The tickets of all six services, once what was sent to a channel is written on each of them.
pub(crate) async fn tickets(scene: &Scene, channel: &str) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for service in SERVICES.iter().chain(&["checkout"]) {
        let wish = |ticket: &Value| page_to(ticket, channel)["state"] == "Accepted";
        found.push(scene.stage.wait_for_ticket(service, "it knows what was sent", wish).await?);
    }
    Ok(found)
}

pub(crate) fn ids(pages: &[Received]) -> BTreeSet<String> {
    pages.iter().filter_map(Received::id).map(str::to_owned).collect()
}

/// Where an operator keeps its journal.
pub(crate) fn data(scene: &Scene, name: &str) -> PathBuf {
    scene.stage.plane.folder().join(format!("data-{name}"))
}

/// The decisions in the journal, the last one of each ticket.
fn journal(scene: &Scene, name: &str) -> Result<Vec<Value>> {
    decisions(&data(scene, name))
}

/// The decisions in the journal of this folder, the last one of each ticket.
pub(crate) fn decisions(data: &Path) -> Result<Vec<Value>> {
    let path = data.join("island.journal");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut last = std::collections::BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let record: Value = serde_json::from_str(line)?;
        if record["record"] == "decided" {
            last.insert(record["ticket"]["metadata"]["name"].to_string(), record["ticket"].clone());
        }
    }
    Ok(last.into_values().collect())
}

/// The journal knows what came of all six pages.
pub(crate) async fn every_receipt_kept(data: &Path) -> Result<()> {
    eventually(PATIENCE, "every receipt in the journal", || async {
        let all = decisions(data)?;
        let received = all.iter().filter(|ticket| page_to(ticket, "ada-hook")["state"] == "Accepted").count();
        ensure!(received == SERVICES.len() + 1, "{received} are there");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn services_that_fail_while_the_api_is_gone_page_once_each_and_have_their_tickets_afterwards() -> Result<()> {
    let scene = Scene::build("island", "ada-hook", ADA_ALONE).await?;
    let (_, operator) = running("island", &scene, &[]).await?;
    let began = cut_off(&scene, &operator).await?;
    scene.break_shop();
    let received = all_paged(&scene.ada, &operator).await?;
    for page in &received {
        scene.ada.verify(page)?;
        ensure!(page.json()?["data"]["possibleDuplicate"] == true, "not marked: {}", page.json()?);
    }
    // As long again: nothing more comes, whatever is looked at.
    let looks = operator.metrics().await?.sum("firstline_probe_results_total", &[]);
    metric(&operator, "firstline_probe_results_total", &[], |value| value > looks + 100.0).await?;
    assert_eq!(pages(&scene.ada).len(), SERVICES.len() + 1, "{}", operator.tail());

    let answered = now()?;
    scene.stage.plane.start_apiserver().await?;
    let tickets = tickets(&scene, "ada-hook").await?;
    metric(&operator, "firstline_islanded", &[], |value| value == 0.0).await?;
    for ticket in &tickets {
        let told = page_to(ticket, "ada-hook");
        let times =
            [&ticket["spec"]["origin"]["firstStart"], &ticket["spec"]["origin"]["island"]["openedAt"], &told["at"]];
        for time in times {
            let at = unix(time)?;
            ensure!(at + Duration::from_secs(1) >= began && at <= answered, "{time} is not in the outage: {ticket}");
        }
        ensure!(told["attempts"] == 1 && ids(&received).contains(told["id"].as_str().unwrap_or_default()), "{told}");
        let line = |what: &str| {
            ticket["status"]["timeline"].as_array().is_some_and(|all| all.iter().any(|line| line["what"] == what))
        };
        ensure!(line("Fired") && line("Step") && line("Islanded"), "{}", ticket["status"]["timeline"]);
    }
    ensure!(journal(&scene, "island").is_err(), "the journal is still there");

    // It is an ordinary ticket from here on: acknowledged, recovered, resolved, and never paged again.
    scene.acknowledge(&scene.ticket("any", |_| true).await?).await?;
    scene.ticket("acknowledged", |ticket| ticket["status"]["escalation"]["acknowledgedBy"] == "ada").await?;
    scene.stage.shop.repair().await?;
    let resolved = scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    ensure!(resolved["status"]["number"].is_number(), "{}", resolved["status"]);
    assert_eq!((pages(&scene.ada).len(), ids(&pages(&scene.ada)).len()), (6, 6), "{}", operator.tail());
    Ok(())
}

/// The restarted process has nothing but its journal, and no Secrets: Bob's channel needs none.
#[tokio::test]
async fn a_crash_in_the_middle_repeats_nothing_that_was_received_and_the_escalation_goes_on_from_the_journal()
-> Result<()> {
    let name = "island-crash";
    let scene = Scene::build(name, "ada-hook", BOB_LATER).await?;
    let unsigned = scene.policy("ada-hook", BOB_LATER).replace("signingSecretRef: {name: bob, key: key}, ", "");
    let unsigned = unsigned.replace("signingSecretRef: {name: ada, key: key}, ", "");
    let promising = |response: &str| {
        let sla = format!("sla: [{{priority: P1, calendar: always, firstResponse: {response}}}]");
        format!("{unsigned}  applyTo: Running\n  {sla}\n")
    };
    scene.apply(&promising("15m")).await?;
    let depot = WebService::start().await?;
    scene.apply(&monitor("depot", &depot.url())).await?;
    let (setup, operator) = running(name, &scene, &[]).await?;
    // A ticket whose promises were moved before the outage.
    scene.stage.wait_for_state("depot", "Up").await?;
    depot.break_with(Behaviour::Status(500));
    let told = |ticket: &Value| page_to(ticket, "ada-hook")["state"] == "Accepted";
    scene.acknowledge(&scene.stage.wait_for_ticket("depot", "Ada was told", told).await?).await?;
    let taken = |ticket: &Value| ticket["status"]["escalation"]["acknowledgedBy"] == "ada";
    scene.stage.wait_for_ticket("depot", "acknowledged", taken).await?;
    scene.apply(&promising("10m")).await?;
    let moved = |ticket: &Value| ticket["status"]["timeline"].to_string().contains("PromisesChanged");
    scene.stage.wait_for_ticket("depot", "it lives by the new promises", moved).await?;
    let of_depot = |page: &Received| page.json().is_ok_and(|body| body["data"]["labels"]["service"] == "depot");
    let of_shop = |receiver: &Receiver| pages(receiver).into_iter().filter(|page| !of_depot(page)).collect::<Vec<_>>();

    cut_off(&scene, &operator).await?;
    scene.break_shop();
    eventually(PATIENCE, "six pages", || async {
        ensure!(of_shop(&scene.ada).len() == SERVICES.len() + 1, "{}", operator.tail());
        Ok(())
    })
    .await?;
    let first = of_shop(&scene.ada);
    every_receipt_kept(&data(&scene, name)).await?;
    operator.kill9();

    let again = setup.start()?;
    let second = all_paged(&scene.bob, &again).await?;
    assert_eq!((of_shop(&scene.ada).len(), second.len()), (6, 6), "{}", again.tail());
    ensure!(second.iter().all(|page| page.json().is_ok_and(|body| body["data"]["possibleDuplicate"] == true)));
    depot.repair().await?;
    eventually(PATIENCE, "Ada hears that the depot is well", || async {
        let over = |one: &Received| one.json().is_ok_and(|body| body["data"]["kind"] == "resolved") && of_depot(one);
        ensure!(scene.ada.received().iter().any(over), "{}", again.tail());
        Ok(())
    })
    .await?;
    scene.stage.plane.start_apiserver().await?;
    tickets(&scene, "bob-hook").await?;
    for ticket in tickets(&scene, "ada-hook").await? {
        let (ada, bob) = (page_to(&ticket, "ada-hook"), page_to(&ticket, "bob-hook"));
        ensure!(ids(&first).contains(ada["id"].as_str().unwrap_or_default()), "{ada}");
        let later = unix(&bob["plannedAt"])? - unix(&ada["plannedAt"])?;
        ensure!(later == Duration::from_secs(20), "Bob's step was planned {later:?} after Ada's: {bob}");
    }
    again.wait_ready(PATIENCE).await?;
    metric(&again, "leader_election_master_status", &[], |value| value == 1.0).await?;
    assert_eq!((pages(&scene.ada).len(), pages(&scene.bob).len()), (7, 6), "{}", again.tail());
    Ok(())
}

/// Looks into the journal in the moment in which a page comes to Ada: for each, whether it was there as planned.
fn planned_when_it_came(scene: &Scene, name: &str) -> Arc<Mutex<Vec<bool>>> {
    let (path, all) = (data(scene, name).join("island.journal"), Arc::new(Mutex::new(Vec::new())));
    let seen = all.clone();
    scene.ada.on_request(move |request| {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // The last line may be half there: it is that of another ticket.
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let planned = records.filter(|record| record["record"] == "decided").any(|record| {
            let told = page_to(&record["ticket"], "ada-hook");
            told["state"] == "Planned" && told["id"].as_str() == request.id()
        });
        seen.lock().push(planned);
    });
    all
}

/// Killed in the middle: some pages have their receipts, one is at its receiver, the rest are only planned. What was sent by
/// then was in the journal before. That it was on the disk as well is not shown: a kill loses nothing that the kernel has
/// and has not written yet.
#[tokio::test]
async fn a_crash_between_pages_repeats_only_the_one_that_was_on_its_way_and_sends_the_rest() -> Result<()> {
    let name = "island-middle";
    let scene = Scene::build(name, "ada-hook", ADA_ALONE).await?;
    // A process that is restarted without the API has no Secrets.
    let unsigned = scene.policy("ada-hook", ADA_ALONE).replace("signingSecretRef: {name: ada, key: key}, ", "");
    scene.apply(&unsigned).await?;
    let (setup, operator) = running(name, &scene, &[]).await?;
    cut_off(&scene, &operator).await?;
    let ok = || Answer::Status(200);
    scene.ada.script([ok(), ok(), ok(), Answer::Hang]);
    let in_time = planned_when_it_came(&scene, name);
    scene.break_shop();
    let before = eventually(PATIENCE, "three receipts, a page on its way and two that wait", || async {
        let (all, came) = (journal(&scene, name)?, pages(&scene.ada));
        let states: Vec<&Value> = all.iter().map(|ticket| &page_to(ticket, "ada-hook")["state"]).collect();
        let accepted = states.iter().filter(|state| **state == "Accepted").count();
        // A ticket stands in the journal before its page is planned there.
        let planned = states.iter().filter(|state| !state.is_null()).count();
        ensure!((accepted, planned, states.len(), came.len()) == (3, 6, 6, 4), "{states:?}, {} came", came.len());
        Ok(came)
    })
    .await?;
    let planned: BTreeSet<String> = journal(&scene, name)?
        .iter()
        .filter_map(|ticket| page_to(ticket, "ada-hook")["id"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(*in_time.lock(), [true; 4], "a page came before the journal had it as planned; {}", operator.tail());
    operator.kill9();

    let again = setup.start()?;
    eventually(PATIENCE, "the page on its way again, and the rest", || async {
        let came = pages(&scene.ada);
        ensure!((came.len(), ids(&came).len()) == (7, 6), "{} came; {}", came.len(), again.tail());
        Ok(())
    })
    .await?;
    scene.stage.plane.start_apiserver().await?;
    let tickets = tickets(&scene, "ada-hook").await?;
    again.wait_ready(PATIENCE).await?;
    metric(&again, "leader_election_master_status", &[], |value| value == 1.0).await?;
    let received = pages(&scene.ada);
    assert_eq!((received.len(), ids(&received)), (7, planned), "{}", again.tail());
    let hung = before.last().and_then(Received::id);
    for ticket in &tickets {
        let id = page_to(ticket, "ada-hook")["id"].as_str();
        let times = received.iter().filter(|page| page.id() == id).count();
        ensure!(times == 1 + usize::from(id == hung), "{id:?} came {times} times; {}", again.tail());
    }
    Ok(())
}

/// A ticket of before, whose escalation goes on: it is the same ticket, written on when the API answers.
#[tokio::test]
async fn an_escalation_that_has_begun_goes_on_without_the_api_and_only_one_replica_does_it() -> Result<()> {
    let scene = Scene::build("island-two", "ada-hook", TWO_STEPS).await?;
    let (_, leader) = running("island-two", &scene, &[]).await?;
    let (_, follower) = scene.stage.start("island-follower").await?;
    scene.ada.go_away().await;
    scene.break_shop();
    let before = scene.told("ada-hook", "Planned").await?;
    scene.stage.plane.stop_apiserver();
    let began = Instant::now();
    let told = |receiver: &Receiver| {
        let of_checkout =
            |page: &&Received| page.json().is_ok_and(|body| body["data"]["ticket"] == before["metadata"]["name"]);
        pages(receiver).iter().filter(of_checkout).count()
    };
    eventually(PATIENCE, "Bob's page", || async {
        ensure!(told(&scene.bob) == 1, "{} came; {}", told(&scene.bob), leader.tail());
        Ok(())
    })
    .await?;
    ensure!(began.elapsed() < PATIENCE / 2, "it took {:?}", began.elapsed());
    scene.ada.come_back().await?;
    page(&scene.ada).await?;
    scene.stage.plane.start_apiserver().await?;
    let after = scene.told("bob-hook", "Accepted").await?;
    scene.told("ada-hook", "Accepted").await?;
    ensure!(after["metadata"]["uid"] == before["metadata"]["uid"], "{after}");
    ensure!(page_to(&after, "ada-hook")["id"] == page_to(&before, "ada-hook")["id"], "{after}");
    metric(&leader, "leader_election_master_status", &[], |value| value == 1.0).await?;
    ensure!(leader.is_running() && follower.is_running(), "{}\n{}", leader.tail(), follower.tail());
    assert_eq!((told(&scene.ada), told(&scene.bob)), (1, 1), "{}", leader.tail());
    Ok(())
}

/// The kiosk was down before, and recovers meanwhile: Bob's step is overdue when the API answers, and not needed any more.
#[tokio::test]
async fn an_operator_that_is_told_to_hold_sends_nothing_until_the_api_answers_and_then_only_what_is_needed_still()
-> Result<()> {
    let scene = Scene::build("island-hold", "ada-hook", BOB_LATER).await?;
    let kiosk = WebService::start().await?;
    scene.apply(&monitor("kiosk", &kiosk.url())).await?;
    let (_, operator) = running("island-hold", &scene, &["--when-api-is-down", "Hold"]).await?;
    scene.stage.wait_for_state("kiosk", "Up").await?;
    kiosk.break_with(Behaviour::Status(500));
    let told = |ticket: &Value| page_to(ticket, "ada-hook")["state"] == "Accepted";
    let ticket = scene.stage.wait_for_ticket("kiosk", "Ada was told", told).await?;
    let overdue = unix(&ticket["status"]["escalation"]["cycleStart"])? + Duration::from_secs(20);
    scene.stage.plane.stop_apiserver();
    metric(&operator, "leader_election_master_status", &[], |value| value == 0.0).await?;
    kiosk.repair().await?;
    scene.break_shop();
    let looks = operator.metrics().await?.sum("firstline_probe_results_total", &[]);
    metric(&operator, "firstline_probe_results_total", &[], |value| value > looks + 100.0).await?;
    let_pass(overdue).await?;
    assert_eq!((pages(&scene.ada).len(), operator.metrics().await?.sum("firstline_islanded", &[])), (1, 0.0));
    scene.stage.plane.start_apiserver().await?;
    let over = |ticket: &Value| ticket["status"]["alerts"]["firing"] == 0;
    scene.stage.wait_for_ticket("kiosk", "it has recovered", over).await?;
    tickets(&scene, "ada-hook").await?;
    let received = pages(&scene.ada);
    ensure!(received.iter().all(|page| page.json().is_ok_and(|body| body["data"]["possibleDuplicate"].is_null())));
    assert_eq!(received.len(), SERVICES.len() + 2, "{}", operator.tail());
    let of_kiosk = |page: &Received| page.json().is_ok_and(|body| body["data"]["ticket"] == ticket["metadata"]["name"]);
    ensure!(!pages(&scene.bob).iter().any(of_kiosk), "Bob was told of what was over; {}", operator.tail());
    Ok(())
}

/// A namespace that began to end during the outage takes no ticket, perhaps for ever: what it refuses is kept for a
/// person, and the leader leads.
#[tokio::test]
async fn what_a_namespace_that_ends_refuses_is_kept_and_keeps_nobody_else_waiting() -> Result<()> {
    let name = "island-refused";
    let scene = Scene::build(name, "ada-hook", ADA_ALONE).await?;
    let shelf = scene.books("bob-hook", ADA_ALONE).await?;
    let (setup, operator) = running(name, &scene, &[]).await?;
    let books = async |kind: &str| {
        let text = scene.stage.plane.kubectl(&["-n", "books", "get", kind, "-o", "json"]).await?.ok()?;
        anyhow::Ok(serde_json::from_str::<Value>(&text)?["items"][0].take())
    };
    eventually(PATIENCE, "the shelf is Up", || async {
        let monitor = books("svcmonitors").await?;
        ensure!(monitor["status"]["state"] == "Up", "{monitor}");
        Ok(())
    })
    .await?;
    cut_off(&scene, &operator).await?;
    scene.break_shop();
    shelf.break_with(Behaviour::Status(500));
    all_paged(&scene.ada, &operator).await?;
    page(&scene.bob).await?;
    eventually(PATIENCE, "every receipt in the journal", || async {
        let received = journal(&scene, name)?;
        let received = received.iter().filter(|ticket| ticket["status"]["notifications"][0]["state"] == "Accepted");
        ensure!(received.count() == SERVICES.len() + 2, "not all");
        Ok(())
    })
    .await?;
    operator.kill9();
    scene.stage.plane.start_apiserver().await?;
    scene.stage.plane.kubectl(&["delete", "namespace", tests::stage::TEAM, "--wait=false"]).await?.ok()?;

    let again = setup.start()?;
    again.wait_ready(PATIENCE).await?;
    metric(&again, "leader_election_master_status", &[], |value| value == 1.0).await?;
    let ticket = eventually(PATIENCE, "the ticket of the other namespace", || async {
        let ticket = books("tickets").await?;
        ensure!(page_to(&ticket, "bob-hook")["state"] == "Accepted", "{ticket}; {}", again.tail());
        Ok(ticket)
    })
    .await?;
    ensure!(!ticket["spec"]["origin"]["island"].is_null(), "{ticket}");
    eventually(PATIENCE, "what was refused is kept", || async {
        let names: Vec<String> = std::fs::read_dir(data(&scene, name))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        ensure!(names.iter().any(|name| name.starts_with("island.unmerged-")), "{names:?}; {}", again.tail());
        Ok(())
    })
    .await?;
    // It works on: the other namespace's ticket ends as any.
    shelf.repair().await?;
    eventually(PATIENCE, "the other namespace's ticket is resolved", || async {
        let ticket = books("tickets").await?;
        ensure!(ticket["status"]["state"] == "Resolved", "{}; {}", ticket["status"], again.tail());
        Ok(())
    })
    .await?;
    assert_eq!((pages(&scene.ada).len(), pages(&scene.bob).len()), (6, 1), "{}", again.tail());
    Ok(())
}
