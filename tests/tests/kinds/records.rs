//! What never changes once it was written.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::control_plane::ControlPlane;

use crate::{as_person, cluster, event, room, shift, silence};

async fn patch(
    plane: &ControlPlane,
    namespace: &str,
    object: &str,
    patch: &Value,
) -> Result<tests::control_plane::Output> {
    let patch = patch.to_string();
    as_person(plane, "ada", &["-n", namespace, "patch", object, "--type=merge", "-p", &patch], &json!({})).await
}

#[tokio::test]
async fn an_event_never_changes() -> Result<()> {
    let plane = cluster().await?;
    let namespace = room(plane, "event").await?;
    as_person(plane, "ada", &["-n", &namespace, "create", "-f", "-"], &event("said", json!({"note": {"text": "a"}})))
        .await?
        .ok()?;
    for change in [
        json!({"spec": {"note": {"text": "b"}}}),
        json!({"spec": {"author": "bob"}}),
        json!({"spec": {"note": null, "acknowledge": true}}),
    ] {
        let refusal = patch(plane, &namespace, "ticketevent/said", &change).await?.refused()?;
        assert!(refusal.contains("an event never changes; create another"), "{change}: {refusal}");
    }
    patch(plane, &namespace, "ticketevent/said", &json!({"metadata": {"labels": {"read": "yes"}}})).await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn a_silence_changes_only_its_end() -> Result<()> {
    let plane = cluster().await?;
    let namespace = room(plane, "silence").await?;
    as_person(plane, "ada", &["-n", &namespace, "create", "-f", "-"], &silence("quiet", &json!({}))).await?.ok()?;
    for change in [
        json!({"spec": {"matchers": ["service=\"shop\""]}}),
        json!({"spec": {"startsAt": "2026-11-23T09:00:00Z"}}),
        json!({"spec": {"reason": "another"}}),
        json!({"spec": {"author": "bob"}}),
        json!({"spec": {"author": null}}),
    ] {
        let refusal = patch(plane, &namespace, "silence/quiet", &change).await?.refused()?;
        assert!(refusal.contains("only endsAt may change; end this silence and create another"), "{change}: {refusal}");
    }
    patch(plane, &namespace, "silence/quiet", &json!({"spec": {"endsAt": "2026-11-23T10:30:00Z"}})).await?.ok()?;
    let long = patch(plane, &namespace, "silence/quiet", &json!({"spec": {"endsAt": "2027-11-23T10:30:00Z"}}))
        .await?
        .refused()?;
    assert!(long.contains("expected at most 30 days"), "{long}");
    Ok(())
}

#[tokio::test]
async fn an_override_changes_only_its_end() -> Result<()> {
    let plane = cluster().await?;
    let namespace = room(plane, "override").await?;
    as_person(plane, "ada", &["-n", &namespace, "create", "-f", "-"], &shift("swap", &json!({}))).await?.ok()?;
    for change in [
        json!({"spec": {"policy": "shop"}}),
        json!({"spec": {"schedule": "secondary"}}),
        json!({"spec": {"person": "carol"}}),
        json!({"spec": {"replaces": "carol"}}),
        json!({"spec": {"replaces": null}}),
        json!({"spec": {"from": "2026-11-23T09:00:00Z"}}),
        json!({"spec": {"reason": "another"}}),
        json!({"spec": {"author": "bob"}}),
    ] {
        let refusal = patch(plane, &namespace, "oncalloverride/swap", &change).await?.refused()?;
        assert!(refusal.contains("only until may change; end this override and create another"), "{change}: {refusal}");
    }
    patch(plane, &namespace, "oncalloverride/swap", &json!({"spec": {"until": "2026-11-23T10:30:00Z"}})).await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn why_a_ticket_was_opened_never_changes() -> Result<()> {
    let plane = cluster().await?;
    let namespace = room(plane, "origin").await?;
    let file = tests::stage::path("src/api/samples/accepted/ticket-origin.yaml");
    plane.kubectl(&["-n", &namespace, "create", "-f", &file.to_string_lossy()]).await?.ok()?;
    let file = tests::stage::path("src/api/samples/accepted/ticket-least.yaml");
    plane.kubectl(&["-n", &namespace, "create", "-f", &file.to_string_lossy()]).await?.ok()?;
    let text = plane.kubectl(&["-n", &namespace, "get", "ticket", "ticket-origin", "-o", "json"]).await?.ok()?;
    let origin = serde_json::from_str::<Value>(&text)?["spec"]["origin"].clone();
    for (ticket, change) in [
        ("ticket-origin", json!({"policy": "another"})),
        ("ticket-origin", json!({"alerts": []})),
        ("ticket-origin", Value::Null),
        ("ticket-least", origin),
    ] {
        let change = json!({"spec": {"origin": change}});
        let refusal = patch(plane, &namespace, &format!("ticket/{ticket}"), &change).await?.refused()?;
        assert!(
            refusal.contains("origin says why the ticket was opened and never changes"),
            "{ticket} {change}: {refusal}"
        );
    }
    patch(plane, &namespace, "ticket/ticket-origin", &json!({"spec": {"title": "Checkout is slow"}})).await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn the_epoch_of_a_ticket_never_decreases() -> Result<()> {
    let plane = cluster().await?;
    let namespace = room(plane, "epoch").await?;
    let ticket = json!({"apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket", "metadata": {"name": "t"}, "spec": {"title": "x"}});
    as_person(plane, "ada", &["-n", &namespace, "create", "-f", "-"], &ticket).await?.ok()?;
    let status = async |status: Value| {
        let patch = json!({"status": status}).to_string();
        plane
            .kubectl(&["-n", &namespace, "patch", "ticket", "t", "--subresource=status", "--type=merge", "-p", &patch])
            .await
    };
    for accepted in
        [json!({"state": "New"}), json!({"epoch": 6}), json!({"epoch": 6, "state": "Open"}), json!({"epoch": 7})]
    {
        status(accepted.clone()).await?.ok().with_context(|| accepted.to_string())?;
    }
    for refused in [json!({"epoch": 6}), json!({"epoch": null}), json!({"epoch": 0, "state": "New"})] {
        let refusal = status(refused.clone()).await?.refused().with_context(|| refused.to_string())?;
        assert!(refusal.contains("epoch never decreases: another operator has taken over"), "{refused}: {refusal}");
    }
    Ok(())
}
