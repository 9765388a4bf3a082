//! What `firstline run` can be told. Every flag has an environment twin `FIRSTLINE_…`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;

/// Flags of `firstline run`.
#[derive(Debug, Clone, Args)]
pub struct RunConfig {
    /// The operator's own namespace: its lease, counter and company-wide policies live here.
    #[arg(long, env = "FIRSTLINE_NAMESPACE", default_value = "firstline-system", help_heading = "Cluster")]
    pub namespace: String,

    /// Kubeconfig to use outside a cluster; inside one the pod's ServiceAccount is used.
    #[arg(long, env = "FIRSTLINE_KUBECONFIG", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig.
    #[arg(long, env = "FIRSTLINE_CONTEXT", help_heading = "Cluster")]
    pub context: Option<String>,

    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, env = "FIRSTLINE_HTTP", default_value = "0.0.0.0:8080", help_heading = "Operation")]
    pub http: SocketAddr,

    /// Folder of this replica alone, for Git mirrors and the journal of an outage; an emptyDir is enough.
    #[arg(long, env = "FIRSTLINE_DATA", default_value = "/var/lib/firstline", help_heading = "Operation")]
    pub data: PathBuf,

    /// When the cluster's API is gone: Page goes on probing and paging from memory and writes tickets afterwards, Hold
    /// probes on and pages afterwards.
    #[arg(long, env = "FIRSTLINE_WHEN_API_IS_DOWN", value_enum, ignore_case = true, default_value_t = WhenApiIsDown::Page, help_heading = "Operation")]
    pub when_api_is_down: WhenApiIsDown,

    /// How long the API must be silent before the last leader goes on by itself, such as 10s (5s to 1h).
    #[arg(long, env = "FIRSTLINE_ISLAND_AFTER", value_parser = island_after, default_value = "10s", help_heading = "Operation")]
    pub island_after: Duration,

    /// Allow GitSources with a `file://` URL, which can read any repository this process can.
    #[arg(long, env = "FIRSTLINE_ALLOW_FILE_SOURCES", help_heading = "Git")]
    pub allow_file_sources: bool,

    /// Probes at most at once.
    #[arg(long, env = "FIRSTLINE_MAX_PROBES", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..), help_heading = "Probes")]
    pub max_probes: u16,

    /// Allow probes of loopback addresses (the operator's own host).
    #[arg(long, env = "FIRSTLINE_ALLOW_LOOPBACK_PROBES", help_heading = "Probes")]
    pub allow_loopback_probes: bool,

    /// Refuse probes of private address ranges (10/8, 172.16/12, 192.168/16, fc00::/7).
    #[arg(long, env = "FIRSTLINE_DENY_PRIVATE_PROBES", help_heading = "Probes")]
    pub deny_private_probes: bool,

    /// What is logged, as `tracing` filters: `info`, `debug`, `operator=debug,kube=info`.
    #[arg(long, env = "FIRSTLINE_LOG", default_value = "info", help_heading = "Operation")]
    pub log: String,

    /// How it is logged.
    #[arg(long, env = "FIRSTLINE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json, help_heading = "Operation")]
    pub log_format: LogFormat,
}

/// What to do while the cluster's API is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum WhenApiIsDown {
    /// The last leader goes on from memory.
    #[value(name = "Page")]
    Page,
    /// Nobody is told until the API answers.
    #[value(name = "Hold")]
    Hold,
}

/// Longer than a lease is valid, so that whoever can still reach the API has taken it before.
fn island_after(text: &str) -> Result<Duration, String> {
    let span = domain::time::parse_duration(text).map_err(|error| error.to_string())?;
    let (least, most) = (Duration::from_secs(5), Duration::from_secs(3_600));
    if (least..=most).contains(&span) { Ok(span) } else { Err(format!("expected 5s to 1h, found {text}")) }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for collectors.
    Json,
    /// For people.
    Text,
}
