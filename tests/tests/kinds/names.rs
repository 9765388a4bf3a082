//! What the kinds are called, beside a neighbour of the same kind; what they teach; what they show.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::eventually;

use crate::{SOON, cluster};

/// The names of prometheus-operator's ServiceMonitor, v0.80: nothing else of it matters here.
pub(crate) fn theirs() -> String {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": {"kind": "ServiceMonitor", "listKind": "ServiceMonitorList", "plural": "servicemonitors",
                "singular": "servicemonitor", "shortNames": ["smon"], "categories": ["prometheus-operator"]},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
    .to_string()
}

#[tokio::test]
async fn every_name_of_a_monitor_finds_the_right_one_of_two_kinds() -> Result<()> {
    let plane = cluster().await?;
    let namespace = plane.namespace("two-kinds").await?;
    plane
        .apply(&format!(
            "{{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {{name: theirs, namespace: {namespace}}}, spec: {{}}}}
---
{{apiVersion: firstline.dev/v1alpha1, kind: ServiceMonitor, metadata: {{name: ours, namespace: {namespace}}},
  spec: {{service: checkout, probe: {{tcp: {{address: \"127.0.0.1:1\"}}}}}}}}"
        ))
        .await?;
    for (word, expected) in [
        ("servicemonitors", "servicemonitor.monitoring.coreos.com/theirs"),
        ("servicemonitor", "servicemonitor.monitoring.coreos.com/theirs"),
        ("smon", "servicemonitor.monitoring.coreos.com/theirs"),
        ("svcmonitors", "servicemonitor.firstline.dev/ours"),
        ("svcmonitor", "servicemonitor.firstline.dev/ours"),
        ("svcmon", "servicemonitor.firstline.dev/ours"),
        ("firstline", "servicemonitor.firstline.dev/ours"),
    ] {
        let found = plane.kubectl(&["-n", &namespace, "get", word, "-o", "name"]).await?.ok()?;
        assert_eq!(found.trim(), expected, "kubectl get {word}");
    }
    Ok(())
}

#[tokio::test]
async fn every_kind_has_its_names_and_columns() -> Result<()> {
    let plane = cluster().await?;
    let namespace = plane.namespace("columns").await?;
    // Headers are printed only with a row: the first accepted sample of each kind.
    for sample in [
        "gitsource-least",
        "svcmonitor-http",
        "supportpolicy-least",
        "ticket-least",
        "ticketevent-note",
        "silence-deploy",
        "oncalloverride-swap",
        "compliancerule-least",
        "vendorcontact-all",
    ] {
        let file = tests::stage::path(&format!("src/api/samples/accepted/{sample}.yaml"));
        plane.kubectl(&["-n", &namespace, "create", "-f", &file.to_string_lossy()]).await?.ok()?;
    }
    for (plural, short, usual, wide) in [
        ("gitsources", "gsrc", "NAME READY REVISION APPLIED OBJECTS MESSAGE AGE", ""),
        (
            "svcmonitors",
            "svcmon",
            "NAME SERVICE STATE SINCE UPTIME-24H TICKET AGE",
            "TARGET REASON CERT-EXPIRES SLO-LEFT",
        ),
        ("supportpolicies", "spol", "NAME READY ON-CALL NEXT ROUTES GAPS AGE", ""),
        (
            "tickets",
            "tk",
            "NAME NUMBER PRIORITY STATE TITLE ASSIGNEE NEXT-DUE SLA AGE",
            "QUEUE TYPE REQUESTER STEP POLICY UPDATED",
        ),
        ("ticketevents", "tke", "NAME TICKET AUTHOR ACT ACCEPTED AGE", ""),
        ("silences", "sil", "NAME ACTIVE UNTIL AUTHOR REASON AGE", ""),
        ("oncalloverrides", "oco", "NAME SCHEDULE PERSON ACTIVE UNTIL AUTHOR REASON AGE", "FROM REPLACES POLICY"),
        ("compliancerules", "crule", "NAME SEVERITY TITLE READY AGE", ""),
        ("vendorcontacts", "vendor", "NAME VENDOR READY AGE", "URL"),
    ] {
        let narrow = plane.kubectl(&["-n", &namespace, "get", plural]).await?.ok()?;
        assert_eq!(header(&narrow)?, words(usual), "kubectl get {plural}");
        let broad = plane.kubectl(&["-n", &namespace, "get", short, "-o", "wide"]).await?.ok()?;
        let mut expected = words(usual);
        expected.extend(words(wide));
        let mut found = header(&broad)?;
        // AGE comes after the wide columns.
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "kubectl get {short} -o wide");
    }
    Ok(())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(|word| word.replace('-', " ")).collect()
}

/// kubectl separates columns by three spaces; a name of two words has one inside.
fn header(table: &str) -> Result<Vec<String>> {
    let line = table.lines().next().with_context(|| format!("no table: {table:?}"))?;
    Ok(line.split("  ").map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect())
}

#[tokio::test]
async fn kubectl_explain_teaches_every_field() -> Result<()> {
    let plane = cluster().await?;
    for (path, fields) in [
        ("svcmonitors.spec.probe.http", &["url", "method", "headers", "expect"][..]),
        ("supportpolicies.spec.escalations.steps", &["after", "notify"]),
        ("gitsources.spec.prune", &["enabled", "maxPercent", "approve"]),
        ("tickets.status.notifications", &["state", "attempts", "error"]),
    ] {
        let page = eventually(SOON, "the API server to publish our schema", || async {
            plane.kubectl(&["explain", "--api-version=firstline.dev/v1alpha1", path]).await?.ok()
        })
        .await?;
        ensure!(!page.contains("<no description>") && !page.contains("<empty>"), "{path}:\n{page}");
        let lines: Vec<&str> = page.lines().collect();
        for field in fields {
            let at = lines
                .iter()
                .position(|line| line.starts_with(&format!("  {field}\t")))
                .with_context(|| format!("{field} of {path}:\n{page}"))?;
            let rest = &lines[at + 1..];
            // The allowed values of an enum stand between a field and its description.
            let own: Vec<&&str> =
                rest.iter().take_while(|line| line.starts_with("    ") || line.starts_with("  enum:")).collect();
            assert!(
                own.iter().any(|line| line.starts_with("    ") && line.trim().len() > 8),
                "{path}.{field} has no description:\n{page}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn tickets_and_events_are_found_by_the_fields_people_look_for() -> Result<()> {
    let plane = cluster().await?;
    let namespace = plane.namespace("fields").await?;
    for (name, state) in [("one", "Open"), ("two", "Resolved")] {
        let ticket = json!({"apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
            "metadata": {"name": name, "namespace": namespace}, "spec": {"title": name}});
        plane.apply(&ticket.to_string()).await?;
        let patch = json!({"status": {"state": state, "assignee": "ada"}}).to_string();
        let args = ["-n", &namespace, "patch", "ticket", name, "--subresource=status", "--type=merge", "-p", &patch];
        plane.kubectl(&args).await?.ok()?;
    }
    let get =
        ["-n", &namespace, "get", "tickets", "--field-selector=status.state=Open,status.assignee=ada", "-o", "name"];
    assert_eq!(plane.kubectl(&get).await?.ok()?.trim(), "ticket.firstline.dev/one");
    Ok(())
}

#[tokio::test]
async fn an_object_tells_from_birth_that_nobody_has_looked_at_it() -> Result<()> {
    let plane = cluster().await?;
    let namespace = plane.namespace("birth").await?;
    let ticket = json!({"apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket", "metadata": {"name": "new", "namespace": namespace}, "spec": {"title": "x"}});
    plane.apply(&ticket.to_string()).await?;
    let text = plane.kubectl(&["-n", &namespace, "get", "ticket", "new", "-o", "json"]).await?.ok()?;
    let object: Value = serde_json::from_str(&text)?;
    assert_eq!(object["status"], json!({"observedGeneration": -1}));
    Ok(())
}
