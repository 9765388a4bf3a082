//! One commit onto the cluster: rehearsed as a whole, then written in order, then what left Git removed.
//!
//! There is no rollback: what fails in passing is rolled forward by the next attempt, because a plan is made of what
//! is there and not of what was meant.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    pin::pin,
};

use api::git_source::SourceError;
use domain::problem::Problem;
use futures::{FutureExt, Stream, StreamExt, stream};
use gitops::{
    load::{Object, ObjectKey},
    plan::{Live, Plan},
};

use super::{
    kinds::kinds,
    members::Version,
    refusal::{self, Fault, Mend},
    write::{Mode, Writer},
};

/// Writes in flight at once: more gain nothing on a small control plane and hurt its other users.
const CONCURRENCY: usize = 8;
/// A first commit with more objects than this is rehearsed by one object per kind and namespace: the server would be
/// asked everything twice, and nothing is there that could be broken.
const REHEARSED_WHOLE: usize = 500;

/// What the server says to a rehearsal.
#[derive(Debug, Default)]
pub struct Rehearsed {
    /// Everything it would refuse.
    pub refused: Refusals,
    /// How many objects stood for the others, where not all were asked about.
    pub sampled: Option<usize>,
}

/// Everything that was refused.
#[derive(Debug, Default)]
pub struct Refusals {
    /// By file and line.
    pub errors: Vec<SourceError>,
    /// How many objects they are about.
    pub objects: usize,
    /// Those objects.
    pub keys: HashSet<ObjectKey>,
    /// What has to be mended; the commit, when any of it is.
    pub mend: Option<Mend>,
}

impl Refusals {
    fn add(&mut self, key: &ObjectKey, mend: Mend, errors: impl IntoIterator<Item = SourceError>) {
        self.errors.extend(errors);
        self.keys.insert(key.clone());
        self.objects += 1;
        self.mend = self.mend.max(Some(mend));
    }

    fn sorted(mut self) -> Self {
        self.errors.sort_by(|a, b| (&a.file, a.line, a.column, &a.object).cmp(&(&b.file, b.line, b.column, &b.object)));
        self
    }
}

/// What was written.
#[derive(Debug, Default)]
pub struct Written {
    /// Objects that were not there.
    pub created: usize,
    /// Objects that differed.
    pub updated: usize,
    /// Objects that left Git.
    pub pruned: usize,
    /// The version of each object that was applied.
    pub versions: HashMap<ObjectKey, Version>,
    /// What was refused although the rehearsal was clean.
    pub refused: Refusals,
    /// Whether what was refused is the removal of objects.
    pub prune_failed: bool,
    /// Why it ended before its time; to be tried again.
    pub interrupted: Option<String>,
}

/// One write of a plan.
#[derive(Clone, Copy)]
enum Step<'a> {
    Create(&'a Object),
    Update(&'a Object, &'a str),
    Remove(&'a Live),
}

impl<'a> Step<'a> {
    fn key(&self) -> &'a ObjectKey {
        match self {
            Self::Create(object) | Self::Update(object, _) => &object.key,
            Self::Remove(live) => &live.key,
        }
    }

    async fn carry_out(self, writer: &Writer, mode: Mode) -> (Self, Result<Option<Version>, Fault>) {
        let result = match self {
            Self::Create(object) => writer.apply(object, None, mode).await.map(Some),
            Self::Update(object, uid) => writer.apply(object, Some(uid), mode).await.map(Some),
            Self::Remove(live) => writer.remove(live, mode).await.map(|()| None),
        };
        (self, result)
    }

    /// The problems where they stand in the files; an object that left Git has no place.
    fn errors(&self, problems: Vec<Problem>) -> Vec<SourceError> {
        match self {
            Self::Create(object) | Self::Update(object, _) => {
                problems.into_iter().map(|problem| refusal::located(&object.error(problem))).collect()
            }
            Self::Remove(live) => {
                let object = live.key.to_string();
                let said = problems
                    .iter()
                    .map(|problem| Problem::error("", format!("it left Git and cannot be removed: {problem}")));
                said.map(|problem| refusal::unlocated(&object, &problem)).collect()
            }
        }
    }
}

/// Asks the server about everything the plan would write. Nothing changes.
///
/// # Errors
/// When the server could not be asked; the answer is of no use then.
pub async fn rehearse(writer: &Writer, plan: &Plan<'_>, first: bool) -> Result<Rehearsed, String> {
    let mut steps = applies(plan);
    steps.extend(removals(plan));
    let sampled = (first && steps.len() > REHEARSED_WHOLE).then(|| {
        let mut seen = BTreeSet::new();
        steps.retain(|step| seen.insert((step.key().kind.as_str(), step.key().namespace.as_str())));
        steps.len()
    });
    let mut refused = Refusals::default();
    let mut answers = pin!(run(writer, steps, Mode::DryRun));
    while let Some((step, answer)) = answers.next().await {
        match answer {
            Ok(_) => {}
            Err(Fault::Refused(mend, problems)) => refused.add(step.key(), mend, step.errors(problems)),
            Err(Fault::Passing(why)) => return Err(format!("{}: {why}", step.key())),
        }
    }
    Ok(Rehearsed { refused: refused.sorted(), sampled })
}

/// Writes a plan, kind by kind, then removes what left Git. After a refusal the rest is still applied, but nothing is
/// removed; after a failure that passes nothing more is begun.
pub async fn carry_out(writer: &Writer, plan: &Plan<'_>) -> Written {
    let mut written = Written::default();
    for kind in kinds() {
        let steps = applies(plan).into_iter().filter(|step| step.key().kind == kind.name).collect();
        write(writer, steps, &mut written).await;
        if written.interrupted.is_some() {
            return written;
        }
    }
    if written.refused.objects == 0 {
        // One after the other, in the plan's order: there are few, and each takes something away.
        for step in removals(plan) {
            write(writer, vec![step], &mut written).await;
            if written.interrupted.is_some() {
                return written;
            }
        }
        written.prune_failed = written.refused.objects > 0;
    }
    written.refused = std::mem::take(&mut written.refused).sorted();
    written
}

async fn write(writer: &Writer, steps: Vec<Step<'_>>, written: &mut Written) {
    let mut answers = pin!(run(writer, steps, Mode::Real));
    while let Some((step, answer)) = answers.next().await {
        match (answer, step) {
            (Ok(version), step) => {
                match step {
                    Step::Create(_) => written.created += 1,
                    Step::Update(..) => written.updated += 1,
                    Step::Remove(_) => written.pruned += 1,
                }
                written.versions.extend(version.map(|version| (step.key().clone(), version)));
            }
            (Err(Fault::Refused(mend, problems)), step) => written.refused.add(step.key(), mend, step.errors(problems)),
            (Err(Fault::Passing(why)), step) => {
                written.interrupted = Some(format!("{}: {why}", step.key()));
                return;
            }
        }
    }
}

fn run<'a>(
    writer: &'a Writer,
    steps: Vec<Step<'a>>,
    mode: Mode,
) -> impl Stream<Item = (Step<'a>, Result<Option<Version>, Fault>)> + 'a {
    stream::iter(steps).map(move |step| step.carry_out(writer, mode).boxed()).buffer_unordered(CONCURRENCY)
}

fn applies<'a>(plan: &Plan<'a>) -> Vec<Step<'a>> {
    let created = plan.create.iter().map(|object| Step::Create(object));
    let updated = plan.update.iter().map(|update| Step::Update(update.object, update.uid));
    created.chain(updated).collect()
}

fn removals<'a>(plan: &Plan<'a>) -> Vec<Step<'a>> {
    plan.prune.iter().map(|live| Step::Remove(live)).collect()
}
