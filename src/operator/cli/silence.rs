//! `firstline silence`: mutes what matches until an end that must be named, and ends such a silence early.

use std::time::Duration;

use api::{Silence, silence::SilenceSpec};
use clap::Args;
use domain::{
    problem::Problem,
    time::{after, format_duration, whole_seconds},
};
use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use thiserror::Error;

use super::{
    age::{clock, length},
    arguments::{some_span, span},
    cluster::{Asked, ClusterArgs, Session, ask},
    exit::{Exit, Failure},
    output::{Form, Output, plain},
    settle::{fresh_name, refusal, settled, unconfirmed},
};

/// The resource, as errors name it.
const SILENCES: &str = "silences.firstline.dev";

/// The longest silence, as the resource has it.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// Flags of `firstline silence`.
#[derive(Debug, Clone, Args)]
pub struct SilenceArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// What is muted: matchers such as service=checkout; all must hold
    #[arg(value_name = "MATCHER", required_unless_present = "expire")]
    pub matchers: Vec<String>,

    /// For how long, such as 2h; at most 30d
    #[arg(long = "for", value_name = "TIME", required_unless_present = "expire", value_parser = some_span)]
    pub span: Option<Duration>,

    /// Why, for those who wonder in the morning
    #[arg(long, value_name = "TEXT", required_unless_present = "expire")]
    pub reason: Option<String>,

    /// End the silence of this name now
    #[arg(long, value_name = "NAME", conflicts_with_all = ["matchers", "span", "reason"])]
    pub expire: Option<String>,

    /// How long to wait until the operator acts on it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = span)]
    pub timeout: Duration,

    /// Print the silence instead of a sentence
    #[arg(short, long, value_enum)]
    pub output: Option<Form>,
}

/// Why the silence cannot be made as it was asked for.
#[derive(Debug, Error)]
pub enum SilenceError {
    /// Longer than allowed.
    #[error("--for {}: a silence lasts at most 30d; what must stay quiet for longer belongs into the policy's routes", format_duration(*.0))]
    TooLong(Duration),
    /// Matchers that cannot be read, an empty reason.
    #[error("{}", listed(.0))]
    Invalid(Vec<Problem>),
}

impl SilenceError {
    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        Exit::Usage
    }
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Creates or ends a silence and waits until the operator acts on it.
///
/// # Errors
/// When the silence is wrong or the cluster does not take it.
pub async fn silence(
    args: &SilenceArgs,
    program: &str,
    now: Timestamp,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    // What is wrong with the command line is said before anybody is asked.
    let wanted = if args.expire.is_none() { Some(wanted(args, now)?) } else { None };
    let session = args.cluster.connect().await?;
    silence_in(&session, args, program, wanted, now, output).await
}

async fn silence_in(
    session: &Session,
    args: &SilenceArgs,
    program: &str,
    wanted: Option<Silence>,
    now: Timestamp,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match (&args.expire, wanted) {
        (Some(name), _) => expire(session, name, args, now, output).await,
        (None, Some(wanted)) => create(session, wanted, args, program, output).await,
        (None, None) => Ok(Exit::Usage),
    }
}

/// The silence as it was asked for, checked as the operator would.
fn wanted(args: &SilenceArgs, now: Timestamp) -> Result<Silence, SilenceError> {
    let span = args.span.unwrap_or_default();
    if span > LONGEST {
        return Err(SilenceError::TooLong(span));
    }
    let reason = args.reason.clone().unwrap_or_default();
    if reason.trim().is_empty() {
        return Err(SilenceError::Invalid(vec![Problem::error("--reason", "expected a few words, found nothing")]));
    }
    let starts_at = whole_seconds(now);
    let spec = SilenceSpec {
        matchers: args.matchers.clone(),
        starts_at,
        ends_at: after(starts_at, span),
        reason,
        author: None,
    };
    let silence = Silence::new(&fresh_name("silence"), spec);
    match api::silence::validate(&silence) {
        Ok(_) => Ok(silence),
        Err(problems) => Err(SilenceError::Invalid(problems)),
    }
}

async fn create(
    session: &Session,
    mut wanted: Silence,
    args: &SilenceArgs,
    program: &str,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let user = session.user().await?;
    wanted.spec.author = Some(user).filter(|user| !user.is_empty());
    let api: Api<Silence> = Api::namespaced(session.client.clone(), &session.namespace);
    let asked = Asked::new("create", SILENCES, &session.namespace);
    let created = ask(&asked, api.create(&PostParams::default(), &wanted)).await?;
    let seen = settled(&api, created, args.timeout, |seen| is_active(seen) || refused(seen).is_some()).await;
    let until = format!("until {} ({})", clock(seen.spec.ends_at), length(args.span.unwrap_or_default()));
    let name = seen.name_any();
    let (exit, sentence) = match (is_active(&seen), refused(&seen)) {
        (true, _) => (
            Exit::Done,
            format!(
                "{name} is active in namespace {namespace} {until}; end it with `{program} silence --expire {name} -n {namespace}`",
                namespace = session.namespace
            ),
        ),
        (false, Some(why)) => (Exit::No, format!("{name} refused: {}", plain(why))),
        (false, None) => (Exit::Unknown, unconfirmed(&name, args.timeout, "mute")),
    };
    finish(exit, &sentence, &seen, args, output)
}

async fn expire(
    session: &Session,
    name: &str,
    args: &SilenceArgs,
    now: Timestamp,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let api: Api<Silence> = Api::namespaced(session.client.clone(), &session.namespace);
    let before = ask(&Asked::new("get", SILENCES, &session.namespace), api.get(name)).await?;
    if before.spec.ends_at <= now {
        let sentence = format!("{name} has ended already, at {}", clock(before.spec.ends_at));
        return finish(Exit::Done, &sentence, &before, args, output);
    }
    // The end lies after the start, also for a silence that has not begun or began this second.
    let end = whole_seconds(now).max(after(before.spec.starts_at, Duration::from_secs(1)));
    let patch = json!({
        "metadata": {"uid": before.metadata.uid, "resourceVersion": before.metadata.resource_version},
        "spec": {"endsAt": end}
    });
    let asked = Asked::new("patch", SILENCES, &session.namespace);
    let patched = ask(&asked, api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))).await?;
    let seen = settled(&api, patched, args.timeout, |seen| !is_active(seen) || refused(seen).is_some()).await;
    let (exit, sentence) = if is_active(&seen) {
        (Exit::Unknown, unconfirmed(name, args.timeout, "end"))
    } else {
        (Exit::Done, format!("{name} ended at {}", clock(end)))
    };
    finish(exit, &sentence, &seen, args, output)
}

fn finish(
    exit: Exit,
    sentence: &str,
    silence: &Silence,
    args: &SilenceArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match args.output {
        Some(form) => output.value(&super::bare(silence.clone()), form)?,
        None => output.line(sentence)?,
    }
    Ok(exit)
}

fn is_active(silence: &Silence) -> bool {
    silence.status.as_ref().is_some_and(|status| status.active == Some(true))
}

/// Whether the operator has said no.
fn refused(silence: &Silence) -> Option<&str> {
    refusal(&silence.status.as_ref()?.conditions)
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixtures::{FakeCluster, Judge, now, printed},
        *,
    };

    fn args(hours: u64) -> SilenceArgs {
        SilenceArgs {
            cluster: ClusterArgs::default(),
            matchers: vec![r#"service="checkout""#.into()],
            span: Some(Duration::from_secs(hours * 3_600)),
            reason: Some("deploy 42".into()),
            expire: None,
            timeout: Duration::from_millis(500),
            output: None,
        }
    }

    async fn run(judge: Judge, args: &SilenceArgs) -> (Exit, String, Vec<serde_json::Value>) {
        let cluster = FakeCluster::start(judge, Vec::new()).await;
        let wanted = wanted(args, now()).unwrap();
        let mut exit = None;
        let text = printed(async |output| {
            exit = Some(silence_in(&cluster.session(), args, "firstline", Some(wanted), now(), output).await.unwrap());
        })
        .await;
        (exit.unwrap(), text, cluster.created())
    }

    #[tokio::test]
    async fn an_active_silence_says_until_when_and_how_to_end_it() {
        let (exit, text, created) = run(Judge::Accept, &args(2)).await;
        let name = created[0]["metadata"]["name"].as_str().unwrap();
        assert_eq!(exit, Exit::Done);
        assert_eq!(
            text,
            format!(
                "{name} is active in namespace payments until 2026-11-23T05:12:00Z (120m); end it with `firstline silence --expire {name} -n payments`\n"
            )
        );
        assert_eq!(
            created[0]["spec"],
            serde_json::json!({
                "matchers": ["service=\"checkout\""], "startsAt": "2026-11-23T03:12:00Z", "endsAt": "2026-11-23T05:12:00Z",
                "reason": "deploy 42", "author": "oidc:ada"
            })
        );
    }

    #[tokio::test]
    async fn a_silence_nobody_acts_on_yet_is_recorded_and_says_so() {
        let (exit, text, _) = run(Judge::Away, &args(2)).await;
        assert_eq!(exit, Exit::Unknown);
        assert!(text.ends_with("unconfirmed: the operator did not answer within 500ms. It is recorded and will mute when the operator is back\n"), "{text}");
    }

    #[tokio::test]
    async fn an_operator_that_finds_it_wrong_is_quoted() {
        let (exit, text, _) = run(Judge::Refuse("spec.matchers: too wide"), &args(2)).await;
        assert_eq!(exit, Exit::No);
        assert!(text.ends_with(" refused: spec.matchers: too wide\n"), "{text}");
    }

    #[tokio::test]
    async fn ending_a_silence_moves_its_end_to_now() {
        let cluster = FakeCluster::start(Judge::Accept, Vec::new()).await;
        cluster.add(json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "Silence",
            "metadata": {"name": "deploy", "namespace": "payments", "uid": "u", "resourceVersion": "4"},
            "spec": {"matchers": ["a=\"b\""], "startsAt": "2026-11-23T03:00:00Z", "endsAt": "2026-11-23T05:00:00Z", "reason": "r"},
            "status": {"active": true}
        }));
        let args =
            SilenceArgs { expire: Some("deploy".into()), matchers: Vec::new(), span: None, reason: None, ..args(2) };
        let text = printed(async |output| {
            assert_eq!(
                silence_in(&cluster.session(), &args, "firstline", None, now(), output).await.unwrap(),
                Exit::Done
            );
        })
        .await;
        assert_eq!(text, "deploy ended at 2026-11-23T03:12:00Z\n");
        assert_eq!(cluster.created()[0]["spec"]["endsAt"], "2026-11-23T03:12:00Z");
        let again = printed(async |output| {
            silence_in(&cluster.session(), &args, "firstline", None, now(), output).await.unwrap();
        })
        .await;
        assert_eq!(again, "deploy has ended already, at 2026-11-23T03:12:00Z\n");
    }

    #[test]
    fn more_than_thirty_days_is_refused_before_anything_is_sent() {
        let error = wanted(&args(24 * 31), now()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--for 4w3d: a silence lasts at most 30d; what must stay quiet for longer belongs into the policy's routes"
        );
        assert_eq!(error.exit(), Exit::Usage);
    }

    #[test]
    fn a_matcher_that_would_mute_everything_is_refused_before_anything_is_sent() {
        let args = SilenceArgs { matchers: vec![r#"service=~".*""#.into()], ..args(2) };
        assert!(wanted(&args, now()).unwrap_err().to_string().contains("everything would be muted"));
    }
}
