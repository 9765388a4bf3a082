//! `firstline override`: somebody takes a shift from … to …; lists such overrides, and gives a shift back early.
//!
//! Which policy is meant, and whether its schedule and people are called so, is looked up before anything is created: a
//! wrong name is told at the prompt. Where the policy may not be read the operator's answer says the same.

mod list;

use std::time::Duration;

use api::{OnCallOverride, SupportPolicy, oncall_override::OnCallOverrideSpec};
use clap::Args;
use domain::{
    policy::Policy,
    problem::Problem,
    time::{after, shown, whole_seconds},
};
use jiff::{Timestamp, tz::TimeZone};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
    core::DeserializeGuard,
};
use serde_json::json;
use thiserror::Error;

use super::{
    arguments::{Moment, moment, some_span, span},
    cluster::{Asked, ClusterArgs, Session, Trouble, ask},
    exit::{Exit, Failure},
    output::{Format, Output, plain},
    settle::{fresh_name, refusal, settled, unconfirmed},
};

/// The resource, as errors name it.
const OVERRIDES: &str = "oncalloverrides.firstline.dev";

/// Flags of `firstline override`.
#[derive(Debug, Clone, Args)]
pub struct OverrideArgs {
    /// Who takes over: a person of the policy
    #[arg(value_name = "PERSON", required_unless_present_any = ["expire", "list"])]
    pub person: Option<String>,

    /// The schedule
    #[arg(long, value_name = "NAME", required_unless_present_any = ["expire", "list"])]
    pub schedule: Option<String>,

    /// The policy of that schedule; not needed where only one has a schedule of that name
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,

    /// From when: an instant such as 2026-11-23T18:00:00+01:00, or so long from now; now when absent
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Moment>,

    /// Until when: an instant, or so long after --from
    #[arg(long, value_name = "TIME", value_parser = moment, required_unless_present_any = ["expire", "list", "span"])]
    pub until: Option<Moment>,

    /// For how long, instead of --until
    #[arg(long = "for", value_name = "TIME", conflicts_with = "until", value_parser = some_span)]
    pub span: Option<Duration>,

    /// Only while this person would be on call
    #[arg(long, value_name = "PERSON")]
    pub replaces: Option<String>,

    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    pub reason: String,

    /// Give the shift of the override of this name back now
    #[arg(long, value_name = "NAME", conflicts_with_all = ["person", "schedule", "policy", "from", "until", "span", "replaces", "list"])]
    pub expire: Option<String>,

    /// List overrides that are not over
    #[arg(long, conflicts_with_all = ["person", "from", "until", "span", "replaces"])]
    pub list: bool,

    /// How long to wait until the operator acts on it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = span)]
    pub timeout: Duration,

    /// Print the override instead of a sentence; with --list, the form of the list
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub output: Format,

    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Why the override cannot be made as it was asked for.
#[derive(Debug, Error)]
pub enum OverrideError {
    /// Times or names that cannot be.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Problem>),
}

/// Creates, lists or ends overrides, and waits until the operator acts on it.
///
/// # Errors
/// When the override is wrong or the cluster does not take it.
pub async fn take_over(
    args: &OverrideArgs,
    program: &str,
    now: Timestamp,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    if args.expire.is_none() && !args.list {
        // What is wrong with the command line is said before anybody is asked.
        check(&wanted(args, String::new(), now))?;
    }
    let session = args.cluster.connect().await?;
    take_over_in(&session, args, program, now, output).await
}

async fn take_over_in(
    session: &Session,
    args: &OverrideArgs,
    program: &str,
    now: Timestamp,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match &args.expire {
        Some(name) => expire(session, name, args, now, output).await,
        None if args.list => list::list(session, args, now, output).await,
        None => create(session, args, program, now, output).await,
    }
}

/// All overrides of a namespace. One that cannot be read is left out.
///
/// # Errors
/// When the cluster does not answer.
pub(super) async fn all_of(session: &Session, namespace: &str) -> Result<Vec<OnCallOverride>, Trouble> {
    let api: Api<DeserializeGuard<OnCallOverride>> = Api::namespaced(session.client.clone(), namespace);
    let found = ask(&Asked::new("list", OVERRIDES, namespace), api.list(&ListParams::default())).await?;
    Ok(found.items.into_iter().filter_map(|object| object.0.ok()).collect())
}

/// The override as it was asked for.
fn wanted(args: &OverrideArgs, policy: String, now: Timestamp) -> OnCallOverride {
    let from = whole_seconds(args.from.map_or(now, |from| from.after(now)));
    let until = match (args.until, args.span) {
        (Some(until), _) => until.after(from),
        (None, span) => after(from, span.unwrap_or_default()),
    };
    let spec = OnCallOverrideSpec {
        policy,
        schedule: args.schedule.clone().unwrap_or_default(),
        person: args.person.clone().unwrap_or_default(),
        replaces: args.replaces.clone(),
        from,
        until: whole_seconds(until),
        reason: args.reason.clone(),
        author: None,
    };
    OnCallOverride::new(&fresh_name("override"), spec)
}

/// The rules of the resource, with the flags' names for its fields.
fn check(wanted: &OnCallOverride) -> Result<(), OverrideError> {
    let mut problems = api::oncall_override::validate(wanted).err().unwrap_or_default();
    if wanted.spec.reason.trim().is_empty() {
        problems.push(Problem::error("spec.reason", "expected a few words, found nothing"));
    }
    if problems.is_empty() { Ok(()) } else { Err(as_flags(problems)) }
}

fn as_flags(problems: Vec<Problem>) -> OverrideError {
    let named = |problem: Problem| {
        let field = problem.path.trim_start_matches("spec.");
        let path = if field == "person" { "PERSON".to_owned() } else { format!("--{field}") };
        Problem { path, ..problem }
    };
    OverrideError::Invalid(problems.into_iter().map(named).collect())
}

/// The policy that is meant, with its name; `None` for one that is named and may not be read.
async fn policy_of(session: &Session, args: &OverrideArgs) -> Result<(String, Option<Policy>), Failure> {
    let api: Api<DeserializeGuard<SupportPolicy>> = Api::namespaced(session.client.clone(), &session.namespace);
    let asked = Asked::new("list", "supportpolicies.firstline.dev", &session.namespace);
    let found = match (ask(&asked, api.list(&ListParams::default())).await, &args.policy) {
        (Ok(found), _) => found,
        (Err(Trouble::Forbidden { .. }), Some(name)) => return Ok((name.clone(), None)),
        (Err(trouble), _) => return Err(trouble.into()),
    };
    let all: Vec<SupportPolicy> = found.items.into_iter().filter_map(|object| object.0.ok()).collect();
    let valid: Vec<Policy> =
        all.iter().filter_map(|one| Some(api::support_policy::validate(one).ok()?.value)).collect();
    if let Some(name) = &args.policy {
        let known = all.iter().find(|policy| policy.name_any() == *name);
        if known.is_none() {
            let message = format!("no SupportPolicy of namespace {} is called `{name}`", session.namespace);
            let names: Vec<String> = all.iter().map(ResourceExt::name_any).collect();
            let problem = Problem::error("--policy", message);
            let problem = problem.suggest_from(name, names.iter().map(String::as_str));
            return Err(OverrideError::Invalid(vec![problem]).into());
        }
        return Ok((name.clone(), valid.into_iter().find(|policy| policy.name == *name)));
    }
    let schedule = args.schedule.as_deref().unwrap_or_default();
    let mut with: Vec<&Policy> = valid.iter().filter(|policy| policy.schedules.contains_key(schedule)).collect();
    let problem = match (with.pop(), with.is_empty()) {
        (Some(only), true) => return Ok((only.name.clone(), Some(only.clone()))),
        (Some(last), false) => {
            let names: Vec<&str> = with.iter().chain([&last]).map(|policy| policy.name.as_str()).collect();
            let message = format!("expected one, since several have a schedule `{schedule}`: {}", names.join(", "));
            Problem::error("--policy", message)
        }
        (None, _) => {
            let known = valid.iter().flat_map(|policy| policy.schedules.keys().map(String::as_str));
            let message = format!("no policy of namespace {} has a schedule `{schedule}`", session.namespace);
            Problem::error("--schedule", message).suggest_from(schedule, known)
        }
    };
    Err(OverrideError::Invalid(vec![problem]).into())
}

async fn create(
    session: &Session,
    args: &OverrideArgs,
    program: &str,
    now: Timestamp,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let (name, policy) = policy_of(session, args).await?;
    let mut wanted = wanted(args, name, now);
    check(&wanted)?;
    if let (Some(policy), Ok(valid)) = (&policy, api::oncall_override::validate(&wanted)) {
        let unknown = valid.value.unknown_names(policy);
        if !unknown.is_empty() {
            return Err(as_flags(unknown).into());
        }
    }
    let zone = policy.as_ref().and_then(|policy| policy.schedules.get(&wanted.spec.schedule)).map(|it| it.zone.clone());
    let zone = zone.unwrap_or(TimeZone::UTC);
    let user = session.user().await?;
    wanted.spec.author = Some(user).filter(|user| !user.is_empty());
    let api: Api<OnCallOverride> = Api::namespaced(session.client.clone(), &session.namespace);
    let created =
        ask(&Asked::new("create", OVERRIDES, &session.namespace), api.create(&PostParams::default(), &wanted)).await?;
    let seen = settled(&api, created, args.timeout, |seen| is_accepted(seen) || refused(seen).is_some()).await;
    let name = seen.name_any();
    let (exit, sentence) = match (is_accepted(&seen), refused(&seen)) {
        (true, _) => (Exit::Done, accepted(&seen, &zone, program, &session.namespace)),
        (false, Some(why)) => (Exit::No, format!("{name} refused: {}", plain(why))),
        (false, None) => (Exit::Unknown, unconfirmed(&name, args.timeout, "count")),
    };
    finish(exit, &sentence, &seen, args, output)
}

/// With times in the schedule's zone.
fn accepted(object: &OnCallOverride, zone: &TimeZone, program: &str, namespace: &str) -> String {
    let OnCallOverrideSpec { schedule, person, replaces, from, until, .. } = &object.spec;
    let name = object.name_any();
    let instead = replaces.as_ref().map(|replaced| format!(" whenever {replaced} would be")).unwrap_or_default();
    format!(
        "{name}: {person} is on call in {schedule}{instead} from {} until {}; give it back with `{program} override --expire {name} -n {namespace}`",
        shown(*from, zone),
        shown(*until, zone),
    )
}

async fn expire(
    session: &Session,
    name: &str,
    args: &OverrideArgs,
    now: Timestamp,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let api: Api<OnCallOverride> = Api::namespaced(session.client.clone(), &session.namespace);
    let before = ask(&Asked::new("get", OVERRIDES, &session.namespace), api.get(name)).await?;
    let utc = |at| shown(at, &TimeZone::UTC);
    if before.spec.until <= now {
        let sentence = format!("{name} has ended already, at {}", utc(before.spec.until));
        return finish(Exit::Done, &sentence, &before, args, output);
    }
    // The end lies after the beginning, also for one that has not begun or began this second.
    let end = whole_seconds(now).max(after(before.spec.from, Duration::from_secs(1)));
    let patch = json!({
        "metadata": {"uid": before.metadata.uid, "resourceVersion": before.metadata.resource_version},
        "spec": {"until": end}
    });
    let asked = Asked::new("patch", OVERRIDES, &session.namespace);
    let patched = ask(&asked, api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))).await?;
    let seen = settled(&api, patched, args.timeout, |seen| !is_active(seen) || refused(seen).is_some()).await;
    let (exit, sentence) = if is_active(&seen) {
        (Exit::Unknown, unconfirmed(name, args.timeout, "end"))
    } else if before.spec.from > now {
        (Exit::Done, format!("{name} will not count: it ends a second after it would have begun"))
    } else {
        (Exit::Done, format!("{name} ended at {}", utc(end)))
    };
    finish(exit, &sentence, &seen, args, output)
}

fn finish(
    exit: Exit,
    sentence: &str,
    object: &OnCallOverride,
    args: &OverrideArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match args.output.form() {
        Some(form) => output.value(&super::bare(object.clone()), form)?,
        None => output.line(sentence)?,
    }
    Ok(exit)
}

fn is_active(object: &OnCallOverride) -> bool {
    object.status.as_ref().is_some_and(|status| status.active == Some(true))
}

fn is_accepted(object: &OnCallOverride) -> bool {
    object.status.as_ref().is_some_and(|status| api::conditions::is_true(&status.conditions, "Ready"))
}

/// Whether the operator has said no.
fn refused(object: &OnCallOverride) -> Option<&str> {
    refusal(&object.status.as_ref()?.conditions)
}

#[cfg(test)]
mod tests;
