//! `make demo`: an incident at Acme, from a commit to Resolved, on real parts.
//!
//! Every line it prints is read from the running system. Afterwards everything stays up to play with, until
//! Ctrl-C or SIGTERM; nothing outlives it. The cluster is one of our own, or the one that the context in `KUBECONTEXT` names: there
//! it installs what it needs, refuses to touch a Firstline that is there already, and removes all of it at the end.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a demo speaks to a person, reads JSON whose absent fields are null, and measures the real clock"
)]

use std::{os::unix::fs::symlink, path::PathBuf, sync::Arc, time::Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    control_plane::{Cluster, Kubectl},
    eventually, operator,
    serve::Behaviour,
    stage::{self, PATIENCE, SYSTEM, Stage, TEAM},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What `--help` prints.
const HELP: &str = "An incident at Acme, from a commit to Resolved, on real parts; then everything stays up to play with.

Usage: make demo [KUBECONTEXT=name]

  KUBECONTEXT  A context of your kubeconfig: the demo installs what it needs in that cluster, touches no Firstline that is
               there already, and removes all of it at the end. Without it the cluster is one of its own.

Ctrl-C, or SIGTERM, ends and removes everything that was started.";

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("-h" | "--help") => {
            println!("{HELP}");
            return Ok(());
        }
        Some(other) => {
            eprintln!("expected no arguments, found `{other}`\n\n{HELP}");
            std::process::exit(2);
        }
    }
    let mut stop = Stop::catch()?;
    match std::env::var("KUBECONTEXT").ok().filter(|context| !context.is_empty()) {
        None => until_stopped(&mut stop, Stage::build("demo")).await,
        Some(context) => {
            let cluster = Arc::new(Cluster::existing(&context).await?);
            refuse_a_cluster_in_use(&cluster, &context).await?;
            let borrowed = cluster.clone();
            let told = until_stopped(&mut stop, Stage::on(borrowed, "demo")).await;
            title(&format!("Removing what was installed in {context}"));
            clean_up(&cluster).await.and(told)
        }
    }
}

/// Ctrl-C, a terminal that is closed, and SIGTERM, as `timeout` and service managers send it.
struct Stop([Signal; 3]);

impl Stop {
    fn catch() -> Result<Self> {
        let catch = |kind| signal(kind).context("catching signals");
        let [interrupt, hangup, terminate] = [SignalKind::interrupt(), SignalKind::hangup(), SignalKind::terminate()];
        Ok(Self([catch(interrupt)?, catch(hangup)?, catch(terminate)?]))
    }

    async fn asked(&mut self) {
        let [interrupt, hangup, terminate] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Tells the story, then waits until it is asked to stop, which it may be earlier. The parts end with their handles.
async fn until_stopped<P: AsRef<Cluster>>(
    stop: &mut Stop,
    stage: impl Future<Output = Result<Stage<P>>>,
) -> Result<()> {
    let began = Instant::now();
    let story = async {
        title("Starting a cluster, a mail server, a shop and the operator");
        let acme = Acme::open(stage.await?).await?;
        acme.tell().await?;
        anyhow::Ok(acme)
    };
    let acme = tokio::select! {
        acme = story => acme?,
        () = stop.asked() => return Ok(()),
    };
    println!("\nThe story took {} s.", began.elapsed().as_secs());
    acme.invite();
    stop.asked().await;
    println!("\nEnding everything that was started …");
    Ok(())
}

/// What the demo makes in a cluster it also removes, so nothing of it may be there before.
async fn refuse_a_cluster_in_use(cluster: &Cluster, context: &str) -> Result<()> {
    let names = ["namespace/payments", "namespace/firstline-system", "crd/tickets.firstline.dev"];
    let arguments = [&["get", "--ignore-not-found", "-o", "name"][..], &names].concat();
    let found = cluster.kubectl(&arguments).await?.ok()?;
    ensure!(
        found.trim().is_empty(),
        "context {context} has {} already; the demo would remove it at its end, so name another cluster",
        found.trim().replace('\n', ", ")
    );
    Ok(())
}

async fn clean_up(cluster: &Cluster) -> Result<()> {
    let (crds, rbac) = (stage::path("crds"), stage::path("charts/firstline/files/rbac.yaml"));
    let quietly = ["--ignore-not-found", "--wait=false"];
    let files = ["delete", "-f", &crds.to_string_lossy(), "-f", &rbac.to_string_lossy()].map(str::to_owned);
    let named = ["delete", "namespace/payments", "clusterrolebinding/acme-payments"].map(str::to_owned);
    for what in [files.to_vec(), named.to_vec()] {
        let arguments = [what, quietly.map(str::to_owned).to_vec()].concat();
        cluster.kubectl(&arguments).await?.ok()?;
    }
    Ok(())
}

/// Acme, with an operator and somebody on call.
struct Acme<P> {
    stage: Stage<P>,
    operator: operator::Operator,
    ada: Kubectl,
    ada_config: PathBuf,
    plugins: PathBuf,
}

impl<P: AsRef<Cluster>> Acme<P> {
    async fn open(stage: Stage<P>) -> Result<Self> {
        let version = stage.cluster().kubectl(&["version", "-o", "json"]).await?.ok()?;
        let version: Value = serde_json::from_str(&version)?;
        said("kube-apiserver", version["serverVersion"]["gitVersion"].as_str().unwrap_or_default());
        let (_, operator) = stage.start("demo").await?;
        let (_, ready) = operator.get("/readyz").await?;
        said("firstline /readyz", ready.trim());
        let plugins = stage.cluster().folder().join("plugins");
        std::fs::create_dir_all(&plugins)?;
        symlink(operator::binary()?, plugins.join("kubectl-firstline"))?;
        stage.cluster().apply(RESPONDERS).await?;
        let ada_config = stage.cluster().kubeconfig_as("ada@acme.example", &["acme:payments"])?;
        let ada = stage.cluster().kubectl_with(&ada_config);
        Ok(Self { stage, operator, ada, ada_config, plugins })
    }

    async fn tell(&self) -> Result<()> {
        title("A commit is applied");
        let commit = self.stage.commit_acme().await?;
        said(
            "git",
            &format!(
                "{} {}",
                commit.get(..10).unwrap_or(&commit),
                self.stage.git.git(&["log", "-1", "--format=%s", "main"])?.trim()
            ),
        );
        eventually(PATIENCE, "the commit is applied", || async {
            let source = self.stage.get_in(SYSTEM, "gitsources", "acme").await?;
            let applied = source["status"]["lastAppliedRevision"].as_str().unwrap_or_default();
            anyhow::ensure!(applied.ends_with(&commit), "its status is {}", source["status"]);
            Ok(())
        })
        .await?;
        self.show(&["-n", SYSTEM, "get", "gitsources"]).await?;
        self.stage.wait_for_state("checkout", "Up").await?;
        self.stage.wait_for_state("checkout-port", "Up").await?;
        self.show(&["-n", TEAM, "get", "svcmonitors"]).await?;
        self.show(&["-n", TEAM, "get", "supportpolicies"]).await?;

        title("The shop breaks: it answers 500");
        let broken = Instant::now();
        self.stage.shop.break_with(Behaviour::Status(500));
        let ticket =
            self.stage.wait_for_ticket("checkout", "is there", |ticket| ticket["status"]["number"].is_number()).await?;
        let name = ticket["metadata"]["name"].as_str().context("a ticket without a name")?.to_owned();
        self.show(&["-n", TEAM, "get", "tickets"]).await?;

        title("The page, as it arrived in ada's mail");
        let mail =
            self.stage.mail.wait_for(PATIENCE, "a page about checkout", |mail| mail.subject.contains(&name)).await?;
        println!("  From: {}\n  To: {}\n  Subject: {}\n", mail.from, mail.to.join(", "), mail.subject);
        for line in mail.text.lines() {
            println!("  | {line}");
        }
        println!("\n  ({:.1} s after the shop broke)", broken.elapsed().as_secs_f64());

        title("Ada takes it");
        self.firstline(&["firstline", "ack", &name, "-n", TEAM]).await?;
        self.firstline(&[
            "firstline",
            "note",
            &name,
            "The new release cannot reach its database; rolling back.",
            "-n",
            TEAM,
        ])
        .await?;
        self.show(&["-n", TEAM, "get", "ticketevents"]).await?;

        title("The shop is repaired");
        self.stage.shop.repair().await?;
        self.stage.wait_for_state("checkout", "Up").await?;
        self.stage.wait_for_ticket("checkout", "is resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
        self.show(&["-n", TEAM, "get", "tickets"]).await?;
        let over = self
            .stage
            .mail
            .wait_for(PATIENCE, "the news that it is over", |mail| mail.subject.starts_with("Resolved"))
            .await?;
        said("mail to ada", &over.subject);
        self.firstline(&["firstline", "show", &name, "-n", TEAM]).await
    }

    /// Runs kubectl as the administrator and shows what it says.
    async fn show(&self, arguments: &[&str]) -> Result<()> {
        println!("  $ kubectl {}", arguments.join(" "));
        let text = self.stage.cluster().kubectl(arguments).await?.ok()?;
        print_indented(&text);
        Ok(())
    }

    /// Runs kubectl with the plugin as ada.
    async fn firstline(&self, arguments: &[&str]) -> Result<()> {
        let quoted =
            arguments.iter().map(|word| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() });
        println!("  ada$ kubectl {}", quoted.collect::<Vec<_>>().join(" "));
        let text = self.ada.run(arguments).await?.ok()?;
        print_indented(&text);
        Ok(())
    }

    fn invite(&self) {
        title("Everything stays up. In another terminal:");
        let tools = self.stage.cluster().kubectl_with(&self.ada_config);
        let tools = tools.program().parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        let admin = self.stage.cluster().admin_kubeconfig();
        println!("  export PATH={}:{tools}:$PATH", self.plugins.display());
        println!("  export KUBECONFIG={}     # the administrator", admin.display());
        println!("  # to be ada instead: export KUBECONFIG={}", self.ada_config.display());
        println!("  kubectl get firstline -A");
        println!("  kubectl firstline tickets -A --all");
        println!("  kubectl -n {TEAM} describe tickets");
        println!("  curl {}/metrics", self.operator.url());
        println!("  curl {}/api/v1/messages     # the mail server", self.stage.mail.rest_url());
        println!(
            "  git clone {} acme && cd acme   # commit and push: applied within a second",
            self.stage.git.file_url()
        );
        println!(
            "  sed -i 's|/healthz|&\\n      expect: {{status: [\"418\"]}}|' monitors.yaml && git -c user.name=you -c user.email=you@acme.example commit -am 'break it' && git push   # breaks it"
        );
        println!("\nCtrl-C ends and removes all of it.");
    }
}

fn title(text: &str) {
    println!("\n== {text}");
}

fn said(who: &str, text: &str) {
    println!("  {who}: {text}");
}

fn print_indented(text: &str) {
    for line in text.lines() {
        println!("  {line}");
    }
    println!();
}

/// People on call may look and act.
const RESPONDERS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: acme-payments}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: firstline-responder}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'acme:payments'}]
";
