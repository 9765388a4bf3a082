//! One object that a source applied and that somebody else may have changed: gather, decide, act.
//!
//! The object is read anew, compared as a whole with what Git says, and put back: what others added is taken away too.
//! Nothing is done while an attempt of its source runs, for a source that rests, or when the source's spec now reads
//! other files.

mod decide;
mod tell;

use std::{sync::Arc, time::Duration};

use api::git_source::{Deviation, DeviationState, Source};
use gitops::{
    applyset,
    load::{Object, ObjectKey},
    plan::{self, Live, PruneRule, Question},
};
use kube::api::DynamicObject;
use tokio::time::Instant;

use self::decide::{Finding, Leave, Seen, Step, decide};
use crate::{
    context::Context,
    controllers::source,
    engine::syncer::{
        blame,
        freeze::{self, Freeze},
        kinds::kinds,
        live,
        members::{Charge, Judged, Version},
        refusal::Fault,
        write::{self, Mode, Writer},
    },
    queue::{Looked, Outcome},
};

/// What the server refuses is tried again this often.
const REFUSED_AGAIN: Duration = Duration::from_secs(60);
/// No wait is longer: clocks step, and a status that names an end in an hour is looked at meanwhile.
const LONGEST: Duration = Duration::from_secs(600);

/// Looks at one object.
pub async fn reconcile(ctx: &Context, key: ObjectKey) -> Option<Looked> {
    tokio::select! {
        // The next leader compares everything.
        () = ctx.stop.cancelled() => Some(Looked { outcome: Outcome::Waiting, again: None }),
        looked = look(ctx, &key) => looked,
    }
}

/// What was read of an object.
struct Read {
    object: Option<DynamicObject>,
    live: Option<Live>,
    finding: Finding,
    by: Option<String>,
}

async fn look(ctx: &Context, key: &ObjectKey) -> Option<Looked> {
    let began = Instant::now();
    if !ctx.leadership.is_valid() {
        return Some(Looked::SOON);
    }
    let rest = Looked { outcome: Outcome::Unchanged, again: None };
    let Some(charge) = ctx.members.charge(key) else { return Some(rest) };
    let Some(source) = served(ctx, &charge) else { return Some(rest) };
    let read = match read(ctx, key, &charge).await {
        Ok(read) => read,
        Err(why) => {
            tracing::warn!(object = %key, why, "could not compare the object with Git; trying again");
            return None;
        }
    };
    let known = read.object.as_ref().map(|object| Version::of(&object.metadata));
    let written = known.as_ref().map(|known| known.freeze.clone()).unwrap_or_default();
    let (now, time) = (Instant::now(), ctx.clock.now());
    let seen = Seen {
        finding: read.finding.clone(),
        freeze: freeze_of(&charge, &written, time),
        mode: source.drift,
        owed: charge.member.owed,
        now,
        time,
    };
    let mut judged = Judged { known, owed: charge.member.owed, fight: charge.member.fight.clone(), deviation: None };
    let looked = match decide(&seen, &mut judged.fight) {
        Step::Rest => {
            judged.owed = false;
            rest
        }
        Step::Attempt => {
            // Removals have guards of their own: the source's next attempt has the whole picture.
            ctx.sources.attempt_anew(&charge.source);
            ctx.queues.sources.add(charge.source.clone());
            rest
        }
        Step::Leave(leave) => {
            let again = leave_alone(&seen, &leave, &judged);
            let deviation = deviation(&charge, key, &read, &leave, time);
            tell::left(ctx, &charge, key, &read, &deviation, source.drift);
            judged.deviation = Some(deviation);
            Looked { outcome: Outcome::Unchanged, again }
        }
        Step::Correct => match put_back(ctx, &charge, &source, &read).await {
            Ok(version) => {
                judged.known = Some(version);
                judged.owed = false;
                judged.fight.corrected(now);
                tell::corrected(ctx, &charge, key, &read, judged.known.as_ref(), began.elapsed());
                let problem = seen.freeze.clone().err();
                judged.deviation = problem.map(|problem| {
                    let leave = Leave { state: DeviationState::BadFreeze, until: None, message: Some(problem) };
                    let read = Read { finding: Finding::AsGit, ..read };
                    let deviation = deviation(&charge, key, &read, &leave, time);
                    // Who froze it for this very change looks for why it was put back.
                    tell::left(ctx, &charge, key, &read, &deviation, source.drift);
                    deviation
                });
                let again = judged.fight.until().map(|next| next.saturating_duration_since(now));
                Looked { outcome: Outcome::Applied, again }
            }
            Err(Fault::Passing(why)) => {
                tracing::warn!(object = %key, why, "could not put the object back; trying again");
                return None;
            }
            Err(Fault::Refused(_, problems)) => {
                let message = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                let leave = Leave {
                    state: DeviationState::Refused,
                    until: None,
                    message: Some(message.chars().take(1_000).collect()),
                };
                let deviation = deviation(&charge, key, &read, &leave, time);
                tell::left(ctx, &charge, key, &read, &deviation, source.drift);
                judged.deviation = Some(deviation);
                Looked { outcome: Outcome::Unchanged, again: Some(REFUSED_AGAIN) }
            }
        },
    };
    if ctx.members.judged(&charge, key, judged) {
        ctx.queues.sources.add(charge.source.clone());
    }
    Some(looked)
}

/// The freeze on the object, or what is wrong with it. One that is over is no mistake, unless it was over already when it was
/// written. What was written while no operator ran, or during an attempt, is not told from one that has ended.
fn freeze_of(charge: &Charge, written: &freeze::Written, time: jiff::Timestamp) -> Result<Option<Freeze>, String> {
    let in_force = freeze::in_force(written, time)?;
    let Some(missed) = freeze::missed(written, time) else { return Ok(in_force) };
    let is_new = charge.member.known.as_ref().is_some_and(|known| known.freeze != *written);
    let was_said = charge.deviation.as_ref().and_then(|deviation| deviation.message.as_ref());
    if is_new || was_said.is_some_and(|said| said.contains(&missed)) { Err(missed) } else { Ok(None) }
}

/// The source as it stands now, when it is served and still reads what it read.
fn served(ctx: &Context, charge: &Charge) -> Option<Arc<Source>> {
    let source = ctx.world.read().source(&charge.source)?.compiled.clone()?;
    (!source.suspended && source.reads_the_same(&charge.read_as)).then_some(source)
}

/// # Errors
/// Why it could not be read.
async fn read(ctx: &Context, key: &ObjectKey, charge: &Charge) -> Result<Read, String> {
    let kind = kinds().into_iter().find(|kind| kind.name == key.kind).ok_or("its kind does not come out of Git")?;
    let object = match live::get(&ctx.client, &kind, key).await {
        Ok(object) => object,
        Err(Fault::Passing(why)) => return Err(why),
        Err(Fault::Refused(_, problems)) => {
            return Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        }
    };
    let live = object.clone().map(|object| live::whole(&kind, object));
    let finding = compare(ctx, charge, live.as_ref());
    let by = match (&finding, &object) {
        (Finding::Differs(fields), Some(object)) => {
            let entries = object.metadata.managed_fields.as_deref().unwrap_or_default();
            blame::last_writer(entries, &write::manager(&charge.set), fields)
        }
        _ => None,
    };
    Ok(Read { object, live, finding, by })
}

fn compare(ctx: &Context, charge: &Charge, live: Option<&Live>) -> Finding {
    let (wanted, live) = match (&charge.member.wanted, live) {
        (None, None) => return Finding::AsGit,
        (None, Some(live)) => {
            let ours = live.member_of() == Some(&charge.set);
            return if ours { Finding::Leaving } else { Finding::AsGit };
        }
        (Some(_), None) => return Finding::Missing,
        (Some(wanted), Some(live)) => (wanted, live),
    };
    if let Some(other) = live.member_of().filter(|other| *other != charge.set) {
        // A label that names no source was not a hand-over.
        return match source::holder_of(ctx, other) {
            Some(holder) => Finding::Foreign(holder),
            None => Finding::Differs(vec![format!("metadata.labels.{}", applyset::PART_OF)]),
        };
    }
    match differences(&charge.set, wanted, live) {
        fields if fields.is_empty() => Finding::AsGit,
        fields => Finding::Differs(fields),
    }
}

fn differences(set: &str, wanted: &Object, live: &Live) -> Vec<String> {
    let defaults = |kind: &str, value: &serde_json::Value| write::wanted(set, kind, value);
    let plan = plan::plan(&Question {
        set,
        commit: "",
        desired: std::slice::from_ref(wanted),
        refused: &[],
        live: std::slice::from_ref(live),
        defaults: &defaults,
        prune: PruneRule::Never,
        hold: &plan::hold_nothing,
    });
    plan.update.into_iter().flat_map(|update| update.differs).collect()
}

/// Puts an object back, as whoever the source writes as.
async fn put_back(ctx: &Context, charge: &Charge, source: &Source, read: &Read) -> Result<Version, Fault> {
    let Some(wanted) = &charge.member.wanted else { return Err(Fault::Passing("it left Git".to_owned())) };
    let client = match &source.service_account {
        None => ctx.client.clone(),
        Some(account) => ctx
            .sources
            .client_as(&ctx.cluster, &source.namespace, account)
            .map_err(|error| Fault::Passing(error.to_string()))?,
    };
    let writer = Writer::new(client, charge.set.clone(), ctx.leadership.clone());
    writer.apply(wanted, read.live.as_ref().map(|live| live.uid.as_str()), Mode::Real).await
}

/// When to look again at an object that is left as it is.
fn leave_alone(seen: &Seen, leave: &Leave, judged: &Judged) -> Option<Duration> {
    let until = match leave.state {
        DeviationState::Frozen => leave.until.map(|until| {
            let wait = until.duration_since(seen.time);
            // The freeze is over at that instant, not before.
            Duration::try_from(wait).unwrap_or_default() + Duration::from_millis(1)
        }),
        _ => judged.fight.until().map(|next| next.saturating_duration_since(seen.now)),
    };
    until.map(|wait| wait.min(LONGEST))
}

/// What the status is to say. Its time stays for as long as it says the same.
fn deviation(charge: &Charge, key: &ObjectKey, read: &Read, leave: &Leave, time: jiff::Timestamp) -> Deviation {
    let fields = match &read.finding {
        Finding::Differs(fields) => fields.clone(),
        Finding::Missing => vec!["metadata.name".to_owned()],
        Finding::AsGit | Finding::Foreign(_) | Finding::Leaving => Vec::new(),
    };
    let message = match (&read.finding, &leave.message) {
        (Finding::Missing, None) => Some("it was deleted".to_owned()),
        (Finding::Missing, Some(message)) => Some(format!("it was deleted; {message}")),
        (Finding::Leaving, Some(message)) => Some(format!("it left Git; {message}")),
        (_, message) => message.clone(),
    };
    let fields = if read.finding == Finding::Missing { Vec::new() } else { fields };
    let new = Deviation {
        object: key.to_string(),
        state: leave.state,
        fields,
        by: read.by.clone(),
        since: domain::time::whole_seconds(time),
        until: leave.until.map(domain::time::whole_seconds),
        message,
    };
    let same = charge.deviation.as_ref().filter(|old| old.state == new.state && old.fields == new.fields);
    let since = same.map_or(new.since, |old| old.since);
    Deviation { since, ..new }
}
