//! What one look saw, for people: phases, address, answer, certificate, reason.

use std::{fmt::Write as _, time::Duration};

use domain::probe::{Monitor, Phase, Sample, verdict::Verdict};
use jiff::Timestamp;

use super::{
    age::relative,
    exit::Exit,
    output::{Colour, Paint, cut, plain},
};

/// Names of a certificate that are shown.
const NAMES: usize = 5;

/// The exit code that goes with a look: blind is not down.
pub fn exit(sample: &Sample) -> Exit {
    match &sample.failure {
        None => Exit::Done,
        Some(failure) if failure.reason.is_blind() => Exit::Unknown,
        Some(_) => Exit::No,
    }
}

fn word(sample: &Sample, colour: Colour) -> String {
    match exit(sample) {
        Exit::Done => colour.paint(Paint::Good, "up"),
        Exit::No => colour.paint(Paint::Bad, "down"),
        Exit::Usage | Exit::Unknown => colour.paint(Paint::Warn, "unknown"),
    }
}

/// The whole look.
pub fn render(monitor: &Monitor, sample: &Sample, colour: Colour) -> String {
    let target = colour.paint(Paint::Strong, plain(&monitor.target.display()));
    let mut text = format!("{target} is {}\n", word(sample, colour));
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    if let Some(failure) = &sample.failure {
        row("reason", &colour.paint(Paint::Bad, failure.reason));
        row("phase", phase(failure.phase));
        row("message", &plain(&failure.message));
    }
    for (name, span) in phases(sample) {
        if let Some(span) = span {
            row(name, &milliseconds(span));
        }
    }
    row("total", &milliseconds(sample.duration));
    let slow = monitor.thresholds.degraded_above.filter(|limit| sample.ok() && sample.duration > *limit);
    if let Some(limit) = slow {
        row(
            "slow",
            &colour
                .paint(Paint::Warn, format!("more than {}: looks like this one make it Degraded", milliseconds(limit))),
        );
    }
    if let Some(address) = sample.address {
        row("address", &address.to_string());
    }
    if let Some(http) = &sample.http {
        let redirects = match http.redirects {
            0 => String::new(),
            1 => ", after 1 redirect".to_owned(),
            many => format!(", after {many} redirects"),
        };
        row("answer", &format!("HTTP/{} {}, {} bytes{redirects}", http.version, http.status, http.body_bytes));
    }
    if let Some(tls) = &sample.tls {
        row("tls", plain(&format!("{} {}", tls.version, tls.cipher)).trim());
        row("certificate", &plain(&tls.subject));
        row("issued by", &plain(&tls.issuer));
        row("for", &names(&tls.names));
        if let Some(end) = tls.not_after {
            row("valid until", &until(end, sample.at, colour));
        }
        if let Some(problem) = &tls.problem {
            row("problem", &colour.paint(Paint::Bad, format!("{}: {}", problem.reason, plain(&problem.message))));
        }
    }
    text
}

/// One look on one line.
pub fn row(sample: &Sample, colour: Colour) -> String {
    let parts: Vec<String> =
        phases(sample).into_iter().filter_map(|(name, span)| Some(format!("{name} {}", milliseconds(span?)))).collect();
    let at = sample.at.strftime("%H:%M:%S UTC");
    let why = sample.failure.as_ref().map(|failure| format!("  {}: {}", failure.reason, plain(&failure.message)));
    let parts = if parts.is_empty() { String::new() } else { format!("  ({})", parts.join(", ")) };
    format!("{at}  {}  {}{parts}{}", word(sample, colour), milliseconds(sample.duration), why.unwrap_or_default())
}

/// What many looks came to.
pub fn summary(seen: &[Sample], verdict: &Verdict, monitor: &Monitor) -> String {
    let up = seen.iter().filter(|sample| sample.ok()).count();
    let mut spans: Vec<Duration> = seen.iter().map(|sample| sample.duration).collect();
    spans.sort_unstable();
    let at = |part: usize| spans.get((spans.len().saturating_sub(1)) * part / 2).copied().unwrap_or_default();
    format!(
        "{} looks: {up} up, {} failed; verdict {} ({} failures in a row are Down); min {}, median {}, max {}",
        seen.len(),
        seen.len() - up,
        verdict.state(),
        monitor.thresholds.down,
        milliseconds(at(0)),
        milliseconds(at(1)),
        milliseconds(at(2)),
    )
}

fn phases(sample: &Sample) -> [(&'static str, Option<Duration>); 5] {
    let phases = &sample.phases;
    [
        ("dns", phases.dns),
        ("connect", phases.connect),
        ("handshake", phases.tls),
        ("first byte", phases.first_byte),
        ("transfer", phases.transfer),
    ]
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Dns => "dns",
        Phase::Connect => "connect",
        Phase::Tls => "handshake",
        Phase::FirstByte => "first byte",
        Phase::Transfer => "transfer",
        Phase::Expect => "expect",
    }
}

/// Three digits are enough to compare: `0.42 ms`, `12.3 ms`, `1204 ms`.
fn milliseconds(span: Duration) -> String {
    let millis = span.as_secs_f64() * 1_000.0;
    let digits = match millis {
        small if small < 10.0 => 2,
        middle if middle < 100.0 => 1,
        _ => 0,
    };
    format!("{millis:.digits$} ms")
}

fn names(names: &[String]) -> String {
    let mut shown = names.iter().take(NAMES).map(|name| cut(&plain(name), 100)).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES {
        let _ = write!(shown, " and {} more", names.len() - NAMES);
    }
    shown
}

fn until(end: Timestamp, now: Timestamp, colour: Colour) -> String {
    let days = end.duration_since(now).as_secs() / 86_400;
    let paint = match days {
        i64::MIN..=7 => Paint::Bad,
        8..=21 => Paint::Warn,
        _ => Paint::Plain,
    };
    colour.paint(paint, format!("{} ({})", end.strftime("%Y-%m-%d %H:%M:%S UTC"), relative(end, now)))
}

#[cfg(test)]
mod tests {
    use domain::probe::{CertificateProblem, Failure, HttpFacts, Phases, Reason, TlsFacts};

    use super::*;

    fn monitor() -> Monitor {
        let object: api::ServiceMonitor = super::super::fixtures::object(serde_json::json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor",
            "metadata": {"name": "checkout", "namespace": "payments"},
            "spec": {"service": "checkout", "thresholds": {"degradedAbove": "40ms"}, "probe": {"http": {"url": "https://checkout.acme.example/healthz"}}}
        }));
        api::service_monitor::validate(&object).unwrap().value
    }

    fn seen(failure: Option<Failure>, problem: Option<CertificateProblem>) -> Sample {
        let ms = |millis: f64| Some(Duration::from_secs_f64(millis / 1_000.0));
        Sample {
            at: super::super::fixtures::now(),
            duration: Duration::from_micros(44_210),
            phases: Phases { dns: ms(1.25), connect: ms(0.4), tls: ms(12.34), first_byte: ms(30.0), transfer: ms(0.2) },
            address: Some("10.2.0.7:443".parse().unwrap()),
            failure,
            http: Some(HttpFacts {
                status: 200,
                version: "1.1".into(),
                redirects: 1,
                content_length: Some(2),
                body_bytes: 2,
                tls: true,
                failed_due_to_regex: false,
                last_modified: None,
            }),
            tls: Some(TlsFacts {
                version: "TLS 1.3".into(),
                cipher: "TLS13_AES_256_GCM_SHA384".into(),
                not_after: Some("2026-12-24T00:00:00Z".parse().unwrap()),
                subject: "CN=checkout.acme.example".into(),
                issuer: "CN=Acme CA".into(),
                names: (1..=7).map(|n| format!("n{n}.acme.example")).collect(),
                serial: "01".into(),
                fingerprint_sha256: "00".into(),
                problem,
            }),
        }
    }

    #[test]
    fn a_good_look_shows_where_the_time_went_and_the_certificate() {
        insta::assert_snapshot!(render(&monitor(), &seen(None, None), Colour::Off));
    }

    #[test]
    fn a_bad_look_begins_with_the_reason() {
        let failure = Failure {
            reason: Reason::TlsExpired,
            phase: Phase::Tls,
            message: "10.2.0.7:443: the certificate ended 2026-11-20".into(),
        };
        let problem = CertificateProblem { reason: Reason::TlsExpired, message: "expired".into() };
        let mut sample = seen(Some(failure), Some(problem));
        sample.http = None;
        sample.phases.first_byte = None;
        sample.phases.transfer = None;
        insta::assert_snapshot!(render(&monitor(), &sample, Colour::Off));
    }

    #[test]
    fn one_line_a_look() {
        assert_eq!(
            row(&seen(None, None), Colour::Off),
            "03:12:00 UTC  up  44.2 ms  (dns 1.25 ms, connect 0.40 ms, handshake 12.3 ms, first byte 30.0 ms, transfer 0.20 ms)"
        );
    }

    #[test]
    fn a_look_that_could_not_be_taken_is_neither_up_nor_down() {
        let failure =
            Failure { reason: Reason::EgressDenied, phase: Phase::Connect, message: "a metadata address".into() };
        assert_eq!(exit(&seen(Some(failure), None)), Exit::Unknown);
    }
}
