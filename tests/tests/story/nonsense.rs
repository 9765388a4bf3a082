//! A monitor with nonsense, made by hand: it says what is wrong with it, and nobody else notices.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tests::{
    eventually,
    stage::{PATIENCE, TEAM},
};

use crate::scene::{Scene, ready};

fn monitor(name: &str, probe: &Value) -> Value {
    json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor", "metadata": {"name": name, "namespace": TEAM},
        "spec": {"service": name, "interval": "1s", "timeout": "1s", "probe": probe, "thresholds": {"down": 1}},
    })
}

/// The status once Ready and the words of its message fit; `state` is that of the target.
async fn says(scene: &Scene, kind: &str, name: &str, reason: &str, words: &str) -> Result<Value> {
    eventually(PATIENCE, &format!("{kind} {name} to say {words:?}"), || async {
        let object = scene.stage.get(kind, name).await?;
        let ready = ready(&object["status"]);
        let fits = ready["status"] == "False" && ready["reason"] == reason;
        ensure!(fits && ready["message"].as_str().is_some_and(|text| text.contains(words)), "{}", object["status"]);
        Ok(object)
    })
    .await
}

#[tokio::test]
async fn a_monitor_with_nonsense_says_so_while_the_others_go_on() -> Result<()> {
    let scene = Scene::running("nonsense", &[]).await?;
    let shop = scene.stage.shop.url();
    // What the schema can tell is refused at once.
    let refusal = scene.stage.plane.apply(&monitor("no-host", &json!({"http": {"url": "http://"}})).to_string()).await;
    let refusal = format!("{:#}", refusal.expect_err("a URL without host is refused"));
    assert!(refusal.contains("spec.probe.http.url"), "{refusal}");

    let all = [
        (
            "regex",
            json!({"http": {"url": shop, "expect": {"body": {"matches": "("}}}}),
            "spec.probe.http.expect.body.matches",
        ),
        ("port", json!({"http": {"url": "http://127.0.0.1:99999/"}}), "spec.probe.http.url"),
        (
            "head",
            json!({"http": {"url": shop, "method": "HEAD", "expect": {"body": {"contains": "ok"}}}}),
            "spec.probe.http",
        ),
    ];
    for (name, probe, _) in &all {
        scene.stage.plane.apply(&monitor(name, probe).to_string()).await?;
    }
    for (name, _, field) in &all {
        let object = says(&scene, "svcmonitors", name, "InvalidSpec", field).await?;
        ensure!(object["status"]["state"].is_null() || object["status"]["state"] == "Unknown", "{}", object["status"]);
        scene.event(TEAM, name, "InvalidSpec").await?;
    }

    // A Secret that is not there is no nonsense in the spec: the target's state is unknown, which says why.
    let header = json!({"http": {"url": shop, "headers": [{"name": "X-Token", "secretRef": {"name": "nowhere", "key": "token"}}]}});
    scene.stage.plane.apply(&monitor("secret", &header).to_string()).await?;
    let missing = "Secret payments/nowhere does not exist; create it with the label firstline.dev/use=probe";
    let object = says(&scene, "svcmonitors", "secret", "ConfigError", missing).await?;
    let status = &object["status"];
    ensure!(status["state"] == "Unknown" && status["reason"] == "ConfigError", "{status}");
    scene.event(TEAM, "secret", "Unknown").await?;

    // A policy that contradicts itself is not taken over: the last valid one stays in force.
    let policy = scene.stage.get("supportpolicies", "payments").await?;
    let mut wrong = json!({"apiVersion": policy["apiVersion"], "kind": "SupportPolicy",
        "metadata": {"name": "second", "namespace": TEAM}, "spec": policy["spec"]});
    wrong["spec"]["routes"][0]["escalation"] = json!("paeg");
    scene.stage.plane.apply(&wrong.to_string()).await?;
    says(&scene, "supportpolicies", "second", "InvalidSpec", "did you mean `page`?").await?;

    // The others go on: the shop breaks, and its page comes.
    scene.break_shop();
    scene.paged("ada").await?;
    // Mended by hand, a monitor is probed like any other.
    scene.stage.shop.repair().await?;
    scene.stage.plane.apply(&monitor("regex", &json!({"http": {"url": shop}})).to_string()).await?;
    scene.stage.wait_for_state("regex", "Up").await?;
    scene.secret(TEAM, "nowhere", "probe", &[("token", "t0ken")]).await?;
    scene.stage.wait_for_state("secret", "Up").await?;
    scene.wait_condition(TEAM, "Ready", "svcmonitor/secret").await?;
    Ok(())
}
