//! When to look at a repository, and what became of it in conditions, status and Events. Pure.
//!
//! | module | decides |
//! |---|---|
//! | [`hold`] | what is left as it is for now |
//! | [`objection`] | whether a plan may be carried out at all |
//! | [`turn`] | whether to fetch now, to rest, or not to serve the source at all |
//! | [`status`] | the status that an outcome leaves |
//! | [`note`] | which Event tells of it |
//! | [`remember`] | when to look again, and whether at the same commit |

pub(super) mod hold;
pub(super) mod note;
pub(super) mod objection;
pub(super) mod remember;
pub(super) mod status;
pub(super) mod turn;

use std::time::Duration;

use api::git_source::{ObjectCounts, SourceError};
use domain::conditions::Standing;
use jiff::Timestamp;

use crate::engine::syncer::{fetch::NotFetched, refusal::Mend};

/// What a look at a source came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// It is not served, or rests.
    NotServed(Standing),
    /// The repository could not be asked.
    NotFetched(NotFetched),
    /// The tip is the commit that was judged before.
    Known(Standing),
    /// A commit was attempted.
    Attempted(Attempt),
}

/// One attempt to apply a commit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attempt {
    /// 40 hex digits.
    pub(super) commit: String,
    /// `main@sha1:9c2f…`.
    pub(super) revision: String,
    /// When it began.
    pub(super) at: Timestamp,
    /// How long it took, fetch included.
    pub(super) took: Duration,
    /// How many objects it was about.
    pub(super) counts: ObjectCounts,
    /// How it ended.
    pub(super) end: End,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// Everything is as Git has it.
    Applied {
        /// What a person should know all the same, a sentence each.
        remarks: Vec<String>,
        /// Objects that belonged to nobody and belong to this source now.
        adopted: Vec<String>,
        /// That the branch does not hold the commit that was applied before, in a sentence.
        rewritten: Option<String>,
    },
    /// Nothing was written.
    Refused(Refusal),
    /// The server refused some of it after a clean rehearsal.
    Partial(Refusal),
    /// It failed in a way that passes.
    Interrupted {
        /// A stable word.
        reason: &'static str,
        /// Why.
        message: String,
    },
}

/// Why a commit is not applied.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    /// A stable word, as Flux users know it.
    pub(super) reason: &'static str,
    /// What is wrong and what to do, in short.
    pub(super) message: String,
    /// Each error at its place.
    pub(super) errors: Vec<SourceError>,
    /// What has to change.
    pub(super) mend: Mend,
}

/// What a run may come to, in metrics.
pub(crate) const RUNS: [&str; 4] = ["applied", "unchanged", "invalid", "failed"];

impl Outcome {
    /// The word in metrics, one of [`RUNS`]; `None` for what is no run.
    pub(super) fn word(&self) -> Option<&'static str> {
        match self {
            Self::NotServed(_) => None,
            Self::Known(_) => Some("unchanged"),
            Self::NotFetched(_) => Some("failed"),
            Self::Attempted(attempt) => Some(attempt.word()),
        }
    }
}

impl Attempt {
    /// Whether anything was written.
    pub(super) fn wrote(&self) -> bool {
        self.counts.created + self.counts.updated + self.counts.pruned > 0
    }

    fn word(&self) -> &'static str {
        match &self.end {
            End::Applied { .. } if self.wrote() => "applied",
            End::Applied { .. } => "unchanged",
            End::Refused(refusal) if refusal.reason == "BuildFailed" => "invalid",
            End::Refused(_) | End::Partial(_) | End::Interrupted { .. } => "failed",
        }
    }

    /// The word in the history.
    pub(super) fn result(&self) -> &'static str {
        match &self.end {
            End::Applied { .. } => "Applied",
            End::Refused(_) => "Refused",
            End::Partial(_) => "Partial",
            End::Interrupted { .. } => "Failed",
        }
    }
}
