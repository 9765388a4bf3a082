//! On Acme's policy in little, with tickets of a file.

use std::fs;

use super::*;
use crate::cli::{Cli, Verb, fixtures};

const POLICY: &str = r#"apiVersion: firstline.dev/v1alpha1
kind: SupportPolicy
metadata: {name: payments, namespace: payments}
spec:
  lastResort: [{channel: ops}]
  people:
    - {name: ada, users: ["oidc:ada"], email: ada@acme.example}
    - {name: bob, email: bob@acme.example}
  channels:
    - {name: ops, email: {from: a@acme.example, to: [ops@acme.example], smarthost: "smtp.acme.example:587", tls: Required}}
  calendars:
    - name: office
      timeZone: Europe/Berlin
      week: {monday: ["09:00-17:00"], tuesday: ["09:00-17:00"], wednesday: ["09:00-17:00"], thursday: ["09:00-17:00"]}
  escalations:
    - {name: page, steps: [{after: 0s, notify: [{person: ada}]}], repeat: {times: 1, every: 30m}}
  routes:
    - {name: pages, match: ['severity="page"'], escalation: page, priority: P1}
  sla:
    - {priority: P1, calendar: always, firstResponse: 15m, onBreach: [{person: bob}]}
    - {priority: P3, calendar: office, resolution: 8h}
"#;

const TICKET: &str = r#"apiVersion: firstline.dev/v1alpha1
kind: Ticket
metadata: {name: request-1, namespace: payments, creationTimestamp: "2026-06-01T08:00:00Z"}
spec: {title: A printer, priority: P3, requester: {name: Mia}}
"#;

const EVENTS: &str = r#"---
apiVersion: firstline.dev/v1alpha1
kind: TicketEvent
metadata: {name: one, namespace: payments, creationTimestamp: "2026-06-01T09:00:00Z"}
spec: {ticket: request-1, author: "oidc:ada", reply: {text: "Which one?\nThe blue one?"}}
status: {accepted: true, sequence: 1}
---
apiVersion: firstline.dev/v1alpha1
kind: TicketEvent
metadata: {name: two, namespace: payments, creationTimestamp: "2026-06-01T09:00:00Z"}
spec: {ticket: request-1, author: "oidc:ada", state: {to: PendingRequester}}
status: {accepted: true, sequence: 2}
---
apiVersion: firstline.dev/v1alpha1
kind: TicketEvent
metadata: {name: three, namespace: payments, creationTimestamp: "2026-06-02T08:00:00Z"}
spec: {ticket: request-1, author: "system:mail", message: {from: requester, text: Blue.}}
status: {accepted: true, sequence: 3}
"#;

/// What is printed for these flags, `TICKETS` standing for the file; and how it ends.
async fn run(policy: &str, tickets: &str, words: &[&str]) -> (Result<Exit, String>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (policies, file) = (folder.path().join("policy.yaml"), folder.path().join("tickets.txt"));
    fs::write(&policies, policy).unwrap();
    fs::write(&file, tickets).unwrap();
    let (policies, file) = (policies.display().to_string(), file.display().to_string());
    let words = words.iter().map(|word| if *word == "TICKETS" { file.as_str() } else { word });
    let words = ["firstline", "explain"].into_iter().chain(words).chain(["-f", &policies]);
    let Verb::Explain(args) = Cli::read(words.map(std::ffi::OsString::from)).unwrap().verb else { panic!("explain") };
    let (mut results, mut progress) = (Vec::new(), Vec::new());
    let exit = explain(&args, fixtures::now(), &mut Output::new(&mut results, &mut progress)).await;
    let prefix = format!("{}/", folder.path().display());
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(&prefix, "");
    let exit = exit.map_err(|failure| format!("{:?}: {failure}", failure.exit()).replace(&prefix, ""));
    (exit, text(results), text(progress))
}

#[tokio::test]
async fn a_ticket_is_told_with_the_acts_of_people_and_with_working_time_beside_the_time_on_the_wall() {
    let tickets = format!("{TICKET}{EVENTS}");
    let (exit, text, said) = run(POLICY, &tickets, &["--ticket", "TICKETS", "--at", "2026-06-04T12:00:00Z"]).await;
    assert_eq!((exit, said.as_str()), (Ok(Exit::Done), ""));
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn it_is_told_as_it_was_at_that_time() {
    let tickets = format!("{TICKET}{EVENTS}");
    let (_, text, _) = run(POLICY, &tickets, &["--ticket", "TICKETS", "--at", "2026-06-01T10:00:00Z"]).await;
    assert!(text.contains("moved it to PendingRequester") && !text.contains("recorded what"), "{text}");
    assert!(text.contains("resolution of 8h: Paused, 7h of working time left"), "{text}");
    let (exit, ..) = run(POLICY, &tickets, &["--ticket", "TICKETS", "--at", "2026-06-01T07:00:00Z"]).await;
    let words = "Usage: --at: expected a time from the ticket's beginning, 2026-06-01T10:00:00+02:00, on";
    assert_eq!(exit.unwrap_err(), words);
}

#[tokio::test]
async fn a_promise_that_was_broken_stands_where_it_was_broken() {
    let (_, text, _) = run(POLICY, &format!("{TICKET}{EVENTS}"), &["--ticket", "TICKETS"]).await;
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} in\n{text}"));
    assert!(place("recorded what") < place("2026-06-02T17:00:00+02:00: Breach: resolution due (run 1)"), "{text}");
    assert!(
        text.contains("resolution of 8h: Running, due 2026-06-02T17:00:00+02:00, broken at 2026-06-02T17:00:00+02:00"),
        "{text}"
    );
}

#[tokio::test]
async fn several_tickets_of_a_file_are_told_one_after_the_other_or_the_one_that_is_named() {
    let second = TICKET.replace("request-1", "request-2").replace("A printer", "A chair");
    let tickets = format!("{TICKET}---\n{second}{EVENTS}");
    let (exit, text, _) = run(POLICY, &tickets, &["--ticket", "TICKETS"]).await;
    assert_eq!(exit, Ok(Exit::Done));
    assert!(
        text.contains("ticket payments/request-1: A printer\n")
            && text.contains("ticket payments/request-2: A chair\n"),
        "{text}"
    );
    let (_, text, said) = run(POLICY, &tickets, &["request-2", "--ticket", "TICKETS"]).await;
    assert!(!text.contains("A printer") && text.contains("A chair") && said.is_empty(), "{text}{said}");
    let (exit, ..) = run(POLICY, &tickets, &["request-3", "--ticket", "TICKETS"]).await;
    assert_eq!(
        exit.unwrap_err(),
        "Usage: no ticket of tickets.txt has a name that begins with `request-3`; it holds request-1, request-2"
    );
    let (_, _, said) = run(POLICY, &format!("{second}{EVENTS}"), &["--ticket", "TICKETS"]).await;
    assert!(said.contains("left out: TicketEvent one is about request-1, which is not in tickets.txt"), "{said}");
}

#[tokio::test]
async fn a_ticket_without_its_time_is_no_ticket_of_1970() {
    let without = |text: &str, time: &str| text.replace(&format!(", creationTimestamp: \"{time}\""), "");
    let ticket = without(TICKET, "2026-06-01T08:00:00Z");
    let (exit, text, _) = run(POLICY, &ticket, &["--ticket", "TICKETS"]).await;
    assert_eq!(text, "");
    let said = exit.unwrap_err();
    assert!(
        said.starts_with(
            "Usage: tickets.txt:3:1: metadata: expected creationTimestamp, when the ticket was made, found none; add it"
        ),
        "{said}"
    );
    let events = without(EVENTS, "2026-06-02T08:00:00Z");
    let (exit, ..) = run(POLICY, &format!("{TICKET}{events}"), &["--ticket", "TICKETS"]).await;
    assert!(exit.unwrap_err().contains("expected creationTimestamp, when it happened, found none"));
    let origin = "origin: {policy: payments, policyNamespace: payments, policyRevision: '', route: '', groupKey: a, severity: ticket, firstStart: '2026-06-01T08:00:00Z'}";
    let ticket = ticket.replace("requester: {name: Mia}", origin);
    let (exit, text, _) = run(POLICY, &ticket, &["--ticket", "TICKETS"]).await;
    assert_eq!(exit, Ok(Exit::Done));
    assert!(text.contains("2026-06-01T10:00:00+02:00: Opened"), "{text}");
}

#[tokio::test]
async fn nothing_is_explained_by_a_policy_that_is_wrong() {
    let wrong = POLICY.replace("escalation: page", "escalation: pgae");
    for question in [&["--ticket", "TICKETS"], &["--labels", "severity=page"]] {
        let (exit, text, said) = run(&wrong, TICKET, question).await;
        assert_eq!((exit, text.as_str()), (Ok(Exit::No), ""));
        assert!(said.contains("no escalation is called `pgae`"), "{said}");
        assert!(said.ends_with("nothing is explained: a SupportPolicy among these files is wrong\n"), "{said}");
    }
}

#[tokio::test]
async fn a_ticket_of_a_policy_that_is_not_there_is_told_without_its_clocks() {
    let ticket = format!("{TICKET}status: {{policy: {{namespace: payments, name: other, revision: other-1}}}}\n");
    let (exit, text, said) = run(POLICY, &ticket, &["--ticket", "TICKETS"]).await;
    assert_eq!(exit, Ok(Exit::Unknown));
    assert!(text.contains("policy payments/other is not among these files: nothing can be said of clocks"), "{text}");
    assert!(said.contains("warning: clocks are not told by what is in force"), "{said}");
}

#[tokio::test]
async fn an_alert_that_nobody_answers_is_told_without_repeating_itself_and_with_who_hears_of_its_promise() {
    let (exit, text, _) =
        run(POLICY, "", &["--labels", "alertname=Down,severity=page", "--at", "2026-06-01T08:00:00Z"]).await;
    assert_eq!(exit, Ok(Exit::Done));
    insta::assert_snapshot!(text);
}

/// A ticket with these members of one notification beside what all have.
fn told(members: &str) -> String {
    let common = "id: 0191f3a0-0000-7000-8000-000000000001, kind: page, step: 1, person: ada, channel: ops, plannedAt: \"2026-06-01T08:00:00Z\", why: step 1";
    format!("{TICKET}status: {{notifications: [{{{common}, {members}}}]}}\n")
}

#[tokio::test]
async fn what_a_channel_answered_stands_beside_the_message() {
    let line = async |members: &str, at: &'static str| {
        let (_, text, _) = run(POLICY, &told(members), &["--ticket", "TICKETS", "--at", at]).await;
        let line = text.lines().find(|line| line.contains("page to ada")).unwrap_or_default().to_owned();
        line.trim_start().trim_start_matches("2026-06-01T10:00:00+02:00: page to ada through ops: ").to_owned()
    };
    let (soon, later) = ("2026-06-01T08:05:00Z", "2026-06-01T09:00:00Z");
    assert_eq!(line("state: Planned", soon).await, "Planned, step 1");
    assert_eq!(line("state: Accepted, attempts: 1, at: \"2026-06-01T08:00:01Z\"", soon).await, "Accepted, step 1");
    let tried = "attempts: 3, at: \"2026-06-01T08:04:00Z\", error: \"503: busy\", retryAt: \"2026-06-01T08:10:00Z\"";
    assert_eq!(
        line(&format!("state: Planned, {tried}"), soon).await,
        "Planned, step 1; tried 3 times, last at 2026-06-01T10:04:00+02:00: 503: busy; not tried again before 2026-06-01T10:10:00+02:00, as the receiver asks"
    );
    let failed = "Failed, step 1; tried 3 times, last at 2026-06-01T10:04:00+02:00: 503: busy";
    assert_eq!(line(&format!("state: Failed, {tried}"), later).await, failed);
    // As it was at a time before.
    assert_eq!(
        line(&format!("state: Failed, {tried}"), "2026-06-01T08:02:00Z").await,
        "Planned, step 1; what came of it was known at 2026-06-01T10:04:00+02:00"
    );
    let refused = "state: Accepted, attempts: 1, at: \"2026-06-01T08:04:00Z\", error: \"550 for bob@acme.example\"";
    let words = "Accepted, step 1; tried once, last at 2026-06-01T10:04:00+02:00: 550 for bob@acme.example";
    assert_eq!(line(refused, later).await, words);
}

#[tokio::test]
async fn what_no_flag_is_to_blame_for_is_said_of_the_files() {
    let (exit, ..) = run("", "", &["--labels", "severity=page"]).await;
    let words = "Usage: --file: there is no SupportPolicy in these files; name the folder that holds the policies, too";
    assert_eq!(exit.unwrap_err(), words);
    let (exit, ..) = run(POLICY, "", &[]).await;
    let words = "Usage: --file: says which policies are asked, not about what: add --labels or --ticket";
    assert_eq!(exit.unwrap_err(), words);
    let second = POLICY.replace("payments", "shop");
    let (exit, ..) = run(&format!("{POLICY}---\n{second}"), "", &["--labels", "severity=page"]).await;
    let words = "Usage: --namespace: expected a namespace, since policies stand in several: payments, shop";
    assert_eq!(exit.unwrap_err(), words);
}

#[test]
fn what_is_to_be_explained_is_one_thing() {
    let read =
        |line: &str| Cli::read(line.split(' ').map(std::ffi::OsString::from)).map(|_| ()).map_err(|e| e.to_string());
    assert_eq!(read("firstline explain 1042 -n payments"), Ok(()));
    for (line, said) in [
        ("firstline explain", "required"),
        ("firstline explain --labels a=b", "--file"),
        ("firstline explain --ticket x", "--file"),
        ("firstline explain 1042 --labels a=b -f x", "cannot be used with"),
    ] {
        let found = read(line).unwrap_err();
        assert!(found.contains(said), "{line}: {found}");
    }
}

#[tokio::test]
async fn a_monitor_that_is_down_is_said_to_change_nothing_for_an_alert_of_no_monitor() {
    let down = ["--down", "database", "--labels"];
    let monitor = "---\napiVersion: firstline.dev/v1alpha1\nkind: ServiceMonitor\nmetadata: {name: database, namespace: payments}\nspec: {service: database, interval: 30s, probe: {http: {url: 'https://db.acme.example/'}}}\n";
    let policy = format!("{POLICY}{monitor}");
    for (labels, is_said) in [("severity=page", true), ("severity=page,monitor=shop", false)] {
        let (exit, _, notes) = run(&policy, "", &[down.as_slice(), &[labels]].concat()).await;
        assert_eq!((exit, notes.contains("--down changes nothing")), (Ok(Exit::Done), is_said), "{labels}: {notes}");
    }
}

#[tokio::test]
async fn an_alert_of_which_nobody_is_told_is_a_no_and_an_unknown_severity_is_named() {
    let (exit, text, _) = run(POLICY, "", &["--labels", "alertname=Slow,severity=horrible"]).await;
    assert_eq!(exit, Ok(Exit::No));
    assert!(text.contains("severity: ticket, as nothing says what `horrible` means"), "{text}");
    assert!(text.ends_with("nobody is told within 1d: the ticket is only found by those who look for it\n"), "{text}");
    let (exit, text, _) = run(POLICY, "", &["--labels", "alertname=Down,severity=page"]).await;
    assert_eq!(exit, Ok(Exit::Done));
    assert!(text.contains("\nseverity: page\n") && !text.contains("nobody is told"), "{text}");
}

#[tokio::test]
async fn overrides_and_silences_of_the_files_count_and_a_long_story_keeps_its_beginning() {
    let schedule = "  schedules: [{name: primary, timeZone: Europe/Berlin, layers: [{name: week, people: [ada], start: \"2026-01-01\", handover: \"09:00\", every: 1w}]}]\n";
    let policy = POLICY
        .replace("  escalations:\n", &format!("{schedule}  escalations:\n"))
        .replace("{person: ada}", "{schedule: primary}");
    let more = r#"---
apiVersion: firstline.dev/v1alpha1
kind: OnCallOverride
metadata: {name: night, namespace: payments}
spec: {policy: payments, schedule: primary, person: bob, from: "2026-06-01T20:00:00Z", until: "2026-06-02T08:00:00Z", reason: swap}
---
apiVersion: firstline.dev/v1alpha1
kind: Silence
metadata: {name: deploy, namespace: payments}
spec: {matchers: ['service="shop"'], startsAt: "2026-06-01T21:00:00Z", endsAt: "2026-06-01T22:00:00Z", reason: deploy 42}
"#;
    let files = format!("{policy}{more}");
    let at = ["--at", "2026-06-01T21:30:00Z", "--labels"];
    let ask = async |labels: &'static str, until: &'static str| {
        run(&files, "", &[&at[..], &[labels, "--until", until]].concat()).await
    };
    let (_, text, _) = ask("alertname=Down,severity=page", "30m").await;
    assert!(text.contains("page to bob") && !text.contains("page to ada"), "{text}");
    let (_, text, _) = ask("alertname=Down,severity=page,service=shop", "2h").await;
    assert!(text.contains("opens no ticket, silence deploy"), "{text}");
    let (_, text, _) = ask("alertname=Down,severity=page", "30d").await;
    assert!(text.contains("0s: Fired Down\n") && text.contains("0s: Step cycle 1, step 1"), "{text}");
}

#[tokio::test]
async fn a_ticket_whose_policy_is_misspelt_is_not_one_without_promises() {
    let ticket = TICKET.replace("priority: P3", "priority: P3, policy: paymets");
    let (exit, text, said) = run(POLICY, &ticket, &["--ticket", "TICKETS"]).await;
    assert_eq!(exit, Ok(Exit::Unknown));
    assert!(said.contains("is called `paymets`; did you mean `payments`?"), "{said}");
    assert!(text.contains("nothing can be said of clocks"), "{text}");
}

#[tokio::test]
async fn a_label_that_is_given_twice_is_refused() {
    let words = ["firstline", "explain", "--labels", "a=1,a=2", "-f", "x"].map(std::ffi::OsString::from);
    let Err(error) = Cli::read(words) else { panic!("it was read") };
    assert!(error.to_string().contains("expected one value of `a`, found `1` and `2`"), "{error}");
}
