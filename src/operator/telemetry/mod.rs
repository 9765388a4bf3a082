//! Logs and metrics.

pub mod exposition;
mod from_zero;
pub mod metrics;
pub mod probe_metrics;

use tracing::{Level, Metadata};
use tracing_subscriber::{EnvFilter, Layer, filter::filter_fn, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::LogFormat;

/// Where kube's client logs each call and each watch that failed, beside giving that to its caller.
const CALLS: [&str; 2] = ["kube_client::client", "kube_client::client::builder"];

/// Starts logging to standard error.
///
/// # Errors
/// When the filter cannot be read, with the part that is wrong.
pub fn start_logging(filter: &str, format: LogFormat) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(filter)?;
    let lines =
        fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
        LogFormat::Text => lines.boxed(),
    };
    let lines = lines.with_filter(filter_fn(|line| !is_said_by_the_caller(line)));
    // A second call (several operators in one test process) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Ok(())
}

/// What our own lines say once for an outage and with what was tried, kube's client would say for every call.
fn is_said_by_the_caller(line: &Metadata<'_>) -> bool {
    line.is_event() && *line.level() <= Level::WARN && CALLS.contains(&line.target())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// The levels and targets that come through.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl<S: tracing::Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            let line = event.metadata();
            self.0.lock().unwrap().push(format!("{} {}", line.level(), line.target()));
        }
    }

    #[test]
    fn of_kubes_client_everything_is_kept_but_that_a_call_failed() {
        let kept = Kept::default();
        let filtered = kept.clone().with_filter(filter_fn(|line| !is_said_by_the_caller(line)));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(filtered), || {
            tracing::error!(target: "kube_client::client::builder", "failed with error client error (Connect)");
            tracing::debug!(target: "kube_client::client::builder", "requesting");
            tracing::warn!(target: "kube_client::client", "eof in poll");
            tracing::warn!(target: "kube_client::client::tls", "Server cert bypassed");
            tracing::error!("the API is gone");
        });
        let kept = kept.0.lock().unwrap().clone();
        let ours = format!("ERROR {}", module_path!());
        assert_eq!(kept, ["DEBUG kube_client::client::builder", "WARN kube_client::client::tls", ours.as_str()]);
    }
}
