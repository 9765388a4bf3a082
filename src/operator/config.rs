//! What `firstline run` can be told. Every flag has an environment twin `FIRSTLINE_…`.

use std::{convert::Infallible, fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use domain::message::WebhookUrl;
use url::Url;

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

    /// A channel on a path of its own, told when no policy can tell anybody: POLICY/CHANNEL of the operator's namespace.
    #[arg(long, env = "FIRSTLINE_LAST_RESORT", value_name = "POLICY/CHANNEL", help_heading = "Self-watch")]
    pub last_resort: Option<ChannelName>,

    /// Address that is asked (GET) every 30 s as long as nothing that somebody waits for is late or lost, such as that of
    /// a dead man's switch. It may be secret: rather set the variable than the flag.
    #[arg(
        long,
        env = "FIRSTLINE_WATCHDOG_URL",
        value_name = "URL",
        hide_env_values = true,
        help_heading = "Self-watch"
    )]
    pub watchdog_url: Option<WatchdogUrl>,

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

/// A channel of a policy in the operator's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelName {
    /// The policy.
    pub policy: String,
    /// The channel.
    pub channel: String,
}

impl FromStr for ChannelName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((policy, channel)) if !policy.is_empty() && !channel.is_empty() && !channel.contains('/') => {
                Ok(Self { policy: policy.to_owned(), channel: channel.to_owned() })
            }
            _ => Err(format!("expected POLICY/CHANNEL such as company/second-path, found `{text}`")),
        }
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.policy, self.channel)
    }
}

/// The watchdog's address, which is a credential: neither it nor what was given in its place is shown, which is why the
/// command line takes any text.
#[derive(Clone)]
pub struct WatchdogUrl(String);

impl WatchdogUrl {
    /// The address; `None` for an empty text, as a template leaves it.
    ///
    /// # Errors
    /// A sentence without the text when it is no address that may be asked.
    pub fn read(&self) -> Result<Option<Url>, String> {
        if self.0.is_empty() { Ok(None) } else { WebhookUrl::parse(&self.0).map(Some) }
    }
}

impl FromStr for WatchdogUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for WatchdogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchdogUrl(…)")
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for collectors.
    Json,
    /// For people.
    Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_resort_is_a_policy_and_a_channel() {
        let name: ChannelName = "company/second-path".parse().unwrap();
        assert_eq!((name.policy.as_str(), name.channel.as_str()), ("company", "second-path"));
        for wrong in ["company", "/second-path", "company/", "a/b/c", ""] {
            let error = wrong.parse::<ChannelName>().unwrap_err();
            assert!(error.starts_with("expected POLICY/CHANNEL") && error.ends_with(&format!("`{wrong}`")), "{error}");
        }
    }

    #[test]
    fn the_watchdogs_address_is_not_shown() {
        let url: WatchdogUrl = "https://watch.acme.example/t0ken".parse().unwrap();
        assert_eq!(format!("{url:?}"), "WatchdogUrl(…)");
        assert_eq!(url.read().unwrap().unwrap().path(), "/t0ken");
        assert_eq!("".parse::<WatchdogUrl>().unwrap().read(), Ok(None));
        let error = "http://watch.acme.example/t0ken".parse::<WatchdogUrl>().unwrap().read().unwrap_err();
        assert!(!error.contains("t0ken") && error.contains("https"), "{error}");
    }
}
