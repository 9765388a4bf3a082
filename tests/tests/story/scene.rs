//! The scene of the story: Acme's demo with a running operator, and Ada with kubectl and the plugin.

use std::{
    os::unix::fs::symlink,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{
    control_plane::Kubectl,
    eventually,
    mail::Mail,
    operator::{self, Operator, Setup},
    serve::Behaviour,
    stage::{self, PATIENCE, SYSTEM, Stage, TEAM},
};

pub(crate) const ADA: &str = "ada@acme.example";
pub(crate) const BOB: &str = "bob@acme.example";

/// A stage with a ready operator, and Ada: on call, with the role of a responder.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) ada: Kubectl,
    pub(crate) operator: Operator,
    pub(crate) setup: Setup,
}

impl Scene {
    /// Nothing is committed yet.
    pub(crate) async fn open(name: &str) -> Result<Self> {
        let stage = Stage::build(name).await?;
        let plugins = stage.plane.folder().join("plugins");
        std::fs::create_dir_all(&plugins)?;
        symlink(operator::binary()?, plugins.join("kubectl-firstline"))?;
        stage.plane.apply(RESPONDERS).await?;
        let (setup, operator) = stage.start(name).await?;
        let ada = stage.plane.kubectl_with(&stage.plane.kubeconfig_as(ADA, &["acme:payments"])?);
        Ok(Self { stage, ada, operator, setup })
    }

    /// Acme's demo is applied from Git with some texts replaced, and both monitors are Up.
    pub(crate) async fn running(name: &str, changes: &[(&str, &str)]) -> Result<Self> {
        let mut scene = Self::open(name).await?;
        scene.change(changes)?;
        let commit = scene.stage.commit_acme().await?;
        scene.applied(&commit).await?;
        scene.stage.wait_for_state("checkout", "Up").await?;
        scene.stage.wait_for_state("checkout-port", "Up").await?;
        Ok(scene)
    }

    /// Replaces texts in Acme's files, before they are committed.
    pub(crate) fn change(&mut self, changes: &[(&str, &str)]) -> Result<()> {
        for (old, new) in changes {
            let mut found = false;
            for (_, text) in &mut self.stage.files {
                found |= text.contains(old);
                *text = text.replace(old, new);
            }
            ensure!(found, "examples/acme/demo has no {old:?} any more");
        }
        Ok(())
    }

    /// Commits files and gives the commit.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> Result<String> {
        self.stage.git.commit(files, "a change")
    }

    /// The GitSource `acme` once it fulfils a wish.
    pub(crate) async fn source(&self, what: &str, wish: impl Fn(&Value) -> bool) -> Result<Value> {
        eventually(PATIENCE, &format!("the source {what}"), || async {
            let source = self.stage.get_in(SYSTEM, "gitsources", "acme").await?;
            ensure!(wish(&source["status"]), "its status is {}", source["status"]);
            Ok(source)
        })
        .await
    }

    /// Waits until a commit is applied.
    pub(crate) async fn applied(&self, commit: &str) -> Result<Value> {
        let revision = format!("main@sha1:{commit}");
        self.source("has applied the commit", |status| {
            status["lastAppliedRevision"] == revision.as_str() && ready(status)["status"] == "True"
        })
        .await
    }

    /// Waits until a commit is refused, and gives the status.
    pub(crate) async fn refused(&self, commit: &str, reason: &str) -> Result<Value> {
        let revision = format!("main@sha1:{commit}");
        let source = self
            .source(&format!("refuses the commit with {reason}"), |status| {
                status["lastAttemptedRevision"] == revision.as_str() && ready(status)["reason"] == reason
            })
            .await?;
        let status = source["status"].clone();
        ensure!(ready(&status)["status"] == "False", "{status}");
        ensure!(status["lastAppliedRevision"] != revision.as_str(), "{status}");
        Ok(status)
    }

    /// The shop answers 500 from now on.
    pub(crate) fn break_shop(&self) {
        self.stage.shop.break_with(Behaviour::Status(500));
    }

    /// The shop's newest ticket, once it fulfils a wish.
    pub(crate) async fn ticket(&self, what: &str, wish: impl Fn(&Value) -> bool) -> Result<Value> {
        self.stage.wait_for_ticket("checkout", what, wish).await
    }

    /// The shop's ticket once somebody's mail was accepted.
    pub(crate) async fn paged(&self, person: &str) -> Result<Value> {
        self.ticket(&format!("{person} is paged"), |ticket| page_of(ticket, person)["state"] == "Accepted").await
    }

    /// Every mail to an address.
    pub(crate) async fn mails(&self, address: &str) -> Result<Vec<Mail>> {
        let mut mails = self.stage.mail.messages().await?;
        mails.retain(|mail| mail.to.iter().any(|to| to == address));
        Ok(mails)
    }

    /// `kubectl firstline …` of Ada, in her namespace.
    pub(crate) async fn plugin(&self, arguments: &[&str]) -> Result<String> {
        let arguments = [&["firstline", "-n", TEAM], arguments].concat();
        // kubectl takes no flags before a plugin's name; the plugin takes them anywhere after its verb.
        let [plugin, flag, team, verb @ ..] = arguments.as_slice() else { anyhow::bail!("no verb") };
        let arguments = [&[*plugin], verb, &[*flag, *team]].concat();
        self.ada.run(&arguments).await?.ok()
    }

    /// A Secret of the team, labelled for a use.
    pub(crate) async fn secret(&self, namespace: &str, name: &str, use_: &str, values: &[(&str, &str)]) -> Result<()> {
        let values: serde_json::Map<String, Value> =
            values.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace, "labels": {"firstline.dev/use": use_}},
            "stringData": values,
        });
        self.stage.plane.apply(&secret.to_string()).await.map(drop)
    }

    /// Waits until an Event of this reason is on an object; gives its text.
    pub(crate) async fn event(&self, namespace: &str, object: &str, reason: &str) -> Result<String> {
        eventually(PATIENCE, &format!("the Event {reason} on {object}"), || async {
            let text = self.stage.plane.kubectl(&["-n", namespace, "get", "events", "-o", "json"]).await?.ok()?;
            let list: Value = serde_json::from_str(&text)?;
            let all = list["items"].as_array().cloned().unwrap_or_default();
            let on = all.iter().filter(|event| event["involvedObject"]["name"] == object);
            let reasons: Vec<&Value> = on.clone().map(|event| &event["reason"]).collect();
            let found = on.clone().find(|event| event["reason"] == reason);
            let found = found.with_context(|| format!("there are {reasons:?}"))?;
            Ok(found["message"].as_str().unwrap_or_default().to_owned())
        })
        .await
    }

    /// `kubectl wait --for=condition=…` of the administrator.
    pub(crate) async fn wait_condition(&self, namespace: &str, condition: &str, object: &str) -> Result<()> {
        let condition = format!("--for=condition={condition}");
        self.stage.plane.kubectl(&["-n", namespace, "wait", &condition, "--timeout=60s", object]).await?.ok().map(drop)
    }
}

/// The condition Ready of a status.
pub(crate) fn ready(status: &Value) -> &Value {
    condition(status, "Ready")
}

/// A condition of a status; null without one.
pub(crate) fn condition<'a>(status: &'a Value, name: &str) -> &'a Value {
    let all = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().find(|condition| condition["type"] == name).unwrap_or(&Value::Null)
}

/// The newest page to a person; null without one.
pub(crate) fn page_of<'a>(ticket: &'a Value, person: &str) -> &'a Value {
    let all = ticket["status"]["notifications"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().rev().find(|n| n["person"] == person && n["kind"] == "page").unwrap_or(&Value::Null)
}

/// The lines of a ticket's timeline of one sort.
pub(crate) fn lines<'a>(ticket: &'a Value, what: &str) -> Vec<&'a str> {
    let all = ticket["status"]["timeline"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter(|line| line["what"] == what).filter_map(|line| line["detail"].as_str()).collect()
}

/// The name of an object.
pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// A time of a status, since the epoch.
pub(crate) fn unix(time: &Value) -> Result<Duration> {
    let text = time.as_str().with_context(|| format!("expected a time, found {time}"))?;
    let time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time =
        serde_json::from_value(Value::String(text.to_owned()))?;
    Ok(Duration::from_secs(u64::try_from(time.0.as_second())?))
}

/// Now, since the epoch.
pub(crate) fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// Waits until a planned time has passed by two seconds: what was to come then would have come.
pub(crate) async fn let_pass(planned: Duration) -> Result<()> {
    eventually(PATIENCE, "the planned time", || async {
        let now = now()?;
        ensure!(now > planned + Duration::from_secs(2), "it is {now:?}, planned {planned:?}");
        Ok(())
    })
    .await
}

/// A GitSource over another URL, with a Secret.
pub(crate) fn source_with_secret(url: &str, secret: &str) -> Result<String> {
    let mut source: Value = serde_json::from_str(&stage::source(url))?;
    source["spec"]["secretRef"] = json!({"name": secret});
    Ok(source.to_string())
}

/// Acme's people on call may look and act.
const RESPONDERS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: acme-payments, namespace: payments}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: firstline-responder}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'acme:payments'}]
";
