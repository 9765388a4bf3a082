//! Who may say that somebody did something, and who may take it back.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tests::{control_plane::ControlPlane, eventually};

use crate::{SOON, as_person, binding, cluster, event, room, shift, silence};

async fn create(plane: &ControlPlane, user: &str, namespace: &str, object: &Value) -> Result<Value> {
    let text = as_person(plane, user, &["-n", namespace, "create", "-o", "json", "-f", "-"], object).await?.ok()?;
    Ok(serde_json::from_str(&text)?)
}

async fn refused(plane: &ControlPlane, user: &str, namespace: &str, object: &Value) -> Result<String> {
    as_person(plane, user, &["-n", namespace, "create", "-f", "-"], object).await?.refused()
}

#[tokio::test]
async fn who_acts_is_who_asks() -> Result<()> {
    let plane = cluster().await?;
    let namespace = room(plane, "author").await?;
    for make in [event_by, silence_by, shift_by] {
        let stamped = create(plane, "ada", &namespace, &make(None)).await?;
        assert_eq!(stamped["spec"]["author"], "ada", "an author that is left out is filled in");
        let own = create(plane, "ada", &namespace, &make(Some("ada"))).await?;
        assert_eq!(own["spec"]["author"], "ada");
        let forged = refused(plane, "ada", &namespace, &make(Some("bob"))).await?;
        assert!(forged.contains("expected spec.author to be you, ada, found bob"), "{forged}");
    }
    let earlier = json!({"acknowledge": true, "occurredAt": "2026-01-01T00:00:00Z"});
    let refusal = refused(plane, "ada", &namespace, &event("earlier", earlier)).await?;
    assert!(refusal.contains("expected no spec.occurredAt"), "{refusal}");
    Ok(())
}

fn event_by(author: Option<&str>) -> Value {
    let mut object = event(&tests::unique_name("act"), json!({"acknowledge": true}));
    if let Some(author) = author {
        object["spec"]["author"] = json!(author);
    }
    object
}

fn silence_by(author: Option<&str>) -> Value {
    let mut object = silence(&tests::unique_name("quiet"), &json!({}));
    if let Some(author) = author {
        object["spec"]["author"] = json!(author);
    }
    object
}

fn shift_by(author: Option<&str>) -> Value {
    let mut object = shift(&tests::unique_name("swap"), &json!({}));
    if let Some(author) = author {
        object["spec"]["author"] = json!(author);
    }
    object
}

#[tokio::test]
async fn who_may_impersonate_the_author_may_name_others_and_earlier_times() -> Result<()> {
    let plane = cluster().await?;
    let namespace = room(plane, "intake").await?;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "intake", "namespace": namespace},
        "rules": [
            {"apiGroups": ["firstline.dev"], "resources": ["ticketevents", "silences"], "verbs": ["create"]},
            {"apiGroups": ["firstline.dev"], "resources": ["ticketevents/author"], "verbs": ["impersonate"]},
        ],
    });
    plane.apply(&role.to_string()).await?;
    plane
        .apply(&binding(&namespace, "Role", "intake", &json!({"kind": "User", "name": "mailroom"})).to_string())
        .await?;
    crate::wait_until_allowed(plane, "mailroom", &namespace).await?;
    let of_ada = event("by-mail", json!({"acknowledge": true, "author": "ada", "occurredAt": "2026-01-01T00:00:00Z"}));
    let made = create(plane, "mailroom", &namespace, &of_ada).await?;
    assert_eq!(made["spec"]["author"], "ada");
    assert_eq!(made["spec"]["occurredAt"], "2026-01-01T00:00:00Z");
    // The right is per resource: it holds for events, not for silences.
    let refusal = refused(plane, "mailroom", &namespace, &silence_by(Some("ada"))).await?;
    assert!(refusal.contains("expected spec.author to be you, mailroom, found ada"), "{refusal}");
    Ok(())
}

#[tokio::test]
async fn an_event_is_never_deleted_by_people_whatever_their_roles() -> Result<()> {
    let plane = cluster().await?;
    let namespace = room(plane, "append-only").await?;
    create(plane, "ada", &namespace, &event("said", json!({"note": {"text": "looking"}}))).await?;
    let refusal =
        as_person(plane, "ada", &["-n", &namespace, "delete", "ticketevent", "said"], &json!({})).await?.refused()?;
    assert!(refusal.contains("a TicketEvent is never deleted"), "{refusal}");
    let sweep =
        as_person(plane, "ada", &["-n", &namespace, "delete", "ticketevents", "--all"], &json!({})).await?.refused()?;
    assert!(sweep.contains("a TicketEvent is never deleted"), "{sweep}");
    Ok(())
}

#[tokio::test]
async fn events_go_with_their_ticket_or_namespace_or_by_who_may_purge() -> Result<()> {
    let plane = cluster().await?;
    let namespace = room(plane, "purge").await?;
    let delete = |name| ["-n", namespace.as_str(), "delete", "ticketevent", name];
    for (name, account) in [("orphan", "generic-garbage-collector"), ("leftover", "namespace-controller")] {
        create(plane, "ada", &namespace, &event(name, json!({"acknowledge": true}))).await?;
        let user = format!("system:serviceaccount:kube-system:{account}");
        as_person(plane, &user, &delete(name), &json!({})).await?.ok()?;
    }

    create(plane, "ada", &namespace, &event("old", json!({"acknowledge": true}))).await?;
    let operator = "system:serviceaccount:firstline-system:firstline";
    let subject = json!({"kind": "ServiceAccount", "name": "firstline", "namespace": "firstline-system"});
    let grant = |verbs: Value| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "compact", "namespace": namespace},
            "rules": [{"apiGroups": ["firstline.dev"], "resources": ["ticketevents"], "verbs": verbs}],
        })
    };
    plane.apply(&grant(json!(["delete"])).to_string()).await?;
    plane.apply(&binding(&namespace, "Role", "compact", &subject).to_string()).await?;
    eventually(SOON, "the right to delete alone to be refused by the policy", || async {
        let refusal = as_person(plane, operator, &delete("old"), &json!({})).await?.refused()?;
        ensure!(refusal.contains("a TicketEvent is never deleted"), "{refusal}");
        Ok(())
    })
    .await?;
    plane.apply(&grant(json!(["delete", "purge"])).to_string()).await?;
    eventually(SOON, "the operator's account to delete with `purge`", || async {
        as_person(plane, operator, &delete("old"), &json!({})).await?.ok()
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn only_the_operator_says_that_an_alert_opened_a_ticket() -> Result<()> {
    let plane = cluster().await?;
    let namespace = room(plane, "origin").await?;
    let mut ticket = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"name": tests::unique_name("asked")}, "spec": {"title": "A new laptop"},
    });
    create(plane, "ada", &namespace, &ticket).await?;
    ticket["metadata"]["name"] = json!(tests::unique_name("forged"));
    ticket["spec"]["origin"] = json!({
        "policy": "p", "policyNamespace": "n", "policyRevision": "", "route": "", "groupKey": "g",
        "firstStart": "2026-11-23T03:00:00Z", "severity": "page",
    });
    let refusal = refused(plane, "ada", &namespace, &ticket).await?;
    ensure!(refusal.contains("only the operator says that an alert opened a ticket"), "{refusal}");
    Ok(())
}
