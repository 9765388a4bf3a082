//! OpenMetrics, and the classic Prometheus text format 0.0.4 made from it.
//!
//! prometheus-client writes OpenMetrics only. Scrapers that do not ask for it, and `promtool check
//! metrics`, want the classic text: counters named `_total` in HELP and TYPE, `info` as a gauge, no UNIT, no EOF.

/// The media type of OpenMetrics.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of the classic text.
pub const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether a scraper's Accept header asks for OpenMetrics.
pub fn wants_openmetrics(accept: &str) -> bool {
    accept.split(',').any(|part| part.trim_start().starts_with("application/openmetrics-text"))
}

/// Rewrites OpenMetrics text as classic text.
pub fn classic(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut help: Option<&str> = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = Some(rest);
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((help_name, words)) = help.take().and_then(|help| help.split_once(' '))
                && help_name == name
            {
                // prometheus-client ends each help text with a full stop of its own.
                text.push_str(&format!("# HELP {name}{suffix} {words}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
            continue;
        }
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::{
        encoding::text::encode,
        metrics::counter::Counter,
        registry::{Registry, Unit},
    };

    use super::*;

    #[test]
    fn a_counter_gets_its_total_in_help_and_type_and_units_are_dropped() {
        let mut registry = Registry::default();
        let counter: Counter = Counter::default();
        counter.inc();
        registry.register_with_unit("firstline_work", "Work done", Unit::Seconds, counter);
        let mut open = String::new();
        encode(&mut open, &registry).unwrap();
        assert_eq!(
            classic(&open),
            "# HELP firstline_work_seconds_total Work done.\n# TYPE firstline_work_seconds_total counter\nfirstline_work_seconds_total 1\n"
        );
    }

    #[test]
    fn prometheus_asks_for_openmetrics_and_a_browser_does_not() {
        assert!(wants_openmetrics("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"));
        assert!(!wants_openmetrics("text/html,*/*;q=0.8"));
    }
}
