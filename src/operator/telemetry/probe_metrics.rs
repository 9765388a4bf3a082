//! The `probe_*` series of every monitor, under the names and with the meaning of blackbox_exporter, so that
//! existing rules and dashboards work; and counters that it lacks.
//!
//! Rendered from a copy of what probes have seen: no probe waits for a scrape.

use std::{fmt, sync::Arc};

use domain::probe::{
    Phases, Target,
    slo::{Report, burn::WINDOWS},
    verdict::State,
};
use domain::time::format_duration;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, LabelSetEncoder, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use crate::{
    engine::prober::{Observed, Probed},
    kube::meta::Key,
};

/// Renders what probes have seen.
#[derive(Clone)]
pub struct ProbeMetrics(Arc<Probed>);

impl fmt::Debug for ProbeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProbeMetrics")
    }
}

impl ProbeMetrics {
    /// Declares the series in `registry`.
    pub fn declare(registry: &mut Registry, probed: Arc<Probed>) {
        registry.register_collector(Box::new(Self(probed)));
    }
}

type Pairs = Vec<(&'static str, String)>;

/// A gauge's value, or nothing where the look did not get that far.
type Read = fn(&Observed) -> Option<f64>;

/// Gauges of the last look: name, help, value.
const GAUGES: [(&str, &str, Read); 14] = [
    ("probe_success", "Whether the last look was as expected", |o| Some(f64::from(u8::from(o.latest.as_ref()?.ok())))),
    ("probe_duration_seconds", "How long the last look took", |o| Some(o.latest.as_ref()?.duration.as_secs_f64())),
    ("probe_dns_lookup_time_seconds", "How long the name lookup of the last look took", |o| {
        Some(o.latest.as_ref()?.phases.dns.unwrap_or_default().as_secs_f64())
    }),
    ("probe_ip_protocol", "4 or 6", |o| Some(if o.latest.as_ref()?.address?.is_ipv4() { 4.0 } else { 6.0 })),
    ("probe_http_status_code", "The status code; 0 without an answer", |o| {
        http(o)?;
        Some(o.latest.as_ref()?.http.as_ref().map_or(0.0, |facts| f64::from(facts.status)))
    }),
    ("probe_http_content_length", "The Content-Length header; -1 when absent", |o| {
        Some(o.latest.as_ref()?.http.as_ref()?.content_length.map_or(-1.0, |length| length as f64))
    }),
    ("probe_http_uncompressed_body_length", "Bytes of body read", |o| {
        Some(o.latest.as_ref()?.http.as_ref()?.body_bytes as f64)
    }),
    ("probe_http_redirects", "Redirects followed", |o| Some(f64::from(o.latest.as_ref()?.http.as_ref()?.redirects))),
    ("probe_http_ssl", "Whether the last hop was TLS", |o| {
        Some(f64::from(u8::from(o.latest.as_ref()?.http.as_ref()?.tls)))
    }),
    ("probe_http_version", "The HTTP version of the answer", |o| {
        o.latest.as_ref()?.http.as_ref()?.version.parse().ok()
    }),
    ("probe_failed_due_to_regex", "Whether a body or header expectation was what failed", |o| {
        Some(f64::from(u8::from(o.latest.as_ref()?.http.as_ref()?.failed_due_to_regex)))
    }),
    (
        "probe_ssl_earliest_cert_expiry",
        "The earliest end of validity among the certificates shown, as unix time",
        |o| Some(o.latest.as_ref()?.tls.as_ref()?.not_after?.as_second() as f64),
    ),
    ("probe_last_run_timestamp_seconds", "When the last look began, as unix time", |o| {
        Some(o.latest.as_ref()?.at.as_second() as f64)
    }),
    ("probe_timeout_seconds", "The timeout of a look", |o| Some(o.monitor.cadence.timeout.as_secs_f64())),
];

fn http(observed: &Observed) -> Option<()> {
    matches!(observed.monitor.target, Target::Http(_)).then_some(())
}

impl Collector for ProbeMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut all = self.0.snapshot();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, help, read) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (key, observed) in &all {
                if let Some(value) = read(observed) {
                    gauge(&mut family, identity(key, observed), value)?;
                }
            }
        }
        encode_phases(&mut encoder, &all)?;
        encode_tls(&mut encoder, &all)?;
        encode_counters(&mut encoder, &all)?;
        encode_slos(&mut encoder, &all)?;
        let mut family = encoder.encode_descriptor(
            "firstline_monitor_state",
            "1 on the state the monitor is in",
            None,
            MetricType::Gauge,
        )?;
        for (key, observed) in &all {
            for state in State::ALL {
                let labels = with(identity(key, observed), "state", state.as_str());
                gauge(&mut family, labels, f64::from(u8::from(observed.verdict.state() == state)))?;
            }
        }
        Ok(())
    }
}

fn encode_phases(encoder: &mut DescriptorEncoder<'_>, all: &[(Key, Observed)]) -> Result<(), fmt::Error> {
    let help = "How long each phase of the last look took, redirects together";
    let mut family = encoder.encode_descriptor("probe_http_duration_seconds", help, None, MetricType::Gauge)?;
    for (key, observed) in all {
        let (Some(sample), Some(())) = (&observed.latest, http(observed)) else { continue };
        let Phases { dns, connect, tls, first_byte, transfer } = sample.phases;
        let phases =
            [("resolve", dns), ("connect", connect), ("tls", tls), ("processing", first_byte), ("transfer", transfer)];
        for (phase, span) in phases {
            gauge(&mut family, with(identity(key, observed), "phase", phase), span.unwrap_or_default().as_secs_f64())?;
        }
    }
    Ok(())
}

fn encode_tls(encoder: &mut DescriptorEncoder<'_>, all: &[(Key, Observed)]) -> Result<(), fmt::Error> {
    let tls = |observed: &Observed| observed.latest.as_ref().and_then(|sample| sample.tls.clone());
    let mut family = encoder.encode_descriptor(
        "probe_tls_version_info",
        "The TLS version of the last look",
        None,
        MetricType::Gauge,
    )?;
    for (key, observed) in all {
        if let Some(tls) = tls(observed) {
            gauge(&mut family, with(identity(key, observed), "version", &tls.version), 1.0)?;
        }
    }
    let mut family = encoder.encode_descriptor(
        "probe_tls_cipher_info",
        "The TLS cipher of the last look",
        None,
        MetricType::Gauge,
    )?;
    for (key, observed) in all {
        if let Some(tls) = tls(observed) {
            gauge(&mut family, with(identity(key, observed), "cipher", &tls.cipher), 1.0)?;
        }
    }
    Ok(())
}

fn encode_counters(encoder: &mut DescriptorEncoder<'_>, all: &[(Key, Observed)]) -> Result<(), fmt::Error> {
    let mut family =
        encoder.encode_descriptor("firstline_probe_results", "Looks by result", None, MetricType::Counter)?;
    for (key, observed) in all {
        let succeeded = observed.totals.results.get(&None).copied().unwrap_or(0);
        let all: u64 = observed.totals.results.values().sum();
        count(&mut family, with(identity(key, observed), "result", "success"), succeeded)?;
        count(&mut family, with(identity(key, observed), "result", "failure"), all - succeeded)?;
    }
    let mut family = encoder.encode_descriptor(
        "firstline_probe_failures",
        "Looks that failed, by reason",
        None,
        MetricType::Counter,
    )?;
    for (key, observed) in all {
        let mut failures: Vec<_> =
            observed.totals.results.iter().filter_map(|(reason, n)| Some(((*reason)?, *n))).collect();
        failures.sort_unstable();
        for (reason, number) in failures {
            count(&mut family, with(identity(key, observed), "reason", reason.as_str()), number)?;
        }
    }
    let help = "Looks that were due while another of the same monitor was still running";
    let mut family = encoder.encode_descriptor("firstline_probe_skipped", help, None, MetricType::Counter)?;
    for (key, observed) in all {
        count(&mut family, identity(key, observed), observed.totals.skipped)?;
    }
    let help = "How late looks began, in seconds, summed over all looks";
    let mut family = encoder.encode_descriptor("firstline_probe_lateness_seconds", help, None, MetricType::Counter)?;
    for (key, observed) in all {
        let labels = identity(key, observed);
        ConstCounter::new(observed.totals.lateness.0).encode(family.encode_family(&Labels(labels))?)?;
    }
    Ok(())
}

/// A gauge's value of one objective, or nothing where there was no look.
type ReadSlo = fn(&Report) -> Option<f64>;

/// Gauges of each objective: name, help, value.
const SLO_GAUGES: [(&str, &str, ReadSlo); 3] = [
    ("firstline_slo_objective_ratio", "The share of looks that is promised to be good", |report| {
        Some(report.objective().ratio())
    }),
    ("firstline_slo_sli_ratio", "The share of looks of the objective's window that were good", |report| {
        (report.window.all > 0).then(|| report.window.good() as f64 / report.window.all as f64)
    }),
    (
        "firstline_slo_error_budget_left_ratio",
        "What is left of the error budget: 1 without a bad look, 0 when it is used up",
        |report| Some(f64::from(report.budget_left()?) / 1_000.0),
    ),
];

/// As of the last minute in which the monitor was looked at.
fn encode_slos(encoder: &mut DescriptorEncoder<'_>, all: &[(Key, Observed)]) -> Result<(), fmt::Error> {
    let slos = || {
        all.iter().flat_map(|(key, observed)| {
            let slos = observed.monitor.slos.iter().zip(observed.reports.iter());
            slos.map(move |(slo, report)| (with(identity(key, observed), "slo", &slo.name), report))
        })
    };
    for (name, help, read) in SLO_GAUGES {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, report) in slos() {
            if let Some(value) = read(report) {
                gauge(&mut family, labels, value)?;
            }
        }
    }
    let help = "How many times faster than allowed the error budget was used up, over each window that SloBurn judges";
    let mut family = encoder.encode_descriptor("firstline_slo_burn_rate", help, None, MetricType::Gauge)?;
    for (labels, report) in slos() {
        for (window, rate) in WINDOWS.into_iter().zip(report.rates) {
            if let Some(value) = rate.value() {
                gauge(&mut family, with(labels.clone(), "window", &format_duration(window)), value)?;
            }
        }
    }
    Ok(())
}

fn identity(key: &Key, observed: &Observed) -> Pairs {
    vec![
        ("namespace", key.namespace.clone()),
        ("monitor", key.name.clone()),
        ("service", observed.monitor.service.clone()),
        ("instance", observed.monitor.target.display()),
    ]
}

fn with(mut labels: Pairs, name: &'static str, value: &str) -> Pairs {
    labels.push((name, value.to_owned()));
    labels
}

fn gauge(family: &mut MetricEncoder<'_>, labels: Pairs, value: f64) -> Result<(), fmt::Error> {
    ConstGauge::new(value).encode(family.encode_family(&Labels(labels))?)
}

fn count(family: &mut MetricEncoder<'_>, labels: Pairs, value: u64) -> Result<(), fmt::Error> {
    ConstCounter::new(value).encode(family.encode_family(&Labels(labels))?)
}

struct Labels(Pairs);

impl prometheus_client::encoding::EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        use prometheus_client::encoding::EncodeLabel;
        for pair in &self.0 {
            (pair.0, pair.1.as_str()).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}
