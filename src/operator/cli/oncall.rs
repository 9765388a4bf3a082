//! `firstline oncall`: who is on call, since when, until when, who comes next; with `--until` all shifts and gaps.
//!
//! From files, or from the policies of a cluster. Both are read by the operator's own rules, so the answer is the one
//! that a page would get. Times are shown in each schedule's zone, for machines in UTC.

mod report;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

use api::SupportPolicy;
use clap::{Args, ValueEnum};
use domain::{
    oncall::{self, Feed, Override},
    policy::{Policy, Schedule},
    problem::Problem,
    time::{after, whole_seconds},
};
use gitops::FileError;
use jiff::Timestamp;
use kube::{Api, ResourceExt, api::ListParams};
use thiserror::Error;

use self::report::{Answer, Report, Row};
use super::{
    arguments::{Moment, moment},
    cluster::{Asked, ClusterArgs, ask},
    exit::{Exit, Failure},
    output::{Form, Output, plain},
    overrides,
    validate::human,
};
use crate::{index::overrides_of_policy, load};

/// The longest range that is listed; a shift a day is 1,100 lines then.
const LONGEST: Duration = Duration::from_secs(3 * 366 * 86_400);

/// What a calendar file holds where no end is named.
const CALENDAR: Duration = Duration::from_secs(90 * 86_400);

/// Flags of `firstline oncall`.
#[derive(Debug, Clone, Args)]
pub struct OncallArgs {
    /// The policy, by name or namespace/name; all of them when absent
    #[arg(value_name = "POLICY")]
    pub policy: Option<String>,

    /// Files and folders with the policies; without them the cluster is asked
    #[arg(short, long, value_name = "PATH")]
    pub file: Vec<PathBuf>,

    /// Only this schedule
    #[arg(long, value_name = "NAME")]
    pub schedule: Option<String>,

    /// When: an instant such as 2027-03-28T03:00:00+02:00, or so long from now; now when absent
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub at: Option<Moment>,

    /// List all shifts and gaps up to here: an instant, or so long after --at
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Moment>,

    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = OncallForm::Table)]
    pub output: OncallForm,

    /// Which cluster, and the namespace there; with -f that of objects that name none.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OncallForm {
    /// Columns
    Table,
    /// Columns, and why
    Wide,
    /// One JSON object, times in UTC
    Json,
    /// The same as YAML
    Yaml,
    /// An iCalendar file of the shifts, 90 days without --until
    Ical,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum OncallError {
    /// No policy or schedule is meant.
    #[error("{0}")]
    Unknown(Problem),
    /// The range cannot be listed.
    #[error("{0}")]
    Range(&'static str),
    /// There is none at all, or all are wrong.
    #[error("there is no valid SupportPolicy there")]
    NoPolicy,
}

impl OncallError {
    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unknown(_) | Self::Range(_) => Exit::Usage,
            Self::NoPolicy => Exit::No,
        }
    }
}

/// A policy, and who takes over which of its shifts.
struct Duty {
    policy: Policy,
    overrides: Vec<Override>,
}

/// Says who is on call.
///
/// # Errors
/// When the files cannot be read, the cluster does not answer, or nothing has the name. That nobody is on call where
/// somebody must be is an answer, exit code 1.
pub async fn oncall(args: &OncallArgs, now: Timestamp, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let now = whole_seconds(now);
    let at = args.at.map_or(now, |at| at.after(now));
    let until = args.until.map(|until| until.after(at));
    let until = if args.output == OncallForm::Ical { until.or(Some(after(at, CALENDAR))) } else { until };
    if until.is_some_and(|until| until <= at) {
        return Err(OncallError::Range("expected --until to be later than --at").into());
    }
    if until.is_some_and(|until| until > after(at, LONGEST)) {
        return Err(OncallError::Range("expected --until to be at most three years after --at").into());
    }
    let policies =
        if args.file.is_empty() { from_cluster(args, output).await? } else { from_files(args, now, output)? };
    let meant = meant(&policies, args)?;
    if args.output == OncallForm::Ical {
        let until = until.unwrap_or(at);
        let listed: Vec<_> = meant
            .iter()
            .map(|(duty, schedule)| (&duty.policy, *schedule, oncall::shifts(schedule, &duty.overrides, at, until)))
            .collect();
        let feeds: Vec<Feed<'_>> = listed
            .iter()
            .map(|(policy, schedule, shifts)| Feed {
                namespace: &policy.namespace,
                policy: &policy.name,
                schedule: &schedule.name,
                shifts,
            })
            .collect();
        output.text(&oncall::ical(&feeds, until, now))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Row<'_>> = meant
        .into_iter()
        .map(|(duty, schedule)| Row {
            policy: &duty.policy,
            schedule,
            overrides: &duty.overrides,
            answer: Answer::of(schedule, &duty.overrides, at, until),
        })
        .collect();
    let report = Report { at, until, several: policies.len() > 1, rows };
    match args.output {
        OncallForm::Json => output.value(&report.value(), Form::Json)?,
        OncallForm::Yaml => output.value(&report.value(), Form::Yaml)?,
        form => output.text(&report.render(form == OncallForm::Wide, output.colour))?,
    }
    Ok(if report.has_gap() { Exit::No } else { Exit::Done })
}

fn from_files(args: &OncallArgs, now: Timestamp, output: &mut Output<'_>) -> Result<Vec<Duty>, Failure> {
    let world = load::load(&args.file, args.cluster.namespace.as_deref().unwrap_or("default"), now)?;
    // A policy that is there but wrong is the likelier cause of a missing answer than one that is not there.
    let refused = world.refused.iter().filter(|key| key.kind == "SupportPolicy").map(ToString::to_string);
    let overrides = world.objects.iter().map(|object| &object.key).chain(&world.refused);
    let overrides = overrides.filter(|key| key.kind == "OnCallOverride").map(ToString::to_string);
    let decisive: Vec<String> = refused.chain(overrides).collect();
    let is_why = |problem: &&FileError| {
        problem.is_error() && problem.object.as_ref().is_none_or(|object| decisive.contains(object))
    };
    for problem in world.problems.iter().filter(is_why) {
        output.say(human(problem, &world, false, output.progress_colour).trim_end())?;
    }
    let duty =
        |policy: &Policy| Duty { overrides: overrides_of_policy(policy, &world.overrides), policy: policy.clone() };
    Ok(world.policies.iter().map(|policy| duty(policy)).collect())
}

async fn from_cluster(args: &OncallArgs, output: &mut Output<'_>) -> Result<Vec<Duty>, Failure> {
    let session = args.cluster.connect().await?;
    let namespace = args.policy.as_deref().and_then(|policy| policy.split_once('/')).map(|(namespace, _)| namespace);
    let namespace = namespace.unwrap_or(&session.namespace);
    let api: Api<SupportPolicy> = Api::namespaced(session.client.clone(), namespace);
    let asked = Asked::new("list", "supportpolicies.firstline.dev", namespace);
    let found = ask(&asked, api.list(&ListParams::default())).await?;
    let overrides = match overrides::all_of(&session, namespace).await {
        Ok(overrides) => overrides,
        Err(trouble) => {
            output.say(format!("warning: overrides are not taken into account: {trouble}"))?;
            Vec::new()
        }
    };
    let mut policies = Vec::new();
    for policy in &found.items {
        match api::support_policy::validate(policy) {
            Ok(valid) => {
                policies.push(Duty { overrides: overrides_of_policy(&valid.value, &overrides), policy: valid.value });
            }
            Err(problems) => {
                let first = problems.iter().find(|problem| problem.is_error()).map(ToString::to_string);
                let first = plain(&first.unwrap_or_default());
                output.say(format!(
                    "warning: policy {} is invalid, and its last valid version stays in force: {first}",
                    policy.name_any()
                ))?;
            }
        }
    }
    Ok(policies)
}

/// The schedules that are meant, in the order of their policies.
fn meant<'a>(all: &'a [Duty], args: &OncallArgs) -> Result<Vec<(&'a Duty, &'a Schedule)>, OncallError> {
    let is_meant = |duty: &&Duty| args.policy.as_deref().is_none_or(|name| is_called(&duty.policy, name));
    let chosen: Vec<&Duty> = all.iter().filter(is_meant).collect();
    if chosen.is_empty() {
        let Some(name) = &args.policy else { return Err(OncallError::NoPolicy) };
        let known = all.iter().map(|duty| duty.policy.name.as_str());
        let problem = Problem::error("", format!("no valid policy is called `{name}` there"));
        return Err(OncallError::Unknown(problem.suggest_from(name, known)));
    }
    let of = |duty: &&'a Duty| {
        let duty = *duty;
        duty.policy.schedules.values().map(move |schedule| (duty, schedule))
    };
    let schedules = chosen.iter().flat_map(of);
    let found: Vec<_> =
        schedules.filter(|(_, schedule)| args.schedule.as_ref().is_none_or(|name| schedule.name == *name)).collect();
    if found.is_empty() {
        let problem = match &args.schedule {
            Some(name) => {
                let known = chosen.iter().flat_map(|duty| duty.policy.schedules.keys().map(String::as_str));
                Problem::error("", format!("no schedule is called `{name}` there")).suggest_from(name, known)
            }
            None => Problem::error("", "no policy there has a schedule"),
        };
        return Err(OncallError::Unknown(problem));
    }
    Ok(found)
}

fn is_called(policy: &Policy, written: &str) -> bool {
    match written.split_once('/') {
        Some((namespace, name)) => policy.namespace == namespace && policy.name == name,
        None => policy.name == written,
    }
}
