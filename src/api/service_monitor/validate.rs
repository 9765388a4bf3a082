//! From a ServiceMonitor's spec to what the prober works with.

use domain::{
    labels::Labels,
    probe::{
        BodyExpectation, Cadence, Header as PlainHeader, HeaderExpectation, HeaderValue, HttpExpectation, HttpTarget,
        Method as Verb, Monitor, Redirects as Following, ScriptStep, StatusRange, Target, TcpTarget, TlsSettings,
        slo::{Objective, Slo as Promise, burn},
        verdict,
    },
    problem::Problem,
    time::format_duration,
};
use std::time::Duration;

use super::{
    AlertText, BodyExpect, Dependency, Header, HttpProbe, Method, ScriptLine, ServiceMonitor, Slo, TcpProbe,
    Thresholds, Tls,
};
use crate::findings::{Findings, Validated, seconds};

/// Labels that the monitor itself sets.
const OWN_LABELS: [&str; 6] = ["alertname", "namespace", "monitor", "service", "severity", "slo"];

const DAY: Duration = seconds(86_400);

/// The long window of the fastest burn.
const FIRST_WINDOW: Duration = seconds(3_600);

/// Reads a ServiceMonitor.
///
/// # Errors
/// All problems, warnings among them, when one of them is an error.
pub fn validate(monitor: &ServiceMonitor) -> Result<Validated<Monitor>, Vec<Problem>> {
    let mut findings = Findings::default();
    let spec = &monitor.spec;
    let namespace = monitor.metadata.namespace.clone().unwrap_or_default();
    let name = monitor.metadata.name.clone().unwrap_or_default();
    let cadence = Cadence {
        interval: findings.duration("spec.interval", &spec.interval, seconds(1)..=DAY),
        timeout: findings.duration("spec.timeout", &spec.timeout, Duration::from_millis(100)..=seconds(120)),
    };
    if cadence.timeout > cadence.interval {
        let skipped = "while one probe waits, the next ones are skipped";
        if spec.timeout == super::timeout() {
            // Nobody may have written it, so the field that is there is named.
            let (interval, timeout) = (&spec.interval, &spec.timeout);
            findings.warning(
                "spec.interval",
                format!("{interval} is shorter than the default timeout of {timeout}: {skipped}; set spec.timeout"),
            );
        } else {
            findings.warning("spec.timeout", format!("longer than the interval: {skipped}"));
        }
    }
    let thresholds = thresholds(&mut findings, &spec.thresholds, cadence);
    let slos = slos(&mut findings, &spec.slo, cadence);
    findings.exactly_one("spec.probe", &[("http", spec.probe.http.is_some()), ("tcp", spec.probe.tcp.is_some())]);
    let target = match (&spec.probe.http, &spec.probe.tcp) {
        (Some(http), _) => http_target(&mut findings, http).map(|target| Target::Http(Box::new(target))),
        (None, Some(tcp)) => tcp_target(&mut findings, tcp).map(Target::Tcp),
        (None, None) => None,
    };
    let depends_on = depends_on(&mut findings, &spec.depends_on, &name);
    let (own, annotations) = spec.alert.as_ref().map(|alert| alert_text(&mut findings, alert)).unwrap_or_default();
    let severity = domain::alert::Severity::from(spec.severity);
    let mut labels = own;
    for (label, value) in [
        ("namespace", namespace.as_str()),
        ("monitor", &name),
        ("service", &spec.service),
        ("severity", severity.as_str()),
    ] {
        labels.insert(label.to_owned(), value.to_owned());
    }
    let valid = target.map(|target| Monitor {
        namespace,
        name,
        uid: monitor.metadata.uid.clone().unwrap_or_default(),
        service: spec.service.clone(),
        severity,
        target,
        cadence,
        thresholds,
        slos,
        labels,
        annotations,
        depends_on,
        suspended: spec.suspend,
    });
    findings.finish_some(valid)
}

fn thresholds(findings: &mut Findings, written: &Thresholds, cadence: Cadence) -> verdict::Thresholds {
    let least = Duration::from_millis(100);
    let path = "spec.thresholds";
    let degraded_above = findings.optional_duration(
        &format!("{path}.degradedAbove"),
        written.degraded_above.as_ref(),
        Duration::from_millis(1)..=seconds(120),
    );
    if degraded_above.is_some_and(|above| above >= cadence.timeout) {
        findings.warning(
            format!("{path}.degradedAbove"),
            format!(
                "never reached: a probe that takes longer than spec.timeout ({}) has failed",
                format_duration(cadence.timeout)
            ),
        );
    }
    let flapping = written.flapping.as_ref().map(|flapping| verdict::Flapping {
        changes: flapping.changes,
        window: findings.duration(&format!("{path}.flapping.window"), &flapping.window, seconds(60)..=DAY),
    });
    if let Some(verdict::Flapping { changes, window }) = flapping {
        let needed = cadence.interval.saturating_mul(changes);
        if window < needed {
            findings.warning(
                format!("{path}.flapping.window"),
                format!(
                    "{changes} changes need {changes} intervals, which is {}: it is never Flapping within {}",
                    format_duration(needed),
                    format_duration(window)
                ),
            );
        }
    }
    verdict::Thresholds {
        down: written.down,
        up: written.up,
        confirm_every: findings.duration(&format!("{path}.confirmEvery"), &written.confirm_every, least..=DAY),
        degraded_above,
        flapping,
    }
}

/// Whether the others are there, and whether they lead back here, is known where all of them are.
fn depends_on(findings: &mut Findings, written: &[Dependency], own: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (i, Dependency { monitor }) in written.iter().enumerate() {
        if names.contains(monitor) {
            findings.error("spec.dependsOn", "expected each monitor once");
        }
        if monitor == own {
            findings.error(format!("spec.dependsOn[{i}].monitor"), "expected another monitor, found this one");
        }
        names.push(monitor.clone());
    }
    names
}

fn slos(findings: &mut Findings, written: &[Slo], cadence: Cadence) -> Vec<Promise> {
    let read = |(i, slo): (usize, &Slo)| promise(findings, &format!("spec.slo[{i}]"), slo, cadence);
    written.iter().enumerate().filter_map(read).collect()
}

fn promise(findings: &mut Findings, path: &str, written: &Slo, cadence: Cadence) -> Option<Promise> {
    let objective = Objective::parse(&written.objective)
        .map_err(|error| findings.error(format!("{path}.objective"), error.to_string()))
        .ok();
    let window = findings.duration(&format!("{path}.window"), &written.window, DAY * 7..=DAY * 90);
    let below = findings.optional_duration(
        &format!("{path}.below"),
        written.below.as_ref(),
        Duration::from_millis(1)..=seconds(120),
    );
    if below.is_some_and(|below| below >= cadence.timeout) {
        let timeout = format_duration(cadence.timeout);
        findings.warning(
            format!("{path}.below"),
            format!("no look takes longer than spec.timeout ({timeout}): this says no more than availability does"),
        );
    }
    let objective = objective?;
    if let Some(pair) = burn::PAIRS.iter().find(|pair| !pair.can_fire(objective, window)) {
        findings.warning(
            format!("{path}.objective"),
            format!(
                "so low that even a target that is always down does not raise SloBurn over {} ({}); MonitorDown does",
                format_duration(pair.long),
                pair.severity
            ),
        );
    }
    let looks = FIRST_WINDOW.as_secs() / cadence.interval.as_secs().max(1);
    if looks < burn::LEAST_LOOKS {
        findings.warning(
            path,
            format!(
                "at an interval of {} an hour has {looks} looks, and {} are the least that SloBurn judges: a fast burn is noticed later",
                format_duration(cadence.interval),
                burn::LEAST_LOOKS
            ),
        );
    }
    Some(Promise { name: written.name.clone(), objective, window, below })
}

fn alert_text(findings: &mut Findings, alert: &AlertText) -> (Labels, Labels) {
    for name in alert.labels.keys() {
        let path = format!("spec.alert.labels.{name}");
        if OWN_LABELS.contains(&name.as_str()) {
            findings.error(path, format!("expected another name: the monitor sets the label `{name}` itself"));
        } else if name.is_empty() {
            findings.error(path, "expected a label's name, found nothing");
        }
    }
    let mut annotations = Labels::new();
    for (name, text) in [("summary", &alert.summary), ("description", &alert.description), ("guide", &alert.guide)] {
        let Some(text) = text else { continue };
        if text.contains("{{") {
            findings.warning(format!("spec.alert.{name}"), "`{{` is sent as written: this text is not a template");
        }
        annotations.insert(name.to_owned(), text.clone());
    }
    (alert.labels.clone(), annotations)
}

fn http_target(findings: &mut Findings, http: &HttpProbe) -> Option<HttpTarget> {
    let path = "spec.probe.http";
    let url = findings.url(&format!("{path}.url"), &http.url, &["https", "http"]);
    let headers = http
        .headers
        .iter()
        .enumerate()
        .filter_map(|(i, header)| request_header(findings, &format!("{path}.headers[{i}]"), header));
    let headers: Vec<PlainHeader> = headers.collect();
    let sends_secret = headers.iter().any(|header| matches!(header.value, HeaderValue::Secret(_)));
    if url.as_ref().is_some_and(|url| url.scheme() == "http") {
        if sends_secret {
            findings.warning(format!("{path}.url"), "the header from a Secret would be sent in plain text; use https");
        }
        if http.tls.is_some() && !http.redirects.follow {
            findings.warning(format!("{path}.tls"), "not used: the URL is http and redirects are not followed");
        }
    }
    if !http.body.is_empty() && matches!(http.method, Method::Get | Method::Head | Method::Options) {
        findings.warning(
            format!("{path}.body"),
            "a body is unusual with this method, and many servers ignore or refuse it",
        );
    }
    let expect = &http.expect;
    let status = expect
        .status
        .iter()
        .enumerate()
        .filter_map(|(i, text)| status_range(findings, &format!("{path}.expect.status[{i}]"), text));
    let status: Vec<StatusRange> = status.collect();
    let expected_headers = expect.headers.iter().enumerate().filter_map(|(i, header)| {
        let matches = findings.regex(&format!("{path}.expect.headers[{i}].matches"), &header.matches)?;
        Some(HeaderExpectation { name: header.name.clone(), matches })
    });
    let expected_headers = expected_headers.collect();
    let body = body(findings, &format!("{path}.expect.body"), expect.body.as_ref());
    if matches!(http.method, Method::Head) && body.is_asked() {
        findings.error(format!("{path}.expect.body"), "the answer to HEAD has no body; use GET");
    }
    Some(HttpTarget {
        url: url?,
        method: verb(http.method),
        headers,
        body: http.body.clone(),
        tls: http.tls.as_ref().map(tls).unwrap_or_default(),
        redirects: match http.redirects.follow {
            true => Following::Follow(u8::try_from(http.redirects.max).unwrap_or(20)),
            false => Following::Judge,
        },
        expect: HttpExpectation { status, headers: expected_headers, body },
    })
}

fn verb(method: Method) -> Verb {
    match method {
        Method::Get => Verb::Get,
        Method::Head => Verb::Head,
        Method::Post => Verb::Post,
        Method::Put => Verb::Put,
        Method::Options => Verb::Options,
    }
}

fn request_header(findings: &mut Findings, path: &str, header: &Header) -> Option<PlainHeader> {
    findings.exactly_one(path, &[("value", header.value.is_some()), ("secretRef", header.secret_ref.is_some())]);
    let value = match (&header.value, &header.secret_ref) {
        (_, Some(secret)) => HeaderValue::Secret(secret.into()),
        (Some(value), None) => HeaderValue::Plain(value.clone()),
        (None, None) => return None,
    };
    let lower = header.name.to_ascii_lowercase();
    if ["content-length", "transfer-encoding", "connection"].contains(&lower.as_str()) {
        findings.error(
            format!("{path}.name"),
            format!("expected another header: `{}` follows from the request itself", header.name),
        );
    }
    if matches!(value, HeaderValue::Plain(_))
        && ["authorization", "cookie", "proxy-authorization"].contains(&lower.as_str())
    {
        findings
            .warning(format!("{path}.value"), "whoever may read this object can read this credential; use secretRef");
    }
    Some(PlainHeader { name: header.name.clone(), value })
}

fn status_range(findings: &mut Findings, path: &str, text: &str) -> Option<StatusRange> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let code = |text: &str| text.parse::<u16>().ok().filter(|code| (100..=599).contains(code));
    let (Some(from), Some(to)) = (code(from), code(to)) else {
        findings.error(
            path,
            format!("expected a status such as `204` or a range such as `200-299` (100 to 599), found `{text}`"),
        );
        return None;
    };
    if to < from {
        findings.add(
            Problem::error(path, format!("expected the lower status first, found `{text}`"))
                .suggest(format!("write `{to}-{from}`")),
        );
        return None;
    }
    Some(StatusRange { from, to })
}

fn body(findings: &mut Findings, path: &str, written: Option<&BodyExpect>) -> BodyExpectation {
    const MIB: usize = 1 << 20;
    let Some(written) = written else {
        return BodyExpectation { contains: None, matches: None, not_matches: None, max_bytes: MIB };
    };
    let body = BodyExpectation {
        contains: written.contains.clone(),
        matches: findings.optional_regex(&format!("{path}.matches"), written.matches.as_ref()),
        not_matches: findings.optional_regex(&format!("{path}.notMatches"), written.not_matches.as_ref()),
        max_bytes: bytes(findings, &format!("{path}.maxBytes"), &written.max_bytes),
    };
    if written.contains.is_none() && written.matches.is_none() && written.not_matches.is_none() {
        findings.warning(path, "nothing is expected of the body; add contains, matches or notMatches");
    }
    body
}

fn bytes(findings: &mut Findings, path: &str, text: &str) -> usize {
    const ALLOWED: std::ops::RangeInclusive<usize> = 1024..=16 * 1024 * 1024;
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "B" => Some(1),
        "KiB" => Some(1024),
        "MiB" => Some(1024 * 1024),
        _ => None,
    };
    let count = number.parse::<usize>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    match count {
        Some(count) if ALLOWED.contains(&count) => count,
        _ => {
            findings.error(path, format!("expected 1KiB to 16MiB, such as `512KiB`, found `{text}`"));
            *ALLOWED.start()
        }
    }
}

fn tls(written: &Tls) -> TlsSettings {
    TlsSettings {
        ca: written.ca_secret_ref.as_ref().map(Into::into),
        server_name: written.server_name.clone(),
        insecure_skip_verify: written.insecure_skip_verify,
        min_days_left: written.min_days_left,
    }
}

fn tcp_target(findings: &mut Findings, tcp: &TcpProbe) -> Option<TcpTarget> {
    let address = findings.host_port("spec.probe.tcp.address", &tcp.address);
    let script = tcp
        .script
        .iter()
        .enumerate()
        .filter_map(|(i, line)| script_step(findings, &format!("spec.probe.tcp.script[{i}]"), line));
    let script = script.collect();
    let (host, port) = address?;
    Some(TcpTarget { host, port, tls: tcp.tls.as_ref().map(tls), script })
}

fn script_step(findings: &mut Findings, path: &str, line: &ScriptLine) -> Option<ScriptStep> {
    findings.exactly_one(path, &[("send", line.send.is_some()), ("expect", line.expect.is_some())]);
    match (&line.send, &line.expect) {
        (Some(text), _) => Some(ScriptStep::Send(text.clone())),
        (None, Some(pattern)) => findings.regex(&format!("{path}.expect"), pattern).map(ScriptStep::Expect),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(spec: &Value) -> Monitor {
        let object = json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor",
            "metadata": {"name": "checkout", "namespace": "payments", "uid": "u-1"}, "spec": spec,
        });
        validate(&serde_json::from_value(object).unwrap()).unwrap().value
    }

    #[test]
    fn alerts_carry_the_monitors_labels_and_its_own() {
        let monitor = read(&json!({
            "service": "shop", "severity": "page", "probe": {"tcp": {"address": "db:5432"}},
            "alert": {"summary": "The shop is down", "labels": {"team": "payments"}},
        }));
        let labels: Vec<String> = monitor.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            labels,
            ["monitor=checkout", "namespace=payments", "service=shop", "severity=page", "team=payments"]
        );
        assert_eq!(monitor.annotations["summary"], "The shop is down");
        assert_eq!(monitor.uid, "u-1");
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let monitor = read(&json!({"service": "shop", "probe": {"http": {"url": "https://shop.acme.example/"}}}));
        assert_eq!(monitor.cadence, Cadence { interval: seconds(30), timeout: seconds(10) });
        assert_eq!(monitor.thresholds, verdict::Thresholds::default());
        assert_eq!(monitor.slos, []);
        let Target::Http(http) = monitor.target else { panic!("{:?}", monitor.target) };
        assert_eq!(http.tls.min_days_left, 14);
        assert_eq!(http.redirects, Following::Follow(10));
        assert_eq!(http.expect.status, [StatusRange { from: 200, to: 299 }]);
        assert_eq!(http.expect.body.max_bytes, 1 << 20);
    }

    #[test]
    fn an_objective_is_read_exactly_and_over_thirty_days_unless_it_says_otherwise() {
        let monitor = read(&json!({
            "service": "shop", "probe": {"tcp": {"address": "db:5432"}},
            "slo": [{"name": "availability", "objective": "99.95"}, {"name": "latency", "objective": "99", "window": "7d", "below": "300ms"}],
        }));
        let read: Vec<_> = monitor.slos.iter().map(|slo| (slo.objective.allowed(), slo.hours(), slo.below)).collect();
        assert_eq!(read, [(500, 720, None), (10_000, 168, Some(Duration::from_millis(300)))]);
    }

    #[test]
    fn a_timeout_that_nobody_wrote_is_no_field_to_look_for() {
        let warned = |spec: Value| {
            let object = json!({
                "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor", "metadata": {"name": "a"}, "spec": spec,
            });
            let found = validate(&serde_json::from_value(object).unwrap()).unwrap().warnings;
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let spec = json!({"service": "shop", "interval": "1s", "probe": {"tcp": {"address": "db:5432"}}});
        assert_eq!(
            warned(spec.clone()),
            [
                "spec.interval: 1s is shorter than the default timeout of 10s: while one probe waits, the next ones are skipped; set spec.timeout"
            ]
        );
        let mut written = spec;
        written["timeout"] = json!("2s");
        assert_eq!(
            warned(written),
            ["spec.timeout: longer than the interval: while one probe waits, the next ones are skipped"]
        );
    }

    #[test]
    fn a_size_is_read_in_its_unit() {
        let body = json!({"contains": "ok", "maxBytes": "64KiB"});
        let monitor = read(
            &json!({"service": "shop", "probe": {"http": {"url": "https://shop.acme.example/", "expect": {"body": body}}}}),
        );
        let Target::Http(http) = monitor.target else { panic!("{:?}", monitor.target) };
        assert_eq!(http.expect.body.max_bytes, 65_536);
    }
}
