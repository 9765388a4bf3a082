//! The manifests of a commit, or of a folder on disk: a list of paths and bytes, and what was refused.
//!
//! Both readers share the rules: `.yaml`, `.yml` and `.json` are manifests; `*.test.yaml` is a fixture, which is read from
//! a disk and never from a commit; what stands below a name that begins with a dot is neither; symlinks, submodules and LFS pointers are refused; a kustomization is not built.
//! A commit is read from the object store: nothing is checked out, so no path of a repository ever becomes a path of
//! this machine.

mod commit;
mod disk;

use std::collections::HashSet;

pub use commit::read_commit;
pub use disk::read_disk;

use crate::FileError;

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the root of the repository, or as given to [`read_disk`]; with `/` between folders.
    pub path: String,
    /// The content.
    pub bytes: Vec<u8>,
}

/// All manifests, sorted by path, and what was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Sorted by path.
    pub files: Vec<SourceFile>,
    /// `*.test.yaml`, for `firstline test`; sorted by path. Empty for a commit.
    pub fixtures: Vec<SourceFile>,
    /// Sorted by path. Where there is one, the files are not all: nothing may be pruned.
    pub errors: Vec<FileError>,
}

/// How much a tree may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeBudgets {
    /// Files and folders looked at.
    pub entries: usize,
    /// Folders within each other.
    pub depth: usize,
    /// Bytes of one manifest. A larger one is refused, the others are read.
    pub file_bytes: u64,
    /// Bytes of all manifests together.
    pub total_bytes: u64,
}

impl Default for TreeBudgets {
    /// 10,000 monitors are 4 MB in 10,000 files; an object over 1.5 MiB does not fit into etcd.
    fn default() -> Self {
        Self { entries: 200_000, depth: 64, file_bytes: 2 << 20, total_bytes: 128 << 20 }
    }
}

/// Why a tree could not be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The folder or file is not there. Nothing may be pruned: a renamed folder is not the wish to delete everything.
    #[error("{root} has no file or folder `{path}`")]
    PathNotFound {
        /// `commit 9c2f…`, or the folder on disk.
        root: String,
        /// What was looked for.
        path: String,
    },
    /// The path is not one inside a repository.
    #[error("`{path}`: expected a path inside the repository such as `./production`, without `..`")]
    InvalidPath {
        /// As written.
        path: String,
    },
    /// More than the budgets allow.
    #[error("`{path}`: more than {limit} {budget}")]
    BudgetExceeded {
        /// What there is too much of: `entries`, `folders within each other`, `bytes of manifests`.
        budget: &'static str,
        /// How much is allowed.
        limit: u64,
        /// Where it became too much.
        path: String,
    },
    /// The object store or the disk could not be read. A mirror is a cache: removed and fetched again, it is whole.
    #[error("`{path}`: {message}")]
    Unreadable {
        /// What was read.
        path: String,
        /// What the system or libgit2 says.
        message: String,
    },
}

/// What to do with an entry, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Manifest,
    Fixture,
    Kustomization,
    Other,
    /// A name that begins with a dot: not looked into at all.
    Hidden,
}

fn judge_name(name: &str) -> Name {
    if name.starts_with('.') {
        return Name::Hidden;
    }
    if matches!(name, "kustomization.yaml" | "kustomization.yml" | "Kustomization") {
        return Name::Kustomization;
    }
    let Some((stem, extension)) = name.rsplit_once('.') else { return Name::Other };
    match extension {
        "yaml" | "yml" if stem.ends_with(".test") => Name::Fixture,
        "yaml" | "yml" | "json" => Name::Manifest,
        _ => Name::Other,
    }
}

/// Counts against the budgets and collects what is found.
struct Collector {
    budgets: TreeBudgets,
    entries: usize,
    total_bytes: u64,
    tree: Tree,
}

impl Collector {
    fn new(budgets: TreeBudgets) -> Self {
        Self { budgets, entries: 0, total_bytes: 0, tree: Tree::default() }
    }

    fn entry(&mut self, path: &str, depth: usize) -> Result<(), TreeError> {
        self.entries += 1;
        if self.entries > self.budgets.entries {
            return Err(exceeded("entries", self.budgets.entries as u64, path));
        }
        if depth > self.budgets.depth {
            return Err(exceeded("folders within each other", self.budgets.depth as u64, path));
        }
        Ok(())
    }

    /// Whether a manifest of this size may be read; asked before it is.
    fn admit(&mut self, path: &str, size: u64) -> Result<bool, TreeError> {
        if size > self.budgets.file_bytes {
            let limit = self.budgets.file_bytes;
            self.refuse(path, format!("the file has {size} bytes, more than the {limit} that a manifest may have"));
            return Ok(false);
        }
        self.total_bytes += size;
        if self.total_bytes > self.budgets.total_bytes {
            return Err(exceeded("bytes of manifests", self.budgets.total_bytes, path));
        }
        Ok(true)
    }

    fn file(&mut self, path: &str, bytes: Vec<u8>) {
        if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
            self.refuse(path, "the file is a Git LFS pointer, whose content is not fetched; commit the file itself");
            return;
        }
        self.tree.files.push(SourceFile { path: path.to_owned(), bytes });
    }

    fn fixture(&mut self, path: &str, bytes: Vec<u8>) {
        self.tree.fixtures.push(SourceFile { path: path.to_owned(), bytes });
    }

    fn refuse(&mut self, path: &str, message: impl Into<String>) {
        self.tree.errors.push(FileError::of_file(path, message));
    }

    fn refuse_kustomization(&mut self, path: &str) {
        self.refuse(
            path,
            "a kustomization is not built here; let Flux or Argo CD apply this folder, or commit the built manifests",
        );
    }

    fn refuse_symlink(&mut self, path: &str) {
        self.refuse(path, "symlinks are not followed; commit the file itself");
    }

    fn into_tree(mut self) -> Tree {
        // A file that is named twice on a command line is one file.
        let mut seen = HashSet::new();
        self.tree.files.retain(|file| seen.insert(file.path.clone()));
        self.tree.fixtures.retain(|file| seen.insert(file.path.clone()));
        self.tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.tree.fixtures.sort_by(|a, b| a.path.cmp(&b.path));
        self.tree.errors.sort_by(|a, b| a.file.cmp(&b.file));
        self.tree.errors.dedup();
        self.tree
    }
}

fn exceeded(budget: &'static str, limit: u64, path: &str) -> TreeError {
    TreeError::BudgetExceeded { budget, limit, path: path.to_owned() }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests;
