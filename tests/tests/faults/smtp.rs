//! Mail servers and webhooks that fail at every point at which they can, all at once: each failure is known for what it
//! is, what was not taken comes again as the same message, and nobody waits for anybody else.
//!
//! The mail servers here speak plain SMTP. What goes wrong in STARTTLS, in the TLS handshake and at the login is shown where
//! the dialogue is written, by the tests of `src/notify/email`; that a real server with all three takes a page, by `story`.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{
    eventually,
    receiver::{Answer, Received, Receiver},
    smtp::{
        Moment::{self, Accepted, Connected, Data, Ehlo, FinalDot, Mail, Rcpt},
        SmtpServer,
        Trouble::{self, Cut, Hang, Say, SayTo},
    },
    stage::{PATIENCE, TEAM},
};

use crate::scene::{LATENESS, Scene, metric, page_to, pages};

const OPS: &str = "ops@acme.example";
const CTO: &str = "cto@acme.example";

/// What goes wrong in the first connection, and how often the server is connected to until the mail is accepted.
const TROUBLES: [(&str, Moment, Trouble, usize); 14] = [
    ("hang-greeting", Connected, Hang, 2),
    ("hang-ehlo", Ehlo, Hang, 2),
    ("hang-mail", Mail, Hang, 2),
    ("hang-rcpt", Rcpt, Hang, 2),
    ("hang-data", Data, Hang, 2),
    ("hang-dot", FinalDot, Hang, 2),
    ("cut-greeting", Connected, Cut, 2),
    ("cut-rcpt", Rcpt, Cut, 2),
    ("cut-data", Data, Cut, 2),
    ("cut-dot", FinalDot, Cut, 2),
    ("busy-greeting", Connected, Say("421 too busy"), 2),
    ("busy-rcpt", Rcpt, Say("451 greylisted"), 2),
    ("busy-dot", FinalDot, Say("452 no space"), 2),
    ("cut-accepted", Accepted, Cut, 1),
];

fn email(name: &str, server: &SmtpServer, to: &[&str]) -> Value {
    json!({"name": name, "email": {
        "from": "support@acme.example", "to": to, "smarthost": server.address(),
        "tls": "None", "timeout": "2s",
    }})
}

pub(crate) fn webhook(name: &str, receiver: &Receiver) -> Value {
    json!({"name": name, "webhook": {
        "url": receiver.url("/page"), "signingSecretRef": {"name": "ada", "key": "key"}, "timeout": "2s",
    }})
}

/// Everybody is told at once; Bob has a second rule for when his first fails for good, and Cleo for when hers drags on.
fn policy(channels: &[Value], told: &[String]) -> String {
    let notify: Vec<Value> = told
        .iter()
        .map(|channel| json!({"channel": channel}))
        .chain([json!({"person": "bob"}), json!({"person": "cleo"})])
        .collect();
    // A step tells at most ten.
    let steps: Vec<Value> = notify.chunks(9).map(|some| json!({"after": "0s", "notify": some})).collect();
    let people = [person("bob", "refuses", "bob-next"), person("cleo", "never", "cleo-next")];
    policy_of(channels, &people, &steps)
}

/// Told by a second rule when the first does not get through.
pub(crate) fn person(name: &str, first: &str, second: &str) -> Value {
    json!({"name": name, "users": [format!("{name}@acme.example")], "email": format!("{name}@acme.example"),
        "notify": [{"after": "0s", "channel": first}, {"after": "30m", "channel": second}]})
}

pub(crate) fn policy_of(channels: &[Value], people: &[Value], steps: &[Value]) -> String {
    json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy",
        "metadata": {"name": "payments", "namespace": TEAM},
        "spec": {
            "lastResort": [{"channel": channels[0]["name"]}],
            "people": people,
            "channels": channels,
            "escalations": [{"name": "page", "steps": steps}],
            "routes": [{"name": "all", "escalation": "page", "priority": "P1", "resolveAfter": "3s"}],
        },
    })
    .to_string()
}

#[tokio::test]
async fn a_receiver_may_fail_at_any_point_and_the_same_message_comes_again_and_nobody_else_waits() -> Result<()> {
    let scene = Scene::build("receivers-all", "ada-hook", crate::scene::TWO_STEPS).await?;
    let mut servers = Vec::new();
    for (name, moment, trouble, connections) in TROUBLES {
        servers.push((name, moment, trouble, connections, SmtpServer::start([(moment, trouble)]).await?));
    }
    let refuses = SmtpServer::start([(Rcpt, Say("550 no such person")); 5]).await?;
    let (never, broken) = tokio::try_join!(Receiver::start(), Receiver::start())?;
    let (bob_next, cleo_next) = tokio::try_join!(Receiver::start(), Receiver::start())?;
    never.always(Some(Answer::Hang));
    // 0, 1, 3 and 8 s.
    broken.script([500, 502, 503].map(Answer::Status));
    let mut channels: Vec<Value> = servers.iter().map(|(name, .., server)| email(name, server, &[OPS])).collect();
    let mut told: Vec<String> = servers.iter().map(|(name, ..)| (*name).to_owned()).collect();
    told.extend(["broken".to_owned(), "healthy".to_owned()]);
    channels.push(email("refuses", &refuses, &[OPS]));
    for (name, receiver) in [
        ("never", &never),
        ("broken", &broken),
        ("healthy", &scene.ada),
        ("bob-next", &bob_next),
        ("cleo-next", &cleo_next),
    ] {
        channels.push(webhook(name, receiver));
    }
    scene.apply(&policy(&channels, &told)).await?;
    let (_, operator) = scene.stage.start("receivers-all").await?;
    scene.stage.wait_for_state("checkout", "Up").await?;
    let monitors = ["-n", TEAM, "delete", "svcmonitors", "checkout-port"];
    scene.stage.plane.kubectl(&monitors).await?.ok()?;

    let began = Instant::now();
    scene.break_shop();
    crate::scene::page(&scene.ada).await.with_context(|| operator.tail())?;
    ensure!(began.elapsed() < LATENESS, "the healthy one waited {:?}", began.elapsed());
    crate::scene::page(&bob_next).await.context("Bob's next rule")?;
    crate::scene::page(&cleo_next).await.context("Cleo's next rule")?;

    let all = |ticket: &Value| told.iter().all(|channel| page_to(ticket, channel)["state"] == "Accepted");
    let ticket = scene.ticket("everybody is told", all).await?;
    for (name, moment, trouble, connections, server) in &servers {
        let (notification, arrived) = (page_to(&ticket, name), server.arrived());
        let what = format!("{name}: {trouble:?} after {moment:?}: {arrived:?} {notification}");
        assert_eq!(server.connections(), *connections, "{what}");
        assert_eq!(notification["attempts"].as_u64(), u64::try_from(*connections).ok(), "{what}");
        ensure!(notification["error"].is_null(), "{what}");
        let ids: std::collections::BTreeSet<&str> = arrived.iter().map(|mail| mail.message_id.as_str()).collect();
        assert_eq!(ids.len(), 1, "a repeated mail is another one: {what}");
        let id = notification["id"].as_str().context("no id")?;
        ensure!(ids.iter().all(|message_id| message_id.contains(id)), "{what}");
        assert_eq!(arrived.iter().filter(|mail| mail.accepted).count(), 1, "{what}");
    }

    // Lost after the final dot is not known, before it is not taken.
    let outcome = |channel: &'static str, outcome: &'static str, wanted: f64| {
        let operator = &operator;
        async move {
            let labels = [("channel", channel), ("outcome", outcome)];
            metric(operator, "firstline_notifications_total", &labels, |value| value == wanted).await
        }
    };
    outcome("email", "uncertain", 2.0).await?;
    outcome("email", "retry", 11.0).await?;
    outcome("email", "failed", 1.0).await?;
    outcome("email", "accepted", 14.0).await?;

    let refused = page_to(&ticket, "refuses");
    ensure!(refused["state"] == "Failed" && refused["attempts"] == 1, "{refused}");
    ensure!(refused["error"].as_str().is_some_and(|error| error.contains("550")), "{refused}");
    let times: Vec<Received> = pages(&broken);
    assert_eq!(times.len(), 4, "{}", operator.tail());
    let never_ids: Vec<_> = eventually(PATIENCE, "three attempts at the one that never answers", || async {
        let found = pages(&never);
        ensure!(found.len() >= 3, "{}", found.len());
        Ok(found)
    })
    .await?;
    for requests in [&times, &never_ids] {
        ensure!(requests.iter().all(|request| request.id() == requests[0].id()), "another id: {requests:?}");
    }
    assert_eq!(
        [&scene.ada, &bob_next, &cleo_next].map(|receiver| pages(receiver).len()),
        [1; 3],
        "{}",
        operator.tail()
    );

    // What nobody needs any more is not sent any more, however often it failed.
    scene.stage.shop.repair().await?;
    scene.ticket("resolved", |ticket| ticket["status"]["state"] == "Resolved").await?;
    let over =
        scene.ticket("nothing is tried any more", |ticket| page_to(ticket, "never")["state"] == "Superseded").await?;
    ensure!(page_to(&over, "never")["attempts"].as_u64() >= Some(2), "{over}");
    Ok(())
}

/// One page by two mail servers, to two people each: one server asks the second person to wait until the operator has been
/// killed, the other does not know her.
#[tokio::test]
async fn of_several_recipients_each_gets_the_mail_once_and_who_gets_none_is_named() -> Result<()> {
    let scene = Scene::build("several", "ada-hook", crate::scene::TWO_STEPS).await?;
    let later = SmtpServer::start([(Rcpt, SayTo("cto@", "451 greylisted")); 5]).await?;
    let never = SmtpServer::start([(Rcpt, SayTo("cto@", "550 no such person"))]).await?;
    let channels = [email("later", &later, &[OPS, CTO]), email("never", &never, &[OPS, CTO])];
    let step = json!({"after": "0s", "notify": [{"channel": "later"}, {"channel": "never"}]});
    scene.apply(&policy_of(&channels, &[], &[step])).await?;
    let (setup, operator) = scene.stage.start("several").await?;
    scene.stage.wait_for_state("checkout", "Up").await?;
    scene.break_shop();
    let ticket =
        scene.ticket("one of two is told", |ticket| page_to(ticket, "later")["reached"] == json!([OPS])).await?;
    // A crash may take an Event with it: it is for people, the ticket says the same.
    eventually(PATIENCE, "an Event names her", || async {
        let events =
            scene.stage.plane.kubectl(&["-n", TEAM, "get", "events.events.k8s.io", "-o", "json"]).await?.ok()?;
        let events: Value = serde_json::from_str(&events)?;
        let of = |one: &&Value| one["reason"] == "DeliveryFailed" && one["regarding"]["kind"] == "Ticket";
        let notes: Vec<&Value> = events["items"].as_array().context("no items")?.iter().filter(of).collect();
        let named = notes.iter().any(|one| one["note"].as_str().is_some_and(|note| note.contains(CTO)));
        ensure!(named, "{notes:#?}");
        Ok(())
    })
    .await?;
    operator.kill9();
    let waiting = page_to(&ticket, "later");
    ensure!(waiting["state"] == "Planned" && waiting["refused"].is_null(), "{waiting}");
    ensure!(waiting["error"].as_str().is_some_and(|error| error.contains("cto@acme.example: 451")), "{waiting}");

    let operator = setup.start()?;
    let ticket = scene.told("later", "Accepted").await?;
    let told = page_to(&ticket, "later");
    ensure!(told["error"].is_null() && told["reached"].is_null(), "{told}");
    let arrived = later.arrived();
    let to: Vec<&[String]> = arrived.iter().map(|mail| mail.to.as_slice()).collect();
    assert_eq!(to, [[OPS], [CTO]], "{}", operator.tail());
    assert_eq!(arrived[0].message_id, arrived[1].message_id);

    let ticket = scene.told("never", "Accepted").await?;
    let refused = page_to(&ticket, "never");
    assert_eq!(refused["refused"], json!([{"recipient": CTO, "word": "550 no such person"}]), "{refused}");
    ensure!(refused["error"].as_str().is_some_and(|error| error.contains("550 no such person")), "{refused}");
    assert_eq!(never.arrived().iter().map(|mail| mail.to.clone()).collect::<Vec<_>>(), [[OPS]]);
    Ok(())
}
