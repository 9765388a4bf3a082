//! What the roles of the chart allow: the operator what it needs and nothing else, people their part.

use anyhow::{Context, Result};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};
use serde_json::json;
use tests::{
    eventually,
    stage::{ACCOUNT, SYSTEM},
};

use crate::{SOON, binding, cluster};

/// Asks the API server whether `user` may do `what`: `verb group/resource/subresource`, where the core group is `core`.
async fn may(client: &Client, user: &str, namespace: &str, what: &str) -> Result<bool> {
    let (verb, path) = what.split_once(' ').context("verb and resource")?;
    let mut parts = path.split('/');
    let group = parts.next().filter(|group| *group != "core").unwrap_or_default();
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            groups: Some(vec!["system:authenticated".to_owned()]),
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
                verb: Some(verb.to_owned()),
                group: Some(group.to_owned()),
                resource: parts.next().map(str::to_owned),
                subresource: parts.next().map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let answer = Api::<SubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(answer.status.context("a review has an answer")?.allowed)
}

async fn check(user: &str, namespace: &str, allowed: &[&str], refused: &[&str]) -> Result<()> {
    let client = cluster().await?.client().await?;
    let mut wrong = Vec::new();
    for (expected, list) in [(true, allowed), (false, refused)] {
        for what in list {
            if may(&client, user, namespace, what).await? != expected {
                wrong.push(format!("{user} in {namespace:?}: {what}: expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn the_operator_may_do_its_work_everywhere_and_nothing_else() -> Result<()> {
    let operator = format!("system:serviceaccount:{SYSTEM}:{ACCOUNT}");
    let kinds = [
        "gitsources",
        "supportpolicies",
        "svcmonitors",
        "tickets",
        "ticketevents",
        "silences",
        "oncalloverrides",
        "compliancerules",
        "vendorcontacts",
    ];
    let mut allowed: Vec<String> = Vec::new();
    for kind in kinds {
        allowed.extend(["get", "list", "watch"].map(|verb| format!("{verb} firstline.dev/{kind}")));
        allowed.push(format!("patch firstline.dev/{kind}/status"));
    }
    allowed.extend(
        [
            "create firstline.dev/tickets",
            "get core/secrets",
            "get apps/controllerrevisions",
            "create apps/controllerrevisions",
            "create events.k8s.io/events",
            "create firstline.dev/tickets/origin",
            // A message that comes too late is carried to the next ticket in its author's name.
            "create firstline.dev/ticketevents",
            "impersonate firstline.dev/ticketevents/author",
        ]
        .map(str::to_owned),
    );
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    let refused = [
        "list core/secrets",
        "watch core/secrets",
        "create core/secrets",
        "update core/secrets",
        "delete firstline.dev/ticketevents",
        "patch firstline.dev/ticketevents",
        "create firstline.dev/silences",
        "patch firstline.dev/silences",
        "delete firstline.dev/silences",
        "create firstline.dev/oncalloverrides",
        "patch firstline.dev/oncalloverrides",
        "patch firstline.dev/gitsources",
        "delete firstline.dev/gitsources",
        "impersonate core/serviceaccounts",
        "impersonate core/users",
        "impersonate core/groups",
        "get core/pods",
        "create core/pods/exec",
        "create core/namespaces",
        "delete core/namespaces",
        "update core/configmaps",
        "update coordination.k8s.io/leases",
        "delete apps/controllerrevisions",
        "create rbac.authorization.k8s.io/clusterrolebindings",
        "patch apiextensions.k8s.io/customresourcedefinitions",
        "patch admissionregistration.k8s.io/validatingadmissionpolicies",
    ];
    check(&operator, "default", &allowed, &refused).await?;
    let at_home = [
        "get coordination.k8s.io/leases",
        "create coordination.k8s.io/leases",
        "update coordination.k8s.io/leases",
        "get core/configmaps",
        "create core/configmaps",
        "update core/configmaps",
        "impersonate core/serviceaccounts",
    ];
    check(
        &operator,
        SYSTEM,
        &at_home,
        &["list core/secrets", "delete coordination.k8s.io/leases", "list core/configmaps"],
    )
    .await?;
    check(
        &operator,
        "",
        &["list firstline.dev/tickets", "get apiextensions.k8s.io/customresourcedefinitions"],
        &["list core/secrets"],
    )
    .await
}

#[tokio::test]
async fn a_responder_acts_on_tickets_and_a_viewer_looks() -> Result<()> {
    let plane = cluster().await?;
    let namespace = plane.namespace("roles").await?;
    for (user, role) in [("rita", "firstline-responder"), ("vera", "firstline-viewer")] {
        plane
            .apply(&binding(&namespace, "ClusterRole", role, &json!({"kind": "User", "name": user})).to_string())
            .await?;
    }
    let client = plane.client().await?;
    eventually(SOON, "the bindings to count", || async {
        let both = may(&client, "rita", &namespace, "list firstline.dev/tickets").await?
            && may(&client, "vera", &namespace, "list firstline.dev/tickets").await?;
        both.then_some(()).context("not yet")
    })
    .await?;
    let look = ["get firstline.dev/tickets", "watch firstline.dev/svcmonitors", "list firstline.dev/supportpolicies"];
    let act = [
        "create firstline.dev/tickets",
        "create firstline.dev/ticketevents",
        "create firstline.dev/silences",
        "patch firstline.dev/silences",
        "create firstline.dev/oncalloverrides",
        "patch firstline.dev/oncalloverrides",
    ];
    let neither = [
        "patch firstline.dev/tickets/status",
        "delete firstline.dev/tickets",
        "delete firstline.dev/ticketevents",
        "patch firstline.dev/svcmonitors",
        "create firstline.dev/supportpolicies",
        "create firstline.dev/gitsources",
        "impersonate firstline.dev/ticketevents/author",
        "get core/secrets",
    ];
    check("rita", &namespace, &[&look[..], &act].concat(), &neither).await?;
    check("vera", &namespace, &look, &[&act[..], &neither].concat()).await
}
