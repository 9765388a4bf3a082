//! A page that cannot be sent says what to do, and goes out by itself once that was done.

use anyhow::Result;
use serde_json::Value;
use tests::{mail::MailServer, stage::TEAM};

use crate::scene::{ADA, Scene, name, page_of};

/// The ticket once Ada's page waits with an error that contains these words.
async fn waits(scene: &Scene, words: &str) -> Result<Value> {
    let says = |ticket: &Value| page_of(ticket, "ada")["error"].as_str().is_some_and(|error| error.contains(words));
    let ticket = scene.ticket(&format!("Ada's page waits, saying {words:?}"), says).await?;
    assert_eq!(page_of(&ticket, "ada")["state"], "Planned", "{}", page_of(&ticket, "ada"));
    Ok(ticket)
}

/// Ada's page has arrived once, and is the one that waited.
async fn arrived(scene: &Scene, waiting: &Value) -> Result<()> {
    let paged = scene.paged("ada").await?;
    let (before, after) = (page_of(waiting, "ada"), page_of(&paged, "ada"));
    assert_eq!(before["id"], after["id"], "the same page, not another");
    assert!(after["attempts"].as_i64() > Some(1), "{after}");
    assert!(after["error"].is_null(), "{after}");
    assert_eq!(scene.mails(ADA).await?.len(), 1);
    Ok(())
}

/// So that nothing but the mended Secret gets the page to Ada.
const ONE_STEP: [(&str, &str); 2] = [("after: 20s", "after: 10m"), ("times: 2", "times: 0")];

#[tokio::test]
async fn a_page_waits_for_a_secret_that_is_missing_or_not_meant_for_it() -> Result<()> {
    let scene = Scene::running("secret", &ONE_STEP).await?;
    let kubectl = |arguments: &[&str]| {
        let arguments: Vec<String> = ["-n", TEAM].iter().chain(arguments).map(|word| (*word).to_owned()).collect();
        let plane = &scene.stage.plane;
        async move { plane.kubectl(&arguments).await?.ok() }
    };
    kubectl(&["delete", "secret", "smtp"]).await?;
    scene.break_shop();
    waits(&scene, "Secret payments/smtp does not exist; create it with the label firstline.dev/use=notify").await?;

    let password = format!("--from-literal=password={}", scene.stage.mail.password());
    let ca = format!("--from-literal=ca.crt={}", scene.stage.mail.ca_pem());
    let user = format!("--from-literal=username={}", MailServer::USER);
    kubectl(&["create", "secret", "generic", "smtp", &user, &password, &ca]).await?;
    let command = "kubectl -n payments label secret smtp firstline.dev/use=notify";
    let waiting = waits(&scene, command).await?;
    scene.event(TEAM, name(&waiting), "DeliveryRetried").await?;

    // The error is the command.
    let words: Vec<&str> = command.split(' ').skip(3).collect();
    kubectl(&words).await?;
    arrived(&scene, &waiting).await
}

#[tokio::test]
async fn a_page_waits_for_a_password_that_is_wrong() -> Result<()> {
    let scene = Scene::running("password", &ONE_STEP).await?;
    let secret = |password: String| {
        let scene = &scene;
        async move {
            let ca = scene.stage.mail.ca_pem();
            let values = [("username", MailServer::USER), ("password", &password), ("ca.crt", ca)];
            scene.secret(TEAM, "smtp", "notify", &values).await
        }
    };
    secret("wr0ng-s3cret".to_owned()).await?;
    scene.break_shop();
    let waiting = waits(&scene, "check the user name and the password in secret smtp, key password").await?;
    let error = page_of(&waiting, "ada")["error"].as_str().unwrap_or_default();
    assert!(error.contains("535"), "the server's own words: {error}");
    assert!(!waiting.to_string().contains("wr0ng-s3cret") && !scene.operator.logs().contains("wr0ng-s3cret"));

    secret(scene.stage.mail.password().to_owned()).await?;
    arrived(&scene, &waiting).await
}
