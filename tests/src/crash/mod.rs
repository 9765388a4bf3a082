//! Crashes by seed: the real operator, killed by SIGKILL at named points of its dealings with the API server and with
//! receivers, while several incidents run; then everything that arrived is counted.
//!
//! Nothing in the product knows of it. A [`proxy`](crate::proxy) stands between each operator and the API server and a
//! receiver takes what it sends; both can kill before or after a call, a send or a receipt. A seed gives a
//! [`Schedule`]: which points, at which occurrence, how many kills, one replica or two, which incidents, how often
//! receivers refuse first, and in every fourth an outage of the API server, in which the leader goes on by itself. Seeds run
//! side by side on one control plane, each in a namespace of its own, which is all that its operator sees.
//!
//! | module | what |
//! |---|---|
//! | [`schedule`] | from a seed to what happens |
//! | `ground` | what all seeds share: control plane, receiver and probed services |
//! | `reaper` | kills at the points, starts again, writes the ledger |
//! | `story` | people and services: breaks, acknowledges, repairs, and waits for what must come |
//! | [`check`], `withdrawn` | the promises, as functions over ledger and tickets |

pub mod check;
mod ground;
pub mod ledger;
mod reaper;
pub mod schedule;
mod story;
mod withdrawn;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tokio::{sync::Semaphore, task::JoinSet};

pub use self::{
    check::Summary,
    ground::Ground,
    schedule::{Point, Schedule},
};

/// What all seeds came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Seeds that ran.
    pub seeds: u64,
    /// The sum over all seeds.
    pub total: Summary,
    /// Seeds that broke a promise, and which.
    pub broken: BTreeMap<u64, Vec<String>>,
    /// By point, how often somebody was killed there, and how often somebody was to be: a seed that never comes to one comes
    /// to none of those after it.
    pub points: BTreeMap<Point, (u64, u64)>,
    /// How long all took.
    pub took: Duration,
}

impl Report {
    /// How many kills were to be.
    pub fn scheduled(&self) -> u64 {
        self.points.values().map(|(_, scheduled)| scheduled).sum()
    }

    /// The kinds of points at which somebody was killed.
    fn families(&self) -> BTreeSet<&'static str> {
        self.points.iter().filter(|(_, (kills, _))| *kills > 0).map(|(point, _)| point.family()).collect()
    }

    /// Fails when a promise was broken, or when so little was met that none could have been.
    ///
    /// # Errors
    /// Which.
    pub fn holds(&self) -> Result<()> {
        ensure!(self.broken.is_empty(), "a promise was broken: {self}");
        if self.seeds >= 40 {
            let (met, scheduled) = (self.total.kills, self.scheduled());
            ensure!(met * 10 >= scheduled * 6, "only {met} of {scheduled} points were met: {self}");
            ensure!(self.families().len() == 5, "somewhere nobody was killed: {:?}", self.families());
            ensure!(self.total.without_api > 0, "no message in {} outages", self.total.outages);
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = &self.total;
        let rows: [(&str, String); 12] = [
            ("seeds", self.seeds.to_string()),
            ("operators killed, of the kills that were to be", format!("{} of {}", total.kills, self.scheduled())),
            ("operators that ended because their lease was taken", total.replaced.to_string()),
            ("outages of the API server", total.outages.to_string()),
            ("messages planned on tickets and not withdrawn", total.expected.to_string()),
            ("messages withdrawn, each for a reason", total.withdrawn.to_string()),
            ("messages received, repeats included", total.received.to_string()),
            ("of these without an API", total.without_api.to_string()),
            ("lost", total.lost.to_string()),
            ("repeats, each with the same id after a kill", total.repeats.to_string()),
            ("worst lateness of a page, downtime apart", format!("{:.1?}", total.lateness)),
            ("worst lateness of a page, downtime included", format!("{:.1?}", total.lateness_in_all)),
        ];
        for (what, value) in rows {
            writeln!(f, "{what:<64} {value:>14}")?;
        }
        for (point, (kills, scheduled)) in &self.points {
            writeln!(f, "  killed {:<55} {:>14}", point.to_string(), format!("{kills} of {scheduled}"))?;
        }
        for (seed, why) in &self.broken {
            writeln!(
                f,
                "seed {seed} broke a promise; again with: FIRSTLINE_SEEDS={seed} cargo test -p tests --test crashes -- --nocapture"
            )?;
            writeln!(f, "  {}", Schedule::of(*seed))?;
            for line in why {
                writeln!(f, "  {line}")?;
            }
        }
        write!(f, "  crashes took {:.1?}", self.took)
    }
}

/// Runs these seeds, so many side by side.
///
/// # Errors
/// When the ground cannot be prepared. A broken promise is in the report.
pub async fn run(seeds: impl IntoIterator<Item = u64>, side_by_side: usize) -> Result<Report> {
    let began = Instant::now();
    let ground = Arc::new(Ground::build().await?);
    let (places, mut running) = (Arc::new(Semaphore::new(side_by_side)), JoinSet::new());
    for seed in seeds {
        let (ground, places) = (ground.clone(), places.clone());
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            (seed, story::run(&ground, Schedule::of(seed)).await)
        });
    }
    let mut report = Report::default();
    while let Some(ended) = running.join_next().await {
        let (seed, outcome) = ended?;
        report.seeds += 1;
        report.total.add(&outcome.summary);
        for point in Schedule::of(seed).points() {
            report.points.entry(point).or_default().1 += 1;
        }
        for point in outcome.points {
            report.points.entry(point).or_default().0 += 1;
        }
        if !outcome.broken.is_empty() {
            eprintln!("seed {seed}: {}", outcome.broken.join("\n  "));
            report.broken.insert(seed, outcome.broken);
        }
    }
    report.took = began.elapsed();
    Ok(report)
}

/// Seeds as `FIRSTLINE_SEEDS` names them: `17`, `1-40`, `3,5,8`.
///
/// # Errors
/// When it is none of these.
pub fn seeds(text: &str) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((first, last)) => all.extend(first.trim().parse::<u64>()?..=last.trim().parse()?),
            None => all.push(part.trim().parse()?),
        }
    }
    Ok(all)
}
