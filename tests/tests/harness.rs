//! The harness itself: each real part comes up, does what scenarios rely on,
//! and leaves nothing behind.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test of child processes measures the real clock and waits for real ends"
)]

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{Api, api::PostParams};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::header::ContentType,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use tests::{
    child,
    control_plane::{self, ControlPlane},
    eventually,
    git_server::GitServer,
    mail::MailServer,
    receiver::{Answer, Receiver},
    serve::Behaviour,
    tls::Authority,
    web::WebService,
};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn kubectl_and_a_client_reach_the_shared_control_plane() -> Result<()> {
    let plane = control_plane::shared().await?;
    let names = plane.kubectl(&["get", "namespaces", "-o", "name"]).await?.ok()?;
    assert!(names.contains("namespace/default"), "{names}");

    let namespace = plane.namespace("hello").await?;
    let found = Api::<Namespace>::all(plane.client().await?).get_opt(&namespace).await?;
    assert!(found.is_some());
    let version = plane.client().await?.apiserver_version().await?;
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "36"));
    Ok(())
}

#[tokio::test]
async fn both_kinds_of_admission_policy_are_served() -> Result<()> {
    let plane = control_plane::shared().await?;
    let served = plane.kubectl(&["api-resources", "--api-group=admissionregistration.k8s.io"]).await?.ok()?;
    for kind in ["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"] {
        assert!(
            served.lines().any(|l| l.ends_with(kind) && l.contains("admissionregistration.k8s.io/v1 ")),
            "{served}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_service_account_has_the_rights_it_was_given_and_no_others() -> Result<()> {
    let plane = control_plane::shared().await?;
    let namespace = plane.namespace("account").await?;
    plane.service_account(&namespace, "operator").await?;
    let kubectl = plane.kubectl_with(&plane.kubeconfig_for_service_account(&namespace, "operator").await?);

    let who = kubectl.run(&["auth", "whoami"]).await?.ok()?;
    assert!(who.contains(&format!("system:serviceaccount:{namespace}:operator")), "{who}");
    let refusal = kubectl.run(&["get", "configmaps", "-n", &namespace]).await?.refused()?;
    assert!(refusal.contains("forbidden"), "{refusal}");

    // Not the built-in `view`: a controller-manager would have to fill it.
    let subject = format!("--serviceaccount={namespace}:operator");
    let role = ["create", "role", "see", "--verb=list", "--resource=configmaps", "-n", &namespace];
    plane.kubectl(&role).await?.ok()?;
    plane.kubectl(&["create", "rolebinding", "see", "--role=see", &subject, "-n", &namespace]).await?.ok()?;
    eventually(SOON, "the role binding to count", || async {
        kubectl.run(&["get", "configmaps", "-n", &namespace]).await?.ok()
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_token_for_an_account_that_is_not_there_names_the_account() -> Result<()> {
    let plane = control_plane::shared().await?;
    let error = plane.kubeconfig_for_service_account("default", "nobody").await.err().context("no error")?;
    assert!(format!("{error:#}").contains("default/nobody"), "{error:#}");
    Ok(())
}

#[tokio::test]
async fn a_person_without_rights_is_refused() -> Result<()> {
    let plane = control_plane::shared().await?;
    let refusal = plane.kubectl_as("ada", &["oncall"], &["get", "secrets", "-n", "default"]).await?.refused()?;
    assert!(refusal.contains(r#"User "ada" cannot list resource "secrets""#), "{refusal}");
    Ok(())
}

#[tokio::test]
async fn the_audit_ledger_counts_requests_by_who_and_what() -> Result<()> {
    let plane = control_plane::shared().await?;
    let namespace = plane.namespace("audit").await?;
    let client = plane.client().await?;
    let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let audit = plane.audit()?;

    let mark = audit.mark().await?;
    for name in ["a", "b"] {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name.to_owned());
        maps.create(&PostParams { dry_run: true, ..PostParams::default() }, &map).await?;
        maps.create(&PostParams::default(), &map).await?;
        maps.get(name).await?;
    }
    let here = audit.since(mark).await?.by("admin").namespace(&namespace);
    assert_eq!(here.count(), 6, "{here}");
    assert_eq!(here.clone().writes().resource("configmaps").count(), 2, "{here}");
    assert_eq!(here.to_string(), "6 requests: 4 create configmaps, 2 get configmaps");

    let refused = audit.mark().await?;
    plane.kubectl_as("bob", &[], &["get", "configmaps", "-n", &namespace]).await?.refused()?;
    let seen = audit.since(refused).await?.filter(|r| r.acting_as.as_deref() == Some("bob")).by_agent("kubectl/");
    assert!(seen.iter().all(|r| r.code == 403 || r.resource != "configmaps"), "{seen}");
    assert_eq!(seen.resource("configmaps").count(), 1);
    Ok(())
}

#[tokio::test]
async fn an_api_server_that_was_killed_comes_back_with_its_data_and_all_ends_on_drop() -> Result<()> {
    let began = Instant::now();
    let plane = ControlPlane::start().await?;
    eprintln!("a control plane was ready after {:?}", began.elapsed());
    let namespace = plane.namespace("kept").await?;
    let client = plane.client().await?;

    plane.stop_apiserver();
    assert!(plane.client().await?.apiserver_version().await.is_err(), "a killed server answered");
    plane.start_apiserver().await?;
    assert!(Api::<Namespace>::all(client).get_opt(&namespace).await?.is_some(), "the namespace is lost");

    plane.pause_apiserver();
    let client = plane.client().await?;
    let asked = tokio::time::timeout(Duration::from_millis(300), client.apiserver_version());
    assert!(asked.await.is_err(), "a paused server answered");
    plane.resume_apiserver();
    tokio::time::timeout(SOON, plane.client().await?.apiserver_version()).await??;
    plane.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: after, namespace: default}\n").await?;

    let pids = plane.pids();
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|pid| child::is_alive(*pid)));
    drop(plane);
    assert!(!pids.iter().any(|pid| child::is_alive(*pid)), "{pids:?} outlived their owner");
    Ok(())
}

async fn send(server: &MailServer, password: &str, subject: &str) -> Result<()> {
    let tls = TlsParameters::builder("localhost".to_owned())
        .add_root_certificate(Certificate::from_pem(server.ca_pem().as_bytes())?)
        .build()?;
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("localhost")
        .port(server.smtp_port())
        .tls(Tls::Required(tls))
        .credentials(Credentials::new(MailServer::USER.to_owned(), password.to_owned()))
        .timeout(Some(Duration::from_secs(5)))
        .build();
    let message = Message::builder()
        .from("Firstline <firstline@acme.example>".parse()?)
        .to("ada@acme.example".parse()?)
        .subject(subject)
        .header(ContentType::TEXT_PLAIN)
        .body("Grüße an alle\n".to_owned())?;
    transport.send(message).await?;
    Ok(())
}

#[tokio::test]
async fn a_mail_over_starttls_with_a_password_is_read_back_and_survives_a_restart() -> Result<()> {
    let server = MailServer::start().await?;
    let refused = send(&server, "guess", "a guess").await.err().context("a wrong password was taken")?;
    assert!(refused.to_string().contains("535"), "{refused}");

    send(&server, server.password(), "P1: checkout är nere").await?;
    let mail = server.wait_for(SOON, "the page", |mail| mail.subject.starts_with("P1")).await?;
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("firstline@acme.example", &["ada@acme.example".to_owned()][..])
    );
    assert_eq!((mail.subject.as_str(), mail.text.trim()), ("P1: checkout är nere", "Grüße an alle"));
    assert!(mail.header("content-type").is_some_and(|v| v.starts_with("text/plain")), "{:?}", mail.headers);

    server.refuse_recipients(Some(451)).await?;
    let refused = send(&server, server.password(), "later").await.err().context("a refused recipient was taken")?;
    assert!(refused.to_string().contains("451"), "{refused}");
    server.refuse_recipients(None).await?;

    server.pause();
    let silent = tokio::time::timeout(Duration::from_millis(300), send(&server, server.password(), "to a wall"));
    assert!(silent.await.is_err(), "a paused server took a mail");
    server.resume();

    server.stop();
    assert!(send(&server, server.password(), "to nobody").await.is_err(), "a stopped server took a mail");
    server.start_again().await?;
    send(&server, server.password(), "again").await?;
    server.wait_for(SOON, "the mail after the restart", |mail| mail.subject == "again").await?;
    assert_eq!(server.messages().await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn mail_without_starttls_is_refused() -> Result<()> {
    let server = MailServer::start().await?;
    let plain = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1").port(server.smtp_port()).build();
    let message = Message::builder().from("a@b.example".parse()?).to("c@d.example".parse()?).body(String::new())?;
    let refused = plain.send(message).await.err().context("a mail in the clear was taken")?;
    assert!(refused.to_string().contains("STARTTLS"), "{refused}");
    Ok(())
}

/// `git clone`, with a CA file; gives stderr when it fails.
async fn clone(url: &str, ca: Option<&std::path::Path>) -> Result<std::path::PathBuf> {
    let target = tests::scratch::folder("clone").join("it");
    let mut command = tokio::process::Command::new("git");
    command.args(["clone", "--quiet", "--depth=1", url]).arg(&target);
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_GLOBAL", "/dev/null").env("NO_PROXY", "127.0.0.1");
    if let Some(ca) = ca {
        command.env("GIT_SSL_CAINFO", ca);
    }
    let output = command.output().await?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(target)
}

#[tokio::test]
async fn the_repository_is_cloned_by_file_by_http_and_by_https_with_a_password() -> Result<()> {
    let git = GitServer::new("acme")?;
    git.commit(&[("monitors/web.yaml", "kind: ServiceMonitor\n"), ("README", "hello\n")], "Begin")?;
    let second = git.remove(&["README"], "Say less")?;
    assert_eq!(git.head()?, second);

    let authority = Authority::new("git")?;
    let ca = authority.pem_file();
    let http = git.serve(None, None).await?;
    let https = git.serve(Some(&authority), Some(("ada", "s3cret"))).await?;
    let with_login = https.url().replace("https://", "https://ada:s3cret@");
    for url in [git.file_url(), http.url().to_owned(), with_login] {
        let tree = clone(&url, Some(&ca)).await.with_context(|| url.clone())?;
        assert_eq!(std::fs::read_to_string(tree.join("monitors/web.yaml"))?, "kind: ServiceMonitor\n", "{url}");
        assert!(!tree.join("README").exists(), "{url}");
    }
    assert!(http.requests() >= 2, "{} requests", http.requests());

    let wrong = https.url().replace("https://", "https://ada:guess@");
    let refused = clone(&wrong, Some(&ca)).await.err().context("a wrong password was taken")?;
    assert!(refused.to_string().contains("Authentication failed"), "{refused}");
    assert!(clone(https.url(), None).await.is_err(), "an unknown CA was trusted");
    Ok(())
}

#[tokio::test]
async fn the_same_commits_have_the_same_names_in_every_run() -> Result<()> {
    let names: Vec<String> =
        (0..2).map(|_| GitServer::new("same")?.commit(&[("a", "1")], "One")).collect::<Result<_>>()?;
    assert_eq!(names[0], names[1]);
    Ok(())
}

#[tokio::test]
async fn a_repository_that_vanished_is_not_found_until_it_reappears() -> Result<()> {
    let git = GitServer::new("acme")?;
    git.commit(&[("a", "1")], "One")?;
    let http = git.serve(None, None).await?;
    git.vanish()?;
    let error = clone(http.url(), None).await.err().context("it was still found")?;
    assert!(error.to_string().contains("not found"), "{error}");
    git.reappear()?;
    http.break_with(Behaviour::Status(503));
    let error = clone(http.url(), None).await.err().context("a broken server was cloned")?;
    assert!(error.to_string().contains("503"), "{error}");
    http.break_with(Behaviour::Healthy);
    clone(http.url(), None).await?;
    Ok(())
}

#[tokio::test]
async fn a_web_service_breaks_in_each_way_and_is_repaired() -> Result<()> {
    let web = WebService::start().await?;
    let http =
        reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_millis(500)).build()?;
    let look = || async { http.get(web.url()).send().await };

    assert_eq!(look().await?.text().await?, "ok\n");
    web.break_with(Behaviour::Status(500));
    assert_eq!(look().await?.status(), 500);
    web.break_with(Behaviour::Hang);
    assert!(look().await.err().context("it answered")?.is_timeout());
    web.break_with(Behaviour::Cut);
    assert!(look().await.err().context("it answered")?.is_request());
    assert_eq!(web.requests(), 4);
    web.refuse_connections().await;
    assert!(look().await.err().context("it answered")?.is_connect());
    web.repair().await?;
    assert_eq!(look().await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn a_web_service_and_a_receiver_over_tls_are_trusted_by_their_authority_only() -> Result<()> {
    let authority = Authority::new("web")?;
    let (web, receiver) = (WebService::start_tls(&authority).await?, Receiver::start_tls(&authority).await?);
    let ca = reqwest::Certificate::from_pem(authority.pem().as_bytes())?;
    let trusting = reqwest::Client::builder().no_proxy().tls_certs_only([ca]).build()?;
    let stranger = reqwest::Client::builder().no_proxy().build()?;
    for url in [web.url(), receiver.url("/hook")] {
        assert!(url.starts_with("https://"), "{url}");
        assert_eq!(trusting.get(&url).send().await?.status(), 200, "{url}");
        assert!(stranger.get(&url).send().await.is_err(), "{url}: an unknown authority was trusted");
    }
    Ok(())
}

#[tokio::test]
async fn a_receiver_follows_its_script_and_records_what_came() -> Result<()> {
    let receiver = Receiver::start().await?;
    // A connection each: a kept one would notice its end only by the next request.
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(SOON).build()?;
    receiver.script([Answer::RetryAfter(429, 7), Answer::Cut, Answer::Status(500)]);
    let send = |body: &'static str| http.post(receiver.url("/hook?x=1")).header("webhook-id", "m1").body(body).send();

    let limited = send("one").await?;
    assert_eq!((limited.status().as_u16(), &limited.headers()["retry-after"]), (429, &"7".parse()?));
    assert!(send("two").await.is_err(), "a cut connection answered");
    assert_eq!(send("three").await?.status(), 500);
    assert_eq!(send("four").await?.status(), 200);

    let received = receiver.received();
    let bodies: Vec<&[u8]> = received.iter().map(|r| &r.body[..]).collect();
    assert_eq!(bodies, [&b"one"[..], b"two", b"three", b"four"]);
    assert_eq!((received[0].path.as_str(), received[0].id()), ("/hook?x=1", Some("m1")));
    assert!(received.windows(2).all(|pair| pair[0].at <= pair[1].at));
    receiver.wait_for(SOON, "the fourth", |r| &r.body[..] == b"four").await?;

    receiver.go_away().await;
    assert!(send("five").await.err().context("it answered")?.is_connect());
    receiver.come_back().await?;
    assert_eq!(send("six").await?.status(), 200);
    Ok(())
}

/// Set for the copy of this program that is killed below.
const DOOMED: &str = "FIRSTLINE_TEST_DOOMED";

/// Not a test of its own: the copy that starts a server from a thread that ends,
/// says its process id, and waits to be killed.
#[test]
fn doomed() -> Result<()> {
    if std::env::var_os(DOOMED).is_none() {
        return Ok(());
    }
    let start = || tokio::runtime::Runtime::new()?.block_on(MailServer::start());
    let server = std::thread::spawn(start).join().expect("the thread does not panic")?;
    println!("\nserver {} in {}", server.pid().context("it runs")?, tests::scratch::root().display());
    loop {
        std::thread::park();
    }
}

#[tokio::test]
async fn a_child_outlives_the_thread_that_started_it_but_not_a_killed_program() -> Result<()> {
    let mut doomed = Command::new(std::env::current_exe()?)
        .args(["--exact", "doomed", "--nocapture"])
        .env(DOOMED, "1")
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(doomed.stdout.take().context("stdout is piped")?).lines();
    let said = lines.map_while(Result::ok).find(|line| line.starts_with("server ")).context("it said nothing")?;
    let mut words = said.split(' ').skip(1);
    let pid: u32 = words.next().context("no pid")?.parse()?;
    let folder = words.nth(1).context("no folder")?.to_owned();

    assert!(child::is_alive(pid), "the server ended with the thread that started it");
    assert!(std::path::Path::new(&folder).exists());
    doomed.kill()?;
    doomed.wait()?;
    eventually(SOON, "the server's end", || async { if child::is_alive(pid) { bail!("{pid} lives") } else { Ok(()) } })
        .await?;
    // What a killed run leaves is removed by the next one.
    let next = Command::new(std::env::current_exe()?)
        .args(["--exact", "the_same_commits_have_the_same_names_in_every_run"])
        .stdout(Stdio::null())
        .status()?;
    assert!(next.success());
    assert!(!std::path::Path::new(&folder).exists(), "{folder} was left behind");
    Ok(())
}
