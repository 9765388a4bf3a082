//! The page, at several hours of one night.

use serde_json::{Value, json};

use super::{
    super::{age::Times, fixtures, output::Colour},
    *,
};

fn policy() -> Policy {
    let object: SupportPolicy = fixtures::object(json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy",
        "metadata": {"name": "payments", "namespace": "payments"},
        "spec": {
            "lastResort": [{"channel": "ops"}],
            "people": [
                {"name": "ada", "users": ["oidc:ada"], "email": "ada@acme.example", "notify": [{"channel": "mail"}]},
                {"name": "bob", "email": "bob@acme.example", "notify": [{"channel": "mail"}]}
            ],
            "channels": [
                {"name": "ops", "webhook": {"url": "https://hooks.acme.example/ops"}},
                {"name": "mail", "email": {"from": "support@acme.example", "smarthost": "smtp.acme.example:587"}}
            ],
            "schedules": [{"name": "primary", "timeZone": "Europe/Berlin", "layers": [{"name": "week", "people": ["ada"], "start": "2026-11-02", "handover": "09:00", "every": "1w"}]}],
            "escalations": [{"name": "page", "steps": [
                {"after": "0s", "notify": [{"schedule": "primary"}]},
                {"after": "15m", "notify": [{"person": "bob"}, {"channel": "ops"}]}
            ]}],
            "routes": [{"name": "pages", "match": ["severity=\"page\""], "escalation": "page", "priority": "P1"}]
        }
    }));
    compiled(&object).unwrap()
}

/// A ticket that a silent checkout opened at 02:58:10, with this much more status.
fn seen(more: &Value, events: Vec<TicketEvent>) -> Seen {
    let mut status = json!({
        "observedGeneration": 1, "number": 1042, "state": "New", "priority": "P1", "severity": "page",
        "policy": {"namespace": "payments", "name": "payments", "revision": "payments-5c1f0a2b3c"},
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": "2026-11-23T02:58:10Z"}
        ],
        "alerts": {"firing": 1, "resolved": 0, "list": [{
            "fingerprint": "0123456789abcdef", "name": "MonitorDown", "state": "Firing", "since": "2026-11-23T02:58:08Z",
            "labels": {"alertname": "MonitorDown", "monitor": "checkout", "service": "checkout", "severity": "page"}
        }]},
        "escalation": {"chain": "page", "cycle": 1, "round": 1, "cycleStart": "2026-11-23T02:58:10Z", "step": 1, "found": true, "nextAt": "2026-11-23T03:13:10Z",
            "covering": [{"step": 1, "schedule": "primary", "person": "ada"}]},
        "notifications": [{
            "id": "0191f3a0-0000-7000-8000-000000000001", "kind": "page", "cycle": 1, "step": 1, "rule": 1, "person": "ada", "channel": "mail",
            "state": "Accepted", "attempts": 2, "plannedAt": "2026-11-23T02:58:10Z", "at": "2026-11-23T02:58:12Z", "receipt": "250 2.0.0 OK queued as 4XyZ"
        }],
        "timeline": [
            {"at": "2026-11-23T02:58:10Z", "what": "Fired", "detail": "MonitorDown: connect to 10.2.0.7:443: refused"},
            {"at": "2026-11-23T02:58:10Z", "what": "Step", "detail": "step 1 of page: ada by mail"}
        ]
    });
    for (name, value) in more.as_object().unwrap() {
        status[name] = value.clone();
    }
    let ticket = fixtures::object(json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"name": "inc-mfrggzdfmztwq2lknnwg23tpoa", "namespace": "payments", "uid": "u", "creationTimestamp": "2026-11-23T02:58:10Z"},
        "spec": {
            "title": "Checkout is down\u{1b}[2J", "description": "Customers cannot pay.\nGuide: checkout-down",
            "origin": {
                "policy": "payments", "policyNamespace": "payments", "policyRevision": "payments-5c1f0a2b3c", "route": "pages",
                "groupKey": "service=checkout", "firstStart": "2026-11-23T02:58:08Z", "severity": "page"
            }
        },
        "status": status
    }));
    Seen { ticket, events, frozen: Some(policy()), live: Some(policy()), overrides: Vec::new() }
}

fn event(second: &str, name: &str, act: &Value, status: &Value) -> TicketEvent {
    let mut spec = json!({"ticket": "inc-mfrggzdfmztwq2lknnwg23tpoa", "author": "oidc:ada"});
    for (member, value) in act.as_object().unwrap() {
        spec[member] = value.clone();
    }
    fixtures::object(json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "TicketEvent",
        "metadata": {"name": name, "namespace": "payments", "creationTimestamp": second},
        "spec": spec, "status": status
    }))
}

fn page(seen: &Seen) -> String {
    page::render(seen, "kubectl firstline", fixtures::now(), Colour::Off)
}

#[test]
fn nobody_has_taken_it_yet() {
    insta::assert_snapshot!(page(&seen(&json!({}), Vec::new())));
}

#[test]
fn ada_works_on_it() {
    let escalation = json!({"chain": "page", "cycle": 1, "round": 1, "cycleStart": "2026-11-23T02:58:10Z", "step": 1, "found": true,
        "acknowledgedBy": "ada", "acknowledgedAt": "2026-11-23T03:04:00Z", "activeAt": "2026-11-23T03:05:00Z"});
    let events = vec![
        event(
            "2026-11-23T03:05:00Z",
            "b",
            &json!({"note": {"text": "the database is full\nfreeing space"}}),
            &json!({"accepted": true, "sequence": 2}),
        ),
        event("2026-11-23T03:04:00Z", "a", &json!({"acknowledge": true}), &json!({"accepted": true, "sequence": 1})),
        event(
            "2026-11-23T03:06:00Z",
            "c",
            &json!({"state": {"to": "PendingRequester"}}),
            &json!({"accepted": false, "sequence": 3, "reason": "the ticket has no requester to wait for"}),
        ),
        event("2026-11-23T03:07:00Z", "d", &json!({"assign": {"to": "bob"}}), &json!({"observedGeneration": -1})),
    ];
    insta::assert_snapshot!(page(&seen(
        &json!({"state": "Open", "assignee": "ada", "escalation": escalation}),
        events
    )));
}

#[test]
fn a_silence_holds_it_and_a_page_failed() {
    let escalation = json!({"chain": "page", "cycle": 1, "round": 1, "cycleStart": "2026-11-23T02:58:10Z", "step": 1, "found": false,
        "held": {"by": "silence deploy-42", "since": "2026-11-23T03:03:10Z"}});
    let more = json!({
        "escalation": escalation,
        "conditions": [{"type": "NobodyFound", "status": "True", "reason": "NobodyFound", "message": "no step has reached anybody", "lastTransitionTime": "2026-11-23T02:58:10Z"}],
        "notifications": [{
            "id": "0191f3a0-0000-7000-8000-000000000002", "kind": "page", "cycle": 1, "step": 0, "channel": "ops",
            "state": "Failed", "attempts": 1, "plannedAt": "2026-11-23T02:58:10Z", "at": "2026-11-23T02:58:11Z", "error": "410 Gone: the channel was deleted"
        }],
        "notificationCounts": {"accepted": 4, "failed": 1, "superseded": 2}
    });
    insta::assert_snapshot!(page(&seen(&more, Vec::new())));
}

#[test]
fn a_mail_that_did_not_reach_all_of_its_recipients_names_them() {
    let more = json!({"notifications": [{
        "id": "0191f3a0-0000-7000-8000-000000000003", "kind": "page", "cycle": 1, "step": 1, "channel": "team",
        "state": "Accepted", "attempts": 1, "plannedAt": "2026-11-23T02:58:10Z", "at": "2026-11-23T02:58:11Z",
        "receipt": "250 queued", "reached": ["ops@acme.example"], "refused": [{"recipient": "cto@acme.example", "word": "550 unknown"}],
        "error": "the server refuses cto@acme.example: 550 unknown; check the addresses; the others have it"
    }]});
    let text = page(&seen(&more, Vec::new()));
    let words = "channel team (page, step 1) accepted for some only: the server refuses cto@acme.example: 550 unknown";
    assert!(text.contains(words), "{text}");
}

#[test]
fn it_recovered_by_itself() {
    let escalation = json!({"chain": "page", "cycle": 1, "round": 1, "cycleStart": "2026-11-23T02:58:10Z", "step": 1, "found": true, "stoppedAt": "2026-11-23T03:02:00Z"});
    let more = json!({
        "state": "Resolved", "reason": "Recovered", "resolvedAt": "2026-11-23T03:07:00Z", "recoveredAt": "2026-11-23T03:02:00Z", "assignee": "ada",
        "escalation": escalation,
        "alerts": {"firing": 0, "resolved": 1, "list": [{"fingerprint": "0123456789abcdef", "name": "MonitorDown", "state": "Recovered", "since": "2026-11-23T03:02:00Z"}]}
    });
    insta::assert_snapshot!(page(&seen(&more, Vec::new())));
}

#[test]
fn the_cause_that_was_found_is_named_and_when_it_ends() {
    let more = json!({
        "state": "Open",
        "cause": {"by": "depends on database, which is down (ticket inc-b, page)", "since": "2026-11-23T03:00:00Z", "settled": "2026-11-23T03:13:00Z"},
    });
    let text = page(&seen(&more, Vec::new()));
    let words = "Cause        depends on database, which is down (ticket inc-b, page), found at 2026-11-23T04:00:00+01:00 (12m ago); \
                 that has ended, and what still fires then begins anew at 2026-11-23T04:13:00+01:00\n";
    assert!(text.contains(words), "{text}");
}

#[test]
fn a_long_story_shows_its_end() {
    let timeline: Vec<Value> = (0..60)
        .map(|n| json!({"at": format!("2026-11-23T03:00:{n:02}Z"), "what": "Held", "detail": format!("number {n}")}))
        .collect();
    let text = page(&seen(&json!({"timeline": timeline}), Vec::new()));
    assert!(
        text.contains("… 21 earlier lines; -o yaml has them all\n  2026-11-23T04:00:20+01:00  Held: number 20\n"),
        "{text}"
    );
    assert!(text.contains("Held: number 59"), "{text}");
}

#[test]
fn what_the_operator_did_about_an_act_stands_after_it() {
    let timeline = json!([
        {"at": "2026-11-23T03:00:00Z", "what": "Step", "detail": "cycle 2, step 1: ada"},
        {"at": "2026-11-23T03:00:00Z", "what": "Fired", "detail": "MonitorDown"}
    ]);
    let act = json!({"unacknowledge": true});
    let events = vec![event("2026-11-23T03:00:00Z", "a", &act, &json!({"accepted": true, "sequence": 1}))];
    let seen = seen(&json!({"timeline": timeline}), events);
    let times = Times { zone: seen.zone(), now: fixtures::now() };
    let story = story::story(&seen, &times);
    let words: Vec<&str> = story.iter().map(|line| line.what.as_str()).collect();
    assert_eq!(words, ["Opened", "Fired", "ada gave it back", "Step"]);
}

#[test]
fn without_the_policy_the_page_says_less_and_why() {
    let mut seen = seen(&json!({}), Vec::new());
    (seen.frozen, seen.live) = (None, None);
    let text = page(&seen);
    assert!(
        text.contains(
            "next at 2026-11-23T03:13:10Z (in 70s); who that is cannot be said, as the policy cannot be read"
        ),
        "{text}"
    );
}

#[test]
fn a_ticket_that_no_operator_has_seen_still_has_a_page() {
    let ticket: Ticket = fixtures::object(json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"name": "req-1", "namespace": "payments", "creationTimestamp": "2026-11-23T03:00:00Z"},
        "spec": {"title": "Please add a user", "requester": {"name": "Mia", "contact": "mia@acme.example"}}
    }));
    insta::assert_snapshot!(page(&Seen {
        ticket,
        events: Vec::new(),
        frozen: None,
        live: None,
        overrides: Vec::new()
    }));
}

#[tokio::test]
async fn the_ticket_and_its_events_come_from_the_cluster() {
    let cluster = fixtures::FakeCluster::start(
        fixtures::Judge::Accept,
        vec![fixtures::ticket("inc-aaaa", 7, "Checkout is down")],
    )
    .await;
    cluster.add(
        serde_json::to_value(event(
            "2026-11-23T03:04:00Z",
            "a",
            &json!({"acknowledge": true}),
            &json!({"accepted": true}),
        ))
        .unwrap(),
    );
    let seen = gather(&cluster.session(), &"#7".parse().unwrap()).await.unwrap();
    assert_eq!(seen.ticket.name_any(), "inc-aaaa");
    assert_eq!(seen.events.len(), 1);
}

#[test]
fn the_clocks_say_when_they_run_out_what_is_left_and_what_was_broken() {
    let clocks = json!({"sla": "Breached", "clocks": [
        {"name": "firstResponse", "state": "Missed", "since": "2026-11-23T03:10:00Z", "elapsed": "12m"},
        {"name": "update", "state": "Paused", "since": "2026-11-23T03:00:00Z", "elapsed": "5m", "remaining": "55m"},
        {"name": "resolution", "state": "Running", "since": "2026-11-23T02:58:10Z", "elapsed": "0s", "due": "2026-11-23T06:58:10Z"}
    ], "breaches": [{"clock": "firstResponse", "breachedAt": "2026-11-23T03:08:10Z", "detectedAt": "2026-11-23T03:09:00Z"}]});
    let text = page(&seen(&clocks, Vec::new()));
    let section: Vec<&str> = text.lines().skip_while(|line| *line != "Clocks").take(5).collect();
    assert_eq!(
        section,
        [
            "Clocks",
            "  firstResponse  missed, 12m of working time used",
            "  update         paused, 55m of working time left",
            "  resolution     due at 2026-11-23T07:58:10+01:00 (in 3h46m), 0s of working time used",
            "  firstResponse ran out at 2026-11-23T04:08:10+01:00 (3m50s ago), found at 2026-11-23T04:09:00+01:00 (3m ago)",
        ]
    );
}

#[test]
fn links_are_listed_and_who_has_a_request_needs_no_acknowledgement() {
    let more = json!({"assignee": "ada", "links": [
        {"relation": "causedBy", "ticket": "inc-bbbb"},
        {"relation": "url", "url": "https://wiki.acme.example/db", "title": "Runbook"}
    ]});
    let mut seen = seen(&more, Vec::new());
    seen.ticket.status.as_mut().unwrap().escalation = None;
    let text = page(&seen);
    assert!(
        text.contains("  Linked       causedBy inc-bbbb\n  Linked       url https://wiki.acme.example/db (Runbook)\n"),
        "{text}"
    );
    assert!(text.contains("  Works on it  ada\n"), "{text}");
}

#[test]
fn times_stand_in_the_zone_of_the_policy_and_in_utc_without_one() {
    let more = json!({"timeline": [{"at": "2026-11-23T03:07:00Z", "what": "Resolved", "detail": "nothing has fired since 2026-11-23T03:02:00Z"}]});
    let seen = seen(&more, Vec::new());
    let line = "2026-11-23T04:07:00+01:00  Resolved: nothing has fired since 2026-11-23T04:02:00+01:00\n";
    assert!(page(&seen).contains(line), "{}", page(&seen));
    let line = "2026-11-23T03:07:00Z  Resolved: nothing has fired since 2026-11-23T03:02:00Z\n";
    assert!(page(&Seen { frozen: None, live: None, ..seen }).contains(line));
}

#[test]
fn every_act_has_words() {
    let acts = [
        (json!({"reply": {"text": "Which rights?"}}), "ada answered: Which rights?"),
        (json!({"message": {"from": "Mia", "text": "All"}}), "ada recorded what Mia wrote: All"),
        (json!({"snooze": {"until": "2026-11-23T04:00:00Z"}}), "ada took it, asleep until 2026-11-23T05:00:00+01:00"),
        (json!({"priority": {"to": "P2", "why": "board"}}), "ada made it P2: board"),
        (json!({"link": {"relation": "causedBy", "ticket": "inc-b"}}), "ada linked it: causedBy inc-b"),
        (json!({"merge": {"into": "inc-b"}}), "ada merged it into inc-b"),
        (json!({"split": {"message": 2, "title": "Printer"}}), "ada made message 2 a ticket of its own: Printer"),
        (json!({"queue": {"to": "network"}}), "ada gave it to queue network"),
        (json!({"noAnswerNeeded": {"why": "thanks"}}), "ada says that no answer is needed: thanks"),
        (json!({"escalate": {"step": 2}}), "ada called for step 2"),
        (json!({"feedback": {"score": 4, "comment": "fast"}}), "ada recorded a score of 4 of 5: fast"),
    ];
    for (act, expected) in acts {
        let events = vec![event("2026-11-23T03:00:00Z", "a", &act, &json!({"accepted": true, "sequence": 1}))];
        let text = page(&seen(&json!({}), events));
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
}
