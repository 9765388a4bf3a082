//! What a ticket lives by changes or vanishes while somebody waits for its page: its policy, its people, its namespace,
//! or the ticket itself, which comes back out of a backup.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{
    eventually,
    serve::Behaviour,
    stage::{PATIENCE, TEAM},
};

use crate::scene::{LATENESS, Scene, TWO_STEPS, let_pass, metric, page, page_to, pages, unix};

/// Bob, Bob again, Ada, Bob: in between the policy changes.
const FIVE_STEPS: &str = "
        - {after: 0s, notify: [{schedule: primary}]}
        - {after: 12s, notify: [{person: bob}]}
        - {after: 24s, notify: [{person: bob}]}
        - {after: 40s, notify: [{person: ada}]}
        - {after: 46s, notify: [{person: bob}]}";

/// One step, an hour away from the next.
const OTHER_STEPS: &str = "
        - {after: 0s, notify: [{person: ada}]}
        - {after: 1h, notify: [{person: ada}]}";

fn has_condition(ticket: &Value, type_: &str) -> bool {
    let all = ticket["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().any(|condition| condition["type"] == type_ && condition["status"] == "True")
}

fn timeline(ticket: &Value) -> String {
    ticket["status"]["timeline"].to_string()
}

/// Paths at which a receiver got pages, in order.
fn paths(receiver: &tests::receiver::Receiver) -> Vec<String> {
    pages(receiver).into_iter().map(|page| page.path).collect()
}

async fn pages_come(receiver: &tests::receiver::Receiver, expected: &[&str], log: impl Fn() -> String) -> Result<()> {
    eventually(PATIENCE, &format!("pages at {expected:?}"), || async {
        let found = paths(receiver);
        ensure!(found == expected, "they came at {found:?}; {}", log());
        Ok(())
    })
    .await
}

/// Route and steps are those of the beginning; people and channels are those of now; whoever is gone is passed over, at
/// once and with the reason; and no policy at all ends nothing, not even across a crash.
#[tokio::test]
async fn an_escalation_outlives_every_change_of_its_policy_and_its_end() -> Result<()> {
    let (scene, setup, operator) = Scene::running_with("policy-changes", "ada-hook", FIVE_STEPS).await?;
    scene.break_shop();
    page(&scene.ada).await?;
    let ticket = scene.told("ada-hook", "Accepted").await?;
    let began = unix(&ticket["status"]["escalation"]["cycleStart"])?;
    let revision = ticket["status"]["policy"]["revision"].clone();

    // Bob has another address, and by the new steps he is told of nothing.
    let moved = scene.policy("ada-hook", OTHER_STEPS).replace(&scene.bob.url("/bob"), &scene.bob.url("/bob-now"));
    scene.apply(&moved).await?;
    pages_come(&scene.bob, &["/bob-now"], || operator.tail()).await?;

    // Bob leaves: his next step goes to Ada at once, whose own step comes no second time.
    let bob = moved.find("    - name: bob\n").context("no bob")?;
    let channels = moved.find("  channels:\n").context("no channels")?;
    let without = format!("{}{}", moved.get(..bob).unwrap_or_default(), moved.get(channels..).unwrap_or_default());
    scene.apply(&without).await?;
    pages_come(&scene.ada, &["/ada", "/ada"], || operator.tail()).await?;
    let ticket = scene
        .ticket("it says who is gone", |ticket| timeline(ticket).contains("bob is no longer in the policy"))
        .await?;
    let again = unix(&page_to(&ticket, "ada-hook")["plannedAt"])?;
    ensure!(again < began + Duration::from_secs(24) + LATENESS, "it did not pass on at once: {ticket}");
    ensure!(ticket["status"]["policy"]["revision"] == revision, "its route is no longer frozen: {ticket}");

    // The policy is deleted, and the operator crashes: its revision has everything that is needed.
    scene.stage.plane.kubectl(&["-n", TEAM, "delete", "supportpolicy", "payments"]).await?.ok()?;
    scene.ticket("PolicyDeleted", |ticket| has_condition(ticket, "PolicyDeleted")).await?;
    operator.kill9();
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    // Bob is there again, at the address he had when the ticket began.
    eventually(2 * PATIENCE, "Bob's last page", || async {
        let found = paths(&scene.bob);
        ensure!(found == ["/bob-now", "/bob"], "{found:?}; {}", operator.tail());
        Ok(())
    })
    .await?;
    let_pass(began + Duration::from_secs(46)).await?;
    assert_eq!(paths(&scene.ada), ["/ada", "/ada"], "a step that ran early runs once; {}", operator.tail());

    let ticket = scene.told("bob-hook", "Accepted").await?;
    let (unacknowledged, that_page) = ("firstline_tickets_unacknowledged", [("severity", "page")]);
    metric(&operator, unacknowledged, &that_page, |count| count == 1.0).await?;
    scene.acknowledge(&ticket).await?;
    scene.ticket("acknowledged", |ticket| ticket["status"]["escalation"]["acknowledgedBy"] == "ada").await?;
    metric(&operator, unacknowledged, &that_page, |count| count == 0.0).await?;
    scene.stage.shop.repair().await?;
    scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    Ok(())
}

/// The page that waits for a channel which is removed fails for that reason, and the next rule of the person is used.
#[tokio::test]
async fn a_channel_that_is_removed_while_its_page_waits_is_named_and_the_next_rule_is_used() -> Result<()> {
    let scene = Scene::build("channel-removed", "ada-hook", TWO_STEPS).await?;
    let two = scene.policy("ada-hook", TWO_STEPS).replace(
        "        - {after: 0s, channel: ada-hook}\n",
        "        - {after: 0s, channel: ada-hook}\n        - {after: 30m, channel: mail}\n",
    );
    scene.apply(&two).await?;
    let (_, operator) = scene.stage.start("channel-removed").await?;
    scene.stage.wait_for_state("checkout", "Up").await?;
    scene.ada.go_away().await;
    scene.break_shop();
    scene.told("ada-hook", "Planned").await?;
    let without: String = two
        .lines()
        .scan(false, |inside, line| {
            *inside = line == "    - name: ada-hook" || (*inside && line.starts_with("      "));
            Some((*inside, line))
        })
        .filter(|(inside, line)| !inside && !line.contains("channel: ada-hook"))
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    scene.apply(&without).await?;
    let ticket = scene.told("ada-hook", "Failed").await?;
    let error = page_to(&ticket, "ada-hook")["error"].as_str().unwrap_or_default().to_owned();
    ensure!(error.contains("ada-hook"), "{error}");
    let to_ada = |mail: &tests::mail::Mail| mail.to == ["ada@acme.example"];
    let mail = scene.stage.mail.wait_for(PATIENCE, "Ada's page by her next rule", to_ada).await;
    mail.with_context(|| operator.tail())?;
    pages_come(&scene.bob, &["/bob"], || operator.tail()).await
}

/// Of two policies at the same place the lower name decides, and the ticket says that only the name did.
#[tokio::test]
async fn a_restored_backup_pages_nobody_until_its_trouble_is_seen_and_of_equal_policies_the_name_decides() -> Result<()>
{
    let scene = Scene::build("backup", "ada-hook", TWO_STEPS).await?;
    for (name, order) in [("aardvark", 2), ("badger", 1), ("civet", 1)] {
        let policy = scene
            .policy("ada-hook", TWO_STEPS)
            .replace("{name: payments, namespace", &format!("{{name: {name}, namespace"));
        let place = format!("spec:\n  order: {order}\n  match: ['service=\"checkout\"']\n");
        scene.apply(&policy.replacen("spec:\n", &place, 1)).await?;
    }
    let (setup, operator) = scene.stage.start("backup").await?;
    scene.stage.wait_for_state("checkout", "Up").await?;
    scene.break_shop();
    page(&scene.ada).await?;
    let ticket = scene.told("ada-hook", "Accepted").await?;
    assert_eq!(ticket["spec"]["origin"]["policy"], "badger", "{}", operator.tail());
    ensure!(
        has_condition(&ticket, "AmbiguousOrder") && ticket["status"]["conditions"].to_string().contains("civet"),
        "{ticket}"
    );
    ensure!(ticket["spec"]["origin"]["openedAt"].is_string(), "nothing says when it was opened: {ticket}");
    scene.acknowledge(&ticket).await?;
    scene.ticket("acknowledged", |ticket| ticket["status"]["escalation"]["acknowledgedBy"] == "ada").await?;
    operator.terminate().await?;

    // The cluster is lost and comes back from a backup of two hours ago, which has no status; the trouble is over by then.
    scene.stage.shop.repair().await?;
    let name = ticket["metadata"]["name"].as_str().context("no name")?;
    restore(&scene, &ticket).await?;
    let operator = setup.start()?;
    operator.wait_ready(PATIENCE).await?;
    // Two looks find that it is over, and the route waits three seconds for it to come back.
    metric(&operator, "firstline_tickets_not_paged", &[], |count| count == 1.0).await?;
    let over = |ticket: &Value| ticket["status"]["state"] == "Resolved";
    let quiet = scene.ticket("over", |restored| over(restored) && has_condition(restored, "NotPaged")).await?;
    ensure!(quiet["metadata"]["name"] == name && quiet["metadata"]["uid"] != ticket["metadata"]["uid"], "{quiet}");
    ensure!(quiet["status"]["notifications"].is_null(), "{quiet}");
    metric(&operator, "firstline_tickets_not_paged", &[], |count| count == 0.0).await?;
    assert_eq!((pages(&scene.ada).len(), pages(&scene.bob).len()), (1, 0), "{}", operator.tail());

    // What begins now is no backup.
    scene.break_shop();
    pages_come(&scene.ada, &["/ada", "/ada"], || operator.tail()).await?;
    let ticket = scene.ticket("paged", |ticket| !has_condition(ticket, "NotPaged")).await?;
    operator.terminate().await?;

    // Neither is what is seen to fire still.
    restore(&scene, &ticket).await?;
    let operator = setup.start()?;
    pages_come(&scene.ada, &["/ada", "/ada", "/ada"], || operator.tail()).await?;
    let paged = scene.ticket("paged", |ticket| page_to(ticket, "ada-hook")["state"] == "Accepted").await?;
    ensure!(timeline(&paged).contains("NotPaged") && !has_condition(&paged, "NotPaged"), "{paged}");
    Ok(())
}

/// The ticket comes back as it was two hours ago, before anybody had looked at it.
async fn restore(scene: &Scene, ticket: &Value) -> Result<()> {
    let kubectl = async |arguments: &[&str]| scene.stage.plane.kubectl(arguments).await?.ok();
    let name = ticket["metadata"]["name"].as_str().context("no name")?;
    kubectl(&["-n", TEAM, "delete", "ticketevents", "--all"]).await?;
    kubectl(&["-n", TEAM, "delete", "ticket", name]).await?;
    let mut spec = ticket["spec"].clone();
    let opened: jiff::Timestamp = spec["origin"]["openedAt"].as_str().unwrap_or_default().parse()?;
    spec["origin"]["openedAt"] = json!((opened - jiff::SignedDuration::from_hours(2)).to_string());
    let metadata = json!({"name": name, "namespace": TEAM, "labels": ticket["metadata"]["labels"]});
    let backup = json!({"apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket", "metadata": metadata, "spec": spec});
    scene.apply(&backup.to_string()).await
}

/// A namespace that ends takes no new object, while its monitors still fail and its tickets still escalate.
#[tokio::test]
async fn a_namespace_that_is_being_deleted_stops_nobody_else_and_makes_no_storm() -> Result<()> {
    let (scene, _, operator) = Scene::running_with("namespace-ends", "ada-hook", TWO_STEPS).await?;
    let kubectl = async |arguments: &[&str]| scene.stage.plane.kubectl(arguments).await?.ok();
    let neighbour = scene.books("bob-hook", TWO_STEPS).await?;
    let state = async |wanted: &str| {
        eventually(PATIENCE, &format!("shelf is {wanted}"), || async {
            let shelf = scene.stage.get_in("books", "svcmonitors", "shelf").await?;
            ensure!(shelf["status"]["state"] == wanted, "{}", shelf["status"]);
            Ok(())
        })
        .await
    };
    state("Up").await?;

    // The shop fails, its ticket is open; then its namespace begins to end, and the other service of it fails too.
    scene.break_shop();
    page(&scene.ada).await?;
    scene.told("ada-hook", "Accepted").await?;
    kubectl(&["delete", "namespace", TEAM, "--wait=false"]).await?;
    scene.stage.shop.refuse_connections().await;
    metric(&operator, "firstline_alerts_total", &[("result", "error")], |value| value >= 2.0).await?;
    pages_come(&scene.bob, &["/bob"], || operator.tail()).await?;

    let mark = scene.stage.plane.audit()?.mark().await?;
    neighbour.break_with(Behaviour::Status(500));
    state("Down").await?;
    eventually(PATIENCE, "the neighbour's page", || async {
        let found = paths(&scene.bob);
        ensure!(found.iter().any(|path| path == "/books"), "{found:?}; {}", operator.tail());
        Ok(())
    })
    .await?;
    let looks = operator.metrics().await?.sum("firstline_probe_results_total", &[]);
    metric(&operator, "firstline_probe_results_total", &[], |value| value > looks + 30.0).await?;
    let calls = scene.stage.plane.audit()?.since(mark).await?;
    let refused = calls.namespace(TEAM).writes().verb("create").resource("tickets");
    ensure!(refused.count() < 60, "{} tries to create a ticket in a namespace that ends", refused.count());

    // What the namespace controller does: everything goes, then the namespace.
    for kind in ["svcmonitors", "supportpolicies", "tickets", "secrets"] {
        kubectl(&["-n", TEAM, "delete", kind, "--all", "--wait=false"]).await?;
    }
    neighbour.repair().await?;
    eventually(PATIENCE, "the neighbour's ticket is resolved", || async {
        let text = kubectl(&["-n", "books", "get", "tickets", "-o", "json"]).await?;
        ensure!(text.contains("\"state\": \"Resolved\""), "{text}");
        Ok(())
    })
    .await?;
    ensure!(operator.is_running(), "{}", operator.tail());
    Ok(())
}
