//! `firstline probe`: takes one look at a URL or at a monitor of a file, now, from here.
//!
//! It looks with the rights of the person who typed: loopback and private addresses are allowed, Secrets
//! of a cluster are not read. One look is not a verdict; `--repeat` applies the monitor's thresholds.

use std::{path::PathBuf, time::Duration};

use api::ServiceMonitor;
use clap::{Args, ValueEnum};
use domain::{
    probe::{Monitor, verdict::Verdict},
    problem::Problem,
};
use probes::{Context, Egress, Secrets};
use thiserror::Error;
use tokio::time::Instant;

use super::{
    arguments::some_span,
    exit::{Exit, Failure},
    output::{Form, Output},
    sample,
};
use crate::{clock::Clock, load};

/// Flags of `firstline probe`.
#[derive(Debug, Clone, Args)]
pub struct ProbeArgs {
    /// What to look at (https://…, http://…, tcp://host:port); with -f, the name of the monitor
    #[arg(value_name = "URL|NAME", required_unless_present = "file")]
    pub target: Option<String>,

    /// A file or folder with the ServiceMonitor
    #[arg(short, long, value_name = "PATH")]
    pub file: Option<PathBuf>,

    /// How often to look
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,

    /// From the start of one look to the start of the next; without it the monitor's own
    #[arg(long, value_name = "TIME", value_parser = some_span)]
    pub interval: Option<Duration>,

    /// How long a look may take; without it the monitor's own
    #[arg(long, value_name = "TIME", value_parser = some_span)]
    pub timeout: Option<Duration>,

    /// Print the Sample; with --repeat one a line
    #[arg(short, long, value_enum)]
    pub output: Option<ProbeForm>,
}

/// A form for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProbeForm {
    /// JSON.
    Json,
}

/// Why there is nothing to probe.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The URL or address cannot be probed.
    #[error("{}", listed(.0))]
    Target(Vec<Problem>),
    /// The monitor is not in the files, or it is not clear which one is meant.
    #[error("{0}")]
    Monitor(String),
    /// This host cannot take looks.
    #[error("this machine cannot probe: {0}")]
    Host(#[from] probes::ContextError),
}

impl ProbeError {
    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Target(_) | Self::Monitor(_) => Exit::Usage,
            Self::Host(_) => Exit::Unknown,
        }
    }
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().filter(|problem| problem.is_error()).map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Looks as often as asked.
///
/// # Errors
/// When there is nothing to look at. A target that is down is an answer, not an error.
pub async fn probe(args: &ProbeArgs, clock: &Clock, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let monitor = match &args.file {
        Some(file) => monitor_of_file(file, args.target.as_deref(), clock)?,
        None => monitor_of_url(args.target.as_deref().unwrap_or_default())?,
    };
    let context = Context::from_system(Egress::OPEN).map_err(ProbeError::Host)?;
    let timeout = args.timeout.unwrap_or(monitor.cadence.timeout);
    let interval = args.interval.unwrap_or(monitor.cadence.interval);
    if args.repeat == 1 {
        let seen = probes::probe(&monitor.target, timeout, clock.now(), &Secrets::none(), &context).await;
        match args.output {
            Some(ProbeForm::Json) => output.value(&seen, Form::Json)?,
            None => output.text(&sample::render(&monitor, &seen, output.colour))?,
        }
        return Ok(sample::exit(&seen));
    }
    repeat(&monitor, (args.repeat, interval, timeout), args.output, &context, clock, output).await
}

async fn repeat(
    monitor: &Monitor,
    (times, interval, timeout): (u32, Duration, Duration),
    form: Option<ProbeForm>,
    context: &Context,
    clock: &Clock,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let start = Instant::now();
    let mut verdict = Verdict::new(clock.now());
    let mut seen = Vec::new();
    for number in 0..times {
        // On absolute deadlines, so that slow looks do not stretch the interval.
        tokio::time::sleep_until(start + interval * number).await;
        let now = clock.now();
        let sample = probes::probe(&monitor.target, timeout, now, &Secrets::none(), context).await;
        verdict.observe(&sample, &monitor.thresholds, clock.now());
        match form {
            Some(ProbeForm::Json) => {
                output.line(serde_json::to_string(&sample).map_err(|error| Failure::Form(error.to_string()))?)?;
            }
            None => output.line(sample::row(&sample, output.colour))?,
        }
        seen.push(sample);
    }
    let exit = seen.iter().map(sample::exit).max().unwrap_or(Exit::Done);
    if form.is_none() {
        output.line(sample::summary(&seen, &verdict, monitor))?;
    }
    Ok(if seen.iter().any(|sample| sample::exit(sample) == Exit::No) { Exit::No } else { exit })
}

/// A monitor with all defaults for what was typed. The rules are those of a ServiceMonitor.
fn monitor_of_url(text: &str) -> Result<Monitor, ProbeError> {
    let probe = match text.split_once("://") {
        Some(("tcp", address)) => serde_json::json!({"tcp": {"address": address.trim_end_matches('/')}}),
        Some(_) => serde_json::json!({"http": {"url": text}}),
        None => {
            let problem = Problem::error(
                "",
                format!("expected a URL such as https://shop.example/healthz or tcp://db.example:5432, found `{text}`"),
            );
            return Err(ProbeError::Target(vec![problem]));
        }
    };
    let object = serde_json::json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor",
        "metadata": {"name": "probe", "namespace": "default"},
        "spec": {"service": "probe", "probe": probe}
    });
    let monitor: ServiceMonitor = serde_json::from_value(object)
        .map_err(|error| ProbeError::Target(vec![Problem::error("", error.to_string())]))?;
    let own = |problem: Problem| Problem { path: String::new(), ..problem };
    match api::service_monitor::validate(&monitor) {
        Ok(valid) => Ok(valid.value),
        Err(problems) => Err(ProbeError::Target(problems.into_iter().map(own).collect())),
    }
}

fn monitor_of_file(file: &std::path::Path, name: Option<&str>, clock: &Clock) -> Result<Monitor, Failure> {
    let world = load::load(&[file.to_owned()], "default", clock.now())?;
    let mut found: Vec<Monitor> =
        world.monitors.into_iter().filter(|monitor| name.is_none_or(|name| monitor.name == name)).collect();
    let place = file.display();
    match (found.pop(), found.is_empty(), name) {
        (Some(only), true, _) => Ok(only),
        (Some(last), false, None) => {
            let names: Vec<&str> = found.iter().chain([&last]).map(|monitor| monitor.name.as_str()).collect();
            Err(ProbeError::Monitor(format!("{place} has several monitors; name one of {}", names.join(", "))).into())
        }
        (Some(_), false, Some(name)) => Err(ProbeError::Monitor(format!(
            "{place} has several monitors named `{name}`; name the file instead of the folder"
        ))
        .into()),
        (None, _, name) => {
            // A monitor that is there but wrong is the likelier cause than one that is not there.
            let errors: Vec<String> =
                world.problems.iter().filter(|problem| problem.is_error()).map(ToString::to_string).collect();
            let what = name.map_or_else(
                || "no valid ServiceMonitor".to_owned(),
                |name| format!("no valid ServiceMonitor `{name}`"),
            );
            let why = if errors.is_empty() { String::new() } else { format!(":\n{}", errors.join("\n")) };
            Err(ProbeError::Monitor(format!("{place} has {what}{why}")).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{super::fixtures::printed, *};

    #[rstest]
    #[case("https://shop.example/healthz", "https://shop.example/healthz")]
    #[case("tcp://db.example:5432", "db.example:5432")]
    #[case("tcp://[2001:db8::1]:25/", "[2001:db8::1]:25")]
    fn a_url_becomes_a_target(#[case] url: &str, #[case] shown: &str) {
        assert_eq!(monitor_of_url(url).unwrap().target.display(), shown);
    }

    #[rstest]
    #[case(
        "shop.example",
        "expected a URL such as https://shop.example/healthz or tcp://db.example:5432, found `shop.example`"
    )]
    #[case("ftp://files.example/a", "expected https or http, found `ftp`")]
    #[case("tcp://db.example", "expected host:port")]
    #[case("https://ada:geheim@shop.example/", "expected no user name and no password in the URL")]
    fn what_cannot_be_probed_is_refused_with_what_to_write(#[case] url: &str, #[case] expected: &str) {
        let error = monitor_of_url(url).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(!error.to_string().contains("geheim"));
    }

    fn args(target: &str, repeat: u32, output: Option<ProbeForm>) -> ProbeArgs {
        let interval = Some(Duration::from_millis(5));
        ProbeArgs {
            target: Some(target.into()),
            file: None,
            repeat,
            interval,
            timeout: Some(Duration::from_secs(5)),
            output,
        }
    }

    async fn run(args: &ProbeArgs) -> (Exit, String) {
        let mut exit = None;
        let text = printed(async |output| exit = Some(probe(args, &Clock::system(), output).await.unwrap())).await;
        (exit.unwrap(), text)
    }

    fn closed_port() -> String {
        format!("tcp://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
    }

    #[tokio::test]
    async fn a_port_that_answers_is_up_and_one_that_does_not_is_down() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = format!("tcp://{}", listener.local_addr().unwrap());
        let (exit, text) = run(&args(&open, 1, None)).await;
        assert_eq!(exit, Exit::Done, "{text}");
        assert!(text.contains("up"), "{text}");
        let (exit, text) = run(&args(&closed_port(), 1, None)).await;
        assert_eq!(exit, Exit::No, "{text}");
        assert!(text.contains("ConnectRefused"), "{text}");
    }

    #[tokio::test]
    async fn json_is_the_sample_itself() {
        let (exit, text) = run(&args(&closed_port(), 1, Some(ProbeForm::Json))).await;
        let sample: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&sample["failure"]["reason"], exit), (&"ConnectRefused".into(), Exit::No));
        assert!(sample["duration"].as_f64().is_some_and(|seconds| seconds < 10.0), "seconds as a number: {sample}");
        assert!(sample["phases"].get("firstByte").is_some(), "{sample}");
        let (_, text) = run(&args(&closed_port(), 3, Some(ProbeForm::Json))).await;
        let samples: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(samples.len(), 3);
    }

    #[tokio::test]
    async fn as_many_failures_in_a_row_as_the_threshold_says_are_down() {
        let (exit, text) = run(&args(&closed_port(), 3, None)).await;
        assert_eq!(exit, Exit::No);
        assert!(
            text.lines()
                .last()
                .unwrap()
                .starts_with("3 looks: 0 up, 3 failed; verdict Down (3 failures in a row are Down)"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_monitor_of_a_file_is_named_when_there_are_several() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("monitors.yaml");
        let monitor = |name: &str| {
            format!(
                "apiVersion: firstline.dev/v1alpha1\nkind: ServiceMonitor\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{service: {name}, probe: {{tcp: {{address: \"127.0.0.1:1\"}}}}}}\n"
            )
        };
        std::fs::write(&file, format!("{}---\n{}", monitor("a"), monitor("b"))).unwrap();
        let clock = Clock::system();
        assert_eq!(monitor_of_file(&file, Some("b"), &clock).unwrap().name, "b");
        let several = monitor_of_file(&file, None, &clock).unwrap_err().to_string();
        assert!(several.ends_with("has several monitors; name one of a, b"), "{several}");
        let none = monitor_of_file(&file, Some("c"), &clock).unwrap_err().to_string();
        assert!(none.contains("has no valid ServiceMonitor `c`"), "{none}");
    }
}
