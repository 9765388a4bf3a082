//! What a commit writes, and what it costs.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tests::{
    control_plane::Requests,
    stage::{SYSTEM, path},
    tls::Authority,
};

use crate::scene::{Scene, commit_monitors, condition, monitor};

#[tokio::test]
async fn a_commit_is_applied_and_the_next_one_writes_only_what_differs() -> Result<()> {
    let scene = Scene::new("differs").await?;
    let first = commit_monitors(&scene.git, 12)?;
    scene.follow(|_| {}).await?;
    let status = scene.applied(&first).await?;
    assert_eq!(
        status["objects"],
        json!({"total": 12, "created": 12, "updated": 0, "unchanged": 0, "pruned": 0, "failed": 0})
    );
    assert_eq!(status["transaction"], "Committed");
    assert_eq!(status["history"][0]["result"], "Applied");
    let born = scene.monitor("m00").await?.context("m00 is not there")?;
    assert_eq!(born["metadata"]["labels"]["app.kubernetes.io/managed-by"], "firstline");

    let mark = scene.mark().await?;
    let changed = monitor("m03", "checkout");
    let files = [("monitors/m03.yaml", changed.as_str()), ("monitors/m07.yaml", "# nothing is left here\n")];
    let second = scene.git.commit(&files, "m03 has another service, m07 is gone")?;
    let status = scene.applied(&second).await?;
    assert_eq!(
        status["objects"],
        json!({"total": 11, "created": 0, "updated": 1, "unchanged": 10, "pruned": 1, "failed": 0})
    );
    assert_eq!(scene.monitor("m03").await?.context("m03")?["spec"]["service"], "checkout");
    assert_eq!(scene.monitor("m07").await?, None);

    let calls = scene.calls(mark).await?;
    // One object changed and one is gone: each is rehearsed and done; one list of members for each of five kinds.
    assert_eq!(calls.clone().verb("patch").writes().count(), 1, "{calls}");
    assert_eq!(calls.clone().verb("patch").count(), 2, "{calls}");
    // A rehearsed delete says so in its body, which the audit log does not keep.
    assert_eq!(calls.clone().verb("delete").count(), 2, "{calls}");
    assert!(calls.count() <= 2 + 2 + 5, "{calls}");
    Ok(())
}

#[tokio::test]
async fn nothing_changed_in_git_costs_no_call() -> Result<()> {
    let scene = Scene::new("quiet").await?;
    let commit = commit_monitors(&scene.git, 3)?;
    let served = scene.git.serve(None, None).await?;
    scene.follow(|source| source["spec"]["url"] = json!(served.url())).await?;
    let before = scene.applied(&commit).await?;
    let mark = scene.mark().await?;
    let asked = served.requests();
    tests::eventually(Duration::from_secs(30), "the repository is asked three more times", || async {
        ensure!(served.requests() >= asked + 3, "{} times", served.requests() - asked);
        Ok(())
    })
    .await?;
    let calls = scene.calls(mark).await?;
    assert_eq!(calls.count(), 0, "{calls}");
    let about_the_source =
        |calls: Requests| calls.filter(|one| one.resource == "gitsources" && one.name == scene.source);
    let calls = about_the_source(scene.plane.audit()?.since(mark).await?.by_service_account(SYSTEM, "firstline"));
    assert_eq!(calls.count(), 0, "{calls}");
    assert_eq!(scene.status().await?, before);
    Ok(())
}

#[tokio::test]
async fn an_object_made_by_hand_is_taken_over_and_told_of() -> Result<()> {
    let scene = Scene::new("adopt").await?;
    let by_hand = monitor("checkout", "byhand")
        .replace("name: checkout", &format!("name: checkout\n  namespace: {}", scene.namespace));
    scene.plane.apply(&by_hand).await?;
    let uid = scene.monitor("checkout").await?.context("checkout")?["metadata"]["uid"].clone();
    let commit = scene.git.commit(&[("a.yaml", &monitor("checkout", "shop"))], "checkout")?;
    scene.follow(|_| {}).await?;
    scene.applied(&commit).await?;
    let taken = scene.monitor("checkout").await?.context("checkout")?;
    assert_eq!((&taken["spec"]["service"], &taken["metadata"]["uid"]), (&json!("shop"), &uid));
    tests::eventually(Duration::from_secs(20), "the Event", || async {
        let events = scene.events().await?;
        ensure!(events.iter().any(|event| event.starts_with("Adopted: took over ServiceMonitor")), "{events:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_source_with_an_account_writes_as_that_account_and_stops_when_suspended() -> Result<()> {
    let scene = Scene::new("account").await?;
    let account = scene.source.clone();
    scene.account(&account).await?;
    let commit = commit_monitors(&scene.git, 2)?;
    let mark = scene.mark().await?;
    scene.follow(|source| source["spec"]["apply"]["serviceAccountName"] = json!(account)).await?;
    scene.applied(&commit).await?;
    let calls = scene
        .plane
        .audit()?
        .since(mark)
        .await?
        .namespace(&scene.namespace)
        .resource("svcmonitors")
        .subresource("")
        .writes();
    let acting_as = format!("system:serviceaccount:{SYSTEM}:{account}");
    assert!(calls.count() == 2 && calls.iter().all(|one| one.acting_as.as_ref() == Some(&acting_as)), "{calls}");

    scene.patch_spec(&json!({"suspend": true})).await?;
    scene.wait_for("it rests", |status| condition(status, "Ready").contains("Suspended")).await?;
    scene.git.commit(&[("new.yaml", &monitor("new", "shop"))], "unseen")?;
    let status = scene.sync().await?;
    assert!(status["lastAppliedRevision"].as_str().unwrap_or_default().ends_with(&commit));
    scene.patch_spec(&json!({"suspend": false})).await?;
    scene.applied(&scene.git.head()?).await?;
    assert_eq!(scene.monitors().await?, ["m00", "m01", "new"]);
    Ok(())
}

#[tokio::test]
async fn a_repository_over_https_asks_for_a_login_and_gets_it_from_the_secret() -> Result<()> {
    let scene = Scene::new("https").await?;
    let commit = commit_monitors(&scene.git, 1)?;
    let authority = Authority::new("git")?;
    let served = scene.git.serve(Some(&authority), Some(("ada", "s3cret"))).await?;
    let url = served.url().to_owned();
    scene.follow(|source| source["spec"]["url"] = json!(url)).await?;
    scene
        .wait_for("the certificate is not trusted", |status| {
            condition(status, "Stalled").contains("GitOperationFailed")
        })
        .await?;

    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": scene.source, "namespace": SYSTEM},
        "stringData": {"username": "ada", "password": "wrong", "ca.crt": authority.pem()},
    });
    scene.plane.apply(&secret.to_string()).await?;
    scene.patch_spec(&json!({"secretRef": {"name": scene.source}})).await?;
    let status = scene
        .wait_for("the label is missing", |status| condition(status, "Stalled").contains("AuthenticationFailed"))
        .await?;
    let said = condition(&status, "Stalled");
    assert!(
        said.contains(&format!("kubectl -n {SYSTEM} label secret {} firstline.dev/use=git", scene.source)),
        "{said}"
    );

    scene.plane.kubectl(&["-n", SYSTEM, "label", "secret", &scene.source, "firstline.dev/use=git"]).await?.ok()?;
    scene
        .wait_for("the password is refused", |status| {
            let said = condition(status, "Stalled");
            said.contains("AuthenticationFailed") && !said.contains("label secret") && !said.contains("wrong")
        })
        .await?;
    let right = json!({"stringData": {"password": "s3cret"}}).to_string();
    scene.plane.kubectl(&["-n", SYSTEM, "patch", "secret", &scene.source, "-p", &right]).await?.ok()?;
    scene.applied(&commit).await.map(drop)
}

/// The samples of the kinds that come out of Git. A test page does not: who asks for one needs a verb that no source has.
fn samples() -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path("src/api/samples/accepted"))? {
        let file = entry?.path();
        let name = file.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
        let kind = name.split('-').next().unwrap_or_default();
        let out_of_git = ["supportpolicy", "svcmonitor", "compliancerule", "vendorcontact", "ticket"].contains(&kind);
        if out_of_git && name != "ticket-test-page.yaml" {
            found.push((name, std::fs::read_to_string(&file)?));
        }
    }
    ensure!(found.len() >= 10, "only {} samples", found.len());
    Ok(found)
}

#[tokio::test]
async fn every_sample_is_written_once_and_is_then_what_git_says() -> Result<()> {
    let scene = Scene::new("samples").await?;
    let samples = samples()?;
    let files: Vec<(&str, &str)> = samples.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let commit = scene.git.commit(&files, "samples")?;
    scene.follow(|_| {}).await?;
    let status = scene.applied(&commit).await?;
    assert_eq!(status["objects"]["created"], json!(samples.len()));

    // Asked to compare everything, it finds nothing to write: our defaults are the server's.
    let mark = scene.mark().await?;
    scene.sync().await?;
    let calls = scene.calls(mark).await?;
    assert!(calls.clone().verb("list").count() > 0, "it has looked: {calls}");
    assert_eq!(calls.verb("patch").count(), 0, "{:?}", scene.status().await?["history"]);
    Ok(())
}

#[tokio::test]
async fn a_ticket_that_leaves_git_stays() -> Result<()> {
    let scene = Scene::new("ticket").await?;
    let ticket = "apiVersion: firstline.dev/v1alpha1\nkind: Ticket\nmetadata: {name: laptop}\nspec: {title: A laptop for Bob, type: ServiceRequest}\n";
    let first = scene.git.commit(&[("m.yaml", &monitor("m", "shop")), ("t.yaml", ticket)], "a ticket")?;
    scene.follow(|_| {}).await?;
    scene.applied(&first).await?;
    let second = scene.git.remove(&["t.yaml"], "without")?;
    let status = scene.applied(&second).await?;
    let said = condition(&status, "Ready");
    assert!(said.contains("laptop left Git and stays"), "{said}");
    scene.kubectl(&["get", "ticket", "laptop"]).await.map(drop)
}
