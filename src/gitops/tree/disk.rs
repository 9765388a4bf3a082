//! The manifests and fixtures of files and folders on disk, for `validate` and `test`: a working tree before it is
//! committed.

use std::fs;
use std::path::Path;

use super::{Collector, Name, Tree, TreeBudgets, TreeError, join, judge_name};

/// Reads a manifest, or all manifests below a folder. The paths in the answer begin with `path` as it was written.
///
/// A file that is named itself is read whatever its extension, a folder whatever its name.
///
/// # Errors
/// When there is no such path, the budgets do not suffice, or the disk cannot be read.
pub fn read_disk(path: &Path, budgets: TreeBudgets) -> Result<Tree, TreeError> {
    let shown = path.to_string_lossy();
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            TreeError::PathNotFound { root: "this machine".to_owned(), path: shown.clone().into_owned() }
        }
        _ => unreadable(&shown, &error),
    })?;
    let mut collector = Collector::new(budgets);
    if metadata.is_dir() {
        let prefix = if shown == "." { "" } else { shown.trim_end_matches('/') };
        folder(&mut collector, path, prefix, 0)?;
    } else {
        let kustomization =
            path.file_name().is_some_and(|name| judge_name(&name.to_string_lossy()) == Name::Kustomization);
        if kustomization {
            collector.refuse_kustomization(&shown);
        } else if collector.admit(&shown, metadata.len())? {
            let bytes = fs::read(path).map_err(|error| unreadable(&shown, &error))?;
            let fixture = path.file_name().is_some_and(|name| judge_name(&name.to_string_lossy()) == Name::Fixture);
            if fixture { collector.fixture(&shown, bytes) } else { collector.file(&shown, bytes) }
        }
    }
    Ok(collector.into_tree())
}

fn folder(collector: &mut Collector, at: &Path, shown: &str, depth: usize) -> Result<(), TreeError> {
    for entry in fs::read_dir(at).map_err(|error| unreadable(shown, &error))? {
        let entry = entry.map_err(|error| unreadable(shown, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = join(shown, &name);
        collector.entry(&path, depth)?;
        let name = judge_name(&name);
        if name == Name::Hidden {
            continue;
        }
        let metadata = entry.metadata().map_err(|error| unreadable(&path, &error))?;
        if metadata.is_symlink() {
            collector.refuse_symlink(&path);
        } else if metadata.is_dir() {
            folder(collector, &entry.path(), &path, depth + 1)?;
        } else if name == Name::Kustomization {
            collector.refuse_kustomization(&path);
        } else if matches!(name, Name::Manifest | Name::Fixture) && collector.admit(&path, metadata.len())? {
            let bytes = fs::read(entry.path()).map_err(|error| unreadable(&path, &error))?;
            if name == Name::Fixture { collector.fixture(&path, bytes) } else { collector.file(&path, bytes) }
        }
    }
    Ok(())
}

fn unreadable(path: &str, error: &std::io::Error) -> TreeError {
    TreeError::Unreadable { path: path.to_owned(), message: error.to_string() }
}
