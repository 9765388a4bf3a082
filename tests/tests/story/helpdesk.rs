//! A day at the desk, with the plugin and nothing else.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{eventually, stage::PATIENCE};

use crate::scene::{ADA, Scene};

#[tokio::test]
async fn a_test_page_reaches_whoever_is_on_call_and_its_ticket_is_put_away() -> Result<()> {
    let scene = Scene::running("test-page", &[]).await?;
    let said = scene.plugin(&["page", "primary"]).await?;
    ensure!(said.starts_with("ada by mail accepted: 250 "), "{said}");
    let mails = scene.mails(ADA).await?;
    let [mail] = mails.as_slice() else { anyhow::bail!("expected one mail, found {mails:?}") };
    ensure!(mail.subject.starts_with("[TEST] [P"), "{}", mail.subject);
    eventually(PATIENCE, "the test page's ticket to be resolved", || async {
        let tickets = scene.stage.list("tickets").await?;
        let state = &tickets[0]["status"]["state"];
        ensure!(tickets.len() == 1 && state == "Resolved", "it is {state}");
        Ok(())
    })
    .await?;
    ensure!(scene.mails(ADA).await?.len() == 1, "nobody hears of the end of a test");

    let vera = scene.stage.plane.kubectl_with(&scene.stage.plane.kubeconfig_as("vera", &["system:authenticated"])?);
    scene.stage.plane.apply(MAY_ONLY_CREATE_TICKETS).await?;
    let refused = vera.run_with_input(&["create", "-f", "-"], TEST_PAGE).await?;
    ensure!(refused.ok().is_err_and(|error| error.to_string().contains("needs the verb `page` on supportpolicies")));
    Ok(())
}

#[tokio::test]
async fn a_request_is_opened_taken_answered_waits_and_is_closed() -> Result<()> {
    let scene = Scene::running("desk", &[]).await?;
    let said = scene
        .plugin(&["new", "Please", "add", "a", "user", "--requester", "Mia", "--contact", "mia@acme.example"])
        .await?;
    let number = said.split(' ').next().and_then(|word| word.strip_prefix('#')).context("no number")?.to_owned();
    let said = scene.plugin(&["take", &number]).await?;
    ensure!(said.contains(" acknowledged by ") && said.contains(" assigned to ada by "), "{said}");
    scene.plugin(&["prio", &number, "P2", "--why", "the board waits"]).await?;
    scene.plugin(&["pending", &number, "requester", "--reply", "Which rights?"]).await?;
    let ticket = only(&scene).await?;
    assert_eq!(ticket["status"]["state"], "PendingRequester");
    assert_eq!((&ticket["status"]["priority"], &ticket["status"]["assignee"]), (&"P2".into(), &"ada".into()));
    assert_eq!(ticket["status"]["messages"]["last"][0]["text"], "Which rights?");

    scene.plugin(&["new", "The database is down", "--type", "Incident"]).await?;
    let all = scene.stage.list("tickets").await?;
    let other = all.iter().find(|ticket| ticket["spec"]["type"] == "Incident").context("no incident")?;
    let other_name = other["metadata"]["name"].as_str().context("no name")?;
    scene.plugin(&["link", &number, "relatesTo", other_name]).await?;
    let shown = scene.plugin(&["show", &number]).await?;
    ensure!(shown.contains("Requester    Mia, mia@acme.example") && shown.contains(other_name), "{shown}");

    scene.plugin(&["resolve", &number]).await?;
    scene.plugin(&["close", &number]).await?;
    let closed = scene.stage.get("tickets", ticket["metadata"]["name"].as_str().context("no name")?).await?;
    assert_eq!((&closed["status"]["state"], &closed["status"]["reason"]), (&"Closed".into(), &"Completed".into()));
    Ok(())
}

async fn only(scene: &Scene) -> Result<Value> {
    let mut tickets = scene.stage.list("tickets").await?;
    ensure!(tickets.len() == 1, "{tickets:?}");
    Ok(tickets.remove(0))
}

const MAY_ONLY_CREATE_TICKETS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: requesters, namespace: payments}
rules: [{apiGroups: [firstline.dev], resources: [tickets], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: requesters, namespace: payments}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: requesters}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: vera}]
";

const TEST_PAGE: &str = "
apiVersion: firstline.dev/v1alpha1
kind: Ticket
metadata: {name: wake-ada, namespace: payments}
spec: {title: Wake up, testPage: {person: ada}}
";
