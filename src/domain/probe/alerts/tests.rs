//! Looks, a minute apart, lead to alerts: which fire after them, as `name`, or `name/slo/severity` for burns.

use jiff::ToSpan;
use proptest::prelude::*;
use rstest::rstest;

use super::{
    prober::{Count, Fleet},
    *,
};
use crate::alert::Alert;
use crate::probe::{
    fixtures::{certificate, look, monitor, noon, slo},
    slo::Slo,
    verdict::{Flapping, State, Thresholds},
};

const MINUTE: Duration = Duration::from_secs(60);

/// A monitor that is watched, and the tickets that its alerts are on.
struct Watch {
    monitor: Monitor,
    verdict: Verdict,
    tracks: Tracks,
    memory: Memory,
    latest: Option<Sample>,
    fleet: Fleet,
    now: Timestamp,
    /// The labels of what fires.
    firing: Vec<Labels>,
    /// What was handed in, as `+name` and `-name`, one word per change.
    story: Vec<String>,
}

fn thresholds() -> Thresholds {
    let flapping = Some(Flapping { changes: 4, window: MINUTE * 30 });
    Thresholds { degraded_above: Some(Duration::from_millis(800)), flapping, ..Thresholds::default() }
}

impl Watch {
    fn new(slos: Vec<Slo>) -> Self {
        Self::of(monitor(thresholds(), slos))
    }

    fn of(monitor: Monitor) -> Self {
        let now = noon();
        Self {
            verdict: Verdict::new(now),
            tracks: Tracks::new(&monitor.slos),
            memory: Memory::new(KeptMemory::default(), now),
            monitor,
            latest: None,
            fleet: Fleet::Well,
            now,
            firing: Vec::new(),
            story: Vec::new(),
        }
    }

    fn facts(&self) -> Facts<'_> {
        let (monitor, verdict, tracks, memory) = (&self.monitor, &self.verdict, &self.tracks, &self.memory);
        Facts { monitor, verdict, tracks, latest: self.latest.as_ref(), memory, fleet: self.fleet }
    }

    fn see(mut self, looks: &str) -> Self {
        for letter in looks.chars() {
            self.now += 1.minute();
            let sample = look(letter, self.now);
            self = self.take(sample);
        }
        self
    }

    fn take(mut self, sample: Sample) -> Self {
        if !self.verdict.in_maintenance() {
            self.tracks.record(&sample);
        }
        self.verdict.observe(&sample, &self.monitor.thresholds, self.now);
        self.memory.observe(&sample, &self.verdict, &self.monitor, self.now);
        self.latest = Some(sample);
        self.decide()
    }

    /// Hands in what is decided, and lets the tickets say so.
    fn decide(mut self) -> Self {
        let decisions = decide(&self.facts(), self.now);
        for alert in hand_in(&self.monitor, &decisions, &self.firing, self.now) {
            let name = word(&alert.labels);
            match alert.state {
                AlertState::Firing if !self.firing.contains(&alert.labels) => {
                    self.firing.push(alert.labels);
                    self.story.push(format!("+{name}"));
                }
                AlertState::Firing => {}
                ended => {
                    self.firing.retain(|labels| *labels != alert.labels);
                    let how = if ended == AlertState::SourceRemoved { "!" } else { "" };
                    self.story.push(format!("-{name}{how}"));
                }
            }
        }
        self
    }

    /// Another process goes on from what was stored and from the tickets.
    fn restart(mut self) -> Self {
        self.verdict = Verdict::restore(self.verdict.state(), self.verdict.since(), self.now);
        self.tracks = Tracks::restore(&self.tracks.keep(), &self.monitor.slos);
        self.memory = Memory::new(self.memory.keep(), self.now);
        self.latest = None;
        self.decide()
    }

    fn is_open(&self) -> bool {
        is_open(&decide(&self.facts(), self.now), &self.firing)
    }

    fn fires(&self) -> String {
        let mut names: Vec<String> = self.firing.iter().map(word).collect();
        names.sort();
        names.join(" ")
    }

    fn story(&self) -> String {
        self.story.join(" ")
    }
}

fn word(labels: &Labels) -> String {
    let value = |name: &str| labels.get(name).map(String::as_str);
    let name = value("alertname").unwrap();
    value("slo").map_or_else(|| name.to_owned(), |slo| format!("{name}/{slo}/{}", value("severity").unwrap()))
}

#[rstest]
#[case::nothing_is_wrong("....", "")]
#[case::too_few_failures_are_no_alert("..xx", "")]
#[case::down("..xxx", "+MonitorDown")]
#[case::one_success_ends_nothing("..xxx.", "+MonitorDown")]
#[case::up_again("..xxx..", "+MonitorDown -MonitorDown")]
#[case::slow("..sss", "+MonitorDegraded")]
#[case::fast_again("..sss..", "+MonitorDegraded -MonitorDegraded")]
#[case::from_down_to_slow_one_takes_the_place_of_the_other("..xxxss", "+MonitorDown +MonitorDegraded -MonitorDown")]
#[case::and_back("..sssxxx", "+MonitorDegraded +MonitorDown -MonitorDegraded")]
#[case::blindness_ends_nothing("..xxx??????", "+MonitorDown")]
#[case::and_down_that_outlasts_it_is_the_same_alert("..xxx???xxx", "+MonitorDown")]
#[case::nine_minutes_of_blindness_are_no_alert("..?????????.", "")]
#[case::ten_are("..???????????", "+MonitorBlind")]
#[case::one_look_ends_it("..???????????.", "+MonitorBlind -MonitorBlind")]
#[case::never_able_to_look("???????????", "+MonitorBlind")]
fn looks_lead_to_alerts(#[case] looks: &str, #[case] expected: &str) {
    assert_eq!(Watch::new(Vec::new()).see(looks).story(), expected);
}

#[test]
fn a_flapping_target_keeps_its_alert_until_one_window_passes_without_a_change() {
    let watch = Watch::new(Vec::new()).see("..xxx..xxx..");
    assert_eq!(watch.story(), "+MonitorDown -MonitorDown +MonitorDown +MonitorFlapping");
    let watch = watch.see(&".".repeat(29));
    assert_eq!(watch.fires(), "MonitorDown MonitorFlapping", "29 minutes of answers end nothing");
    assert_eq!(watch.see(".").fires(), "");
}

#[test]
fn only_what_is_down_has_the_monitors_severity() {
    let watch = Watch::new(Vec::new()).see("..xxx..xxx..");
    let severities: Vec<_> = watch.firing.iter().map(|labels| (word(labels), labels["severity"].as_str())).collect();
    assert_eq!(severities, [("MonitorDown".to_owned(), "page"), ("MonitorFlapping".to_owned(), "ticket")]);
    assert!(
        watch.firing.iter().all(|labels| labels["team"] == "a" && labels["service"] == "shop"),
        "its own labels too"
    );
}

#[test]
fn the_summary_of_the_spec_is_that_it_is_down_and_of_nothing_else() {
    let mut monitor = monitor(thresholds(), Vec::new());
    monitor.annotations.insert("summary".to_owned(), "Nobody can pay!".to_owned());
    let title = |looks: &str| {
        let watch = Watch::of(monitor.clone()).see(looks);
        let alerts = hand_in(&watch.monitor, &decide(&watch.facts(), watch.now), &[], watch.now);
        alerts.iter().map(Alert::title).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(title("..xxx"), "Nobody can pay!");
    assert_eq!(title("..sss"), "shop is slow");
}

#[rstest]
#[case::suspended(true)]
#[case::one_objective_gone(false)]
fn what_has_no_source_any_more_ends_as_such(#[case] suspended: bool) {
    let mut watch = Watch::new(vec![slo("availability", "99.9", 30, None)]).see(&".".repeat(60)).see("xx.x.x.");
    assert_eq!(watch.fires(), "SloBurn/availability/page SloBurn/availability/ticket");
    watch.monitor.suspended = suspended;
    if !suspended {
        watch.monitor.slos.clear();
    }
    watch.story.clear();
    let watch = watch.decide();
    assert_eq!(watch.story(), "-SloBurn/availability/page! -SloBurn/availability/ticket!");
}

#[test]
fn an_edit_of_labels_gives_a_firing_alert_another_identity_and_ends_the_old_one() {
    let mut watch = Watch::new(Vec::new()).see("..xxx");
    watch.monitor.labels.insert("team".to_owned(), "b".to_owned());
    let watch = watch.decide();
    assert_eq!(watch.story(), "+MonitorDown +MonitorDown -MonitorDown!");
    assert_eq!(watch.firing[0]["team"], "b");
}

#[test]
fn a_maintenance_begins_no_alert_and_ends_none() {
    let mut watch = Watch::new(vec![slo("availability", "99", 30, None)]).see("..xxx");
    watch.verdict.maintain(watch.now);
    let watch = watch.see("......................").see("xxxx").see("????????????");
    assert_eq!(watch.story(), "+MonitorDown");
    let mut watch = watch.see("..");
    watch.verdict.end_maintenance(watch.now);
    assert_eq!(watch.decide().fires(), "");
}

#[rstest]
#[case::down("..xxx", "MonitorDown")]
#[case::slow("..sss", "MonitorDegraded")]
#[case::blind("..???????????", "MonitorBlind")]
#[case::flapping("..xxx..xxx..", "MonitorDown MonitorFlapping")]
fn a_restart_ends_nothing_before_this_process_has_seen_enough(#[case] looks: &str, #[case] expected: &str) {
    let watch = Watch::new(Vec::new()).see(looks).restart();
    assert_eq!(watch.fires(), expected);
}

#[test]
fn a_restart_fires_again_what_is_still_the_case() {
    let mut watch = Watch::new(Vec::new()).see("..xxx");
    watch.firing.clear();
    let watch = watch.restart();
    assert_eq!(watch.fires(), "", "it may have recovered, and its ticket may say so, after the status was written");
    assert_eq!(watch.see("x").fires(), "MonitorDown", "the ticket was deleted, and it is still down");
}

#[test]
fn a_recovery_of_which_only_the_ticket_knows_pages_nobody_after_a_restart() {
    let mut watch = Watch::new(Vec::new()).see("..xxx");
    watch.firing.clear();
    let watch = watch.restart().see("..");
    assert_eq!(watch.story(), "+MonitorDown");
}

#[test]
fn an_alert_of_states_ends_after_a_restart_when_the_target_was_seen_to_answer() {
    let watch = Watch::new(Vec::new()).see("..xxx").restart().see(".");
    assert_eq!(watch.fires(), "MonitorDown");
    assert_eq!(watch.see(".").fires(), "");
}

#[test]
fn after_a_restart_an_alert_is_open_until_this_process_knows_whether_it_is_over() {
    let watch = Watch::new(Vec::new()).see("..xxx").restart();
    assert!(watch.is_open(), "nobody has looked");
    assert!(!watch.see("x").is_open(), "it is down still");
    let watch = Watch::new(Vec::new()).see("..xxx").restart().see(".");
    assert!(watch.is_open(), "one answer is not enough");
    assert!(!watch.see(".").is_open(), "it has recovered");
    assert!(!Watch::new(Vec::new()).see("..").restart().is_open(), "nothing fires");
}

#[test]
fn a_burn_ends_after_a_restart_not_before_five_minutes() {
    let slos = vec![slo("availability", "99.9", 30, None)];
    let watch = Watch::new(slos).see(&".".repeat(60)).see("xx.x.x.");
    let watch = watch.see(".....").restart();
    // Its short window holds no failure any more, but the minutes before the start may be missing from it.
    let watch = watch.see("....");
    assert!(watch.fires().contains("SloBurn/availability/page"), "{}", watch.fires());
    let watch = watch.see(&".".repeat(40));
    assert!(!watch.fires().contains("SloBurn/availability/page"), "{}", watch.story());
}

fn two_levels() -> Vec<Slo> {
    vec![slo("availability", "99.9", 30, None)]
}

#[test]
fn a_burn_without_an_outage_pages() {
    let watch = Watch::new(two_levels()).see(&".".repeat(60)).see("xx.x");
    assert_eq!(watch.verdict.state(), State::Up);
    assert_eq!(watch.fires(), "SloBurn/availability/page SloBurn/availability/ticket");
}

#[test]
fn fewer_failures_than_make_it_down_page_nobody_by_a_burn() {
    let watch = Watch::new(two_levels()).see(&".".repeat(60)).see("xx.......");
    assert_eq!(watch.story(), "");
}

#[test]
fn while_it_is_down_and_for_the_short_window_after_it_a_burn_pages_nobody() {
    let watch = Watch::new(two_levels()).see(&".".repeat(60)).see("xxx");
    assert_eq!(watch.fires(), "MonitorDown SloBurn/availability/ticket");
    let watch = watch.see("xxxxx..");
    assert_eq!(watch.fires(), "SloBurn/availability/ticket", "it answers again");
    let watch = watch.see(&".".repeat(120));
    assert!(!watch.story().contains("/page"), "{}", watch.story());
}

#[test]
fn a_burn_that_goes_on_after_an_outage_pages_at_last() {
    // It answers again, but one look in four fails: never Down, and far too often.
    let watch = Watch::new(two_levels()).see(&".".repeat(60)).see("xxx..").see("x...x...x...x...");
    assert!(watch.fires().contains("SloBurn/availability/page"), "{}", watch.story());
}

#[test]
fn a_page_of_a_burn_that_was_first_stays_when_it_goes_down() {
    let watch = Watch::new(two_levels()).see(&".".repeat(60)).see("xx.x").see("xx");
    assert_eq!(watch.fires(), "MonitorDown SloBurn/availability/page SloBurn/availability/ticket");
}

fn with_certificate(mut watch: Watch, days: i64, looks: usize) -> Watch {
    for _ in 0..looks {
        watch.now += 1.minute();
        let mut sample = look('.', watch.now);
        sample.tls = Some(certificate(watch.now + (days * 24).hours()));
        watch = watch.take(sample);
    }
    watch
}

#[rstest]
#[case::long_valid(30, "")]
#[case::exactly_as_asked(14, "")]
#[case::a_day_less(13, "CertificateExpiry")]
#[case::over(-1, "CertificateExpiry")]
fn a_certificate_that_ends_too_soon_is_a_ticket(#[case] days: i64, #[case] expected: &str) {
    let watch = with_certificate(Watch::new(Vec::new()), days, 2);
    assert_eq!(watch.fires(), expected);
    assert!(watch.firing.iter().all(|labels| labels["severity"] == "ticket"));
}

#[test]
fn a_renewed_certificate_ends_the_alert_once_the_old_one_is_not_seen_any_more() {
    let watch = with_certificate(Watch::new(Vec::new()), 5, 2);
    let watch = with_certificate(watch, 90, 9);
    assert_eq!(watch.fires(), "CertificateExpiry", "another server may still show the old one");
    assert_eq!(with_certificate(watch, 90, 2).fires(), "");
}

#[test]
fn two_servers_with_two_certificates_are_one_alert_and_not_one_for_every_look() {
    let mut watch = Watch::new(Vec::new());
    for _ in 0..60 {
        watch = with_certificate(with_certificate(watch, 5, 1), 90, 1);
    }
    assert_eq!(watch.story(), "+CertificateExpiry");
}

#[test]
fn an_outage_says_nothing_of_the_certificate() {
    let watch = with_certificate(Watch::new(Vec::new()), 5, 2).see(&"x".repeat(30));
    assert_eq!(watch.fires(), "CertificateExpiry MonitorDown");
}

#[test]
fn a_monitor_that_is_blind_among_many_is_no_alert_of_its_own() {
    let mut watch = Watch::new(Vec::new());
    watch.fleet = Fleet::Blind;
    let mut watch = watch.see(&"?".repeat(20));
    assert_eq!(watch.fires(), "");
    watch.fleet = Fleet::Well;
    assert_eq!(watch.decide().fires(), "MonitorBlind", "the others can be looked at again");
}

#[test]
fn at_slow_intervals_blindness_is_an_alert_after_five_of_them() {
    let mut slow = monitor(thresholds(), Vec::new());
    slow.cadence.interval = MINUTE * 5;
    assert_eq!(patience(&slow), MINUTE * 25);
    let watch = Watch::of(slow).see(&"?".repeat(24));
    assert_eq!(watch.fires(), "");
    assert_eq!(watch.see("?").fires(), "MonitorBlind");
}

#[rstest]
#[case::none(0, 0, 100, "ends")]
#[case::a_fifth(20, 20, 100, "ends")]
#[case::more_than_a_fifth(21, 21, 100, "fires")]
#[case::not_for_long_yet(50, 20, 100, "stays")]
#[case::two_of_three_are_no_fleet(2, 2, 3, "ends")]
#[case::three_of_three_are(3, 3, 3, "fires")]
#[case::no_monitor_at_all(0, 0, 0, "ends")]
fn a_prober_that_cannot_look_at_many_targets_pages_once(
    #[case] blind: usize,
    #[case] long_blind: usize,
    #[case] all: usize,
    #[case] expected: &str,
) {
    let count = Count { all, blind, long_blind };
    let wanted = match count.wanted(noon()) {
        Wanted::Fire(_) => "fires",
        Wanted::Keep => "stays",
        Wanted::End(_) => "ends",
    };
    assert_eq!(wanted, expected);
}

proptest! {
    /// Whatever is seen: MonitorDown fires exactly from Down on until the target was seen to answer; one decision per
    /// alert; and a decision made twice changes nothing.
    #[test]
    fn decisions_are_whole_and_stand_still(looks in "[.sx?]{0,150}") {
        let slos = vec![slo("availability", "99.9", 30, None), slo("latency", "99", 7, Some(300))];
        let mut watch = Watch::new(slos);
        for letter in looks.chars() {
            watch = watch.see(&letter.to_string());
            let decisions = decide(&watch.facts(), watch.now);
            let mut ids: Vec<_> = decisions.iter().map(|decision| &decision.id).collect();
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), 5 + 2 * 2);
            let fires = watch.fires();
            match watch.verdict.state() {
                State::Down => prop_assert!(fires.contains("MonitorDown")),
                State::Up | State::Degraded if watch.memory.confirmed => prop_assert!(!fires.contains("MonitorDown")),
                _ => {}
            }
            let told = watch.story.len();
            watch = watch.decide();
            prop_assert_eq!(watch.story.len(), told);
        }
    }

    /// A page-level burn never begins while MonitorDown fires.
    #[test]
    fn a_burn_never_pages_while_it_is_down(looks in "[.x]{0,200}") {
        let mut watch = Watch::new(two_levels()).see(&".".repeat(30));
        for letter in looks.chars() {
            let told = watch.story.len();
            watch = watch.see(&letter.to_string());
            if watch.fires().contains("MonitorDown") {
                prop_assert!(!watch.story[told..].iter().any(|word| word.ends_with("/page") && word.starts_with('+')));
            }
        }
    }

    /// What fires is the same whether the process was restarted in between, once it has settled again.
    #[test]
    fn a_restart_changes_nothing_in_the_end(before in "[.x]{0,60}", after in "[.x]{0,20}") {
        let end = "..".repeat(30);
        let live = Watch::new(two_levels()).see(&before).see(&after).see(&end);
        let restarted = Watch::new(two_levels()).see(&before).restart().see(&after).see(&end);
        prop_assert_eq!(live.fires(), restarted.fires());
    }
}
