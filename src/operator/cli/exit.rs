//! Exit codes, and why a verb could not give its answer.

use std::{io, process::ExitCode};

use thiserror::Error;

use super::{
    act::VerbError, cluster::Trouble, crds::CrdsError, explain::ExplainError, lookup::LookupError, new::NewError,
    oncall::OncallError, overrides::OverrideError, page::PageError, probe::ProbeError, silence::SilenceError,
};
use crate::{app::RunError, load::LoadError};

/// How a verb ended. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: the answer is no. Invalid, refused, down.
    No,
    /// 2: the command line is wrong.
    Usage,
    /// 3: nobody could tell. No cluster, no network, no answer in time.
    Unknown,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Unknown => 3,
        })
    }
}

/// Why a verb could not give its answer.
#[derive(Debug, Error)]
pub enum Failure {
    /// The cluster refused, or there is none.
    #[error(transparent)]
    Cluster(#[from] Trouble),
    /// No ticket is meant, or more than one.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The ticket cannot be made as it was asked for.
    #[error(transparent)]
    New(#[from] NewError),
    /// The act cannot be put into words.
    #[error(transparent)]
    Act(#[from] VerbError),
    /// Nobody can be tried.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The silence cannot be made as it was asked for.
    #[error(transparent)]
    Silence(#[from] SilenceError),
    /// The override cannot be made as it was asked for.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// No such policy or schedule, or an impossible range.
    #[error(transparent)]
    Oncall(#[from] OncallError),
    /// Nothing is explained.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// There is nothing to probe.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The files could not be read at all.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The CRDs could not be written.
    #[error(transparent)]
    Crds(#[from] CrdsError),
    /// The operator ended with an error.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The result could not be put into the asked form.
    #[error("writing the result: {0}")]
    Form(String),
    /// Nobody reads the output any more, or the disk behind it is full.
    #[error("writing the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Whether somebody has read as much as they wanted, as in `firstline validate . | head`.
    fn is_unread(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Cluster(trouble) => trouble.exit(),
            Self::Lookup(error) => error.exit(),
            Self::New(error) => error.exit(),
            Self::Act(error) => error.exit(),
            Self::Page(error) => error.exit(),
            Self::Silence(error) => error.exit(),
            Self::Probe(error) => error.exit(),
            Self::Oncall(error) => error.exit(),
            Self::Load(_) | Self::Override(_) | Self::Explain(_) | Self::Crds(CrdsError::Write { .. }) => Exit::Usage,
            Self::Crds(CrdsError::Manifest(_)) => Exit::No,
            Self::Run(RunError::Log(_) | RunError::WatchdogUrl(_)) => Exit::Usage,
            Self::Run(RunError::Client(_)) => Exit::Unknown,
            Self::Run(_) => Exit::No,
            // `firstline tickets | head` is no error of ours.
            Self::Output(_) if self.is_unread() => Exit::Done,
            Self::Output(_) | Self::Form(_) => Exit::Unknown,
        }
    }
}

/// The words of an answer; that nobody reads them to the end changes nothing of it.
pub fn even_unread(said: Result<(), Failure>) -> Result<(), Failure> {
    match said {
        Err(failure) if failure.is_unread() => Ok(()),
        said => said,
    }
}
