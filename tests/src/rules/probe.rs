//! What one look costs, and what the objectives and alerts of one monitor cost.

use std::time::Duration;

use domain::{
    alert::Severity,
    labels::Labels,
    probe::{
        Cadence, Monitor, Phases, Sample, Target, TcpTarget,
        alerts::{self, Facts, KeptMemory, Memory, prober::Fleet},
        slo::{Objective, Report, Slo, Tracks},
        verdict::{Flapping, Thresholds, Verdict},
    },
};
use jiff::{Timestamp, ToSpan};

use super::Bar;

/// A monitor with everything on: degraded, flapping, an objective of availability and one of latency.
fn monitor() -> Monitor {
    let slo = |name: &str, objective: &str, below| Slo {
        name: name.to_owned(),
        objective: Objective::parse(objective).unwrap(),
        window: Duration::from_secs(30 * 86_400),
        below,
    };
    let labels = [("namespace", "payments"), ("monitor", "checkout"), ("service", "checkout"), ("severity", "page")];
    Monitor {
        namespace: "payments".into(),
        name: "checkout".into(),
        uid: "u".into(),
        service: "checkout".into(),
        severity: Severity::Page,
        target: Target::Tcp(TcpTarget { host: "shop.example".into(), port: 443, tls: None, script: Vec::new() }),
        cadence: Cadence { interval: Duration::from_secs(15), timeout: Duration::from_secs(5) },
        thresholds: Thresholds {
            degraded_above: Some(Duration::from_millis(800)),
            flapping: Some(Flapping { changes: 6, window: Duration::from_secs(1_800) }),
            ..Thresholds::default()
        },
        slos: vec![slo("availability", "99.9", None), slo("latency", "99", Some(Duration::from_millis(300)))],
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        annotations: Labels::new(),
        depends_on: Vec::new(),
        suspended: false,
    }
}

fn success(at: Timestamp) -> Sample {
    Sample {
        at,
        duration: Duration::from_millis(120),
        phases: Phases::default(),
        address: None,
        failure: None,
        http: None,
        tls: None,
    }
}

/// What is promised, and what it takes here.
pub fn bars() -> Vec<Bar> {
    let monitor = monitor();
    let began: Timestamp = "2026-10-24T12:00:00Z".parse().unwrap();
    let (mut verdict, mut tracks) = (Verdict::new(began), Tracks::new(&monitor.slos));
    let mut memory = Memory::new(KeptMemory::default(), began);
    let mut sample = success(began);
    let mut look = |tracks: &mut Tracks, verdict: &mut Verdict, memory: &mut Memory| {
        sample.at += 15.seconds();
        tracks.record(&sample);
        verdict.observe(&sample, &monitor.thresholds, sample.at);
        memory.observe(&sample, verdict, &monitor, sample.at);
        sample.at
    };
    // A month of looks, so that every bucket is filled.
    let mut now = began;
    for _ in 0..30 * 86_400 / 15 {
        now = look(&mut tracks, &mut verdict, &mut memory);
    }
    let looks =
        Bar::measure("probe: one look into verdict, counters and marks", Some(Duration::from_micros(1)), || {
            look(&mut tracks, &mut verdict, &mut memory)
        });
    let now = now.max(sample.at);
    let latest = success(now);
    let facts = Facts {
        monitor: &monitor,
        verdict: &verdict,
        tracks: &tracks,
        latest: Some(&latest),
        memory: &memory,
        fleet: Fleet::Well,
    };
    vec![
        looks,
        Bar::measure(
            "probe: SLI, budget and seven burn rates of one objective",
            Some(Duration::from_micros(5)),
            || Report::new(&monitor.slos[0], &tracks, now),
        ),
        Bar::measure("probe: which of nine alerts of one monitor fire", Some(Duration::from_micros(5)), || {
            alerts::decide(&facts, now)
        }),
        Bar::measure("probe: the counters of a month as text", None, || tracks.keep()),
    ]
}
