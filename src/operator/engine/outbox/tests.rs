//! Deliveries on a paused clock, with a scripted receiver for each target.

use std::sync::atomic::{AtomicBool, Ordering};

use domain::{
    alert::Severity,
    labels::Labels,
    message::{WebhookChannel, WebhookUrl},
};
use prometheus_client::registry::Registry;
use uuid::Uuid;

use super::*;

/// What each target answers, in turn; the last answer stays.
type Scripts = HashMap<String, Vec<Delivery>>;

struct Receivers {
    scripts: Scripts,
    hang: Option<String>,
    allowed: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<(u64, String, u128)>>>,
    reports: Arc<Mutex<Vec<Report>>>,
    /// The recipients who were left out of each attempt.
    settled: Arc<Mutex<Vec<Vec<String>>>>,
    began: Instant,
    tries: Mutex<HashMap<String, usize>>,
}

impl Post for Receivers {
    fn send<'a>(&'a self, item: &'a Item, _now: Timestamp) -> BoxFuture<'a, Delivery> {
        Box::pin(async move {
            let channel = item.target.channel.clone();
            self.settled.lock().push(item.message.settled.clone());
            self.seen.lock().push((self.began.elapsed().as_secs(), channel.clone(), item.message.id.0.as_u128()));
            if self.hang.as_ref() == Some(&channel) {
                tokio::time::sleep(Duration::from_secs(63)).await;
            }
            let script = &self.scripts[&channel];
            let mut tries = self.tries.lock();
            let place = tries.entry(channel).or_default();
            *place += 1;
            script[(*place - 1).min(script.len() - 1)].clone()
        })
    }

    fn may_send(&self) -> bool {
        self.allowed.load(Ordering::SeqCst)
    }

    fn report(&self, _ticket: &Key, report: Report) {
        self.reports.lock().push(report);
    }
}

struct Stage {
    outbox: Outbox,
    metrics: Metrics,
    allowed: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<(u64, String, u128)>>>,
    reports: Arc<Mutex<Vec<Report>>>,
    /// The recipients who were left out of each attempt.
    settled: Arc<Mutex<Vec<Vec<String>>>>,
}

fn stage(scripts: &[(&str, Vec<Delivery>)], hang: Option<&str>) -> Stage {
    let (allowed, seen, reports) = (Arc::new(AtomicBool::new(true)), Arc::default(), Arc::default());
    let settled = Arc::default();
    let receivers = Receivers {
        scripts: scripts.iter().map(|(name, script)| ((*name).to_owned(), script.clone())).collect(),
        hang: hang.map(str::to_owned),
        allowed: Arc::clone(&allowed),
        seen: Arc::clone(&seen),
        reports: Arc::clone(&reports),
        settled: Arc::clone(&settled),
        began: Instant::now(),
        tries: Mutex::default(),
    };
    let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
    let metrics = Metrics::declare(&mut Registry::default());
    let outbox = Outbox::new(receivers, clock, metrics.clone(), TaskTracker::new(), CancellationToken::new());
    Stage { outbox, metrics, allowed, seen, reports, settled }
}

fn item(id: u128, kind: MessageKind, channel: &str) -> Item {
    let url = WebhookUrl::Plain("http://receiver.example/".parse().unwrap());
    let message = Message {
        id: NotificationId(Uuid::from_u128(id)),
        kind,
        namespace: "payments".into(),
        ticket: "inc-a".into(),
        ticket_uid: "uid".into(),
        thread: "uid".into(),
        number: None,
        title: "t".into(),
        priority: "P1".into(),
        severity: Severity::Page,
        labels: Labels::new(),
        annotations: Labels::new(),
        started_at: Timestamp::UNIX_EPOCH,
        planned_at: Timestamp::UNIX_EPOCH,
        why: String::new(),
        person: None,
        address: None,
        settled: Vec::new(),
        possible_duplicate: false,
    };
    Item {
        ticket: Key::new("payments", "inc-a"),
        target: TargetKey { policy: Key::new("payments", "payments"), channel: channel.into(), address: None },
        channel: Channel::Webhook(WebhookChannel {
            url,
            signing_secret: None,
            ca: None,
            timeout: Duration::from_secs(10),
        }),
        message,
        attempts: 0,
        not_before: None,
    }
}

fn accepted() -> Delivery {
    Delivery::Accepted { receipt: "200".into() }
}

fn retry(after: Option<u64>) -> Delivery {
    Delivery::Retry { after: after.map(Duration::from_secs), error: "503".into() }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn seconds(stage: &Stage) -> Vec<u64> {
    stage.seen.lock().iter().map(|(second, ..)| *second).collect()
}

#[tokio::test(start_paused = true)]
async fn a_page_is_tried_densely_at_first() {
    let stage = stage(&[("chat", vec![retry(None)])], None);
    stage.outbox.send(item(1, MessageKind::Page, "chat"));
    pass(60).await;
    assert_eq!(seconds(&stage), [0, 1, 3, 8, 18, 48]);
    assert_eq!(stage.reports.lock().last().unwrap().attempts, 6);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_and_an_accepted_message_is_not_sent_again() {
    let stage = stage(&[("chat", vec![retry(Some(20)), accepted()])], None);
    stage.outbox.send(item(1, MessageKind::Page, "chat"));
    pass(600).await;
    assert_eq!(seconds(&stage), [0, 20]);
    assert!(stage.outbox.0.targets.lock().by_key.is_empty(), "an idle target keeps no task");
}

/// A new process knows only what the ticket says.
#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_also_by_a_process_that_did_not_hear_it() {
    let stage = stage(&[("chat", vec![accepted()]), ("mail", vec![accepted()])], None);
    let asked = |second: i64, id, channel| Item {
        attempts: 1,
        not_before: Some(Timestamp::from_second(second).unwrap()),
        ..item(id, MessageKind::Page, channel)
    };
    stage.outbox.send(asked(40, 1, "chat"));
    stage.outbox.send(asked(-40, 2, "mail"));
    pass(600).await;
    let mut seen = stage.seen.lock().clone();
    seen.sort_unstable();
    assert_eq!(seen, [(0, "mail".to_owned(), 2), (40, "chat".to_owned(), 1)]);
}

fn refused(recipient: &str, for_good: bool) -> Refused {
    Refused { recipient: recipient.into(), word: if for_good { "550" } else { "450" }.into(), for_good }
}

fn partly(reached: &str, refused: &[Refused]) -> Delivery {
    Delivery::Partly { receipt: "250".into(), reached: vec![reached.into()], refused: refused.to_vec() }
}

#[tokio::test(start_paused = true)]
async fn of_several_recipients_only_those_are_told_again_who_have_not_got_it_and_may() {
    let script = vec![partly("a", &[refused("b", false), refused("c", true)]), retry(None), accepted()];
    let stage = stage(&[("mail", script)], None);
    stage.outbox.send(item(1, MessageKind::Page, "mail"));
    pass(600).await;
    assert_eq!(seconds(&stage), [0, 1, 3]);
    let told: Vec<Vec<String>> = stage.settled.lock().clone();
    assert_eq!(told, [vec![], vec!["a".to_owned(), "c".into()], vec!["a".to_owned(), "c".into()]]);
}

/// Who is never told by this mail may be the only one who would have come.
#[tokio::test(start_paused = true)]
async fn each_attempt_is_counted_by_what_it_came_to_and_one_recipient_refused_for_good_is_a_failure() {
    let uncertain = Delivery::Uncertain { error: "cut".into() };
    let failed = Delivery::Failed { error: "550".into() };
    let both = partly("a", &[refused("b", false), refused("c", true)]);
    let script = vec![both, retry(None), uncertain, partly("b", &[refused("d", false)]), failed];
    let stage = stage(&[("mail", script), ("chat", vec![accepted()])], None);
    stage.outbox.send(item(1, MessageKind::Page, "mail"));
    stage.outbox.send(item(2, MessageKind::Page, "chat"));
    pass(600).await;
    let counted = NotificationLabels::OUTCOMES.map(|outcome| {
        let labels = NotificationLabels { channel: "webhook", outcome };
        (outcome, stage.metrics.notifications.get_or_create(&labels).get())
    });
    assert_eq!(counted, NotificationLabels::OUTCOMES.map(|outcome| (outcome, 1)));
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_the_others_are_refused_for_good_and_after_a_day() {
    let (never, later) = (partly("a", &[refused("b", true)]), partly("a", &[refused("b", false)]));
    let stage = stage(&[("never", vec![never]), ("later", vec![later])], None);
    stage.outbox.send(item(1, MessageKind::Page, "never"));
    let mut old = item(2, MessageKind::Page, "later");
    old.message.planned_at = Timestamp::from_second(-25 * 3_600).unwrap();
    stage.outbox.send(old);
    pass(600).await;
    assert_eq!(seconds(&stage), [0, 0]);
    let reports = stage.reports.lock();
    let last = &reports.iter().find(|report| report.id.0.as_u128() == 2).unwrap().delivery;
    let word = "given up after 24 h: 450".to_owned();
    assert_eq!(*last, partly("a", &[Refused { recipient: "b".into(), word, for_good: true }]));
}

#[tokio::test(start_paused = true)]
async fn an_uncertain_message_goes_out_again_with_the_same_id() {
    let stage = stage(&[("chat", vec![Delivery::Uncertain { error: "cut".into() }, accepted()])], None);
    stage.outbox.send(item(7, MessageKind::Page, "chat"));
    pass(10).await;
    assert_eq!(*stage.seen.lock(), [(0, "chat".to_owned(), 7), (1, "chat".to_owned(), 7)]);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_receiver_delays_nobody_else() {
    let stage = stage(&[("dead", vec![accepted()]), ("chat", vec![accepted()])], Some("dead"));
    stage.outbox.send(item(1, MessageKind::Page, "dead"));
    stage.outbox.send(item(2, MessageKind::Page, "chat"));
    pass(1).await;
    assert_eq!(stage.reports.lock().len(), 1, "chat has answered");
    pass(70).await;
    assert_eq!(stage.reports.lock().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn pages_overtake_resolves_at_the_same_target() {
    let stage = stage(&[("chat", vec![accepted()])], None);
    stage.allowed.store(false, Ordering::SeqCst);
    stage.outbox.send(item(1, MessageKind::Resolved, "chat"));
    stage.outbox.send(item(2, MessageKind::Update, "chat"));
    stage.outbox.send(item(3, MessageKind::Page, "chat"));
    pass(1).await;
    assert!(stage.seen.lock().is_empty(), "nothing is sent without the lease");
    stage.allowed.store(true, Ordering::SeqCst);
    pass(1).await;
    let order: Vec<u128> = stage.seen.lock().iter().map(|(_, _, id)| *id).collect();
    assert_eq!(order, [3, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_message_given_twice_is_sent_once_and_a_cancelled_one_not_at_all() {
    let stage = stage(&[("chat", vec![accepted()])], None);
    stage.allowed.store(false, Ordering::SeqCst);
    for id in [1, 1, 2] {
        stage.outbox.send(item(id, MessageKind::Page, "chat"));
    }
    stage.outbox.cancel(&[NotificationId(Uuid::from_u128(2))]);
    stage.allowed.store(true, Ordering::SeqCst);
    pass(1).await;
    assert_eq!(stage.seen.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_taken_back_during_its_attempt_and_handed_in_again_waits_behind_it() {
    let stage = stage(&[("slow", vec![Delivery::Failed { error: "550".into() }, accepted()])], Some("slow"));
    let page = || item(1, MessageKind::Page, "slow");
    stage.outbox.send(page());
    pass(1).await;
    stage.outbox.cancel(&[page().message.id]);
    assert!(stage.outbox.is_being_sent(page().message.id), "it may arrive all the same");
    stage.outbox.send(page());
    pass(63).await;
    assert_eq!(stage.outbox.on_their_way().len(), 1, "the end of the first attempt is not that of the second");
    stage.outbox.cancel(&[page().message.id]);
    assert!(stage.outbox.on_their_way().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_taken_back_during_its_attempt_and_handed_in_again_is_not_sent_to_who_has_it_by_then() {
    let stage = stage(&[("slow", vec![accepted(), accepted()])], Some("slow"));
    let page = || item(1, MessageKind::Page, "slow");
    stage.outbox.send(page());
    pass(1).await;
    stage.outbox.cancel(&[page().message.id]);
    stage.outbox.send(page());
    pass(200).await;
    assert_eq!((stage.seen.lock().len(), stage.outbox.on_their_way().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_message_that_has_ended_moved_or_been_taken_back() {
    let busy = vec![retry(Some(20)), retry(Some(20)), accepted()];
    let stage = stage(&[("chat", vec![retry(None), accepted()]), ("mail", busy)], None);
    let mut moved = item(3, MessageKind::Page, "mail");
    for message in [item(1, MessageKind::Page, "chat"), item(2, MessageKind::Page, "mail"), moved.clone()] {
        stage.outbox.send(message);
    }
    pass(5).await;
    moved.target.address = Some("ada@new.example".into());
    stage.outbox.send(moved);
    stage.outbox.cancel(&[NotificationId(Uuid::from_u128(2))]);
    pass(600).await;
    assert_eq!(stage.seen.lock().len(), 5, "two attempts of the first, one of the second, two of the third");
    let targets = stage.outbox.0.targets.lock();
    assert!(targets.places.is_empty() && targets.by_key.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_has_ended_is_not_sent_again_while_its_ticket_still_says_planned() {
    let stage = stage(&[("chat", vec![accepted()])], None);
    stage.outbox.send(item(1, MessageKind::Page, "chat"));
    pass(1).await;
    stage.outbox.send(item(1, MessageKind::Page, "chat"));
    pass(1).await;
    assert_eq!(stage.seen.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_mended_is_tried_at_once_and_not_beside_the_old_one() {
    let stage = stage(&[("chat", vec![retry(Some(3_600)), accepted()])], None);
    let broken = item(1, MessageKind::Page, "chat");
    let mut mended = broken.clone();
    if let Channel::Webhook(webhook) = &mut mended.channel {
        webhook.url = WebhookUrl::Plain("http://mended.example/".parse().unwrap());
    }
    stage.outbox.send(broken.clone());
    pass(5).await;
    stage.outbox.send(broken);
    pass(5).await;
    stage.outbox.send(mended);
    pass(7_200).await;
    assert_eq!(seconds(&stage), [0, 10]);
    assert_eq!(stage.reports.lock().last().unwrap().attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn what_has_failed_through_a_channel_is_tried_at_once_when_its_secret_was_mended() {
    let scripts = [
        ("chat", vec![retry(None), retry(None), retry(None), retry(None), retry(None), accepted()]),
        ("busy", vec![retry(Some(100)), accepted()]),
        ("other", vec![retry(Some(1_000)), accepted()]),
    ];
    let stage = stage(&scripts, None);
    let policy = Key::new("payments", "payments");
    for (id, channel) in [(1, "chat"), (2, "busy"), (3, "other")] {
        stage.outbox.send(item(id, MessageKind::Page, channel));
    }
    // The next attempt would come in second 48.
    pass(20).await;
    stage.outbox.hurry(&policy, &["chat".into(), "busy".into()]);
    pass(600).await;
    let at = |channel: &str| -> Vec<u64> {
        stage.seen.lock().iter().filter(|(_, to, _)| to == channel).map(|(second, ..)| *second).collect()
    };
    assert_eq!(at("chat"), [0, 1, 3, 8, 18, 20]);
    assert_eq!(at("busy"), [0, 100], "its receiver has asked for that");
    assert_eq!(at("other"), [0], "it was not mended");
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_sent_again_when_its_ticket_has_planned_it_anew() {
    let stage = stage(&[("chat", vec![Delivery::Failed { error: "401".into() }, accepted()])], None);
    let page = || item(1, MessageKind::Page, "chat");
    stage.outbox.send(page());
    pass(1).await;
    stage.outbox.begin_anew(&[page().message.id]);
    stage.outbox.send(page());
    pass(1).await;
    stage.outbox.send(page());
    pass(1).await;
    assert_eq!(seconds(&stage), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_address_has_changed_goes_to_the_new_one_only() {
    let stage = stage(&[("mail", vec![retry(Some(20)), accepted()])], None);
    let to = |address: &str| {
        let mut item = item(1, MessageKind::Page, "mail");
        item.target.address = Some(address.to_owned());
        item
    };
    stage.outbox.send(to("ada@old.example"));
    pass(5).await;
    stage.outbox.send(to("ada@new.example"));
    pass(600).await;
    assert_eq!(seconds(&stage), [0, 5]);
}

#[test]
fn waits_double_to_ten_minutes() {
    let waits: Vec<u64> = (5..12).map(|n| wait_after(&retry(None), n).unwrap().as_secs()).collect();
    assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
    assert_eq!(wait_after(&retry(Some(3_600)), 1), Some(Duration::from_secs(3_600)), "the receiver's word is obeyed");
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_is_known_and_whether_it_was_tried() {
    let stage = stage(&[("chat", vec![retry(None), accepted()]), ("dead", vec![accepted()])], Some("dead"));
    let known = |id| stage.outbox.on_their_way().get(&NotificationId(Uuid::from_u128(id))).copied();
    stage.allowed.store(false, Ordering::SeqCst);
    stage.outbox.send(item(1, MessageKind::Page, "chat"));
    stage.outbox.send(item(2, MessageKind::Page, "dead"));
    assert_eq!((known(1), known(2), known(3)), (Some(false), Some(false), None));
    stage.allowed.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((known(1), known(2)), (Some(true), Some(true)), "one attempt has failed, the other hangs");
    pass(5).await;
    assert_eq!((known(1), known(2)), (None, Some(true)), "what was accepted is not on its way any more");
}

/// A ticket is looked at whenever it changes, and each look hands in what it lists as unfinished: also in the very moment
/// in which an attempt ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_in_again_while_its_attempt_ends_is_not_sent_twice() {
    let stage = stage(&[("chat", vec![Delivery::Accepted { receipt: "200".into() }])], None);
    for id in 1..=500 {
        let message = item(id, MessageKind::Resolved, "chat");
        while stage.reports.lock().len() < usize::try_from(id).unwrap() {
            stage.outbox.send(message.clone());
        }
        // What the look that began before the report was written hands in.
        stage.outbox.send(message);
    }
    assert_eq!(stage.seen.lock().len(), 500);
}
