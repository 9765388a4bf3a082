//! What a commit asks for: its manifests, read and checked as a whole, off the runtime's threads.

use std::path::PathBuf;

use api::git_source::Source;
use gitops::{
    FileError,
    load::{self, Loaded, Namespaces, Rules},
    tree::{self, TreeBudgets, TreeError},
    yaml::Limits,
};
use thiserror::Error;

use super::kinds::ALLOWED;
use crate::dependencies;

/// Why a commit could not be read at all.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// The repository has to change, or the path in the spec.
    #[error("{0}")]
    Commit(TreeError),
    /// The mirror is damaged. It is only a cache: the next fetch begins with an empty one.
    #[error("the mirror is thrown away and fetched anew: {0}")]
    Mirror(String),
}

/// Reads and checks all manifests of a commit (40 hex digits) below the source's path.
///
/// # Errors
/// When there is nothing to look at; what is wrong with the manifests is in the answer.
pub async fn read(source: &Source, mirror: PathBuf, commit: &str) -> Result<Loaded, Unreadable> {
    let (namespaces, path, commit) = (source.namespaces.clone(), source.path.clone(), commit.to_owned());
    let reading = tokio::task::spawn_blocking(move || {
        let tree = match tree::read_commit(&mirror, &commit, &path, TreeBudgets::default()) {
            Ok(tree) => tree,
            Err(TreeError::Unreadable { path, message }) => {
                let _ = std::fs::remove_dir_all(&mirror);
                return Err(Unreadable::Mirror(format!("{path}: {message}")));
            }
            Err(error) => return Err(Unreadable::Commit(error)),
        };
        let rules = Rules {
            namespaces: Namespaces::Only(&namespaces),
            kinds: &ALLOWED,
            check: &api::check,
            limits: Limits::default(),
        };
        let mut loaded = load::load(&tree.files, &rules);
        loaded.errors.extend(tree.errors);
        // What is not there may be in the cluster; the monitor's condition says so.
        let circles = dependencies::check(&loaded.objects, &loaded.refused);
        loaded.errors.extend(circles.into_iter().filter(FileError::is_error));
        Ok(loaded)
    });
    reading.await.unwrap_or_else(|error| Err(Unreadable::Mirror(format!("reading commit: {error}"))))
}
