//! Reads what an attempt rests on: the manifests of the commit and what the cluster holds of them.

use std::path::PathBuf;

use api::git_source::{ObjectCounts, Source};
use gitops::{FileError, load::Loaded, plan::Live};
use kube::Client;

use super::decide::{End, Refusal, objection::undone};
use crate::{
    context::Context,
    engine::syncer::{
        content::{self, Unreadable},
        live::{self, Reach},
        refusal::{Fault, Mend, located, unlocated},
    },
};

/// Everything that was read.
pub(super) struct Seen {
    /// What Git asks for; without errors.
    pub(super) loaded: Loaded,
    /// What is there.
    pub(super) live: Vec<Live>,
    /// A client that may write what this source may write.
    pub(super) client: Client,
}

/// An attempt that ended before it had all it needs.
pub(super) type Ended = (ObjectCounts, End);

/// # Errors
/// How the attempt ends when the commit is not valid, or when something could not be read.
pub(super) async fn read(
    ctx: &Context,
    source: &Source,
    set: &str,
    mirror: PathBuf,
    commit: &str,
) -> Result<Seen, Ended> {
    let loaded = content::read(source, mirror, commit).await.map_err(unreadable)?;
    if loaded.has_errors() {
        return Err(invalid(&loaded));
    }
    let client = match &source.service_account {
        None => Ok(ctx.client.clone()),
        Some(account) => ctx.sources.client_as(&ctx.cluster, &source.namespace, account),
    };
    let client = client.map_err(|error| interrupted("ReconciliationFailed", error.to_string()))?;
    let reach = match source.service_account {
        None => Reach::Everywhere,
        Some(_) => Reach::Only(&source.namespaces),
    };
    match live::read(&client, set, reach, &loaded.objects).await {
        Ok(live) => Ok(Seen { loaded, live, client }),
        Err(Fault::Passing(why)) => Err(interrupted("ReconciliationFailed", format!("listing what is there: {why}"))),
        Err(Fault::Refused(mend, problems)) => {
            let who = source.service_account.as_ref().map_or_else(
                || "the operator".to_owned(),
                |account| format!("ServiceAccount {}/{account}", source.namespace),
            );
            let errors = problems
                .iter()
                .map(|problem| unlocated("", problem))
                .map(|error| api::git_source::SourceError { object: None, ..error });
            let message = format!(
                "{who} may not list what is there; give it list, create, patch and delete on the kinds in the repository"
            );
            let refusal = Refusal { reason: "AccessDenied", message, errors: errors.collect(), mend };
            Err((total(&loaded), End::Refused(refusal)))
        }
    }
}

fn unreadable(error: Unreadable) -> Ended {
    match error {
        Unreadable::Commit(error) => {
            let refusal =
                Refusal { reason: "BuildFailed", message: error.to_string(), errors: Vec::new(), mend: Mend::Commit };
            (ObjectCounts::default(), End::Refused(refusal))
        }
        Unreadable::Mirror(message) => interrupted("GitOperationFailed", message),
    }
}

fn invalid(loaded: &Loaded) -> Ended {
    let errors: Vec<_> = loaded.errors.iter().filter(|error| error.is_error()).map(located).collect();
    let message = match errors.len() {
        1 => "1 error".to_owned(),
        many => format!("{many} errors"),
    };
    let refusal = Refusal { reason: "BuildFailed", message, errors, mend: Mend::Commit };
    (total(loaded), End::Refused(refusal))
}

fn interrupted(reason: &'static str, message: String) -> Ended {
    (ObjectCounts::default(), End::Interrupted { reason, message })
}

/// Objects in the commit, and those of them that are no good.
fn total(loaded: &Loaded) -> ObjectCounts {
    let all = loaded.objects.len() + loaded.refused.len();
    let counts = ObjectCounts { total: u32::try_from(all).unwrap_or(u32::MAX), ..ObjectCounts::default() };
    undone(counts, loaded.refused.len())
}

/// Findings that do not stop a commit.
pub(super) fn warnings(loaded: &Loaded) -> Option<String> {
    let warnings: Vec<&FileError> = loaded.errors.iter().filter(|error| !error.is_error()).collect();
    match warnings.as_slice() {
        [] => None,
        [one] => Some(format!("a warning: {one}")),
        [first, ..] => Some(format!("{} warnings, the first: {first}", warnings.len())),
    }
}
