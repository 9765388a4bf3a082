//! Counters whose labels are known beforehand stand at 0 from the start.
//!
//! Prometheus' `increase()` sees only what is added to a value that was scraped before: of a series that appears with its first
//! use it misses that use, and an alert rule the first failure after each start.

use domain::{sla::ClockName, suppression::HoldKind};

use super::metrics::{ByLabel, ClockLabel, Metrics, NotificationLabels, ResultLabel, StepLabel};
use crate::{alerts::Accepted, controllers::source, watchdog};

/// Creates each of these series.
pub(super) fn create(metrics: &Metrics) {
    for channel in NotificationLabels::CHANNELS {
        for outcome in NotificationLabels::OUTCOMES {
            drop(metrics.notifications.get_or_create(&NotificationLabels { channel, outcome }));
        }
    }
    for kind in HoldKind::ALL {
        drop(metrics.suppressed.get_or_create(&ByLabel { by: kind.as_str() }));
    }
    for clock in ClockName::ALL {
        let label = ClockLabel { clock: clock.as_str() };
        drop(metrics.sla_breaches.get_or_create(&label));
        drop(metrics.sla_warnings.get_or_create(&label));
    }
    for result in Accepted::WORDS {
        drop(metrics.alerts.get_or_create(&ResultLabel { result }));
    }
    for result in watchdog::SIGNS {
        drop(metrics.pings.get_or_create(&ResultLabel { result }));
    }
    for result in source::RUNS {
        drop(metrics.syncs.get_or_create(&ResultLabel { result }));
    }
    for direction in [StepLabel::BACK, StepLabel::FORWARD] {
        drop(metrics.clock_steps.get_or_create(&direction));
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;
    use crate::telemetry::exposition::classic;

    /// What a process exports that has only just started.
    fn at_start() -> String {
        let mut registry = Registry::default();
        Metrics::declare(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        classic(&text)
    }

    /// Counters of ours under `increase(`, with the labels that are asked for: `firstline_alerts_total`, `result="error"`.
    fn asked_for(rules: &str) -> BTreeMap<&str, &str> {
        let asked = rules.split("increase(").skip(1).filter(|part| part.starts_with("firstline_"));
        asked
            .map(|part| {
                let selector = part.split('[').next().unwrap_or_default();
                selector.split_once('{').map_or((selector, ""), |(name, labels)| (name, labels.trim_end_matches('}')))
            })
            .collect()
    }

    #[test]
    fn every_result_of_a_sign_of_life_a_run_and_a_step_is_there_before_the_first() {
        let text = at_start();
        for series in [
            r#"firstline_watchdog_pings_total{result="accepted"} 0"#,
            r#"firstline_watchdog_pings_total{result="failed"} 0"#,
            r#"firstline_watchdog_pings_total{result="withheld"} 0"#,
            r#"firstline_git_syncs_total{result="applied"} 0"#,
            r#"firstline_git_syncs_total{result="unchanged"} 0"#,
            r#"firstline_git_syncs_total{result="invalid"} 0"#,
            r#"firstline_git_syncs_total{result="failed"} 0"#,
            r#"firstline_clock_steps_total{direction="back"} 0"#,
            r#"firstline_clock_steps_total{direction="forward"} 0"#,
        ] {
            assert!(text.lines().any(|line| line == series), "{series} is not exported at start");
        }
    }

    #[test]
    fn the_first_use_of_a_counter_that_an_alert_rule_reads_is_an_increase() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/prometheus/firstline-rules.yaml");
        let rules = fs::read_to_string(file).unwrap();
        let text = at_start();
        let asked = asked_for(&rules);
        assert!(asked.len() >= 5, "{asked:?}");
        for (name, labels) in asked {
            // `=~` names alternatives, each of which must be there; of `!=` every series must.
            let labels = if labels.contains("!=") { "" } else { labels };
            let (label, values) = labels.split_once('=').unwrap_or(("", "\"\""));
            for value in values.trim_start_matches('~').trim_matches('"').split('|') {
                let wanted = if label.is_empty() { String::new() } else { format!("{label}=\"{value}\"") };
                let series = text.lines().filter(|line| line.starts_with(name) && line.contains(&wanted));
                let values: Vec<&str> = series.filter_map(|line| line.rsplit(' ').next()).collect();
                assert!(!values.is_empty(), "{name}{{{wanted}}} is not exported at start");
                assert!(values.iter().all(|value| *value == "0"), "{name}{{{wanted}}}: {values:?}");
            }
        }
    }
}
