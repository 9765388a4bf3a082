//! The journal of an outage comes to the API: what a crash in its middle leaves, and what the API refuses for a while.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{
    eventually,
    operator::{Operator, Setup},
    proxy::{Call, Fault, Proxy, Rules},
    receiver::Receiver,
    stage::{PATIENCE, TEAM},
};

use crate::{
    island::{ADA_ALONE, SERVICES, all_paged, data, decisions, every_receipt_kept, ids, running_as, tickets},
    replicas::wait_leads,
    scene::{SECOND_STEP, Scene, TWO_STEPS, metric, page, page_to, pages},
};

/// An operator that has paged for six services while its network was parted from the API.
struct Islanded {
    scene: Scene,
    proxy: Proxy,
    rules: Arc<Rules>,
    setup: Setup,
    operator: Arc<Operator>,
    data: PathBuf,
}

impl Islanded {
    async fn with_six_pages(name: &str) -> Result<Self> {
        let scene = Scene::build(name, "ada-hook", ADA_ALONE).await?;
        let rules = Arc::new(Rules::default());
        let (proxy, setup) = scene.proxied(name, rules.clone(), &[]).await?;
        let (setup, operator) = running_as(&scene, setup).await?;
        let data = data(&scene, name);
        proxy.swallow();
        metric(&operator, "firstline_islanded", &[], |value| value == 1.0).await?;
        scene.break_shop();
        all_paged(&scene.ada, &operator).await?;
        every_receipt_kept(&data).await?;
        Ok(Self { scene, proxy, rules, setup, operator: Arc::new(operator), data })
    }

    /// What kills the operator at its n-th write of a ticket's status.
    fn strike(&self, nth: u32) -> impl Fn(&Call) -> Fault + Send + 'static {
        let (seen, operator) = (AtomicU32::new(0), self.operator.clone());
        move |call| {
            if !call.is("PATCH tickets/status") || seen.fetch_add(1, Ordering::Relaxed) + 1 < nth {
                return Fault::Pass;
            }
            operator.kill9();
            Fault::Cut
        }
    }

    async fn wait_killed(&self) -> Result<()> {
        self.operator.wait_exit(PATIENCE).await?;
        self.rules.clear();
        Ok(())
    }

    async fn all_tickets(&self) -> Result<Vec<Value>> {
        self.scene.stage.list("tickets").await
    }
}

/// How often a ticket says that its outage is over, and that somebody else's decisions stand.
fn said(ticket: &Value) -> (usize, usize) {
    let timeline = ticket["status"]["timeline"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines: Vec<_> = timeline.iter().filter(|line| line["what"] == "Islanded").collect();
    (lines.len(), lines.iter().filter(|line| line["detail"].to_string().contains("another leader")).count())
}

/// Killed right after the second of six tickets was written, and again right before the last one is; another replica leads
/// in between and decides. Nobody claims what another has decided, and each ticket says once that it was merged.
#[tokio::test]
async fn a_merge_that_is_killed_twice_is_ended_by_the_next_start_and_takes_nothing_for_anothers_or_its_own()
-> Result<()> {
    let mut all = Islanded::with_six_pages("merge-killed").await?;
    all.rules.set_answers(all.strike(2));
    all.proxy.heal();
    all.wait_killed().await?;
    let merged = all.all_tickets().await?.iter().filter(|ticket| said(ticket).0 > 0).count();
    assert_eq!(merged, 2, "{}", all.operator.tail());

    // Ends the merge but for the last ticket, which it has created.
    all.operator = Arc::new(all.setup.start()?);
    all.rules.set(all.strike(4));
    all.wait_killed().await?;
    let now = all.all_tickets().await?;
    assert_eq!(now.len(), SERVICES.len() + 1, "{}", all.operator.tail());
    let alone: Vec<_> =
        now.iter().filter(|ticket| said(ticket) == (0, 0)).map(|ticket| &ticket["metadata"]["name"]).collect();
    ensure!(alone.len() == 1, "{alone:?}; {}", all.operator.tail());
    ensure!(now.iter().all(|ticket| said(ticket).0 <= 1 && said(ticket).1 == 0), "{now:?}");

    // Another leader finds that one without a status, cannot know that it was paged, and repeats the page with its id.
    let (_, other) = all.scene.stage.start("merge-other").await?;
    eventually(PATIENCE, "the page of the ticket without a status", || async {
        ensure!(pages(&all.scene.ada).len() == SERVICES.len() + 2, "{}", other.tail());
        Ok(())
    })
    .await?;
    tickets(&all.scene, "ada-hook").await?;
    all.scene.acknowledge(&all.scene.ticket("any", |_| true).await?).await?;
    let by_ada = |ticket: &Value| ticket["status"]["escalation"]["acknowledgedBy"] == "ada";
    all.scene.ticket("acknowledged", by_ada).await?;
    ensure!(other.terminate().await?.status.success(), "it did not end well");

    let again = all.setup.start()?;
    again.wait_ready(PATIENCE).await?;
    metric(&again, "leader_election_master_status", &[], |value| value == 1.0).await?;
    ensure!(!all.data.join("island.journal").exists(), "the journal is still there; {}", again.tail());
    for ticket in all.all_tickets().await? {
        let alone = *alone[0] == ticket["metadata"]["name"];
        ensure!(said(&ticket) == (usize::from(!alone), 0), "{ticket}");
        ensure!(page_to(&ticket, "ada-hook")["state"] == "Accepted", "{ticket}");
    }
    all.scene.ticket("still acknowledged", by_ada).await?;
    let received = pages(&all.scene.ada);
    assert_eq!((received.len(), ids(&received).len()), (SERVICES.len() + 2, SERVICES.len() + 1), "{}", again.tail());
    Ok(())
}

/// Killed as it begins to merge: another replica finds the same troubles, and its pages are known by their ids for repeats. By
/// the time the first one is there again the other one leads, and ends what it does for it.
#[tokio::test]
async fn a_replica_with_a_journal_is_given_the_lease_and_merges_at_once_not_when_the_other_happens_to_end() -> Result<()>
{
    let all = Islanded::with_six_pages("merge-asked").await?;
    all.rules.set(all.strike(1));
    all.proxy.heal();
    all.wait_killed().await?;
    let (_, other) = all.scene.stage.start("merge-asked-other").await?;
    wait_leads(&other).await?;
    eventually(PATIENCE, "a page of the other leader for each service", || async {
        let found = pages(&all.scene.ada).len();
        ensure!(found > 2 * SERVICES.len(), "{found}; {}", other.tail());
        Ok(())
    })
    .await?;
    assert_eq!(ids(&pages(&all.scene.ada)).len(), SERVICES.len() + 1, "{}", other.tail());

    let again = all.setup.start()?;
    let ended = other.wait_exit(PATIENCE).await?;
    ensure!(ended.code() == Some(1) && other.tail().contains("handed the lease over"), "{}", other.tail());
    wait_leads(&again).await?;
    ensure!(!all.data.join("island.journal").exists(), "the journal is still there; {}", again.tail());
    ensure!(again.tail().contains("leading epoch=3"), "{}", again.tail());
    let now = all.all_tickets().await?;
    assert_eq!(now.len(), SERVICES.len() + 1);
    // Of the one that was about to be written as it was killed, the other leader has found out everything itself.
    let merged = now.iter().filter(|ticket| said(ticket) == (1, 1)).count();
    ensure!(merged >= SERVICES.len() && now.iter().all(|ticket| said(ticket).0 <= 1), "{now:?}");

    assert_eq!(ids(&pages(&all.scene.ada)).len(), SERVICES.len() + 1, "{}", again.tail());

    // The one that was asked is a follower from now on, as any other.
    let (_, other) = all.scene.stage.start("merge-asked-again").await?;
    all.scene.stage.shop.repair().await?;
    all.scene.ticket("it is resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    ensure!(again.is_running() && other.is_running(), "{}", again.tail());
    Ok(())
}

/// Ada was paged without the API, and the operator died; the shop recovered, and another replica led and never knew. When the
/// first one leads again Bob's step is long overdue.
#[tokio::test]
async fn a_ticket_that_is_merged_after_another_has_led_tells_nobody_more_of_a_trouble_that_is_over() -> Result<()> {
    let (name, scene) = ("merge-late", Scene::build("merge-late", "ada-hook", TWO_STEPS).await?);
    let (proxy, setup, island) =
        scene.behind_proxy(name, Arc::new(Rules::default()), &["--island-after", "5s"]).await?;
    proxy.swallow();
    metric(&island, "firstline_islanded", &[], |value| value == 1.0).await?;
    scene.break_shop();
    page(&scene.ada).await?;
    eventually(PATIENCE, "the receipt in the journal", || async {
        let all = decisions(&data(&scene, name))?;
        ensure!(all.iter().any(|ticket| page_to(ticket, "ada-hook")["state"] == "Accepted"), "{all:?}");
        Ok(())
    })
    .await?;
    island.kill9();
    scene.stage.shop.repair().await?;
    let (_, other) = scene.stage.start("merge-late-other").await?;
    wait_leads(&other).await?;
    let overdue = Instant::now() + SECOND_STEP;
    eventually(PATIENCE, "Bob's step is overdue", || async {
        ensure!(Instant::now() > overdue, "not yet");
        Ok(())
    })
    .await?;
    ensure!(other.terminate().await?.status.success(), "it did not end well");

    proxy.heal();
    let again = setup.start()?;
    wait_leads(&again).await?;
    let ticket = eventually(PATIENCE, "it has recovered", || async {
        let metrics = again.metrics().await?;
        let overdue = metrics.sum("firstline_deadline_overdue_seconds", &[]);
        let violations = metrics.sum("firstline_invariant_violations", &[]);
        assert!(overdue < 5.0 && violations == 0.0, "it waits on purpose: {overdue}, {violations}; {}", again.tail());
        let all = scene.stage.list("tickets").await?;
        all.into_iter().find(|ticket| ticket["status"]["alerts"]["firing"] == 0).context("it fires still")
    })
    .await?;
    assert_eq!(said(&ticket), (1, 0), "{ticket}");
    assert_eq!((pages(&scene.ada).len(), pages(&scene.bob).len()), (1, 0), "{ticket}; {}", again.tail());

    // What fires anew pages as ever.
    scene.break_shop();
    eventually(PATIENCE, "one more page", || async {
        let found = pages(&scene.ada).len();
        ensure!(found == 2, "{found}; {}", again.tail());
        Ok(())
    })
    .await
}

/// The API took that Ada's page was received, and nobody heard of it: it was gone before it answered. The shop recovers in the
/// outage.
#[tokio::test]
async fn what_the_leader_wrote_before_the_outage_without_hearing_of_it_undoes_nothing_of_the_outage() -> Result<()> {
    let (name, scene) = ("merge-unheard", Scene::build("merge-unheard", "ada-hook", TWO_STEPS).await?);
    let rules = Arc::new(Rules::default());
    let (proxy, _setup, island) = scene.behind_proxy(name, rules.clone(), &["--island-after", "5s"]).await?;
    let proxy = Arc::new(proxy);
    let (network, parted) = (proxy.clone(), Arc::new(AtomicBool::new(false)));
    let now = parted.clone();
    rules.set(move |call| {
        if call.is("PATCH tickets/status") && String::from_utf8_lossy(&call.body).contains(r#""state":"Accepted""#) {
            network.swallow();
            now.store(true, Ordering::Release);
        }
        Fault::Pass
    });
    scene.break_shop();
    page(&scene.ada).await?;
    eventually(PATIENCE, "the network is parted", || async {
        ensure!(parted.load(Ordering::Acquire), "{}", island.tail());
        Ok(())
    })
    .await?;
    scene.told("ada-hook", "Accepted").await?;
    // Whatever was swallowed ends, and everything else is refused at once.
    rules.set(|_| Fault::Cut);
    rules.set_answers(|_| Fault::Cut);
    proxy.cut_watches();
    proxy.heal();
    scene.stage.shop.repair().await?;
    let kinds = |receiver: &Receiver| -> Result<Vec<String>> {
        receiver.received().iter().map(|one| Ok(one.json()?["data"]["kind"].to_string())).collect()
    };
    eventually(PATIENCE, "Ada hears that it is over", || async {
        let heard = kinds(&scene.ada)?;
        ensure!(heard == [r#""page""#, r#""resolved""#], "{heard:?}; {}", island.tail());
        Ok(())
    })
    .await?;
    let overdue = Instant::now() + SECOND_STEP;
    eventually(PATIENCE, "Bob's step is overdue", || async {
        ensure!(Instant::now() > overdue, "not yet");
        Ok(())
    })
    .await?;
    let recovered = decisions(&data(&scene, name))?[0]["status"]["recoveredAt"].clone();
    rules.clear();

    let ticket = scene.ticket("it is resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    ensure!(ticket["status"]["resolvedAt"] == recovered && recovered.is_string(), "{recovered}: {ticket}");
    assert_eq!(said(&ticket), (1, 0), "{ticket}");
    assert_eq!(kinds(&scene.ada)?, [r#""page""#, r#""resolved""#], "{}", island.tail());
    assert_eq!(pages(&scene.bob).len(), 0, "{ticket}; {}", island.tail());
    Ok(())
}

/// What an administrator has forbidden meanwhile keeps nobody else waiting for longer than half a minute.
#[tokio::test]
async fn a_ticket_that_an_admission_rule_refuses_is_set_aside_after_half_a_minute_and_comes_when_the_rule_is_gone()
-> Result<()> {
    let all = Islanded::with_six_pages("merge-refused").await?;
    let scene = &all.scene;
    scene.apply(NO_LOGIN).await?;
    let refused = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"name": "refused", "namespace": TEAM, "labels": {"service": "login"}}, "spec": {"title": "Login"},
    });
    eventually(PATIENCE, "the rule is in force", || async {
        let create = ["create", "--dry-run=server", "-f", "-"];
        let said = scene.stage.plane.kubectl_with(&scene.stage.plane.admin_kubeconfig());
        let said = said.run_with_input(&create, &refused.to_string()).await?;
        ensure!(said.stderr.contains("no ticket about login"), "{said:?}");
        Ok(())
    })
    .await?;

    let began = Instant::now();
    all.proxy.heal();
    eventually(PATIENCE, "the other five", || async {
        let merged = all.all_tickets().await?.iter().filter(|ticket| said(ticket) == (1, 0)).count();
        ensure!(merged == SERVICES.len(), "{merged}; {}", all.operator.tail());
        Ok(())
    })
    .await?;
    metric(&all.operator, "leader_election_master_status", &[], |value| value == 1.0).await?;
    let took = began.elapsed();
    ensure!((Duration::from_secs(25)..Duration::from_secs(50)).contains(&took), "{took:?}; {}", all.operator.tail());
    let names: Vec<String> =
        std::fs::read_dir(&all.data)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    ensure!(names.iter().any(|name| name.starts_with("island.unmerged-")), "{names:?}; {}", all.operator.tail());
    ensure!(!names.iter().any(|name| name == "island.journal"), "{names:?}");
    assert_eq!(pages(&scene.ada).len(), SERVICES.len() + 1, "{}", all.operator.tail());

    // It still fails, and by what the API has nobody was told.
    scene.stage.plane.kubectl(&["delete", "validatingadmissionpolicybinding", "no-login"]).await?.ok()?;
    let told = |ticket: &Value| page_to(ticket, "ada-hook")["state"] == "Accepted";
    let ticket = scene.stage.wait_for_ticket("login", "told", told).await?;
    ensure!(ticket["spec"]["origin"]["island"].is_null(), "{ticket}");
    assert_eq!(pages(&scene.ada).len(), SERVICES.len() + 2, "{}", all.operator.tail());
    Ok(())
}

const NO_LOGIN: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-login}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {apiGroups: [firstline.dev], apiVersions: ["*"], operations: [CREATE], resources: [tickets]}
  validations:
    - expression: "object.metadata.?labels[?'service'].orValue('') != 'login'"
      message: no ticket about login
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-login}
spec: {policyName: no-login, validationActions: [Deny]}
"#;
