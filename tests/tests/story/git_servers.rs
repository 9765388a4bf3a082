//! Repositories behind HTTP and HTTPS, with credentials and authorities in Secrets beside Git.

use anyhow::Result;
use tests::{stage::SYSTEM, tls::Authority};

use crate::scene::{Scene, ready, source_with_secret};

/// Commits Acme's files; no source knows of them yet.
fn commit(scene: &Scene) -> Result<String> {
    let files: Vec<(&str, &str)> =
        scene.stage.files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    scene.commit(&files)
}

/// The message once Ready is False for this reason.
async fn fails(scene: &Scene, reason: &str, words: &str) -> Result<String> {
    let source = scene
        .source(&format!("fails with {reason}: {words}"), |status| {
            let ready = ready(status);
            ready["reason"] == reason && ready["message"].as_str().is_some_and(|message| message.contains(words))
        })
        .await?;
    assert_eq!(ready(&source["status"])["status"], "False");
    assert!(!source.to_string().contains("s3cret"), "{source}");
    Ok(ready(&source["status"])["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_repository_behind_a_password_is_read_with_the_one_in_its_secret() -> Result<()> {
    let scene = Scene::open("basic").await?;
    let server = scene.stage.git.serve(None, Some(("sync", "s3cret-right"))).await?;
    let commit = commit(&scene)?;
    scene.stage.plane.apply(&source_with_secret(server.url(), "git-auth")?).await?;
    fails(
        &scene,
        "AuthenticationFailed",
        "Secret firstline-system/git-auth does not exist; create it with the label firstline.dev/use=git",
    )
    .await?;

    scene.secret(SYSTEM, "git-auth", "git", &[("username", "sync"), ("password", "s3cret-wrong")]).await?;
    let message = fails(&scene, "AuthenticationFailed", server.url()).await?;
    assert!(message.contains("git-auth") || message.contains("credentials"), "{message}");
    scene.event(SYSTEM, "acme", "AuthenticationFailed").await?;

    scene.secret(SYSTEM, "git-auth", "git", &[("username", "sync"), ("password", "s3cret-right")]).await?;
    scene.applied(&commit).await?;
    assert!(!scene.operator.logs().contains("s3cret"), "a password in the log");
    scene.stage.wait_for_state("checkout", "Up").await?;
    Ok(())
}

#[tokio::test]
async fn a_repository_behind_a_private_authority_is_read_once_its_certificate_is_in_the_secret() -> Result<()> {
    let scene = Scene::open("private-ca").await?;
    let authority = Authority::new("Acme Git")?;
    let server = scene.stage.git.serve(Some(&authority), Some(("sync", "s3cret-right"))).await?;
    let commit = commit(&scene)?;
    let login = [("username", "sync"), ("password", "s3cret-right")];
    scene.secret(SYSTEM, "git-auth", "git", &login).await?;
    scene.stage.plane.apply(&source_with_secret(server.url(), "git-auth")?).await?;
    fails(&scene, "GitOperationFailed", "ca.crt").await?;
    assert_eq!(server.requests(), 0, "a server that is not trusted was told a password");

    scene.secret(SYSTEM, "git-auth", "git", &[login[0], login[1], ("ca.crt", authority.pem())]).await?;
    scene.applied(&commit).await?;
    Ok(())
}
